"""Decides what to do next at the end of a deployment. `Delete` removes exactly what bears the deployment's own mark.

It goes by marks alone and needs no Stack. An object is deleted only if it has its own mark with `Created`, which is
read again just before (`guard`). The order is: cancel the deployment's jobs; then each host's machine, then its row;
then hostgroups, children before parents. Otherwise a VM would outlive its host (foreman-api §4.5), and a running agent
would bring a deleted host back.
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
    """Wait until nothing more can appear, and leave everything as it is, jobs too.

    Without an `identity` nothing is read from Foreman: its server cannot be used.
    """
    draft = Draft(progress)
    _await_posts(progress, at, draft, identity)
    return draft


def delete(progress: Progress, identity: Identity, at: Moment, *, paused: bool) -> Draft:
    """Return a draft with what to remove next. An idle draft means that nothing is left that can be removed."""
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
    """Return the hosts to remove next. Read no more details than needed: those of a thousand may take half an hour."""
    marked, ours, size = seen[MarkedHosts(identity)], list[HostRow](), HOSTS_AT_ONCE
    while marked and not ours:  # as long as none of them is to be removed, look at twice as many
        ours = [row for row in _rows(marked[:size], seen) if _created(row, identity)]
        marked, size = marked[size:], 2 * size
    return ours[:HOSTS_AT_ONCE]


def _rows(hosts: Sequence[ThinHost], seen: Snapshot) -> list[HostRow]:
    """Return the full rows of hosts, which prove whose they are."""
    seen.need([HostDetail(host.id) for host in hosts])
    return [row for host in hosts if (row := seen[HostDetail(host.id)]) is not None]


def _await_posts(progress: Progress, at: Moment, draft: Draft, identity: Identity | None) -> None:
    """Wait for what this or an earlier process POSTed until it is there or can no longer appear."""
    open_ = {ref for ref in progress.creating() if at.memory.may_appear(ref)}
    if open_ and identity is not None:
        newest = at.seen[MarkedHosts(identity)][-len(open_) - HOSTS_AT_ONCE :]  # sorted by id: new hosts come last
        open_ -= {row.mark.ref for row in _rows(newest, at.seen) if row.mark is not None}
    deadlines = [
        at.memory.settled_at(at.memory.names.get(ref, ""), creating.since, at.settings.host_create_timeout)
        for ref in open_
        if (creating := progress.role(ref.role).creating) is not None
    ]
    # An edit may create hostgroups even when hosts exist already; those of a settled plan have all been seen.
    plan = "" if progress.settled_plan else progress.plan
    group = at.memory.group_may_appear_until(plan, at.settings.host_create_timeout)
    deadlines += [] if group is None else [group]
    left = max(((deadline - at.now).total_seconds() for deadline in deadlines), default=0.0)
    if left > 0.0:
        draft.wait(
            Wait(Reason.DELETING, "what was being created may still appear", after=min(left, at.settings.lookup_every))
        )


def open_jobs(progress: Progress, at: Moment) -> list[tuple[Run, Job | None]]:
    """Return the runs whose jobs may be in progress, each with its job, or None for a job that may still appear."""
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
    """Cancel the deployment's jobs and wait until they are over, since they would bring back what is removed."""
    for _, job in open_jobs(progress, at):
        if job is None:
            message = "a job that was being started may still appear"
            draft.wait(Wait(Reason.DELETING, message, after=at.settings.lookup_every))
            continue
        if at.sent(str(job.id)) is None:
            draft.act([jobs.cancel(job)], Reason.DELETING, f"cancels job {job.id}")
        draft.wait(Wait(Reason.DELETING, f"waits for job {job.id} to end", after=at.settings.lookup_every))


def _job(run: Run, at: Moment) -> Job | None:
    """Return the job of a run as Foreman shows it now, by its id, or by the run's token while that is not known."""
    if run.job is not None:
        return at.seen[JobCounts(run.job)]
    if run.token in at.memory.unsent:
        return None
    found = at.seen[JobWithToken(run.token)]
    return None if found is None else at.seen[JobCounts(found.id)]


def _created(row: HostRow, identity: Identity) -> bool:
    return row.mark is not None and row.mark.identity == str(identity) and row.mark.origin == "Created"


def _remove_hosts(rows: Sequence[HostRow], seen: Snapshot, draft: Draft) -> None:
    """Delete machines first, then rows. Each guard proves again that this is the same host with its own mark."""
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
    """Delete hostgroups, leaves first.

    A hostgroup with hosts or hostgroups of others (which Foreman refuses to delete) stays, and so do those above it.
    """
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
