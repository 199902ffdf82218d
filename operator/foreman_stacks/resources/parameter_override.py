"""An override of a Puppet class's parameter: for all hosts of a hostgroup, or for each host."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    both,
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
    """A value of a class parameter for a match; the class parameter is `puppet_class` and the name of `bound`."""

    puppet_class: str
    bound: Bound
    match: str


class ParameterOverrideKind:
    """Override values of existing hostgroups; a new hostgroup gets its own from the POST that creates it."""

    name = "parameterOverride"

    def wanted(self, scope: Scope) -> Sequence[WantedGroup]:
        """The hostgroups with the values of their classes."""
        return wanted_groups(scope)

    def queries(self, wanted: Sequence[WantedGroup]) -> Sequence[Query[Any]]:
        """The hostgroups; all other queries depend on their environments."""
        return [HostgroupNamed(group.title) for group in wanted]

    def changes(self, wanted: Sequence[WantedGroup], seen: Snapshot) -> Sequence[Change]:
        """One call for each value that is missing, differs, or must be removed; its match addresses it."""
        there = [group for group in wanted if seen[HostgroupNamed(group.title)] is not None]
        return [change for changes in together(partial(_changes, seen), there) for change in changes]


def _changes(seen: Snapshot, group: WantedGroup) -> list[Change]:
    environment = environment_of(group.outer, group.environment, seen) or ""
    gone = group.gone_values - {(puppet_class, bound.name) for puppet_class, bound in group.values}
    found, removed = both(
        lambda: changes_of(values_of(group), environment, seen),
        lambda: removals(gone, _match(group), environment, seen),
    )
    return found + removed


def releases(change: Change) -> bool:
    """Whether a change removes the operator's `runmode` override, or replaces it with the Stack's value.

    Either lets class `puppet` start the agent again, as PeriodicPuppet wants it to.
    """
    ours = f"{PUPPET}::{RUNMODE.name} hostgroup="
    return change.resource == "override_value" and change.verb in {"delete", "update"} and change.key.startswith(ours)


def values_of(group: WantedGroup) -> list[WantedOverride]:
    """The override values of a hostgroup."""
    return [WantedOverride(name, bound, _match(group)) for name, bound in group.values]


def _match(group: WantedGroup) -> str:
    return f"hostgroup={group.title}"


def changes_of(wanted: Sequence[WantedOverride], environment: str, seen: Snapshot) -> list[Change]:
    """The changes for these values. Where all values of a key have been read, no single ones are asked for."""
    pairs = keyed_values(wanted, environment, seen)
    seen.need([OverrideOf(key.id, entry.match) for key, entry in pairs if OverridesOf(key.id) not in seen])
    return [change for key, entry in pairs if (change := _change(key, entry, seen)) is not None]


def removals(gone: Iterable[tuple[str, str]], match: str, environment: str, seen: Snapshot) -> list[Change]:
    """The deletion of each of these values, given as (class, parameter), that exists for this match."""
    names = sorted(gone)
    seen.need([ClassKeys(environment, puppet_class) for puppet_class, _ in names])
    keys = {(name, key.id) for name in names if (key := seen[ClassKeys(environment, name[0])].get(name[1])) is not None}
    seen.need([OverrideOf(key, match) for _, key in keys if OverridesOf(key) not in seen])
    return [
        Change(
            "delete",
            "override_value",
            f"{puppet_class}::{name} {match}",
            address=(key, match),
            settles=((OverrideOf(key, match), None),),
        )
        for (puppet_class, name), key in sorted(keys)
        if _now(key, match, seen) is not None
    ]


def unread_keys(values: Iterable[tuple[str, str, str]], environment: str, seen: Snapshot) -> list[Query[Any]]:
    """The queries for all values of each key of which some value (class, parameter, match) has not been read.

    With many hosts, one list per key costs less than one search per value.
    """
    asked = [(ClassKeys(environment, puppet_class), name, match) for puppet_class, name, match in values]
    seen.need(dict.fromkeys(keys for keys, _, _ in asked))
    found = ((seen[keys].get(name), match) for keys, name, match in asked)
    return list(
        dict.fromkeys(OverridesOf(key.id) for key, match in found if key and OverrideOf(key.id, match) not in seen)
    )


def keyed_values(
    wanted: Sequence[WantedOverride], environment: str, seen: Snapshot
) -> list[tuple[ClassKey, WantedOverride]]:
    """Each value with its key; preflight refuses a deployment whose keys do not exist."""
    seen.need([ClassKeys(environment, name) for name in sorted({entry.puppet_class for entry in wanted})])
    return [(seen[ClassKeys(environment, entry.puppet_class)][entry.bound.name], entry) for entry in wanted]


def new_values(
    wanted: Sequence[WantedOverride], environment: str, seen: Snapshot
) -> tuple[dict[str, Any], tuple[tuple[Query[Any], Any], ...]]:
    """Return `lookup_values_attributes` for a creating POST, and the answers that this POST settles.

    The attributes are an indexed hash (measured §1.5).
    """
    pairs = keyed_values(wanted, environment, seen)
    body = {
        str(position): {"lookup_key_id": key.id, "value": wire_body(entry.bound)}
        for position, (key, entry) in enumerate(pairs)
    }
    return body, tuple(pair for key, entry in pairs for pair in _settled(key, entry))


def _settled(key: ClassKey, entry: WantedOverride) -> tuple[tuple[Query[Any], Any], ...]:
    """The answers that a write of the value settles: what Foreman shows and, for a hidden value, what was written."""
    shown: Json = MASK if entry.bound.sensitive else entry.bound.plain
    known = (OverrideOf(key.id, entry.match), OverrideValue(entry.match, shown))
    return (known, *remembered(_place(entry), entry.bound))


def _place(entry: WantedOverride) -> str:
    return f"{entry.puppet_class}::{entry.bound.name} {entry.match}"


def _now(key: int, match: str, seen: Snapshot) -> OverrideValue | None:
    query, all_ = OverrideOf(key, match), OverridesOf(key)
    if query in seen or all_ not in seen:
        return seen[query]
    values = seen[all_]
    return OverrideValue(match, values[match]) if match in values else None


def _change(key: ClassKey, entry: WantedOverride, seen: Snapshot) -> Change | None:
    now, bound, place = _now(key.id, entry.match, seen), entry.bound, _place(entry)
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
