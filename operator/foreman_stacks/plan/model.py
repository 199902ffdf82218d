"""What compiling gives: a Stack with its expressions compiled, and a plan, which is that for one deployment."""

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
    """One named value: a constant, cast already, or an expression. `path` is where it is written in the Stack."""

    name: str
    path: str
    type: ValueType
    sensitive: bool = False
    constant: Json = None
    expression: Expression | None = None

    @property
    def references(self) -> frozenset[str]:
        """The names it needs."""
        return self.expression.references if self.expression else frozenset()


@dataclass(frozen=True)
class Class:
    """A Puppet class of a hostgroup with its overrides."""

    name: str
    overrides: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Group:
    """A hostgroup of the Stack. `label` and `outer_parent` (a title in Foreman, may be empty) are the deployment's;
    `outer_path` is where it is written there.
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
    """A host that is wanted; `label` is its name without domain."""

    ref: HostRef
    label: str
    source: ComputeSource


@dataclass(frozen=True)
class Role:
    """A set of like hosts, by index; overrides are pairs of class and value."""

    name: str
    group: str
    hosts: tuple[PlannedHost, ...] = ()
    overrides: tuple[tuple[str, Value], ...] = ()
    parameters: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Step:
    """An ordered action. `after` has what is written and what follows from it: two runs on one role never overlap.

    `kind` is the name of the action's kind; `update` the new value that it gives to the parameter `key`.
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
        """How expressions name the parameter that it updates; empty when it updates none."""
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
    """What a Stack says by itself, compiled. Groups: parents first; steps and roles: as written.

    `evaluated` are its values that Foreman would evaluate.
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

    `hash` tells plans apart (16 hex of everything that matters), `config_digest` configurations, and `key_id` whose
    digests they are. `parameters` has every parameter that has a value; `order` all steps, each behind what it comes
    after. With values that Foreman would evaluate (`evaluated`, for preflight to tell) it must not be carried out.
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
    """What `bind` remembers of its last calls; no part of the plan."""

    def group(self, name: str) -> Group:
        """The hostgroup of this name. Raises KeyError."""
        return _named(self.groups, name)

    @property
    def id(self) -> str:
        """What status and record call it. The second part tells an edited deployment from an edited Stack; the third is
        another one when all digests are, since the key of the installation was lost.
        """
        return "-".join(filter(None, (self.hash[:12], self.config_digest[:8], self.key_id)))

    def role(self, name: str) -> Role:
        """The role of this name. Raises KeyError."""
        return _named(self.roles, name)

    def step(self, name: str) -> Step:
        """The step of this name. Raises KeyError."""
        return _named(self.steps, name)

    def chain(self, group: str) -> tuple[Group, ...]:
        """The group and its ancestors inside the Stack, the group first."""
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
        """Where it sets values."""
        return frozenset(_places(self))

    @cached_property
    def updates(self) -> Mapping[str, tuple[Step, ...]]:
        """The steps that update each hostgroup parameter, by its key, in the order of the steps."""
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
    """A deployment cannot be compiled. `problems` has every reason.

    Of these, `missing` names the parameters that nobody gave a value, and `waiting` are those whose Secret, ConfigMap or
    key is not there (yet).
    """

    def __init__(
        self, problems: list[Problem], missing: tuple[str, ...] = (), waiting: tuple[Problem, ...] = ()
    ) -> None:
        super().__init__(problems)
        self.missing = missing
        self.waiting = waiting

    @property
    def only_waiting(self) -> bool:
        """Whether nothing is wrong but a Secret or ConfigMap that may still come."""
        return bool(self.waiting) and len(self.waiting) == len(self.problems)


@dataclass(frozen=True)
class Missing:
    """A value that could not be read; `what` names the missing Secret, ConfigMap, key or permission."""

    what: str
    mend: str = "make it, or correct the reference"


def parameter_key(group: str, name: str) -> str:
    """How expressions name a hostgroup parameter."""
    return f"hostgroups.{group}.parameters.{name}"


def override_label(puppet_class: str, name: str) -> str:
    """How `pending` names an override."""
    return f"{puppet_class}::{name}"
