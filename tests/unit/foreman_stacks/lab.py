"""The simulator's lab in this very event loop, and the adapter on it: no process, and HTTP that is real unless told not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from unittest.mock import Mock

import httpx
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from foreman_simulator import scenarios
from foreman_simulator.app import Server
from foreman_simulator.plant import plant
from foreman_simulator.world import Settings, World
from foreman_stacks.foreman.adapter import ForemanAdapter
from foreman_stacks.foreman.client import ForemanClient
from foreman_stacks.foreman.port import Query, Snapshot, Unread
from foreman_stacks.metrics import Metrics
from foreman_stacks.model.journal import Entry

OUTER = "Base/Debian 12"
ENVIRONMENT = "production"


@dataclass
class Lab:
    """A simulated Foreman, the adapter on it, and what the journal was told."""

    world: World
    foreman: ForemanAdapter
    entries: list[Entry] = field(default_factory=list)

    async def ask(self, query: Query[Any]) -> Any:
        return (await self.foreman.read([query]))[query]

    def plant(self, resource: str, **fields: Any) -> dict[str, Any]:
        """Something that somebody else made."""
        made: dict[str, Any] = plant(self.world, [{"resource": resource, "object": fields}])[0]
        return made

    def rows(self, table: str) -> list[dict[str, Any]]:
        return list(self.world.rows(table))

    @property
    def requests(self) -> dict[str, int]:
        return dict(self.world.counts.requests)

    def forget(self) -> None:
        """Count anew."""
        self.world.counts = type(self.world.counts)()
        self.entries.clear()

    async def decided(self, decide: Callable[[Snapshot], Any], known: dict[Query[Any], Any] | None = None) -> Any:
        """What a decision says once all that it asks for has been read; `known` is added to."""
        answers = known if known is not None else {}
        for _ in range(50):
            try:
                return decide(Snapshot(answers))
            except Unread as unread:
                answers.update(await self.foreman.read(unread.queries))
        raise AssertionError("asks in a circle")


class _Body:
    """What a request brings, read by the server once."""

    def __init__(self, content: bytes) -> None:
        self._chunks = [b"", content]

    async def readany(self) -> bytes:
        return self._chunks.pop()


class _Connection:
    """What a server may cut."""

    whole = True

    def abort(self) -> None:
        self.whole = False


class _Direct(httpx.AsyncBaseTransport):
    """From the client to the server without a socket: a third of what a request costs, for tests that ask thousands."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._unused: dict[str, Any] = {name: Mock() for name in ("app", "protocol", "writer")}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        connection = _Connection()
        found = make_mocked_request(
            request.method,
            request.url.raw_path.decode(),
            request.headers.multi_items(),
            payload=cast("Any", _Body(await request.aread())),
            transport=connection,
            client_max_size=0,
            **self._unused,
        )
        reply = cast("web.Response", await self._server.handle(found))
        if not connection.whole:
            raise httpx.ReadError("the connection was cut")
        cookies = [("Set-Cookie", cookie.OutputString()) for cookie in reply.cookies.values()]
        return httpx.Response(
            reply.status, headers=[*reply.headers.items(), *cookies], content=cast("bytes", reply.body)
        )


@asynccontextmanager
async def _started(user: str, password: str, provisioning: int, seed: int, direct: bool) -> AsyncIterator[Lab]:
    world = World(Settings(seed=seed))
    scenarios.load(world)
    server = Server(world)
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    url = "http://direct"
    if not direct:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    client = ForemanClient(
        url,
        (user, password),
        ca=None,
        requests=8,
        lockout=300,
        metrics=Metrics(),
        patience=(30, 300),
        transport=_Direct(server) if direct else None,
    )
    entries: list[Entry] = []

    async def note(entry: Entry) -> None:
        entries.append(entry)

    found = Lab(world, ForemanAdapter(client, note, provisioning), entries)
    try:
        yield found
    finally:
        await found.foreman.close()
        await runner.cleanup()
    assert world.counts.unknown == [], "a request that no Foreman knows"
    assert world.counts.dropped == [], "a key that Foreman drops"


def in_lab(
    story: Callable[[Lab], Awaitable[None]],
    *,
    user: str = "admin",
    password: str = "changeme",
    provisioning: int = 4,
    seed: int = 1,
    direct: bool = False,
) -> None:
    """Tell a story in a lab of its own; `direct` leaves out the sockets."""

    async def run() -> None:
        async with _started(user, password, provisioning, seed, direct) as lab:
            await story(lab)

    asyncio.run(run())
