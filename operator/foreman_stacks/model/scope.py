"""What a deployment is to be, as plain values: the plan bound to what is known so far.

`pending` names values whose expression refers to something that is not known yet (an address, say); they are left
out of the tuples beside it until it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from foreman_stacks.model.identity import HostRef, Identity
from foreman_stacks.model.values import Bound, Json


@dataclass(frozen=True)
class HostFacts:
    """What Foreman has told us of one host."""

    fqdn: str
    ip: str


@dataclass(frozen=True)
class Facts:
    """What expressions may refer to beside the configuration.

    `updates` holds the names of the steps whose new value is in force; `domain` is the outer parent's,
    None until it has been read.
    """

    hosts: Mapping[HostRef, HostFacts] = field(default_factory=dict)
    updates: frozenset[str] = frozenset()
    domain: str | None = None


@dataclass(frozen=True, order=True)
class Place:
    """Where a value is set: on a hostgroup of the Stack, or on each host of a role. A parameter's has no Puppet class."""

    kind: Literal["hostgroup", "role"]
    owner: str
    name: str
    puppet_class: str = ""


@dataclass(frozen=True)
class ClassScope:
    """A Puppet class of a hostgroup and the values that the group overrides."""

    name: str
    overrides: tuple[Bound, ...] = ()


@dataclass(frozen=True)
class GroupScope:
    """One hostgroup of the Stack. `parent` is another group of the Stack, `outer_parent` a title in Foreman."""

    name: str
    label: str
    parent: str | None
    outer_parent: str
    description: str = ""
    parameters: tuple[Bound, ...] = ()
    classes: tuple[ClassScope, ...] = ()
    pending: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ComputeSource:
    """Where hosts of a role come from: a compute resource, by names."""

    name: str
    compute_resource: str
    profile: str | None = None
    image: str | None = None
    attributes: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class HostScope:
    """One host: `label` is its name without domain, `group` the hostgroup of the Stack it ends up in."""

    ref: HostRef
    label: str
    group: str
    source: ComputeSource
    overrides: tuple[tuple[str, Bound], ...] = ()
    parameters: tuple[Bound, ...] = ()
    pending: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Scope:
    """A deployment bound to what is known: hostgroups (parents first), hosts (by role and index) and outputs."""

    identity: Identity
    groups: tuple[GroupScope, ...] = ()
    hosts: tuple[HostScope, ...] = ()
    environment: str | None = None
    organization: str | None = None
    location: str | None = None
    outputs: tuple[Bound, ...] = ()
    staging: frozenset[str] = frozenset()
    """Groups that need their staging twin: some host of theirs is not in its place yet."""
    held: frozenset[str] = frozenset()
    """Outer hostgroups that bring Puppet's own class, below which it must not start the agent for now."""
    freed: frozenset[str] = frozenset()
    """Those of them where it may again."""
    gone: frozenset[Place] = frozenset()
    """Where edits took values out that may still be in Foreman."""

    def group(self, name: str) -> GroupScope:
        """The hostgroup of this name."""
        return next(group for group in self.groups if group.name == name)

    def chain(self, name: str) -> tuple[GroupScope, ...]:
        """The group and its ancestors inside the Stack, the group first."""
        group = self.group(name)
        return (group,) if group.parent is None else (group, *self.chain(group.parent))
