"""What the kubelet and Prometheus ask over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web

from foreman_stacks import app as program
from foreman_stacks.engine.engine import Engine
from foreman_stacks.handlers.probes import serve
from foreman_stacks.metrics import Metrics
from foreman_stacks.settings import Settings


async def get(runner: web.AppRunner, path: str) -> tuple[int, str]:
    """Status and text of one GET."""
    url = f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
    async with aiohttp.ClientSession() as client, client.get(url) as reply:
        return reply.status, await reply.text()


def ask(path: str, *, alive: bool, ready: bool) -> tuple[int, str]:
    """What a process answers that is so."""

    async def play() -> tuple[int, str]:
        runner = await serve("127.0.0.1", 0, Metrics(), alive=lambda: alive, ready=lambda: ready)
        try:
            return await get(runner, path)
        finally:
            await runner.cleanup()

    return asyncio.run(play())


@pytest.mark.parametrize("ready", [True, False])
def test_a_dead_loop_is_told_from_a_live_one(ready: bool) -> None:
    assert ask("/livez", alive=True, ready=ready) == (200, "ok\n")
    assert ask("/livez", alive=False, ready=ready) == (503, "stuck\n")


@pytest.mark.parametrize("alive", [True, False])
def test_ready_is_not_alive(alive: bool) -> None:
    assert ask("/readyz", alive=alive, ready=True) == (200, "ok\n")
    assert ask("/readyz", alive=alive, ready=False) == (503, "starting\n")


def test_metrics_are_there_though_nothing_else_is() -> None:
    status, text = ask("/metrics", alive=False, ready=False)
    assert status == 200
    for name in ("foreman_stacks_queue_depth", "process_resident_memory_bytes", "python_info"):
        assert f"\n{name}" in text


class Thing:
    """An engine, or a connection to Kubernetes, of which only this is asked."""

    def __init__(self, alive: bool = True, running: bool = True) -> None:
        self.alive = alive
        self.running = running

    async def stop(self) -> None:
        return

    close = stop


def test_the_process_answers_for_its_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    process = program.App(Settings(http_host="127.0.0.1", http_port=0))
    runners: list[web.AppRunner] = []
    told = []

    async def connected(_: Any) -> Thing:
        return Thing()

    async def served(*arguments: Any) -> web.AppRunner:
        runners.append(await serve(*arguments))
        return runners[0]

    async def watch(_: Any, stop: asyncio.Event) -> None:
        for engine in (None, Thing(), Thing(running=False), Thing(alive=False)):
            process.engine = cast("Engine | None", engine)
            told.append([(await get(runners[0], path))[0] for path in ("/livez", "/readyz")])
        stop.set()

    for name, replacement in {"connect": connected, "serve": served, "watch": watch}.items():
        monkeypatch.setattr(program, name, replacement)
    asyncio.run(process.run())
    assert told == [[200, 503], [200, 200], [200, 503], [503, 200]]
