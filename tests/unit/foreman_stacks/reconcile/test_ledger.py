"""Runs of all deployments of a server together: who may start how many, and whose turn it is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from foreman_stacks.cluster.port import Object
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.progress import Progress, Run, StepProgress
from foreman_stacks.reconcile.ledger import TIMEOUT, Ledger, ends, under_way
from tests.unit.foreman_stacks.made import NOW, later, refs

A, B, C = ("ns", "a"), ("ns", "b"), ("ns", "c")
PLACE = ("lab", 1)


def ledger() -> Ledger:
    return Ledger(timedelta(seconds=10))


def test_what_others_run_is_not_granted() -> None:
    ours = ledger()
    ours.book(A, "lab", {1: 3})
    assert ours.grant(PLACE, B, 5, 4, NOW) == 1
    assert ours.grant(PLACE, A, 5, 4 - 3, NOW) == 1
    ours.book(A, "lab", {})
    assert ours.grant(PLACE, B, 5, 4, NOW) == 4


def test_other_servers_and_other_proxies_have_room_of_their_own_but_an_unknown_proxy_may_be_any() -> None:
    ours = ledger()
    ours.book(A, "lab", {1: 4})
    assert ours.grant(("other", 1), B, 4, 4, NOW) == 4
    assert ours.grant(("lab", 2), B, 4, 4, NOW) == 4
    assert ours.grant(("lab", None), B, 4, 4, NOW) == 0
    ours.book(C, "lab", {None: 2})
    assert ours.grant(("lab", 2), B, 4, 4, NOW) == 2


def test_who_waits_longer_comes_first_and_keeps_what_it_is_given_until_it_runs() -> None:
    ours = ledger()
    ours.book(A, "lab", {1: 4})
    assert ours.grant(PLACE, B, 2, 4, NOW) == 0
    assert ours.grant(PLACE, C, 4, 4, later(1)) == 0
    ours.book(A, "lab", {})
    assert ours.grant(PLACE, A, 4, 4, later(2)) == 0
    assert ours.grant(PLACE, C, 4, 4, later(3)) == 2
    assert ours.grant(PLACE, B, 2, 4, later(4)) == 2
    ours.book(B, "lab", {1: 2}, later(4))
    assert ours.grant(PLACE, C, 4, 4, later(5)) == 2
    ours.book(C, "lab", {1: 2}, later(5))
    assert ours.grant(PLACE, A, 4, 4, later(5)) == 0
    ours.book(B, "lab", {})
    assert ours.grant(PLACE, A, 4, 4, later(6)) == 2


def test_a_wish_that_is_not_repeated_is_over() -> None:
    ours = ledger()
    ours.book(A, "lab", {1: 4})
    assert ours.grant(PLACE, B, 4, 4, NOW) == 0
    ours.book(A, "lab", {})
    assert ours.grant(PLACE, C, 4, 4, later(9)) == 0
    assert ours.grant(PLACE, C, 4, 4, later(11)) == 4


def test_a_look_that_wishes_nothing_gives_up_its_place() -> None:
    ours = ledger()
    ours.book(A, "lab", {1: 4})
    assert ours.grant(PLACE, B, 4, 4, NOW) == 0
    ours.book(B, "lab", {}, NOW)
    assert ours.grant(PLACE, C, 4, 4, later(1)) == 0
    ours.book(B, "lab", {}, later(2))
    ours.book(A, "lab", {}, later(2))
    assert ours.grant(PLACE, C, 4, 4, later(3)) == 4


def test_to_ask_what_is_left_keeps_nothing() -> None:
    ours = ledger()
    assert ours.left(PLACE, B, 5, 4, NOW) == 4
    assert ours.grant(PLACE, C, 4, 4, later(1)) == 4


def test_a_deployment_that_is_gone_runs_and_wishes_nothing() -> None:
    ours = ledger()
    ours.book(A, "lab", {1: 4})
    assert ours.grant(PLACE, B, 4, 4, NOW) == 0
    ours.drop(A)
    ours.drop(B)
    assert ours.grant(PLACE, C, 4, 4, later(1)) == 4


def test_room_wakes_as_many_as_it_is_for_in_their_order() -> None:
    ours, woken = ledger(), list[tuple[str, str]]()
    ours.wake = woken.append
    ours.book(A, "lab", {1: 4})
    for second, name in enumerate("dbce"):
        assert ours.grant(PLACE, ("ns", name), 2, 4, later(second)) == 0
    assert woken == []
    ours.book(A, "lab", {1: 4}, later(5))
    assert woken == []
    ours.book(A, "lab", {}, later(6))
    assert woken == [("ns", "d"), ("ns", "b")]


def test_room_elsewhere_wakes_nobody_and_room_that_may_be_anywhere_wakes_all_who_wait() -> None:
    ours, woken = ledger(), list[tuple[str, str]]()
    ours.wake = woken.append
    ours.book(A, "lab", {1: 4, None: 1})
    assert ours.grant(("lab", 2), B, 4, 4, NOW) == 3
    ours.book(A, "lab", {None: 1})
    assert woken == []
    ours.drop(A)
    assert woken == [B]


def running(name: str, baseline: int, count: int) -> StepProgress:
    hosts = dict.fromkeys(refs(*range(1, count + 1)), "d")
    return StepProgress(name, run=Run("t", hosts, baseline, NOW))


def test_scripts_are_no_puppet_runs() -> None:
    steps = [running("Quiesce", 0, 3), running("PeriodicPuppet", 0, 3), running("first", 0, 2), StepProgress("second")]
    assert counted(*steps) == {7: 2}
    assert counted(running("first", 0, 9), hosts=refs(2, 3)) == {7: 2}
    assert counted(running("PeriodicPuppet", 9, 3)) == {7: 3}
    assert dict(under_way(Progress(steps={"first": running("first", 0, 2)}), ends({}, 0), NOW)[0]) == {None: 2}


def counted(*steps: StepProgress, hosts: Sequence[HostRef] | None = None) -> dict[Any, int]:
    progress = Progress(steps={step.name: step for step in steps})
    return dict(under_way(progress, ends({}, 0), NOW, lambda _: 7, hosts)[0])


@pytest.mark.parametrize("seconds, found, until", [(99, {7: 2 + 3}, 110), (100, {7: 3}, 110), (110, {}, None)])
def test_a_run_counts_until_it_must_be_over(seconds: int, found: dict[Any, int], until: int | None) -> None:
    steps = [running("first", 0, 2), running("second", 0, 3), running("Quiesce", 0, 1)]
    progress = Progress(steps={step.name: step for step in steps})
    over = ends({"first": 90, "second": 100, "Quiesce": 1000}, 10)
    runs, end = under_way(progress, over, later(seconds), lambda _: 7)
    assert (dict(runs), end) == (found, until and later(until))


def test_what_nobody_looks_at_any_more_counts_until_it_must_be_over_and_wishes_nothing() -> None:
    ours = ledger()
    ours.book(A, "lab", {1: 3}, NOW, later(100))
    assert ours.grant(PLACE, A, 1, 1, NOW) == 1
    ours.drop(A)
    assert ours.grant(PLACE, B, 4, 4, later(99)) == 1, "its job may run"
    assert ours.grant(PLACE, B, 4, 4, later(100)) == 4


def test_what_has_ended_is_free_at_once_and_whoever_waits_is_woken() -> None:
    ours, woken = ledger(), list[tuple[str, str]]()
    ours.wake = woken.append
    ours.book(A, "lab", {1: 4}, NOW, later(100))
    assert ours.grant(PLACE, B, 4, 4, NOW) == 0
    ours.drop(A)
    assert woken == []
    ours.free(A)
    assert woken == [B]
    assert ours.grant(PLACE, B, 4, 4, later(1)) == 4


class Statuses:
    """A cluster that only lists deployments."""

    def __init__(self) -> None:
        self.lists = 0

    async def list(self, plural: str, namespace: str = "", selector: str = "") -> Sequence[Object]:
        self.lists += 1
        await asyncio.sleep(0)
        run = {
            "token": "t",
            "since": "2026-11-23T12:00:00Z",
            "hosts": [{"role": "zk", "indices": "1-3", "digest": "d"}],
        }
        steps: list[dict[str, Any]] = [{"name": "first", "state": "Running", "run": run}]
        meta = {"namespace": "ns", "name": "a"}
        return [
            {"metadata": meta, "spec": {"serverRef": {"name": "lab"}}, "status": {"steps": steps}},
            {"metadata": {"namespace": "ns", "name": "b"}, "spec": {}},
        ]


def test_runs_are_rebuilt_from_all_statuses_once() -> None:
    cluster, ours = Statuses(), ledger()

    async def run() -> None:
        await asyncio.gather(*(ours.load(cluster, NOW) for _ in range(3)))  # type: ignore[arg-type]  # lists are all it needs

    asyncio.run(run())
    assert cluster.lists == 1
    assert ours.grant(PLACE, B, 4, 4, NOW) == 1
    assert ours.grant(PLACE, B, 4, 4, later(TIMEOUT)) == 4, "nobody has looked at it"
