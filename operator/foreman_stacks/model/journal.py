"""The journal: every write of the operator, to Foreman and to Kubernetes, passes it before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

System = Literal["foreman", "cluster"]
Moment = Literal["before", "after", "failed"]


@dataclass(frozen=True)
class Entry:
    """One write at one moment: which system, what is done (`create host`), and to what (its exact key)."""

    moment: Moment
    system: System
    what: str
    key: str

    def __str__(self) -> str:
        return f"{self.moment} {self.system} {self.what} {self.key}"


class Journal(Protocol):
    """Where writes are announced. It may hold a write back; it must not raise."""

    async def __call__(self, entry: Entry) -> None:
        """Take note of the entry; the write goes on when this returns."""
        ...
