"""The kind Stack: a template of a system of many hosts, free of any server's ids and names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from foreman_stacks.api.meta import Kind, Status
from foreman_stacks.model.schema import (
    MAX_WHOLE,
    Count,
    Expression,
    Fault,
    Hostname,
    Name,
    Prose,
    Rule,
    Written,
    by_alias,
    keyed,
    plain,
    unique,
    value_faults,
)
from foreman_stacks.model.values import ValueType
from foreman_stacks.resources.host import HostParameter
from foreman_stacks.resources.hostgroup import Hostgroup
from foreman_stacks.resources.hostgroup_parameter import NOT_RESERVED
from foreman_stacks.resources.parameter_override import HostOverride
from foreman_stacks.steps import Kinds

Limit = Annotated[float, Field(ge=-MAX_WHOLE, le=MAX_WHOLE)]


def ordered(low: str, high: str) -> Rule:
    """The rule that one bound is not above the other; names as in JSON (which are those of Python here)."""
    return Rule(
        cel=f"!has(self.{low}) || !has(self.{high}) || self.{low} <= self.{high}",
        holds=lambda entry: _ordered(by_alias(entry, low), by_alias(entry, high)),
        message=f"{high} is below {low}",
        mend=f"raise {high} or lower {low}",
        field=high,
    )


def _ordered(low: float | None, high: float | None) -> bool:
    return low is None or high is None or low <= high


class Constraints(Written):
    """Limits for the value of a parameter; each applies to the types it makes sense for."""

    rules = (ordered("minimum", "maximum"), ordered("minLength", "maxLength"), ordered("minItems", "maxItems"))

    enum: Annotated[tuple[JsonValue, ...], plain(64, minimum=1)] | None = Field(
        default=None, description="The values that are allowed."
    )
    minimum: Limit | None = Field(default=None, description="The least number, for integer and real.")
    maximum: Limit | None = Field(default=None, description="The greatest number, for integer and real.")
    min_length: Annotated[int, Field(ge=0, le=65_536)] | None = Field(
        default=None, description="The least number of characters, for string."
    )
    max_length: Annotated[int, Field(ge=0, le=65_536)] | None = Field(
        default=None, description="The greatest number of characters, for string."
    )
    pattern: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        default=None, description="A regular expression (RE2 syntax) that is found in the value, for string."
    )
    min_items: Annotated[int, Field(ge=0, le=10_000)] | None = Field(
        default=None, description="The least number of entries, for array and hash."
    )
    max_items: Annotated[int, Field(ge=0, le=10_000)] | None = Field(
        default=None, description="The greatest number of entries, for array and hash."
    )


class StackParameter(Written):
    """An input of the Stack: deployments give it a value, expressions read it as `parameters.<name>`."""

    rules = (NOT_RESERVED,)

    name: Name = Field(description="Name of the parameter.")
    type: ValueType = Field(description="Type of its value; a value of another type is refused.")
    description: Prose | None = Field(default=None, description="What it is for: for people who deploy the Stack.")
    default: JsonValue = Field(
        default=None, description="The value when a deployment gives none: any JSON but null, of the declared type."
    )
    optional: bool = Field(
        default=False,
        description="Whether a deployment may leave it without a value, although it has no default. Without default "
        "and optional, a deployment must give a value.",
    )
    sensitive: bool = Field(
        default=False,
        description="Whether the value is a secret: hidden in Foreman, shown in no status, event or log. Deployments "
        "should give it by valueFrom: a plain value is taken, too, and whoever may read the deployment can read it.",
    )
    constraints: Constraints | None = Field(default=None, description="Limits for the value.")
    hostgroups: Annotated[tuple[Name, ...], unique(32)] = Field(
        default=(), description="Hostgroups of this Stack that also carry it as a Foreman hostgroup parameter."
    )

    @property
    def has_default(self) -> bool:
        """Whether it has a default, which may be false, 0 or empty."""
        return "default" in self.model_fields_set

    def faults(self) -> Iterable[Fault]:
        """A null default is no default, and must not look like one."""
        return value_faults(self.default, "default") if self.has_default else ()


class RoleCount(Written):
    """How many hosts a role has."""

    rules = (
        ordered("min", "max"),
        Rule(
            cel="!has(self.default) || (self.default >= self.min && (!has(self.max) || self.default <= self.max))",
            holds=lambda count: (
                count.default is None or (count.min <= count.default and _ordered(count.default, count.max))
            ),
            message="default is not between min and max",
            mend="choose a default from min to max",
            field="default",
        ),
    )

    min: Count = Field(description="The least number of hosts.")
    max: Count | None = Field(default=None, description="The greatest number of hosts. Default: no limit.")
    default: Count | None = Field(
        default=None, description="The number of hosts when the deployment gives none. Default: min."
    )


class StackRole(Written):
    """A set of like hosts."""

    name: Name = Field(description="Name of the role.")
    hostgroup: Name = Field(description="The hostgroup of this Stack that its hosts belong to.")
    description: Prose | None = Field(default=None, description="What hosts of this role do.")
    count: RoleCount = Field(description="How many hosts it has.")
    hostname: Hostname = Field(
        default="{deployment}-{role}-{index}",
        description="How hosts are named, without domain. {deployment}, {namespace}, {role} and {index} are replaced.",
    )
    parameters: Annotated[tuple[HostParameter, ...], keyed(64)] = Field(
        default=(), description="Parameters of each host."
    )
    overrides: Annotated[tuple[HostOverride, ...], keyed(64, keys=("class", "name"))] = Field(
        default=(), description="Values for parameters of Puppet classes, for each host."
    )


class StepFrame(Written):
    """What every step has, whatever its kind."""

    name: Name = Field(description="Name of the step.")
    after: Annotated[tuple[Name, ...], unique(32)] = Field(
        default=(),
        description="Steps that must be done before. Needed only for order without data: a step that uses a value "
        "waits for it anyway.",
    )
    timeout_seconds: Annotated[int, Field(ge=1, le=604_800)] = Field(
        default=7200, description="How long one attempt may take, in seconds."
    )
    retries: Annotated[int, Field(ge=0, le=20)] = Field(
        default=2, description="How many times the step is tried again, for the hosts that failed only."
    )


class Step(Kinds, StepFrame):
    """An ordered action: exactly one kind of step is given."""


class StackOutput(Written):
    """A result of the Stack."""

    name: Name = Field(description="Name of the output.")
    type: ValueType = Field(description="Type of its value.")
    expression: Expression = Field(description="A CEL expression that gives the value.")
    sensitive: bool = Field(default=False, description="Whether the value is a secret, and shown nowhere.")


class StackSpec(Written):
    """What a Stack consists of."""

    description: Prose | None = Field(default=None, description="What the Stack is, for people.")
    parameters: Annotated[tuple[StackParameter, ...], keyed(128)] = Field(
        default=(), description="Inputs: what deployments of the Stack may or must give."
    )
    hostgroups: Annotated[tuple[Hostgroup, ...], keyed(32, minimum=1)] = Field(
        description="Hostgroups that each deployment makes for itself."
    )
    roles: Annotated[tuple[StackRole, ...], keyed(32, minimum=1)] = Field(description="Sets of like hosts.")
    steps: Annotated[tuple[Step, ...], keyed(100)] = Field(
        default=(), description="Ordered actions, once the hosts are built. Without order they go side by side."
    )
    outputs: Annotated[tuple[StackOutput, ...], keyed(64)] = Field(
        default=(), description="Results, shown in the status of the deployment."
    )
    periodic_puppet: Literal["Enabled", "Disabled"] = Field(
        default="Enabled",
        description="Whether hosts run Puppet periodically once the deployment is Ready. Before that they never do.",
    )


class StackStatus(Status):
    """What the operator found out about the Stack."""


class Stack(Kind):
    """A shareable template of a system of many hosts: inputs, hostgroups, roles, ordered steps and outputs."""

    spec: StackSpec = Field(description="What the Stack consists of.")
    status: StackStatus = Field(default_factory=StackStatus, description="What the operator found out about the Stack.")
