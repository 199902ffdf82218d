"""An override of a Puppet class's parameter: for all hosts of a hostgroup, or for each host."""

from __future__ import annotations

from pydantic import Field

from foreman_stacks.model.schema import ClassName, ClassParameterName, Expression, Valued, Written
from foreman_stacks.model.values import ValueType

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
