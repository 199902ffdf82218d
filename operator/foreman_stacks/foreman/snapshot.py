"""What has been read from Foreman for one decision.

An answer of the poller may be some seconds old; a decision that needs a current one uses a query that is never polled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from foreman_stacks.foreman.queries import Query, Written

R = TypeVar("R")
T = TypeVar("T")


class Unread(KeyError):
    """A decision needs answers that have not been read yet: the caller reads them and decides again."""

    def __init__(self, queries: Iterable[Query[Any]]) -> None:
        super().__init__("unread")
        self.queries = tuple(queries)


class Snapshot:
    """The answers read so far, by query. Looking up an unread query raises `Unread`: it does not count as "empty"."""

    def __init__(self, answers: Mapping[Query[Any], Any] | None = None) -> None:
        self._answers = answers if answers is not None else {}

    def __getitem__(self, query: Query[R]) -> R:
        if query not in self._answers:
            raise Unread([query])
        return cast("R", self._answers[query])

    def __contains__(self, query: Query[Any]) -> bool:
        return query in self._answers

    def written(self, place: str) -> str | None:
        """The text that this process last wrote to a place whose value Foreman hides, None when it wrote none."""
        return cast("str | None", self._answers.get(Written(place)))

    def need(self, queries: Iterable[Query[Any]]) -> None:
        """Raise `Unread` with all of these queries that have not been read, so that they are read together."""
        missing = [query for query in queries if query not in self._answers]
        if missing:
            raise Unread(missing)


def together(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Return the function's result for each item. Raises one `Unread` with what it lacks for all of them.

    Read one after the other, each item would cost a round of reading, and rounds are limited.
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
    """Return what both functions return. Raises one `Unread` with what both of them lack."""
    found = together(lambda look: look(), (one, other))
    return cast("R", found[0]), cast("T", found[1])
