"""What compiling returns: a template, which is a compiled Stack, and a plan, which is a template for one deployment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from foreman_stacks.errors import InvalidSpec, Problem
from foreman_stacks.model.identity import HostRef, Identity
from foreman_stacks.model.scope import ComputeSource, Place
from foreman_stacks.model.values import Json, Secret, ValueType
from foreman_stacks.plan import graph
from foreman_stacks.plan.expressions import Expression
from foreman_stacks.steps.kind import StepKind


@dataclass(frozen=True)
class Value:
    """One named value: a constant, already cast, or an expression. `path` says where it is written in the Stack."""

    name: str
    path: str
    type: ValueType
    sensitive: bool = False
    constant: Json = None
    expression: Expression | None = None

    @property
    def references(self) -> frozenset[str]:
        """The names that its expression refers to."""
        return self.expression.references if self.expression else frozenset()


@dataclass(frozen=True)
class Class:
    """A Puppet class of a hostgroup, with its overrides."""

    name: str
    overrides: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Group:
    """A hostgroup of the Stack.

    A plan adds `label`, its name in Foreman, `outer_parent`, the title of the Foreman hostgroup above its topmost
    ancestor (may be empty), and `outer_path`, where the deployment names that.
    """

    name: str
    parent: str | None
    description: str = ""
    parameters: tuple[Value, ...] = ()
    classes: tuple[Class, ...] = ()
    label: str = ""
    outer_parent: str = ""
    outer_path: str = ""


@dataclass(frozen=True)
class PlannedHost:
    """A host that the deployment wants; `label` is its name without the domain."""

    ref: HostRef
    label: str
    source: ComputeSource


@dataclass(frozen=True)
class Role:
    """A set of similar hosts, in order of their index; `overrides` are pairs of Puppet class and value."""

    name: str
    group: str
    hosts: tuple[PlannedHost, ...] = ()
    overrides: tuple[tuple[str, Value], ...] = ()
    parameters: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Step:
    """An ordered action.

    `after` has the steps that the Stack names, and those added so that two steps on one role never overlap. `kind` is
    the name of the action's kind; `update` is the new value that the step gives to the parameter `key`. `timeout` is in
    seconds.
    """

    name: str
    kind: str
    action: StepKind
    after: tuple[str, ...]
    timeout: float
    retries: int
    update: Value | None = None

    @property
    def key(self) -> str:
        """The name, in expressions, of the parameter that the step updates; empty when it updates none."""
        new = self.action.new_value()
        return "" if new is None else parameter_key(new.hostgroup, new.parameter)


_Named = TypeVar("_Named", Group, Role, Step)


def _named(items: tuple[_Named, ...], name: str) -> _Named:
    for item in items:
        if item.name == name:
            return item
    raise KeyError(name)


@dataclass(frozen=True)
class Template:
    """A compiled Stack, without any deployment. Groups are in order, parents first; steps and roles are as written.

    `order` has all steps, each behind those that it comes after; `evaluated` has the problems of values that Foreman
    would evaluate as ERB.
    """

    groups: tuple[Group, ...] = ()
    roles: tuple[Role, ...] = ()
    steps: tuple[Step, ...] = ()
    outputs: tuple[Value, ...] = ()
    order: tuple[str, ...] = ()
    evaluated: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A Stack compiled for one deployment.

    `hash` tells plans apart (16 hex of everything that matters), `config_digest` tells deployments' specs apart, and
    `key_id` says with which key both were made. `parameters` has every parameter that has a value; `order` has all
    steps, each behind those that it comes after. A plan with values that Foreman would evaluate as ERB (`evaluated`,
    which preflight reports) must not be carried out.
    """

    identity: Identity
    hash: str
    config_digest: str
    groups: tuple[Group, ...]
    roles: tuple[Role, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Value, ...]
    order: tuple[str, ...]
    parameters: Mapping[str, Json | Secret]
    periodic_puppet: bool
    environment: str | None = None
    organization: str | None = None
    location: str | None = None
    evaluated: tuple[Problem, ...] = ()
    key_id: str = ""
    memo: dict[object, object] = field(default_factory=dict, compare=False, repr=False)
    """The cache of `bind`; not part of the plan."""

    def group(self, name: str) -> Group:
        """The hostgroup of this name. Raises KeyError."""
        return _named(self.groups, name)

    @property
    def id(self) -> str:
        """The name of the plan in the status and in the record.

        Its second part tells an edited deployment from an edited Stack. Its third part differs when the installation's
        key was lost and replaced, so that all digests differ.
        """
        return "-".join(filter(None, (self.hash[:12], self.config_digest[:8], self.key_id)))

    def role(self, name: str) -> Role:
        """The role of this name. Raises KeyError."""
        return _named(self.roles, name)

    def step(self, name: str) -> Step:
        """The step of this name. Raises KeyError."""
        return _named(self.steps, name)

    def chain(self, group: str) -> tuple[Group, ...]:
        """The hostgroup and its ancestors inside the Stack, starting with the hostgroup itself. Raises KeyError."""
        found = self.group(group)
        return (found,) if found.parent is None else (found, *self.chain(found.parent))

    def ancestors(self, step: str) -> frozenset[str]:
        """All steps that must be done before this one. Raises KeyError."""
        return self._ancestors[step]

    @cached_property
    def _ancestors(self) -> Mapping[str, frozenset[str]]:
        after = {step.name: step.after for step in self.steps}
        return {name: graph.ancestors(name, after) for name in after}

    @cached_property
    def places(self) -> frozenset[Place]:
        """Where the plan sets values."""
        return frozenset(_places(self))

    @cached_property
    def updates(self) -> Mapping[str, tuple[Step, ...]]:
        """The steps that update each hostgroup parameter, by the parameter's key, in the order of the steps."""
        found: dict[str, tuple[Step, ...]] = {}
        for name in self.order:
            step = self.step(name)
            if step.update is not None:
                found[step.key] = (*found.get(step.key, ()), step)
        return found


def _places(plan: Plan) -> Iterator[Place]:
    for group in plan.groups:
        yield from (Place("hostgroup", group.name, value.name) for value in group.parameters)
        for entry in group.classes:
            yield from (Place("hostgroup", group.name, value.name, entry.name) for value in entry.overrides)
    for role in plan.roles:
        yield from (Place("role", role.name, value.name) for value in role.parameters)
        yield from (Place("role", role.name, value.name, puppet_class) for puppet_class, value in role.overrides)


class InvalidPlan(InvalidSpec):
    """A deployment cannot be compiled; `problems` holds every reason.

    `missing` names the parameters that have no value; `waiting` are the problems of parameters whose Secret, ConfigMap
    or key does not exist (yet).
    """

    def __init__(
        self, problems: list[Problem], missing: tuple[str, ...] = (), waiting: tuple[Problem, ...] = ()
    ) -> None:
        super().__init__(problems)
        self.missing = missing
        self.waiting = waiting

    @property
    def only_waiting(self) -> bool:
        """Whether the only problems are Secrets, ConfigMaps or keys that may still be created."""
        return bool(self.waiting) and len(self.waiting) == len(self.problems)


@dataclass(frozen=True)
class Missing:
    """A value that could not be read; `what` names the missing Secret, ConfigMap, key or permission."""

    what: str
    mend: str = "create it, or correct the reference"


def parameter_key(group: str, name: str) -> str:
    """Return the name of a hostgroup parameter in expressions."""
    return f"hostgroups.{group}.parameters.{name}"


def override_label(puppet_class: str, name: str) -> str:
    """Return the name of an override in `pending`."""
    return f"{puppet_class}::{name}"
