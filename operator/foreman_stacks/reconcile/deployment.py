"""One pass over a StackDeployment: read, gather, decide, intend, act, report."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from foreman_stacks.api.foremanserver import ForemanServer
from foreman_stacks.api.meta import ABANDON_ANNOTATION, FINALIZER, RECONCILE_ANNOTATION
from foreman_stacks.api.parse import parse_deployment, parse_server
from foreman_stacks.api.stackdeployment import StackDeployment
from foreman_stacks.cluster.port import Cluster, Event, Key, Object
from foreman_stacks.errors import (
    ClusterConflict,
    ClusterError,
    ForemanError,
    ForemanForbidden,
    ForemanUnauthorized,
    ForemanUnreachable,
    InvalidSpec,
    Problem,
)
from foreman_stacks.foreman.port import HostNamed, Query, Snapshot
from foreman_stacks.model.identity import Identity
from foreman_stacks.model.outcome import Stalled, Wait
from foreman_stacks.model.progress import Progress
from foreman_stacks.model.reasons import ConditionType, Reason
from foreman_stacks.plan.model import Plan
from foreman_stacks.reconcile import conditions, projection, provision, settled, status, teardown
from foreman_stacks.reconcile.acting import decided, do
from foreman_stacks.reconcile.bring_up import bring_up
from foreman_stacks.reconcile.claims import Claimant, Claims
from foreman_stacks.reconcile.conditions import Condition
from foreman_stacks.reconcile.gather import Gathered, plan_of, tenant_of
from foreman_stacks.reconcile.memory import Memory
from foreman_stacks.reconcile.report import Findings, report
from foreman_stacks.reconcile.servers import Connection, Servers
from foreman_stacks.reconcile.steps import retried
from foreman_stacks.reconcile.world import Draft, Moment, World
from foreman_stacks.settings import Settings

KEY_SECRET = "foreman-stacks-key"  # noqa: S105 - the name of a Secret
CLAIM_GRACE = timedelta(seconds=2)
"""A new deployment is accepted no earlier than this after its creation: creation times are whole seconds, and of two
that were applied in one call the one that comes first must have been seen."""
MAX_REQUEST = 255
"""Characters of a request (an annotation's value) that are remembered."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Next:
    """When to look again: after so many seconds (None: only when something happens), or when a polled answer changes.

    `names` are the hosts whose answers matter. `error` asks for the queue's back-off instead, `probe` for a look at the
    server.
    """

    after: float | None = None
    polls: tuple[Query[Any], ...] = ()
    names: frozenset[str] = frozenset()
    server: str = ""
    error: bool = False
    probe: bool = False


@dataclass
class Pass:
    """What one pass carries along."""

    key: Key
    seen: Object
    memory: Memory
    progress: Progress
    generation: int
    again: frozenset[str] = frozenset()
    """Hosts that a person asks us to make again, if they are gone."""
    deployment: StackDeployment | None = None

    @property
    def finalizers(self) -> list[str]:
        """The finalizers that the object has."""
        return list(self.seen["metadata"].get("finalizers") or ())


class Deployments:
    """Passes over StackDeployments."""

    def __init__(self, cluster: Cluster, servers: Servers, settings: Settings, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._servers = servers
        self._settings = settings
        self._now = now
        self._started = now()
        self._memories: dict[tuple[Key, str], Memory] = {}
        self._claims = Claims()
        self._digest_key = b""

    async def reconcile(self, key: Key) -> Next:
        """One pass. Errors of Foreman become conditions; errors of Kubernetes are raised."""
        seen = await self._cluster.get(key)
        if seen is None:
            self._forget(key)
            return Next()
        run = self._pass(key, seen)
        try:
            if seen["metadata"].get("deletionTimestamp"):
                return await self._end(run)
            return await self._live(run)
        except ClusterConflict:
            return Next(after=0.0)

    def _pass(self, key: Key, seen: Object) -> Pass:
        meta = seen["metadata"]
        memory = self._memories.setdefault((key, meta["uid"]), Memory(self._started))
        progress = status.parse(seen.get("status"))
        request = (meta.get("annotations") or {}).get(RECONCILE_ANNOTATION, "")[:MAX_REQUEST]
        asked = bool(request) and request != progress.handled
        edited = (seen.get("status") or {}).get("observedGeneration", -1) not in {-1, meta["generation"]}
        again = frozenset(host.name for host in progress.failed_hosts if asked and host.reason in provision.GONE)
        if edited or asked:
            progress = replace(progress if progress.settled_plan else retried(progress), handled=request)
            memory.refused.clear()
            memory.building.clear()
            memory.doubt()
        return Pass(key, seen, memory, progress, meta["generation"], again)

    def _forget(self, key: Key) -> None:
        for known in [known for known in self._memories if known[0] == key]:
            del self._memories[known]
        self._claims.drop(key.namespace, key.name)

    # --- a deployment that lives ------------------------------------------------------------------------------

    async def _live(self, run: Pass) -> Next:
        if (run.seen.get("status") or {}).get("observedGeneration", -1) == -1:
            first = Findings(run.generation, run.progress, waits=(Wait(Reason.ACCEPTED, "is being looked at"),))
            await self._write_status(run, first)
        try:
            run.deployment = parse_deployment(run.seen)
        except InvalidSpec as error:
            return await self._stalled(run, Stalled(Reason.INVALID_SPEC, tuple(error.problems)))
        server = await self._server(run.deployment)
        if isinstance(server, Stalled):
            return await self._stalled(run, server)
        identity = Identity(self._settings.installation, run.key.namespace, run.key.name)
        gathered = await plan_of(run.deployment, self._cluster, run.memory, identity, await self._key())
        if gathered.plan is None:
            found = self._findings(run, None, gathered=gathered)
            await self._write_status(run, found)
            return Next(after=min((wait.after for wait in found.waits if wait.after is not None), default=None))
        connection = self._servers.ready(server.metadata.name)
        if connection is None:
            return await self._waiting(run, gathered.plan, server.metadata.name)
        return await self._decide(run, gathered.plan, connection)

    async def _server(self, deployment: StackDeployment) -> ForemanServer | Stalled:
        """The server, if this namespace may use it; nothing about it is told to one that may not."""
        name = deployment.spec.server_ref.name
        found = await self._cluster.get(Key("foremanservers", "", name))
        if found is None:
            problem = Problem("spec.serverRef.name", f"there is no ForemanServer {name!r}", "correct the name, or ask an administrator for it")
            return Stalled(Reason.SERVER_NOT_FOUND, (problem,))
        labels = await self._cluster.namespace_labels(deployment.metadata.namespace) or {}
        try:
            server = parse_server(found)
        except InvalidSpec:
            server = None
        if server is None or tenant_of(server, labels) is None:
            problem = Problem("spec.serverRef.name", f"namespace {deployment.metadata.namespace!r} may not use ForemanServer {name!r}",
                              "ask an administrator to add it to the server's tenants")
            return Stalled(Reason.NOT_PERMITTED, (problem,))
        return server

    async def _waiting(self, run: Pass, plan: Plan, server: str) -> Next:
        found = self._findings(run, plan)
        found = replace(found, waits=(Wait(Reason.SERVER_NOT_READY, f"ForemanServer {server!r} is not Ready"),))
        await self._write_status(run, found)
        return Next(after=self._settings.server_probe)

    async def _decide(self, run: Pass, plan: Plan, connection: Connection) -> Next:
        assert run.deployment is not None
        if not run.progress.settled_plan:
            early = self._claim(run, plan, connection)
            if isinstance(early, Stalled):
                return await self._stalled(run, early, plan)
            if early is not None:
                await self._write_status(run, replace(self._findings(run, plan), waits=(early,)))
                return Next(after=early.after)
        if run.progress.settled_plan:
            run.memory.doubt()  # a resync looks anew
            run.memory.resyncs += 1
        make_world = await self._world(run, plan, connection)
        last: list[World] = []

        def decide(seen: Snapshot) -> Draft:
            last[:] = [make_world(seen)]
            return _choose(last[0])

        try:
            draft = await decided(decide, connection.foreman, run.memory, connection.answers)
        except ForemanError as error:
            return await self._foreman_failed(run, plan, connection, error)
        except InvalidSpec as error:
            return await self._stalled(run, Stalled(Reason.INVALID_STACK, tuple(error.problems)), plan)
        return await self._carry_out(run, draft, last[0], connection)

    def _claim(self, run: Pass, plan: Plan, connection: Connection) -> Stalled | Wait | None:
        """Claim the hosts' names, and wait until anybody who comes first must have been seen."""
        created = str(run.seen["metadata"]["creationTimestamp"])
        who = Claimant(not run.progress.plan, created, run.key.namespace, run.key.name)
        names = [host.label for role in plan.roles for host in role.hosts]
        lost = self._claims.claim(connection.server.metadata.name, names, who)
        if lost:
            text = ", ".join(sorted(lost)[:5])
            problem = Problem("spec.roles[].hostname", f"the names {text} are wanted by another deployment that came first",
                              "use {namespace} in hostname, or another deployment name")
            return Stalled(Reason.NAME_CONFLICT, (problem,))
        left = (datetime.fromisoformat(created) + CLAIM_GRACE - self._now()).total_seconds()
        return Wait(Reason.ACCEPTED, "is accepted in a moment", after=left) if who.pending and left > 0 else None

    async def _world(self, run: Pass, plan: Plan, connection: Connection) -> Callable[[Snapshot], World]:
        assert run.deployment is not None
        spec, server = run.deployment.spec, connection.server
        tenant = tenant_of(server, await self._cluster.namespace_labels(run.key.namespace) or {})
        return partial(
            World,
            memory=run.memory,
            settings=self._settings,
            now=self._now(),
            plan=plan,
            progress=run.progress,
            url=server.spec.url.rstrip("/"),
            key=await self._key(),
            generation=run.generation,
            provisioning=server.spec.limits.provisioning,
            run_budget=server.spec.limits.puppet_runs_per_proxy,
            organization=spec.organization or (tenant.organization if tenant else None),
            location=spec.location or (tenant.location if tenant else None),
            paused=spec.paused,
            again=run.again,
        )

    async def _carry_out(self, run: Pass, draft: Draft, world: World, connection: Connection) -> Next:
        found = self._findings(run, world.plan, draft=draft)
        settled_now = found.settled
        if (draft.waves or draft.intents) and FINALIZER not in run.finalizers:
            run.seen = await self._cluster.set_finalizers(run.seen, "stackdeployments", [*run.finalizers, FINALIZER])
        await self._write_status(run, found)
        run.memory.unsent |= draft.intents
        try:
            await do(draft.waves, connection.foreman, run.memory, self._now)
        except ForemanError as error:
            return await self._foreman_failed(run, world.plan, connection, error)
        if any(stall.reason in {Reason.PREFLIGHT_FAILED, Reason.NAME_CONFLICT} for stall in found.stalls):
            run.memory.doubt()  # it is mended in Foreman, or nowhere
        complete = await self._project(run, world, found, connection)
        if settled_now and not found.stalls:
            await self._release(run)
        after = self._after(draft, settled_now)
        return Next(
            after=after if complete else 0.0,
            polls=tuple(dict.fromkeys(draft.polls)),
            names=frozenset(f"{host.label}.{world.domain()}" for role in world.plan.roles for host in role.hosts),
            server=connection.server.metadata.name,
        )

    async def _project(self, run: Pass, world: World, found: Findings, connection: Connection) -> bool:
        """DeployedHosts; of a deployment that was settled before this pass only those that somebody deleted."""
        if run.progress.settled_plan and found.settled:
            lost = await projection.lost(world, run.seen, self._cluster)
            queries = [HostNamed(f"{host.label}.{world.domain()}") for host in lost]
            run.memory.learn(await connection.foreman.read(queries) if queries else {})
            return await projection.project(world, found, run.seen, self._cluster, frozenset(host.ref for host in lost))
        return await projection.project(world, found, run.seen, self._cluster)

    def _after(self, draft: Draft, settled_now: bool) -> float | None:
        times = [wait.after for wait in draft.waits if wait.after is not None]
        if times:
            return min(times)
        if settled_now:
            return self._settings.resync * (0.8 + 0.4 * secrets.randbelow(1000) / 1000)
        return self._settings.recheck

    async def _release(self, run: Pass) -> None:
        """Settled and Retain: no finalizer, so that prune and uninstall never hang."""
        assert run.deployment is not None
        if run.deployment.spec.deletion_policy == "Retain" and FINALIZER in run.finalizers:
            left = [name for name in run.finalizers if name != FINALIZER]
            run.seen = await self._cluster.set_finalizers(run.seen, "stackdeployments", left)
        elif run.deployment.spec.deletion_policy == "Delete" and FINALIZER not in run.finalizers:
            run.seen = await self._cluster.set_finalizers(run.seen, "stackdeployments", [*run.finalizers, FINALIZER])

    # --- the end ----------------------------------------------------------------------------------------------

    async def _end(self, run: Pass) -> Next:
        """Deletion was asked for. Without our finalizer there is nothing to do."""
        self._claims.drop(run.key.namespace, run.key.name)
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
            return await self._deleting(run, Reason.UNREACHABLE, f"ForemanServer {name!r} is not Ready; annotation "
                                        f'{ABANDON_ANNOTATION}: "true" gives up what is in Foreman', "False")
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
            await self._event(run.seen, Event("Normal", "Retained", "its hosts stay as they are, quiet where Puppet was stopped"))
        return await self._let_go(run)

    async def _let_go(self, run: Pass) -> Next:
        left = [name for name in run.finalizers if name != FINALIZER]
        await self._cluster.set_finalizers(run.seen, "stackdeployments", left)
        self._forget(run.key)
        return Next()

    async def _deleting(self, run: Pass, reason: Reason, message: str, truth: conditions.Truth = "True") -> Next:
        old = run.seen.get("status") or {}
        kept = [Condition(ConditionType.DELETING, truth, reason, message)]
        kept.append(Condition(ConditionType.READY, "False", Reason.DELETING, message))
        merged = conditions.merge(old.get("conditions") or (), kept, run.generation, self._now())
        await self._patch(run, {**old, "conditions": merged, "observedGeneration": run.generation})
        return Next(after=self._settings.server_probe)

    # --- reporting --------------------------------------------------------------------------------------------

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
        )

    async def _stalled(self, run: Pass, stall: Stalled, plan: Plan | None = None) -> Next:
        await self._write_status(run, replace(self._findings(run, plan), stalls=(stall,)))
        return Next(after=self._settings.recheck)

    async def _foreman_failed(self, run: Pass, plan: Plan, connection: Connection, error: ForemanError) -> Next:
        """Foreman could not be asked or refused: say so, doubt what we remember, and come again with back-off."""
        run.memory.doubt(hosts=not isinstance(error, ForemanUnreachable))
        found = self._findings(run, plan)
        if isinstance(error, ForemanUnauthorized | ForemanForbidden):
            connection.ready = False
            connection.message = str(error)
            found = replace(found, waits=(Wait(Reason.SERVER_NOT_READY, str(error)),))
        elif isinstance(error, ForemanUnreachable) or error.status >= 500 or error.status == 0:  # noqa: PLR2004 - HTTP
            found = replace(found, waits=(Wait(Reason.FOREMAN_UNREACHABLE, str(error)),))
        else:
            problem = Problem("", str(error), "see the message; it is tried again with growing pauses")
            found = replace(found, stalls=(Stalled(Reason.FOREMAN_REFUSED, (problem,)),))
        await self._write_status(run, found)
        return Next(error=True, server=connection.server.metadata.name, probe=not connection.ready)

    async def _write_status(self, run: Pass, found: Findings) -> None:
        await self._patch(run, report(run.seen.get("status") or {}, found, self._now()))

    async def _patch(self, run: Pass, new: Mapping[str, Any]) -> None:
        """Write the status when it differs, then tell what changed."""
        old = run.seen.get("status") or {}
        if old == new:
            return
        run.seen = await self._cluster.patch_status(run.seen, "stackdeployments", new)
        for event in conditions.events(old.get("conditions") or (), new.get("conditions") or ()):
            await self._event(run.seen, event)

    async def _event(self, about: Object, event: Event) -> None:
        """Events are a courtesy: a terminating namespace takes none."""
        try:
            await self._cluster.post_event(about, event)
        except ClusterError as error:
            _log.info("no event %s: %s", event.reason, error)

    async def _key(self) -> bytes:
        """The key of digests of values, made once for the installation."""
        if not self._digest_key:
            place = (self._settings.namespace, KEY_SECRET)
            found = await self._cluster.secret(*place)
            if found is None:
                try:
                    await self._cluster.create_secret(*place, {"key": secrets.token_bytes(32)})
                except ClusterConflict:
                    _log.info("another process made the key")
                found = await self._cluster.secret(*place)
            self._digest_key = (found or {})["key"]
        return self._digest_key


def _choose(world: World) -> Draft:
    """Bring up, or watch over what is settled."""
    return settled.watch_over(world) if world.progress.settled_plan else bring_up(world)
