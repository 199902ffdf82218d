"""Kopf as the operator's informer: no event handler here waits, decides or writes anything (docs/decisions/0003)."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import kopf

from foreman_stacks.cluster.port import CLUSTER_SCOPED, GROUP, VERSION, WATCHED, Key, Plural
from foreman_stacks.engine.engine import Engine

Login = Callable[[kopf.OperatorSettings], kopf.ConnectionInfo]
Build = Callable[[], Awaitable[Engine]]


class _Backoffs:
    """An endless series of pauses between retries, so that no outage of the API ends the process."""

    def __iter__(self) -> Iterator[float]:
        pause = 1.0
        while True:
            yield pause * random.uniform(0.8, 1.2)  # noqa: S311 - jitter needs no secrecy
            pause = min(pause * 2, 30.0)


def build_registry(build: Build, login: Login) -> kopf.OperatorRegistry:
    """Return a registry with the operator's handlers. Kopf's start builds the engine, its end stops it."""
    registry = kopf.OperatorRegistry()
    engines: list[Engine] = []

    @kopf.on.login(registry=registry)
    def log_in(settings: kopf.OperatorSettings, **_: Any) -> kopf.ConnectionInfo:
        return login(settings)

    @kopf.on.startup(registry=registry, errors=kopf.ErrorsMode.PERMANENT)  # `app` restarts Kopf, and sooner
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings)
        engine = await build()
        engines.append(engine)
        engine.start()

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        while engines:
            await engines.pop().stop()

    def watch(plural: Plural) -> None:
        @kopf.on.event(GROUP, VERSION, plural, registry=registry, id=plural)
        async def event(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - Kopf's name
            for engine in engines:
                translate(engine, plural, type, body)

    for plural in WATCHED:
        watch(plural)
    return registry


def translate(engine: Engine, plural: Plural, kind: str | None, body: Any) -> None:
    """Pass one watch event to the engine."""
    meta = body["metadata"]
    key = Key(plural, "" if plural in CLUSTER_SCOPED else meta["namespace"], meta["name"])
    if kind == "DELETED":
        engine.gone(key)
    else:
        engine.seen(key, body)


def configure(settings: kopf.OperatorSettings) -> None:
    """Make Kopf write nothing, scan nothing, and reconnect with patience (docs/decisions/0003)."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.reconnect_backoff = random.uniform(2.0, 5.0)  # noqa: S311 - jitter needs no secrecy
    settings.watching.inactivity_timeout = 70
    settings.watching.server_timeout = 300
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = _Backoffs()
    settings.queueing.exit_timeout = 5
    settings.process.ultimate_exiting_timeout = None  # else Kopf kills the process ten minutes after a run ended
    settings.persistence.finalizer = f"{GROUP}/kopf"
