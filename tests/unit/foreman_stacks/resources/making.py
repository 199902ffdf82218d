"""Writing what the kinds of resources want, until they want nothing more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from foreman_stacks.foreman.port import (
    Change,
    Snapshot,
)
from foreman_stacks.model.progress import Progress
from foreman_stacks.model.scope import Scope
from foreman_stacks.reconcile.acting import decided, do
from foreman_stacks.reconcile.memory import Memory
from foreman_stacks.reconcile.world import Draft
from tests.unit.foreman_stacks.lab import Lab, in_lab
from tests.unit.foreman_stacks.made import NOW
from tests.unit.foreman_stacks.resources.scopes import (
    first_changes,
)


async def made(lab: Lab, scope: Scope, memory: Memory) -> list[Change]:
    """Write what the kinds want until they want nothing more; all that was written, in order."""
    written: list[Change] = []
    changes: list[Change] = []

    def decide(seen: Snapshot) -> Draft:
        changes[:] = first_changes(scope, seen)
        return Draft(Progress())

    for _ in range(12):
        await decided(decide, lab.foreman, memory, {})
        if not changes:
            return written
        await do([list(changes)], lab.foreman, memory, lambda: NOW)
        written += changes
    raise AssertionError(f"does not come to an end: {[str(change) for change in changes]}")


def story(tell: Callable[[Lab, Memory], Awaitable[None]], **options: Any) -> None:
    async def told(lab: Lab) -> None:
        await tell(lab, Memory(NOW))

    in_lab(told, **options)
