"""The interface of a kind of resource: pure functions that say what must change for Foreman to have what is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from foreman_stacks.foreman.port import Change, Query, Snapshot
from foreman_stacks.model.scope import Scope

W = TypeVar("W")


class ResourceKind(Protocol[W]):
    """One kind of resource that the operator creates in Foreman. Its functions do no I/O."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    def wanted(self, scope: Scope) -> Sequence[W]:
        """What there should be, with the values that are known so far."""
        ...

    def queries(self, wanted: Sequence[W]) -> Sequence[Query[Any]]:
        """What must be read before `changes` can say anything."""
        ...

    def changes(self, wanted: Sequence[W], seen: Snapshot) -> Sequence[Change]:
        """The writes that can be done now; raises `Unread` for answers beyond `queries`."""
        ...
