"""The port over HTTP: queries are merged into few requests, each change is one request, answers become records."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from foreman_stacks.errors import ForemanError, ForemanNotFound, ForemanStale
from foreman_stacks.foreman import activity, configuration, port
from foreman_stacks.foreman.client import ForemanClient
from foreman_stacks.foreman.search import Lists
from foreman_stacks.foreman.writes import REPLIES, WRITES, without_secrets
from foreman_stacks.model.journal import Entry, Journal

READERS = {**configuration.READERS, **activity.READERS}
"""The reader of each kind of query. It knows which request answers the query, and which queries can share one."""
RESERVED = 2
"""Concurrent requests kept free of host creations: these take up to minutes, and polls and probes must not wait."""


class ForemanAdapter:
    """`port.Foreman` on a `ForemanClient`."""

    def __init__(self, client: ForemanClient, journal: Journal, provisioning: int) -> None:
        self._client = client
        self._lists = Lists(client)
        self._journal = journal
        self._provisioning = asyncio.Semaphore(min(provisioning, max(1, client.requests - RESERVED)))

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def read(self, queries: Iterable[port.Query[Any]]) -> Mapping[port.Query[Any], Any]:
        """Answer every query, those of one kind together. Raises `ForemanError`."""
        by_kind: dict[type, list[port.Query[Any]]] = defaultdict(list)
        for query in dict.fromkeys(queries):
            by_kind[type(query)].append(query)
        answers: dict[port.Query[Any], Any] = {}
        for found in await asyncio.gather(*(READERS[kind](self._lists, group) for kind, group in by_kind.items())):
            answers.update(found)
        return answers

    async def write(self, change: port.Change) -> Any:
        """Do one change; return the row in the reply to a create or start, where it has one, else None.

        Raises `ForemanError`; `ForemanStale`, with nothing written, when the guarded object is no longer what it was.
        """
        if change.guard is not None:
            seen = (await self.read([change.guard]))[change.guard]
            if seen is None and change.verb == "delete":
                return None
            if seen is None or change.guarded is None or _witness(seen) != _witness(change.guarded):
                raise ForemanStale(f"{change}: it has changed since this was decided; nothing was written")
        what = f"{change.verb} {change.resource}"
        await self._journal(Entry("before", "foreman", what, change.key))
        try:
            if change.verb == "create" and change.resource == "host":
                async with self._provisioning:
                    row = await self._do(change)
            else:
                row = await self._do(change)
        except ForemanError as error:
            await self._journal(Entry("failed", "foreman", what, change.key))
            raise without_secrets(error, change.body) from None
        await self._journal(Entry("after", "foreman", what, change.key))
        return row

    async def _do(self, change: port.Change) -> Any:
        method, path, wrapper = WRITES[change.verb, change.resource]
        address = path.format(*(quote(str(part), safe="") for part in change.address))
        body = port.reveal(change.body)
        try:
            reply = await self._client.send(method, address, {wrapper: body} if wrapper else body)
        except ForemanNotFound:
            if change.verb == "delete":
                return None
            raise
        parser = REPLIES.get(change.resource) if change.verb in {"create", "start"} else None
        return parser(reply) if parser else None


def _witness(row: port.HostRow | port.Hostgroup) -> tuple[object, ...]:
    """Return what identifies a guarded object: where this differs, it is not the object the change was decided for."""
    if isinstance(row, port.HostRow):
        return (row.id, row.name, row.mark, row.uuid)
    return (row.id, row.title, row.mark)
