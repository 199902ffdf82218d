"""Checks the constraints of a Stack's parameters: whether they make sense, and whether a value satisfies them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from foreman_stacks.api.stack import Constraints
from foreman_stacks.errors import Problem
from foreman_stacks.model.values import Json, ValueType, canonical
from foreman_stacks.plan.cast import Place, Refused, cast_value
from foreman_stacks.plan.expressions import matches

_FITTING: Mapping[str, tuple[ValueType, ...]] = {
    "minimum": ("integer", "real"),
    "maximum": ("integer", "real"),
    "minLength": ("string",),
    "maxLength": ("string",),
    "pattern": ("string",),
    "minItems": ("array", "hash"),
    "maxItems": ("array", "hash"),
}


def check_constraints(limits: Constraints, kind: ValueType, path: str) -> Iterator[Problem]:
    """Yield what is wrong with the constraints of a parameter of this type; `path` is that of `constraints`."""
    given = limits.model_dump(by_alias=True, exclude_none=True)
    for name, kinds in _FITTING.items():
        if name in given and kind not in kinds:
            yield Problem(f"{path}.{name}", f"is for {' and '.join(kinds)}, not for {kind}", "take it out")
    for number, value in enumerate(limits.enum or ()):
        try:
            cast_value(value, kind, Place(f"{path}.enum[{number}]"))
        except Refused as refused:
            yield refused.problem
    if limits.pattern is not None:
        try:
            matches(limits.pattern, "")
        except ValueError as error:
            yield Problem(f"{path}.pattern", str(error), "write a regular expression in RE2 syntax")


def violations(value: Json, limits: Constraints, kind: ValueType, place: Place) -> Iterator[Problem]:
    """Yield a problem for each constraint that a value (already cast) violates; invalid constraints are skipped."""

    def broken(what: str, mend: str) -> Problem:
        quoted = place.quoted(value)
        return Problem(place.path, f"{what}:{quoted}" if quoted else what, mend)

    if limits.enum is not None and not _listed(value, limits.enum, kind):
        yield broken("is not one of the allowed values", f"choose one of {', '.join(map(canonical, limits.enum))}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if limits.minimum is not None and value < limits.minimum:
            yield broken("is too small", f"the minimum is {limits.minimum:g}")
        if limits.maximum is not None and value > limits.maximum:
            yield broken("is too big", f"the maximum is {limits.maximum:g}")
    elif isinstance(value, str):
        yield from _of_text(value, limits, broken)
    elif isinstance(value, Sequence | Mapping):
        if limits.min_items is not None and len(value) < limits.min_items:
            yield broken(f"has {len(value)} entries", f"the least is {limits.min_items}")
        if limits.max_items is not None and len(value) > limits.max_items:
            yield broken(f"has {len(value)} entries", f"the most is {limits.max_items}")


def _listed(value: Json, allowed: Sequence[Json], kind: ValueType) -> bool:
    for item in allowed:
        try:
            if canonical(cast_value(item, kind, Place(""))) == canonical(value):
                return True
        except Refused:
            continue
    return False


def _of_text(value: str, limits: Constraints, broken: Callable[[str, str], Problem]) -> Iterator[Problem]:
    if limits.min_length is not None and len(value) < limits.min_length:
        yield broken(f"has {len(value)} characters", f"the least is {limits.min_length}")
    if limits.max_length is not None and len(value) > limits.max_length:
        yield broken(f"has {len(value)} characters", f"the most is {limits.max_length}")
    if limits.pattern is not None and not _found(limits.pattern, value):
        yield broken("does not have the required form", f"write text that matches {limits.pattern}")


def _found(pattern: str, value: str) -> bool:
    try:
        return matches(pattern, value)
    except ValueError:
        return True
