"""What one pass over a StackDeployment carries along, what it returns, and how it reports to Kubernetes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
    """When to make the next pass: `after` so many seconds (None: only on an event), or when a polled answer changes.

    `names` are the FQDNs of the hosts whose answers matter. `error` asks for the queue's back-off instead, `probe` for
    a probe of the server. `ended` means that nothing of the deployment is left to take care of.
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
    """A person's request (the annotation's value), until a pass has acted upon it."""
    again: frozenset[str] = frozenset()
    """FQDNs of the hosts that a person asks to have created again if they are gone."""
    deployment: StackDeployment | None = None

    @property
    def who(self) -> tuple[str, str]:
        """Namespace and name."""
        return (self.key.namespace, self.key.name)

    @property
    def conditions(self) -> Sequence[Mapping[str, Any]]:
        """The conditions of the object, as they were last written."""
        return (self.seen.get("status") or {}).get("conditions") or ()

    @property
    def finalizers(self) -> list[str]:
        """The finalizers of the object."""
        return list(self.seen["metadata"].get("finalizers") or ())


class Reporter:
    """Writes what a pass has to tell Kubernetes: status, events, and the finalizer of a deployment."""

    def __init__(self, cluster: Cluster, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._now = now

    async def write(self, run: Pass, found: Findings) -> None:
        """Write the status that follows from these findings."""
        await self.patch(run, report(run.seen.get("status") or {}, found, self._now(), run.memory.secrets))

    async def patch(self, run: Pass, new: Mapping[str, Any]) -> None:
        """Write the status if it differs, then post events about the conditions that changed."""
        old = run.seen.get("status") or {}
        if old == new:
            return
        run.seen = await self._cluster.patch_status(run.seen, "stackdeployments", new)
        await events.transitions(self._cluster, run.seen, old.get("conditions") or (), new.get("conditions") or ())

    async def notes(self, run: Pass, notes: Iterable[str]) -> None:
        """Post events about what people should know although nothing is wrong."""
        await events.post(self._cluster, run.seen, *(Event("Normal", Reason.RETAINED, note) for note in notes))

    async def hold(self, run: Pass) -> None:
        """Set the operator's finalizer: from here on the object stays until its deletion has been carried out."""
        if FINALIZER not in run.finalizers:
            held = [*run.finalizers, FINALIZER]
            run.seen = await self._cluster.set_finalizers(run.seen, "stackdeployments", held)

    async def release(self, run: Pass) -> None:
        """Remove the operator's finalizer, so that prune and uninstall never hang."""
        if FINALIZER in run.finalizers:
            left = [name for name in run.finalizers if name != FINALIZER]
            run.seen = await self._cluster.set_finalizers(run.seen, "stackdeployments", left)
