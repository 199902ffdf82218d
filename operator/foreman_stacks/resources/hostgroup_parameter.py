"""A parameter of a hostgroup."""

from __future__ import annotations

from pydantic import Field

from foreman_stacks.model.schema import Name, Rule, Valued
from foreman_stacks.model.values import ValueType

RESERVED = "foreman_stacks"
"""Parameters of the operator's own (mark and record) begin so."""

NOT_RESERVED = Rule(
    cel=f"!self.name.startsWith('{RESERVED}')",
    holds=lambda entry: not entry.name.startswith(RESERVED),
    message=f"names that begin with '{RESERVED}' are the operator's own",
    mend="choose another name",
    field="name",
)


class HostgroupParameter(Valued):
    """A parameter that hosts of the group inherit; expressions read it as `hostgroups.<group>.parameters.<name>`."""

    rules = (NOT_RESERVED,)

    name: Name = Field(description="Name of the parameter, in Foreman and in expressions.")
    type: ValueType | None = Field(
        default=None, description="Type of the value in Foreman. Default: what the value or the expression is."
    )
    sensitive: bool = Field(
        default=False,
        description="Whether the value is a secret: Foreman hides it, and it is shown nowhere.",
    )
