"""Blotting secrets out of texts that others wrote: messages of Foreman, output of jobs, log lines of Puppet.

They repeat a value as it is, quoted or escaped, a line of it, or one entry of a list. A text is blotted before it is cut
to length: half a secret is one that nobody would find again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from foreman_stacks.model.values import Json

REDACTED = "***"
LEAST = 3
"""Characters: what is shorter cannot be told from ordinary text, and is no secret."""


class Redactor:
    """Replaces every form of some secret values, the longest first."""

    def __init__(self, values: Iterable[Json]) -> None:
        found = {form for value in values for text in _texts(value) for form in _forms(text)}
        self._forms = sorted(found, key=lambda form: (-len(form), form))

    def __call__(self, text: str) -> str:
        """The text without any of them."""
        for form in self._forms:
            text = text.replace(form, REDACTED)
        return text


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
    for plain in {text, text.strip(), *(line.strip() for line in text.splitlines())}:
        if len(plain) >= LEAST:
            yield from (
                plain,
                json.dumps(plain)[1:-1],
                json.dumps(plain, ensure_ascii=False)[1:-1],
                quote(plain, safe=""),
            )
