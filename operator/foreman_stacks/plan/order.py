"""Checks the order of a Stack's steps and values: known names, no cycles, and no unordered updates of a parameter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import assert_never

from foreman_stacks.api.stack import StackSpec
from foreman_stacks.errors import Problem
from foreman_stacks.plan import graph
from foreman_stacks.plan.model import Template, Value, parameter_key
from foreman_stacks.plan.names import unknown
from foreman_stacks.steps.kind import Reference


def edges(spec: StackSpec) -> dict[str, list[str]]:
    """Return what each step comes after: the steps that it names, and earlier ones on its roles if nothing else orders
    the two.

    Unknown names are left out. If the steps in `after` form a cycle, they are returned as they are.
    """
    names = {step.name for step in spec.steps}
    after = {step.name: [name for name in step.after if name in names] for step in spec.steps}
    if graph.cycle(after):
        return after
    acting = [(step.name, set(step.action.acts_on())) for step in spec.steps]
    for (first, roles), (second, others) in combinations(acting, 2):
        if roles & others and not _ordered(first, second, after):
            after[second].append(first)
    return after


def _ordered(first: str, second: str, after: Mapping[str, Sequence[str]]) -> bool:
    return first in graph.ancestors(second, after) or second in graph.ancestors(first, after)


def check_order(spec: StackSpec, template: Template) -> Iterator[Problem]:
    """Yield what is wrong with the references and the order of steps, and with values that refer to one another."""
    names = {step.name for step in spec.steps}
    for step in spec.steps:
        for name in step.after:
            if name not in names:
                yield unknown(f"spec.steps[{step.name}].after", "step", name, names)
        for reference in step.action.references():
            yield from _check_reference(reference, f"spec.steps[{step.name}].{step.kind}", spec)
    after = {step.name: step.after for step in template.steps}
    if loop := graph.cycle(after):
        path = f"spec.steps[{loop[0]}].after"
        what = f"the steps wait for one another: {' → '.join(loop)}"
        yield Problem(path, what, "take one of these names out of `after`")
    else:
        yield from _unordered_updates(template)
    yield from _value_cycle(template)


def _check_reference(reference: Reference, path: str, spec: StackSpec) -> Iterator[Problem]:
    path, kind = f"{path}.{reference.field}", str(reference.what)
    groups = {group.name: group for group in spec.hostgroups}
    match reference.what:
        case "role":
            known = {role.name for role in spec.roles}
        case "hostgroup":
            known = set(groups)
        case "parameter":
            if reference.hostgroup not in groups:
                return  # reported already
            known = {entry.name for entry in groups[reference.hostgroup].parameters}
            known |= {entry.name for entry in spec.parameters if reference.hostgroup in entry.hostgroups}
            kind = f"parameter of hostgroup {reference.hostgroup}"
        case other:
            assert_never(other)
    if reference.name not in known:
        yield unknown(path, kind, reference.name, known)


def _unordered_updates(template: Template) -> Iterator[Problem]:
    after = {step.name: step.after for step in template.steps}
    updates = [step for step in template.steps if step.key]
    for first, second in combinations(updates, 2):
        if first.key == second.key and not _ordered(first.name, second.name, after):
            path = f"spec.steps[{second.name}].after"
            what = f"updates the same parameter as step `{first.name}`, and neither comes after the other"
            yield Problem(path, what, f"add {first.name} to `after`, directly or through other steps")


def _value_cycle(template: Template) -> Iterator[Problem]:
    """Yield the problem of hostgroup parameters that refer to one another in a cycle.

    A reference reads the *current* value, so the references of a parameter's updates count as well.
    """
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
