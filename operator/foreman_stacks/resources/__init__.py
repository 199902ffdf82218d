"""The kinds of resources, one pure module each. A new kind is a file, and a line here in the order of writing."""

from __future__ import annotations

from typing import Any

from foreman_stacks.resources.class_key import ClassKeyKind
from foreman_stacks.resources.hostgroup import HostgroupKind
from foreman_stacks.resources.hostgroup_parameter import HostgroupParameterKind
from foreman_stacks.resources.kind import ResourceKind
from foreman_stacks.resources.parameter_override import ParameterOverrideKind
from foreman_stacks.resources.puppet_class import PuppetClassKind

KINDS: tuple[ResourceKind[Any], ...] = (
    ClassKeyKind(),
    HostgroupKind(),
    HostgroupParameterKind(),
    PuppetClassKind(),
    ParameterOverrideKind(),
)
"""The kinds that make up a deployment's hostgroups. Hosts have functions of their own (`resources.host`)."""
