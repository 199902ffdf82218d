"""A host on a compute resource."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from foreman_stacks.model.schema import Expression, ForemanName, Name, Written
from foreman_stacks.model.values import ValueType
from foreman_stacks.resources.hostgroup_parameter import NOT_RESERVED


class HostParameter(Written):
    """A parameter of each host of a role; the expression sees `host`."""

    rules = (NOT_RESERVED,)

    name: Name = Field(description="Name of the parameter in Foreman.")
    type: ValueType | None = Field(
        default=None, description="Type of the value in Foreman. Default: what the expression gives."
    )
    expression: Expression = Field(
        description="A CEL expression, evaluated for each host: `host` is that host (name, fqdn, ip, index), `peers` "
        "are the other hosts of the role."
    )


class ComputeResource(Written):
    """Makes each host as a virtual machine on a compute resource of Foreman."""

    name: ForemanName = Field(description="Name of the compute resource in Foreman.")
    profile: ForemanName | None = Field(
        default=None,
        description="Name of the compute profile; it must have attributes for this compute resource.",
    )
    image: ForemanName | None = Field(
        default=None,
        description="Name of the image to build from; it must take user data. Default: the host is installed over the "
        "network.",
    )
    attributes: Annotated[dict[str, JsonValue], Field(max_length=64)] = Field(
        default_factory=dict,
        description="Attributes of the virtual machine that differ from the profile, as Foreman's compute_attributes.",
    )
