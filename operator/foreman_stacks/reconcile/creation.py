"""Create hosts: write intents in batches, send the intended POSTs, and follow them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from foreman_stacks.api.meta import REQUEST
from foreman_stacks.errors import Problem
from foreman_stacks.foreman.port import HostDetail, HostNamed, HostRow, MarkedHosts, together
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.outcome import Wait
from foreman_stacks.model.progress import Creating, FailedHost, Progress
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.scope import HostScope, Scope
from foreman_stacks.reconcile.building import staging_of
from foreman_stacks.reconcile.world import Draft, World
from foreman_stacks.resources import host as resource

TAKEN = "has already been taken"
"""What Foreman says of a name that exists, whether we can see that host or not (foreman-measured §2)."""


def again(world: World, draft: Draft) -> bool:
    """No longer count hosts as created that are gone and requested again; return whether there are any."""
    draft.looked = True
    hosts = [host for role in world.plan.roles for host in role.hosts if world.fqdn(host) in world.again]
    names = {host.ref: world.fqdn(host) for host in hosts if host.ref in draft.progress.created()}
    world.seen.need([HostNamed(name) for name in names.values()])
    gone = [ref for ref, name in names.items() if world.seen[HostNamed(name)] is None]
    for ref in gone:
        world.memory.missing.pop(names[ref], None)
        draft.progress = draft.progress.without(ref)
        draft.wait(Wait(Reason.PROVISIONING, f"{names[ref]} is created again, as requested", after=0.0))
    return bool(gone)


def create(world: World, scope: Scope, draft: Draft) -> None:
    """Send the intended POSTs, and follow those in flight.

    A host that this process intended and never sent is POSTed without a lookup. When another host of its role was
    refused, the intent for a host that is not in flight is withdrawn.
    """
    intended = [host for host in scope.hosts if host.ref in draft.progress.creating()]
    if not intended:
        return
    sent = [host for host in intended if world.fqdn(host) not in world.memory.unsent]
    lookups = [HostNamed(world.fqdn(host)) for host in sent]
    sources = (host.source for host in intended)
    world.seen.need([*resource.queries(sources, scope.organization, scope.location), *lookups])
    due = [host for host in together(lambda host: host if _due(world, host, draft) else None, intended) if host]
    stuck = {ref.role for ref in draft.failures}
    for host in due:
        if host.ref.role in stuck:
            draft.progress = _withdrawn(draft.progress, host.ref)
    wanted = [host for host in due if host.ref in draft.progress.creating()]
    posts = together(lambda host: resource.create(host, scope, staging_of(world, scope, host), world.seen), wanted)
    if posts:
        draft.act(posts, Reason.PROVISIONING, f"creates {', '.join(post.key for post in posts)}")


def _due(world: World, host: HostScope, draft: Draft) -> bool:
    """Whether to POST the host now: it was never sent, or what was sent can no longer appear."""
    fqdn = world.fqdn(host)
    if fqdn in world.memory.unsent:
        return True
    row = world.seen[HostNamed(fqdn)]
    role = draft.progress.role(host.ref.role)
    assert role.creating is not None
    if row is not None:
        _seen(world, host, row, draft)
        return False
    if fqdn in world.memory.refused:
        _refused(host, fqdn, world.memory.refused[fqdn], draft)
        return False
    if world.now >= _settled_at(world, fqdn, role.creating):
        return True
    draft.wait(Wait(Reason.PROVISIONING, f"checks whether {fqdn} was created", after=world.settings.lookup_every))
    return False


def finish(world: World, draft: Draft) -> None:
    """Follow POSTs in flight to their end after the plan has changed; send nothing.

    Hosts are recognized by their marks, since the new plan may give them other names.
    """
    creating = draft.progress.creating()
    there = marked(world, creating) if creating else {}
    for ref in sorted(creating):
        name = world.memory.names.get(ref, "")
        since = draft.progress.role(ref.role).creating
        assert since is not None
        if ref in there or world.memory.kept.get(HostNamed(name)) is not None:
            draft.progress = _arrived(draft.progress, ref)
            draft.wait(Wait(Reason.PROVISIONING, f"host {ref} is created", after=0.0))
        elif not world.memory.may_appear(ref) or world.now >= _settled_at(world, name, since):
            draft.progress = _withdrawn(draft.progress, ref)
            draft.wait(Wait(Reason.PROVISIONING, f"host {ref} is not going to be created", after=0.0))
        else:
            wait = Wait(
                Reason.PROVISIONING, f"checks whether host {ref} was created", after=world.settings.lookup_every
            )
            draft.wait(wait)


def marked(world: World, hosts: frozenset[HostRef]) -> dict[HostRef, str]:
    """Return the FQDN of each of these hosts that exists and bears the deployment's mark.

    Single hosts are read only where the plan's names do not account for all of them.
    """
    ours = world.seen[MarkedHosts(world.plan.identity)]
    planned = {world.fqdn(host): host.ref for role in world.plan.roles for host in role.hosts}
    found = {planned[host.name]: host.name for host in ours if planned.get(host.name) in hosts}
    if len(found) < len(hosts):
        others = [HostDetail(host.id) for host in ours if host.name not in found.values()]
        world.seen.need(others)
        rows = [row for query in others if (row := world.seen[query]) is not None]
        found |= {row.mark.ref: row.name for row in rows if row.mark is not None and row.mark.ref in hosts}
    return found


def _withdrawn(progress: Progress, host: HostRef) -> Progress:
    """Return progress without the intent to create this host."""
    role = progress.role(host.role)
    assert role.creating is not None
    left = role.creating.indices - {host.index}
    return progress.with_role(host.role, replace(role, creating=replace(role.creating, indices=left) if left else None))


def _arrived(progress: Progress, host: HostRef) -> Progress:
    """Return progress with this host created."""
    progress = _withdrawn(progress, host)
    role = progress.role(host.role)
    return progress.with_role(host.role, replace(role, created=role.created | {host.index}))


def _refused(host: HostScope, fqdn: str, message: str, draft: Draft) -> None:
    """Report that Foreman refused the host. A name that no visible host has taken belongs to a hidden one."""
    if TAKEN in message:
        what = f"the name {fqdn} is taken by a host that the Foreman user cannot see (another organization, or a discovered host)"
        mend = "choose another hostname or deployment name, or have that host removed"
        draft.stall(Reason.NAME_CONFLICT, Problem(f"spec.roles[{host.ref.role}].hostname", what, mend))
        return
    draft.failures[host.ref] = FailedHost(fqdn, "CreateRefused", message)
    mend = f"fix the cause, then {REQUEST}"
    draft.stall(Reason.PROVISIONING_FAILED, Problem(fqdn, f"Foreman refused it: {message}", mend))


def _settled_at(world: World, fqdn: str, creating: Creating) -> datetime:
    return world.memory.settled_at(fqdn, creating.since, world.settings.host_create_timeout)


def _seen(world: World, host: HostScope, row: HostRow, draft: Draft) -> None:
    """Count an existing host of this name as created if its own mark says that it is this one; otherwise stall."""
    detail = row if row.parameters is not None else world.seen[HostDetail(row.id)]
    mark = detail.mark if detail else None
    if mark is None or mark.identity != str(world.plan.identity) or mark.ref != host.ref:
        draft.stall(
            Reason.NAME_CONFLICT,
            Problem(
                f"spec.roles[{host.ref.role}].hostname",
                f"host {row.name} already exists and was not created by this deployment",
                "choose another hostname, or remove that host",
            ),
        )
        return
    draft.progress = _arrived(draft.progress, host.ref)
    draft.wait(Wait(Reason.PROVISIONING, f"{row.name} is created", after=0.0))


def intend(world: World, scope: Scope, draft: Draft) -> None:
    """While one batch is sent, write the intents of the next one into the status; a later pass POSTs it.

    Nothing is intended while a POST is unanswered. A role with a failed host gets no further hosts; other roles go on.
    """
    creating, memory = draft.progress.creating(), world.memory
    names = {host.ref: world.fqdn(host) for host in scope.hosts if host.ref in creating}
    if any(name not in memory.refused and name not in memory.unsent for name in names.values()):
        return
    stuck = {ref.role for ref in draft.failures} | {ref.role for ref, name in names.items() if name in memory.refused}
    known = draft.progress.created() | creating
    fresh = [host for host in scope.hosts if host.ref not in known and host.ref.role not in stuck]
    if not fresh:
        return
    if draft.paused:
        draft.wait(Wait(Reason.PAUSED, f"paused before creating {world.fqdn(fresh[0])}"))
        return
    batch = fresh[: world.provisioning]
    progress = replace(draft.progress, epoch=draft.progress.epoch + 1)
    for role in {host.ref.role for host in batch}:
        indices = frozenset(host.ref.index for host in batch if host.ref.role == role)
        now = progress.role(role)
        indices |= now.creating.indices if now.creating else frozenset()
        progress = progress.with_role(role, replace(now, creating=Creating(indices, world.now)))
    draft.progress = progress
    memory.names |= {host.ref: world.fqdn(host) for host in batch}
    draft.intents |= {world.fqdn(host) for host in batch}
    draft.wait(Wait(Reason.PROVISIONING, f"will create {', '.join(world.fqdn(host) for host in batch)}", after=0.0))
