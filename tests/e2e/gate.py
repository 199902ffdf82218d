"""A gate in front of a server: it can be shut, be slow, answer by itself, or speak TLS, while the server goes on.

It forwards everything else as it comes, streams too, so that a watch on the Kubernetes API works through it.
"""

import asyncio
import fnmatch
import json
import socket
import ssl
import tempfile
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web
from yarl import URL

HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "content-length", "host"}
KEY = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgksrW8RwTZYmSA0Go
rWbo5fE1Kxoq7ZQ3KdUbqsrjhkOhRANCAASgjTmBYNp1dRV+XPQO422bkMBpi9Ob
jLh2SnT0M31LGsdEXuzdO1vDXFTFbxgfw/oOL+kiYu64bma14aevc26W
-----END PRIVATE KEY-----
"""
CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBsjCCAVegAwIBAgIUCnWfAoz20MaBm56zasCEAeIFU1IwCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMRm9yZW1hbiB0ZXN0MCAXDTI2MTEyNDA4NDM1MVoYDzIxMjYx
MDMxMDg0MzUxWjAXMRUwEwYDVQQDDAxGb3JlbWFuIHRlc3QwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAASgjTmBYNp1dRV+XPQO422bkMBpi9ObjLh2SnT0M31LGsdE
XuzdO1vDXFTFbxgfw/oOL+kiYu64bma14aevc26Wo38wfTAdBgNVHQ4EFgQU2O78
pyj6LTs0vX+X1j2JcDgGBcYwHwYDVR0jBBgwFoAU2O78pyj6LTs0vX+X1j2JcDgG
BcYwGgYDVR0RBBMwEYcEfwAAAYIJbG9jYWxob3N0MA4GA1UdDwEB/wQEAwIChDAP
BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQDhF5e4xaXqgnCoZOaj
TGPmWwEYAyRBnAogt7F9WBwJ9wIhAPuQeHUNbX2mT/6JWIad8xcxAKvCeUrvmCCl
EdVdC74i
-----END CERTIFICATE-----
"""
"""Self-signed, for 127.0.0.1 and localhost, valid for a hundred years; only the tests trust it."""


@dataclass
class Rule:
    """What the gate answers by itself, for which requests, and how often (`count`; None: until the rule is dropped)."""

    status: int = 503
    body: Any = ""
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "*"
    path: str = "*"
    query: str = ""
    count: int | None = None
    hits: int = 0

    def fits(self, request: web.Request) -> bool:
        """Whether the rule is for this request; `query` must occur in the request's query string."""
        spent = self.count is not None and self.hits >= self.count
        asked = self.method in {"*", request.method} and fnmatch.fnmatchcase(request.path, self.path)
        return asked and not spent and self.query in request.query_string


class Gate:
    """One gate on loopback, in a thread of its own. `target` is the server behind it; without one, it answers 404."""

    def __init__(self, target: str | None, *, ca: str | None = None, tls: bool = False) -> None:
        self.rules: list[Rule] = []
        self.seen: list[tuple[str, str]] = []
        self.delay = 0.0
        self.cut = False
        self._target = target
        self._trust = ssl.create_default_context(cadata=ca) if ca else True
        self._tls = _server_side() if tls else None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._site: web.TCPSite | None = None
        self._place = socket.socket()  # reserves the port while the gate is shut
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._place.bind(("127.0.0.1", 0))
        self.port: int = self._place.getsockname()[1]
        self._run(self._start())
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._place.close()

    # --- weather ----------------------------------------------------------------------------------------------

    def shut(self) -> None:
        """Stop listening, and cut all connections."""
        self._run(self._shut())

    def open(self) -> None:
        """Listen again, on the same port."""
        self._run(self._listen())

    def answer(self, status: int, body: Any = "", **more: Any) -> Rule:
        """Add a rule by which the gate answers by itself from now on; the newest one that fits wins."""
        rule = Rule(status, body, **more)
        self.rules.insert(0, rule)
        return rule

    def drop(self, *rules: Rule) -> None:
        """Remove these rules."""
        for rule in rules:
            self.rules.remove(rule)

    def calm(self) -> None:
        """Undo everything: remove all rules, forward without delay, and listen again."""
        self.rules.clear()
        self.delay, self.cut = 0.0, False
        if self._site is None:
            self.open()

    def requests(self, path: str = "*", method: str = "*") -> int:
        """Return how many requests have come."""
        return sum(1 for verb, where in list(self.seen) if method in {"*", verb} and fnmatch.fnmatchcase(where, path))

    # --- inside -----------------------------------------------------------------------------------------------

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _start(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._client = aiohttp.ClientSession(
            auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None), connector=aiohttp.TCPConnector(limit=0)
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen()

    async def _listen(self) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls, reuse_address=True)
        await self._site.start()

    async def _shut(self) -> None:
        if self._site is not None:
            await self._site.stop()
            self._site = None
        assert self._runner.server is not None
        for connection in list(self._runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def _end(self) -> None:
        await self._shut()
        await self._client.close()
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.method, request.path))
        body = await request.read()
        if self.cut and request.transport is not None:
            request.transport.abort()
        if self.delay:
            await asyncio.sleep(self.delay)
        rule = next((rule for rule in self.rules if rule.fits(request)), None)
        if rule is not None:
            rule.hits += 1
            text = rule.body if isinstance(rule.body, str) else json.dumps(rule.body)
            kind = "text/html" if isinstance(rule.body, str) else "application/json"
            return web.Response(status=rule.status, text=text, headers={"Content-Type": kind, **rule.headers})
        if self._target is None:
            return web.Response(status=404, text="<html>nothing here</html>", content_type="text/html")
        return await self._forward(request, body)

    async def _forward(self, request: web.Request, body: bytes) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        address = f"{self._target}{request.rel_url.raw_path_qs}"
        sent = self._client.request(
            request.method, URL(address, encoded=True), data=body, headers=headers, ssl=self._trust,
            allow_redirects=False, skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
        )  # fmt: skip
        try:
            async with sent as reply:
                answer = web.StreamResponse(status=reply.status, reason=reply.reason)
                for name, value in reply.headers.items():
                    if name.lower() not in HOP:
                        answer.headers.add(name, value)
                await answer.prepare(request)
                async for part in reply.content.iter_any():
                    await answer.write(part)
                await answer.write_eof()
                return answer
        except (aiohttp.ClientError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
            raise


def _server_side() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = Path(folder) / "key.pem", Path(folder) / "certificate.pem"
        key.write_text(KEY)
        certificate.write_text(CERTIFICATE)
        context.load_cert_chain(certificate, key)
    return context
