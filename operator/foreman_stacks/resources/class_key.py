"""The key of a class parameter: its type and `override` switch must be right before the first override.

Both apply to the whole server. A key with `override: false` gets one PUT; one that is already on is shared with others
and never changed (foreman-api §11).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from foreman_stacks.foreman.port import Change, ClassKeys, HostgroupNamed, Query, Snapshot, together
from foreman_stacks.model.scope import Scope
from foreman_stacks.model.values import Bound
from foreman_stacks.resources.groups import environment_of, wanted_groups


@dataclass(frozen=True)
class WantedKey:
    """The key of a class parameter that is overridden; its environment is the outer parent's unless one is named."""

    puppet_class: str
    bound: Bound
    outer: str
    environment: str | None


class ClassKeyKind:
    """Keys that the overrides need. They get `omit`, so that hosts without an override keep Puppet's own default."""

    name = "classKey"

    def wanted(self, scope: Scope) -> Sequence[WantedKey]:
        """One key for each class parameter that a hostgroup or a host overrides."""
        return list(wanted_keys(scope).values())

    def queries(self, wanted: Sequence[WantedKey]) -> Sequence[Query[Any]]:
        """The outer parents, which determine the environment."""
        return [HostgroupNamed(key.outer) for key in wanted if key.outer]

    def changes(self, wanted: Sequence[WantedKey], seen: Snapshot) -> Sequence[Change]:
        """One PUT for each key that is off."""
        environments = together(lambda key: environment_of(key.outer, key.environment, seen) or "", wanted)
        asked = [
            (key, ClassKeys(environment, key.puppet_class))
            for key, environment in zip(wanted, environments, strict=True)
        ]
        seen.need(query for _, query in asked)
        found = []
        for key, query in asked:
            now = seen[query].get(key.bound.name)
            if now is not None and not now.override:
                body = {"override": True, "omit": True, "parameter_type": key.bound.type}
                body |= {"hidden_value": True} if key.bound.sensitive else {}
                name = f"{key.puppet_class}::{key.bound.name}"
                found.append(Change("update", "class_key", name, body, (now.id,), stales=(query,)))
        return found


def wanted_keys(scope: Scope) -> Mapping[tuple[str, str, str], WantedKey]:
    """The keys by outer parent, class and parameter; one sensitive value makes Foreman hide all values of the key."""
    groups = {group.group: group for group in wanted_groups(scope) if not group.staging}
    pairs = [(group, name, bound) for group in groups.values() for name, bound in group.values]
    pairs += [(groups[host.group], name, bound) for host in scope.hosts for name, bound in host.overrides]
    found: dict[tuple[str, str, str], WantedKey] = {}
    for group, name, bound in pairs:
        key = (group.outer, name, bound.name)
        if key not in found or (bound.sensitive and not found[key].bound.sensitive):
            found[key] = WantedKey(name, bound, group.outer, group.environment)
    return found
