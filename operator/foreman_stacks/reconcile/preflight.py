"""Preflight, before anything is written for a plan: only reads, and reports every problem at once with what to do."""

from __future__ import annotations

from collections.abc import Iterator

from foreman_stacks.errors import Problem
from foreman_stacks.foreman.port import (
    HostgroupNamed,
    HostTaken,
    MarkedHosts,
    both,
    together,
)
from foreman_stacks.model.outcome import Stalled
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.scope import Scope
from foreman_stacks.reconcile.lacking import lacking
from foreman_stacks.reconcile.world import World
from foreman_stacks.resources.groups import wanted_groups


def preflight(world: World) -> list[Stalled]:
    """Return what stands in the way of the plan, in the order in which it must be fixed."""
    scope = world.scope()
    lacks, conflicts = both(lambda: lacking(world, scope, scope.hosts), lambda: _conflicts(world, scope))
    problems = [*world.plan.evaluated, *lacks]
    found = [Stalled(Reason.PREFLIGHT_FAILED, tuple(problems))] if problems else []
    return found + ([Stalled(Reason.NAME_CONFLICT, tuple(conflicts))] if conflicts else [])


def _conflicts(world: World, scope: Scope) -> list[Problem]:
    looks = [_groups(world, scope), *((_names(world, scope), _renamed(world, scope)) if world.domain() else ())]
    return [problem for found in together(list, looks) for problem in found]


def _groups(world: World, scope: Scope) -> Iterator[Problem]:
    wanted = wanted_groups(scope)
    world.seen.need([HostgroupNamed(group.title) for group in wanted])
    for group in wanted:
        row = world.seen[HostgroupNamed(group.title)]
        if row is not None and (row.mark is None or row.mark.identity != str(world.plan.identity)):
            yield Problem(
                "metadata.name",
                f"hostgroup {group.title!r} already exists and was not created by this deployment",
                "rename the deployment, or remove that hostgroup",
            )


def _names(world: World, scope: Scope) -> Iterator[Problem]:
    """Yield a problem for each name of a host still to be created that is taken.

    A host with the deployment's own mark is no problem: it is taken over.
    """
    known = world.progress.created() | world.progress.creating()
    fresh = [host for host in scope.hosts if host.ref not in known]
    if not fresh:
        return
    queries = {host.ref: HostTaken(world.fqdn(host)) for host in fresh}
    world.seen.need([*queries.values(), MarkedHosts(world.plan.identity)])
    ours = {host.name for host in world.seen[MarkedHosts(world.plan.identity)]}
    for host in fresh:
        if world.seen[queries[host.ref]] is not None and world.fqdn(host) not in ours:
            yield Problem(
                f"spec.roles[{host.ref.role}].hostname",
                f"host {world.fqdn(host)} already exists and was not created by this deployment",
                "choose another hostname or deployment name, or remove that host",
            )


def _renamed(world: World, scope: Scope) -> Iterator[Problem]:
    """Yield a problem for each role whose hosts the plan would rename, which the operator does not do.

    A single host that is not found may be gone. If none of a role's hosts is found, their names have changed.
    """
    created = world.progress.created()
    for role in world.plan.roles:
        known = [host for host in scope.hosts if host.ref.role == role.name and host.ref in created]
        if known and all(world.row(host) is None for host in known):
            yield Problem(
                f"spec.roles[{role.name}].hostname",
                f"would rename hosts that exist: there is no {world.fqdn(known[0])}",
                "put it back: hosts keep their names",
            )
