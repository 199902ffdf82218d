"""Types of parameters and class parameters: what Foreman casts, refuses or drops (foreman-measured §1.1, §4)."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

TYPES = ("string", "boolean", "integer", "real", "array", "hash", "yaml", "json")
MASK = "*****"


class WrongType(ValueError):
    """The value does not fit the type; the text is Foreman's, `is invalid <type>`."""


def cast(value: Any, kind: str) -> Any:
    """Return a value as Foreman stores it under a type; raises WrongType.

    Follows core app/services/foreman/cast.rb and hostgroups-and-parameters 4, 19, 30.
    """
    if value is None:
        return None
    if kind == "string":
        return value if isinstance(value, str) else _text(value)
    try:
        return _CASTS[kind](value)
    except (ValueError, TypeError, KeyError, yaml.YAMLError) as wrong:
        raise WrongType(f"is invalid {kind}") from wrong


def _text(value: Any) -> str:
    """Return Ruby's `to_s`: booleans and numbers survive, arrays and hashes become Ruby source (foreman-api §7.3)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        return ruby(value)
    return str(value)


def ruby(value: Any) -> str:
    """Return Ruby's `inspect` of JSON data.

    A list of scalars parses as JSON again, a hash does not (class-parameters 29, 30, 58).
    """
    if value is None:
        return "nil"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{ruby(k)}=>{ruby(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(ruby(v) for v in value) + "]"
    return json.dumps(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "t", "yes", "y", "on", "1"):
        return True
    if str(value).lower() in ("false", "f", "no", "n", "off", "0"):
        return False
    raise ValueError(value)


def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = str(value)
    if re.fullmatch(r"0x[0-9a-f]+", text, re.IGNORECASE):
        return int(text, 16)
    if re.fullmatch(r"0\d+", text):
        return int(text, 8)
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    raise ValueError(value)


def _real(value: Any) -> float:
    if isinstance(value, bool) or not re.fullmatch(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?", str(value)):
        raise ValueError(value)
    return float(value)


def _structure(value: Any, wanted: type) -> Any:
    if isinstance(value, wanted):
        return value
    parsed = json.loads(value) if str(value).strip() else wanted()
    if not isinstance(parsed, wanted):
        raise ValueError(value)
    return parsed


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _yaml(value: Any) -> Any:
    """Reduce YAML to what JSON can hold: dates become text, keys become strings."""
    return json.loads(json.dumps(yaml.safe_load(value), default=str)) if isinstance(value, str) else value


_CASTS = {
    "boolean": _boolean,
    "integer": _integer,
    "real": _real,
    "array": lambda value: _structure(value, list),
    "hash": lambda value: _structure(value, dict),
    "json": _json,
    "yaml": _yaml,
}


def searchable(value: Any) -> str:
    """Return a parameter's text form, with which searches for `params.X` compare (foreman-api §10)."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, separators=(",", ":"))
