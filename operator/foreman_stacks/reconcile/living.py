"""The pass over a StackDeployment that is not being deleted: accept, gather, decide, intend, act, report."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from time import monotonic

from foreman_stacks.api.foremanserver import Tenant
from foreman_stacks.api.meta import FINALIZER
from foreman_stacks.api.parse import parse_deployment
from foreman_stacks.cluster.port import Cluster
from foreman_stacks.errors import (
    ClusterError,
    ForemanError,
    ForemanForbidden,
    ForemanUnauthorized,
    ForemanUnreachable,
    InvalidSpec,
)
from foreman_stacks.foreman.port import Snapshot
from foreman_stacks.model.identity import Identity
from foreman_stacks.model.outcome import Stalled, Wait
from foreman_stacks.model.reasons import ConditionType, Reason
from foreman_stacks.plan.compile import config_digest
from foreman_stacks.plan.model import Plan
from foreman_stacks.reconcile import conditions, projection, settled, status
from foreman_stacks.reconcile.acting import decided, do
from foreman_stacks.reconcile.bring_up import bring_up
from foreman_stacks.reconcile.claims import Claimant, Claims
from foreman_stacks.reconcile.digest_key import DigestKey, NoDigestKey
from foreman_stacks.reconcile.gather import Gathered, plan_of, server_of
from foreman_stacks.reconcile.ledger import Ledger, Share
from foreman_stacks.reconcile.passes import Next, Pass, Reporter
from foreman_stacks.reconcile.report import Findings
from foreman_stacks.reconcile.secrecy import secret_values
from foreman_stacks.reconcile.servers import Connection, Servers
from foreman_stacks.reconcile.stepping import puppet_runs
from foreman_stacks.reconcile.trouble import trouble
from foreman_stacks.reconcile.world import Draft, World
from foreman_stacks.settings import Settings

_MENDED_IN_FOREMAN = frozenset({Reason.PREFLIGHT_FAILED, Reason.NAME_CONFLICT, Reason.FOREMAN_REWOUND})

_log = logging.getLogger(__name__)


class Living:
    """Brings deployments up and watches over them."""

    def __init__(
        self, cluster: Cluster, servers: Servers, settings: Settings, now: Callable[[], datetime], *,
        reporter: Reporter, ledger: Ledger,
    ) -> None:  # fmt: skip
        self._cluster = cluster
        self._servers = servers
        self._settings = settings
        self._now = now
        self._reporter = reporter
        self._claims = Claims(now(), timedelta(seconds=settings.claim_grace))
        self._ledger = ledger
        self._key = DigestKey(cluster, settings.namespace)

    def forget(self, namespace: str, name: str) -> None:
        """Give up the claims on host names of a deployment that is gone or being deleted."""
        self._claims.drop(namespace, name)

    def gone(self, namespace: str, name: str) -> None:
        """Forget a deployment of which nothing is left to take care of."""
        self.forget(namespace, name)
        self._ledger.drop((namespace, name))

    def unfollowed(self, run: Pass) -> None:
        """Note that no pass follows the deployment's Puppet runs for now: they count until they must be over."""
        self._ledger.drop(run.who)

    async def live(self, run: Pass) -> Next:
        """Accept, gather, decide, intend, act, report. Raises `ClusterError`."""
        try:
            return await self._live(run)
        except NoDigestKey as error:
            _log.warning("%s: %s", run.key, error)
            await self._tell(run, None, Wait(Reason.WAITING_FOR_SECRET, str(error)))
            return Next(after=_jittered(self._settings.recheck))

    async def _live(self, run: Pass) -> Next:
        if (run.seen.get("status") or {}).get("observedGeneration", -1) == -1:
            first = Findings(run.generation, run.progress, waits=(Wait(Reason.ACCEPTED, "is being looked at"),))
            await self._reporter.write(run, first)
        try:
            run.deployment = parse_deployment(run.seen)
        except InvalidSpec as error:
            return await self._stalled(run, Stalled(Reason.INVALID_SPEC, tuple(error.problems)))
        if run.progress.settled_plan and run.deployment.spec.deletion_policy == "Delete":
            await self._hold(run, run.deployment.spec.server_ref.name)
            await self._reporter.hold(run)  # even if it or its server is broken: its deletion has work to do
        permitted = await server_of(run.deployment, self._cluster)
        if isinstance(permitted, Stalled):
            return await self._stalled(run, permitted)
        server, tenant = permitted
        identity = Identity(self._settings.installation, run.key.namespace, run.key.name)
        key = await self._key()
        gathered = await plan_of(run.deployment, self._cluster, run.memory, identity, key)
        plan, ignored = gathered.plan, False
        if gathered.stalls:  # a settled deployment fitted its Stack as it was then, and no longer follows it
            digest, last = config_digest(run.deployment, key), run.memory.plan
            ignored = settled.unedited(run.progress, run.generation, digest)
            plan = last if ignored and last is not None and last.config_digest == digest else None
        if plan is None and not ignored:
            return await self._without_plan(run, gathered)
        early = None if plan is None or run.progress.settled_plan else self._claim(run, plan, server.spec.url)
        if isinstance(early, Stalled):
            return await self._stalled(run, early, plan)
        if early is not None:
            # a refusal of an earlier process stands until this one knows better
            if not conditions.holds(run.conditions, ConditionType.STALLED, run.generation):
                await self._tell(run, plan, early)
            return Next(after=early.after)
        connection = self._servers.ready(server.metadata.name)
        if connection is None:
            return await self._waiting(run, plan, server.metadata.name)
        if plan is None:
            return await self._as_it_was(run, run.deployment.spec.deletion_policy)
        return await self._decide(run, plan, connection, tenant)

    async def _as_it_was(self, run: Pass, deletion_policy: str) -> Next:
        """Leave a settled deployment as it is, without comparing anything.

        Its Stack does not compile with it now, and this process has no plan from before.
        """
        handled = run.request or run.progress.handled
        progress = replace(run.progress, settled_generation=run.generation, handled=handled)
        await self._reporter.write(run, replace(self._findings(run, None), progress=progress, settled=True))
        if deletion_policy == "Retain":
            await self._reporter.release(run)
        return Next(after=_jittered(self._settings.resync))

    async def _without_plan(self, run: Pass, gathered: Gathered) -> Next:
        self.unfollowed(run)
        found = self._findings(run, None, gathered=gathered)
        await self._reporter.write(run, found)
        later = [wait.after for wait in found.waits if wait.after is not None]
        return Next(after=min([_jittered(self._settings.recheck), *later]))  # Secrets and ConfigMaps are not watched

    async def _waiting(self, run: Pass, plan: Plan | None, server: str) -> Next:
        later = _jittered(self._settings.server_probe)  # the engine wakes it sooner, once a probe finds the server well
        if not self._servers.known(server):
            return Next(after=later)
        message = f"ForemanServer {server!r} is not Ready: its conditions tell why"
        await self._tell(run, plan, Wait(Reason.SERVER_NOT_READY, message))
        return Next(after=later)

    async def _decide(self, run: Pass, plan: Plan, connection: Connection, tenant: Tenant) -> Next:
        run.memory.meet(connection.met)
        if run.progress.settled_plan:
            run.memory.doubt()  # a resync reads everything anew
            run.memory.resyncs += 1
        make_world = await self._world(run, plan, connection, tenant)
        last: list[World] = []

        def decide(seen: Snapshot) -> Draft:
            last[:] = [make_world(seen)]
            draft = _choose(last[0])
            last[0].domain()  # makes sure that it is read: host names are needed after the decision, too
            return draft

        await self._ledger.load(self._cluster, self._now())
        try:
            draft = await decided(decide, connection.foreman, run.memory, connection.answers)
            runs, until = puppet_runs(last[0], draft.progress)
            # Without an await since the decision: no other deployment can decide in between.
            self._ledger.book(run.who, connection.server.metadata.name, runs, last[0].now, until)
        except ForemanError as error:
            return await self._foreman_failed(run, plan, connection, error)
        except InvalidSpec as error:
            return await self._stalled(run, Stalled(Reason.INVALID_STACK, tuple(error.problems)), plan)
        return await self._carry_out(run, draft, last[0], connection)

    def _claim(self, run: Pass, plan: Plan, url: str) -> Stalled | Wait | None:
        who = Claimant(
            not run.progress.plan, str(run.seen["metadata"]["creationTimestamp"]), run.key.namespace, run.key.name
        )
        names = {host.label: role.name for role in plan.roles for host in role.hosts}
        return self._claims.check(url, names, who, self._now())

    async def _world(
        self, run: Pass, plan: Plan, connection: Connection, tenant: Tenant
    ) -> Callable[[Snapshot], World]:
        assert run.deployment is not None
        spec, server = run.deployment.spec, connection.server
        share = Share(self._ledger, server.metadata.name, run.who, server.spec.limits.puppet_runs_per_proxy)
        return partial(
            World,
            memory=run.memory,
            settings=self._settings,
            now=self._now(),
            plan=plan,
            progress=run.progress,
            uid=run.seen["metadata"]["uid"],
            url=server.spec.url.rstrip("/"),
            key=await self._key(),
            generation=run.generation,
            provisioning=server.spec.limits.provisioning,
            organization=spec.organization or tenant.organization,
            location=spec.location or tenant.location,
            paused=spec.paused,
            drifted=conditions.find(run.conditions, ConditionType.DRIFTED).get("status") == "True",
            again=run.again,
            share=None if spec.paused else share,  # a paused deployment starts nothing and must not reserve room
        )

    async def _carry_out(self, run: Pass, draft: Draft, world: World, connection: Connection) -> Next:
        # A pass that has not looked for the hosts to create again must leave their names to the next one.
        if run.again and not (draft.looked or run.progress.settled_plan):
            draft.progress = replace(draft.progress, failed_hosts=run.progress.failed_hosts)
        elif run.request:
            draft.progress = replace(draft.progress, handled=run.request)
        found = self._findings(run, world.plan, draft=draft)
        settled_now = found.settled
        if (draft.waves or draft.intents) and not await self._hold(run, connection.server.metadata.name):
            return Next(after=0.0)
        # Before the write, whose reply may get lost. This is safe: only intents read back from the status are sent.
        run.memory.unsent |= draft.intents
        if draft.progress.plan != run.progress.plan:
            run.memory.accept(run.progress.plan, draft.progress.plan)
        if draft.progress.plan == world.plan_id and (draft.scope or world.plan_id not in run.memory.secrets):
            run.memory.secrets[world.plan_id] = secret_values(world.plan, draft.scope)
        await self._reporter.write(run, found)
        try:
            await do(draft.waves, connection.foreman, run.memory, self._now)
        except ForemanError as error:
            run.progress = status.parse(run.seen.get("status"))  # as just written, with the new intents
            return await self._foreman_failed(run, world.plan, connection, error)
        run.memory.rebuffed = False
        if any(stall.reason in _MENDED_IN_FOREMAN for stall in found.stalls):
            run.memory.doubt()
        if settled_now:
            await self._reporter.notes(run, draft.notes)
            await self._release(run, connection)
        later = await self._show(run, world, found, connection)
        if settled_now:
            run.memory.rest()
        times = [time for time in (self._after(draft, settled_now), later) if time is not None]
        return Next(
            after=min(times, default=None),
            polls=tuple(dict.fromkeys(draft.polls)),
            names=frozenset(world.fqdn(host) for role in world.plan.roles for host in role.hosts),
            server=connection.server.metadata.name,
        )

    async def _show(self, run: Pass, world: World, found: Findings, connection: Connection) -> float | None:
        """Write the DeployedHosts; return in how many seconds the rest is due, if there is any.

        They are only for people to look at, so a deployment goes on when they cannot be written.
        """
        ports, before = (self._cluster, connection.foreman), bool(run.progress.settled_plan)
        try:
            return await projection.show(world, found, run.seen, ports, settled_before=before)
        except (ClusterError, ForemanError) as error:
            _log.warning("%s: its DeployedHosts could not be updated: %s", run.key, error)
            run.memory.shown = monotonic()  # so that not every pass tries again
            return self._settings.recheck

    def _after(self, draft: Draft, settled_now: bool) -> float | None:
        times = [wait.after for wait in draft.waits if wait.after is not None]
        if times:
            return min(times)
        return _jittered(self._settings.resync if settled_now else self._settings.recheck)

    async def _hold(self, run: Pass, server: str) -> bool:
        """Set the finalizers before the first write: on the server, then on the deployment.

        False means that the server is gone or being deleted, and that nothing has been created yet.
        """
        first = FINALIZER not in run.finalizers
        if run.memory.anchored and not first:
            return True
        async with self._servers.holding(server) as run.memory.anchored:
            if run.memory.anchored:
                await self._reporter.hold(run)
        return run.memory.anchored or not first

    async def _release(self, run: Pass, connection: Connection) -> None:
        """Remove the finalizer of a settled deployment with `Retain`, so that prune and uninstall never hang.

        With `Delete` it is set, since the deletion has work to do.
        """
        assert run.deployment is not None
        if run.deployment.spec.deletion_policy == "Retain":
            await self._reporter.release(run)
        else:
            await self._hold(run, connection.server.metadata.name)

    def _findings(
        self, run: Pass, plan: Plan | None, *, draft: Draft | None = None, gathered: Gathered | None = None
    ) -> Findings:
        spec = run.deployment.spec if run.deployment else None
        progress = draft.progress if draft else run.progress
        stalls = (*(draft.stalls if draft else ()), *(gathered.stalls if gathered else ()))
        waits = (*(draft.waits if draft else ()), *(gathered.waits if gathered else ()))
        return Findings(
            generation=run.generation,
            progress=progress,
            stack=spec.stack_ref.name if spec else "",
            server=spec.server_ref.name if spec else "",
            plan=plan,
            scope=draft.scope if draft else None,
            stalls=stalls,
            waits=waits,
            failures=draft.failures if draft else {},
            missing=gathered.missing if gathered else (),
            paused=bool(spec and spec.paused),
            settled=bool(draft and progress.settled_plan and not stalls and not waits),
            drift=draft.drift if draft else None,
            drift_note=draft.drift_note if draft else "",
        )

    async def _tell(self, run: Pass, plan: Plan | None, told: Stalled | Wait) -> None:
        """Write a status with this one outcome."""
        found = self._findings(run, plan)
        found = replace(found, waits=(told,)) if isinstance(told, Wait) else replace(found, stalls=(told,))
        await self._reporter.write(run, found)

    async def _stalled(self, run: Pass, stall: Stalled, plan: Plan | None = None) -> Next:
        self.unfollowed(run)
        await self._tell(run, plan, stall)
        return Next(after=_jittered(self._settings.recheck))

    async def _foreman_failed(self, run: Pass, plan: Plan, connection: Connection, error: ForemanError) -> Next:
        """Report that Foreman could not be asked or refused, doubt what is remembered, and retry with back-off."""
        run.memory.doubt(hosts=not isinstance(error, ForemanUnreachable))
        if isinstance(error, ForemanUnauthorized):
            connection.ready, connection.reason = False, Reason.UNAUTHORIZED
        elif isinstance(error, ForemanForbidden):
            connection.info = None  # so that the next probe reads the user's permissions, too
        await self._tell(run, plan, trouble(error, run.memory))
        probe = isinstance(error, ForemanUnauthorized | ForemanForbidden)
        return Next(error=True, server=connection.server.metadata.name, probe=probe)


def _jittered(seconds: float) -> float:
    """Return the seconds ± 20 %, so that deployments stopped by one fault do not retry in step from then on."""
    return seconds * (0.8 + 0.4 * secrets.randbelow(1000) / 1000)


def _choose(world: World) -> Draft:
    """Bring the deployment up, or watch over it once it is settled."""
    return settled.watch_over(world) if world.progress.settled_plan else bring_up(world)
