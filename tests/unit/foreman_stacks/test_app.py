"""Libraries print requests and replies at DEBUG; `app.quiet_libraries` is the one place that keeps them from it."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from foreman_stacks.app import LIBRARIES, quiet_libraries
from foreman_stacks.cluster.adapter import ClusterAdapter, connect
from foreman_stacks.foreman.client import ForemanClient
from foreman_stacks.metrics import Metrics
from foreman_stacks.model.journal import Entry

SECRETS = ("passw0rd-of-foreman", "t0ken-of-kubernetes", "s3ssion-of-foreman", "b0dy-of-a-secret")
PASSWORD, TOKEN, SESSION, BODY = SECRETS
LOGGERS = (
    "kubernetes.aio.client.rest", "kubernetes.client.rest", "kopf.objects", "kopf.activities", "kopf._cogs.clients.patching",
    "aiohttp.client", "aiohttp.access", "httpx", "httpcore.http11", "httpcore.connection", "asyncio",
)  # fmt: skip


@pytest.fixture
def root() -> Iterator[io.StringIO]:
    """All that is logged with the root logger at DEBUG; afterwards all levels are what they were."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    logger = logging.getLogger()
    before = logger.level
    levels = {name: logging.getLogger(name).level for name in (*LIBRARIES, *LOGGERS)}
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield text
    logger.removeHandler(handler)
    logger.setLevel(before)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


async def _journal(entry: Entry) -> None:
    return


async def _talk(directory: Path) -> None:
    """Both adapters speak to a server that has secrets in its replies, as they do in life."""

    async def secret(_: web.Request) -> web.Response:
        return web.json_response({"data": {"password": base64.b64encode(BODY.encode()).decode()}})

    async def status(_: web.Request) -> web.Response:
        return web.json_response({"version": BODY}, headers={"Set-Cookie": f"_session_id={SESSION}; path=/"})

    app = web.Application()
    app.add_routes([web.get("/api/v1/namespaces/ns/secrets/s", secret), web.get("/api/v2/status", status)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    client = ForemanClient(
        url, ("admin", PASSWORD), ca=None, requests=2, lockout=1.0, metrics=Metrics(), patience=(30, 30)
    )
    cluster = ClusterAdapter(await connect(str(_kubeconfig(directory, url))), _journal, Metrics())
    try:
        for _ in range(2):
            assert (await client.get("/api/v2/status"))["version"] == BODY
        assert await cluster.secret("ns", "s") == {"password": BODY.encode()}
    finally:
        await client.close()
        await cluster.close()
        await runner.cleanup()


def _kubeconfig(directory: Path, url: str) -> Path:
    path = directory / "kubeconfig"
    config = {
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(config))
    return path


def _shown(text: io.StringIO) -> list[str]:
    said = text.getvalue()
    return [secret for secret in SECRETS if secret in said or base64.b64encode(secret.encode()).decode() in said]


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_no_library_prints_what_it_sends_or_gets_with_the_root_logger_at_debug(
    root: io.StringIO, tmp_path: Path, level: str
) -> None:
    quiet_libraries(level)
    asyncio.run(_talk(tmp_path))
    for name in LOGGERS:
        logging.getLogger(name).debug("response body: %s", BODY)
    assert _shown(root) == []


def test_without_the_cap_they_would(root: io.StringIO, tmp_path: Path) -> None:
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.NOTSET)
    asyncio.run(_talk(tmp_path))
    assert SESSION in _shown(root)


def test_our_own_lines_are_not_capped(root: io.StringIO) -> None:
    quiet_libraries("DEBUG")
    logging.getLogger("foreman_stacks.engine").debug("looks around")
    assert "looks around" in root.getvalue()


def test_a_quieter_level_holds_for_libraries_too(root: io.StringIO) -> None:
    logging.getLogger().setLevel(logging.ERROR)
    quiet_libraries("ERROR")
    assert all(logging.getLogger(name).getEffectiveLevel() >= logging.ERROR for name in LIBRARIES)
