import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from foreman_stacks.api.meta import FINALIZER
from foreman_stacks.cluster.port import Cluster, Key, Object
from foreman_stacks.errors import (
    ClusterError,
    ClusterForbidden,
    ClusterUnavailable,
    ForemanError,
    ForemanForbidden,
    ForemanNotFound,
    ForemanUnauthorized,
    ForemanUnreachable,
)
from foreman_stacks.foreman.port import Change, Query, Server, ServerInfo, ServerVersion
from foreman_stacks.reconcile.servers import LOOKS, Connect, Connection, Servers
from foreman_stacks.settings import Settings
from tests.unit.foreman_stacks.made import a_server


@dataclass
class Asked:
    """A Foreman that remembers what it was asked."""

    version: str = "3.12.0"
    questions: list[Query[Any]] = field(default_factory=list)
    asked: Callable[[Query[Any]], None] = lambda _: None
    """What happens before the answer comes."""

    async def read(self, queries: Iterable[Query[Any]]) -> Mapping[Query[Any], Any]:
        for query in queries:
            self.questions.append(query)
            self.asked(query)
        whole = Server(self.version, frozenset(), frozenset(), admin=True, features=frozenset())
        return {ServerInfo(): whole, ServerVersion(): self.version}

    async def write(self, change: Change) -> Any:
        raise AssertionError(change)

    async def close(self) -> None:
        return


NOW = datetime(2026, 11, 24, tzinfo=UTC)


def look(connection: Connection) -> Server:
    servers = Servers(cast("Cluster", None), Settings(), cast("Connect", None), lambda: NOW)
    return asyncio.run(servers._look(connection))


def looks(foreman: Asked, count: int, *, ready: bool) -> list[Query[Any]]:
    connection = Connection(a_server(), foreman, "", ready=ready)
    for _ in range(count):
        look(connection)
    return foreman.questions


def test_one_probe_of_some_asks_for_everything() -> None:
    asked = looks(Asked(), 2 * LOOKS, ready=True)
    assert asked == 2 * [ServerInfo(), *((LOOKS - 1) * [ServerVersion()])]


def test_a_server_in_trouble_is_asked_for_everything() -> None:
    assert looks(Asked(), 3, ready=False) == 3 * [ServerInfo()]


def test_another_version_is_another_server() -> None:
    foreman = Asked()
    connection = Connection(a_server(), foreman, "", ready=True)
    look(connection)
    foreman.version = "3.14.0"
    assert look(connection).version == "3.14.0"
    assert foreman.questions == [ServerInfo(), ServerVersion(), ServerInfo()]


def test_a_server_that_just_answered_the_poller_is_not_asked_whether_it_answers() -> None:
    foreman = Asked()
    connection = Connection(a_server(), foreman, "", ready=True)
    look(connection)
    connection.answered = NOW - timedelta(seconds=59)
    look(connection)
    assert foreman.questions == [ServerInfo()]
    connection.answered = NOW - timedelta(seconds=61)
    look(connection)
    assert foreman.questions == [ServerInfo(), ServerVersion()]
    connection.answered = NOW + timedelta(hours=6)
    look(connection)
    assert foreman.questions == [ServerInfo(), ServerVersion(), ServerVersion()], "the clock was set back since"


def test_a_deployment_that_is_refused_meanwhile_does_not_make_the_server_another_one() -> None:
    """Then the connection forgets what it knew, so that the next probe asks for permissions, too."""
    foreman = Asked()
    connection = Connection(a_server(), foreman, "", ready=True)
    known = look(connection)

    def refused(_: Query[Any]) -> None:
        connection.info = None

    foreman.asked = refused
    assert look(connection) == known
    assert connection.info is None
    foreman.asked = lambda _: None
    look(connection)
    assert foreman.questions == [ServerInfo(), ServerVersion(), ServerInfo()]


@dataclass
class Credentials:
    """A cluster with one server and its Secret, which may give an error."""

    data: dict[str, bytes] | ClusterError
    status: dict[str, Any] = field(default_factory=dict)

    async def get(self, key: Key) -> Object:
        spec = a_server().spec.model_dump(by_alias=True, exclude_none=True)
        return {"kind": "ForemanServer", "metadata": {"name": key.name, "generation": 1}, "spec": spec}

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes]:
        if isinstance(self.data, ClusterError):
            raise self.data
        return self.data

    async def patch_status(self, seen: Object, plural: str, status: dict[str, Any]) -> Object:
        self.status = status
        return seen

    async def post_event(self, about: Object, event: object) -> None:
        return


def of_credentials(cluster: Credentials, foreman: object = None) -> Servers:
    return Servers(cast("Cluster", cluster), Settings(), cast("Connect", lambda _, __: foreman), lambda: NOW)


@pytest.mark.parametrize("key", ["username", "password"])
def test_credentials_that_are_no_text_are_told(key: str) -> None:
    cluster = Credentials({"username": b"svc", "password": b"changeme", key: b"canary\xff"})
    servers = of_credentials(cluster)
    asyncio.run(servers.reconcile(Key("foremanservers", "", "f"), held=False))
    ready = next(entry for entry in cluster.status["conditions"] if entry["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "CredentialsMissing")
    assert "not UTF-8" in ready["message"]
    assert "canary" not in str(cluster.status)
    assert servers.known("f")


def test_a_server_whose_probe_broke_is_known_all_the_same() -> None:
    """Else its deployments would wait for its first probe for ever, and without a word."""
    servers = of_credentials(Credentials(ClusterUnavailable("secrets: 503", status=503)))
    with pytest.raises(ClusterError):
        asyncio.run(servers.reconcile(Key("foremanservers", "", "f"), held=False))
    assert servers.known("f")
    assert servers.ready("f") is None


def test_credentials_that_may_not_be_read_are_told() -> None:
    cluster = Credentials(ClusterForbidden("secrets is forbidden", status=403))
    asyncio.run(of_credentials(cluster).reconcile(Key("foremanservers", "", "f"), held=False))
    ready = next(entry for entry in cluster.status["conditions"] if entry["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "CredentialsMissing")
    assert ready["message"] == (
        "spec.credentialsSecretRef: Secret 'foreman' in namespace 'foreman-stacks-system' may not be read by the operator; "
        "grant its ServiceAccount get on it"
    )


@pytest.mark.parametrize(
    "error, words",
    [
        (
            ForemanUnauthorized("GET: 401 svc", status=401),
            "spec.credentialsSecretRef: Secret 'foreman' in namespace 'foreman-stacks-system': Foreman refuses ",
        ),
        (ForemanUnreachable("https://x: ConnectError"), "spec.url: https://x: ConnectError; "),
        (ForemanNotFound("GET /api/v2/status: 404", status=404), "spec.url: GET /api/v2/status: 404; "),
        (ForemanForbidden("GET: 403", ("view_hosts",)), ""),
    ],
)
def test_why_a_server_cannot_be_used_is_told_with_the_field(error: ForemanError, words: str) -> None:
    def fail(_: Query[Any]) -> None:
        raise error

    cluster = Credentials({"username": b"svc", "password": b"changeme"})
    asyncio.run(of_credentials(cluster, Asked(asked=fail)).reconcile(Key("foremanservers", "", "f"), held=False))
    ready = next(entry for entry in cluster.status["conditions"] if entry["type"] == "Ready")
    assert ready["message"].startswith(words)
    assert ready["message"].startswith("spec.") == bool(words)


@pytest.mark.parametrize("error", [KeyError, TypeError, AttributeError])
def test_what_answers_otherwise_than_foreman_is_told(error: type[Exception]) -> None:
    def strange(_: Query[Any]) -> None:
        raise error("version")

    cluster = Credentials({"username": b"svc", "password": b"changeme"})
    servers = of_credentials(cluster, Asked(asked=strange))
    asyncio.run(servers.reconcile(Key("foremanservers", "", "f"), held=False))
    ready = next(entry for entry in cluster.status["conditions"] if entry["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "NotForeman")


@dataclass
class Finalizers:
    """A cluster with one server and one deployment, of which only the finalizers matter; a list waits for `listing`."""

    server: list[str] | None
    deployment: list[str] = field(default_factory=list)
    deleting: bool = False
    listing: asyncio.Event = field(default_factory=asyncio.Event)

    async def get(self, key: Key) -> Object | None:
        if self.server is None:
            return None
        meta = {"name": key.name, "finalizers": self.server} | ({"deletionTimestamp": "now"} if self.deleting else {})
        return {"metadata": meta}

    async def set_finalizers(self, seen: Object, plural: str, finalizers: list[str]) -> Object:
        self.server = finalizers
        return {"metadata": {**seen["metadata"], "finalizers": finalizers}}

    async def list(self, plural: str) -> list[Object]:
        found = list(self.deployment)
        await self.listing.wait()
        return [{"metadata": {"finalizers": found}, "spec": {"serverRef": {"name": "foreman"}}}]


def of(cluster: Finalizers) -> Servers:
    return Servers(cast("Cluster", cluster), Settings(), cast("Connect", None), lambda: NOW)


async def held(servers: Servers, cluster: Finalizers) -> bool:
    async with servers.holding("foreman") as found:
        if found:
            cluster.deployment.append(FINALIZER)
    return found


def test_a_server_that_is_just_let_go_is_held_again_before_a_deployment_is() -> None:
    """Else it could vanish before what was made on it is removed."""

    async def play() -> None:
        cluster = Finalizers([FINALIZER])
        servers = of(cluster)
        release = asyncio.create_task(servers._release({"metadata": {"name": "foreman", "finalizers": [FINALIZER]}}))
        await asyncio.sleep(0)  # it has asked who uses the server, and nobody does
        hold = asyncio.create_task(held(servers, cluster))
        await asyncio.sleep(0)
        assert cluster.deployment == []
        cluster.listing.set()
        await release
        assert await hold
        assert (cluster.server, cluster.deployment) == ([FINALIZER], [FINALIZER])

    asyncio.run(play())


def test_a_server_is_not_let_go_while_a_deployment_is_held() -> None:
    async def play() -> list[str] | None:
        cluster = Finalizers([FINALIZER], [FINALIZER])
        cluster.listing.set()
        await of(cluster)._release({"metadata": {"name": "foreman", "finalizers": [FINALIZER]}})
        return cluster.server

    assert asyncio.run(play()) == [FINALIZER]


@pytest.mark.parametrize("server, deleting", [(None, False), ([], True)])
def test_a_server_that_goes_is_not_held(server: list[str] | None, deleting: bool) -> None:
    cluster = Finalizers(server, deleting=deleting)
    assert not asyncio.run(held(of(cluster), cluster))
    assert cluster.server == server
