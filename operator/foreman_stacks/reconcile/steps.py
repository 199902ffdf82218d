"""Advances the steps of a plan in order. Branches that do not depend on a failed step go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from foreman_stacks.foreman.port import HostgroupNamed, Query, Unread
from foreman_stacks.model.outcome import Done
from foreman_stacks.model.progress import Progress, Run, StepProgress, StepState
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.scope import Scope
from foreman_stacks.plan.bind import step_digest
from foreman_stacks.plan.model import Step
from foreman_stacks.reconcile import enc, record
from foreman_stacks.reconcile.stepping import book, context_of, leaders_of, puppet_runs, targets_of
from foreman_stacks.reconcile.world import Draft, World
from foreman_stacks.resources.groups import root_title
from foreman_stacks.steps import periodic_puppet, quiesce
from foreman_stacks.steps.kind import Advance, Target, pending


def outstanding(world: World, scope: Scope, progress: Progress) -> bool:
    """Whether anything is left to do before hosts may run Puppet by themselves: placing hosts, or a step."""
    if any(host.ref not in progress.configured() for host in scope.hosts):
        return True
    steps = [world.plan.step(name) for name in world.plan.order]
    if any(progress.step(step.name).state is not StepState.DONE for step in steps):
        return True
    runs = [step for step in steps if step.action.runs_puppet]
    return any(pending(progress.step(step.name), _chosen(world, scope, progress, step)) for step in runs)


def follows(world: World, scope: Scope, name: str, run: Run) -> bool:
    """Whether the plan has a step of that name that can follow a run in progress.

    A step of the plan must act on all hosts of the run, and one of these must exist in Foreman: there is nothing to
    learn about hosts that are gone.
    """
    if name == periodic_puppet.NAME:
        return world.plan.periodic_puppet
    if name == quiesce.NAME:
        return any(host.ref in run.hosts for host in scope.hosts)
    step = next((step for step in world.plan.steps if step.name == name), None)
    if step is None or not step.action.acts_on():
        return False
    leaders = leaders_of(world)
    planned = [Target(host.ref, "", 0, "", host.ref.index == leaders.get(host.ref.role)) for host in scope.hosts]
    if not run.hosts.keys() <= {target.ref for target in step.action.chosen(planned)}:
        return False
    return any(world.row(host) for host in scope.hosts if host.ref in run.hosts)


def run_steps(world: World, scope: Scope, draft: Draft, lost: frozenset[str]) -> bool:
    """Advance every step whose turn has come, except on roles with a `lost` host; return whether all steps are done.

    What the steps lack is read together: one after the other, each would cost a round of reading.
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
                continue  # a run in progress, though, is followed to its end, whatever was edited meanwhile
            advance = _advance(world, scope, draft, step)
        except Unread as unread:
            missing |= dict.fromkeys(unread.queries)  # the loop goes on only to collect these: all is decided again
            continue
        if advance is None:
            continue
        book(draft, advance, Reason.RUNNING_STEPS, begin=turn)
        if isinstance(advance.outcome, Done) and turn:
            done.add(name)
        elif advance.begins:
            break  # its new value is not in Foreman yet: later steps would be judged by the old one
    if missing:
        raise Unread(missing)
    return len(done) == len(world.plan.order)


def _advance(world: World, scope: Scope, draft: Draft, step: Step) -> Advance | None:
    """Return the step's advance; None if Puppet must not run, since the ENC would not give hosts what it should."""
    progress, action = draft.progress.step(step.name), step.action
    context = replace(context_of(world, draft, step.name, step), unbound=_unbound(scope, step))
    chosen = _chosen(world, scope, draft.progress, step)
    if action.runs_puppet:
        root = world.seen[HostgroupNamed(root_title(scope))]
        roles = frozenset(action.acts_on())
        if _begins(world, draft, progress, chosen) and not enc.verify(world, scope, roles, draft):
            return None
        context = replace(context, before_run=record.before(root, draft.progress, draft.waves))
    return action.advance(progress, chosen, context)


def _chosen(world: World, scope: Scope, progress: Progress, step: Step) -> tuple[Target, ...]:
    """Return the hosts that the step is for, each with the digest of what the step would do to it now."""
    roles = step.action.acts_on()
    if not roles:
        return ()
    facts = world.facts(progress)
    digests = {role: step_digest(world.plan, facts, step.name, role, world.key) for role in roles}
    return step.action.chosen(targets_of(world, scope.hosts, digests))


def _unbound(scope: Scope, step: Step) -> bool:
    new = step.action.new_value()
    return new is not None and new.parameter in scope.group(new.hostgroup).pending


def _begins(world: World, draft: Draft, progress: StepProgress, chosen: Sequence[Target]) -> bool:
    """Whether a run could begin on some host now: only then it is worth reading what Puppet would be given."""
    due = progress.retry_at is None or world.now >= progress.retry_at
    if progress.run is not None or not due:
        return False
    waiting = pending(progress, chosen)
    if world.share is None:
        return bool(waiting)
    own, _ = puppet_runs(world, draft.progress)
    wanted = Counter(world.proxy_of(target.ref.role) for target in waiting)
    return any(world.share.left(proxy, count, own[proxy], world.now) for proxy, count in wanted.items())


def retried(progress: Progress) -> Progress:
    """Return progress with every failed step open again, after an edit or a person's request."""
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
