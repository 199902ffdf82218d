"""The HTTP client of one Foreman: keeps the session cookie, translates errors, limits concurrent requests.

Without the session cookie every request costs the server 0.25 s of password hashing (foreman-measured §1.13).
"""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx

from foreman_stacks.errors import (
    ForemanForbidden,
    ForemanNotFound,
    ForemanRefused,
    ForemanUnauthorized,
    ForemanUnreachable,
)
from foreman_stacks.metrics import Metrics

sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]  # None makes every import of it fail at once
# httpcore imports sniffio at each lock, to detect asyncio; searching for the missing module took 7 % of all time.

MAX_PORT = 65_535

_HEADERS = {"Accept": "application/json", "Accept-Language": "en", "Content-Type": "application/json"}
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Errors after which Foreman cannot have received the request."""
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_GATEWAY = frozenset({408, 429, 502, 503, 504})
"""Statuses from a proxy in front of Foreman, or from a busy Foreman: whether a write was done is unknown."""


class ForemanClient:
    """The client of one Foreman server and one user. After a 401 it sends nothing for `lockout` seconds.

    `ca` holds the only certificates to trust (PEM); without it, those of the system are trusted. `requests` is the
    limit of concurrent requests; `patience` has the time-outs for reads and for writes, in seconds. Raises ValueError
    for an unusable URL or unusable certificates.
    """

    def __init__(
        self,
        url: str,
        auth: tuple[str, str],
        *,
        ca: str | None,
        requests: int,
        lockout: float,
        metrics: Metrics,
        patience: tuple[float, float],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=_base(url),
            auth=auth,
            headers=_HEADERS,
            verify=_trust(ca),
            limits=httpx.Limits(max_connections=requests, max_keepalive_connections=requests),
            transport=transport,
            trust_env=False,
            follow_redirects=False,
        )
        self.requests = requests
        self._slots = asyncio.Semaphore(requests)
        self._metrics = metrics
        self._lockout = lockout
        self._read_timeout, self._write_timeout = patience
        self._locked_out_until = 0.0

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def get(self, path: str, query: Mapping[str, str | int] | None = None) -> Any:
        """Send a GET and return the JSON of the reply. Raises `ForemanError`."""
        return await self._send("GET", path, self._read_timeout, query=query)

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        """Send a write and return the JSON of the reply. Raises `ForemanError`."""
        return await self._send(method, path, self._write_timeout, body=body if body is not None else {})

    async def _send(
        self, method: str, path: str, patience: float, *, query: Mapping[str, str | int] | None = None, body: Any = None
    ) -> Any:
        async with self._slots:
            if time.monotonic() < self._locked_out_until:  # a 401 may have come during the wait for a slot
                raise ForemanUnauthorized("not asked: the last answer was 401", status=401)
            if self._http.is_closed:
                raise ForemanUnreachable("not asked: the connection was closed", sent=False)
            began = time.monotonic()
            try:
                reply = await self._http.request(
                    method, path, params=dict(query) if query else None, json=body, timeout=patience
                )
            except httpx.HTTPError as error:
                self._metrics.foreman_request(method, "unreachable", time.monotonic() - began)
                raise ForemanUnreachable(
                    _cause(error, self._http.base_url), sent=not isinstance(error, _UNSENT)
                ) from None
            self._metrics.foreman_request(method, str(reply.status_code), time.monotonic() - began)
            return self._answer(method, path, reply)

    def _answer(self, method: str, path: str, reply: httpx.Response) -> Any:
        status, known, body = reply.status_code, *_json(reply)
        if reply.is_success and known and not (isinstance(body, dict) and body.get("error")):
            return body
        where = f"{method} {path}: {status} {_message(body) or reply.reason_phrase}"
        where += f" to {reply.headers.get('location', '')}".rstrip() if reply.is_redirect else ""
        if status == httpx.codes.UNAUTHORIZED:
            self._locked_out_until = time.monotonic() + self._lockout
            raise ForemanUnauthorized(where, status=status)
        if status == httpx.codes.FORBIDDEN:
            raise ForemanForbidden(where, _permissions(body))
        if status == httpx.codes.NOT_FOUND:
            raise ForemanNotFound(where, status=status)
        if status in _GATEWAY or reply.is_redirect or body is None:
            text = where if not reply.is_success else f"{where}, but the answer is not JSON"
            raise ForemanUnreachable(text, status=status)
        raise ForemanRefused(where, status=status, errors=_errors(body))


def _json(reply: httpx.Response) -> tuple[bool, Any]:
    """Return whether the body can be Foreman's (JSON, or empty), and the parsed body."""
    try:
        return True, reply.json() if reply.content else None
    except ValueError:
        return False, None


def _base(url: str) -> httpx.URL:
    try:
        found = httpx.URL(url.rstrip("/"))
    except httpx.InvalidURL as error:
        raise ValueError(f"url: {error}") from None
    if found.port is not None and found.port > MAX_PORT:
        raise ValueError(f"url: there is no port {found.port}")
    return found


def _trust(ca: str | None) -> ssl.SSLContext:
    """Trust a bundle's certificates. Comments around them are dropped: they may not be ASCII, as `cadata` must be."""
    if ca is None:
        return _system_trust()
    try:
        return ssl.create_default_context(cadata="\n".join(_PEM.findall(ca)) or "none")
    except (OSError, TypeError) as error:
        raise ValueError(f"caBundle: no usable certificates ({type(error).__name__})") from None


@cache
def _system_trust() -> ssl.SSLContext:
    """The system's trust, shared by all servers: reading its certificates takes some 30 ms of CPU."""
    return ssl.create_default_context()


def _cause(error: httpx.HTTPError, url: httpx.URL) -> str:
    """Describe an error and its server. `netloc` is host and port, without credentials that the URL may hold."""
    return f"{url.scheme}://{url.netloc.decode()}: {type(error).__name__}: {error}".rstrip(": ")


def _message(body: Any) -> str:
    """Return Foreman's own message, from any of its formats of errors (foreman-api §1.5)."""
    if not isinstance(body, dict):
        return ""
    error = body.get("error", body)
    if isinstance(error, str):
        return error
    if isinstance(error, list):
        return "; ".join(map(str, error))
    if not isinstance(error, dict):
        return str(body.get("message", ""))
    if isinstance(error.get("full_messages"), list) and error["full_messages"]:
        return "; ".join(map(str, error["full_messages"]))
    if isinstance(error.get("errors"), dict):
        return "; ".join(f"{name}: {', '.join(_texts(found))}" for name, found in error["errors"].items())
    return str(error.get("message", ""))


def _errors(body: Any) -> dict[str, list[str]]:
    error = body.get("error") if isinstance(body, dict) else None
    found = error.get("errors") if isinstance(error, dict) else None
    if isinstance(found, dict):
        return {str(name): _texts(texts) for name, texts in found.items()}
    return {"base": [_message(body)]}


def _permissions(body: Any) -> tuple[str, ...]:
    error = body.get("error") if isinstance(body, dict) else None
    return tuple(error.get("missing_permissions", ())) if isinstance(error, dict) else ()


def _texts(found: Any) -> list[str]:
    return [str(text) for text in found] if isinstance(found, list) else [str(found)]
