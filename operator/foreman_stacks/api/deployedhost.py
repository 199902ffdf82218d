"""The kind DeployedHost: one object per host, a projection for people.

Truth is Foreman and the deployment's status: these objects may be deleted at any time and are made again. They have no
status subresource, so that one write makes or changes one.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from foreman_stacks.api.deploymentstatus import Line, Link, Message, StepName, StepState
from foreman_stacks.api.meta import Kind
from foreman_stacks.model.schema import MAX_WHOLE, Index, Name, ObjectName, Reported, keyed

HostState = Literal["Building", "Built", "Configured", "Running", "Ready", "Failed"]
"""How far a host is; `docs/concepts.md` says what each word means."""


class DeployedHostSpec(Reported):
    """Which host of which deployment it is."""

    deployment: ObjectName = Field(description="Name of the StackDeployment.")
    role: Name = Field(description="Role of the host.")
    index: Index = Field(description="Index of the host in its role, from 1; it belongs to the host for life.")
    server: ObjectName = Field(description="Name of the ForemanServer.")


class HostStep(Reported):
    """How far this host is in a step."""

    name: StepName = Field(description="Name of the step.")
    state: StepState = Field(description="How far the host is in it.")


class DeployedHostStatus(Reported):
    """What is known about the host."""

    state: HostState | None = Field(
        default=None,
        description="How far the host is: being installed, installed, in its hostgroup with all values, a job at work on "
        "it, all done, or failed.",
    )
    fqdn: Line | None = Field(default=None, description="Fully qualified name of the host.")
    ip: Line | None = Field(default=None, description="Address of the host.")
    foreman_id: Annotated[int, Field(ge=1, le=MAX_WHOLE)] | None = Field(
        default=None, alias="foremanID", description="Id of the host in Foreman: a hint, the name is what counts."
    )
    url: Link | None = Field(default=None, description="The host in Foreman.")
    steps: Annotated[tuple[HostStep, ...], keyed(104)] = Field(default=(), description="How far each step is.")
    message: Message = Field(default="", description="What went wrong, or what is being waited for.")


class DeployedHost(Kind):
    """One host of a deployment, for people to look at. Written by the operator only; changes here have no effect."""

    spec: DeployedHostSpec = Field(description="Which host of which deployment it is.")
    status: DeployedHostStatus = Field(default_factory=DeployedHostStatus, description="What is known about the host.")
