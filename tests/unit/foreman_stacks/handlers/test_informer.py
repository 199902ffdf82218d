"""Kopf's runs end, though Kopf may not."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any, cast

import kopf
import pytest

from foreman_stacks.handlers import informer


def _kopf(monkeypatch: pytest.MonkeyPatch, root: Any, end: Any) -> None:
    async def spawn_tasks(**_: Any) -> list[asyncio.Task[None]]:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)
        return [asyncio.create_task(root()), asyncio.create_task(asyncio.Event().wait())]

    async def run_tasks(tasks: list[asyncio.Task[None]], **_: Any) -> None:
        tasks[1].cancel()
        await end(tasks)

    monkeypatch.setattr(kopf, "spawn_tasks", spawn_tasks)
    monkeypatch.setattr(kopf, "run_tasks", run_tasks)


async def _watch(stop: asyncio.Event) -> None:
    await informer.watch(cast("Any", None), stop)


async def _at_once() -> None:
    return


async def _never(_: Any) -> None:
    await asyncio.Event().wait()


async def _reraise(tasks: list[asyncio.Task[None]]) -> None:
    await tasks[0]


def test_a_kopf_that_does_not_end_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(informer, "ENDING", 0.01)
    _kopf(monkeypatch, _at_once, _never)

    async def play() -> None:
        with pytest.raises(informer.Hung):
            await _watch(asyncio.Event())
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}, "tasks of Kopf are left"

    asyncio.run(play())


def test_what_ended_kopf_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails() -> None:
        raise ValueError("410")

    _kopf(monkeypatch, fails, _reraise)
    with pytest.raises(ValueError, match="410"):
        asyncio.run(_watch(asyncio.Event()))


def test_signals_are_ours_though_kopf_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        stop = asyncio.Event()

        async def signalled() -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(stop.wait(), 10)

        _kopf(monkeypatch, signalled, _reraise)
        await _watch(stop)

    asyncio.run(play())
