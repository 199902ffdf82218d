"""What a kind of resource is: pure functions from what is wanted and what is seen to what has to change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from foreman_stacks.foreman.port import Change, Query, Snapshot
from foreman_stacks.model.scope import Scope

W = TypeVar("W")


class ResourceKind(Protocol[W]):
    """One kind of thing that the operator makes in Foreman. None of its functions talks to anyone."""

    @property
    def name(self) -> str:
        """The word for it, in metrics and documents."""
        ...

    def wanted(self, scope: Scope) -> Sequence[W]:
        """What there should be, with the values that are bound so far."""
        ...

    def queries(self, wanted: Sequence[W]) -> Sequence[Query[Any]]:
        """What must be read before `changes` can say anything."""
        ...

    def changes(self, wanted: Sequence[W], seen: Snapshot) -> Sequence[Change]:
        """The writes that can be done now; raises `Unread` for answers beyond `queries`."""
        ...
