"""A hostgroup of a Stack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import Field

from foreman_stacks.errors import Problem
from foreman_stacks.foreman import port
from foreman_stacks.foreman.port import (
    Change,
    ClassKeys,
    ClassNamed,
    EnvironmentNamed,
    HostgroupNamed,
    Query,
    Snapshot,
    TaxonomyNamed,
    together,
)
from foreman_stacks.model.identity import MARK_PARAMETER
from foreman_stacks.model.schema import Name, Prose, Rule, Written, keyed
from foreman_stacks.model.scope import Scope
from foreman_stacks.resources.groups import (
    WantedGroup,
    environment_of,
    parameter_body,
    place_of,
    remembered,
    taxonomies,
    wanted_groups,
)
from foreman_stacks.resources.hostgroup_parameter import HostgroupParameter
from foreman_stacks.resources.parameter_override import new_values, values_of
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
    """Hostgroups; one POST creates one with mark, parameters, environment, classes and values (measured §1.5)."""

    name = "hostgroup"

    def wanted(self, scope: Scope) -> Sequence[WantedGroup]:
        """All hostgroups of the deployment."""
        return wanted_groups(scope)

    def queries(self, wanted: Sequence[WantedGroup]) -> Sequence[Query[Any]]:
        """The hostgroups themselves, their outer parents, and the ids that the POST needs."""
        queries: list[Query[Any]] = []
        for group in wanted:
            queries += [HostgroupNamed(group.title)]
            queries += [HostgroupNamed(group.outer)] if group.outer else []
            queries += [EnvironmentNamed(group.environment)] if group.environment else []
            queries += taxonomies(group.organization, group.location)
        return queries

    def changes(self, wanted: Sequence[WantedGroup], seen: Snapshot) -> Sequence[Change]:
        """A POST for each hostgroup that does not exist and whose parent does."""
        new = [
            group
            for group in wanted
            if seen[HostgroupNamed(group.title)] is None
            and (not group.parent or seen[HostgroupNamed(group.parent)] is not None)
        ]
        fresh = together(lambda group: (group, environment_of(group.outer, group.environment, seen) or ""), new)
        names = [(environment, entry.name) for group, environment in fresh for entry in group.classes]
        keyed = [(environment, name) for group, environment in fresh for name, _ in group.values]
        ids: list[Query[Any]] = [EnvironmentNamed(environment) for _, environment in fresh if environment]
        seen.need([*ids, *(ClassNamed(*name) for name in names), *(ClassKeys(*name) for name in keyed)])
        return [_create(group, environment, seen) for group, environment in fresh]


def elsewhere(scope: Scope, seen: Snapshot) -> list[Problem]:
    """The problems with existing hostgroups that are not in the wanted environment, organization or location.

    A hostgroup gets these when it is created; to change them later would leave its hosts where they are.
    """
    wanted = wanted_groups(scope)
    seen.need([HostgroupNamed(group.title) for group in wanted])
    there = [(group, row) for group in wanted if (row := seen[HostgroupNamed(group.title)]) is not None]
    found = together(lambda pair: list(_elsewhere(*pair, seen)), there)
    # one problem per field, of the first hostgroup: an edit concerns them all
    return list({problem.path: problem for problems in reversed(found) for problem in problems}.values())


def _elsewhere(group: WantedGroup, row: port.Hostgroup, seen: Snapshot) -> Iterator[Problem]:
    environment = environment_of(group.outer, group.environment, seen)
    if row.environment not in {None, environment}:
        yield Problem(
            "spec.environment",
            f"hostgroup {row.title!r} exists in Puppet environment {row.environment!r}, not {environment!r}",
            f"name {row.environment!r}: hostgroups keep their environment",
        )
    places = (
        ("organization", group.organization, row.organization_ids),
        ("location", group.location, row.location_ids),
    )
    for kind, name, ids in places:
        plural: Any = f"{kind}s"
        if name is not None and seen[TaxonomyNamed(plural, name)] not in ids:
            yield Problem(
                f"spec.{kind}",
                f"hostgroup {row.title!r} exists and is not in {kind} {name!r}",
                f"undo the edit: hostgroups keep their {kind}",
            )


def _create(group: WantedGroup, environment: str, seen: Snapshot) -> Change:
    assert environment, "preflight refuses a deployment without an environment"
    parent = seen[HostgroupNamed(group.parent)] if group.parent else None
    names = {entry.name for entry in group.classes}
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
    settles = [pair for bound in group.parameters for pair in remembered(place_of(group.title, bound), bound)]
    values, known = new_values(values_of(group), environment, seen)
    if values:
        body["lookup_values_attributes"] = values
    answers = HostgroupNamed(group.title)
    return Change("create", "hostgroup", group.title, body, answers=answers, settles=(*settles, *known))
