"""What has been read of Foreman, for one decision.

An answer of the poller may be some seconds old; a decision that must not act on an old one asks a query that nobody polls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from foreman_stacks.foreman.queries import Query, Written

R = TypeVar("R")
T = TypeVar("T")


class Unread(KeyError):
    """A decision needs answers that nobody has read yet: read them and decide again."""

    def __init__(self, queries: Iterable[Query[Any]]) -> None:
        super().__init__("unread")
        self.queries = tuple(queries)


class Snapshot:
    """What has been read, by query. An unread query raises `Unread`: it is never "empty"."""

    def __init__(self, answers: Mapping[Query[Any], Any] | None = None) -> None:
        self._answers = answers if answers is not None else {}

    def __getitem__(self, query: Query[R]) -> R:
        if query not in self._answers:
            raise Unread([query])
        return cast("R", self._answers[query])

    def __contains__(self, query: Query[Any]) -> bool:
        return query in self._answers

    def written(self, place: str) -> str | None:
        """The text that this process last wrote to a hidden place, None when it wrote none."""
        return cast("str | None", self._answers.get(Written(place)))

    def need(self, queries: Iterable[Query[Any]]) -> None:
        """Raise `Unread` with all of these that are missing, so that they are asked for together."""
        missing = [query for query in queries if query not in self._answers]
        if missing:
            raise Unread(missing)


def together(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """What a function says of each item; what it lacks for them is asked for all together.

    Asked one after the other, each item costs a round of reading, and rounds are limited.
    """
    said: list[R] = []
    missing: dict[Query[Any], None] = {}
    for item in items:
        try:
            said.append(function(item))
        except Unread as unread:
            missing |= dict.fromkeys(unread.queries)
    if missing:
        raise Unread(missing)
    return said


def both(one: Callable[[], R], other: Callable[[], T]) -> tuple[R, T]:
    """What two looks say; what they lack is asked for together."""
    found = together(lambda look: look(), (one, other))
    return cast("R", found[0]), cast("T", found[1])
