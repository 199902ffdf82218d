"""The engine with passes that are told what to answer: what is due when, and whether the process is alive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest

from foreman_stacks.api.meta import FINALIZER
from foreman_stacks.cluster.port import Cluster, Key
from foreman_stacks.engine.engine import Engine
from foreman_stacks.errors import ClusterUnavailable
from foreman_stacks.foreman.port import HostsIn
from foreman_stacks.metrics import Metrics
from foreman_stacks.reconcile.deployment import Deployments
from foreman_stacks.reconcile.ledger import Ledger
from foreman_stacks.reconcile.passes import Next
from foreman_stacks.reconcile.servers import Connection, Servers
from foreman_stacks.reconcile.stack import Stacks
from foreman_stacks.settings import Settings
from tests.unit.foreman_stacks.made import NOW, a_server

STACK, SERVER = Key("stacks", "ops", "s"), Key("foremanservers", "", "f")
ONE, TWO = Key("stackdeployments", "ops", "one"), Key("stackdeployments", "ops", "two")


def body(key: Key, *, ready: bool = False, **meta: Any) -> dict[str, Any]:
    """An object as a watch shows it; a `ready` deployment is a settled one."""
    status: dict[str, Any] = {}
    if ready:
        conditions = [{"type": "Ready", "status": "True"}]
        status = {"observedGeneration": 1, "settledPlan": "p", "conditions": conditions}
    spec = {"stackRef": {"name": "s"}, "serverRef": {"name": "f"}}
    return {"metadata": {"uid": key.name, "generation": 1, **meta}, "spec": spec, "status": status}


@dataclass
class Passes:
    """Stacks, servers and deployments at once: each pass is noted and answers what it is told to."""

    done: list[Key] = field(default_factory=list)
    answer: Callable[[Key], Awaitable[Next]] | None = None
    connections: dict[str, Connection] = field(default_factory=dict)
    becomes: Connection | None = None
    held: list[bool] = field(default_factory=list)
    ledger: Ledger = field(default_factory=lambda: Ledger(timedelta(seconds=60)))

    async def reconcile(self, key: Key, held: bool | None = None) -> Any:
        self.done.append(key)
        if held is not None:
            self.held.append(held)
            self.connections = {} if self.becomes is None else {key.name: self.becomes}
            return None
        return await self.answer(key) if self.answer else Next()

    def ready(self, name: str) -> Connection | None:
        return self.connections.get(name)

    def known(self, name: str) -> bool:
        return True


def started(passes: Passes, defects: list[Key] | None = None, **settings: Any) -> Engine:
    async def close() -> None:
        return

    async def tell(key: Key, _: Exception) -> None:
        if defects is not None:
            defects.append(key)

    given = Settings(**{"backoff_first": 0.01, "backoff_cap": 0.02, "workers": 2, **settings})
    three = (cast("Stacks", passes), cast("Servers", passes), cast("Deployments", passes))
    return Engine(given, Metrics(), three, close, tell, cluster=cast("Cluster", None))


async def settled(passes: Passes) -> list[Key]:
    """What was done, once nothing more happens for a moment."""
    before = -1
    while before != len(passes.done):
        before = len(passes.done)
        await asyncio.sleep(0.01)
    found, passes.done = passes.done, []
    return found


def play(passes: Passes, story: Callable[[Engine], Awaitable[None]], **options: Any) -> None:
    async def run() -> None:
        engine = started(passes, **options)
        engine.start()
        try:
            await asyncio.wait_for(story(engine), 10)
        finally:
            await engine.stop()

    asyncio.run(run())


def test_an_event_makes_a_pass_and_an_echo_of_our_own_writes_makes_none() -> None:
    passes = Passes()

    async def story(engine: Engine) -> None:
        engine.seen(ONE, body(ONE))
        assert await settled(passes) == [ONE]
        engine.seen(ONE, body(ONE, resourceVersion="2", labels={"a": "b"}))
        assert await settled(passes) == []
        engine.seen(ONE, body(ONE, generation=2))
        assert await settled(passes) == [ONE]

    play(passes, story)


def test_settled_deployments_are_not_looked_at_all_at_once_after_a_start() -> None:
    passes = Passes()

    async def story(engine: Engine) -> None:
        engine.seen(ONE, body(ONE, ready=True))
        engine.seen(TWO, body(TWO))
        assert await settled(passes) == [TWO]

    play(passes, story, resync=600.0)


def test_a_server_that_recovers_wakes_whoever_waits_and_leaves_the_settled_alone() -> None:
    passes = Passes()

    async def story(engine: Engine) -> None:
        engine.seen(ONE, body(ONE))
        engine.seen(TWO, body(TWO, ready=True))
        await settled(passes)
        passes.becomes = Connection(a_server(), cast("Any", None), "", ready=True)
        engine.seen(SERVER, body(SERVER))
        assert sorted(await settled(passes)) == [SERVER, ONE]
        engine.seen(SERVER, body(SERVER, generation=2))
        assert sorted(await settled(passes)) == [SERVER, ONE, TWO], "its tenants may have changed"
        passes.becomes = None
        engine.seen(SERVER, body(SERVER, annotations={"stacks.theforeman.org/reconcile-requested-at": "x"}))
        assert {SERVER, ONE} <= set(await settled(passes))

    play(passes, story)


def test_after_an_outage_the_settled_heal_soon_and_not_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = Passes()
    many = [Key("stackdeployments", "ops", f"d{number}") for number in range(40)]
    pauses: dict[Key, float] = {}

    async def story(engine: Engine) -> None:
        for key in many:
            out = body(key, ready=True)
            out["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
            engine.seen(key, out)
        engine.seen(TWO, body(TWO, ready=True))
        engine.seen(ONE, body(ONE))
        await settled(passes)
        add = engine._queue.add

        def noted(key: Key, after: float = 0.0, *, calm: bool = False) -> None:
            pauses[key] = after
            add(key, after, calm=calm)

        monkeypatch.setattr(engine._queue, "add", noted)
        passes.becomes = Connection(a_server(), cast("Any", None), "", ready=True)
        engine.seen(SERVER, body(SERVER))
        assert {SERVER, ONE} <= set(await settled(passes))
        assert pauses.keys() == {SERVER, ONE, *many}, "who is Ready is left alone"
        waits = sorted(pauses[key] for key in many)
        assert waits[-1] <= 600.0
        assert waits[-1] - waits[0] > 200.0, "all at once would be many"

    play(passes, story, recheck=600.0)


def test_a_stacks_edit_and_its_end_wake_its_unsettled_users() -> None:
    passes = Passes()

    async def story(engine: Engine) -> None:
        engine.seen(ONE, body(ONE))
        engine.seen(TWO, body(TWO, ready=True))
        await settled(passes)
        engine.seen(STACK, body(STACK))
        assert sorted(await settled(passes)) == [ONE, STACK]
        engine.gone(STACK)
        assert sorted(await settled(passes)) == [ONE, STACK]

    play(passes, story)


def test_room_for_puppet_runs_wakes_who_waits_for_it() -> None:
    passes = Passes()

    async def story(engine: Engine) -> None:
        one, two = ((key.namespace, key.name) for key in (ONE, TWO))
        passes.ledger.book(one, "foreman", {1: 4})
        passes.ledger.grant(("foreman", 1), two, 4, 4, NOW)
        assert await settled(passes) == []
        passes.ledger.drop(one)
        assert await settled(passes) == [TWO]

    play(passes, story)


def test_a_servers_finalizer_is_looked_at_when_its_last_user_comes_or_goes() -> None:
    passes = Passes()

    async def story(engine: Engine) -> None:
        engine.seen(ONE, body(ONE))
        await settled(passes)
        engine.seen(ONE, body(ONE, finalizers=[FINALIZER]))
        assert await settled(passes) == [SERVER]
        engine.gone(ONE)
        assert sorted(await settled(passes)) == [SERVER, ONE]
        assert passes.held == [True, False]

    play(passes, story)


def test_a_pass_says_when_it_wants_to_be_made_again() -> None:
    passes = Passes()
    answers = [Next(after=0.0), Next(after=0.01), Next(error=True), Next()]

    async def answer(_: Key) -> Next:
        return answers.pop(0)

    passes.answer = answer

    async def story(engine: Engine) -> None:
        engine.seen(ONE, body(ONE))
        while answers:
            await asyncio.sleep(0.005)
        await settled(passes)
        assert engine._queue._failures == {}

    play(passes, story)


@pytest.mark.parametrize("error", [ClusterUnavailable("gone"), KeyError("a defect")])
def test_an_error_puts_its_key_back_and_ends_no_worker(error: Exception) -> None:
    passes, told = Passes(), list[Key]()
    failures = 5

    async def answer(key: Key) -> Next:
        if key == ONE and passes.done.count(ONE) <= failures:
            raise error
        return Next()

    passes.answer = answer

    async def story(engine: Engine) -> None:
        engine.seen(ONE, body(ONE))
        while passes.done.count(ONE) <= failures:
            await asyncio.sleep(0.005)
        engine.seen(TWO, body(TWO))
        while TWO not in passes.done:
            await asyncio.sleep(0.005)
        assert engine.alive
        assert told == ([] if isinstance(error, ClusterUnavailable) else [ONE] * failures)

    play(passes, story, defects=told)


def test_a_pass_that_waits_for_nothing_is_polled_for_no_more() -> None:
    passes = Passes()
    passes.connections = {"f": Connection(a_server(), cast("Any", None), "", ready=True)}
    answers = [Next(server="f", polls=(HostsIn(1),)), Next(after=600.0)]

    async def answer(_: Key) -> Next:
        return answers.pop(0)

    passes.answer = answer

    async def story(engine: Engine) -> None:
        engine.seen(ONE, body(ONE))
        await settled(passes)
        assert engine._poller("f")._wanted() == {HostsIn(1)}
        engine.seen(ONE, body(ONE, generation=2))
        await settled(passes)
        assert engine._poller("f")._wanted() == set()

    play(passes, story)


def test_a_slow_server_holds_half_of_the_workers_and_the_others_go_on() -> None:
    """Hosts are made for minutes, and each pass waits for its own."""
    passes = Passes()
    slow = [Key("stackdeployments", "ops", f"slow{number}") for number in range(6)]
    release = asyncio.Event()

    async def answer(key: Key) -> Next:
        if key in slow:
            await release.wait()
        return Next()

    passes.answer = answer

    async def story(engine: Engine) -> None:
        for key in slow:
            engine.seen(key, body(key))
        assert await settled(passes) == slow[:2]
        other = body(TWO) | {"spec": {"stackRef": {"name": "s"}, "serverRef": {"name": "other"}}}
        engine.seen(TWO, other)
        engine.seen(STACK, body(STACK))
        engine.seen(SERVER, body(SERVER))
        assert {STACK, SERVER, TWO} <= set(await settled(passes))
        release.set()
        assert set(slow[2:]) <= set(await settled(passes))

    play(passes, story, workers=4)


def lives(engine: Engine) -> bool:
    """Asked anew each time."""
    return engine.alive


def test_a_calm_process_is_alive_however_long_it_was_calm() -> None:
    passes = Passes()
    release = asyncio.Event()

    async def answer(_: Key) -> Next:
        await release.wait()
        return Next()

    passes.answer = answer

    async def story(engine: Engine) -> None:
        engine._progress -= 1000
        assert lives(engine), "nothing is due"
        for number in range(8):
            engine.seen(Key("stackdeployments", "ops", f"d{number}"), body(ONE))
        await asyncio.sleep(0.01)
        assert engine._queue.overdue > 0
        assert lives(engine), "two passes have just begun"
        engine._progress -= 1000
        assert not lives(engine), "six are due, and the two end never"
        release.set()
        await settled(passes)
        assert lives(engine)

    play(passes, story, workers=4)


def test_a_worker_that_ended_and_a_loop_that_stands_still_are_no_life() -> None:
    passes = Passes()

    async def story(engine: Engine) -> None:
        engine._beat = time.monotonic() - 100
        assert not lives(engine)
        engine._beat = time.monotonic()
        assert lives(engine)
        engine._tasks[0].cancel()
        await asyncio.sleep(0.01)
        assert not lives(engine)

    play(passes, story)
