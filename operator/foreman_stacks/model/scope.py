"""The desired state of a deployment as plain values: the plan bound to what is known so far.

`pending` names the values whose expressions refer to something that is not known yet, such as an address. Until it is
known, these values are left out of `parameters`, `classes` and `overrides`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from foreman_stacks.model.identity import HostRef, Identity
from foreman_stacks.model.values import Bound, Json


@dataclass(frozen=True)
class HostFacts:
    """What Foreman says about one host."""

    fqdn: str
    ip: str


@dataclass(frozen=True)
class Facts:
    """What expressions may refer to in addition to the configuration.

    `updates` holds the names of the steps whose new value is in force; `domain` is that of the outer parent hostgroup,
    None while it is unknown, "" if names have none.
    """

    hosts: Mapping[HostRef, HostFacts] = field(default_factory=dict)
    updates: frozenset[str] = frozenset()
    domain: str | None = None


@dataclass(frozen=True, order=True)
class Place:
    """Where a value is set: on a hostgroup of the Stack or each host of a role. Parameters have no `puppet_class`."""

    kind: Literal["hostgroup", "role"]
    owner: str
    name: str
    puppet_class: str = ""


@dataclass(frozen=True)
class ClassScope:
    """A Puppet class of a hostgroup, and the class parameters that the hostgroup overrides."""

    name: str
    overrides: tuple[Bound, ...] = ()


@dataclass(frozen=True)
class GroupScope:
    """One hostgroup of the Stack.

    `label` is its name in Foreman, `parent` another hostgroup of the Stack, and `outer_parent` the title of the Foreman
    hostgroup above the topmost one.
    """

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
    """Where hosts of a role come from: a compute resource with profile and image, all by name."""

    name: str
    compute_resource: str
    profile: str | None = None
    image: str | None = None
    attributes: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class HostScope:
    """One host: `label` is its name without the domain, `group` the hostgroup of the Stack in which it ends up.

    `overrides` are pairs of Puppet class and value.
    """

    ref: HostRef
    label: str
    group: str
    source: ComputeSource
    overrides: tuple[tuple[str, Bound], ...] = ()
    parameters: tuple[Bound, ...] = ()
    pending: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Scope:
    """A plan bound to what is known: hostgroups (parents first), hosts (in order of role and index) and outputs."""

    identity: Identity
    groups: tuple[GroupScope, ...] = ()
    hosts: tuple[HostScope, ...] = ()
    environment: str | None = None
    organization: str | None = None
    location: str | None = None
    outputs: tuple[Bound, ...] = ()
    staging: frozenset[str] = frozenset()
    """Hostgroups of the Stack that need their staging twin: some of their hosts are not configured yet."""
    held: frozenset[str] = frozenset()
    """Titles of outer hostgroups that assign the class `puppet`, which must not start the agent on hosts for now."""
    freed: frozenset[str] = frozenset()
    """Titles of outer hostgroups that assign the class `puppet`, where it may start the agent again."""
    gone: frozenset[Place] = frozenset()
    """Where edits took out values that may still be in Foreman."""

    def group(self, name: str) -> GroupScope:
        """The hostgroup of this name."""
        return next(group for group in self.groups if group.name == name)

    def chain(self, name: str) -> tuple[GroupScope, ...]:
        """The hostgroup and its ancestors inside the Stack, starting with the hostgroup itself."""
        group = self.group(name)
        return (group,) if group.parent is None else (group, *self.chain(group.parent))
