"""Casts values to their declared types. A lossy conversion is refused, with the path and how to mend it.

YAML turns `0644` into 420 and `1.0` into 1 before the operator sees them, so a number is never cast to a string. Null
is not a value; a parameter that may have none is declared `optional`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import yaml

from foreman_stacks.errors import Problem
from foreman_stacks.model.schema import MAX_VALUE
from foreman_stacks.model.values import Json, ValueType, canonical

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_REAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_INT64 = 2**63
_DEEPEST = 32


class Refused(Exception):
    """A value cannot be used; `problem` says where it is, what is wrong, and what to do about it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True)
class Place:
    """Where a value is written. Messages never quote a `hidden` one; with `text`, a string may be JSON or YAML text."""

    path: str
    hidden: bool = False
    text: bool = True

    def refuse(self, what: str, mend: str) -> Refused:
        return Refused(Problem(self.path, what, mend))

    def inside(self, key: str | int) -> Place:
        step = f"[{key}]" if isinstance(key, int) else f".{key}"
        return Place(self.path if self.hidden else self.path + step, self.hidden, self.text)

    def quoted(self, value: Json) -> str:
        """Return the value as a message quotes it: truncated, or empty when it is hidden."""
        if self.hidden:
            return ""
        shown = canonical(value)
        return f" {shown}" if len(shown) <= 40 else f" {shown[:40]}…"


def natural(value: Json) -> ValueType:
    """Return the type of a value for which none is declared."""
    if isinstance(value, Mapping):
        return "hash"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "array"
    kinds: Mapping[type, ValueType] = {bool: "boolean", int: "integer", float: "real"}
    return kinds.get(type(value), "string")


def cast_value(value: Json, kind: ValueType, place: Place) -> Json:
    """Return the value as its declared type. Raises `Refused` if it does not fit, or would lose something."""
    if value is None:
        raise place.refuse(
            "null is not a value", "leave the whole entry out: an `optional` parameter may have no value"
        )
    check_content(value, place)
    if kind == "string":
        return _string(value, place)
    if kind == "boolean":
        return _boolean(value, place)
    if kind == "integer":
        return _integer(value, place)
    if kind == "real":
        return _real(value, place)
    if kind == "yaml":
        return _yaml(value, place)
    return _structure(value, kind, place)


def _mismatch(value: Json, kind: str, place: Place, mend: str) -> Refused:
    noun = natural(value)
    article = "an" if noun[0] in "ai" else "a"
    return place.refuse(f"is {article} {noun}{place.quoted(value)} where {kind} is declared", mend)


def _string(value: Json, place: Place) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        mend = "quote it: YAML changes what is not quoted (0644 becomes 420, 1.0 becomes 1, yes becomes true)"
    else:
        mend = "write text, or declare another type"
    raise _mismatch(value, "string", place, mend)


def _boolean(value: Json, place: Place) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in ("true", "false"):
        return value == "true"
    raise _mismatch(value, "boolean", place, "write true or false")


def _integer(value: Json, place: Place) -> int:
    number = _whole(value)
    if number is None:
        mend = 'write a whole number without leading zeros; declare a mode like "0644" as string, and quote it'
        raise _mismatch(value, "integer", place, mend)
    if not -_INT64 <= number < _INT64:
        raise place.refuse("is beyond 64 bits", "declare it as string, and quote it")
    return number


def _whole(value: Json) -> int | None:
    """Return a value as the whole number that it is or spells, or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    short = isinstance(value, str) and len(value) <= 20
    return int(value) if short and isinstance(value, str) and _INTEGER.fullmatch(value) else None


def _real(value: Json, place: Place) -> float:
    mend = "write a number; declare it as string and quote it if every digit matters"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _mismatch(value, "real", place, mend)
    if isinstance(value, str) and (len(value) > 64 or not _REAL.fullmatch(value)):
        raise _mismatch(value, "real", place, mend)
    exact = Decimal(value)
    number = float(exact)
    if not math.isfinite(number):
        raise place.refuse("is not a finite number", mend)
    if Decimal(repr(number)) != exact and not isinstance(value, float):
        raise place.refuse(f"is a number{place.quoted(value)} with more digits than a real can keep", mend)
    return number


def _yaml(value: Json, place: Place) -> Json:
    """Return YAML text as it is written; anything else is JSON, which is valid YAML."""
    if isinstance(value, str) and place.text:
        try:
            yaml.compose(value, Loader=yaml.SafeLoader)
        except (yaml.YAMLError, RecursionError):
            raise place.refuse("is not valid YAML", "correct the YAML, or declare it as string") from None
    return value


def _structure(value: Json, kind: ValueType, place: Place) -> Json:
    """Return a value of type array, hash or json, which may be given as JSON text, as it must be in a Secret."""
    found = value
    if isinstance(value, str) and place.text:
        found = _parsed(value, kind, place)
        if found is None:
            raise place.refuse("null is not a value", "leave the whole entry out")
        check_content(found, place)
    if kind != "json" and natural(found) != kind:
        raise _mismatch(found, kind, place, "write a list" if kind == "array" else "write a map")
    return found


def _parsed(text: str, kind: ValueType, place: Place) -> Json:
    try:
        found: Json = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        mend = "write a list" if kind == "array" else "write a map" if kind == "hash" else "quote it twice: '\"text\"'"
        raise _mismatch(text, kind, place, f"{mend}, or its JSON text") from None
    return found


def _no_constant(name: str) -> float:
    raise ValueError(name)


def check_content(value: Json, place: Place, depth: int = 0) -> None:
    """Raise `Refused` if the value contains, at any depth, something that Foreman would drop or change."""
    if depth > _DEEPEST:
        raise place.refuse(f"is nested deeper than {_DEEPEST} levels", "make it flatter")
    if value is None:
        raise place.refuse("null is not a value", "leave the key or entry out")
    if isinstance(value, str):
        _check_text(value, place)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _check_text(key, place)
            check_content(item, place.inside(key), depth + 1)
    elif isinstance(value, Sequence):
        for number, item in enumerate(value):
            check_content(item, place.inside(number), depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise place.refuse("is not a finite number", "write a number, or quoted text")
    elif isinstance(value, int) and not -_INT64 <= value < _INT64 and not isinstance(value, bool):
        raise place.refuse("has a number beyond 64 bits", "quote it, so that it is a string")
    if depth == 0 and len(canonical(value)) > MAX_VALUE:
        raise place.refuse(f"is longer than {MAX_VALUE} characters of JSON", "keep large data out of parameters")


def _check_text(text: str, place: Place) -> None:
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise place.refuse(
            "contains a character that Foreman cannot keep (NUL, or half a surrogate pair)", "take it out"
        )
