"""Gives a step what it needs to advance, and takes over what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from foreman_stacks.api.meta import REQUEST
from foreman_stacks.errors import Problem
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.outcome import Done, Failed, Wait
from foreman_stacks.model.progress import Progress, Run, StepState
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.scope import HostScope
from foreman_stacks.plan.model import Step
from foreman_stacks.reconcile.ledger import TIMEOUT, Proxy, ends, under_way
from foreman_stacks.reconcile.world import Draft, World
from foreman_stacks.steps.kind import Advance, Context, Target


def puppet_runs(world: World, progress: Progress) -> tuple[Counter[Proxy], datetime | None]:
    """Return the Puppet runs of the plan's hosts that may be in progress, by proxy, and when all must be over."""
    over = ends({step.name: step.timeout for step in world.plan.steps}, world.settings.job_lost_after)
    ours = {host.ref for role in world.plan.roles for host in role.hosts}
    return under_way(progress, over, world.now, world.proxy_of, ours)


def targets_of(world: World, hosts: Iterable[HostScope], digests: dict[str, str]) -> tuple[Target, ...]:
    """Return the targets for those hosts that Foreman shows and whose role has a digest, sorted."""
    leaders = leaders_of(world)
    found = []
    for host in hosts:
        row = world.row(host) if host.ref.role in digests else None
        if row is not None:
            leader = host.ref.index == leaders[host.ref.role]
            found.append(Target(host.ref, row.name, row.id, digests[host.ref.role], leader))
    return tuple(sorted(found, key=lambda target: target.ref))


def leaders_of(world: World) -> dict[str, int]:
    """Return the index of each role's leader, the lowest one."""
    return {role.name: min((host.ref.index for host in role.hosts), default=0) for role in world.plan.roles}


def context_of(world: World, draft: Draft, name: str, step: Step | None = None) -> Context:
    """Return what the step of that name sees; a built-in step has no `step` of the plan."""
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
    """Return those of the batch that may run Puppet now: for each smart proxy, as many hosts as it has room for."""
    if world.share is None:
        return batch
    own, kept = puppet_runs(world, progress)[0], set[HostRef]()
    for proxy in dict.fromkeys(world.proxy_of(target.ref.role) for target in batch):
        there = [target.ref for target in batch if world.proxy_of(target.ref.role) == proxy]
        kept |= set(there[: world.share.grant(proxy, len(there), own[proxy], world.now)])
    return [target for target in batch if target.ref in kept]


def _redacted(world: World, text: str) -> str:
    return world.redact(text)  # not bound directly: the redactor is made only when a host printed something


def times_out_at(world: World, name: str, run: Run) -> datetime:
    """Return when the job of a step is cancelled, also of a step that the plan no longer has."""
    return ends({step.name: step.timeout for step in world.plan.steps}, 0.0)(name, run)


def settled_at(world: World, run: Run) -> datetime:
    """Return when a job that is not found can no longer appear."""
    return world.memory.settled_at(run.token, run.since, world.settings.host_create_timeout)


def book(draft: Draft, advance: Advance, reason: Reason, *, begin: bool = True) -> None:
    """Take over what a step says, unless it has a new intent while nothing new may be started.

    An intent whose job was not started and must not start now is given up, since it would reserve room for nothing.
    `begin` tells whether the step may start a job now.
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
    for change in advance.changes:  # one wave each, in this order: the record before the job
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
