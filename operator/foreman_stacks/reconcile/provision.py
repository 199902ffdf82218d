"""Hosts until they are in their place: created in staging, built, quiesced, moved, with all their own values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from foreman_stacks.errors import Problem
from foreman_stacks.foreman.port import (
    Change,
    HostDetail,
    Hostgroup,
    HostgroupNamed,
    HostNamed,
    HostRow,
    HostsIn,
    HostsOf,
    HostsWithEnvironment,
)
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.outcome import Wait
from foreman_stacks.model.progress import Creating, FailedHost
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.scope import HostScope, Scope
from foreman_stacks.reconcile.world import Draft, World
from foreman_stacks.resources import host as resource
from foreman_stacks.resources.groups import environment_of, staging_title, title_of

TAKEN = "has already been taken"
"""Foreman's words for a name that exists, seen or unseen (foreman-measured §2)."""
GONE = frozenset({"HostMissing", "HostUnseen", "HostIncomplete"})
"""Reasons of a failed host that a person may mend by having it made again."""
VALUES_AT_ONCE = 50
"""Hosts whose own values are written in one pass: the status follows in such portions."""


def again(world: World, draft: Draft) -> bool:
    """Hosts that are gone and that a person wants to have again are no longer counted as created; whether there are any."""
    hosts = [
        host for role in world.plan.roles for host in role.hosts if f"{host.label}.{world.domain()}" in world.again
    ]
    names = {host.ref: f"{host.label}.{world.domain()}" for host in hosts if host.ref in draft.progress.created()}
    world.seen.need([HostNamed(name) for name in names.values()])
    gone = [ref for ref, name in names.items() if world.seen[HostNamed(name)] is None]
    for ref in gone:
        world.memory.missing.pop(names[ref], None)
        draft.progress = draft.progress.without(ref)
        draft.wait(Wait(Reason.PROVISIONING, f"{names[ref]} is made again, as asked", after=0.0))
    return bool(gone)


def create(world: World, scope: Scope, draft: Draft) -> None:
    """Follow the POSTs that were intended: a name that was never sent is sent, without a look whether it is there.

    What is not in flight is given up when the plan has changed, or when another host of its role was refused.
    """
    intended = [host for host in scope.hosts if host.ref in draft.progress.creating()]
    if not intended:
        return
    sent = [host for host in intended if world.fqdn(host) not in world.memory.unsent]
    world.seen.need([*resource.queries(scope), *(HostNamed(world.fqdn(host)) for host in sent)])
    due = [host for host in intended if _due(world, host, draft)]
    stuck = {ref.role for ref in draft.failures}
    for host in due:
        if draft.finishing or host.ref.role in stuck:
            _withdraw(host, draft)
    posts = [
        resource.create(host, scope, _staging(world, scope, host), world.seen)
        for host in due
        if host.ref in draft.progress.creating()
    ]
    if posts:
        draft.act(posts, Reason.PROVISIONING, f"creates {', '.join(post.key for post in posts)}")


def _due(world: World, host: HostScope, draft: Draft) -> bool:
    """Whether the host is to be POSTed now: nobody has sent it yet, or what was sent cannot appear any more."""
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
        if draft.finishing:
            return True  # there is nothing of it, and nothing more is tried
        _refused(host, fqdn, world.memory.refused[fqdn], draft)
        return False
    if world.now >= _settled_at(world, fqdn, role.creating):
        return True
    draft.wait(Wait(Reason.PROVISIONING, f"looks whether {fqdn} was created", after=world.settings.lookup_every))
    return False


def _withdraw(host: HostScope, draft: Draft) -> None:
    role = draft.progress.role(host.ref.role)
    assert role.creating is not None
    left = role.creating.indices - {host.ref.index}
    role = replace(role, creating=replace(role.creating, indices=left) if left else None)
    draft.progress = draft.progress.with_role(host.ref.role, role)


def _refused(host: HostScope, fqdn: str, message: str, draft: Draft) -> None:
    """Foreman said no. A name that is taken though nobody can be seen with it belongs to a host that is hidden from us."""
    if TAKEN in message:
        what = f"the name {fqdn} is taken by a host that we cannot see (another organization, or a discovered host)"
        mend = "choose another hostname or deployment name, or have that host removed"
        draft.stall(Reason.NAME_CONFLICT, Problem(f"spec.roles[{host.ref.role}].hostname", what, mend))
        return
    draft.failures[host.ref] = FailedHost(fqdn, "CreateRefused", message)
    mend = "mend the cause, then request a reconcile"
    draft.stall(Reason.PROVISIONING_FAILED, Problem(fqdn, f"Foreman refused it: {message}", mend))


def _settled_at(world: World, fqdn: str, creating: Creating) -> datetime:
    return world.memory.settled_at(fqdn, creating.since, world.settings.host_create_timeout)


def _staging(world: World, scope: Scope, host: HostScope) -> Hostgroup:
    group = world.seen[HostgroupNamed(staging_title(scope, host.group))]
    assert group is not None, "staging groups are made before hosts"
    return group


def _seen(world: World, host: HostScope, row: HostRow, draft: Draft) -> None:
    """A host of this name is there: ours by its own mark, or somebody else's."""
    detail = row if row.parameters is not None else world.seen[HostDetail(row.id)]
    mark = detail.mark if detail else None
    if mark is None or mark.identity != str(world.plan.identity) or mark.ref != host.ref:
        draft.stall(
            Reason.NAME_CONFLICT,
            Problem(
                f"spec.roles[{host.ref.role}].hostname",
                f"host {row.name} is there and not ours",
                "choose another hostname, or remove that host",
            ),
        )
        return
    role = draft.progress.role(host.ref.role)
    assert role.creating is not None
    left = role.creating.indices - {host.ref.index}
    moved = replace(
        role, created=role.created | {host.ref.index}, creating=replace(role.creating, indices=left) if left else None
    )
    draft.progress = draft.progress.with_role(host.ref.role, moved)
    draft.wait(Wait(Reason.PROVISIONING, f"{row.name} is created", after=0.0))


def intend(world: World, scope: Scope, draft: Draft) -> None:
    """While a batch is sent, write the next one into the status; it is POSTed in a later pass.

    A role with a host that failed gets no more of them; other roles go on.
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


def missing(world: World, scope: Scope, draft: Draft) -> frozenset[str]:
    """The roles of which a host that was created is not to be seen: nothing of them goes on."""
    created = [host for host in scope.hosts if host.ref in draft.progress.created()]
    world.seen.need([HostNamed(world.fqdn(host)) for host in created])
    return frozenset(host.ref.role for host in created if not _there(world, host, draft))


def _there(world: World, host: HostScope, draft: Draft) -> bool:
    name = world.fqdn(host)
    if world.row(host) is not None:
        world.memory.missing.pop(name, None)
        return True
    if _patient(world, name):
        draft.wait(Wait(Reason.PROVISIONING, f"{name} is not to be seen", after=world.settings.lookup_every))
        return False
    _gone(draft, host, name)
    return False


def _gone(draft: Draft, host: HostScope, name: str) -> None:
    draft.failures[host.ref] = FailedHost(name, "HostMissing", "Foreman no longer shows it")
    mend = "it is not made again unasked, since its machine may live: request a reconcile to have it made again"
    draft.stall(Reason.HOST_MISSING, Problem(name, "was created and is gone from Foreman", mend))


def build(world: World, scope: Scope, draft: Draft) -> None:
    """Watch the hosts that are created until they are really built."""
    waiting = draft.progress.created() - draft.progress.built() - draft.progress.configured()
    if not waiting:
        return
    present = [host for host in scope.hosts if host.ref in waiting and _complete(world, host, draft)]
    staged, placed = _split(world, scope, present)
    groups = sorted({_staging(world, scope, host).id for host in staged})
    built = [HostsIn(group, "built") for group in groups]
    failed = [HostsIn(group, "failed") for group in groups]
    unseen = [HostsIn(group, "any") for group in groups] if not draft.progress.creating() else []
    world.seen.need([*built, *failed, *unseen])
    draft.polls += [*built, *failed, *unseen]
    done = frozenset().union(*(world.seen[query] for query in built)) | {world.fqdn(host) for host in placed}
    broken = frozenset().union(*(world.seen[query] for query in failed))
    visible = frozenset().union(*(world.seen[query] for query in unseen)) | {world.fqdn(host) for host in placed}
    world.memory.sight(visible)
    for host in present:
        name = world.fqdn(host)
        if name in done:
            role = draft.progress.role(host.ref.role)
            draft.progress = draft.progress.with_role(host.ref.role, replace(role, built=role.built | {host.ref.index}))
        elif name in broken:
            _fail(
                draft,
                host,
                name,
                "BuildFailed",
                "its installation failed or its build token expired: build it again in Foreman",
            )
        elif unseen and name not in visible and not _patient(world, f"unseen {name}"):
            _unseen(world, draft, host, name)
        elif _overdue(world, name):
            _fail(
                draft,
                host,
                name,
                "BuildTimeout",
                "its installation does not end: see its console; build it again in Foreman",
            )
        else:
            draft.wait(Wait(Reason.PROVISIONING, "hosts are being built"))


def _unseen(world: World, draft: Draft, host: HostScope, name: str) -> None:
    """It was made, and no search shows it: gone, or a row without a type, which Foreman hides (foreman-measured §1.9)."""
    if name in world.memory.sighted:
        _gone(draft, host, name)
    else:
        _fail(draft, host, name, "HostUnseen", "Foreman answered it as created and shows no such host")


def _overdue(world: World, name: str) -> bool:
    """Whether the installation has taken too long, as far as this process has seen."""
    began = world.memory.building.setdefault(name, world.now)
    return world.now >= began + timedelta(seconds=world.settings.build_timeout)


def _split(world: World, scope: Scope, present: Iterable[HostScope]) -> tuple[list[HostScope], list[HostScope]]:
    """Hosts in staging, and those that are in their place already: taken over, so built and quiesced before."""
    staged: list[HostScope] = []
    placed: list[HostScope] = []
    for host in present:
        group = world.seen[HostgroupNamed(title_of(scope, host.group))]
        row = world.row(host)
        inside = row is not None and group is not None and row.hostgroup_id == group.id
        (placed if inside else staged).append(host)
    return staged, placed


def _complete(world: World, host: HostScope, draft: Draft) -> bool:
    """Whether there is a machine with an address behind the host."""
    row, name = world.row(host), world.fqdn(host)
    if row is None:
        return False
    if not row.complete:
        lacks = ", ".join(
            word for word, value in (("machine", row.uuid), ("MAC", row.mac), ("address", row.ip)) if not value
        )
        _fail(
            draft,
            host,
            name,
            "HostIncomplete",
            f"Foreman made it without {lacks}: remove it there, then request a reconcile",
        )
        return False
    return True


def _patient(world: World, name: str) -> bool:
    """Two looks, some seconds apart, before we believe that a host is gone."""
    first = world.memory.missing.setdefault(name, world.now)
    return world.now < first + timedelta(seconds=2 * world.settings.lookup_every)


def _fail(draft: Draft, host: HostScope, name: str, reason: str, cause: str) -> None:
    draft.failures[host.ref] = FailedHost(name, reason, cause)
    draft.stall(Reason.PROVISIONING_FAILED, Problem(name, reason, cause))


def place(world: World, scope: Scope, quiesced: frozenset[HostRef], draft: Draft) -> None:
    """Move quiesced hosts into their role hostgroup, prove it, and set the values that needed their address.

    They go together: by themselves they would only wait there for the others.
    """
    for group_name in dict.fromkeys(host.group for host in scope.hosts):
        open_ = [
            host for host in scope.hosts if host.group == group_name and host.ref not in draft.progress.configured()
        ]
        mine = [host for host in open_ if host.ref in quiesced]
        if mine and (len(mine) == len(open_) or len(mine) >= resource.MOVE_AT_ONCE):
            _place(world, scope, mine, draft)


def _place(world: World, scope: Scope, mine: Sequence[HostScope], draft: Draft) -> None:
    group = world.seen[HostgroupNamed(title_of(scope, mine[0].group))]
    assert group is not None
    outer = scope.chain(mine[0].group)[-1].outer_parent
    environment = environment_of(outer, scope.environment, world.seen) or ""
    proof = HostsWithEnvironment(group.id, environment)
    inside, anywhere = world.seen[proof], HostsOf(group.id)
    outside = [host for host in mine if world.fqdn(host) not in inside]
    if outside:
        world.seen.need([anywhere])
        bare = [world.fqdn(host) for host in outside if world.fqdn(host) in world.seen[anywhere]]
        if bare:
            draft.stall(
                Reason.PREFLIGHT_FAILED,
                Problem(
                    "spec.environment",
                    f"{', '.join(bare)} are in {group.title!r} but not in Puppet environment {environment!r}",
                    "set the environment of these hosts in Foreman",
                ),
            )
            return
        rows = [row for host in outside if (row := world.row(host)) is not None]
        size = resource.MOVE_AT_ONCE
        moves = [resource.move(rows[at : at + size], group, scope, world.seen) for at in range(0, len(rows), size)]
        draft.act([replace(move, stales=(proof,)) for move in moves], Reason.MOVING)
        return
    _values(world, mine[:VALUES_AT_ONCE], environment, draft)


def _values(world: World, portion: Sequence[HostScope], environment: str, draft: Draft) -> None:
    changes: list[Change] = []
    for host in portion:
        row = world.row(host)
        if row is None:
            continue
        if host.parameters and row.parameters is None:
            row = world.seen[HostDetail(row.id)] or row
        missing = resource.remaining(host, row, environment, world.seen)
        changes += missing
        if host.pending:
            draft.wait(Wait(Reason.MOVING, f"{row.name} waits for {', '.join(sorted(host.pending))}"))
        elif not missing:
            role = draft.progress.role(host.ref.role)
            moved = replace(role, configured=role.configured | {host.ref.index})
            draft.progress = draft.progress.with_role(host.ref.role, moved)
            draft.wait(Wait(Reason.MOVING, f"{row.name} is in its place", after=0.0))
    if changes:
        draft.act(changes, Reason.MOVING, f"sets values of {len(portion)} hosts")
