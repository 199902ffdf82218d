"""/livez, /readyz and /metrics. Kopf's own probe is not used, since it checks no watcher."""

from __future__ import annotations

import logging
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from foreman_stacks.metrics import Metrics

ENDING = 5.0
"""Seconds that the requests in progress have to finish when the process ends."""

_log = logging.getLogger(__name__)


async def serve(
    host: str, port: int, metrics: Metrics, alive: Callable[[], bool], ready: Callable[[], bool]
) -> web.AppRunner:
    """Start the server and return its runner, which the caller cleans up."""

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if alive() else web.Response(text="stuck\n", status=503)

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if ready() else web.Response(text="starting\n", status=503)

    async def expose(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", expose)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=ENDING)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    _log.info("/livez, /readyz and /metrics on port %d", runner.addresses[0][1])
    return runner
