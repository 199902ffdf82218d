"""A Puppet class that a hostgroup assigns to its hosts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from foreman_stacks.model.schema import ClassName, Written, keyed
from foreman_stacks.resources.parameter_override import ParameterOverride


class PuppetModule(Written):
    """Where the class comes from: for readers, the operator installs no modules."""

    source: str = Field(
        min_length=1,
        max_length=2048,
        description="Where the module is found: a URL, or a name on the Puppet Forge.",
    )
    version: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="The version, or a range of versions, that this Stack was written for."
    )


class PuppetClass(Written):
    """A Puppet class; it must be in the Puppet environment of the deployment."""

    name: ClassName = Field(description="Name of the class, like zookeeper or apache::mod::ssl.")
    module: PuppetModule | None = Field(default=None, description="Where the class comes from, for readers.")
    overrides: Annotated[tuple[ParameterOverride, ...], keyed(128)] = Field(
        default=(), description="Values for parameters of the class, for all hosts of the hostgroup."
    )
