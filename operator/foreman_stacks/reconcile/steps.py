"""The steps of a plan in order, each asked for one advance; branches that do not depend on a failed step go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from foreman_stacks.api.meta import REQUEST
from foreman_stacks.errors import Problem
from foreman_stacks.foreman.port import HostgroupNamed, Query, Unread
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.outcome import Done, Failed, Wait
from foreman_stacks.model.progress import Progress, Run, StepProgress, StepState
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.scope import HostScope, Scope
from foreman_stacks.plan.bind import step_digest
from foreman_stacks.plan.model import Step
from foreman_stacks.reconcile import building, enc, record
from foreman_stacks.reconcile.ledger import TIMEOUT, Proxy, ends, under_way
from foreman_stacks.reconcile.world import Draft, World
from foreman_stacks.resources.groups import root_title
from foreman_stacks.steps import periodic_puppet, quiesce
from foreman_stacks.steps.kind import Advance, Context, Target, pending

QUIET = "quiet"
"""The digest of the built-in steps: they are done once for a host."""


def run_quiesce(world: World, scope: Scope, draft: Draft, lost: frozenset[str]) -> frozenset[HostRef]:
    """Quiesce the hosts of every role that is built to the last (and not `lost`); the hosts that are proven quiet."""
    built = draft.progress.built() | draft.progress.configured()
    ripe = {
        role.name
        for role in world.plan.roles
        if role.hosts and role.name not in lost and all(host.ref in built for host in role.hosts)
    }
    progress = draft.progress.step(quiesce.NAME)
    asked = loud(draft.progress) | frozenset(progress.run.hosts if progress.run else ())
    mine = [host for host in scope.hosts if host.ref.role in ripe or host.ref in asked]
    if mine:
        _quiesce(world, draft, progress, mine)
    return frozenset(draft.progress.step(quiesce.NAME).done)


def _quiesce(world: World, draft: Draft, progress: StepProgress, hosts: Sequence[HostScope]) -> None:
    """One look at the step. Before a job of hosts that it is new to, it is asked whether they are ours."""
    targets = _targets(world, hosts, dict.fromkeys((host.ref.role for host in hosts), QUIET))
    advance = quiesce.advance(progress, targets, _context(world, draft, quiesce.NAME))
    if advance.intends and advance.progress.run is not None:
        fresh = advance.progress.run.hosts.keys() - progress.retrying
        strange = building.disowned(world, [host for host in hosts if host.ref in fresh]) if fresh else {}
        if strange:
            draft.stall(Reason.NAME_CONFLICT, *strange.values())
            others = {host.ref.role for host in hosts} - {ref.role for ref in strange}
            if others:
                _quiesce(world, draft, progress, [host for host in hosts if host.ref.role in others])
            return
    _book(draft, advance, Reason.QUIESCING)


def loud(progress: Progress) -> frozenset[HostRef]:
    """Hosts that are in their place and not known to be quiet: they were, and an edit came when they were on again."""
    return progress.configured() - progress.step(quiesce.NAME).done.keys()


def outstanding(world: World, scope: Scope, progress: Progress) -> bool:
    """Whether anything is to be done before hosts may run Puppet by themselves: on hosts, or by a step."""
    if any(host.ref not in progress.configured() for host in scope.hosts):
        return True
    steps = [world.plan.step(name) for name in world.plan.order]
    if any(progress.step(step.name).state is not StepState.DONE for step in steps):
        return True
    runs = [step for step in steps if step.action.runs_puppet]
    return any(pending(progress.step(step.name), _chosen(world, scope, progress, step)) for step in runs)


def puppet_runs(world: World, progress: Progress) -> tuple[Counter[Proxy], datetime | None]:
    """The Puppet runs of the plan's hosts that may be under way, by proxy, and when all of them must be over."""
    over = ends({step.name: step.timeout for step in world.plan.steps}, world.settings.job_lost_after)
    ours = {host.ref for role in world.plan.roles for host in role.hosts}
    return under_way(progress, over, world.now, world.proxy_of, ours)


def follows(world: World, scope: Scope, name: str, run: Run) -> bool:
    """Whether the plan has a step that runs jobs on the hosts of a run under way, and one of them is there: of hosts that
    are gone nothing is told.
    """
    if name == periodic_puppet.NAME:
        return world.plan.periodic_puppet
    if name == quiesce.NAME:
        return any(host.ref in run.hosts for host in scope.hosts)
    step = next((step for step in world.plan.steps if step.name == name), None)
    if step is None or not step.action.acts_on():
        return False
    leaders = _leaders(world)
    planned = [Target(host.ref, "", 0, "", host.ref.index == leaders.get(host.ref.role)) for host in scope.hosts]
    if not run.hosts.keys() <= {target.ref for target in step.action.chosen(planned)}:
        return False
    return any(world.row(host) for host in scope.hosts if host.ref in run.hosts)


def run_steps(world: World, scope: Scope, draft: Draft, lost: frozenset[str]) -> bool:
    """Advance every step whose turn has come, but none on a role that has lost a host; whether all are done.

    What single steps lack is asked for together: one after the other they would cost a round of reading each.
    """
    placed = draft.progress.configured()
    whole = {role.name for role in world.plan.roles if all(host.ref in placed for host in role.hosts)} - lost
    done: set[str] = set()
    missing: dict[Query[Any], None] = {}
    for name in world.plan.order:
        step = world.plan.step(name)
        turn = done.issuperset(step.after) and whole.issuperset(step.action.acts_on())
        run = draft.progress.step(name).run
        try:
            if (draft.finishing or not turn) and (run is None or not follows(world, scope, name, run)):
                continue  # what was started is followed to its end, whatever has been edited meanwhile
            advance = _advance(world, scope, draft, step)
        except Unread as unread:
            missing |= dict.fromkeys(unread.queries)  # all of this is decided again
            continue
        if advance is None:
            continue
        _book(draft, advance, Reason.RUNNING_STEPS, begin=turn)
        if isinstance(advance.outcome, Done) and turn:
            done.add(name)
        elif advance.begins:
            break  # a value that is not in Foreman yet: what follows would be judged by the old one
    if missing:
        raise Unread(missing)
    return len(done) == len(world.plan.order)


def run_periodic(world: World, scope: Scope, draft: Draft) -> bool:
    """Switch periodic Puppet on again, if the Stack wants it; whether that is done."""
    if not world.plan.periodic_puppet:
        return True
    targets = _targets(world, scope.hosts, {role.name: QUIET for role in world.plan.roles})
    progress = draft.progress.step(periodic_puppet.NAME)
    context = _context(world, draft, periodic_puppet.NAME)
    root = world.seen[HostgroupNamed(root_title(scope))]  # who comes after us must know that hosts may be on again
    context = replace(context, before_run=record.before(root, draft.progress, draft.waves))
    managed = bool(world.managed())
    steps = [draft.progress.step(name) for name in world.plan.order]
    tolerated = frozenset(ref for step in steps if step.state is StepState.DONE for ref in step.failed)
    advance = periodic_puppet.advance(progress, targets, context, managed=managed, tolerated=tolerated)
    _book(draft, advance, Reason.RESUMING_PUPPET)
    return isinstance(advance.outcome, Done)


def _advance(world: World, scope: Scope, draft: Draft, step: Step) -> Advance | None:
    """One look at the step; None when the ENC says that it must not run."""
    progress, action = draft.progress.step(step.name), step.action
    context = replace(_context(world, draft, step.name, step), unbound=_unbound(scope, step))
    chosen = _chosen(world, scope, draft.progress, step)
    if action.runs_puppet:
        root = world.seen[HostgroupNamed(root_title(scope))]
        roles = frozenset(action.acts_on())
        if _begins(world, draft, progress, chosen) and not enc.verify(world, scope, roles, draft):
            return None
        context = replace(context, before_run=record.before(root, draft.progress, draft.waves))
    return action.advance(progress, chosen, context)


def _chosen(world: World, scope: Scope, progress: Progress, step: Step) -> tuple[Target, ...]:
    """The hosts that the step is for, each with the digest of what it would do to it now."""
    roles = step.action.acts_on()
    if not roles:
        return ()
    facts = world.facts(progress)
    digests = {role: step_digest(world.plan, facts, step.name, role, world.key) for role in roles}
    return step.action.chosen(_targets(world, scope.hosts, digests))


def _unbound(scope: Scope, step: Step) -> bool:
    new = step.action.new_value()
    return new is not None and new.parameter in scope.group(new.hostgroup).pending


def _begins(world: World, draft: Draft, progress: StepProgress, chosen: Sequence[Target]) -> bool:
    """Whether some host would run Puppet now: only then it is worth asking what Puppet would be given."""
    due = progress.retry_at is None or world.now >= progress.retry_at
    if progress.run is not None or not due:
        return False
    waiting = pending(progress, chosen)
    if world.share is None:
        return bool(waiting)
    own, _ = puppet_runs(world, draft.progress)
    wanted = Counter(world.proxy_of(target.ref.role) for target in waiting)
    return any(world.share.left(proxy, count, own[proxy], world.now) for proxy, count in wanted.items())


def _targets(world: World, hosts: Iterable[HostScope], digests: dict[str, str]) -> tuple[Target, ...]:
    leaders = _leaders(world)
    found = []
    for host in hosts:
        row = world.row(host) if host.ref.role in digests else None
        if row is not None:
            leader = host.ref.index == leaders[host.ref.role]
            found.append(Target(host.ref, row.name, row.id, digests[host.ref.role], leader))
    return tuple(sorted(found, key=lambda target: target.ref))


def _leaders(world: World) -> dict[str, int]:
    return {role.name: min((host.ref.index for host in role.hosts), default=0) for role in world.plan.roles}


def _context(world: World, draft: Draft, name: str, step: Step | None = None) -> Context:
    identity = world.plan.identity
    return Context(
        seen=world.seen,
        now=world.now,
        settings=world.settings,
        token=world.token(name, draft.progress.epoch + 1),
        title=f"foreman-stacks {name} {identity.namespace}/{identity.name}",
        unsent=lambda run: run.token in world.memory.unsent,
        settled_at=partial(settled_at, world),
        room=partial(_room, world, draft.progress),
        sent=world.sent,
        url=world.url,
        timeout=int(step.timeout) if step else TIMEOUT,
        retries=step.retries if step else 2,
        redact=partial(_redacted, world),
        secrets_known=world.secrets_known,
    )


def _room(world: World, progress: Progress, batch: Sequence[Target]) -> Sequence[Target]:
    """Those of the batch that may run Puppet now: of each smart proxy's hosts as many as there is room for."""
    if world.share is None:
        return batch
    own, kept = puppet_runs(world, progress)[0], set[HostRef]()
    for proxy in dict.fromkeys(world.proxy_of(target.ref.role) for target in batch):
        there = [target.ref for target in batch if world.proxy_of(target.ref.role) == proxy]
        kept |= set(there[: world.share.grant(proxy, len(there), own[proxy], world.now)])
    return [target for target in batch if target.ref in kept]


def _redacted(world: World, text: str) -> str:
    return world.redact(text)  # made only when a host has something to say


def times_out_at(world: World, name: str, run: Run) -> datetime:
    """When the job of a step is cancelled that the plan may not have any more."""
    return ends({step.name: step.timeout for step in world.plan.steps}, 0.0)(name, run)


def settled_at(world: World, run: Run) -> datetime:
    """When a job that is not found can no longer appear."""
    return world.memory.settled_at(run.token, run.since, world.settings.host_create_timeout)


def _book(draft: Draft, advance: Advance, reason: Reason, *, begin: bool = True) -> None:
    """Take over what a step says, unless it is a new intent and the deployment is paused.

    An intent whose job surely is not there, and must not begin now either, is given up: it would keep room for nothing.
    """
    before = draft.progress.step(advance.progress.name)
    draft.failures |= advance.failures
    if advance.intends and draft.held:
        kept = (
            before
            if before.run is not None and not draft.finishing
            else replace(before, run=None, state=StepState.WAITING)
        )
        draft.progress = draft.progress.with_step(kept)
        draft.wait(Wait(Reason.PAUSED, f"paused before step {before.name}"))
        return
    if (draft.held or not begin) and any(change.verb == "start" for change in advance.changes):
        draft.progress = draft.progress.with_step(replace(before, run=None, state=StepState.PENDING))
        if draft.paused and not draft.finishing:
            draft.wait(Wait(Reason.PAUSED, f"paused before step {before.name}"))
        return
    progress = draft.progress.with_step(advance.progress)
    if advance.intends:
        progress = replace(progress, epoch=progress.epoch + 1)
        assert advance.progress.run is not None
        draft.intents.add(advance.progress.run.token)
    draft.progress = progress
    draft.polls += advance.polls
    for change in advance.changes:  # in this order: the record before the job
        draft.act([change], reason, f"step {before.name}: {change}")
    match advance.outcome:
        case Wait() as wait:
            after = 0.0 if advance.intends else wait.after
            draft.wait(replace(wait, message=f"step {before.name}: {wait.message}".rstrip(": "), after=after))
        case Failed() as failed:
            mend = f"see failedHosts; fix the cause, then {REQUEST}"
            draft.stall(failed.reason, Problem(f"step {before.name}", failed.message, mend))
        case Done():
            pass


def retried(progress: Progress) -> Progress:
    """Progress with every failed step open again: a new generation, or a person's request."""
    steps = {
        name: replace(
            step,
            failed=frozenset(),
            attempt=1 if step.run else 0,
            retry_at=None,
            retrying=frozenset(),
            message="",
            state=_reopened(step),
        )
        for name, step in progress.steps.items()
    }
    return replace(progress, steps=steps, failed_hosts=())


def _reopened(step: StepProgress) -> StepState:
    return StepState.RUNNING if step.run else StepState.PENDING if step.state is StepState.FAILED else step.state
