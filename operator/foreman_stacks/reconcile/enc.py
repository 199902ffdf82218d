"""Before the first run of a role: what Puppet would really be given, read from the ENC of its hosts.

A site's stronger override shadows ours and nothing says so (foreman-measured §1.11); a host without an environment
gets no classes at all, and every run of it succeeds (§1.2).
"""

from __future__ import annotations

from collections.abc import Iterator

from foreman_stacks.errors import Problem
from foreman_stacks.foreman.port import ClassKeys, Enc, EncOf, OverrideMatches
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.scope import HostScope, Scope
from foreman_stacks.model.values import Bound, alike
from foreman_stacks.reconcile.world import Draft, World
from foreman_stacks.resources.groups import environment_of


def verify(world: World, scope: Scope, roles: frozenset[str], draft: Draft) -> bool:
    """Whether the ENC holds what it must for these roles; problems go to the draft."""
    problems: list[Problem] = []
    for role in sorted(roles - world.memory.verified):
        found = list(_role(world, scope, role))
        problems += found
        if not found:
            world.memory.verified.add(role)
    if problems:
        draft.stall(Reason.SHADOWED, *problems)
    return not problems


def _role(world: World, scope: Scope, role: str) -> Iterator[Problem]:
    hosts = [host for host in scope.hosts if host.ref.role == role]
    if not hosts:
        return
    outer = scope.chain(hosts[0].group)[-1].outer_parent
    environment = environment_of(outer, scope.environment, world.seen) or ""
    matches = _matches(world, scope, hosts[0], environment)
    suspects = [host for host in hosts[1:] if any(f"fqdn={world.fqdn(host)}" in found for found in matches.values())]
    asked = [(host, EncOf(row.id)) for host in (hosts[0], *suspects) if (row := world.row(host)) is not None]
    world.seen.need(query for _, query in asked)
    for host, query in asked:
        yield from _host(scope, host, world.fqdn(host), world.seen[query], matches)


def _values(scope: Scope, host: HostScope) -> dict[tuple[str, str], Bound]:
    """What should reach the host: nearer groups win, its own values over all."""
    wanted: dict[tuple[str, str], Bound] = {}
    for group in reversed(scope.chain(host.group)):
        wanted |= {(entry.name, bound.name): bound for entry in group.classes for bound in entry.overrides}
    return wanted | {(name, bound.name): bound for name, bound in host.overrides}


def _matches(world: World, scope: Scope, host: HostScope, environment: str) -> dict[tuple[str, str], frozenset[str]]:
    """For each value that we set on the hostgroup: all matches that its key has."""
    own = {(name, bound.name) for name, bound in host.overrides}
    names = [name for name in _values(scope, host) if name not in own]
    world.seen.need([ClassKeys(environment, name) for name, _ in names])
    queries = {name: OverrideMatches(world.seen[ClassKeys(environment, name[0])][name[1]].id) for name in names}
    world.seen.need(queries.values())
    return {name: world.seen[query] for name, query in queries.items()}


def _host(
    scope: Scope, host: HostScope, fqdn: str, enc: Enc, matches: dict[tuple[str, str], frozenset[str]]
) -> Iterator[Problem]:
    classes = {entry.name for group in scope.chain(host.group) for entry in group.classes}
    for name in sorted(classes - enc.classes.keys()):
        yield Problem(fqdn, f"Puppet would not be given class {name!r}",
                      "see its Puppet environment and hostgroup in Foreman")
    for (name, parameter), bound in _values(scope, host).items():
        if name not in enc.classes:
            continue
        real = enc.classes[name].get(parameter)
        if parameter in enc.classes[name] and alike(bound.type, bound.plain, real):
            continue
        strong = sorted(match for match in matches.get((name, parameter), ()) if match.startswith("fqdn="))
        match = f"fqdn={fqdn}" if f"fqdn={fqdn}" in strong else "a stronger match"
        values = "" if bound.sensitive else f": {real!r} instead of {bound.plain!r}"
        yield Problem(f"{name}::{parameter} on {fqdn}", f"is shadowed by {match}{values}",
                      "remove that override value in Foreman, or change the Stack")
