from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from foreman_stacks.cluster.port import Key
from foreman_stacks.engine.poller import Interest, Poller
from foreman_stacks.errors import ForemanForbidden, ForemanUnreachable
from foreman_stacks.foreman.port import Change, HostsIn, Job, JobCounts, JobHosts, Query, ReportsSince
from foreman_stacks.metrics import Metrics
from foreman_stacks.reconcile.servers import Connection
from tests.unit.cancelling import Begun, outlived
from tests.unit.foreman_stacks.made import a_server

ONE, TWO = Key("stackdeployments", "a", "one"), Key("stackdeployments", "b", "two")
BUILT_ONE, BUILT_TWO = HostsIn(1, "built"), HostsIn(2, "built")


@dataclass
class Told:
    """A Foreman that says what it is told to, and remembers what it was asked."""

    says: dict[Query[Any], Any] = field(default_factory=dict)
    asked: list[set[Query[Any]]] = field(default_factory=list)
    error: Exception | None = None
    fails: type[Query[Any]] = Query
    """The kind of query that gets the error."""

    async def read(self, queries: Iterable[Query[Any]]) -> Mapping[Query[Any], Any]:
        self.asked.append(set(queries))
        if self.error is not None and any(isinstance(query, self.fails) for query in self.asked[-1]):
            raise self.error
        return {query: self.says[query] for query in self.asked[-1]}

    async def write(self, change: Change) -> Any:
        raise AssertionError(change)

    async def close(self) -> None:
        return


def job(number: int, succeeded: int = 0, status: str = "running") -> Job:
    return Job(number, "", status, succeeded, 0, 3 - succeeded, 3, None)


@dataclass
class Bench:
    """A poller with all that is around it; `poll` is one poll, without the rest between two."""

    foreman: Told = field(default_factory=Told)
    woken: list[Key] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection = Connection(a_server(), self.foreman, "", ready=True)
        self.poller = Poller(lambda: self.connection, self.woken.append, jobs=0.005, builds=0.05, metrics=Metrics())

    def poll(self) -> list[Key]:
        self.woken.clear()
        asyncio.run(self.poller._poll(self.connection))
        return sorted(self.woken)


def test_only_whom_a_change_concerns_is_woken() -> None:
    """One search answers for all hostgroups, so the answer of each has hosts of others."""
    bench = Bench()
    bench.poller.watch(ONE, Interest((BUILT_ONE,), frozenset({"a1", "a2"})))
    bench.poller.watch(TWO, Interest((BUILT_TWO,), frozenset({"b1"})))
    bench.foreman.says = {BUILT_ONE: frozenset(), BUILT_TWO: frozenset()}
    assert bench.poll() == []
    bench.foreman.says = dict.fromkeys((BUILT_ONE, BUILT_TWO), frozenset({"a1"}))
    assert bench.poll() == [ONE]
    assert bench.poll() == [], "nothing new"
    bench.foreman.says = dict.fromkeys((BUILT_ONE, BUILT_TWO), frozenset({"a1", "b1", "stranger"}))
    assert bench.poll() == [TWO]


def test_a_poll_asks_once_for_what_many_wait_for() -> None:
    bench = Bench()
    for key in (ONE, TWO):
        bench.poller.watch(key, Interest((BUILT_ONE,), frozenset({"a1"})))
    bench.foreman.says = {BUILT_ONE: frozenset({"a1"})}
    assert bench.poll() == [ONE, TWO]
    assert bench.foreman.asked[0] == {BUILT_ONE}


def test_its_requests_are_counted_apart_from_those_of_passes() -> None:
    metrics = Metrics()

    class Counting(Told):
        async def read(self, queries: Iterable[Query[Any]]) -> Mapping[Query[Any], Any]:
            async def request() -> None:
                metrics.foreman_request("GET", "200", 0.1)

            await asyncio.gather(request(), request())
            return await super().read(queries)

    bench = Bench(Counting({BUILT_ONE: frozenset()}))
    bench.poller.watch(ONE, Interest((BUILT_ONE,), frozenset({"a1"})))
    bench.poll()
    asyncio.run(bench.foreman.read([BUILT_ONE]))
    asyncio.run(bench.foreman.read([BUILT_ONE]))
    name, about = "foreman_stacks_foreman_request_seconds_count", {"method": "GET", "code": "200"}
    assert metrics.registry.get_sample_value(name, about | {"origin": "poller"}) == 2
    assert metrics.registry.get_sample_value(name, about | {"origin": "other"}) == 4


def test_hosts_of_a_job_are_asked_for_only_when_its_counts_moved() -> None:
    bench = Bench()
    counts, good = JobCounts(7), JobHosts(7, "success")
    bench.poller.watch(ONE, Interest((counts, good), frozenset({"a1"})))
    bench.foreman.says = {counts: job(7), good: frozenset()}
    bench.poll()
    bench.foreman.asked.clear()
    assert bench.poll() == []
    assert set().union(*bench.foreman.asked) == {counts}
    bench.foreman.says = {counts: job(7, 1), good: frozenset({"a1"})}
    assert bench.poll() == [ONE]
    assert bench.connection.answers[good] == {"a1"}


def test_a_job_that_ends_without_new_counts_has_its_hosts_read_again() -> None:
    """Else the pass would see the job ended beside an older list of its hosts, and call the others lost."""
    bench = Bench()
    counts, good = JobCounts(7), JobHosts(7, "success")
    bench.poller.watch(ONE, Interest((counts, good), frozenset({"a1"})))
    bench.foreman.says = {counts: job(7, 3), good: frozenset()}
    bench.poll()
    bench.foreman.says = {counts: job(7, 3, "succeeded"), good: frozenset({"a1"})}
    bench.poll()
    assert bench.connection.answers[good] == {"a1"}


def test_hosts_are_asked_for_by_the_result_whose_count_moved() -> None:
    bench = Bench()
    counts, good, bad = JobCounts(7), JobHosts(7, "success"), JobHosts(7, "failed")
    bench.poller.watch(ONE, Interest((counts, good, bad), frozenset({"a1"})))
    bench.foreman.says = {counts: job(7), good: frozenset(), bad: frozenset()}
    bench.poll()
    bench.foreman.says[counts] = job(7, 1)
    bench.foreman.asked.clear()
    bench.poll()
    assert set().union(*bench.foreman.asked) == {counts, good}


def test_builds_keep_their_own_pace_while_jobs_are_followed() -> None:
    bench = Bench()
    bench.poller._builds = 60.0
    counts = JobCounts(7)
    bench.poller.watch(ONE, Interest((counts, BUILT_ONE), frozenset({"a1"})))
    bench.foreman.says = {counts: job(7), BUILT_ONE: frozenset()}
    bench.poll()
    assert sorted(bench.foreman.asked, key=str) == sorted([{counts}, {BUILT_ONE}], key=str)
    bench.poll()
    bench.poll()
    assert bench.foreman.asked[2:] == [{counts}, {counts}]


def test_what_nobody_waits_for_is_forgotten_at_once() -> None:
    bench = Bench()
    bench.poller.watch(ONE, Interest((BUILT_ONE,), frozenset({"a1"})))
    bench.foreman.says = {BUILT_ONE: frozenset({"a1"})}
    bench.poll()
    assert BUILT_ONE in bench.connection.answers
    bench.poller.watch(ONE, Interest((), frozenset()))
    assert bench.connection.answers == {}


def test_an_answer_on_its_way_is_not_kept_for_one_who_left_meanwhile() -> None:
    bench = Bench()
    bench.poller.watch(ONE, Interest((BUILT_ONE,), frozenset({"a1"})))
    leave = bench.poller.watch

    class Slow(Told):
        async def read(self, queries: Iterable[Query[Any]]) -> Mapping[Query[Any], Any]:
            leave(ONE, Interest((), frozenset()))
            return dict.fromkeys(queries, frozenset({"a1"}))

    bench.connection.foreman = Slow()
    assert bench.poll() == []
    assert bench.connection.answers == {}


COUNTS, GOOD, REPORTS = JobCounts(7), JobHosts(7, "success"), ReportsSince(3, 100)
ALL: set[Query[Any]] = {BUILT_ONE, COUNTS, GOOD, REPORTS}


def followed(fails: type[Query[Any]], error: Exception) -> Bench:
    """Four that follow one kind each; everything was answered once, and is answered by other things since, but for one."""
    bench = Bench()
    bench.poller._builds = 0.0
    waits: tuple[tuple[Query[Any], ...], ...] = ((BUILT_ONE,), (COUNTS,), (GOOD, COUNTS), (REPORTS,))
    for number, queries in enumerate(waits):
        key = Key("stackdeployments", "ops", str(number))
        bench.poller.watch(key, Interest(queries, frozenset({"a1"})))
    bench.foreman.says = {BUILT_ONE: frozenset(), COUNTS: job(7), GOOD: frozenset(), REPORTS: ()}
    bench.poll()
    bench.foreman.says = {BUILT_ONE: frozenset({"a1"}), COUNTS: job(7, 1), GOOD: frozenset({"a1"}), REPORTS: ("r",)}
    bench.foreman.error, bench.foreman.fails = error, fails
    return bench


@pytest.mark.parametrize("error", [ForemanForbidden("403", ()), ForemanUnreachable("slow"), KeyError("odd")])
@pytest.mark.parametrize(
    "fails, blind, woken",
    [
        (HostsIn, {BUILT_ONE}, ["1", "2", "3"]),
        (JobHosts, {COUNTS, GOOD}, ["0", "3"]),
        (ReportsSince, {REPORTS}, ["0", "1", "2"]),
    ],
)
def test_a_search_that_fails_blinds_nobody_who_waits_for_something_else(
    fails: type[Query[Any]], blind: set[Query[Any]], woken: list[str], error: Exception
) -> None:
    bench = followed(fails, error)
    before = {query: bench.connection.answers[query] for query in blind}
    assert [key.name for key in bench.poll()] == woken
    assert {query: bench.connection.answers[query] for query in blind} == before, "one failure is a hiccup"
    assert all(bench.connection.answers[query] == bench.foreman.says[query] for query in before.keys() ^ ALL)


@pytest.mark.parametrize("error", [ForemanForbidden("403", ()), ForemanUnreachable("slow"), KeyError("odd")])
@pytest.mark.parametrize(
    "fails, blind, woken",
    [(HostsIn, {BUILT_ONE}, ["0"]), (JobHosts, {COUNTS, GOOD}, ["1", "2"]), (ReportsSince, {REPORTS}, ["3"])],
)
def test_who_waits_for_a_search_that_fails_twice_is_woken_to_ask_himself(
    fails: type[Query[Any]], blind: set[Query[Any]], woken: list[str], error: Exception
) -> None:
    """An old answer would keep the pass from asking, and so from telling of the error."""
    bench = followed(fails, error)
    bench.poll()
    assert [key.name for key in bench.poll()] == woken
    assert bench.connection.answers.keys() == ALL - blind


def test_failures_between_which_a_search_succeeds_are_hiccups() -> None:
    bench = followed(ReportsSince, ForemanUnreachable("slow"))
    bench.poll()
    bench.foreman.error = None
    bench.poll()
    bench.foreman.error = ForemanUnreachable("slow")
    assert bench.poll() == []
    assert bench.connection.answers[REPORTS] == ("r",)


def test_a_server_counts_as_heard_only_when_it_has_answered() -> None:
    bench = Bench()
    bench.poller.watch(ONE, Interest((BUILT_ONE,), frozenset({"a1"})))
    bench.foreman.error = ForemanUnreachable("gone")
    bench.poll()
    assert bench.connection.answered is None
    bench.foreman.error, bench.foreman.says = None, {BUILT_ONE: frozenset()}
    bench.poll()
    assert bench.connection.answered is not None


def run_for(bench: Bench, seconds: float) -> None:
    async def run() -> None:
        task = asyncio.create_task(bench.poller.run())
        await asyncio.sleep(seconds)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_nothing_is_asked_while_nobody_waits() -> None:
    bench = Bench()
    run_for(bench, 0.15)
    assert bench.foreman.asked == []


def test_a_server_that_is_not_well_is_left_alone() -> None:
    bench = Bench()
    bench.connection.ready = False
    bench.poller.watch(ONE, Interest((BUILT_ONE,), frozenset({"a1"})))
    run_for(bench, 0.15)
    assert bench.foreman.asked == []


def run_until_asked(times: int, asked: Bench, *others: Bench) -> None:
    """Let pollers run side by side until one of them has asked so often."""

    async def run() -> None:
        tasks = [asyncio.create_task(bench.poller.run()) for bench in (asked, *others)]
        while len(asked.foreman.asked) < times:
            await asyncio.sleep(0.005)
        assert not any(task.done() for task in tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(asyncio.wait_for(run(), 10))


def test_a_cancelled_poller_ends_even_if_a_deployment_comes_at_that_moment() -> None:
    def begin() -> Begun:
        bench = Bench()
        bench.poller._builds = 60.0
        bench.poller.watch(ONE, Interest((BUILT_ONE,), frozenset()))
        return bench.poller.run(), lambda: bench.poller.watch(TWO, Interest((BUILT_ONE,), frozenset()))

    assert outlived(begin) == []


def test_polls_are_closer_while_a_job_runs() -> None:
    jobs, builds = Bench(), Bench()
    jobs.poller._builds = builds.poller._builds = 60.0
    jobs.poller.watch(ONE, Interest((JobCounts(7),), frozenset()))
    jobs.foreman.says = {JobCounts(7): job(7)}
    builds.poller.watch(ONE, Interest((BUILT_ONE,), frozenset()))
    builds.foreman.says = {BUILT_ONE: frozenset()}
    run_until_asked(3, jobs, builds)
    assert builds.foreman.asked == []


def test_a_job_that_starts_in_the_rest_between_two_polls_shortens_it() -> None:
    bench = Bench()
    bench.poller._builds = 60.0
    bench.foreman.says = {BUILT_ONE: frozenset(), JobCounts(7): job(7)}
    bench.poller.watch(ONE, Interest((BUILT_ONE,), frozenset()))

    async def run() -> None:
        task = asyncio.create_task(bench.poller.run())
        await asyncio.sleep(0.02)
        bench.poller.watch(TWO, Interest((JobCounts(7),), frozenset()))
        while not bench.foreman.asked:
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asyncio.wait_for(run(), 5))


def test_errors_of_foreman_and_defects_of_ours_end_no_poller() -> None:
    for error in (ForemanUnreachable("gone"), KeyError("odd")):
        bench = Bench()
        bench.foreman.error = error
        bench.poller.watch(ONE, Interest((JobCounts(7),), frozenset()))
        run_until_asked(2, bench)
