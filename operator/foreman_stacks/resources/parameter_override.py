"""An override of a Puppet class's parameter: for all hosts of a hostgroup, or for each host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import Field

from foreman_stacks.foreman.port import (
    Change,
    ClassKey,
    ClassKeys,
    HostgroupNamed,
    OverrideOf,
    OverridesOf,
    OverrideValue,
    Query,
    Snapshot,
    together,
)
from foreman_stacks.model.schema import ClassName, ClassParameterName, Expression, Valued, Written
from foreman_stacks.model.scope import Scope
from foreman_stacks.model.values import MASK, Bound, Json, ValueType, alike
from foreman_stacks.resources.groups import (
    PUPPET,
    RUNMODE,
    WantedGroup,
    environment_of,
    remembered,
    wanted_groups,
    wire_body,
)

_TYPE = (
    "Type of the class parameter in Foreman, which is one for the whole server. Default: what the value or the "
    "expression is."
)


class ParameterOverride(Valued):
    """The value of one parameter of a Puppet class for all hosts of a hostgroup."""

    name: ClassParameterName = Field(description="Name of the parameter, as the Puppet class declares it.")
    type: ValueType | None = Field(default=None, description=_TYPE)
    sensitive: bool = Field(
        default=False,
        description="Whether the value is a secret: Foreman hides it, and it is shown nowhere.",
    )


class HostOverride(Written):
    """The value of one parameter of a Puppet class for each host of a role; the expression sees `host`."""

    puppet_class: ClassName = Field(
        alias="class", description="The Puppet class, one of the role's hostgroup or of a hostgroup above it."
    )
    name: ClassParameterName = Field(description="Name of the parameter, as the Puppet class declares it.")
    type: ValueType | None = Field(default=None, description=_TYPE)
    expression: Expression = Field(
        description="A CEL expression, evaluated for each host: `host` is that host (name, fqdn, ip, index), `peers` "
        "are the other hosts of the role."
    )


@dataclass(frozen=True)
class WantedOverride:
    """A value of a class parameter for a match; `puppet_class` and the bound name are its key."""

    puppet_class: str
    bound: Bound
    match: str


class ParameterOverrideKind:
    """Override values of hostgroups that are there already; a new group's come with its creating POST."""

    name = "parameterOverride"

    def wanted(self, scope: Scope) -> Sequence[WantedGroup]:
        """The groups with their classes' values."""
        return wanted_groups(scope)

    def queries(self, wanted: Sequence[WantedGroup]) -> Sequence[Query[Any]]:
        """The groups; what more is needed depends on their environments."""
        return [HostgroupNamed(group.title) for group in wanted]

    def changes(self, wanted: Sequence[WantedGroup], seen: Snapshot) -> Sequence[Change]:
        """One call for each value that is missing or differs, found by its match."""
        there = [group for group in wanted if seen[HostgroupNamed(group.title)] is not None]
        return [change for changes in together(partial(_changes, seen), there) for change in changes]


def _changes(seen: Snapshot, group: WantedGroup) -> list[Change]:
    environment = environment_of(group.outer, group.environment, seen) or ""
    found = changes_of(values_of(group), environment, seen)
    return found + _release(group, environment, seen) if group.freed else found


def _release(group: WantedGroup, environment: str, seen: Snapshot) -> list[Change]:
    """Take our `runmode` off again: what the site says of Puppet's own service counts from here on."""
    key = seen[ClassKeys(environment, PUPPET)].get(RUNMODE.name)
    match = f"hostgroup={group.title}"
    if key is None or seen[OverrideOf(key.id, match)] is None:
        return []
    query: Query[Any] = OverrideOf(key.id, match)
    return [
        Change(
            "delete", "override_value", f"{PUPPET}::{RUNMODE.name} {match}", address=(key.id, match), stales=(query,)
        )
    ]


def values_of(group: WantedGroup) -> list[WantedOverride]:
    """The override values of a hostgroup."""
    match = f"hostgroup={group.title}"
    return [WantedOverride(name, bound, match) for name, bound in group.values]


def changes_of(wanted: Sequence[WantedOverride], environment: str, seen: Snapshot) -> list[Change]:
    """What has to change for these values. All values of a key serve, where they have been read."""
    pairs = keyed_values(wanted, environment, seen)
    seen.need([OverrideOf(key.id, entry.match) for key, entry in pairs if OverridesOf(key.id) not in seen])
    return [change for key, entry in pairs if (change := _change(key, entry, seen)) is not None]


def unread_keys(wanted: Sequence[WantedOverride], environment: str, seen: Snapshot) -> list[Query[Any]]:
    """The keys of which some value has not been read: with many hosts one list for each key is less than a search for each."""
    pairs = keyed_values(wanted, environment, seen)
    return list(
        dict.fromkeys(OverridesOf(key.id) for key, entry in pairs if OverrideOf(key.id, entry.match) not in seen)
    )


def keyed_values(
    wanted: Sequence[WantedOverride], environment: str, seen: Snapshot
) -> list[tuple[ClassKey, WantedOverride]]:
    """Each value with its key; preflight refuses a deployment whose keys are not there."""
    seen.need([ClassKeys(environment, name) for name in sorted({entry.puppet_class for entry in wanted})])
    return [(seen[ClassKeys(environment, entry.puppet_class)][entry.bound.name], entry) for entry in wanted]


def new_values(
    wanted: Sequence[WantedOverride], environment: str, seen: Snapshot
) -> tuple[dict[str, Any], tuple[tuple[Query[Any], Any], ...]]:
    """`lookup_values_attributes` of a creating POST (an indexed hash, measured §1.5), and what is known once it is done."""
    pairs = keyed_values(wanted, environment, seen)
    body = {
        str(position): {"lookup_key_id": key.id, "value": wire_body(entry.bound)}
        for position, (key, entry) in enumerate(pairs)
    }
    return body, tuple(pair for key, entry in pairs for pair in _settled(key, entry))


def _settled(key: ClassKey, entry: WantedOverride) -> tuple[tuple[Query[Any], Any], ...]:
    """A write's effect, as Foreman will show it: a hidden value is asked for by nobody but remembered."""
    shown: Json = MASK if entry.bound.sensitive else entry.bound.plain
    known = (OverrideOf(key.id, entry.match), OverrideValue(entry.match, shown))
    return (known, *remembered(_place(entry), entry.bound))


def _place(entry: WantedOverride) -> str:
    return f"{entry.puppet_class}::{entry.bound.name} {entry.match}"


def _now(key: ClassKey, entry: WantedOverride, seen: Snapshot) -> OverrideValue | None:
    query, all_ = OverrideOf(key.id, entry.match), OverridesOf(key.id)
    if query in seen or all_ not in seen:
        return seen[query]
    values = seen[all_]
    return OverrideValue(entry.match, values[entry.match]) if entry.match in values else None


def _change(key: ClassKey, entry: WantedOverride, seen: Snapshot) -> Change | None:
    now, bound, place = _now(key, entry, seen), entry.bound, _place(entry)
    if now is not None:
        hidden = now.value == MASK
        if seen.written(place) == bound.wire if hidden else alike(bound.type, bound.plain, now.value):
            return None
    settles = _settled(key, entry)
    if now is None:
        body: dict[str, Any] = {"match": entry.match, "value": wire_body(bound)}
        return Change("create", "override_value", place, body, (key.id,), settles=settles)
    return Change(
        "update", "override_value", place, {"value": wire_body(bound)}, (key.id, entry.match), settles=settles
    )
