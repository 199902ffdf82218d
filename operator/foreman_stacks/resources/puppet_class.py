"""A Puppet class that a hostgroup assigns to its hosts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field

from foreman_stacks.foreman.port import Change, ClassNamed, HostgroupNamed, Query, Snapshot, together
from foreman_stacks.model.schema import ClassName, Written, keyed
from foreman_stacks.model.scope import Scope
from foreman_stacks.resources.groups import WantedGroup, environment_of, wanted_groups
from foreman_stacks.resources.parameter_override import ParameterOverride


class PuppetModule(Written):
    """Where the class comes from: for readers, the operator installs no modules."""

    source: str = Field(
        min_length=1,
        max_length=2048,
        description="Where the module is found: a URL, or a name on the Puppet Forge.",
    )
    version: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="The version, or a range of versions, that this Stack was written for."
    )


class PuppetClass(Written):
    """A Puppet class; it must be in the Puppet environment of the deployment."""

    name: ClassName = Field(description="Name of the class, like zookeeper or apache::mod::ssl.")
    module: PuppetModule | None = Field(default=None, description="Where the class comes from, for readers.")
    overrides: Annotated[tuple[ParameterOverride, ...], keyed(128)] = Field(
        default=(), description="Values for parameters of the class, for all hosts of the hostgroup."
    )


class PuppetClassKind:
    """Classes of existing hostgroups; a new hostgroup gets its own from the POST that creates it."""

    name = "puppetClass"

    def wanted(self, scope: Scope) -> Sequence[WantedGroup]:
        """The hostgroups with their classes; a staging hostgroup has none."""
        return wanted_groups(scope)

    def queries(self, wanted: Sequence[WantedGroup]) -> Sequence[Query[Any]]:
        """The hostgroups; the answers include their classes."""
        return [HostgroupNamed(group.title) for group in wanted]

    def changes(self, wanted: Sequence[WantedGroup], seen: Snapshot) -> Sequence[Change]:
        """One call for each class that is missing or superfluous.

        A class that an ancestor assigns is not missing (foreman-api §7.2).
        """
        return [change for changes in together(partial(_changes, seen), wanted) for change in changes]


def _changes(seen: Snapshot, group: WantedGroup) -> list[Change]:
    row = seen[HostgroupNamed(group.title)]
    if row is None:
        return []
    names = {entry.name for entry in group.classes}
    environment = environment_of(group.outer, group.environment, seen) or ""
    missing, surplus = sorted(names - row.all_classes), sorted(row.classes - names)
    seen.need([ClassNamed(environment, name) for name in (*missing, *surplus)])
    found = []
    for name in missing:
        body = {"puppetclass_id": seen[ClassNamed(environment, name)]}
        found.append(_change("create", group, name, (row.id,), body))
    for name in surplus:
        number = seen[ClassNamed(environment, name)]
        if number is not None:  # a class outside the environment reaches no host
            found.append(_change("delete", group, name, (row.id, number), {}))
    return found


def _change(
    verb: Literal["create", "delete"], group: WantedGroup, name: str, address: tuple[int, ...], body: dict[str, Any]
) -> Change:
    return Change(
        verb, "hostgroup_class", f"{group.title} {name}", body, address, stales=(HostgroupNamed(group.title),)
    )
