"""The status of a StackDeployment: small, index ranges instead of rows per host, intents before acts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from foreman_stacks.api.meta import Status
from foreman_stacks.model.schema import (
    CAMEL_WORD,
    MAX_WHOLE,
    Count,
    Index,
    Indices,
    Name,
    Reported,
    Timestamp,
    keyed,
    plain,
)
from foreman_stacks.model.values import ValueType

MAX_FAILED_HOSTS = 20
MAX_ROLES = 32
MAX_STEPS = 104
MAX_OWNERS = 512
"""Hostgroups and roles, also those that edits took out."""
MAX_NAMES = 8192
MAX_JOB = 2**31 - 1
"""Ids of jobs are 4-byte integers in Foreman; a search for a larger one would be an error, for all that is searched with it."""

StepState = Literal["Pending", "Waiting", "Running", "Done", "Failed"]
Digest = Annotated[str, Field(max_length=128)]
Line = Annotated[str, Field(max_length=255)]
Override = Annotated[str, Field(max_length=512)]
Link = Annotated[str, Field(max_length=2048)]
Message = Annotated[str, Field(max_length=1024)]
StepName = Annotated[str, Field(min_length=1, max_length=63, pattern=CAMEL_WORD)]
"""Also the built-in steps Quiesce and PeriodicPuppet; their capitals meet no name of a Stack."""


class Summary(Reported):
    """Ready-made texts for columns."""

    ready: Line = Field(default="Unknown", description="Status of the condition Ready.")
    reason: Line | None = Field(default=None, description="Reason of the condition Ready.")
    hosts: Line | None = Field(default=None, description='Built and desired hosts, like "3/4".')
    step: Line | None = Field(default=None, description='Steps done, all steps, and the step at work, like "2/3 ring".')
    server: Line | None = Field(default=None, description="Name of the ForemanServer.")
    stack: Line | None = Field(default=None, description="Name of the Stack.")
    plan: Line | None = Field(default=None, description="Short hash of the plan at work.")


class MissingParameter(Reported):
    """A parameter of the Stack that still needs a value."""

    name: Name = Field(description="Name of the parameter.")
    type: ValueType = Field(description="Type of the value.")
    description: Message | None = Field(default=None, description="What it is for.")
    sensitive: bool = Field(default=False, description="Whether it is a secret, to be given by valueFrom.")


class FailedHost(Reported):
    """A host that failed, and why."""

    name: Line = Field(description="FQDN of the host.")
    step: StepName | None = Field(default=None, description="The step it failed in; none while it was provisioned.")
    reason: Line = Field(default="", description="Why, as one word for programs.")
    cause: Message = Field(default="", description="Why: from the report's log lines or the job's output.")
    job_url: Link | None = Field(default=None, alias="jobURL", description="The job in Foreman.")
    report_url: Link | None = Field(default=None, alias="reportURL", description="The Puppet report in Foreman.")


class OutputValue(Reported):
    """An output of the Stack; the value of a sensitive one is not shown, nor one for which there is no room."""

    name: Name = Field(description="Name of the output.")
    type: ValueType | None = Field(default=None, description="Type of the value.")
    value: JsonValue = Field(default=None, description="The value; not shown when sensitive, or too long for a status.")
    sensitive: bool = Field(default=False, description="Whether it is a secret.")
    message: Message | None = Field(default=None, description="Why a value that is no secret is not shown.")


class Creating(Reported):
    """An intent: hosts that are being created. Written, and read back, before Foreman is asked."""

    indices: Indices = Field(description='Indices of the hosts, like "1-4".')
    since: Timestamp = Field(description="When the intent was written.")


class RoleStatus(Reported):
    """How far the hosts of a role are, as index ranges like "1-5,7"."""

    name: Name = Field(description="Name of the role.")
    desired: Count = Field(default=0, description="How many hosts are wanted.")
    created: Indices = Field(default="", description="Hosts that exist in Foreman.")
    creating: Creating | None = Field(default=None, description="Hosts that are being created.")
    built: Indices = Field(default="", description="Hosts that are installed.")
    configured: Indices = Field(default="", description="Hosts that are in their hostgroup, with all values set.")
    values: Digest = Field(default="", description="Digest of the values of their own that configured hosts have.")
    leader: Index | None = Field(default=None, description="Index of the leader: the lowest that exists.")


class OwnedValues(Reported):
    """The values of one hostgroup, or of the hosts of one role, by name."""

    hostgroup: Name | None = Field(default=None, description="Name of the hostgroup in the Stack.")
    role: Name | None = Field(default=None, description="Name of the role.")
    parameters: Annotated[tuple[Name, ...], plain(MAX_NAMES)] = Field(default=(), description="Names of parameters.")
    overrides: Annotated[tuple[Override, ...], plain(MAX_NAMES)] = Field(
        default=(), description='Class parameters that have a value, like "zookeeper::servers".'
    )


class HostSet(Reported):
    """Some hosts of one role."""

    role: Name = Field(description="Name of the role.")
    indices: Indices = Field(description='Indices of the hosts, like "1-5,7".')


class DoneHosts(Reported):
    """Hosts of a role, with the digest of what a step does, or has done, on them."""

    role: Name = Field(description="Name of the role.")
    indices: Indices = Field(description='Indices of the hosts, like "1-5,7".')
    digest: Digest = Field(default="", description="Digest of the step's inputs for this role.")


class Run(Reported):
    """An intent: a job for some hosts. Written, and read back, before the job is started."""

    token: Digest = Field(description="What the job's description carries, so that it is found again.")
    hosts: Annotated[tuple[DoneHosts, ...], plain(32)] = Field(
        default=(), description="The hosts of the job, with the inputs that it is for."
    )
    baseline: Annotated[int, Field(ge=0, le=MAX_WHOLE)] = Field(
        default=0, description="Id of the newest report before the job: only later ones count."
    )
    since: Timestamp = Field(description="When the intent was written.")
    number: Annotated[int, Field(ge=1, le=10)] = Field(
        default=1, description="Which of the step's runs this is, from 1."
    )
    job: Annotated[int, Field(ge=1, le=MAX_JOB)] | None = Field(
        default=None, description="Id of the job in Foreman, once known."
    )
    ended: Timestamp | None = Field(
        default=None, description="When every host had a result, while some report had not come yet."
    )


class StepStatus(Reported):
    """How far a step is."""

    name: StepName = Field(description="Name of the step, or of a built-in one: Quiesce, PeriodicPuppet.")
    state: StepState = Field(default="Pending", description="How far it is.")
    attempt: Annotated[int, Field(ge=0, le=1000)] = Field(default=0, description="The attempt at work, from 1.")
    started_at: Timestamp | None = Field(default=None, description="When the first attempt started.")
    run: Run | None = Field(default=None, description="The job at work.")
    done: Annotated[tuple[DoneHosts, ...], plain(128)] = Field(
        default=(), description="Hosts that have done the step. A step without hosts has one entry per digest."
    )
    failed: Annotated[tuple[HostSet, ...], plain(32)] = Field(
        default=(), description="Hosts that failed it, after all retries."
    )
    retry_at: Timestamp | None = Field(default=None, description="When the hosts that failed are tried again.")
    retrying: Annotated[tuple[HostSet, ...], plain(32)] = Field(
        default=(), description="Hosts that are tried again then."
    )
    message: Message = Field(default="", description="What it is waiting for, or what went wrong.")


class StackDeploymentStatus(Status):
    """How far a deployment is. Written by the operator only."""

    plan: Digest | None = Field(default=None, description="Hash of the plan at work.")
    settled_plan: Digest | None = Field(default=None, description="Hash of the plan that was last Ready.")
    settled_generation: Annotated[int, Field(ge=0, le=MAX_WHOLE)] = Field(
        default=0, description="Generation of the spec that was last Ready."
    )
    last_handled_reconcile_at: Annotated[str, Field(max_length=255)] | None = Field(
        default=None, description="The value of the annotation reconcile-requested-at that was last acted upon."
    )
    summary: Summary = Field(default_factory=Summary, description="Ready-made texts for columns.")
    missing_parameters: Annotated[tuple[MissingParameter, ...], keyed(128)] = Field(
        default=(), description="Parameters of the Stack that still need a value."
    )
    failed_hosts: Annotated[tuple[FailedHost, ...], keyed(MAX_FAILED_HOSTS)] = Field(
        default=(), description="Hosts that failed; the first twenty."
    )
    outputs: Annotated[tuple[OutputValue, ...], keyed(64)] = Field(default=(), description="Outputs of the Stack.")
    roles: Annotated[tuple[RoleStatus, ...], keyed(MAX_ROLES)] = Field(default=(), description="How far each role is.")
    epoch: Annotated[int, Field(ge=0, le=MAX_WHOLE)] = Field(
        default=0, description="Rises with each intent; Foreman holds it as well, so that a restored server is noticed."
    )
    recorded: Annotated[int, Field(ge=0, le=MAX_WHOLE)] = Field(
        default=0, description="The epoch that was last written to Foreman."
    )
    values: Annotated[tuple[OwnedValues, ...], plain(MAX_OWNERS)] = Field(
        default=(),
        description="Values that the operator sets in Foreman. One that an edit takes out before Ready is removed there, and "
        "is in this list until then.",
    )
    steps: Annotated[tuple[StepStatus, ...], keyed(MAX_STEPS)] = Field(default=(), description="How far each step is.")
