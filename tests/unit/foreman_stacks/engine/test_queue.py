from __future__ import annotations

import asyncio
from typing import Any

import pytest

from foreman_stacks.cluster.port import Key
from foreman_stacks.engine.queue import JITTER, Queue
from foreman_stacks.metrics import Metrics
from tests.unit.cancelling import Begun, outlived

A, B, C = (Key("stackdeployments", "ops", name) for name in "abc")


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(clock: Clock, first: float = 1.0, cap: float = 300.0, **crowds: Any) -> Queue:
    return Queue(clock, first=first, cap=cap, metrics=Metrics(), **crowds)


def crowded(most: int = 2) -> Queue:
    """A queue in which the first letter of a name is the crowd, but for `x`, which has none."""
    return made(Clock(), crowd=lambda key: key.name[0].replace("x", ""), most=most)


def keys(*names: str) -> list[Key]:
    return [Key("stackdeployments", "ops", name) for name in names]


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


def test_a_cancelled_worker_ends_even_if_a_key_comes_at_that_moment() -> None:
    def begin() -> Begun:
        queue = Queue(asyncio.get_running_loop().time, first=1, cap=1, metrics=Metrics())
        queue.add(A, 60.0)
        return queue.get(), lambda: queue.add(B, 30.0)

    assert outlived(begin) == []


def test_a_crowd_holds_only_so_many_workers_and_others_go_on() -> None:
    async def run() -> None:
        queue = crowded()
        for key in keys("a1", "a2", "a3", "a4", "b1", "x1", "x2", "x3"):
            queue.add(key)
        assert await drained(queue) == keys("a1", "a2", "b1", "x1", "x2", "x3")
        assert queue.overdue == 2, "they are due, and nobody has taken them"

    asyncio.run(run())


def test_a_place_that_becomes_free_goes_to_who_was_held_back_first() -> None:
    async def run() -> None:
        queue = crowded()
        for key in keys("a1", "a2", "a3", "a4"):
            queue.add(key)
        one, two, three, four = keys("a1", "a2", "a3", "a4")
        assert await drained(queue) == [one, two]
        queue.add(one)
        queue.done(one)
        assert await drained(queue) == [three], "whoever has been there comes behind"
        queue.done(two)
        assert await drained(queue) == [four]
        queue.done(three)
        assert await drained(queue) == [one]
        queue.done(four)
        queue.done(one)
        queue.add(two)
        queue.add(three)
        assert await drained(queue) == [two, three], "no place was lost"

    asyncio.run(run())


def test_of_those_who_are_held_back_edits_come_first() -> None:
    async def run() -> None:
        queue = crowded(most=1)
        one, two, three = keys("a1", "a2", "a3")
        queue.add(one)
        assert await taken(queue) == one
        queue.add(two, calm=True)
        assert await taken(queue) is None
        queue.add(three)
        assert await taken(queue) is None
        queue.done(one)
        assert await drained(queue) == [three]
        queue.done(three)
        assert await drained(queue) == [two]

    asyncio.run(run())


def test_crowds_that_are_full_leave_workers_to_a_third_one() -> None:
    """Two crowds with long lines would hold both workers till their ends, if a free place were a free worker."""

    async def run() -> None:
        queue = crowded(most=1)
        for key in keys(*(f"{crowd}{number}" for number in range(1, 9) for crowd in "ab")):
            queue.add(key)
        busy: list[Key | None] = [*await drained(queue)]
        assert busy == keys("a1", "b1")
        (third,) = keys("c1")
        queue.add(third)
        for _ in range(6):
            first = busy.pop(0)
            assert first is not None
            queue.done(first)
            busy.append(await taken(queue))
            if third in busy:
                return
        pytest.fail("the third one never had a worker")

    asyncio.run(run())


def test_a_worker_that_waits_takes_who_was_held_back_as_soon_as_there_is_a_place() -> None:
    async def run() -> None:
        queue = crowded(most=1)
        one, two = keys("a1", "a2")
        queue.add(one)
        queue.add(two)
        assert await taken(queue) == one
        worker = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        queue.done(one)
        assert await asyncio.wait_for(worker, 5) == two

    asyncio.run(run())


def test_many_workers_share_the_keys_without_doubles() -> None:
    async def run() -> None:
        queue = Queue(asyncio.get_running_loop().time, first=1, cap=1, metrics=Metrics())
        many = [Key("stacks", "ops", f"s{number}") for number in range(50)]
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
        for key in many * 2:
            queue.add(key)
        while len(done) < len(many):
            await asyncio.sleep(0)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        assert set(done) == set(many)

    asyncio.run(run())
