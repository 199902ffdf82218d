"""Blotting secrets out of texts that others wrote: messages of Foreman, output of jobs, log lines of Puppet.

They repeat a value as it is, quoted or escaped, a line of it, or one entry of a list. A text is blotted before it is cut
to length: half a secret is one that nobody would find again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from foreman_stacks.model.values import Json

REDACTED = "***"
LEAST = 3
"""Characters: what is shorter cannot be told from ordinary text, and is no secret."""
LEAST_LINE = 8
"""Characters of one line of several: "}" or "true" alone is ordinary text, and a file has many such lines."""

_escaped = json.JSONEncoder().encode
_quoted = json.JSONEncoder(ensure_ascii=False).encode


class Redactor:
    """Replaces every form of some secret values, the longest first; what overlaps goes as one.

    There may be thousands of forms and of texts, so a text is searched once: for places where the first characters could be
    those of some form, and only there is it looked which form it is.
    """

    def __init__(self, values: Iterable[Json]) -> None:
        self._forms = frozenset(form for value in values for text in _texts(value) for form in _forms(text))
        self._lengths = sorted({len(form) for form in self._forms}, reverse=True)
        self._head = min([*self._lengths, LEAST_LINE])
        self._heads = frozenset(form[: self._head] for form in self._forms)
        first, *others = [
            f"[{re.escape(''.join(sorted({*column})))}]" for column in zip(*self._heads, strict=True)
        ] or [""]
        self._may_begin = re.compile(f"{first}(?={''.join(others)})")

    def __call__(self, text: str) -> str:
        """The text without any of them."""
        if not self._forms:
            return text
        parts, end = [], 0
        for begin, behind in self._places(text):
            if begin >= end:
                parts += [text[end:begin], REDACTED]
            end = max(end, behind)
        return "".join([*parts, text[end:]])

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        """Where forms begin and end, the longest one at each place."""
        for found in self._may_begin.finditer(text):
            begin = found.start()
            if text[begin : begin + self._head] not in self._heads:
                continue
            for length in self._lengths:
                if begin + length <= len(text) and text[begin : begin + length] in self._forms:
                    yield begin, begin + length
                    break


def _texts(value: Json) -> Iterator[str]:
    """Every text and number in a value; of JSON text also what is inside."""
    if isinstance(value, str):
        yield value
        inner = _inner(value)
        if inner is not None:
            yield from _texts(inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def _inner(text: str) -> Json:
    """The structure that a JSON text holds: arrays and hashes go to Foreman in that form."""
    if text[:1] not in {"[", "{"}:
        return None
    try:
        found: Json = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found


def _forms(text: str) -> Iterator[str]:
    """The text itself, its lines, and how JSON, Ruby and URLs write them."""
    lines = {line.strip() for line in text.splitlines()}
    for plain in {text, text.strip()} | {line for line in lines if len(line) >= LEAST_LINE}:
        if len(plain) >= LEAST:
            yield from (plain, _escaped(plain)[1:-1], _quoted(plain)[1:-1], quote(plain, safe=""))
