"""Reading until a decision can be made; what is known after a write, whatever became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from foreman_stacks.errors import (
    ForemanError,
    ForemanForbidden,
    ForemanNotFound,
    ForemanRefused,
    ForemanStale,
    ForemanUnauthorized,
    ForemanUnreachable,
)
from foreman_stacks.foreman.port import (
    Change,
    HostgroupNamed,
    HostNamed,
    HostsIn,
    HostTaken,
    JobWithToken,
    OverrideOf,
    OverrideValue,
    Query,
    Snapshot,
    Written,
)
from foreman_stacks.model.progress import Progress
from foreman_stacks.reconcile.acting import MAX_ROUNDS, decided, do
from foreman_stacks.reconcile.memory import OFTEN, Memory
from foreman_stacks.reconcile.world import Draft, Moment
from foreman_stacks.settings import Settings
from foreman_stacks.steps import job as jobs
from tests.unit.foreman_stacks.made import NOW, host_row, hostgroup, later
from tests.unit.foreman_stacks.steps.looks import JOB as JOB_ID
from tests.unit.foreman_stacks.steps.looks import a_job

GROUP, HOST = HostgroupNamed("Base/zk"), HostNamed("a")
POST = Change("create", "host", "a", {"name": "a"}, intent=True, answers=HOST)
JOB = Change("start", "job", "t0ken", {}, intent=True, answers=JobWithToken("t0ken"))
HOSTGROUP = Change("create", "hostgroup", "Base/zk", {}, answers=GROUP)
UPDATE = Change("update", "override_value", "x", {}, (1, "m"), settles=((OverrideOf(1, "m"), OverrideValue("m", 5)),))


@dataclass
class Told:
    """A Foreman that answers what it is told to."""

    says: Mapping[Query[Any], Any] = field(default_factory=dict)
    error: Exception | None = None
    row: Any = None
    asked: list[tuple[Query[Any], ...]] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    on_write: Callable[[Change], None] = lambda _: None

    async def read(self, queries: Iterable[Query[Any]]) -> Mapping[Query[Any], Any]:
        self.asked.append(tuple(queries))
        return {query: self.says.get(query) for query in self.asked[-1]}

    async def write(self, change: Change) -> Any:
        self.sent.append(str(change))
        self.on_write(change)
        if self.error is not None:
            raise self.error
        return self.row

    async def close(self) -> None:
        return


def choose(
    decide: Callable[[Snapshot], object], foreman: Told, memory: Memory, polled: dict[Query[Any], Any] | None = None
) -> Draft:
    def draft(seen: Snapshot) -> Draft:
        found = decide(seen)
        return found if isinstance(found, Draft) else Draft(Progress())

    return asyncio.run(decided(draft, foreman, memory, polled if polled is not None else {}))


def write(change: Change, foreman: Told, memory: Memory, seconds: float = 0) -> ForemanError | None:
    try:
        asyncio.run(do([[change]], foreman, memory, lambda: later(seconds)))
    except ForemanError as error:
        return error
    return None


# --- deciding ----------------------------------------------------------------------------------------------------------


def test_what_a_decision_lacks_is_read_together_and_it_decides_again() -> None:
    foreman, seen_so_far = Told({GROUP: hostgroup(1, "Base/zk"), HOST: host_row(1)}), []

    def decide(seen: Snapshot) -> None:
        seen_so_far.append(1)
        seen.need([GROUP, HOST])

    choose(decide, foreman, Memory(NOW))
    assert foreman.asked == [(GROUP, HOST)]
    assert len(seen_so_far) == 2


def test_a_fresh_answer_counts_more_than_a_kept_one_and_that_more_than_a_polled_one() -> None:
    memory = Memory(NOW, kept={GROUP: "kept", HOST: "kept"})
    polled: dict[Query[Any], Any] = {GROUP: "polled", HOST: "polled", HostsIn(1): "polled"}
    found: list[Any] = []
    choose(lambda seen: found.append([seen[query] for query in polled]), Told(), memory, dict(polled))
    assert found == [["kept", "kept", "polled"]]


def test_what_stays_true_is_kept_for_the_next_pass_and_nothing_is_kept_of_what_was_not_there() -> None:
    foreman, memory = Told({GROUP: hostgroup(1, "Base/zk"), HostTaken("a"): 5}), Memory(NOW)
    for _ in range(2):
        choose(lambda seen: seen.need([GROUP, HOST, HostTaken("a")]), foreman, memory)
    assert foreman.asked == [(GROUP, HOST, HostTaken("a")), (HOST, HostTaken("a"))]


def test_what_was_read_and_is_polled_from_now_on_is_where_the_poller_goes_on_from() -> None:
    polled: dict[Query[Any], Any] = {}
    query = HostsIn(1, "built")

    def decide(seen: Snapshot) -> Draft:
        assert seen[query] == {"a"}
        return Draft(Progress(), polls=[query, HostsIn(2)])

    choose(decide, Told({query: frozenset({"a"})}), Memory(NOW), polled)
    assert polled == {query: {"a"}}


def test_a_decision_that_asks_in_a_circle_is_a_defect() -> None:
    numbers, foreman = count(), Told()
    with pytest.raises(RuntimeError):
        choose(lambda seen: seen.need([HostTaken(str(next(numbers)))]), foreman, Memory(NOW))
    assert len(foreman.asked) == MAX_ROUNDS


# --- after a write -------------------------------------------------------------------------------------------------------


def test_a_write_that_succeeds_is_known_without_reading_it() -> None:
    memory = Memory(NOW)
    write(POST, Told(row=host_row(1)), memory)
    write(UPDATE, Told(), memory)
    assert memory.kept == {HOST: host_row(1), OverrideOf(1, "m"): OverrideValue("m", 5)}


def test_what_a_write_touches_is_forgotten_before_it_is_sent() -> None:
    memory = Memory(NOW, kept={GROUP: "old", OverrideOf(1, "m"): "old", HOST: "old"}, unsent={"a"})
    at_sending: list[Any] = []

    def look(_: Change) -> None:
        at_sending.append((set(memory.kept), set(memory.unsent), dict(memory.sent)))

    stale = Change("update", "hostgroup_parameter", "x", {}, (1, "x"), stales=(GROUP,))
    for change in (stale, UPDATE, POST):
        write(change, Told(on_write=look), memory)
    assert at_sending == [
        ({OverrideOf(1, "m"), HOST}, {"a"}, {}),
        ({HOST}, {"a"}, {}),
        ({OverrideOf(1, "m")}, set(), {"a": NOW}),
    ]


@pytest.mark.parametrize("change", [POST, JOB])
@pytest.mark.parametrize(
    "error, again",
    [
        (ForemanUnreachable("no route", sent=False), True),
        (ForemanUnauthorized("no", status=401), True),
        (ForemanForbidden("no"), True),
        (ForemanStale("other"), True),
        (ForemanUnreachable("silent"), False),
        (ForemanUnreachable("bad gateway", status=502), False),
        (ForemanRefused("oops", status=500), False),
    ],
    ids=lambda value: type(value).__name__ + str(getattr(value, "status", value)),
)
def test_what_is_sent_once_is_sent_again_at_once_only_when_it_surely_was_not_done(
    change: Change, error: ForemanError, again: bool
) -> None:
    memory = Memory(NOW, unsent={change.key})
    assert write(change, Told(error=error), memory, seconds=5) is error
    assert (change.key in memory.unsent) == again
    assert memory.sent[change.key] == later(5)


@pytest.mark.parametrize(
    "error",
    [
        ForemanUnreachable("silent"),
        ForemanUnreachable("bad gateway", status=502),
        ForemanRefused("oops", status=500),
        ForemanRefused("busy", status=409),
    ],
    ids=lambda error: type(error).__name__ + str(error.status),
)
def test_a_cancelling_counts_as_sent_once_it_is_answered(error: ForemanError) -> None:
    cancel, memory = jobs.cancel(a_job()), Memory(NOW)

    def sent(seconds: float) -> datetime | None:
        return Moment(Snapshot({}), memory, Settings(), later(seconds)).sent(str(JOB_ID))

    assert write(cancel, Told(error=error), memory) is error
    assert sent(1) is None
    assert write(cancel, Told(), memory, seconds=5) is None
    assert sent(6) == later(5), "from then on it is waited for"


@pytest.mark.parametrize("status", [404, 422])
def test_a_host_that_foreman_refuses_is_refused_for_good(status: int) -> None:
    kind = ForemanNotFound if status == 404 else ForemanRefused
    memory = Memory(NOW, unsent={"a"})
    assert write(POST, Told(error=kind("POST /api/v2/hosts: 422 name is bad", status=status)), memory) is None
    assert memory.refused == {"a": "422 name is bad"}
    assert "a" not in memory.unsent


def test_a_job_that_foreman_refuses_may_be_started_again() -> None:
    memory = Memory(NOW, unsent={"t0ken"})
    error = ForemanRefused("POST: 422 no", status=422)
    assert write(JOB, Told(error=error), memory) is error
    assert "t0ken" in memory.unsent
    assert memory.refused == {}


@pytest.mark.parametrize(
    "error", [ForemanRefused("could not be cancelled", status=422), ForemanNotFound("gone", status=404)]
)
def test_a_job_that_has_ended_meanwhile_needs_no_cancelling(error: ForemanError) -> None:
    memory = Memory(NOW)
    assert write(jobs.cancel(a_job()), Told(error=error), memory, seconds=5) is None
    assert memory.sent == {str(JOB_ID): later(5)}
    assert memory.unsent == set()


@pytest.mark.parametrize("status, final", [(409, True), (422, True), (500, False)])
def test_a_hostgroup_that_others_use_stays_and_that_is_an_answer(status: int, final: bool) -> None:
    delete = Change("delete", "hostgroup", "Base/zk", address=(1,))
    memory = Memory(NOW)
    error = write(delete, Told(error=ForemanRefused("DELETE: is used by x", status=status)), memory)
    assert (error is None) == final
    assert ("Base/zk" in memory.refused) == final


def test_a_hostgroup_without_an_answer_may_still_appear_from_the_moment_it_was_given_up() -> None:
    memory = Memory(NOW)
    memory.accept("", "p")

    class Slow(Told):
        async def write(self, change: Change) -> Any:
            clock.append(later(290))
            raise ForemanUnreachable("silent")

    clock = [NOW]
    with pytest.raises(ForemanUnreachable):
        asyncio.run(do([[HOSTGROUP]], Slow(), memory, lambda: clock[-1]))
    assert memory.group_may_appear_until("p", 300) == later(590)


def test_waves_follow_one_another_and_an_error_ends_them_after_its_wave() -> None:
    foreman = Told()

    def fail(change: Change) -> None:
        if change.key == "b":
            raise ForemanRefused("no", status=500)

    foreman.on_write = fail
    waves = [[Change("update", "host", key, {}, (1,)) for key in wave] for wave in ("a", "bc", "d")]
    with pytest.raises(ForemanRefused):
        asyncio.run(do(waves, foreman, Memory(NOW), lambda: NOW))
    assert foreman.sent == ["update host a", "update host b", "update host c"]


def test_what_foreman_takes_and_does_not_do_is_a_refusal_and_is_not_sent_again() -> None:
    foreman, memory = Told(), Memory(NOW)
    for number in range(OFTEN):
        assert write(UPDATE, foreman, memory, seconds=number) is None
    error = write(UPDATE, foreman, memory, seconds=OFTEN)
    assert isinstance(error, ForemanRefused)
    assert "update override_value x: was written several times" in str(error)
    assert foreman.sent == [str(UPDATE)] * OFTEN


def test_what_is_sent_once_by_its_intent_is_never_held_back() -> None:
    foreman, memory = Told(), Memory(NOW)
    for _ in range(OFTEN + 1):
        assert write(JOB, foreman, memory) is None


# --- memory --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("started, sent, settled", [(-100, None, 300), (50, None, 350), (-100, 20, 320), (50, 20, 350)])
def test_a_key_may_appear_until_long_after_the_latest_of_intent_start_and_send(
    started: float, sent: float | None, settled: float
) -> None:
    memory = Memory(later(started), sent={} if sent is None else {"a": later(sent)})
    assert memory.settled_at("a", NOW, 300) == later(settled)


def test_doubt_forgets_everything_but_what_nobody_else_knows() -> None:
    kept: dict[Query[Any], Any] = {GROUP: "x", HOST: "x", Written("place"): "x"}
    memory = Memory(NOW, kept=dict(kept), verified={"zk"})
    memory.doubt(hosts=False)
    assert set(memory.kept) == {HOST, Written("place")}
    memory.doubt()
    assert set(memory.kept) == {Written("place")}
    assert memory.verified == set()
