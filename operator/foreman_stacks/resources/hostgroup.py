"""A hostgroup of a Stack."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from foreman_stacks.model.schema import Name, Prose, Rule, Written, keyed
from foreman_stacks.resources.hostgroup_parameter import HostgroupParameter
from foreman_stacks.resources.puppet_class import PuppetClass


class Hostgroup(Written):
    """A hostgroup that each deployment makes for itself, under the parent that the deployment names."""

    rules = (
        Rule(
            cel="!has(self.parent) || self.parent != self.name",
            holds=lambda group: group.parent != group.name,
            message="a hostgroup cannot be its own parent",
            mend="name another hostgroup of this Stack, or leave parent out",
            field="parent",
        ),
    )

    name: Name = Field(description="Name of the hostgroup inside the Stack.")
    parent: Name | None = Field(
        default=None,
        description="The hostgroup of this Stack above it. Default: none, it stands under the Foreman hostgroup that "
        "the deployment names.",
    )
    description: Prose | None = Field(default=None, description="What the hostgroup is for; shown in Foreman.")
    parameters: Annotated[tuple[HostgroupParameter, ...], keyed(128)] = Field(
        default=(), description="Parameters of the hostgroup."
    )
    puppet_classes: Annotated[tuple[PuppetClass, ...], keyed(64)] = Field(
        default=(), description="Puppet classes that the hostgroup assigns to its hosts."
    )
