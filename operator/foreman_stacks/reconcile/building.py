"""Follow hosts from their creation until they are really built; notice hosts that are gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from foreman_stacks.api.meta import REQUEST
from foreman_stacks.errors import Problem
from foreman_stacks.foreman.port import Hostgroup, HostgroupNamed, HostNamed, HostsIn, MarkedHosts
from foreman_stacks.model.identity import MARK_PARAMETER, HostRef
from foreman_stacks.model.outcome import Wait
from foreman_stacks.model.progress import FailedHost
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.scope import HostScope, Scope
from foreman_stacks.reconcile.world import Draft, World
from foreman_stacks.resources.groups import staging_title, title_of

GONE = frozenset({"HostMissing", "HostUnseen", "HostIncomplete"})
"""Reasons in `failedHosts` for which a person may request that the host is created again."""
FAILED = "its installation failed or its build token expired: build it again in Foreman"
ENDLESS = "its installation did not finish within FOREMAN_STACKS_BUILD_TIMEOUT; check its console, then build it again in Foreman"
HIDDEN = f"its row is hidden there; remove it (foreman-rake console) and its machine, then {REQUEST}"


def staging_of(world: World, scope: Scope, host: HostScope) -> Hostgroup:
    """Return the staging hostgroup in which the host is created."""
    group = world.seen[HostgroupNamed(staging_title(scope, host.group))]
    assert group is not None, "staging groups are made before hosts"
    return group


def missing(world: World, scope: Scope, draft: Draft) -> frozenset[str]:
    """Return the roles with a created host that Foreman does not show; these roles must not go on."""
    created = [host for host in scope.hosts if host.ref in draft.progress.created()]
    world.seen.need([HostNamed(world.fqdn(host)) for host in created])
    return frozenset(host.ref.role for host in created if not _there(world, host, draft))


def _there(world: World, host: HostScope, draft: Draft) -> bool:
    name = world.fqdn(host)
    if world.row(host) is not None:
        world.memory.missing.pop(name, None)
        return True
    if _patient(world, name):
        draft.wait(Wait(Reason.PROVISIONING, f"{name} is not visible in Foreman", after=world.settings.lookup_every))
        return False
    _gone(draft, host, name)
    return False


def _gone(draft: Draft, host: HostScope, name: str) -> None:
    draft.failures[host.ref] = FailedHost(name, "HostMissing", "Foreman no longer shows it")
    mend = f"it is not recreated automatically: its VM may still exist; to recreate it, {REQUEST}"
    draft.stall(Reason.HOST_MISSING, Problem(name, "was created and is gone from Foreman", mend))


def disowned(world: World, hosts: Iterable[HostScope]) -> dict[HostRef, Problem]:
    """Return a problem for each host that exists but no longer bears the deployment's mark.

    People have taken such a host for something else, or created it anew.
    """
    ours = {host.name for host in world.seen[MarkedHosts(world.plan.identity)]}
    return {
        host.ref: Problem(
            name,
            f"lacks the parameter {MARK_PARAMETER} of this deployment, and so does not belong to it any more",
            "put the parameter back as it was, or remove that host and have it created again",
        )
        for host in hosts
        if (name := world.fqdn(host)) not in ours and world.row(host) is not None
    }


def build(world: World, scope: Scope, draft: Draft) -> None:
    """Watch created hosts until they are really built: Foreman says so, and there is a machine with an address."""
    waiting = draft.progress.created() - draft.progress.built() - draft.progress.configured()
    if not waiting:
        return
    present = [host for host in scope.hosts if host.ref in waiting and _complete(world, host, draft)]
    staged, placed = _split(world, scope, present)
    groups = sorted({staging_of(world, scope, host).id for host in staged})
    built = [HostsIn(group, "built") for group in groups]
    failed = [HostsIn(group, "failed") for group in groups]
    unseen = [HostsIn(group, "any") for group in groups] if not draft.progress.creating() else []
    world.seen.need([*built, *failed, *unseen])
    draft.polls += [*built, *failed, *unseen]
    settled = frozenset(world.fqdn(host) for host in placed)
    done = settled.union(*(world.seen[query] for query in built))
    broken = frozenset().union(*(world.seen[query] for query in failed))
    visible = settled.union(*(world.seen[query] for query in unseen))
    world.memory.sight(visible)
    for host in present:
        name = world.fqdn(host)
        if name in done:
            role = draft.progress.role(host.ref.role)
            draft.progress = draft.progress.with_role(host.ref.role, replace(role, built=role.built | {host.ref.index}))
        elif name in broken:
            _fail(draft, host, name, "BuildFailed", FAILED)
        elif unseen and name not in visible and not _patient(world, f"unseen {name}"):
            _unseen(world, draft, host, name)
        elif _overdue(world, name):
            _fail(draft, host, name, "BuildTimeout", ENDLESS)
        else:
            draft.wait(Wait(Reason.PROVISIONING, "hosts are being built"))


def _unseen(world: World, draft: Draft, host: HostScope, name: str) -> None:
    """Report a created host that no search shows.

    If a search has shown it before, it is gone; else its row has no type, and Foreman hides it (foreman-measured §1.9).
    """
    if name in world.memory.sighted:
        _gone(draft, host, name)
    else:
        _fail(
            draft, host, name, "HostUnseen", f"Foreman answered that it was created, but shows no such host: {HIDDEN}"
        )


def _overdue(world: World, name: str) -> bool:
    """Whether the installation has taken too long, counted from when this process began to wait for it."""
    began = world.memory.building.setdefault(name, world.now)
    return world.now >= began + timedelta(seconds=world.settings.build_timeout)


def _split(world: World, scope: Scope, present: Iterable[HostScope]) -> tuple[list[HostScope], list[HostScope]]:
    """Split hosts into those in staging and those already in their own hostgroup.

    The latter were taken over, so they were built and quiesced before.
    """
    staged: list[HostScope] = []
    placed: list[HostScope] = []
    for host in present:
        group = world.seen[HostgroupNamed(title_of(scope, host.group))]
        row = world.row(host)
        inside = row is not None and group is not None and row.hostgroup_id == group.id
        (placed if inside else staged).append(host)
    return staged, placed


def _complete(world: World, host: HostScope, draft: Draft) -> bool:
    """Whether there is a machine with an address behind the host; a visible host without one has failed."""
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
            f"Foreman created it without {lacks}: remove it there, then {REQUEST}",
        )
        return False
    return True


def _patient(world: World, name: str) -> bool:
    """Whether it is too early to call a host gone: it has been missing for less than two lookup intervals."""
    first = world.memory.missing.setdefault(name, world.now)
    return world.now < first + timedelta(seconds=2 * world.settings.lookup_every)


def _fail(draft: Draft, host: HostScope, name: str, reason: str, cause: str) -> None:
    draft.failures[host.ref] = FailedHost(name, reason, cause)
    draft.stall(Reason.PROVISIONING_FAILED, Problem(name, reason, cause))
