"""The end of a deployment. Under `Delete` it removes exactly what is ours, from marks alone: it needs no Stack.

Delete needs the own mark `Created` of the very object, read again just before (`guard`). Order: our jobs, then for
each host its machine and its row, then hostgroups, children before parents. A VM outlives its host otherwise
(foreman-api §4.5), and a running agent would bring a deleted host back.
"""

from __future__ import annotations

from collections.abc import Sequence

from foreman_stacks.foreman.port import (
    Change,
    HostDetail,
    Hostgroup,
    HostgroupById,
    HostRow,
    HostsOf,
    Job,
    JobCounts,
    JobWithToken,
    MarkedHostgroups,
    MarkedHosts,
    Snapshot,
    ThinHost,
    VmPresent,
)
from foreman_stacks.model.identity import Identity
from foreman_stacks.model.outcome import Wait
from foreman_stacks.model.progress import Progress, Run
from foreman_stacks.model.reasons import Reason
from foreman_stacks.reconcile.world import Draft, Moment
from foreman_stacks.steps import job as jobs

HOSTS_AT_ONCE = 4


def retain(progress: Progress, at: Moment, identity: Identity | None) -> Draft:
    """Start nothing more, wait until nothing can appear any more, and leave everything as it is, jobs too.

    Without an `identity` nobody is asked: the server cannot be.
    """
    draft = Draft(progress)
    _await_posts(progress, at, draft, identity)
    return draft


def delete(progress: Progress, identity: Identity, at: Moment, *, paused: bool) -> Draft:
    """The next thing to remove; an idle draft: nothing of ours is left that can be removed."""
    draft = Draft(progress, paused=paused)
    _await_posts(progress, at, draft, identity)
    _end_jobs(progress, at, draft)
    if draft.waits:
        return draft
    ours = _next(identity, at.seen)
    if ours:
        _remove_hosts(ours, at.seen, draft)
        return draft
    groups = [
        group for group in at.seen[MarkedHostgroups(identity)] if group.mark and group.mark.identity == str(identity)
    ]
    groups = [group for group in groups if group.mark and group.mark.origin == "Created"]
    _remove_groups(groups, at, draft)
    return draft


def _next(identity: Identity, seen: Snapshot) -> list[HostRow]:
    """The hosts to remove next. No more details are read than that takes: a thousand of them may be half an hour."""
    marked, ours, size = seen[MarkedHosts(identity)], list[HostRow](), HOSTS_AT_ONCE
    while marked and not ours:  # where none of them is ours to remove, ever more at once are looked at
        ours = [row for row in _rows(marked[:size], seen) if _created(row, identity)]
        marked, size = marked[size:], 2 * size
    return ours[:HOSTS_AT_ONCE]


def _rows(hosts: Sequence[ThinHost], seen: Snapshot) -> list[HostRow]:
    """Hosts with all that proves whose they are."""
    seen.need([HostDetail(host.id) for host in hosts])
    return [row for host in hosts if (row := seen[HostDetail(host.id)]) is not None]


def _await_posts(progress: Progress, at: Moment, draft: Draft, identity: Identity | None) -> None:
    """Wait for what was POSTed, by us or by a process before us, until it is there or cannot come any more."""
    open_ = {ref for ref in progress.creating() if at.memory.may_appear(ref)}
    if open_ and identity is not None:
        newest = at.seen[MarkedHosts(identity)][-len(open_) - HOSTS_AT_ONCE :]  # by id: these are among the last
        open_ -= {row.mark.ref for row in _rows(newest, at.seen) if row.mark is not None}
    deadlines = [
        at.memory.settled_at(at.memory.names.get(ref, ""), creating.since, at.settings.host_create_timeout)
        for ref in open_
        if (creating := progress.role(ref.role).creating) is not None
    ]
    # an edit makes hostgroups when hosts are there, too; of a settled plan all of them were seen
    plan = "" if progress.settled_plan else progress.plan
    group = at.memory.group_may_appear_until(plan, at.settings.host_create_timeout)
    deadlines += [] if group is None else [group]
    left = max(((deadline - at.now).total_seconds() for deadline in deadlines), default=0.0)
    if left > 0.0:
        draft.wait(
            Wait(Reason.DELETING, "what was being created may still appear", after=min(left, at.settings.lookup_every))
        )


def open_jobs(progress: Progress, at: Moment) -> list[tuple[Run, Job | None]]:
    """Our jobs that may run: those that are not over, and None for one that may still appear."""
    found: list[tuple[Run, Job | None]] = []
    for run in [step.run for step in progress.steps.values() if step.run is not None]:
        job = _job(run, at)
        if job is None:
            latest = at.memory.settled_at(run.token, run.since, at.settings.host_create_timeout)
            over = run.token in at.memory.unsent or at.now >= latest
        else:
            over = at.over(run, job)
        if not over:
            found.append((run, job))
    return found


def _end_jobs(progress: Progress, at: Moment, draft: Draft) -> None:
    """Cancel our jobs and wait until they are over: a script or a run under way would bring back what we remove."""
    for _, job in open_jobs(progress, at):
        if job is None:
            message = "a job that was being started may still appear"
            draft.wait(Wait(Reason.DELETING, message, after=at.settings.lookup_every))
            continue
        if at.sent(str(job.id)) is None:
            draft.act([jobs.cancel(job)], Reason.DELETING, f"cancels job {job.id}")
        draft.wait(Wait(Reason.DELETING, f"waits for job {job.id} to end", after=at.settings.lookup_every))


def _job(run: Run, at: Moment) -> Job | None:
    """The job as it is now: its id is known from the run or from its token, what it does only by asking."""
    if run.job is not None:
        return at.seen[JobCounts(run.job)]
    if run.token in at.memory.unsent:
        return None
    found = at.seen[JobWithToken(run.token)]
    return None if found is None else at.seen[JobCounts(found.id)]


def _created(row: HostRow, identity: Identity) -> bool:
    return row.mark is not None and row.mark.identity == str(identity) and row.mark.origin == "Created"


def _remove_hosts(rows: Sequence[HostRow], seen: Snapshot, draft: Draft) -> None:
    """Machines first, then rows; each guard proves again that it is the same host with our own mark."""
    machines = {
        row.id: VmPresent(row.compute_resource_id, row.uuid) for row in rows if row.uuid and row.compute_resource_id
    }
    seen.need(machines.values())
    guards = {row.id: HostDetail(row.id) for row in rows}
    vms = [
        Change(
            "delete",
            "vm",
            f"{row.name} {row.uuid}",
            address=(row.compute_resource_id or 0, row.uuid or ""),
            guard=guards[row.id],
            guarded=row,
        )
        for row in rows
        if row.id in machines and seen[machines[row.id]]
    ]
    hosts = [
        Change(
            "delete", "host", row.name, address=(row.id,), guard=guards[row.id], guarded=row, stales=(guards[row.id],)
        )
        for row in rows
    ]
    message = f"removes {', '.join(row.name for row in rows)}"
    if vms:
        draft.act(vms, Reason.DELETING, message)
    draft.act(hosts, Reason.DELETING, message)


def _remove_groups(groups: Sequence[Hostgroup], at: Moment, draft: Draft) -> None:
    """Leaves first. A group stays that has hosts or hostgroups of others (Foreman refuses then), and what is above it."""
    at.seen.need([HostsOf(group.id) for group in groups])
    stay = [group for group in groups if group.title in at.memory.refused or at.seen[HostsOf(group.id)]]
    kept = {group.id for group in stay} | {above for group in stay for above in group.ancestors}
    for group in stay:
        why = at.memory.refused.get(group.title) or "it has hosts that this deployment did not create"
        draft.notes.append(f"hostgroup {group.title!r} stays: {why}")
    parents = {above for group in groups for above in group.ancestors}
    leaves = [group for group in groups if group.id not in parents | kept]
    if leaves:
        draft.act([_remove_group(group) for group in leaves], Reason.DELETING)


def _remove_group(group: Hostgroup) -> Change:
    guard = HostgroupById(group.id)
    return Change("delete", "hostgroup", group.title, address=(group.id,), guard=guard, guarded=group, stales=(guard,))
