"""HTTP to one Foreman: one session, its cookie kept, its errors translated, its requests limited.

Without the session cookie every request costs the server 0.25 s of password hashing (foreman-measured §1.13).
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
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

READ_TIMEOUT = 30.0
WRITE_TIMEOUT = 300.0
"""Seconds. A host's POST holds the request for its whole orchestration (Foreman 3.12, orchestration.rb)."""

_HEADERS = {"Accept": "application/json", "Accept-Language": "en", "Content-Type": "application/json"}
_GATEWAY = frozenset({408, 429, 502, 503, 504})
"""Answers of what stands in front of Foreman, or of a Foreman that is busy: whether a write was done is unknown."""


class ForemanClient:
    """One Foreman server and one user. After a 401 it stays closed until the caller makes a new one."""

    def __init__(
        self, url: str, auth: tuple[str, str], *, ca: str | None, requests: int, lockout: float, metrics: Metrics
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/"),
            auth=auth,
            headers=_HEADERS,
            verify=ssl.create_default_context(cadata=ca) if ca else True,
            limits=httpx.Limits(max_connections=requests, max_keepalive_connections=requests),
            trust_env=False,
            follow_redirects=False,
        )
        self._slots = asyncio.Semaphore(requests)
        self._metrics = metrics
        self._lockout = lockout
        self._locked_out_until = 0.0

    async def close(self) -> None:
        """End all connections."""
        await self._http.aclose()

    async def get(self, path: str, query: Mapping[str, str | int] | None = None) -> Any:
        """The JSON of a GET; raises `ForemanError`."""
        return await self._send("GET", path, query=query, timeout=READ_TIMEOUT)

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of a write; raises `ForemanError`."""
        return await self._send(method, path, body=body if body is not None else {}, timeout=WRITE_TIMEOUT)

    async def _send(
        self, method: str, path: str, *, query: Mapping[str, str | int] | None = None, body: Any = None, timeout: float
    ) -> Any:
        if time.monotonic() < self._locked_out_until:
            raise ForemanUnauthorized("not asked: the last answer was 401", status=401)
        async with self._slots:
            began = time.monotonic()
            try:
                reply = await self._http.request(
                    method, path, params=dict(query) if query else None, json=body, timeout=timeout
                )
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                self._metrics.foreman_request(method, "unreachable", time.monotonic() - began)
                raise ForemanUnreachable(_cause(error, self._http.base_url), sent=False) from error
            except httpx.HTTPError as error:
                self._metrics.foreman_request(method, "unreachable", time.monotonic() - began)
                raise ForemanUnreachable(_cause(error, self._http.base_url)) from error
            self._metrics.foreman_request(method, str(reply.status_code), time.monotonic() - began)
        return self._answer(method, path, reply)

    def _answer(self, method: str, path: str, reply: httpx.Response) -> Any:
        try:
            body = reply.json() if reply.content else None
        except ValueError:
            body = None
        if reply.is_success and not (isinstance(body, dict) and body.get("error")):
            return body
        message = _message(body) or reply.reason_phrase
        where = f"{method} {path}: {reply.status_code} {message}"
        if reply.status_code == httpx.codes.UNAUTHORIZED:
            self._locked_out_until = time.monotonic() + self._lockout
            raise ForemanUnauthorized(where, status=401)
        if reply.status_code == httpx.codes.FORBIDDEN:
            raise ForemanForbidden(where, _permissions(body))
        if reply.status_code == httpx.codes.NOT_FOUND:
            raise ForemanNotFound(where, status=404)
        if reply.status_code in _GATEWAY or reply.is_redirect or body is None:
            raise ForemanUnreachable(where, status=reply.status_code)
        raise ForemanRefused(where, status=reply.status_code, errors=_errors(body))


def _cause(error: httpx.HTTPError, url: httpx.URL) -> str:
    return f"{url.scheme}://{url.host}: {type(error).__name__}: {error}".rstrip(": ")


def _message(body: Any) -> str:
    """Foreman's own words in any of its forms of error (foreman-api §1.5)."""
    if not isinstance(body, dict):
        return ""
    error = body.get("error", body)
    if isinstance(error, str):
        return error
    if not isinstance(error, dict):
        return str(body.get("message", ""))
    if isinstance(error.get("full_messages"), list) and error["full_messages"]:
        return "; ".join(map(str, error["full_messages"]))
    if isinstance(error.get("errors"), dict):
        return "; ".join(f"{name}: {', '.join(map(str, texts))}" for name, texts in error["errors"].items())
    return str(error.get("message", ""))


def _errors(body: Any) -> dict[str, list[str]]:
    error = body.get("error") if isinstance(body, dict) else None
    found = error.get("errors") if isinstance(error, dict) else None
    if isinstance(found, dict):
        return {str(name): [str(text) for text in texts] for name, texts in found.items()}
    return {"base": [_message(body)]}


def _permissions(body: Any) -> tuple[str, ...]:
    error = body.get("error") if isinstance(body, dict) else None
    return tuple(error.get("missing_permissions", ())) if isinstance(error, dict) else ()
