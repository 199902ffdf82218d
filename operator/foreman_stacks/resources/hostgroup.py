"""A hostgroup of a Stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from foreman_stacks.foreman.port import (
    Change,
    ClassKeys,
    ClassNamed,
    EnvironmentNamed,
    HostgroupNamed,
    OverrideOf,
    OverrideValue,
    Query,
    Snapshot,
    TaxonomyNamed,
)
from foreman_stacks.model.identity import MARK_PARAMETER
from foreman_stacks.model.schema import Name, Prose, Rule, Written, keyed
from foreman_stacks.model.scope import Scope
from foreman_stacks.resources.groups import (
    WantedGroup,
    environment_of,
    parameter_body,
    taxonomies,
    wanted_groups,
    wire_body,
)
from foreman_stacks.resources.hostgroup_parameter import HostgroupParameter
from foreman_stacks.resources.puppet_class import PuppetClass


class Hostgroup(Written):
    """A hostgroup that each deployment makes for itself, under the parent that the deployment names."""

    rules = (
        Rule(
            cel="!has(self.parent) || self.parent != self.name",
            holds=lambda group: group.parent != group.name,
            message="a hostgroup cannot be its own parent",
            mend="name another hostgroup of this Stack, or leave parent out",
            field="parent",
        ),
    )

    name: Name = Field(description="Name of the hostgroup inside the Stack.")
    parent: Name | None = Field(
        default=None,
        description="The hostgroup of this Stack above it. Default: none, it stands under the Foreman hostgroup that "
        "the deployment names.",
    )
    description: Prose | None = Field(default=None, description="What the hostgroup is for; shown in Foreman.")
    parameters: Annotated[tuple[HostgroupParameter, ...], keyed(128)] = Field(
        default=(), description="Parameters of the hostgroup."
    )
    puppet_classes: Annotated[tuple[PuppetClass, ...], keyed(64)] = Field(
        default=(), description="Puppet classes that the hostgroup assigns to its hosts."
    )


class HostgroupKind:
    """Hostgroups: one creating POST carries mark, parameters, environment, classes and values (measured §1.5)."""

    name = "hostgroup"

    def wanted(self, scope: Scope) -> Sequence[WantedGroup]:
        """All hostgroups of the deployment."""
        return wanted_groups(scope)

    def queries(self, wanted: Sequence[WantedGroup]) -> Sequence[Query[Any]]:
        """The groups themselves, their parents, and what the POST needs ids of."""
        queries: list[Query[Any]] = []
        for group in wanted:
            queries += [HostgroupNamed(group.title)]
            queries += [HostgroupNamed(group.outer)] if group.outer else []
            queries += [EnvironmentNamed(group.environment)] if group.environment else []
            queries += taxonomies(group.organization, group.location)
        return queries

    def changes(self, wanted: Sequence[WantedGroup], seen: Snapshot) -> Sequence[Change]:
        """A POST for each group that is not there and whose parent is."""
        return [
            _create(group, seen)
            for group in wanted
            if seen[HostgroupNamed(group.title)] is None
            and (not group.parent or seen[HostgroupNamed(group.parent)] is not None)
        ]


def _create(group: WantedGroup, seen: Snapshot) -> Change:
    environment = environment_of(group.outer, group.environment, seen)
    assert environment is not None, "preflight refuses a deployment without an environment"
    parent = seen[HostgroupNamed(group.parent)] if group.parent else None
    names = {entry.name for entry in group.classes}
    seen.need([ClassNamed(environment, name) for name in sorted(names)])
    body: dict[str, Any] = {
        "name": group.name,
        "parent_id": parent.id if parent else None,
        "description": group.description or None,
        "puppet_attributes": {
            "environment_id": seen[EnvironmentNamed(environment)],
            "puppetclass_ids": [seen[ClassNamed(environment, name)] for name in sorted(names)],
        },
        "group_parameters_attributes": [
            {"name": MARK_PARAMETER, "value": str(group.mark), "parameter_type": "string"},
            *(parameter_body(bound) for bound in group.parameters),
        ],
    }
    for kind, name in (("organization", group.organization), ("location", group.location)):
        if name is not None:
            plural: Any = f"{kind}s"
            body[f"{kind}_ids"] = [seen[TaxonomyNamed(plural, name)]]
    settles: list[tuple[Query[Any], Any]] = []
    values = group.values
    if values:
        body["lookup_values_attributes"] = {}
        seen.need([ClassKeys(environment, name) for name in sorted({name for name, _ in values})])
    for position, (name, bound) in enumerate(values):
        key = seen[ClassKeys(environment, name)][bound.name]
        body["lookup_values_attributes"][str(position)] = {"lookup_key_id": key.id, "value": wire_body(bound)}
        match = f"hostgroup={group.title}"
        settles.append((OverrideOf(key.id, match), OverrideValue(match, bound.plain)))
    return Change(
        "create", "hostgroup", group.title, body, answers=HostgroupNamed(group.title), settles=tuple(settles)
    )
