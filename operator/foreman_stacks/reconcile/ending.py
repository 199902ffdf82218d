"""The pass over a StackDeployment that is being deleted: does what `teardown` decides, then removes the finalizer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from foreman_stacks.api.meta import ABANDON_ANNOTATION, FINALIZER
from foreman_stacks.errors import ForemanError, ForemanForbidden, ForemanStale, ForemanUnauthorized, ForemanUnreachable
from foreman_stacks.foreman.port import Snapshot
from foreman_stacks.model.identity import Identity
from foreman_stacks.model.reasons import ConditionType, Reason
from foreman_stacks.reconcile import conditions, teardown
from foreman_stacks.reconcile.acting import decided, do
from foreman_stacks.reconcile.conditions import Condition
from foreman_stacks.reconcile.ledger import Ledger
from foreman_stacks.reconcile.passes import Next, Pass, Reporter
from foreman_stacks.reconcile.servers import Servers
from foreman_stacks.reconcile.trouble import permit
from foreman_stacks.reconcile.world import Draft, Moment
from foreman_stacks.settings import Settings

_log = logging.getLogger(__name__)


class Ending:
    """Passes over deployments that are being deleted."""

    def __init__(
        self, servers: Servers, settings: Settings, now: Callable[[], datetime], *,
        reporter: Reporter, ledger: Ledger,
    ) -> None:  # fmt: skip
        self._servers = servers
        self._settings = settings
        self._now = now
        self._reporter = reporter
        self._ledger = ledger

    async def end(self, run: Pass) -> Next:
        """Bring the deletion one step further. Without the operator's finalizer there is nothing to do."""
        if FINALIZER not in run.finalizers:
            return Next()
        meta, spec = run.seen["metadata"], run.seen.get("spec") or {}
        if (meta.get("annotations") or {}).get(ABANDON_ANNOTATION) == "true":
            _log.warning("%s is abandoned: what it made stays in Foreman", run.key)
            return await self._let_go(run)
        keep = spec.get("deletionPolicy", "Retain") == "Retain"
        name = (spec.get("serverRef") or {}).get("name", "")
        connection = self._servers.ready(name)
        if connection is None and not keep:
            message = f"ForemanServer {name!r} is not Ready: its conditions tell why"
            return await self._blocked(run, self._servers.trouble(name), message)
        if connection is not None:
            run.memory.meet(connection.met)
        decide = self._decision(run, keep=keep, alone=connection is None)
        try:
            if connection is None:
                draft = decide(Snapshot())
            else:  # without the poller's answers: nothing is removed because of what was true some time ago
                draft = await decided(decide, connection.foreman, run.memory, {})
            if draft.waves or draft.waits:
                await self._tell(run, draft)
                if connection is not None:
                    await do(draft.waves, connection.foreman, run.memory, self._now)
                times = [wait.after for wait in draft.waits if wait.after is not None]
                return Next(after=min(times, default=self._settings.server_probe), server=name if connection else "")
        except ForemanError as error:
            return await self._failed(run, error)
        if keep and run.progress.created() and not run.progress.settled_plan:
            draft.notes.append("its hosts stay as they are: where periodic Puppet was switched off, it stays off")
        await self._reporter.notes(run, draft.notes)
        return await self._let_go(run)

    def _decision(self, run: Pass, *, keep: bool, alone: bool) -> Callable[[Snapshot], Draft]:
        """Return the decision that `teardown` makes for this deployment; `alone`: its server cannot be asked."""
        identity = Identity(self._settings.installation, run.key.namespace, run.key.name)
        paused = bool((run.seen.get("spec") or {}).get("paused"))

        def decide(seen: Snapshot) -> Draft:
            at = Moment(seen, run.memory, self._settings, self._now())
            if keep:
                return teardown.retain(run.progress, at, None if alone else identity)
            if not teardown.open_jobs(run.progress, at):  # whatever else the teardown waits for
                self._ledger.free(run.who)
            return teardown.delete(run.progress, identity, at, paused=paused)

        return decide

    async def _failed(self, run: Pass, error: ForemanError) -> Next:
        """Foreman could not be asked, or refused: report it, doubt what is remembered, and try again with back-off."""
        run.memory.doubt()
        match error:
            case ForemanStale():
                _log.info("%s: %s", run.key, error)
            case ForemanForbidden():
                await self._blocked(run, Reason.FORBIDDEN, f"{error}; {permit(error)}")
            case ForemanUnauthorized():
                await self._blocked(run, Reason.SERVER_NOT_READY, str(error))
            case _:
                away = isinstance(error, ForemanUnreachable) or error.status >= 500
                await self._blocked(run, Reason.UNREACHABLE if away else Reason.FOREMAN_REFUSED, str(error))
        return Next(error=True)

    async def _let_go(self, run: Pass) -> Next:
        await self._reporter.release(run)
        return Next(ended=True)

    async def _tell(self, run: Pass, draft: Draft) -> None:
        """Report what the teardown does or waits for."""
        message = draft.waits[0].message
        held = next((wait for wait in draft.waits if wait.reason is Reason.PAUSED), None)
        if held is None:
            await self._deleting(run, Condition(ConditionType.DELETING, "True", Reason.DELETING, message))
        else:
            stop = Condition(
                ConditionType.DELETING, "False", Reason.PAUSED, f"{held.message}; set spec.paused to false"
            )
            await self._deleting(run, stop, Condition(ConditionType.PAUSED, "True", Reason.PAUSED, held.message))

    async def _blocked(self, run: Pass, reason: Reason, message: str) -> Next:
        """Report that the deletion cannot go on, and what a person can do."""
        way_out = f'it goes on once that is fixed; annotation {ABANDON_ANNOTATION}: "true" gives up what is in Foreman'
        await self._deleting(run, Condition(ConditionType.DELETING, "False", reason, f"{message}; {way_out}"))
        return Next(after=self._settings.server_probe)

    async def _deleting(self, run: Pass, condition: Condition, *more: Condition) -> None:
        old = run.seen.get("status") or {}
        ready = Condition(ConditionType.READY, "False", Reason.DELETING, condition.message)
        merged = conditions.merge(old.get("conditions") or (), [condition, ready, *more], run.generation, self._now())
        summary = {**(old.get("summary") or {}), "ready": ready.status, "reason": ready.reason}
        new = {**old, "conditions": merged, "summary": summary, "observedGeneration": run.generation}
        await self._reporter.patch(run, new)
