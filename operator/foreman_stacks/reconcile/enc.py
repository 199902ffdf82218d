"""Check before a role's first run what Puppet would really be given, as the ENC of its hosts says.

Foreman does not say that a site's stronger override shadows ours (foreman-measured §1.11), nor that a host without an
environment gets no classes at all: every run on it succeeds (§1.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from foreman_stacks.errors import Problem
from foreman_stacks.foreman.port import ClassKeys, Enc, EncOf, HostgroupNamed, HostsInPlace, OverridesOf, both, together
from foreman_stacks.model.identity import MARK_PARAMETER
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.scope import HostScope, Scope
from foreman_stacks.model.values import Bound, alike
from foreman_stacks.reconcile.world import Draft, World
from foreman_stacks.resources.groups import PUPPET, RUNMODE, environment_of, title_of

MAX_VALUE = 80
"""The most characters of a value in a message."""


def verify(world: World, scope: Scope, roles: frozenset[str], draft: Draft) -> bool:
    """Whether Puppet would be given what the plan says on the hosts of these roles; problems go to the draft."""
    asked = sorted(roles - world.memory.verified)
    there, told = both(
        lambda: in_place(world, scope, roles, draft), lambda: together(partial(_role, world, scope), asked)
    )
    if not there:
        return False
    world.memory.verified.update(role for role, found in zip(asked, told, strict=True) if not any(found))
    problems = [problem for missing, _ in told for problem in missing]
    shadows = [problem for _, shadowed in told for problem in shadowed]
    if problems:
        draft.stall(Reason.PREFLIGHT_FAILED, *problems)
    if shadows:
        draft.stall(Reason.SHADOWED, *shadows)
    return not problems and not shadows


def in_place(world: World, scope: Scope, roles: frozenset[str], draft: Draft) -> bool:
    """Whether every host of these roles is *now* in its hostgroup, with its environment and the deployment's mark.

    Elsewhere a host would be given none of the Stack's classes, and every run on it would succeed.
    """
    groups = dict.fromkeys(host.group for host in scope.hosts if host.ref.role in roles)
    problems = [problem for found in together(partial(_outside, world, scope, roles), groups) for problem in found]
    if problems:
        draft.stall(Reason.PREFLIGHT_FAILED, *problems)
    return not problems


def _outside(world: World, scope: Scope, roles: frozenset[str], name: str) -> list[Problem]:
    """Return a problem for each host of this hostgroup that is not in it, lacks its environment, or lacks the mark."""
    group = world.seen[HostgroupNamed(title_of(scope, name))]
    assert group is not None, "hosts were placed in it"
    environment = environment_of(scope.chain(name)[-1].outer_parent, scope.environment, world.seen) or ""
    there = world.seen[HostsInPlace(group.id, environment, world.plan.identity)]
    return [
        Problem(
            world.fqdn(host),
            f"is not in hostgroup {group.title!r} with Puppet environment {environment!r}, or lacks the parameter "
            f"{MARK_PARAMETER} of this deployment",
            "set them for this host in Foreman: elsewhere it would be given no class, and without the parameter it does "
            "not belong to the deployment",
        )
        for host in scope.hosts
        if host.group == name and host.ref.role in roles and world.fqdn(host) not in there
    ]


def _role(world: World, scope: Scope, role: str) -> tuple[list[Problem], list[Problem]]:
    """Return problems with classes that the role's hosts would lack, and with values that are shadowed.

    The ENC is read for the first host, and for each host for which one of the class parameters has a match of its own.
    """
    hosts = [host for host in scope.hosts if host.ref.role == role]
    if not hosts:
        return [], []
    outer = scope.chain(hosts[0].group)[-1].outer_parent
    environment = environment_of(outer, scope.environment, world.seen) or ""
    first = world.row(hosts[0])
    keys, _ = both(
        lambda: _keys(world, scope, hosts[0], environment),
        lambda: None if first is None else world.seen[EncOf(first.id)],
    )
    suspects = [
        host for host in hosts[1:] if any(f"fqdn={world.fqdn(host)}" in found.matches for found in keys.values())
    ]
    asked = [(host, EncOf(row.id)) for host in (hosts[0], *suspects) if (row := world.row(host)) is not None]
    world.seen.need(query for _, query in asked)
    missing = [
        problem for host, query in asked for problem in _missing(scope, host, world.fqdn(host), world.seen[query])
    ]
    shadowed = [
        problem
        for host, query in asked
        for problem in _shadowed(scope, host, world.fqdn(host), world.seen[query], keys)
    ]
    return missing, shadowed


@dataclass(frozen=True)
class _Key:
    """A class parameter that a hostgroup of the Stack sets: its matches in Foreman, and whether values are hidden."""

    matches: frozenset[str] = frozenset()
    hidden: bool = False


def _values(scope: Scope, host: HostScope) -> dict[tuple[str, str], Bound]:
    """Return the values that should reach the host, by class and parameter: its own win, then nearer groups."""
    chain = scope.chain(host.group)
    held = chain[-1].outer_parent in scope.held
    wanted: dict[tuple[str, str], Bound] = {(PUPPET, RUNMODE.name): RUNMODE} if held else {}
    for group in reversed(chain):
        own = {(entry.name, bound.name): bound for entry in group.classes for bound in entry.overrides}
        if held and group.parent is None:
            own.pop((PUPPET, RUNMODE.name), None)  # while held, RUNMODE takes the place of the Stack's value
        wanted |= own
    return wanted | {(name, bound.name): bound for name, bound in host.overrides}


def _keys(world: World, scope: Scope, host: HostScope, environment: str) -> dict[tuple[str, str], _Key]:
    """Return the class parameters that the host's hostgroups set and the host itself does not, with all matches."""
    own = {(name, bound.name) for name, bound in host.overrides}
    names = [name for name in _values(scope, host) if name not in own]
    world.seen.need([ClassKeys(environment, name) for name, _ in names])
    rows = {name: world.seen[ClassKeys(environment, name[0])][name[1]] for name in names}
    queries = {name: OverridesOf(row.id) for name, row in rows.items()}
    world.seen.need(queries.values())
    return {name: _Key(frozenset(world.seen[query].keys()), rows[name].hidden) for name, query in queries.items()}


def _missing(scope: Scope, host: HostScope, fqdn: str, enc: Enc) -> Iterator[Problem]:
    classes = {entry.name for group in scope.chain(host.group) for entry in group.classes}
    for name in sorted(classes - enc.classes.keys()):
        mend = "check its Puppet environment and hostgroup in Foreman"
        yield Problem(fqdn, f"Puppet would not be given class {name!r}", mend)


def _shadowed(
    scope: Scope, host: HostScope, fqdn: str, enc: Enc, keys: Mapping[tuple[str, str], _Key]
) -> Iterator[Problem]:
    for (name, parameter), bound in _values(scope, host).items():
        given = enc.classes.get(name)
        if given is None or (parameter in given and alike(bound.type, bound.plain, given[parameter])):
            continue
        key = keys.get((name, parameter), _Key())
        values = f": {_shown(given.get(parameter))} instead of {_shown(bound.plain)}"
        what = f"is shadowed by {_match(fqdn, key.matches)}{'' if bound.sensitive or key.hidden else values}"
        mend = "remove that override value in Foreman, or change the Stack"
        yield Problem(f"{name}::{parameter} on {fqdn}", what, mend)


def _match(fqdn: str, matches: frozenset[str]) -> str:
    """Name the match that is stronger than our hostgroup's, as far as the matches alone tell."""
    if f"fqdn={fqdn}" in matches:
        return f"fqdn={fqdn}"
    others = sorted(match for match in matches if not match.startswith(("fqdn=", "hostgroup=")))
    return " or ".join(others[:3]) or "a stronger match"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…"
