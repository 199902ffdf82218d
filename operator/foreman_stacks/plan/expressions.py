"""Expressions: CEL with statically typed, dotted names.

Every name that an expression may refer to is declared with its type (`parameters.heap`, `roles.zk.leader.ip`), never as
a key of an untyped map, so that a typo or a wrong type is refused when the Stack is accepted, not when a host is half
built. Known limits of the runtime: 10 000 iterations per evaluation, 32 levels of nesting, and `map` over n items costs
n² (1 000 hosts: 30 ms).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import Message

from foreman_stacks.errors import InvalidSpec, Problem
from foreman_stacks.model.values import Json, ValueType
from foreman_stacks.plan.cost import MESSAGES, Sizes, worst
from foreman_stacks.plan.explain import explain, misfit

VariableType: TypeAlias = ValueType | Literal["host", "hosts"]

HOST_FIELDS: Mapping[str, ValueType] = {"name": "string", "fqdn": "string", "ip": "string", "index": "integer"}
"""The fields of a host in expressions, with their types."""

_HOST = "foreman_stacks.Host"
_PROTO = {
    "name": "foreman_stacks/expressions.proto",
    "package": "foreman_stacks",
    "syntax": "proto3",
    "messageType": [
        {
            "name": "Host",
            "field": [
                {"name": name, "number": number, "type": "TYPE_INT64" if kind == "integer" else "TYPE_STRING"}
                for number, (name, kind) in enumerate(HOST_FIELDS.items(), start=1)
            ],
        },
        {"name": "Reference", "field": [{"name": "name", "number": 1, "type": "TYPE_STRING"}]},
        {
            "name": "Entry",
            "field": [{"name": "value", "number": 2, "type": "TYPE_MESSAGE", "typeName": ".foreman_stacks.Reference"}],
        },
        {
            "name": "Checked",
            "field": [
                {
                    "name": "reference_map",
                    "number": 2,
                    "label": "LABEL_REPEATED",
                    "type": "TYPE_MESSAGE",
                    "typeName": ".foreman_stacks.Entry",
                },
                {"name": "expr", "number": 4, "type": "TYPE_MESSAGE", "typeName": ".foreman_stacks.Expr"},
            ],
        },
        *MESSAGES,
    ],
}
"""`Host`, and the part of `cel.expr.CheckedExpr` that is read here; a protobuf map is a list of entries."""

_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(json_format.ParseDict(_PROTO, descriptor_pb2.FileDescriptorProto()))
_Host: type[Message] = message_factory.GetMessageClass(_POOL.FindMessageTypeByName(_HOST))
_Checked: Any = message_factory.GetMessageClass(_POOL.FindMessageTypeByName("foreman_stacks.Checked"))

_TYPES: Mapping[VariableType, Any] = {
    "string": cel.Type.STRING,
    "boolean": cel.Type.BOOL,
    "integer": cel.Type.INT,
    "real": cel.Type.DOUBLE,
    "array": cel.Type.LIST,
    "hash": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "yaml": cel.Type.DYN,
    "json": cel.Type.DYN,
    "host": cel.Type(_HOST),
    "hosts": cel.Type.List(cel.Type(_HOST)),
}
_RESULTS: Mapping[str, ValueType] = {
    "STRING": "string",
    "BOOL": "boolean",
    "INT": "integer",
    "UINT": "integer",
    "DOUBLE": "real",
    "LIST": "array",
    "MAP": "hash",
}
_PLAIN = frozenset({*_RESULTS, "DYN"})
_ASKS = re.compile(r"\bhas\(\s*([a-z][\w.]*)\s*\)")


def host_message(name: str, fqdn: str, ip: str, index: int) -> Message:
    """Return a host as expressions see it."""
    return _Host(name=name, fqdn=fqdn, ip=ip, index=index)


@dataclass(frozen=True)
class Expression:
    """A compiled expression, written at `path`; `type` is that of its result, `references` are the names that it needs.

    Two are equal when path, text and type are.
    """

    path: str
    text: str
    type: ValueType
    references: frozenset[str] = field(compare=False)
    _program: Any = field(compare=False, repr=False)
    _tree: Any = field(compare=False, repr=False)

    def worst(self, sizes: Sizes) -> int:
        """Return the most bytes that `evaluate` takes with values of these sizes; to be checked first (see `cost`)."""
        return worst(self._tree, sizes)

    def evaluate(self, values: Mapping[str, object], *, hidden: bool = False) -> Json:
        """Return the result as JSON; `values` has exactly the names in `references`.

        Raises `InvalidSpec` when the expression cannot be evaluated, or its result is not JSON. With `hidden` the
        message does not quote the runtime, which may quote a secret.
        """
        try:
            result = self._program.eval(data=values)
            value = result.plain_value()
        except (RuntimeError, ValueError, TypeError, OverflowError) as error:
            raise self._failed(str(error), hidden=hidden) from None
        if isinstance(value, str) and result.type() == cel.Type.ERROR:
            raise self._failed(value, hidden=hidden)
        try:
            return _json(value)
        except TypeError as error:
            raise InvalidSpec([Problem(self.path, *misfit(self.type, str(error)))]) from None

    def _failed(self, text: str, *, hidden: bool) -> InvalidSpec:
        if hidden:
            what, mend = (
                "cannot be evaluated (details are hidden, it uses a sensitive value)",
                "check what it refers to",
            )
        else:
            what, mend = explain(text, self.references)
        return InvalidSpec([Problem(self.path, what, mend)])


class Environment:
    """The names that expressions in one place may refer to, with their types."""

    def __init__(self, variables: Mapping[str, VariableType]) -> None:
        self._variables = frozenset(variables)
        types = {name: _TYPES[kind] for name, kind in variables.items()}
        self._env = cel.NewEnv(_POOL, variables=types, extensions=[ext_strings.ExtStrings()])

    def compile(self, text: str, path: str, kind: ValueType | None = None) -> Expression:
        """Compile an expression whose result must fit `kind`; without `kind`, its type is that of the result.

        Raises `InvalidSpec` for wrong syntax, unknown names, wrong types and a result that does not fit.
        """
        asked = [name for name in _ASKS.findall(text) if name in self._variables]
        if asked:  # the checker would resolve it to the variable itself and drop the test
            what = f"has() cannot test {asked[0]}: every name that is known here has a value"
            raise InvalidSpec(
                [Problem(path, what, "remove has(), or give the parameter a default and compare with the default")]
            )
        try:
            program = self._env.compile(text)
        except RuntimeError as error:
            raise InvalidSpec([Problem(path, *explain(str(error), self._variables))]) from None
        result = _result_type(str(program.return_type()), kind)
        if isinstance(result, tuple):
            raise InvalidSpec([Problem(path, *result)])
        checked = _checked(program)
        references = frozenset(entry.value.name for entry in checked.reference_map)  # of functions and local names, too
        return Expression(path, text, result, references & self._variables, program, checked.expr)


def matches(pattern: str, text: str) -> bool:
    """Whether the RE2 pattern is found in the text, in linear time (Python's `re` may hang on a hostile pattern).

    Raises ValueError for an invalid pattern.
    """
    result = _MATCH.eval(data={"text": text, "pattern": pattern})
    value = result.plain_value()
    if not isinstance(value, bool):
        raise ValueError(str(value).partition(": ")[2] or str(value))
    return value


_MATCH = cel.NewEnv(variables={"text": cel.Type.STRING, "pattern": cel.Type.STRING}).compile("text.matches(pattern)")


def _checked(program: Any) -> Any:
    """Return the checked expression of a program: its syntax tree and its `reference_map`."""
    wrapped = any_pb2.Any.FromString(program.serialize())
    return _Checked.FromString(wrapped.value)


def _result_type(name: str, kind: ValueType | None) -> ValueType | tuple[str, str]:
    """Return the value type for a result of this CEL type, or what is wrong with it and what to do."""
    words = re.findall(r"[\w.]+", name)
    keys = re.findall(r"MAP<([\w.]+)", name)
    if not _PLAIN.issuperset(words) or not {"STRING", "DYN"}.issuperset(keys):
        return misfit(kind, name)
    if kind in ("yaml", "json") or (kind is not None and words[0] == "DYN"):
        return kind
    if words[0] == "DYN":
        return "has a result whose type is known only once it is evaluated", "declare its type in the field `type`"
    found = _RESULTS[words[0]]
    if kind is None or kind == found or (kind, found) == ("real", "integer"):
        return kind or found
    return misfit(kind, found)


def _json(value: Any) -> Json:
    """Return the runtime's plain value as JSON. Raises TypeError, which names the type, if it is not JSON."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"the number {value}")
        return value
    if isinstance(value, list):
        return [_json(item) for item in value]
    if isinstance(value, dict):
        odd = next((key for key in value if not isinstance(key, str)), None)
        if odd is not None:
            raise TypeError("MAP with keys that are no strings")
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, Message):
        raise TypeError(_HOST)
    raise TypeError("BYTES" if isinstance(value, bytes | bytearray) else type(value).__name__)
