"""The journal: every write of the operator, to Foreman or to Kubernetes, is announced to it before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

System = Literal["foreman", "cluster"]
Moment = Literal["before", "after", "failed"]


@dataclass(frozen=True)
class Entry:
    """One write at one moment: the system, what is done (`create host`), and the exact key of its object."""

    moment: Moment
    system: System
    what: str
    key: str

    def __str__(self) -> str:
        return f"{self.moment} {self.system} {self.what} {self.key}"


class Journal(Protocol):
    """The callable to which writes are announced. It may delay a write, but must not raise."""

    async def __call__(self, entry: Entry) -> None:
        """Record the entry; the write continues when this returns."""
        ...
