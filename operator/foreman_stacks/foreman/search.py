"""Lists from Foreman: pages, thin rows and the text of searches, which no other module quotes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

from foreman_stacks.errors import ForemanNotFound
from foreman_stacks.foreman import port
from foreman_stacks.foreman.client import ForemanClient

Q = TypeVar("Q", bound=port.Query[Any])
Answers: TypeAlias = dict[port.Query[Any], Any]
Reader: TypeAlias = Callable[["Lists", Sequence[Any]], Awaitable[Mapping[port.Query[Any], Any]]]
_JOINT = len("%20or%20")

PAGE = 500
AT_ONCE = 4
"""Requests of one kind that one pass has in flight. The client serves requests in their order, so more would make other
passes wait.
"""
THIN_PAGE = 5_000
"""Rows per page of a thin search. A deployment has no more hosts, so a thousand cost as many requests as ten."""
ROOM = 8_000
"""Most characters of a URL-encoded search: a query string may have 10 240 (measured §1.3), and holds more than it."""


class Lists:
    """Reads single objects and lists from one Foreman."""

    def __init__(self, client: ForemanClient) -> None:
        self._client = client

    async def get(self, path: str, **query: str | int) -> Any:
        """Send one GET and return the JSON of the reply, None for a 404."""
        try:
            return await self._client.get(path, query or None)
        except ForemanNotFound:
            return None

    async def pages(self, path: str, search: str, **more: str | int) -> list[Any]:
        """Return all rows that a search finds, read page by page."""
        size = int(more.get("per_page", PAGE))
        rows: list[Any] = []
        page = 1
        while True:
            query = ({"search": search} if search else {}) | {"per_page": size, "page": page, **more}
            reply = await self._client.get(path, query)
            found = reply.get("results", [])
            if isinstance(found, dict):
                found = [row for group in found.values() for row in group]
            rows.extend(found)
            if len(found) < size or len(rows) >= int(reply.get("subtotal") or 0):
                return rows
            page += 1

    async def thin(self, search: str) -> list[port.ThinHost]:
        """Return id and FQDN of the hosts that a search finds: nearly free for the server (measured §1.3)."""
        rows = await self.pages("/api/v2/hosts", search, per_page=THIN_PAGE, thin="true", order="id ASC")
        return [port.ThinHost(row["id"], row["name"]) for row in rows]


def quoted(text: str) -> str:
    """Quote a value for scoped_search, the language of Foreman's searches."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def one_of(values: Iterable[str | int]) -> str:
    """Format the list that follows `^` ("is one of") in a search."""
    return "(" + ",".join(str(value) for value in values) + ")"


def chunks(items: Sequence[Q], text: Callable[[Q], str | int], most: int = PAGE) -> Iterator[Sequence[Q]]:
    """Split items into parts that fit into one search each; `text` is an item's share of the search."""
    part: list[Q] = []
    room = ROOM
    for item in items:
        length = len(quote(str(text(item)))) + _JOINT
        if part and (length > room or len(part) == most):
            yield part
            part, room = [], ROOM
        part.append(item)
        room -= length
    if part:
        yield part


def each(read: Callable[[Lists, Any], Awaitable[Any]]) -> Reader:
    """Make a reader of a function that answers one query. Only a few run at once, so that others get their turn."""

    async def reader(lists: Lists, queries: Sequence[Any]) -> Mapping[port.Query[Any], Any]:
        found: Answers = {}
        left = iter(queries)

        async def ask() -> None:
            try:
                for query in left:
                    found[query] = await read(lists, query)
            except BaseException:
                for _ in left:  # the whole read has failed: do not ask the rest
                    pass
                raise

        await asyncio.gather(*(ask() for _ in queries[:AT_ONCE]))
        return found

    return reader
