"""What the order of a Stack's steps and values must keep: known names, no cycles, one update of a parameter at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from foreman_stacks.api.stack import StackSpec, Step
from foreman_stacks.errors import Problem
from foreman_stacks.plan import graph
from foreman_stacks.plan.model import Template, Value, parameter_key
from foreman_stacks.plan.names import unknown
from foreman_stacks.steps.puppet_run import PuppetRun


def edges(spec: StackSpec) -> dict[str, list[str]]:
    """What each step comes after: as written, and two unordered puppetRuns on one role in written order.

    Unknown names are left out; a cycle that is written stays one.
    """
    names = {step.name for step in spec.steps}
    after = {step.name: [name for name in step.after if name in names] for step in spec.steps}
    if graph.cycle(after):
        return after
    runs = [(step.name, set(step.puppet_run.roles)) for step in spec.steps if step.puppet_run is not None]
    for (first, roles), (second, others) in combinations(runs, 2):
        if roles & others and not _ordered(first, second, after):
            after[second].append(first)
    return after


def _ordered(first: str, second: str, after: Mapping[str, Sequence[str]]) -> bool:
    return first in graph.ancestors(second, after) or second in graph.ancestors(first, after)


def check_order(spec: StackSpec, template: Template) -> Iterator[Problem]:
    """What is wrong with references and order of steps, and with values that refer to one another."""
    names = {step.name for step in spec.steps}
    for step in spec.steps:
        for name in step.after:
            if name not in names:
                yield unknown(f"spec.steps[{step.name}].after", "step", name, names)
        yield from _check_action(step, spec)
    after = {step.name: step.after for step in template.steps}
    if loop := graph.cycle(after):
        path = f"spec.steps[{loop[0]}].after"
        what = f"the steps wait for one another: {' → '.join(loop)}"
        yield Problem(path, what, "take one of these names out of `after`")
    else:
        yield from _unordered_updates(template)
    yield from _value_cycle(template)


def _check_action(step: Step, spec: StackSpec) -> Iterator[Problem]:
    path = f"spec.steps[{step.name}]"
    action = step.action
    if isinstance(action, PuppetRun):
        roles = {role.name for role in spec.roles}
        for name in action.roles:
            if name not in roles:
                yield unknown(f"{path}.puppetRun.roles", "role", name, roles)
        return
    groups = {group.name: group for group in spec.hostgroups}
    path = f"{path}.parameterUpdate"
    if action.hostgroup not in groups:
        yield unknown(f"{path}.hostgroup", "hostgroup", action.hostgroup, set(groups))
        return
    known = {entry.name for entry in groups[action.hostgroup].parameters}
    known |= {entry.name for entry in spec.parameters if action.hostgroup in entry.hostgroups}
    if action.parameter not in known:
        kind = f"parameter of hostgroup {action.hostgroup}"
        yield unknown(f"{path}.parameter", kind, action.parameter, known)


def _unordered_updates(template: Template) -> Iterator[Problem]:
    after = {step.name: step.after for step in template.steps}
    updates = [step for step in template.steps if step.key]
    for first, second in combinations(updates, 2):
        if first.key == second.key and not _ordered(first.name, second.name, after):
            path = f"spec.steps[{second.name}].after"
            what = f"updates the same parameter as step `{first.name}`, and neither comes after the other"
            yield Problem(path, what, f"add {first.name} to `after`, directly or through other steps")


def _value_cycle(template: Template) -> Iterator[Problem]:
    """A reference reads the *current* value, so what refers to a parameter's update also counts."""
    values: dict[str, list[Value]] = {}
    for group in template.groups:
        for value in group.parameters:
            values.setdefault(parameter_key(group.name, value.name), []).append(value)
    for step in template.steps:
        if step.update is not None:
            values.setdefault(step.key, []).append(step.update)
    after = {key: sorted({name for value in found for name in value.references}) for key, found in values.items()}
    loop = graph.cycle(after)
    if loop:
        path = next(value.path for value in values[loop[0]] if loop[1] in value.references)
        yield Problem(path, f"the value refers to itself: {' → '.join(loop)}", "take one of these references out")
