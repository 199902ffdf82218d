"""The parameters of a deployment: from its spec, from Secrets and ConfigMaps, and from the Stack's defaults."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from foreman_stacks.api.stack import StackParameter, StackSpec
from foreman_stacks.api.stackdeployment import DeploymentParameter, StackDeploymentSpec
from foreman_stacks.errors import Problem
from foreman_stacks.model.values import Json, Secret, ValueType, thaw
from foreman_stacks.plan.cast import Place, Refused, cast_value
from foreman_stacks.plan.constraints import violations
from foreman_stacks.plan.erb import erb
from foreman_stacks.plan.model import Missing

SAMPLES: Mapping[ValueType, Json] = {
    "string": "",
    "boolean": False,
    "integer": 0,
    "real": 0.0,
    "array": [],
    "hash": {},
    "yaml": "",
    "json": {},
}


class Unread:
    """Stands for a value that was not read (offline checks); it is assumed to have the declared type."""


Given = Json | Secret | Missing | Unread


@dataclass
class Inputs:
    """The values of all parameters that have one, secrets wrapped, and everything that is wrong.

    `missing` are parameters without a value, `waiting` are problems of values that could not be read (yet), and
    `evaluated` those of values that Foreman would evaluate as ERB.
    """

    values: dict[str, Json | Secret] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    waiting: list[Problem] = field(default_factory=list)
    evaluated: list[Problem] = field(default_factory=list)

    @property
    def secret(self) -> frozenset[str]:
        """The parameters whose values are secret."""
        return frozenset(name for name, value in self.values.items() if isinstance(value, Secret))


def read_parameters(stack: StackSpec, deployment: StackDeploymentSpec, given: Mapping[str, Given]) -> Inputs:
    """Return all parameters of the Stack with the values of this deployment; `given` has those of `valueFrom`."""
    inputs = Inputs()
    written = {entry.name: entry for entry in deployment.parameters}
    known = {entry.name for entry in stack.parameters}
    for name in written:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            listed = f"the Stack has {', '.join(sorted(known))}" if known else "the Stack has none"
            mend = f"did you mean {close[0]}?" if close else f"take it out; {listed}"
            inputs.problems.append(Problem(f"spec.parameters[{name}]", "is not a parameter of the Stack", mend))
    for parameter in stack.parameters:
        entry = written.get(parameter.name)
        if entry is not None:
            _take(parameter, entry, given, inputs)
        elif parameter.has_default:
            _default(parameter, inputs)
        elif not parameter.optional:
            inputs.missing.append(parameter.name)
            mend = f"give it a value ({parameter.type})" + (" by valueFrom" if parameter.sensitive else "")
            inputs.problems.append(
                Problem(f"spec.parameters[{parameter.name}]", "is missing, and has no default", mend)
            )
    return inputs


def _take(parameter: StackParameter, entry: DeploymentParameter, given: Mapping[str, Given], inputs: Inputs) -> None:
    path = f"spec.parameters[{entry.name}]"
    found: Given = entry.value if entry.literal else given.get(entry.name, Missing("its value"))
    if isinstance(found, Missing):
        problem = Problem(f"{path}.valueFrom", f"{found.what} is missing", found.mend)
        inputs.problems.append(problem)
        inputs.waiting.append(problem)
        return
    hidden = parameter.sensitive or isinstance(found, Secret)
    if isinstance(found, Unread):
        sample = SAMPLES[parameter.type]
        inputs.values[parameter.name] = Secret(sample) if hidden else sample
        return
    place = Place(f"{path}.value" if entry.literal else f"{path}.valueFrom", hidden=hidden)
    try:
        value = cast_value(thaw(found), parameter.type, place)
    except Refused as refused:
        inputs.problems.append(refused.problem)
        return
    if parameter.constraints is not None:
        inputs.problems += violations(value, parameter.constraints, parameter.type, place)
    inputs.evaluated += erb(value, place, parameter.type)
    inputs.values[parameter.name] = Secret(value) if hidden else value


def _default(parameter: StackParameter, inputs: Inputs) -> None:
    """Take the Stack's default, which was checked with the Stack."""
    value = cast_value(parameter.default, parameter.type, Place(f"spec.parameters[{parameter.name}].default"))
    inputs.values[parameter.name] = Secret(value) if parameter.sensitive else value
