"""parameterUpdate: binds a new value to a hostgroup parameter once its step's turn has come."""

from __future__ import annotations

from pydantic import Field

from foreman_stacks.model.schema import Name, Valued


class ParameterUpdate(Valued):
    """Gives a hostgroup parameter a new value; all that refers to it follows before the step is done."""

    hostgroup: Name = Field(description="The hostgroup of this Stack whose parameter is updated.")
    parameter: Name = Field(
        description="A parameter declared in that hostgroup. Two updates of one parameter need an order (`after`)."
    )
