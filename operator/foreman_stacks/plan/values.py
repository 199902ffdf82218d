"""Builds the values of a Stack: casts literals, compiles expressions, and reports each problem with its path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from foreman_stacks.api.stack import StackRole, StackSpec
from foreman_stacks.api.stack import Step as ApiStep
from foreman_stacks.errors import InvalidSpec, Problem
from foreman_stacks.model.schema import Valued
from foreman_stacks.model.values import ValueType
from foreman_stacks.plan import graph
from foreman_stacks.plan.cast import Place, Refused, cast_value, natural
from foreman_stacks.plan.erb import erb
from foreman_stacks.plan.expressions import Environment
from foreman_stacks.plan.model import Class, Group, Role, Step, Template, Value, parameter_key
from foreman_stacks.plan.names import Names
from foreman_stacks.plan.order import edges
from foreman_stacks.resources.hostgroup import Hostgroup
from foreman_stacks.resources.puppet_class import PuppetClass


def build(spec: StackSpec) -> tuple[Template, list[Problem]]:
    """Return the Stack compiled as far as possible, and the problems of its values."""
    names = Names(spec)
    builder = _Builder(spec, names, list(names.problems))
    after = edges(spec)
    steps = tuple(builder.step(step, tuple(after[step.name])) for step in spec.steps)
    loop = graph.cycle(after)
    template = Template(
        groups=tuple(builder.group(group) for group in _parents_first(spec.hostgroups)),
        roles=tuple(builder.role(role) for role in spec.roles),
        steps=steps,
        outputs=builder.several(
            builder.expressed(
                entry.name, f"spec.outputs[{entry.name}]", entry.type, entry.expression, sensitive=entry.sensitive
            )
            for entry in spec.outputs
        ),
        order=() if loop else graph.order([step.name for step in spec.steps], after),
        evaluated=tuple(builder.evaluated),
    )
    return template, builder.problems


def _parents_first(groups: Sequence[Hostgroup]) -> list[Hostgroup]:
    after = {group.name: [group.parent] for group in groups if group.parent is not None}
    if graph.cycle(after):
        return list(groups)
    found = {group.name: group for group in groups}
    return [found[name] for name in graph.order(list(found), after)]


@dataclass
class _Builder:
    """Builds the parts of a template and collects problems; a value with a problem is left out.

    `evaluated` has the problems of literals that Foreman would evaluate as ERB.
    """

    spec: StackSpec
    names: Names
    problems: list[Problem] = field(default_factory=list)
    evaluated: list[Problem] = field(default_factory=list)

    def several(self, values: Iterable[Value | None]) -> tuple[Value, ...]:
        return tuple(value for value in values if value is not None)

    def expressed(
        self, name: str, path: str, kind: ValueType | None, text: str, *, sensitive: bool = False, host: bool = False
    ) -> Value | None:
        """Return the value of an expression, None if invalid; with `host`, it may refer to `host` and `peers`."""
        env: Environment = self.names.host if host else self.names.group
        try:
            expression = env.compile(text, f"{path}.expression", kind)
        except InvalidSpec as invalid:
            self.problems += invalid.problems
            return None
        return Value(name, expression.path, expression.type, sensitive, expression=expression)

    def valued(self, name: str, path: str, kind: ValueType | None, entry: Valued, *, sensitive: bool) -> Value | None:
        """Return the value of a literal or an expression; None if it is invalid."""
        if entry.expression is not None:
            return self.expressed(name, path, kind, entry.expression, sensitive=sensitive)
        place = Place(f"{path}.value", hidden=sensitive)
        kind = kind or natural(entry.value)
        try:
            constant = cast_value(entry.value, kind, place)
        except Refused as refused:
            self.problems.append(refused.problem)
            return None
        self.evaluated += erb(constant, place, kind)
        return Value(name, place.path, kind, sensitive, constant=constant)

    def group(self, group: Hostgroup) -> Group:
        path = f"spec.hostgroups[{group.name}]"
        declared = [
            self.valued(
                entry.name,
                f"{path}.parameters[{entry.name}]",
                self.names.types.get(parameter_key(group.name, entry.name)),
                entry,
                sensitive=entry.sensitive,
            )
            for entry in group.parameters
            if parameter_key(group.name, entry.name) not in self.names.broken
        ]
        published = [
            self.expressed(entry.name, f"spec.parameters[{entry.name}]", entry.type, f"parameters.{entry.name}")
            for entry in self.spec.parameters
            if group.name in entry.hostgroups
        ]
        classes = tuple(self._class(entry, path) for entry in group.puppet_classes)
        parameters = self.several([*declared, *published])
        return Group(group.name, group.parent, group.description or "", parameters, classes)

    def _class(self, entry: PuppetClass, path: str) -> Class:
        path = f"{path}.puppetClasses[{entry.name}].overrides"
        return Class(
            entry.name,
            self.several(
                self.valued(item.name, f"{path}[{item.name}]", item.type, item, sensitive=item.sensitive)
                for item in entry.overrides
            ),
        )

    def role(self, role: StackRole) -> Role:
        path = f"spec.roles[{role.name}]"
        overrides = []
        for entry in role.overrides:
            place = f"{path}.overrides[{entry.puppet_class},{entry.name}]"
            value = self.expressed(entry.name, place, entry.type, entry.expression, host=True)
            overrides += [] if value is None else [(entry.puppet_class, value)]
        parameters = self.several(
            self.expressed(entry.name, f"{path}.parameters[{entry.name}]", entry.type, entry.expression, host=True)
            for entry in role.parameters
        )
        return Role(role.name, role.hostgroup, overrides=tuple(overrides), parameters=parameters)

    def step(self, step: ApiStep, after: tuple[str, ...]) -> Step:
        action, update = step.action, None
        new = action.new_value()
        if new is not None:
            key = parameter_key(new.hostgroup, new.parameter)
            if key in self.names.types:
                path = f"spec.steps[{step.name}].{step.kind}"
                update = self.valued(new.parameter, path, self.names.types[key], new.value, sensitive=False)
        return Step(step.name, step.kind, action, after, float(step.timeout_seconds), step.retries, update)
