"""Parses an object from the apiserver or a file into a model, or into problems with paths as users write them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, takewhile
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from foreman_stacks.api.foremanserver import ForemanServer
from foreman_stacks.api.meta import Kind
from foreman_stacks.api.stack import Stack
from foreman_stacks.api.stackdeployment import StackDeployment
from foreman_stacks.cluster.port import API_VERSION
from foreman_stacks.errors import InvalidSpec, Problem
from foreman_stacks.model.schema import PATTERN_WORDS, Fault

K = TypeVar("K", bound=Kind)

MAX_PROBLEMS = 100
"""The most problems that are reported for one object, so that a hostile one cannot keep the operator busy."""

_TYPES = {
    "string_type": "text (in quotes, when YAML would read it otherwise)",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
}


def parse_stack(obj: Mapping[str, Any]) -> Stack:
    """The Stack that `obj` describes; raises `InvalidSpec` with every problem found."""
    return _parse(Stack, obj)


def parse_deployment(obj: Mapping[str, Any]) -> StackDeployment:
    """The StackDeployment that `obj` describes; raises `InvalidSpec` with every problem found."""
    return _parse(StackDeployment, obj)


def parse_server(obj: Mapping[str, Any]) -> ForemanServer:
    """The ForemanServer that `obj` describes; raises `InvalidSpec` with every problem found."""
    return _parse(ForemanServer, obj)


PARSERS: Mapping[str, Callable[[Mapping[str, Any]], Kind]] = {
    "Stack": parse_stack,
    "StackDeployment": parse_deployment,
    "ForemanServer": parse_server,
}
"""The parser of each `kind`, for objects from files."""


def _parse(model: type[K], obj: Mapping[str, Any]) -> K:
    if obj.get("apiVersion", API_VERSION) != API_VERSION:
        raise InvalidSpec([Problem("apiVersion", "is not supported", f"write {API_VERSION}")])
    try:
        return model.model_validate(obj)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        problems = list(islice(_problems(model, obj, found), MAX_PROBLEMS + 1))
        if len(problems) > MAX_PROBLEMS:
            problems[MAX_PROBLEMS:] = [Problem("", "there are more problems", "fix these first")]
        raise InvalidSpec(problems) from None


def _problems(model: type[BaseModel], obj: Mapping[str, Any], errors: Sequence[ErrorDetails]) -> Iterator[Problem]:
    places = [error["loc"] for error in errors]
    for error in errors:
        loc = error["loc"]
        if error["type"] == "too_short" and any(place != loc and place[: len(loc)] == loc for place in places):
            continue  # the list is too short for pydantic only since an entry is wrong, which has a problem of its own
        if error["type"] == "faults":
            faults: Iterable[Fault] = error["ctx"]["faults"]
            for fault in faults:
                yield Problem(_path(obj, (*loc, *fault.where)), fault.what, fault.mend)
            continue
        if error["type"] in (
            "recursion_loop",
            "recursion_depth_exceeded",
        ):  # pydantic's location follows the nesting, hundreds of levels deep
            loc = tuple(takewhile(lambda part: part not in ("list", "dict"), loc))
            yield Problem(_path(obj, loc), "is nested too deeply", "keep values flat")
            continue
        what, mend = _words(model, error)
        yield Problem(_path(obj, loc), what, mend)


def _path(obj: Any, loc: Sequence[int | str]) -> str:
    """Format a path like `spec.roles[zk].count.min`: list entries by key if they have one, else by position from 0."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            obj = obj[part] if isinstance(obj, Sequence) and part < len(obj) else None
            text += f"[{_key(obj, part)}]"
        elif part.startswith("["):
            text += part
        else:
            obj = obj.get(part) if isinstance(obj, Mapping) else None
            text += f".{part}" if text else part
    return text


def _key(entry: Any, position: int) -> str:
    if not isinstance(entry, Mapping):
        return str(position)
    keys = [entry[key] for key in ("class", "name") if isinstance(entry.get(key), str)]
    return ",".join(keys) or str(position)


def _words(model: type[BaseModel], error: ErrorDetails) -> tuple[str, str]:
    """Return what is wrong and how to mend it, never with the value itself: it may be a secret."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        return "is missing", "add it"
    if kind == "extra_forbidden":
        return "is not a known field", _did_you_mean(model, error["loc"])
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        return "has characters that are not allowed", f"write {PATTERN_WORDS.get(pattern, f'what matches {pattern}')}"
    if kind == "literal_error":
        return "is not one of the allowed values", f"write {context['expected']}"
    if kind in ("greater_than_equal", "less_than_equal"):
        low = kind == "greater_than_equal"
        return (
            "is too small" if low else "is too large",
            f"write {context['ge' if low else 'le']} or {'more' if low else 'less'}",
        )
    if kind in ("too_long", "string_too_long"):
        return "is too long", f"keep it to {context['max_length']} {_unit(kind)}"
    if kind in ("too_short", "string_too_short"):
        return "is too short" if kind == "string_too_short" else "is empty", f"give at least {context['min_length']}"
    if kind in _TYPES:
        return "has the wrong type", f"write {_TYPES[kind]}"
    return error["msg"], "see the API documentation"


def _unit(kind: str) -> str:
    return "characters" if kind.startswith("string") else "entries"


def _did_you_mean(model: type[BaseModel], loc: Sequence[int | str]) -> str:
    known = _fields(model, loc[:-1])
    near = difflib.get_close_matches(str(loc[-1]), known, n=1)
    return f"did you mean {near[0]}?" if near else f"remove it; known fields are {', '.join(known)}"


def _fields(model: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """The names of the fields of the model at a location."""
    for part in loc:
        if isinstance(part, str):
            fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
            model = next(_models(fields.get(part)), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models inside an annotation such as `tuple[Step, ...]` or `RoleCount | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models(inner)
