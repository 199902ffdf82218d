"""Edits before Ready: the operation in progress is finished first, and existing hosts keep their names and places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from foreman_stacks.errors import Problem
from foreman_stacks.foreman.port import Change, HostgroupNamed, HostsOf, JobCounts, JobWithToken
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.outcome import Wait
from foreman_stacks.model.progress import Progress, Run, StepProgress, StepState
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.scope import Scope
from foreman_stacks.reconcile import building, builtin, creation, steps
from foreman_stacks.reconcile.stepping import settled_at, times_out_at
from foreman_stacks.reconcile.world import Draft, World
from foreman_stacks.resources.groups import staging_title, title_of
from foreman_stacks.resources.parameter_override import releases
from foreman_stacks.steps import job as jobs
from foreman_stacks.steps import periodic_puppet, quiesce


def finish(world: World, draft: Draft) -> None:
    """Follow the operation in progress to its end after the plan has changed; start nothing new."""
    draft.finishing = True
    scope = world.scope()
    creation.finish(world, draft)
    led = set[str]()
    for step in world.progress.steps.values():
        if step.run is None:
            continue
        if steps.follows(world, scope, step.name, step.run):
            led.add(step.name)
        else:
            _end(world, draft, step, step.run)
    lost = building.missing(world, scope, draft)
    if quiesce.NAME in led:
        builtin.run_quiesce(world, scope, draft, lost)
    steps.run_steps(world, scope, draft, lost)
    if periodic_puppet.NAME in led:
        builtin.run_periodic(world, scope, draft)
    draft.waits = [
        replace(wait, reason=Reason.FINISHING_STEP) for wait in draft.waits if wait.reason is not Reason.PAUSED
    ] or [Wait(Reason.FINISHING_STEP, "the operation in progress is finished first", after=1.0)]


def _end(world: World, draft: Draft, step: StepProgress, run: Run) -> None:
    """Wait for the end of a job that no step of the new plan follows, without judging its results.

    The job is cancelled at its time-out. It is also over once it can no longer appear.
    """
    sent = run.token not in world.memory.unsent
    found = world.seen[JobWithToken(run.token)] if run.job is None and sent else None
    job = run.job if found is None else found.id
    counts = world.seen[JobCounts(job)] if job is not None else None
    if counts is not None and not world.over(run, counts):
        draft.polls.append(JobCounts(counts.id))
        cancelled = world.sent(str(counts.id))
        if cancelled is None and world.now >= times_out_at(world, step.name, run):
            draft.act([jobs.cancel(counts)], Reason.FINISHING_STEP)
        told = "is finished first" if cancelled is None else "is cancelled"
        draft.wait(Wait(Reason.FINISHING_STEP, f"job {counts.id} of step {step.name} {told}"))
    elif job is None and sent and world.now < settled_at(world, run):
        draft.wait(Wait(Reason.FINISHING_STEP, f"looks for the job {run.token}", after=world.settings.lookup_every))
    else:
        # the job may have switched periodic Puppet on: PeriodicPuppet counts as begun, and hosts are quiesced once more
        state = step.state if step.name == periodic_puppet.NAME else StepState.PENDING
        draft.progress = draft.progress.with_step(replace(step, run=None, state=state))
        draft.wait(Wait(Reason.FINISHING_STEP, f"the job of step {step.name} is no longer waited for", after=0.0))


def followed(progress: Progress, plan: tuple[str, ...]) -> Progress:
    """Return progress under a plan with these steps: failed steps are open again; steps that are gone are dropped."""
    progress = steps.retried(progress)
    known = {*plan, quiesce.NAME, periodic_puppet.NAME}
    return replace(progress, steps={name: step for name, step in progress.steps.items() if name in known})


def quieted_first(world: World, scope: Scope, draft: Draft, changes: Sequence[Change]) -> bool:
    """Quiesce hosts once more if something is left to do while they may run Puppet by themselves; return whether it is.

    Left to do may be `changes` other than PeriodicPuppet's own, a step, a host that is not in its place, or to keep
    Puppet off, if the Stack now says `Disabled`. The operation in progress is finished first; then both built-in steps
    start anew.
    """
    if draft.paused or not periodic_puppet.begun(draft.progress.step(periodic_puppet.NAME)):
        return False
    ours = [change for change in changes if not releases(change)]
    if world.plan.periodic_puppet and not ours and not steps.outstanding(world, scope, draft.progress):
        return False
    if draft.progress.busy:
        finish(world, draft)
        return True
    if building.missing(world, scope, draft):  # its absence alone changes the others' values: a person must act first
        return True
    for name in (periodic_puppet.NAME, quiesce.NAME):
        draft.progress = draft.progress.with_step(StepProgress(name))
    draft.wait(Wait(Reason.QUIESCING, "hosts that may run Puppet by themselves are quiesced first", after=0.0))
    return True


def misplaced(world: World) -> list[Problem]:
    """Return a problem for each existing host that the new plan would put into another hostgroup."""
    created = world.progress.created()
    return list(_elsewhere(world, world.scope(), creation.marked(world, created))) if created else []


def _elsewhere(world: World, scope: Scope, marked: dict[HostRef, str]) -> Iterator[Problem]:
    hosts = [host for host in scope.hosts if host.ref in marked]
    titles = {host.group: (title_of(scope, host.group), staging_title(scope, host.group)) for host in hosts}
    queries = {group: [HostgroupNamed(title) for title in both] for group, both in titles.items()}
    world.seen.need(query for both in queries.values() for query in both)
    ids = {name: [group.id for query in both if (group := world.seen[query])] for name, both in queries.items()}
    world.seen.need(HostsOf(ident) for both in ids.values() for ident in both)
    for host in hosts:
        if not any(marked[host.ref] in world.seen[HostsOf(ident)] for ident in ids[host.group]):
            yield Problem(
                "spec",
                f"host {marked[host.ref]} exists, and would have to move to hostgroup {titles[host.group][0]!r}",
                "undo the edit of the hostgroups or their parent: existing hosts keep their hostgroups",
            )
