"""The journal of this process: metrics, the log, and an audit sink that may hold back any write."""

from __future__ import annotations

import asyncio
import logging

from foreman_stacks.metrics import Metrics
from foreman_stacks.model.journal import Entry

_log = logging.getLogger("foreman_stacks.journal")


class Audit:
    """Records every write before and after it. A socket gets each entry as one line, and must answer with one."""

    def __init__(self, metrics: Metrics, socket: str = "") -> None:
        self._metrics = metrics
        self._socket = socket
        self._turn = asyncio.Lock()
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __call__(self, entry: Entry) -> None:
        """Record the entry; with a socket, return only when the sink has answered."""
        if entry.moment == "before":
            self._metrics.write(entry.system, entry.what)
        _log.info("%s", entry)
        if self._socket:
            await self._announce(entry)

    async def _announce(self, entry: Entry) -> None:
        async with self._turn:
            if self._stream is None:
                self._stream = await asyncio.open_unix_connection(self._socket)
            reader, writer = self._stream
            writer.write(f"{entry}\n".encode())
            await writer.drain()
            if not await reader.readline():
                _log.error("the audit sink is gone; no write goes on")
                await asyncio.Event().wait()
