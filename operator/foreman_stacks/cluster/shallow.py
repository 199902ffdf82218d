"""JSON of any depth: what is nested deeper than anything that we use is cut off, instead of breaking the whole text.

The apiserver takes 10 000 levels in an untyped field, Python's decoder about 1 000. One such object made Kopf's list of
all objects unreadable, and with it the operator (docs/decisions/0007). Values of ours end at 32 levels: what is cut here
is refused there, by path, like any other.
"""

from __future__ import annotations

import json
import re
from itertools import chain
from typing import Any

DEEPEST = 100
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]')


def cut(text: str, deepest: int = DEEPEST) -> str:
    """The JSON text with `null` in place of every list and map below so many levels."""
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
    """Whether lists and maps stand in one another below so many levels."""
    level = [value]
    for _ in range(deepest):
        parts = (part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list))
        level = [part for part in chain.from_iterable(parts) if isinstance(part, dict | list)]
        if not level:
            return False
    return True


class ShallowDecoder(json.JSONDecoder):
    """The standard decoder, with a second try for what is too deep for it, or for those who walk through the result."""

    def decode(self, s: str, *more: Any) -> Any:
        """What the text says, but for its depths."""
        try:
            found = super().decode(s, *more)
        except RecursionError:
            return super().decode(cut(s), *more)
        return super().decode(cut(s), *more) if deep(found) else found


def install() -> None:
    """From here on `json.loads` reads any depth, also when Kopf and aiohttp call it."""
    json._default_decoder = ShallowDecoder()  # type: ignore[attr-defined]  # noqa: SLF001 - the only seam that both share
