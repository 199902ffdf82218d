"""Values as Foreman knows them: JSON data with one of Foreman's parameter types, and secrets that are never printed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeGuard

import yaml

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
ValueType: TypeAlias = Literal["string", "boolean", "integer", "real", "array", "hash", "yaml", "json"]

MASK = "*****"
"""What Foreman answers instead of a hidden value (foreman-measured §4); it is never written back."""

_STRUCTURED = frozenset({"array", "hash", "json"})


class Secret:
    """A value that must not be shown: its `str` and `repr` are `***`, and only `reveal` returns it."""

    __slots__ = ("_value",)

    def __init__(self, value: Json) -> None:
        self._value = value

    def reveal(self) -> Json:
        """Return the value itself; meant for what is sent to Foreman, evaluated, or put into a keyed digest."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(canonical(self._value))


@dataclass(frozen=True)
class Bound:
    """One named value, evaluated and cast to its type; `value` is a `Secret` when it is sensitive."""

    name: str
    type: ValueType
    value: Json | Secret

    @property
    def sensitive(self) -> bool:
        """Whether Foreman must hide the value."""
        return isinstance(self.value, Secret)

    @property
    def plain(self) -> Json:
        """The value without its wrapper."""
        return self.value.reveal() if isinstance(self.value, Secret) else self.value

    @property
    def wire(self) -> str:
        """The text to send to Foreman: arrays and hashes only arrive as JSON strings (Foreman 3.12, measured)."""
        return wire(self.type, self.plain)


def wire(kind: ValueType, value: Json) -> str:
    """Return the text form of a value for a Foreman parameter or override of this type."""
    if kind in _STRUCTURED or not isinstance(value, str):
        return value if kind == "yaml" and isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value


def alike(kind: ValueType, wanted: Json, seen: Json) -> bool:
    """Whether the value that Foreman shows is the wanted one.

    Foreman casts values on save, and shows native JSON or the text that it was sent.
    """
    if _same(wanted, seen):
        return True
    if kind == "yaml":
        return any(_same(one, other) for one in _readings(wanted) for other in _readings(seen))
    if not isinstance(seen, str):
        return False
    if kind in _STRUCTURED:
        return any(_same(wanted, reading) for reading in _readings(seen))
    return seen == wire(kind, wanted)


def _same(one: Json, other: Json) -> bool:
    """Whether two values are equal in JSON: 1 and 1.0 are, but 1 and true are not, unlike in Python."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if _listed(one) and _listed(other):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _listed(value: Json) -> TypeGuard[Sequence[Json]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _readings(value: Json) -> list[Json]:
    """Return the value and, if it is text, what it means as JSON and as YAML."""
    found = [value]
    if isinstance(value, str):
        for read in (json.loads, _yaml):
            with suppress(yaml.YAMLError, ValueError, TypeError, RecursionError):
                found.append(read(value))
    return found


def _yaml(text: str) -> Json:
    """Parse YAML; dates become text, as JSON has none."""
    found: Json = json.loads(json.dumps(yaml.load(text, Loader=yaml.CSafeLoader), default=str))
    return found


def canonical(value: Json) -> str:
    """Return the JSON text from which digests are made: the same for equal values, whatever the order of their keys."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def thaw(value: Json | Secret) -> Json:
    """Return plain JSON from a value that may be wrapped in `Secret`."""
    return value.reveal() if isinstance(value, Secret) else value
