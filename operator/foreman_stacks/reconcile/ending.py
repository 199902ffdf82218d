"""The pass over a StackDeployment that is being deleted: what `teardown` decides is done, until our finalizer can go."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from foreman_stacks.api.meta import ABANDON_ANNOTATION, FINALIZER
from foreman_stacks.cluster.port import Event
from foreman_stacks.errors import ForemanError
from foreman_stacks.foreman.port import Snapshot
from foreman_stacks.model.identity import Identity
from foreman_stacks.model.reasons import ConditionType, Reason
from foreman_stacks.reconcile import conditions, teardown
from foreman_stacks.reconcile.acting import decided, do
from foreman_stacks.reconcile.conditions import Condition
from foreman_stacks.reconcile.passes import Next, Pass, Reporter
from foreman_stacks.reconcile.servers import Servers
from foreman_stacks.reconcile.world import Draft, Moment
from foreman_stacks.settings import Settings

_log = logging.getLogger(__name__)


class Ending:
    """Ends deployments."""

    def __init__(self, servers: Servers, settings: Settings, now: Callable[[], datetime], reporter: Reporter) -> None:
        self._servers = servers
        self._settings = settings
        self._now = now
        self._reporter = reporter

    async def end(self, run: Pass) -> Next:
        """Deletion was asked for. Without our finalizer there is nothing to do."""
        if FINALIZER not in run.finalizers:
            return Next()
        meta, spec = run.seen["metadata"], run.seen.get("spec") or {}
        if (meta.get("annotations") or {}).get(ABANDON_ANNOTATION) == "true":
            _log.warning("%s is abandoned: what it made stays in Foreman", run.key)
            return await self._let_go(run)
        keep = spec.get("deletionPolicy", "Retain") == "Retain"
        name = (spec.get("serverRef") or {}).get("name", "")
        connection = self._servers.ready(name)
        if connection is None:
            return await self._deleting(
                run,
                Reason.UNREACHABLE,
                f"ForemanServer {name!r} is not Ready; annotation "
                f'{ABANDON_ANNOTATION}: "true" gives up what is in Foreman',
                "False",
            )
        identity = Identity(self._settings.installation, run.key.namespace, run.key.name)
        paused = bool(spec.get("paused"))

        def decide(seen: Snapshot) -> Draft:
            at = Moment(seen, run.memory, self._settings, self._now())
            if keep:
                return teardown.retain(run.progress, at)
            return teardown.delete(run.progress, identity, at, paused=paused)

        try:
            draft = await decided(decide, connection.foreman, run.memory, connection.answers)
            if draft.waves or draft.waits:
                reason = Reason.PAUSED if paused and not draft.waves else Reason.DELETING
                await self._deleting(run, reason, draft.waits[0].message)
                await do(draft.waves, connection.foreman, run.memory, self._now)
                times = [wait.after for wait in draft.waits if wait.after is not None]
                return Next(after=min(times, default=self._settings.poll_builds), server=name)
        except ForemanError as error:
            run.memory.doubt()
            await self._deleting(run, Reason.UNREACHABLE, str(error), "False")
            return Next(error=True)
        if keep and run.progress.created() and not run.progress.settled_plan:
            await self._reporter.event(
                run.seen, Event("Normal", "Retained", "its hosts stay as they are, quiet where Puppet was stopped")
            )
        return await self._let_go(run)

    async def _let_go(self, run: Pass) -> Next:
        await self._reporter.release(run)
        return Next(ended=True)

    async def _deleting(self, run: Pass, reason: Reason, message: str, truth: conditions.Truth = "True") -> Next:
        old = run.seen.get("status") or {}
        kept = [Condition(ConditionType.DELETING, truth, reason, message)]
        kept.append(Condition(ConditionType.READY, "False", Reason.DELETING, message))
        merged = conditions.merge(old.get("conditions") or (), kept, run.generation, self._now())
        await self._reporter.patch(run, {**old, "conditions": merged, "observedGeneration": run.generation})
        return Next(after=self._settings.server_probe)
