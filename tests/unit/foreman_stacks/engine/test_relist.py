from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from foreman_stacks.cluster.port import Cluster, Key, Object, Plural
from foreman_stacks.engine.relist import Relist
from foreman_stacks.engine.store import Seen, Store
from foreman_stacks.errors import ClusterUnavailable
from foreman_stacks.metrics import Metrics

ONE, TWO = Key("stackdeployments", "ops", "one"), Key("stackdeployments", "ops", "two")


def body(key: Key, version: str) -> dict[str, Any]:
    return {"metadata": {"uid": key.name, "name": key.name, "resourceVersion": version}}


@dataclass
class World:
    """What is in the cluster, what was seen of it, and what is told."""

    there: dict[Key, str] = field(default_factory=dict)
    store: Store = field(default_factory=Store)
    metrics: Metrics = field(default_factory=Metrics)
    told: list[str] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None
    reads: int = 0
    lists: int = 0
    outages: int = 0

    async def versions(self, plural: Plural) -> dict[Key, str]:
        self.lists += 1
        if self.outages:
            self.outages -= 1
            raise ClusterUnavailable("away")
        return {key: version for key, version in self.there.items() if key.plural == plural}

    async def get(self, key: Key) -> Object | None:
        self.reads += 1
        self.meanwhile()
        return body(key, self.there[key]) if key in self.there else None

    def see(self, key: Key, version: str) -> None:
        self.store.put(key, Seen.of(body(key, version)))

    def relist(self, every: float = 0.0) -> Relist:
        def seen(key: Key, found: Object) -> None:
            self.told.append(f"{key.name} {found['metadata']['resourceVersion']}")

        def gone(key: Key) -> None:
            self.told.append(f"{key.name} gone")

        return Relist(cast("Cluster", self), self.store, self.metrics, every=every, seen=seen, gone=gone)

    def missed(self) -> float:
        found = self.metrics.registry.get_sample_value(
            "foreman_stacks_missed_events_total", {"kind": "stackdeployments"}
        )
        return found or 0.0


def look(world: World) -> list[str]:
    asyncio.run(world.relist().look())
    return sorted(world.told)


def test_what_is_known_as_it_is_costs_three_lists_and_no_read() -> None:
    world = World(there={ONE: "7"})
    world.see(ONE, "7")
    assert look(world) == []
    assert (world.lists, world.reads, world.missed()) == (3, 0, 0)


def test_an_addition_a_change_and_an_end_that_nobody_told_are_told() -> None:
    three = Key("stackdeployments", "ops", "three")
    world = World(there={ONE: "8", TWO: "1"})
    world.see(ONE, "7")
    world.see(three, "3")
    assert look(world) == ["one 8", "three gone", "two 1"]
    assert world.missed() == 3


def test_an_event_that_was_only_on_its_way_is_not_missed() -> None:
    world = World(there={ONE: "8"})
    world.see(ONE, "7")
    world.meanwhile = lambda: world.see(ONE, "8")
    assert look(world) == []
    assert world.missed() == 0


def test_what_changed_back_to_what_was_seen_is_not_missed() -> None:
    """The list was older than the last event."""
    world = World(there={ONE: "7"})
    world.see(ONE, "8")
    world.meanwhile = lambda: world.there.update({ONE: "8"})
    assert look(world) == []


def test_an_outage_does_not_end_it() -> None:
    world = World(there={ONE: "1"}, outages=2)

    async def run() -> None:
        task = asyncio.create_task(world.relist(every=0.001).run())
        while not world.told:
            assert not task.done()
            await asyncio.sleep(0.001)
        task.cancel()

    asyncio.run(asyncio.wait_for(run(), 10))
