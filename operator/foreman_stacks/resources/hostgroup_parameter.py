"""A parameter of a hostgroup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from foreman_stacks.foreman.port import Change, Hostgroup, HostgroupNamed, Query, Snapshot
from foreman_stacks.model.schema import Name, Rule, Valued
from foreman_stacks.model.scope import Scope
from foreman_stacks.model.values import Bound, ValueType
from foreman_stacks.resources.groups import WantedGroup, parameter_body, place_of, remembered, unchanged, wanted_groups

RESERVED = "foreman_stacks"
"""The names of the operator's own parameters (mark and record) begin with this."""

NOT_RESERVED = Rule(
    cel=f"!self.name.startsWith('{RESERVED}')",
    holds=lambda entry: not entry.name.startswith(RESERVED),
    message=f"names that begin with '{RESERVED}' are the operator's own",
    mend="choose another name",
    field="name",
)


class HostgroupParameter(Valued):
    """A parameter that hosts of the group inherit; expressions read it as `hostgroups.<group>.parameters.<name>`."""

    rules = (NOT_RESERVED,)

    name: Name = Field(description="Name of the parameter, in Foreman and in expressions.")
    type: ValueType | None = Field(
        default=None, description="Type of the value in Foreman. Default: what the value or the expression is."
    )
    sensitive: bool = Field(
        default=False,
        description="Whether the value is a secret: Foreman hides it, and it is shown nowhere.",
    )


class HostgroupParameterKind:
    """Parameters of existing hostgroups; a new hostgroup gets its own from the POST that creates it."""

    name = "hostgroupParameter"

    def wanted(self, scope: Scope) -> Sequence[WantedGroup]:
        """The hostgroups with their parameters."""
        return wanted_groups(scope)

    def queries(self, wanted: Sequence[WantedGroup]) -> Sequence[Query[Any]]:
        """The hostgroups; the answers include their parameters."""
        return [HostgroupNamed(group.title) for group in wanted]

    def changes(self, wanted: Sequence[WantedGroup], seen: Snapshot) -> Sequence[Change]:
        """One nested call for each parameter that is missing, differs, or must be removed.

        All others stay untouched (foreman-api §3.1).
        """
        found: list[Change] = []
        for group in wanted:
            row = seen[HostgroupNamed(group.title)]
            if row is not None:
                found += filter(None, (_change(row, bound, seen) for bound in group.parameters))
                found += [_removal(row, entry.name) for entry in row.parameters if _surplus(group, entry.name)]
        return found


def _change(group: Hostgroup, bound: Bound, seen: Snapshot) -> Change | None:
    now = next((entry for entry in group.parameters if entry.name == bound.name), None)
    place = place_of(group.title, bound)
    rest: dict[str, Any] = {"stales": (HostgroupNamed(group.title),), "settles": remembered(place, bound)}
    if now is None:
        return Change("create", "hostgroup_parameter", place, parameter_body(bound), (group.id,), **rest)
    if unchanged(place, bound, now, seen):
        return None
    body = {name: value for name, value in parameter_body(bound).items() if name != "name"}
    return Change("update", "hostgroup_parameter", place, body, (group.id, bound.name), **rest)


def _surplus(group: WantedGroup, name: str) -> bool:
    unknown = group.only is not None and name not in group.only and not name.startswith(RESERVED)
    return unknown or name in group.gone_parameters


def _removal(group: Hostgroup, name: str) -> Change:
    stales = (HostgroupNamed(group.title),)
    return Change("delete", "hostgroup_parameter", f"{group.title} {name}", address=(group.id, name), stales=stales)
