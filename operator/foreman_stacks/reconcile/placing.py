"""Moves quiet hosts into their hostgroup, writes all their own values, and keeps these up to date."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from foreman_stacks.errors import Problem
from foreman_stacks.foreman.port import (
    Change,
    HostDetail,
    HostgroupNamed,
    HostRow,
    HostsOf,
    HostsWithEnvironment,
    MarkedHosts,
    together,
)
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.outcome import Wait
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.scope import HostScope, Place, Scope
from foreman_stacks.model.values import Json, canonical
from foreman_stacks.model.words import counted
from foreman_stacks.reconcile.building import disowned
from foreman_stacks.reconcile.world import Draft, World
from foreman_stacks.resources import host as resource
from foreman_stacks.resources.groups import environment_of, title_of

VALUES_AT_ONCE = 50
"""Hosts whose own values are written in one pass, after which the status can report them."""


def place(world: World, scope: Scope, quiesced: frozenset[HostRef], draft: Draft) -> None:
    """Move quiesced hosts into their role hostgroup, prove it, and set the values that needed their address.

    The hosts of a hostgroup move together, or once they fill a bulk move: one alone would only wait for the others.
    """
    ripe: list[Sequence[HostScope]] = []
    for group_name in dict.fromkeys(host.group for host in scope.hosts):
        open_ = [
            host for host in scope.hosts if host.group == group_name and host.ref not in draft.progress.configured()
        ]
        mine = [host for host in open_ if host.ref in quiesced]
        if mine and (len(mine) == len(open_) or len(mine) >= resource.MOVE_AT_ONCE):
            ripe.append(mine)
    together(partial(_place, world, scope, draft), ripe)


def _place(world: World, scope: Scope, draft: Draft, mine: Sequence[HostScope]) -> None:
    group = world.seen[HostgroupNamed(title_of(scope, mine[0].group))]
    assert group is not None
    outer = scope.chain(mine[0].group)[-1].outer_parent
    environment = environment_of(outer, scope.environment, world.seen) or ""
    proof = HostsWithEnvironment(group.id, environment)
    inside, anywhere = world.seen[proof], HostsOf(group.id)
    outside = [host for host in mine if world.fqdn(host) not in inside]
    if outside:
        world.seen.need([anywhere, MarkedHosts(world.plan.identity)])
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
        strange = disowned(world, outside)
        if strange:
            draft.stall(Reason.NAME_CONFLICT, *strange.values())
            return
        rows = [row for host in outside if (row := world.row(host)) is not None]
        size = resource.MOVE_AT_ONCE
        moves = [resource.move(rows[at : at + size], group, scope, world.seen) for at in range(0, len(rows), size)]
        draft.act([replace(move, stales=(proof,)) for move in moves], Reason.MOVING)
        return
    _values(world, scope, mine[:VALUES_AT_ONCE], environment, draft)


def _values(world: World, scope: Scope, portion: Sequence[HostScope], environment: str, draft: Draft) -> None:
    changes: list[Change] = []
    there = [(host, row) for host in portion if (row := world.row(host)) is not None]
    looks = together(partial(_missing, world, scope, environment), there)
    for (host, row), missing in zip(there, looks, strict=True):
        changes += missing
        if host.pending:
            draft.wait(Wait(Reason.MOVING, f"{row.name} waits for {', '.join(sorted(host.pending))}"))
        elif not missing:
            role = draft.progress.role(host.ref.role)
            moved = replace(role, configured=role.configured | {host.ref.index})
            draft.progress = draft.progress.with_role(host.ref.role, moved)
            draft.wait(Wait(Reason.MOVING, f"{row.name} is in its hostgroup, with all values", after=0.0))
    if changes:
        draft.act(changes, Reason.MOVING, f"sets values of {counted(len(portion), 'host')}")


def renewed(world: World, scope: Scope, draft: Draft) -> list[Change]:
    """Return what has to change on placed hosts whose own values have changed, for a portion of the hosts at a time.

    Values change when a parameter is updated, a peer is added, or the Stack is edited; they are written before any
    step. The status has a digest of the values that a role's hosts were last seen to have: while it is the same,
    nothing is read.
    """
    hosts: dict[str, list[HostScope]] = {role.name: [] for role in world.plan.roles}
    for host in scope.hosts:
        if host.ref in draft.progress.configured():
            hosts[host.ref.role].append(host)
    digests = {name: _digest(world, mine, _gone(scope, name)) for name, mine in hosts.items()}
    others = [name for name, digest in digests.items() if digest != draft.progress.role(name).values]
    changes: list[Sequence[Change]] = []
    for name, found in zip(others, together(lambda name: _of_role(world, scope, hosts[name]), others), strict=True):
        changes += found
        if not found and all(world.row(host) is not None for host in hosts[name]):
            role = replace(draft.progress.role(name), values=digests[name])
            draft.progress = draft.progress.with_role(name, role)
    return [change for found in changes[:VALUES_AT_ONCE] for change in found]


def _of_role(world: World, scope: Scope, hosts: Sequence[HostScope]) -> list[Sequence[Change]]:
    """Return what has to change on the hosts of one role, one list per host that differs."""
    there = [(host, row) for host in hosts if (row := world.row(host)) is not None]
    if not there:
        return []
    outer = scope.chain(there[0][0].group)[-1].outer_parent
    environment = environment_of(outer, scope.environment, world.seen) or ""
    gone = _gone(scope, hosts[0].ref.role)
    world.seen.need(resource.unread_values({row.name: host for host, row in there}, environment, gone, world.seen))
    return [changes for changes in together(partial(_missing, world, scope, environment), there) if changes]


def _gone(scope: Scope, role: str) -> list[Place]:
    """Return which own values the hosts of a role must no longer have."""
    return sorted(place for place in scope.gone if (place.kind, place.owner) == ("role", role))


def _digest(world: World, hosts: Sequence[HostScope], gone: Sequence[Place]) -> str:
    """Return a digest (16 hex digits) of these hosts' own values, and of which ones they must no longer have.

    It is keyed, since values may be secret, and empty when there is nothing to digest.
    """
    values: list[Json] = [
        {
            "host": host.ref.index,
            "overrides": [[name, bound.name, bound.wire] for name, bound in host.overrides],
            "parameters": [[bound.name, bound.type, bound.wire] for bound in host.parameters],
        }
        for host in hosts
        if host.overrides or host.parameters or gone
    ]
    values += [["gone", place.puppet_class, place.name] for place in gone]
    return hmac.digest(world.key, canonical(values).encode(), "sha256").hex()[:16] if values else ""


def _missing(world: World, scope: Scope, environment: str, found: tuple[HostScope, HostRow]) -> Sequence[Change]:
    (host, row), gone = found, _gone(scope, found[0].ref.role)
    parameters = host.parameters or any(not place.puppet_class for place in gone)
    if parameters and row.parameters is None:
        row = world.seen[HostDetail(row.id)] or row
    return resource.remaining(host, row, environment, gone, world.seen)
