"""The kind StackDeployment: one instance of a Stack on one Foreman server, with its configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from foreman_stacks.api.deploymentstatus import StackDeploymentStatus
from foreman_stacks.api.meta import Kind
from foreman_stacks.model.schema import (
    DNS_LABEL,
    PATTERN_WORDS,
    Count,
    Fault,
    ForemanName,
    ForemanTitle,
    Hostname,
    Name,
    ObjectName,
    Rule,
    Written,
    keyed,
    value_faults,
)
from foreman_stacks.resources.host import ComputeResource

MAX_NAME = 40
"""Characters of a deployment's name: it is a part of every host's label, which has 63."""

DataKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]


class StackRef(Written):
    """Which Stack is deployed."""

    kind: Literal["Stack"] = Field(default="Stack", description="Kind of the template.")
    name: ObjectName = Field(description="Name of the Stack, in the namespace of the deployment.")


class ServerRef(Written):
    """Which Foreman server is used."""

    name: ObjectName = Field(description="Name of the ForemanServer. One of its tenants must permit this namespace.")


class HostgroupParent(Written):
    """Where one hostgroup of the Stack stands, if not under `parentHostgroup`."""

    name: Name = Field(description="A hostgroup of the Stack that has no parent in the Stack.")
    parent: ForemanTitle = Field(description='Title of the Foreman hostgroup above it, like "Base/Debian 12".')


class KeyRef(Written):
    """One key of a Secret or ConfigMap in the namespace of the deployment."""

    name: ObjectName = Field(description="Name of the object, in the namespace of the deployment.")
    key: DataKey = Field(description="The key whose content is the value.")


class ValueFrom(Written):
    """Where a value is read from: exactly one of the two."""

    rules = (
        Rule(
            cel="has(self.secretKeyRef) != has(self.configMapKeyRef)",
            holds=lambda source: (source.secret_key_ref is None) != (source.config_map_key_ref is None),
            message="valueFrom has exactly one of secretKeyRef, configMapKeyRef",
            mend="keep the one to read the value from",
        ),
    )

    secret_key_ref: KeyRef | None = Field(
        default=None, description="A key of a Secret. The value is then treated as a secret everywhere."
    )
    config_map_key_ref: KeyRef | None = Field(default=None, description="A key of a ConfigMap.")


class DeploymentParameter(Written):
    """The value of one parameter of the Stack: exactly one of `value` and `valueFrom`."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["value"]}, {"required": ["valueFrom"]}]})

    name: Name = Field(description="A parameter of the Stack.")
    value: JsonValue = Field(
        default=None,
        description="The value itself: any JSON but null, of the declared type. Give this or `valueFrom`. Quote what "
        'YAML would change, such as "0644" or "1.0".',
    )
    value_from: ValueFrom | None = Field(
        default=None,
        description="Reads the value from a Secret or ConfigMap: text for a string, JSON for other types. Give this or "
        "`value`.",
    )

    @property
    def literal(self) -> bool:
        """Whether it is a `value`, which may be false, 0 or empty."""
        return "value" in self.model_fields_set

    def faults(self) -> Iterable[Fault]:
        """Exactly one of the two, no null, no huge value."""
        if self.literal == (self.value_from is not None):
            what = "has both value and valueFrom" if self.literal else "has neither value nor valueFrom"
            yield Fault((), what, "give exactly one of value and valueFrom (null is not a value)")
        if self.literal:
            yield from value_faults(self.value, "value")


class Source(Written):
    """Where hosts of a role come from: exactly one kind of source."""

    name: Name = Field(description="Name of the source; each host keeps the source it came from.")
    max: Count | None = Field(
        default=None,
        description="The greatest number of hosts from here; the next source gives the rest.",
    )
    compute_resource: ComputeResource | None = Field(
        default=None, description="Makes each host as a virtual machine on a compute resource of Foreman."
    )

    rules = (
        Rule(
            cel="has(self.computeResource)",
            holds=lambda source: source.compute_resource is not None,
            message="a source has exactly one kind, and computeResource is the only one",
            mend="add computeResource with the name of a compute resource in Foreman",
        ),
    )


class DeploymentRole(Written):
    """How many hosts a role gets, and from where."""

    name: Name = Field(description="A role of the Stack.")
    count: Count | None = Field(
        default=None, description="How many hosts, within the role's min and max. Default: the role's default."
    )
    hostname: Hostname | None = Field(
        default=None,
        description="How hosts are named, without domain. {deployment}, {namespace}, {role} and {index} are replaced. "
        "Default: what the Stack says.",
    )
    sources: Annotated[tuple[Source, ...], keyed(8, minimum=1)] = Field(
        description="Where hosts come from, in this order."
    )
    scale_down: Literal["Refuse"] = Field(
        default="Refuse",
        description="What happens when count falls below what exists: Refuse, nothing is removed.",
    )


class StackDeploymentSpec(Written):
    """What is deployed, where, with which values."""

    stack_ref: StackRef = Field(description="Which Stack is deployed.")
    server_ref: ServerRef = Field(description="Which Foreman server is used.")
    organization: ForemanName | None = Field(
        default=None,
        description="Foreman organization. Default: what the permitting tenant of the server says.",
    )
    location: ForemanName | None = Field(
        default=None,
        description="Foreman location. Default: what the permitting tenant of the server says.",
    )
    parent_hostgroup: ForemanTitle | None = Field(
        default=None,
        description='Title of the Foreman hostgroup, like "Base/Debian 12", under which those of the Stack are made. '
        "It brings operating system, domain, subnet and proxies.",
    )
    hostgroups: Annotated[tuple[HostgroupParent, ...], keyed(32)] = Field(
        default=(), description="Hostgroups of the Stack that stand under another Foreman hostgroup."
    )
    environment: ForemanName | None = Field(
        default=None,
        description="Puppet environment of the hosts. Default: the effective one of the Foreman hostgroup above. "
        "Without either, hosts would apply nothing, so the deployment is refused.",
    )
    parameters: Annotated[tuple[DeploymentParameter, ...], keyed(128)] = Field(
        default=(), description="Values for parameters of the Stack."
    )
    roles: Annotated[tuple[DeploymentRole, ...], keyed(32, minimum=1)] = Field(
        description="How many hosts each role gets, and from where."
    )
    deletion_policy: Literal["Retain", "Delete"] = Field(
        default="Retain",
        description="What happens in Foreman when this object is deleted: Retain leaves everything, and an object of "
        "the same name takes it over again; Delete removes what this deployment made, virtual machines too.",
    )
    paused: bool = Field(
        default=False,
        description="Whether to write nothing to Foreman for the time being. What was started is still followed.",
    )


class StackDeployment(Kind):
    """One instance of a Stack on one Foreman server: its hosts are provisioned, and Puppet runs on them in order."""

    rules = (
        Rule(
            cel=f"self.metadata.name.size() <= {MAX_NAME} && self.metadata.name.matches('{DNS_LABEL}')",
            holds=lambda deployment: (
                len(deployment.metadata.name) <= MAX_NAME
                and re.fullmatch(DNS_LABEL, deployment.metadata.name) is not None
            ),
            message=f"the name of a StackDeployment has at most {MAX_NAME} characters: {PATTERN_WORDS[DNS_LABEL]}",
            mend="choose another name: it becomes a part of every host's name",
            field="metadata.name",
        ),
        Rule(
            cel="self.spec.serverRef.name == oldSelf.spec.serverRef.name || !has(oldSelf.status) "
            "|| !(has(oldSelf.status.plan) && oldSelf.status.plan != '' || has(oldSelf.status.epoch) && oldSelf.status.epoch > 0)",
            holds=None,
            message="serverRef cannot change any more: this deployment has something on its server",
            mend="undo the edit, or make a new deployment",
            field="spec.serverRef",
        ),
    )

    spec: StackDeploymentSpec = Field(description="What is deployed, where, with which values.")
    status: StackDeploymentStatus = Field(
        default_factory=StackDeploymentStatus, description="How far the deployment is."
    )
