import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from foreman_stacks.cluster.port import Cluster
from foreman_stacks.foreman.port import Change, Query, Server, ServerInfo, ServerVersion
from foreman_stacks.reconcile.servers import LOOKS, Connect, Connection, Servers
from foreman_stacks.settings import Settings
from tests.unit.foreman_stacks.made import a_server


@dataclass
class Asked:
    """A Foreman that remembers what it was asked."""

    version: str = "3.12.0"
    questions: list[Query[Any]] = field(default_factory=list)

    async def read(self, queries: Iterable[Query[Any]]) -> Mapping[Query[Any], Any]:
        self.questions += queries
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
