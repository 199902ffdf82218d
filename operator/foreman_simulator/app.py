"""The HTTP server: routes, logins, faults, latency, counters (foreman-api §1; authentication-and-permissions)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import traceback
from typing import Any

from aiohttp import web

from . import (
    class_parameters,
    compute,
    control,
    host_build,
    hostgroups,
    hosts,
    infra,
    job_life,
    jobs,
    latency,
    overrides,
    parameters,
    puppet,
    reports,
)  # fmt: skip
from .call import Call, Route
from .replies import INTERNAL, Failure, Row, error, unknown_path
from .world import World

CREATE = "POST /api/v2/hosts"
COOKIE = "_session_id"
IDLE = 3600.0  # simulated seconds after which an unused session ends (measured §1.13)
LONGEST_QUERY = 10_240  # longer query strings are answered 400 (measured §1.3)
MODULES = (
    infra, hostgroups, parameters, puppet, class_parameters, overrides, compute, host_build, hosts, reports, jobs, control,
)  # fmt: skip


class Server:
    """One simulated server behind aiohttp."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.routes = [route for module in MODULES for route in module.routes()]
        self.patterns = [(self._pattern(route.pattern), route) for route in self.routes]
        self.creating = 0  # host POSTs in flight
        self.writes: set[asyncio.Task[web.Response]] = set()

    @staticmethod
    def _pattern(pattern: str) -> re.Pattern[str]:
        return re.compile(
            "/".join(f"(?P<{p[1:]}>[^/]+)" if p.startswith(":") else re.escape(p) for p in pattern.split("/"))
        )

    def app(self) -> web.Application:
        """Return the application; the simulated clock runs as long as it does."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self.handle)
        app.cleanup_ctx.append(self._clock)
        return app

    async def _clock(self, app: web.Application) -> Any:
        ticking = asyncio.get_running_loop().create_task(self.world.clock.run())
        yield
        ending = [ticking, *self.writes]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await job_life.runner(self.world).stop()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request; a handler finishes its work even if the client has hung up."""
        body = await request.read()
        task = asyncio.get_running_loop().create_task(self._answer(request, body))
        self.writes.add(task)
        task.add_done_callback(self.writes.discard)
        return await asyncio.shield(task)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Return the route of a path and its arguments; of several, the one with the fewest (`bulk` is not an id)."""
        best: tuple[Route, dict[str, str]] | None = None
        for pattern, route in self.patterns:
            found = pattern.fullmatch(path)
            if found and route.method == method and (best is None or len(found.groupdict()) < len(best[1])):
                best = (route, found.groupdict())
        return best

    async def _answer(self, request: web.Request, body: bytes) -> web.Response:
        self.world.clock.run_due()
        headers = {"Foreman_version": "3.12.0", "Foreman_api_version": "2", "Foreman_current_organization": "; ANY",
                   "Foreman_current_location": "; ANY", "X-Request-Id": self.world.uuid()}  # fmt: skip
        path = request.rel_url.raw_path
        if len(request.rel_url.raw_query_string) > LONGEST_QUERY:
            return self._reply(400, "", headers)
        found = self.find(request.method, path)
        if found is None:
            self.world.counts.unknown.append(f"{request.method} {path}")
            return self._reply(404, unknown_path().body, headers)
        route, args = found
        call = Call(self.world, route, path, args, dict(request.query), {}, generation=self.world.generation)
        try:
            if path.startswith("/_simulator/"):
                call.body = {"given": json.loads(body or b"null")}
                return self._reply(200, await route.handler(call), headers)
            self.world.counts.requests[route.name] += 1
            return await self._foreman(request, call, body, headers)
        except Failure as failure:
            return self._reply(failure.status, failure.body, headers)
        except (ValueError, TypeError, KeyError, AttributeError):  # from a malformed body, as in Ruby
            traceback.print_exc()
            return self._reply(500, error(500, INTERNAL).body, headers)

    async def _foreman(self, request: web.Request, call: Call, body: bytes, headers: dict[str, str]) -> web.Response:
        world, faults = self.world, self.world.faults
        cookie = None
        if call.route.login:
            call.user, cookie = self._login(request)
        fresh = cookie is not None
        call.body = self._body(request, call.route, body)
        host = _host_name(call.body)
        late = faults.for_request("latency", request.method, call.path, host)
        if late is not None:
            await asyncio.sleep(late.seconds or 0)
        refused = faults.for_request("status", request.method, call.path, host)
        if refused is not None:
            told = (
                refused.body if refused.body is not None else {"error": {"message": f"told to answer {refused.status}"}}
            )
            return self._reply(refused.status, told, headers)
        generation = world.generation
        self.creating += call.route.name == CREATE
        call.cost = self._seconds(call, fresh)
        try:
            if call.route.login:
                call.need(*call.route.permissions)
                call.check_taxonomies()
            answer = await call.route.handler(call)
        finally:
            spent = latency.cost(call) + (latency.LOGIN if fresh else 0)
            if world.generation == generation:
                world.counts.seconds[call.route.name] += spent
            self.creating -= call.route.name == CREATE
            if not call.committed:  # a read, whose rows are known only now, or a refusal, which did not slow others
                await world.spend(spent if world.settings.latency == "measured" else call.cost)
        lost = faults.for_request("reply_lost", request.method, call.path, host)
        if lost is not None:
            if request.transport is not None:
                request.transport.abort()
            return self._reply(500, "", headers)
        response = self._reply(call.status or (201 if call.route.created else 200), answer, headers)
        if cookie is not None:
            response.set_cookie(COOKIE, cookie, path="/", httponly=True)
        return response

    def _seconds(self, call: Call, fresh: bool) -> float:
        asked = self.world.settings.latency
        if asked == "measured" and call.route.name == CREATE:
            return latency.crowded(self.creating)
        if asked == "measured":
            return latency.cost(call) + (latency.LOGIN if fresh else 0)
        return float(asked) / 1000

    def _login(self, request: web.Request) -> tuple[Row, str | None]:
        """Return the user and, if the password was needed, a new session's cookie.

        Anybody else is answered 401 (authentication-and-permissions 1-5).
        """
        world = self.world
        session = request.cookies.get(COOKIE, "")
        known, used = world.sessions.pop(session, (0, 0.0))
        if known in world.table("users") and world.now() - used < IDLE:
            world.sessions[session] = (known, world.now())
            return world.table("users")[known], None
        login, password = _basic(request.headers.get("Authorization", ""))
        user = next(
            (u for u in world.rows("users") if u["login"] == login and u["password"] == password and login), None
        )
        if user is None:
            raise error(401, f"Unable to authenticate user {login}")
        user["last_login_on"] = world.now()
        session = world.uuid().replace("-", "")
        world.sessions[session] = (user["id"], world.now())
        return user, session

    def _body(self, request: web.Request, route: Route, body: bytes) -> Row:
        """Return the JSON object in the body (authentication-and-permissions 24; hostgroups-and-parameters 24).

        Other content types are 500, broken JSON is 400; JSON that is not an object counts as an empty one.
        """
        if not route.login or request.method not in ("POST", "PUT"):
            return {}
        if body and request.content_type != "application/json":
            raise error(500)
        try:
            given = json.loads(body or b"{}")
        except ValueError as wrong:
            raise Failure(400, {"status": 400, "error": _parse_problem(body, wrong)}) from wrong
        return given if isinstance(given, dict) else {}

    def _reply(self, status: int, body: Any, headers: dict[str, str]) -> web.Response:
        if isinstance(body, str):
            return web.Response(status=status, text=body, headers=headers)
        return web.json_response(body, status=status, headers=headers)


def _basic(header: str) -> tuple[str, str]:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        login, _, password = base64.b64decode(rest).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return login, password


def _host_name(body: Row) -> str | None:
    """Return the host or hostgroup that a body names; faults with `host` compare with it."""
    for key in ("host", "hostgroup"):
        inner = body.get(key)
        if isinstance(inner, dict) and inner.get("name"):
            return str(inner["name"])
    return None


def _parse_problem(body: bytes, wrong: ValueError) -> str:
    text = body.decode(errors="replace")
    at = getattr(wrong, "pos", len(text))
    line, column = text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
    what = "unexpected end of input" if at >= len(text.rstrip()) else "unexpected character"
    return f"There was a problem in the JSON you submitted: {what} at line {line} column {column}"
