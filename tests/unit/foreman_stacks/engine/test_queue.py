from __future__ import annotations

import asyncio

import pytest

from foreman_stacks.cluster.port import Key
from foreman_stacks.engine.queue import JITTER, Queue
from foreman_stacks.metrics import Metrics

A, B, C = (Key("stackdeployments", "ops", name) for name in "abc")


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(clock: Clock, first: float = 1.0, cap: float = 300.0) -> Queue:
    return Queue(clock, first=first, cap=cap, metrics=Metrics())


async def taken(queue: Queue) -> Key | None:
    """The next key, None when nothing is due."""
    try:
        return await asyncio.wait_for(queue.get(), 0.02)
    except TimeoutError:
        return None


async def drained(queue: Queue) -> list[Key]:
    found = []
    while (key := await taken(queue)) is not None:
        found.append(key)
    return found


def test_a_key_that_is_due_is_due_once() -> None:
    async def run() -> None:
        queue = made(Clock())
        for _ in range(3):
            queue.add(A)
        assert queue.overdue == 1
        assert await drained(queue) == [A]
        assert queue.overdue == 0

    asyncio.run(run())


def test_edits_come_before_calm_work_and_each_in_its_order() -> None:
    async def run() -> None:
        queue = made(Clock())
        queue.add(A, calm=True)
        queue.add(B)
        queue.add(C)
        assert await drained(queue) == [B, C, A]

    asyncio.run(run())


def test_what_asks_to_be_looked_at_again_at_once_stays_calm() -> None:
    async def run() -> None:
        queue = made(Clock())
        queue.add(A)
        assert await taken(queue) == A
        queue.add(A, 0.0, calm=True)
        queue.add(B, calm=True)
        queue.add(C)
        queue.done(A)
        assert await drained(queue) == [C, B, A], "behind the edit, and behind the timer that came first"

    asyncio.run(run())


def test_an_edit_that_comes_while_its_key_is_worked_on_is_no_calm_work() -> None:
    async def run() -> None:
        queue = made(Clock())
        queue.add(A)
        assert await taken(queue) == A
        queue.add(A)
        queue.add(A, 0.0, calm=True)
        queue.add(B, calm=True)
        queue.done(A)
        assert await drained(queue) == [A, B]

    asyncio.run(run())


def test_calm_work_gets_its_turn_however_many_edits_there_are() -> None:
    async def run() -> None:
        clock = Clock()
        queue = made(clock)
        queue.add(A, 5.0, calm=True)
        clock.now += 6.0
        queue.add(B)
        queue.add(C)
        found: list[Key | None] = []
        while A not in found and len(found) < 20:
            key = await taken(queue)
            assert key is not None
            found.append(key)
            queue.add(key)
            queue.done(key)
        assert found[-1] == A, "the two always have new edits, and the timer never came"

    asyncio.run(run())


def test_one_worker_for_each_key_and_what_came_meanwhile_is_not_lost() -> None:
    async def run() -> None:
        queue = made(Clock())
        queue.add(A)
        assert await taken(queue) == A
        queue.add(A)
        queue.add(A)
        assert await taken(queue) is None, "somebody else works on it"
        queue.done(A)
        assert await drained(queue) == [A]

    asyncio.run(run())


def test_a_delayed_key_comes_when_its_time_has_come() -> None:
    async def run() -> None:
        clock = Clock()
        queue = made(clock)
        queue.add(A, 10.0)
        assert await taken(queue) is None
        clock.now += 9.9
        assert await taken(queue) is None
        clock.now += 0.2
        assert await taken(queue) == A

    asyncio.run(run())


@pytest.mark.parametrize("wishes", [(10.0, 3.0), (3.0, 10.0), (10.0, 3.0, 7.0)])
def test_of_several_delays_the_earliest_counts_and_only_once(wishes: tuple[float, ...]) -> None:
    async def run() -> None:
        clock = Clock()
        queue = made(clock)
        for wish in wishes:
            queue.add(A, wish)
        clock.now += 3.1
        assert await taken(queue) == A
        queue.done(A)
        clock.now += 20
        assert await taken(queue) is None, "the later wishes were the same wish"

    asyncio.run(run())


def test_an_event_overtakes_a_delay() -> None:
    async def run() -> None:
        clock = Clock()
        queue = made(clock)
        queue.add(A, 600.0, calm=True)
        queue.add(A)
        assert await taken(queue) == A
        queue.done(A)
        clock.now += 700
        assert await taken(queue) is None

    asyncio.run(run())


def test_a_delay_that_ends_while_its_key_is_worked_on_is_kept_for_after() -> None:
    async def run() -> None:
        clock = Clock()
        queue = made(clock)
        queue.add(A, 5.0)
        queue.add(A)
        assert await taken(queue) == A
        queue.add(A, 2.0)
        clock.now += 10
        assert await taken(queue) is None
        queue.done(A)
        clock.now += 2.1
        assert await taken(queue) == A

    asyncio.run(run())


def pauses(queue: Queue, clock: Clock, failures: int) -> list[float]:
    """How long the key is held back after each failure in a row."""

    async def run() -> list[float]:
        found = []
        queue.add(A)
        for _ in range(failures):
            assert await taken(queue) == A
            queue.retry(A)
            queue.done(A)
            waited = 0.0
            while queue.overdue == 0:
                queue._ripen()
                clock.now += 0.01
                waited += 0.01
            found.append(waited)
        return found

    return asyncio.run(run())


def test_pauses_double_up_to_the_cap_with_jitter() -> None:
    clock = Clock()
    for waited, pause in zip(pauses(made(clock, cap=6.0), clock, 5), [1, 2, 4, 6, 6], strict=True):
        assert pause * (1 - JITTER) - 0.05 <= waited <= pause * (1 + JITTER) + 0.05


def test_pauses_differ_from_each_other() -> None:
    clock = Clock()
    found = {round(pauses(made(clock), clock, 1)[0], 2) for _ in range(12)}
    assert len(found) > 1, "no jitter: everything that failed together comes back together"


def test_success_starts_the_pauses_anew() -> None:
    async def run() -> None:
        clock = Clock()
        queue = made(clock)
        for _ in range(8):
            queue.retry(A)
        queue.succeeded(A)
        clock.now += 1000
        assert await taken(queue) == A
        queue.retry(A)
        queue.done(A)
        clock.now += 1.3
        assert await taken(queue) == A

    asyncio.run(run())


def test_an_outage_of_weeks_ends_no_worker() -> None:
    """Two to the power of a thousand failures is no float."""
    queue = made(Clock(), cap=1.0)
    for _ in range(3000):
        queue.retry(A)


def test_a_waiting_worker_wakes_for_a_new_key_and_for_an_earlier_delay() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        queue = Queue(loop.time, first=1, cap=1, metrics=Metrics())
        queue.add(A, 30.0)
        worker = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add(B, 0.01)
        assert await asyncio.wait_for(worker, 5) == B
        worker = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add(C)
        assert await asyncio.wait_for(worker, 5) == C

    asyncio.run(run())


def test_many_workers_share_the_keys_without_doubles() -> None:
    async def run() -> None:
        queue = Queue(asyncio.get_running_loop().time, first=1, cap=1, metrics=Metrics())
        keys = [Key("stacks", "ops", f"s{number}") for number in range(50)]
        busy: set[Key] = set()
        done: list[Key] = []

        async def work() -> None:
            while True:
                key = await queue.get()
                assert key not in busy
                busy.add(key)
                await asyncio.sleep(0)
                busy.discard(key)
                done.append(key)
                queue.done(key)

        workers = [asyncio.create_task(work()) for _ in range(4)]
        for key in keys * 2:
            queue.add(key)
        while len(done) < len(keys):
            await asyncio.sleep(0)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        assert set(done) == set(keys)

    asyncio.run(run())
