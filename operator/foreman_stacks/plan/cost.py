"""Bounds the memory that evaluating an expression can take, from its syntax tree and the sizes of what it refers to.

The CEL runtime limits iterations, but not memory: `text.replace('x', text)` makes gigabytes of a page of text, and a
`map` over n entries copies its list n times. Running out of memory ends the process, so nothing is evaluated unless its
worst case is harmless. The bound is coarse but never too low: it counts every intermediate result, once per turn of a
loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

MOST = 128 * 2**20
"""The most bytes for one evaluation: a `map` over some 2 800 entries. The operator has 512 MiB in all (manifests/)."""
MOST_TOGETHER = 768 * 2**20
"""The most bytes, in total, for all evaluations that bind a plan once: they take a few seconds of CPU time."""

_STEP = 256
"""Bytes for visiting a node, in the runtime and in this module."""
_SLOT = 64
"""Bytes for each entry of a list or map, in addition to the entry itself."""
_COPY = 16
"""Bytes for each entry of a list that is copied, as every turn of a `map` copies the result so far."""
_FIELD = 256
_FLOAT = 1_400
"""The most characters that `format` makes of one number."""


@dataclass(frozen=True)
class Size:
    """The size of a value: its bytes, the number of its entries, and the bytes of its largest entry."""

    total: int = 16
    count: int = 0
    each: int = 0

    @property
    def entry(self) -> Size:
        """The size of one entry, of which only the bytes are known: they bound its number of entries, too."""
        return Size(self.each, self.each, self.each)

    def __or__(self, other: Size) -> Size:
        return Size(max(self.total, other.total), max(self.count, other.count), max(self.each, other.each))

    def __add__(self, other: Size) -> Size:
        return Size(self.total + other.total, self.count + other.count, max(self.each, other.each))


SMALL = Size()
FIELD = Size(_FIELD)
"""The size of any field of a host: none is longer than a domain name."""
Sizes = Mapping[str, Size]


def measured(value: object) -> Size:
    """Return the size of a value that an expression refers to."""
    if isinstance(value, str):
        return Size(len(value) if value.isascii() else 4 * len(value))
    if isinstance(value, Message):
        return Size(4 * _FIELD, 4, _FIELD)
    if isinstance(value, Mapping):
        return _container([part for pair in value.items() for part in pair], len(value))
    if isinstance(value, Sequence):
        if value and isinstance(value[0], Message):  # hosts, all alike
            return Size(len(value) * (4 * _FIELD + _SLOT), len(value), 4 * _FIELD)
        return _container(value, len(value))
    return SMALL


def _container(parts: Sequence[object], count: int) -> Size:
    totals = [measured(part).total for part in parts]
    return Size(sum(totals) + _SLOT * len(totals), count, max(totals, default=0))


def worst(tree: Any, sizes: Sizes) -> int:
    """Return the most bytes that evaluating the checked expression `tree` takes when its variables have these sizes."""
    size, cost = _walk(tree, sizes)
    return cost + size.total


def _walk(node: Any, sizes: Sizes) -> tuple[Size, int]:
    kind = node.WhichOneof("kind")
    if kind == "const_expr":
        const = node.const_expr
        return Size(4 * max(len(const.string_value), len(const.bytes_value), 4)), _STEP
    if kind == "ident_expr":
        return sizes.get(node.ident_expr.name, SMALL), _STEP
    if kind == "select_expr":
        operand, cost = _walk(node.select_expr.operand, sizes)
        return (SMALL if node.select_expr.test_only else operand.entry), cost + _STEP
    if kind == "list_expr":
        return _list(node.list_expr.elements, sizes)
    if kind == "struct_expr":
        return _list([part for entry in node.struct_expr.entries for part in (entry.map_key, entry.value)], sizes)
    if kind == "comprehension_expr":
        return _loop(node.comprehension_expr, sizes)
    return _call(node.call_expr, sizes)


def _list(nodes: Sequence[Any], sizes: Sizes) -> tuple[Size, int]:
    walked = [_walk(node, sizes) for node in nodes]
    totals = [size.total for size, _ in walked]
    made = Size(sum(totals) + _SLOT * len(totals), len(totals), max(totals, default=0))
    return made, sum(cost for _, cost in walked) + made.total + _STEP


def _loop(loop: Any, sizes: Sizes) -> tuple[Size, int]:
    """Return size and cost of a macro: each turn adds to the result of the turns before, and may copy it."""
    over, cost = _walk(loop.iter_range, sizes)
    start, more = _walk(loop.accu_init, sizes)
    inside = {**sizes, loop.iter_var: over.entry, loop.iter_var2: over.entry, loop.accu_var: Size(0)}
    step, each = _walk(loop.loop_step, inside)
    _, test = _walk(loop.loop_condition, inside)
    turns = over.count
    gathered = Size(start.total + turns * step.total, start.count + turns * step.count, max(start.each, step.each))
    result, last = _walk(loop.result, {**sizes, loop.accu_var: gathered})
    copied = _COPY * turns * gathered.count
    return result, cost + more + turns * (each + test + _STEP) + gathered.total + copied + last


def _call(call: Any, sizes: Sizes) -> tuple[Size, int]:
    nodes = [call.target, *call.args] if call.HasField("target") else list(call.args)
    walked = [_walk(node, sizes) for node in nodes]
    arguments = [size for size, _ in walked]
    cost = sum(cost for _, cost in walked) + _STEP
    if call.function in _LOOKS:
        return SMALL, cost
    if call.function == "_[_]":
        return arguments[0].entry, cost
    if call.function == "_?_:_":
        return arguments[1] | arguments[2], cost
    if call.function in _TESTS:  # reads its arguments completely, and returns a boolean or a number
        return SMALL, cost + sum(size.total for size in arguments)
    made = _GROWTH.get(call.function, _sum)(arguments, nodes)
    return made, cost + made.total


_LOOKS = frozenset(
    {
        "size", "_&&_", "_||_", "!_", "@not_strictly_false", "_-_", "_*_", "_/_", "_%_", "-_", "int", "uint", "double",
        "bool",
    }
)  # fmt: skip
_TESTS = frozenset(
    {
        "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in", "contains", "startsWith", "endsWith", "matches", "indexOf",
        "lastIndexOf",
    }
)  # fmt: skip


def _sum(sizes: Sequence[Size], _: Sequence[Any]) -> Size:
    total = Size(0)
    for size in sizes:
        total += size
    return total


def _string(sizes: Sequence[Size], _: Sequence[Any]) -> Size:
    return Size(sizes[0].total + 32)


def _quoted(sizes: Sequence[Size], _: Sequence[Any]) -> Size:
    return Size(6 * sizes[0].total + 2)


def _replaced(sizes: Sequence[Size], nodes: Sequence[Any]) -> Size:
    """The new text is inserted as often as the old one can occur, or as the fourth argument allows."""
    text, _, new = sizes[:3]
    times = text.total // max(1, len(nodes[1].const_expr.string_value)) + 1
    if len(nodes) > 3 and nodes[3].const_expr.int64_value > 0:
        times = min(times, nodes[3].const_expr.int64_value)
    return Size(text.total + times * new.total)


def _split(sizes: Sequence[Size], nodes: Sequence[Any]) -> Size:
    text = sizes[0].total
    count = text // max(1, len(nodes[1].const_expr.string_value)) + 1
    return Size(text + count * _SLOT, count, text)


def _joined(sizes: Sequence[Size], _: Sequence[Any]) -> Size:
    between = sizes[1].total if len(sizes) > 1 else 0
    return Size(sizes[0].total + sizes[0].count * between)


def _formatted(sizes: Sequence[Size], nodes: Sequence[Any]) -> Size:
    text = nodes[0].const_expr.string_value
    places = text.count("%") if text else sizes[0].total // 2 + 1
    return Size(sizes[0].total + places * (_FLOAT + 6 * sizes[1].each))


_GROWTH: Mapping[str, Callable[[Sequence[Size], Sequence[Any]], Size]] = {
    "string": _string,
    "strings.quote": _quoted,
    "replace": _replaced,
    "split": _split,
    "join": _joined,
    "format": _formatted,
}
"""Sizes of results that may be larger than all arguments together; for other functions their sum is enough."""


def _expr(name: str, number: int, *, many: bool = False) -> dict[str, Any]:
    label = {"label": "LABEL_REPEATED"} if many else {}
    return {"name": name, "number": number, "type": "TYPE_MESSAGE", "typeName": ".foreman_stacks.Expr", **label}


MESSAGES: Sequence[Mapping[str, Any]] = (
    {"name": "Expr", "oneofDecl": [{"name": "kind"}], "field": [
        {"name": name, "number": number, "type": "TYPE_MESSAGE", "typeName": f".foreman_stacks.{kind}", "oneofIndex": 0}
        for name, number, kind in (
            ("const_expr", 3, "Constant"), ("ident_expr", 4, "Ident"), ("select_expr", 5, "Select"), ("call_expr", 6, "Call"),
            ("list_expr", 7, "List"), ("struct_expr", 8, "Struct"), ("comprehension_expr", 9, "Comprehension"),
        )
    ]},
    {"name": "Constant", "field": [
        {"name": "int64_value", "number": 3, "type": "TYPE_INT64"}, {"name": "string_value", "number": 6, "type": "TYPE_STRING"},
        {"name": "bytes_value", "number": 7, "type": "TYPE_BYTES"},
    ]},
    {"name": "Ident", "field": [{"name": "name", "number": 1, "type": "TYPE_STRING"}]},
    {"name": "Select", "field": [_expr("operand", 1), {"name": "test_only", "number": 3, "type": "TYPE_BOOL"}]},
    {"name": "Call", "field": [
        _expr("target", 1), {"name": "function", "number": 2, "type": "TYPE_STRING"}, _expr("args", 3, many=True),
    ]},
    {"name": "List", "field": [_expr("elements", 1, many=True)]},
    {"name": "Pair", "field": [_expr("map_key", 3), _expr("value", 4)]},
    {"name": "Struct", "field": [{**_expr("entries", 2, many=True), "typeName": ".foreman_stacks.Pair"}]},
    {"name": "Comprehension", "field": [
        {"name": "iter_var", "number": 1, "type": "TYPE_STRING"}, {"name": "iter_var2", "number": 8, "type": "TYPE_STRING"},
        {"name": "accu_var", "number": 3, "type": "TYPE_STRING"}, _expr("iter_range", 2), _expr("accu_init", 4),
        _expr("loop_condition", 5), _expr("loop_step", 6), _expr("result", 7),
    ]},
)  # fmt: skip
"""The part of the protobuf message `cel.expr.Expr` that this module walks, as a descriptor."""
