"""What one pass over a StackDeployment carries along, what it says at its end, and how it tells Kubernetes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from foreman_stacks.api.meta import FINALIZER
from foreman_stacks.api.stackdeployment import StackDeployment
from foreman_stacks.cluster.port import Cluster, Event, Key, Object
from foreman_stacks.foreman.port import Query
from foreman_stacks.model.progress import Progress
from foreman_stacks.model.reasons import Reason
from foreman_stacks.reconcile import events
from foreman_stacks.reconcile.memory import Memory
from foreman_stacks.reconcile.report import Findings, report


@dataclass(frozen=True)
class Next:
    """When to look again: after so many seconds (None: only when something happens), or when a polled answer changes.

    `names` are the hosts whose answers matter. `error` asks for the queue's back-off instead, `probe` for a look at the
    server; `ended`: nothing of the deployment is left to care for.
    """

    after: float | None = None
    polls: tuple[Query[Any], ...] = ()
    names: frozenset[str] = frozenset()
    server: str = ""
    error: bool = False
    probe: bool = False
    ended: bool = False


@dataclass
class Pass:
    """What one pass carries along."""

    key: Key
    seen: Object
    memory: Memory
    progress: Progress
    generation: int
    request: str = ""
    """What a person asks for, until a pass has decided on it."""
    again: frozenset[str] = frozenset()
    """Hosts that a person asks us to make again, if they are gone."""
    deployment: StackDeployment | None = None

    @property
    def who(self) -> tuple[str, str]:
        """Namespace and name."""
        return (self.key.namespace, self.key.name)

    @property
    def finalizers(self) -> list[str]:
        """The finalizers that the object has."""
        return list(self.seen["metadata"].get("finalizers") or ())


class Reporter:
    """Tells Kubernetes about passes: status, events, and the finalizer of a deployment."""

    def __init__(self, cluster: Cluster, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._now = now

    async def write(self, run: Pass, found: Findings) -> None:
        """The status as these findings make it."""
        await self.patch(run, report(run.seen.get("status") or {}, found, self._now(), run.memory.secrets))

    async def patch(self, run: Pass, new: Mapping[str, Any]) -> None:
        """Write the status when it differs, then tell what changed."""
        old = run.seen.get("status") or {}
        if old == new:
            return
        run.seen = await self._cluster.patch_status(run.seen, "stackdeployments", new)
        await events.transitions(self._cluster, run.seen, old.get("conditions") or (), new.get("conditions") or ())

    async def notes(self, run: Pass, notes: Iterable[str]) -> None:
        """What people should know, though nothing is wrong."""
        await events.post(self._cluster, run.seen, *(Event("Normal", Reason.RETAINED, note) for note in notes))

    async def hold(self, run: Pass) -> None:
        """Our finalizer: from here on the object stays until its end is done."""
        if FINALIZER not in run.finalizers:
            held = [*run.finalizers, FINALIZER]
            run.seen = await self._cluster.set_finalizers(run.seen, "stackdeployments", held)

    async def release(self, run: Pass) -> None:
        """No finalizer of ours: prune and uninstall never hang."""
        if FINALIZER in run.finalizers:
            left = [name for name in run.finalizers if name != FINALIZER]
            run.seen = await self._cluster.set_finalizers(run.seen, "stackdeployments", left)
