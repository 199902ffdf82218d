"""Redacting secrets in texts of other programs: messages of Foreman, output of jobs, log lines of Puppet.

Such a text may contain a value as it is, quoted or escaped, or only one of its lines or one entry of a list. It must be
redacted before it is truncated: a secret that was cut in half would no longer be found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from foreman_stacks.model.values import Json

REDACTED = "***"
LEAST = 3
"""The least length of a secret in characters: anything shorter occurs in ordinary text, too."""
LEAST_LINE = 8
"""The least length of one line of a multi-line secret: lines such as `}` or `true` occur in ordinary text, too."""

_escaped = json.JSONEncoder().encode
_quoted = json.JSONEncoder(ensure_ascii=False).encode


class Redactor:
    """Replaces every form of some secret values, the longest at each place first; overlapping ones are replaced as one.

    There may be thousands of forms and of texts, so a text is scanned only once, by a regular expression that finds
    places where the first characters may be those of some form. Only there are the forms themselves compared.
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
        """Return the text with every secret replaced by `REDACTED`."""
        if not self._forms:
            return text
        parts, end = [], 0
        for begin, behind in self._places(text):
            if begin >= end:
                parts += [text[end:begin], REDACTED]
            end = max(end, behind)
        return "".join([*parts, text[end:]])

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where forms begin and end, the longest form at each place."""
        for found in self._may_begin.finditer(text):
            begin = found.start()
            if text[begin : begin + self._head] not in self._heads:
                continue
            for length in self._lengths:
                if begin + length <= len(text) and text[begin : begin + length] in self._forms:
                    yield begin, begin + length
                    break


def _texts(value: Json) -> Iterator[str]:
    """Yield every text and number in a value; of a JSON text, also those inside it."""
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
    """Return the array or hash that a JSON text holds (the form in which Foreman gets them); None for other texts."""
    if text[:1] not in {"[", "{"}:
        return None
    try:
        found: Json = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found


def _forms(text: str) -> Iterator[str]:
    """Yield the text itself and its lines, each plain and as JSON, Ruby and URLs write it."""
    lines = {line.strip() for line in text.splitlines()}
    for plain in {text, text.strip()} | {line for line in lines if len(line) >= LEAST_LINE}:
        if len(plain) >= LEAST:
            yield from (plain, _escaped(plain)[1:-1], _quoted(plain)[1:-1], quote(plain, safe=""))
