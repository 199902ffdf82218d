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
"""The class of the module theforeman-puppet, which manages the agent where a site's hostgroup assigns it."""
RUNMODE = Bound("runmode", "string", "none")
"""The override by which that class stops and disables service, timer and cron line. Without it, the first puppetRun
would start them (foreman-api §15).
"""


@dataclass(frozen=True)
class WantedGroup:
    """A hostgroup in Foreman: one of the Stack's, or the staging twin of one whose hosts are being built.

    `outer` is the title of the Foreman hostgroup above the deployment's own (empty: none), whose environment applies
    unless one is named. A `held` hostgroup gets `RUNMODE`. `gone_parameters` and `gone_values` (class and parameter)
    must be removed from it. A staging hostgroup, which only the operator uses, must have no parameters but those of
    `only`.
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
        """Its title in Foreman: titles are unique, names are not."""
        return joined(self.parent, self.name)

    @property
    def values(self) -> list[tuple[str, Bound]]:
        """All class-parameter values of the hostgroup, each with its class."""
        own = [(entry.name, bound) for entry in self.classes for bound in entry.overrides]
        if not self.held:
            return own
        return [pair for pair in own if (pair[0], pair[1].name) != (PUPPET, RUNMODE.name)] + [(PUPPET, RUNMODE)]


def joined(parent: str, name: str) -> str:
    """Return a hostgroup's title from its parent's title (empty: none) and its name."""
    return f"{parent}/{name}" if parent else name


class Placed(Protocol):
    """A hostgroup of a Stack with its place in the tree."""

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
        """The name of the Stack's hostgroup above it."""
        ...

    @property
    def outer_parent(self) -> str:
        """The title of the Foreman hostgroup above the topmost one of its tree, empty for none."""
        ...


class Groups(Protocol):
    """A plan or a scope: anything with the Stack's hostgroups."""

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
    """The title of a hostgroup's staging twin: directly under the outer parent, it inherits no class of the Stack."""
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
    """Return the Puppet environment of a hostgroup: the named one, else the effective one of its outer parent.

    Foreman shows none for a hostgroup without a Puppet facet, even where an ancestor has one (foreman-measured §1.2),
    so the ancestors are read from the nearest up.
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
    """Return the Puppet classes that hostgroups below this Foreman hostgroup inherit.

    Without a Puppet facet, it does not show those of its ancestors, which are then read too.
    """
    group = seen[HostgroupNamed(outer)] if outer else None
    if group is None:
        return frozenset()
    if group.environment_id is not None:
        return group.all_classes
    above = together(lambda ancestor: seen[HostgroupById(ancestor)], group.ancestors)
    return group.all_classes.union(*(row.all_classes for row in above if row is not None))


def wanted_groups(scope: Scope) -> Sequence[WantedGroup]:
    """The Stack's hostgroups, parents first, then the staging twin of each with hosts that are not in place yet."""
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
    """Return the class-parameter values to remove, as (class, parameter).

    `RUNMODE` is among them once class `puppet` may start the agent again.
    """
    found = (place for place in scope.gone if place.kind == "hostgroup" and place.owner == group.name)
    gone = {(place.puppet_class, place.name) for place in found if place.puppet_class}
    freed = group.parent is None and group.outer_parent in scope.freed
    return frozenset(gone | {(PUPPET, RUNMODE.name)} if freed else gone)


def taxonomies(organization: str | None, location: str | None) -> list[Query[Any]]:
    """The queries for the ids of organization and location."""
    queries: list[Query[Any]] = [TaxonomyNamed("organizations", organization)] if organization else []
    return queries + ([TaxonomyNamed("locations", location)] if location else [])


def _flattened(chain: Sequence[GroupScope]) -> tuple[Bound, ...]:
    """The parameters of a hostgroup and its ancestors in the Stack; of those with one name, the nearest wins."""
    found: dict[str, Bound] = {}
    for link in reversed(chain):
        found |= {bound.name: bound for bound in link.parameters}
    return tuple(found.values())


def parameter_body(bound: Bound) -> dict[str, Any]:
    """A parameter as Foreman takes it: arrays and hashes as JSON strings, since it drops others (measured §1.1)."""
    body: dict[str, Any] = {"name": bound.name, "value": wire_body(bound), "parameter_type": bound.type}
    return body | ({"hidden_value": True} if bound.sensitive else {})


def wire_body(bound: Bound) -> str | Secret:
    """The text of a value, wrapped in `Secret` when it is sensitive."""
    return Secret(bound.wire) if bound.sensitive else bound.wire


def place_of(owner: str, bound: Bound) -> str:
    """The name of a parameter's place: in the journal, and for what is remembered as written there (`Written`)."""
    return f"{owner} {bound.name}"


def remembered(place: str, bound: Bound) -> tuple[tuple[Query[Any], Any], ...]:
    """What a write settles of a sensitive value: Foreman hides it, so only the process that wrote it knows it."""
    return ((Written(place), bound.wire),) if bound.sensitive else ()


def unchanged(place: str, bound: Bound, now: Parameter, seen: Snapshot) -> bool:
    """Whether a parameter is as wanted; for a hidden value, what this process last wrote is compared instead."""
    same = seen.written(place) == bound.wire if now.hidden else alike(bound.type, bound.plain, now.value)
    return same and now.type == bound.type and now.hidden == bound.sensitive
