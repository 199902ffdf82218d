"""ForemanServers: probes them, and holds the connections that deployments use."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from foreman_stacks.api.foremanserver import ForemanServer
from foreman_stacks.api.meta import FINALIZER
from foreman_stacks.api.parse import parse_server
from foreman_stacks.cluster.port import Cluster, Key, Object
from foreman_stacks.errors import ClusterForbidden, ForemanError, InvalidSpec
from foreman_stacks.foreman.port import Foreman, Query, Server, ServerInfo, ServerVersion
from foreman_stacks.model.reasons import ConditionType, Reason
from foreman_stacks.reconcile import conditions, events
from foreman_stacks.reconcile.conditions import Condition
from foreman_stacks.reconcile.judge import bad, failure, judge
from foreman_stacks.settings import Settings

T = TypeVar("T")

LOOKS = 10
"""One in so many probes also reads plugins, permissions and features, which takes five requests instead of one."""


@dataclass
class Connection:
    """The connection to a server: its spec, its adapter, and the answers that its poller got last."""

    server: ForemanServer
    foreman: Foreman
    fingerprint: str
    answers: dict[Query[Any], Any] = field(default_factory=dict)
    ready: bool = False
    reason: Reason | None = None
    """What the last probe found; None before the first."""
    info: Server | None = None
    looks: int = 0
    answered: datetime | None = None
    """When the poller last got an answer."""
    met: object = field(default_factory=object)
    """Identifies the current period in which the server is well, and is replaced when a new one begins: if Foreman was
    restored from a backup meanwhile, what was read before no longer holds.
    """

    def judged(self, condition: Condition) -> None:
        """Take over what a probe found."""
        well = condition.status == "True"
        if well and not self.ready:
            self.met = object()
            self.answers.clear()
        self.ready, self.reason = well, condition.reason


class _NotForeman(Exception):
    """The answer lacks fields that Foreman's answers have."""


async def _answer(connection: Connection, query: Query[T]) -> T:
    try:
        found: T = (await connection.foreman.read([query]))[query]
    except (KeyError, TypeError, AttributeError):
        raise _NotForeman from None
    return found


Connect = Callable[[ForemanServer, tuple[str, str]], Foreman]


class Servers:
    """All connections by server name. `reconcile`, one pass over a ForemanServer, alone opens and closes them."""

    def __init__(self, cluster: Cluster, settings: Settings, connect: Connect, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._settings = settings
        self._connect = connect
        self._now = now
        self._probed: set[str] = set()
        self._finalizers: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.connections: dict[str, Connection] = {}

    async def close(self) -> None:
        """Close all connections."""
        for connection in self.connections.values():
            await connection.foreman.close()

    def ready(self, name: str) -> Connection | None:
        """Return the connection if the server is known to be well."""
        found = self.connections.get(name)
        return found if found is not None and found.ready else None

    def trouble(self, name: str) -> Reason:
        """Return why a deletion cannot go on: the server cannot be reached, or its conditions tell what is wrong."""
        found = self.connections.get(name)
        away = found is None or found.reason in {Reason.UNREACHABLE, None}
        return Reason.UNREACHABLE if away else Reason.SERVER_NOT_READY

    def known(self, name: str) -> bool:
        """Whether this process has probed the server; until then nothing can be said of it, good or bad."""
        return name in self._probed

    async def reconcile(self, key: Key, held: bool) -> float | None:
        """Probe the server and report; return the seconds until the next probe, None when the server is gone.

        `held`: whether some deployment with the operator's finalizer refers to the server. As long as one does, the
        server keeps that finalizer, too.
        """
        seen = await self._cluster.get(key)
        if seen is None:
            await self._drop(key.name)
            return None
        finalizers = list(seen["metadata"].get("finalizers") or ())
        deleting = bool(seen["metadata"].get("deletionTimestamp"))
        if held and FINALIZER not in finalizers and not deleting:
            seen = await self._cluster.set_finalizers(seen, "foremanservers", [*finalizers, FINALIZER])
        elif not held and FINALIZER in finalizers:
            seen = await self._release(seen)
            if deleting and not seen["metadata"].get("finalizers"):
                await self._drop(key.name)
                return None
        try:
            condition, version = await self._probe(seen)
        finally:
            self._probed.add(key.name)  # even after an error: deployments must not wait for a first probe for ever
        await self._report(seen, condition, version)
        return self._settings.server_probe

    @asynccontextmanager
    async def holding(self, name: str) -> AsyncIterator[bool]:
        """Set the operator's finalizer on the server, and keep it there at least until the context ends.

        Yield False if the server is gone, or is being deleted without it. Inside the context a deployment gets its own
        finalizer, from which on a list of deployments shows that the server is used.
        """
        async with self._finalizers[name]:
            seen = await self._cluster.get(Key("foremanservers", "", name))
            finalizers = list(seen["metadata"].get("finalizers") or ()) if seen else []
            if seen is not None and FINALIZER not in finalizers and not seen["metadata"].get("deletionTimestamp"):
                seen = await self._cluster.set_finalizers(seen, "foremanservers", [*finalizers, FINALIZER])
            yield seen is not None and FINALIZER in (seen["metadata"].get("finalizers") or ())

    async def _release(self, seen: Object) -> Object:
        """Remove the operator's finalizer, unless a deployment that refers to the server has it.

        Deployments are listed for this, since their watch may lag behind.
        """
        name = seen["metadata"]["name"]
        async with self._finalizers[name]:
            used = any(
                (found.get("spec") or {}).get("serverRef", {}).get("name") == name
                and FINALIZER in (found["metadata"].get("finalizers") or ())
                for found in await self._cluster.list("stackdeployments")
            )
            if used:
                return seen
            left = [entry for entry in seen["metadata"]["finalizers"] if entry != FINALIZER]
            return await self._cluster.set_finalizers(seen, "foremanservers", left)

    async def _drop(self, name: str) -> None:
        self._probed.discard(name)
        gone = self.connections.pop(name, None)
        if gone is not None:
            await gone.foreman.close()

    async def _probe(self, seen: Object) -> tuple[Condition, str | None]:
        name = seen["metadata"]["name"]
        try:
            server = parse_server(seen)
        except InvalidSpec as error:
            await self._drop(name)
            return bad(Reason.INVALID_SPEC, str(error)), None
        auth = await self._credentials(server)
        if isinstance(auth, Condition):
            await self._drop(name)
            return auth, None
        connection = await self._connection(server, auth)
        if isinstance(connection, Condition):
            return connection, None
        try:
            info = await self._look(connection)
        except ForemanError as error:
            condition = self._placed(server, failure(error))
        except _NotForeman:
            condition = bad(
                Reason.NOT_FOREMAN, f"spec.url: {server.spec.url} answers, but not as Foreman does; check the URL"
            )
        else:
            condition = judge(info)
            connection.judged(condition)
            return condition, info.version
        connection.judged(condition)
        return condition, None

    async def _look(self, connection: Connection) -> Server:
        """Return what the server is. It is read in full at first, after trouble, and in one of `LOOKS` probes.

        Otherwise only its version is read, and not even that if the poller has just had an answer.
        """
        info = connection.info  # a deployment may set it to None during an await
        if connection.ready and info is not None and connection.looks < LOOKS:
            connection.looks += 1
            heard = connection.answered
            if heard is not None and 0 <= (self._now() - heard).total_seconds() < self._settings.server_probe:
                return info
            if await _answer(connection, ServerVersion()) == info.version:
                return info
        connection.info = found = await _answer(connection, ServerInfo())
        connection.looks = 1
        return found

    async def _credentials(self, server: ForemanServer) -> tuple[str, str] | Condition:
        ref, where = server.spec.credentials_secret_ref.name, self._secret(server)
        try:
            data = await self._cluster.secret(self._settings.namespace, ref)
        except ClusterForbidden:
            return bad(
                Reason.CREDENTIALS_MISSING,
                f"{where} may not be read by the operator; grant its ServiceAccount get on it",
            )
        if data is None:
            return bad(
                Reason.CREDENTIALS_MISSING, f"{where} does not exist; create it with username and password or token"
            )
        username = data.get("username")
        password = data.get("password") or data.get("token")
        if not username or not password:
            return bad(Reason.CREDENTIALS_MISSING, f"{where} lacks username, or password or token; add the missing key")
        try:
            return username.decode(), password.decode()
        except UnicodeDecodeError:
            what = f"{where} has a username, password or token that is not UTF-8 text; correct it"
            return bad(Reason.CREDENTIALS_MISSING, what)

    def _secret(self, server: ForemanServer) -> str:
        name, namespace = server.spec.credentials_secret_ref.name, self._settings.namespace
        return f"spec.credentialsSecretRef: Secret {name!r} in namespace {namespace!r}"

    def _placed(self, server: ForemanServer, condition: Condition) -> Condition:
        """Return the condition with the field at fault in its message, if it is a field of the ForemanServer."""
        match condition.reason:
            case Reason.UNAUTHORIZED:
                where = self._secret(server)
            case Reason.UNREACHABLE | Reason.NOT_FOREMAN:
                where = "spec.url"
            case _:  # the user's role in Foreman
                return condition
        return replace(condition, message=f"{where}: {condition.message}")

    async def _connection(self, server: ForemanServer, auth: tuple[str, str]) -> Connection | Condition:
        """Return the existing connection, or a new one if address, CA bundle, limits or credentials changed."""
        name = server.metadata.name
        text = "\0".join((server.spec.url, server.spec.ca_bundle or "", str(server.spec.limits), *auth))
        fingerprint = hashlib.sha256(text.encode()).hexdigest()
        now = self.connections.get(name)
        if now is not None and now.fingerprint == fingerprint:
            now.server = server
            return now
        await self._drop(name)
        try:
            foreman = self._connect(server, auth)
        except ValueError as error:
            return bad(Reason.INVALID_SPEC, f"spec.{error}; correct it")
        self.connections[name] = Connection(server, foreman, fingerprint)
        return self.connections[name]

    async def _report(self, seen: Object, condition: Condition, version: str | None) -> None:
        old = seen.get("status") or {}
        generation = seen["metadata"]["generation"]
        stalled = (
            []
            if condition.status == "True"
            else [Condition(ConditionType.STALLED, "True", condition.reason, condition.message)]
        )
        if condition.reason is Reason.UNREACHABLE:
            stalled = [Condition(ConditionType.RECONCILING, "True", condition.reason, condition.message)]
        merged = conditions.merge(old.get("conditions") or (), [condition, *stalled], generation, self._now())
        status = {"observedGeneration": generation, "conditions": merged}
        kept = version or old.get("version")
        status |= {"version": kept} if kept else {}
        if {name: old.get(name) for name in status} != status:
            written = await self._cluster.patch_status(seen, "foremanservers", status)
            await events.transitions(self._cluster, written, old.get("conditions") or (), merged)
