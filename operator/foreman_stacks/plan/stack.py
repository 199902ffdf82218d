"""Compiles and checks a Stack without any deployment, and reports all its problems at once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from foreman_stacks.api.stack import Stack, StackParameter, StackRole, StackSpec
from foreman_stacks.errors import Problem
from foreman_stacks.model.values import canonical
from foreman_stacks.plan import graph
from foreman_stacks.plan.cast import Place, Refused, cast_value
from foreman_stacks.plan.constraints import check_constraints, violations
from foreman_stacks.plan.erb import erb
from foreman_stacks.plan.model import Template
from foreman_stacks.plan.names import KEYWORDS, unknown
from foreman_stacks.plan.order import check_order
from foreman_stacks.plan.values import build

_KEPT = 64
_templates: OrderedDict[str, tuple[Template, tuple[Problem, ...]]] = OrderedDict()
"""A cache of compiled Stacks by digest, so that two hundred deployments of one Stack compile its expressions once."""


def check_stack(stack: Stack) -> list[Problem]:
    """Return all problems of a Stack, each with the path in its spec; empty for a valid one."""
    template, problems = compile_stack(stack)
    return [*problems, *template.evaluated]


def compile_stack(stack: Stack) -> tuple[Template, tuple[Problem, ...]]:
    """Return the compiled Stack and its problems. If there are any, the template must not be used.

    Values that Foreman would evaluate as ERB are not among the problems: the template lists them in `evaluated`, and
    can still be made into a plan.
    """
    digest = _digest(stack)
    if digest in _templates:
        _templates.move_to_end(digest)
        return _templates[digest]
    template, problems = build(stack.spec)
    found = [*_check(stack.spec), *problems, *check_order(stack.spec, template)]
    evaluated = (*_evaluated_defaults(stack.spec), *template.evaluated)
    result = replace(template, evaluated=evaluated), tuple(dict.fromkeys(found))
    _templates[digest] = result
    while len(_templates) > _KEPT:
        _templates.popitem(last=False)
    return result


def _digest(stack: Stack) -> str:
    """Return the key of the cache: 16 hex of the spec, without fields that equal their default."""
    written = stack.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return hashlib.sha256(canonical(written).encode()).hexdigest()[:16]


def _check(spec: StackSpec) -> Iterator[Problem]:
    yield from _keywords(spec)
    groups = {group.name for group in spec.hostgroups}
    parents = {group.name: [group.parent] for group in spec.hostgroups if group.parent is not None}
    for name, (parent,) in parents.items():
        if parent not in groups:
            yield unknown(f"spec.hostgroups[{name}].parent", "hostgroup", parent, groups)
    if loop := graph.cycle(parents):
        mend = "remove the parent of one of them"
        path = f"spec.hostgroups[{loop[0]}].parent"
        yield Problem(path, f"the hostgroups are one another's parents: {' → '.join(loop)}", mend)
    for parameter in spec.parameters:
        yield from _check_parameter(parameter, spec)
    for role in spec.roles:
        yield from _check_role(role, spec, groups)


def _keywords(spec: StackSpec) -> Iterator[Problem]:
    places = {
        **{f"spec.parameters[{entry.name}]": entry.name for entry in spec.parameters},
        **{f"spec.hostgroups[{group.name}]": group.name for group in spec.hostgroups},
        **{
            f"spec.hostgroups[{group.name}].parameters[{entry.name}]": entry.name
            for group in spec.hostgroups
            for entry in group.parameters
        },
        **{f"spec.roles[{role.name}]": role.name for role in spec.roles},
    }
    for path, name in places.items():
        if name in KEYWORDS:
            yield Problem(
                f"{path}.name",
                f"`{name}` is a reserved word of CEL: expressions cannot refer to it",
                "choose another name",
            )


def _check_parameter(parameter: StackParameter, spec: StackSpec) -> Iterator[Problem]:
    path = f"spec.parameters[{parameter.name}]"
    groups = {group.name: group for group in spec.hostgroups}
    for name in parameter.hostgroups:
        if name not in groups:
            yield unknown(f"{path}.hostgroups", "hostgroup", name, set(groups))
        elif any(entry.name == parameter.name for entry in groups[name].parameters):
            what = f"hostgroup `{name}` declares a parameter of this name itself"
            yield Problem(f"{path}.hostgroups", what, "take one of the two out, or rename it")
    if parameter.constraints is not None:
        yield from check_constraints(parameter.constraints, parameter.type, f"{path}.constraints")
    if parameter.has_default and parameter.default is not None:
        place = Place(f"{path}.default", hidden=parameter.sensitive)
        try:
            value = cast_value(parameter.default, parameter.type, place)
        except Refused as refused:
            yield refused.problem
        else:
            if parameter.constraints is not None:
                yield from violations(value, parameter.constraints, parameter.type, place)


def _evaluated_defaults(spec: StackSpec) -> Iterator[Problem]:
    for parameter in spec.parameters:
        if parameter.has_default:
            place = Place(f"spec.parameters[{parameter.name}].default", hidden=parameter.sensitive)
            with suppress(Refused):  # reported already
                yield from erb(cast_value(parameter.default, parameter.type, place), place, parameter.type)


def _check_role(role: StackRole, spec: StackSpec, groups: set[str]) -> Iterator[Problem]:
    path = f"spec.roles[{role.name}]"
    if role.hostgroup not in groups:
        yield unknown(f"{path}.hostgroup", "hostgroup", role.hostgroup, groups)
    else:
        known = _classes(role.hostgroup, spec)
        for override in role.overrides:
            if override.puppet_class not in known:
                place = f"{path}.overrides[{override.puppet_class},{override.name}].class"
                what = f"class `{override.puppet_class}` is neither in the role's hostgroup nor in one above it"
                listed = ", ".join(sorted(known)) or "none"
                mend = f"add it to puppetClasses of hostgroup {role.hostgroup}; the classes so far: {listed}"
                yield Problem(place, what, mend)
    if "{index}" not in role.hostname and (role.count.max is None or role.count.max > 1):
        what = "gives several hosts the same name: it has no {index}"
        yield Problem(f"{path}.hostname", what, "add {index}, or let count.max be 1")


def _classes(group: str, spec: StackSpec) -> set[str]:
    """Return the classes of a hostgroup and its ancestors; the walk ends at a cycle of parents."""
    groups = {entry.name: entry for entry in spec.hostgroups}
    found: set[str] = set()
    walked: set[str] = set()
    name: str | None = group
    while name in groups and name not in walked:
        walked.add(name)
        found |= {entry.name for entry in groups[name].puppet_classes}
        name = groups[name].parent
    return found
