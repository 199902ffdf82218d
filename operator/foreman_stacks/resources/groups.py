"""The hostgroups that a deployment wants in Foreman: names, titles, environments, and values in Foreman's form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from foreman_stacks.foreman.port import (
    HostgroupById,
    HostgroupNamed,
    Parameter,
    Query,
    Snapshot,
    TaxonomyNamed,
    Written,
    together,
)
from foreman_stacks.model.identity import Identity, Mark
from foreman_stacks.model.scope import ClassScope, GroupScope, Scope
from foreman_stacks.model.values import Bound, Secret, alike

PUPPET = "puppet"
"""The class of theforeman-puppet, which manages the agent itself where a site's hostgroup assigns it."""
RUNMODE = Bound("runmode", "string", "none")
"""Stops and disables service, timer and cron line; without it our own first run would start them (foreman-api §15)."""


@dataclass(frozen=True)
class WantedGroup:
    """A hostgroup in Foreman: one of the Stack's, or the staging twin of one whose hosts are being built.

    `outer` is the Foreman hostgroup above our tree (empty: none), which gives the environment unless one is named.
    `gone_parameters` and `gone_values` (class and parameter) are those that it must not have any more; a staging group, which
    is ours alone, must have no parameters but those of `only`.
    """

    name: str
    group: str
    parent: str
    outer: str
    environment: str | None
    mark: Mark
    description: str = ""
    staging: bool = False
    parameters: tuple[Bound, ...] = ()
    classes: tuple[ClassScope, ...] = ()
    held: bool = False
    organization: str | None = None
    location: str | None = None
    gone_parameters: frozenset[str] = frozenset()
    gone_values: frozenset[tuple[str, str]] = frozenset()
    only: frozenset[str] | None = None

    @property
    def title(self) -> str:
        """What Foreman calls it: titles are unique, names are not."""
        return joined(self.parent, self.name)

    @property
    def values(self) -> list[tuple[str, Bound]]:
        """All class-parameter values of the group, with their class."""
        own = [(entry.name, bound) for entry in self.classes for bound in entry.overrides]
        if not self.held:
            return own
        return [pair for pair in own if (pair[0], pair[1].name) != (PUPPET, RUNMODE.name)] + [(PUPPET, RUNMODE)]


def joined(parent: str, name: str) -> str:
    """A hostgroup's title."""
    return f"{parent}/{name}" if parent else name


class Placed(Protocol):
    """A hostgroup that knows where it stands."""

    @property
    def name(self) -> str:
        """Its name in the Stack."""
        ...

    @property
    def label(self) -> str:
        """Its name in Foreman."""
        ...

    @property
    def parent(self) -> str | None:
        """The Stack's hostgroup above it."""
        ...

    @property
    def outer_parent(self) -> str:
        """The title of Foreman's hostgroup above its topmost one."""
        ...


class Groups(Protocol):
    """A plan, or what it is bound to."""

    @property
    def groups(self) -> Sequence[Placed]:
        """All hostgroups, parents first."""
        ...

    def group(self, name: str) -> Placed:
        """The hostgroup of this name."""
        ...


def title_of(groups: Groups, group: str) -> str:
    """The title of one of the Stack's hostgroups."""
    found = groups.group(group)
    return joined(title_of(groups, found.parent) if found.parent else found.outer_parent, found.label)


def staging_title(scope: Scope, group: str) -> str:
    """The title of a group's staging twin: directly under the outer parent, so that no class of ours is inherited."""
    found = scope.group(group)
    return joined(_outer(scope, found), _staging_name(found, scope.identity))


def root_title(groups: Groups) -> str:
    """The title of the first hostgroup, which bears the record."""
    return title_of(groups, groups.groups[0].name)


def _outer(scope: Scope, group: GroupScope) -> str:
    return _outer(scope, scope.group(group.parent)) if group.parent else group.outer_parent


def _staging_name(group: GroupScope, identity: Identity) -> str:
    return f"{group.name.replace('_', '-')} staging {identity.suffix}"


def environment_of(outer: str, named: str | None, seen: Snapshot) -> str | None:
    """The Puppet environment of a group: the deployment's, else the outer parent's effective one.

    A group without a Puppet facet shows none although an ancestor of it has one (foreman-measured §1.2), so the
    ancestors are asked from the nearest up.
    """
    if named is not None or not outer:
        return named
    group = seen[HostgroupNamed(outer)]
    if group is None or group.environment_id is not None:
        return group.environment if group else None
    for ancestor in reversed(group.ancestors):
        above = seen[HostgroupById(ancestor)]
        if above is not None and above.environment_id is not None:
            return above.environment
    return None


def inherited_classes(outer: str, seen: Snapshot) -> frozenset[str]:
    """The Puppet classes that a Foreman hostgroup gives to those below it; without a Puppet facet its ancestors tell."""
    group = seen[HostgroupNamed(outer)] if outer else None
    if group is None:
        return frozenset()
    if group.environment_id is not None:
        return group.all_classes
    above = together(lambda ancestor: seen[HostgroupById(ancestor)], group.ancestors)
    return group.all_classes.union(*(row.all_classes for row in above if row is not None))


def wanted_groups(scope: Scope) -> Sequence[WantedGroup]:
    """The Stack's groups, parents first, then a staging twin for each that hosts belong to."""
    twins = (scope.group(name) for name in sorted(scope.staging))
    return [*(_wanted(scope, group) for group in scope.groups), *(_twin(scope, group) for group in twins)]


def _wanted(scope: Scope, group: GroupScope) -> WantedGroup:
    return WantedGroup(
        name=group.label,
        group=group.name,
        parent=title_of(scope, group.parent) if group.parent else group.outer_parent,
        outer=_outer(scope, group),
        environment=scope.environment,
        mark=Mark(str(scope.identity), group=group.name),
        description=group.description,
        parameters=group.parameters,
        classes=group.classes,
        held=group.parent is None and group.outer_parent in scope.held,
        organization=scope.organization,
        location=scope.location,
        gone_parameters=_gone_parameters(scope, group),
        gone_values=_gone_values(scope, group),
    )


def _twin(scope: Scope, group: GroupScope) -> WantedGroup:
    chain = scope.chain(group.name)
    flat = _flattened(chain)
    return WantedGroup(
        name=_staging_name(group, scope.identity),
        group=group.name,
        parent=_outer(scope, group),
        outer=_outer(scope, group),
        environment=scope.environment,
        mark=Mark(str(scope.identity), group=group.name, staging=True),
        description=f"Hosts of {title_of(scope, group.name)} while they are built",
        staging=True,
        parameters=flat,
        held=_outer(scope, group) in scope.held,
        organization=scope.organization,
        location=scope.location,
        only=frozenset(bound.name for bound in flat).union(*(link.pending for link in chain)),
    )


def _gone_parameters(scope: Scope, group: GroupScope) -> frozenset[str]:
    found = (place for place in scope.gone if place.kind == "hostgroup" and place.owner == group.name)
    return frozenset(place.name for place in found if not place.puppet_class)


def _gone_values(scope: Scope, group: GroupScope) -> frozenset[tuple[str, str]]:
    """Class-parameter values that are to go, with their class; `runmode` goes once Puppet's own service is free again."""
    found = (place for place in scope.gone if place.kind == "hostgroup" and place.owner == group.name)
    gone = {(place.puppet_class, place.name) for place in found if place.puppet_class}
    freed = group.parent is None and group.outer_parent in scope.freed
    return frozenset(gone | {(PUPPET, RUNMODE.name)} if freed else gone)


def taxonomies(organization: str | None, location: str | None) -> list[Query[Any]]:
    """The queries for the ids of organization and location."""
    queries: list[Query[Any]] = [TaxonomyNamed("organizations", organization)] if organization else []
    return queries + ([TaxonomyNamed("locations", location)] if location else [])


def _flattened(chain: Sequence[GroupScope]) -> tuple[Bound, ...]:
    """The parameters of a group and its ancestors of ours; the nearer one of a name wins."""
    found: dict[str, Bound] = {}
    for link in reversed(chain):
        found |= {bound.name: bound for bound in link.parameters}
    return tuple(found.values())


def parameter_body(bound: Bound) -> dict[str, Any]:
    """A parameter as Foreman takes it: arrays and hashes as JSON strings, or they are dropped (measured §1.1)."""
    body: dict[str, Any] = {"name": bound.name, "value": wire_body(bound), "parameter_type": bound.type}
    return body | ({"hidden_value": True} if bound.sensitive else {})


def wire_body(bound: Bound) -> str | Secret:
    """The text of a value, still wrapped when it is a secret."""
    return Secret(bound.wire) if bound.sensitive else bound.wire


def place_of(owner: str, bound: Bound) -> str:
    """How a parameter of a host or hostgroup is called in the journal, and what is written there remembered by."""
    return f"{owner} {bound.name}"


def remembered(place: str, bound: Bound) -> tuple[tuple[Query[Any], Any], ...]:
    """What a write settles of a value that Foreman hides: only who wrote it can know it."""
    return ((Written(place), bound.wire),) if bound.sensitive else ()


def unchanged(place: str, bound: Bound, now: Parameter, seen: Snapshot) -> bool:
    """Whether a parameter has the wanted value; of a hidden one what this process wrote is taken for it."""
    same = seen.written(place) == bound.wire if now.hidden else alike(bound.type, bound.plain, now.value)
    return same and now.type == bound.type and now.hidden == bound.sensitive
