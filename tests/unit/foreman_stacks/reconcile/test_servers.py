import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from foreman_stacks.foreman.port import Change, Query, Server, ServerInfo, ServerVersion
from foreman_stacks.reconcile.servers import LOOKS, Connection, _look
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


def looks(foreman: Asked, count: int, *, ready: bool) -> list[Query[Any]]:
    connection = Connection(a_server(), foreman, "", ready=ready)
    for _ in range(count):
        asyncio.run(_look(connection))
    return foreman.questions


def test_one_probe_of_some_asks_for_everything() -> None:
    asked = looks(Asked(), 2 * LOOKS, ready=True)
    assert asked == 2 * [ServerInfo(), *((LOOKS - 1) * [ServerVersion()])]


def test_a_server_in_trouble_is_asked_for_everything() -> None:
    assert looks(Asked(), 3, ready=False) == 3 * [ServerInfo()]


def test_another_version_is_another_server() -> None:
    foreman = Asked()
    connection = Connection(a_server(), foreman, "", ready=True)
    asyncio.run(_look(connection))
    foreman.version = "3.14.0"
    assert asyncio.run(_look(connection)).version == "3.14.0"
    assert foreman.questions == [ServerInfo(), ServerVersion(), ServerInfo()]
