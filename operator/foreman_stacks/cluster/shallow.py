"""Reads JSON of any depth: what is nested deeper than the operator ever uses is cut off, and the rest is read.

The apiserver accepts 10 000 levels in an untyped field, Python's decoder about 1 000. One such object made Kopf's list
of all objects unreadable and stopped the operator (docs/decisions/0007). Values of the API end at 32 levels, so
validation still refuses, by path, whatever was cut here.
"""

from __future__ import annotations

import json
import re
from itertools import chain
from typing import Any

DEEPEST = 100
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]')


def cut(text: str, deepest: int = DEEPEST) -> str:
    """Return the JSON text with `null` in place of every list and map nested deeper than `deepest` levels."""
    parts: list[str] = []
    depth = kept = 0
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign in "[{":
            depth += 1
            if depth == deepest + 1:
                parts.append(text[kept : token.start()])
                kept = len(text)
        elif sign in "]}":
            depth -= 1
            if depth == deepest:
                parts.append("null")
                kept = token.end()
    return "".join([*parts, text[kept:]])


def deep(value: Any, deepest: int = DEEPEST) -> bool:
    """Whether lists and maps are nested deeper than `deepest` levels."""
    level = [value]
    for _ in range(deepest):
        parts = (part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list))
        level = [part for part in chain.from_iterable(parts) if isinstance(part, dict | list)]
        if not level:
            return False
    return True


class ShallowDecoder(json.JSONDecoder):
    """The standard decoder; it cuts and decodes again what is too deep for it, or for code that walks the result."""

    def decode(self, s: str, *more: Any) -> Any:
        """Decode the text, without what is nested too deeply."""
        try:
            found = super().decode(s, *more)
        except RecursionError:
            return super().decode(cut(s), *more)
        return super().decode(cut(s), *more) if deep(found) else found


def install() -> None:
    """Make `json.loads` read any depth from now on, also where Kopf and aiohttp call it."""
    json._default_decoder = ShallowDecoder()  # type: ignore[attr-defined]  # noqa: SLF001 - the only hook in both
