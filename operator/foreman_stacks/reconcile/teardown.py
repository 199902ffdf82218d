"""The end of a deployment. Under `Delete` it removes exactly what is ours, from marks alone: it needs no Stack.

Delete needs the own mark `Created` of the very object, read again just before (`guard`). Order: our jobs, then for
each host its machine and its row, then hostgroups, children before parents. A VM outlives its host otherwise
(foreman-api §4.5), and a running agent would bring a deleted host back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from foreman_stacks.foreman.port import (
    Change,
    HostDetail,
    Hostgroup,
    HostgroupById,
    HostRow,
    HostsIn,
    JobCounts,
    JobWithToken,
    MarkedHostgroups,
    MarkedHosts,
    Snapshot,
    VmPresent,
)
from foreman_stacks.model.identity import HostRef, Identity
from foreman_stacks.model.outcome import Wait
from foreman_stacks.model.progress import Progress
from foreman_stacks.model.reasons import Reason
from foreman_stacks.reconcile.memory import Memory
from foreman_stacks.reconcile.world import Draft, Moment

HOSTS_AT_ONCE = 4


def retain(progress: Progress, at: Moment) -> Draft:
    """Start nothing more, wait until what is in flight is there or cannot come any more, and leave the rest."""
    draft = Draft(progress)
    _await_acts(progress, at, draft)
    return draft


def delete(progress: Progress, identity: Identity, at: Moment, *, paused: bool) -> Draft:
    """The next thing to remove; an idle draft: nothing of ours is left."""
    draft = Draft(progress, paused=paused)
    if _await_acts(progress, at, draft):
        return draft
    marked = at.seen[MarkedHosts(identity)]
    at.seen.need([HostDetail(host.id) for host in marked])
    rows = [row for host in marked if (row := at.seen[HostDetail(host.id)]) is not None]
    ours = [row for row in rows if _created(row, identity)]
    if ours:
        _remove_hosts(ours[:HOSTS_AT_ONCE], at.seen, draft)
        return draft
    groups = [group for group in at.seen[MarkedHostgroups(identity)] if group.mark and group.mark.identity == str(identity)]
    groups = [group for group in groups if group.mark and group.mark.origin == "Created"]
    at.seen.need([HostsIn(group.id) for group in groups])
    _remove_groups(groups, at.seen, draft)
    return draft


def _await_acts(progress: Progress, at: Moment, draft: Draft) -> bool:
    """Cancel our jobs, and wait for POSTs whose answer is not known; whether something is still in flight."""
    if not progress.created():
        end = at.memory.group_may_appear_until(progress.plan, at.settings.host_create_timeout)
        if end is not None and at.now < end:
            left = min((end - at.now).total_seconds(), at.settings.lookup_every)
            draft.wait(Wait(Reason.DELETING, "a hostgroup that was being created may still appear", after=left))
    for name, role in progress.roles.items():
        if role.creating is None or not any(at.memory.may_appear(HostRef(name, index)) for index in role.creating.indices):
            continue
        until = at.memory.settled_at("", role.creating.since, at.settings.host_create_timeout)
        if at.now < until:
            left = (until - at.now).total_seconds()
            draft.wait(Wait(Reason.DELETING, "a host that was being created may still appear", after=min(left, at.settings.lookup_every)))
    for step in progress.steps.values():
        if step.run is None:
            continue
        job = at.seen[JobCounts(step.run.job)] if step.run.job else at.seen[JobWithToken(step.run.token)]
        if job is not None and not job.ended:
            change = Change("cancel", "job", str(job.id), address=(job.id,), stales=(JobCounts(job.id),))
            if str(job.id) not in at.memory.sent:
                draft.act([replace(change, intent=True)], Reason.DELETING, f"cancels job {job.id}")
            draft.wait(Wait(Reason.DELETING, f"waits for job {job.id} to end", after=at.settings.lookup_every))
        elif job is None and at.now < at.memory.settled_at(step.run.token, step.run.since, at.settings.host_create_timeout):
            if step.run.token not in at.memory.unsent:
                draft.wait(Wait(Reason.DELETING, "a job that was being started may still appear", after=at.settings.lookup_every))
    return bool(draft.waits)


def _created(row: HostRow, identity: Identity) -> bool:
    return row.mark is not None and row.mark.identity == str(identity) and row.mark.origin == "Created"


def _remove_hosts(rows: Sequence[HostRow], seen: Snapshot, draft: Draft) -> None:
    """Machines first, then rows; each guard proves again that it is the same host with our own mark."""
    machines = {row.id: VmPresent(row.compute_resource_id, row.uuid) for row in rows if row.uuid and row.compute_resource_id}
    seen.need(machines.values())
    guards = {row.id: HostDetail(row.id) for row in rows}
    vms = [
        Change("delete", "vm", f"{row.name} {row.uuid}", address=(row.compute_resource_id or 0, row.uuid or ""),
               guard=guards[row.id], guarded=row)
        for row in rows
        if row.id in machines and seen[machines[row.id]]
    ]
    hosts = [
        Change("delete", "host", row.name, address=(row.id,), guard=guards[row.id], guarded=row, stales=(guards[row.id],))
        for row in rows
    ]
    message = f"removes {', '.join(row.name for row in rows)}"
    if vms:
        draft.act(vms, Reason.DELETING, message)
    draft.act(hosts, Reason.DELETING, message)


def _remove_groups(groups: Sequence[Hostgroup], seen: Snapshot, draft: Draft) -> None:
    """Leaves first. A group that has hosts of others stays, and what is above it."""
    parents = {group.ancestors[-1] for group in groups if group.ancestors}
    leaves = [group for group in groups if group.id not in parents]
    empty = [group for group in leaves if not seen[HostsIn(group.id)]]
    if empty:
        draft.act([_remove_group(group) for group in empty], Reason.DELETING)


def _remove_group(group: Hostgroup) -> Change:
    guard = HostgroupById(group.id)
    return Change("delete", "hostgroup", group.title, address=(group.id,), guard=guard, guarded=group, stales=(guard,))
