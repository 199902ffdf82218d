"""Foreman or the status was set back to an older state, as a restored backup does: pass by pass."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from foreman_simulator import parameters
from foreman_stacks.foreman.port import Change, HostgroupNamed
from foreman_stacks.model.identity import RECORD_PARAMETER
from foreman_stacks.model.reasons import ConditionType, Reason
from foreman_stacks.reconcile import record
from foreman_stacks.reconcile.conditions import Condition
from foreman_stacks.reconcile.judge import bad
from tests.unit.foreman_stacks.reconcile.desk import KEY, Desk, at_desk
from tests.unit.foreman_stacks.reconcile.lives import ROOT, hosts, is_ready

QUIET = {"periodicPuppet": "Disabled"}
"""Of the Stack: nothing comes after its last step."""


def at_work(desk: Desk, step: str) -> bool:
    """Whether a job of the step is under way: the record was written before it."""
    return "job" in desk.step(step).get("run", {})


def ran_once(desk: Desk) -> bool:
    """Whether each host was once in a job of each step: what was under way goes on, what was done is not repeated."""
    jobs = [(row["description"].split()[1], row["host_ids"]) for row in desk.lab.rows("jobs")]
    steps = ("first", "second")
    return sorted((step, host) for step, found in jobs for host in found if step in steps) == [
        (step, row["id"]) for step in steps for row in desk.lab.rows("hosts")
    ]


async def the_record(desk: Desk) -> str:
    group = await desk.lab.ask(HostgroupNamed(ROOT))
    assert group is not None
    assert isinstance(group.record, str)
    return group.record


async def set_back(desk: Desk, value: str | None) -> None:
    """The record says something else, or is gone."""
    group = await desk.lab.ask(HostgroupNamed(ROOT))
    if value is None:
        kept = [row for row in parameters.own(desk.lab.world, "hostgroup", group.id) if row["name"] != RECORD_PARAMETER]
        parameters.replace(desk.lab.world, "hostgroup", group.id, kept)
        return
    body = {"value": value, "parameter_type": "string"}
    await desk.lab.foreman.write(Change("update", "hostgroup_parameter", "x", body, (group.id, RECORD_PARAMETER)))


async def stays_rewound(desk: Desk, what: str) -> None:
    """It says what was set back, and neither this process nor the next one writes anything for as long as that is so."""
    desk.lab.forget()
    progress = {name: desk.status.get(name) for name in ("epoch", "recorded", "plan", "roles", "steps")}
    for _ in range(2):
        desk.restart()
        for _ in range(4):
            await desk.look()
            desk.wait(60.0)
        assert desk.ready == "False/ForemanRewound"
        assert ROOT in desk.message()
        assert what in desk.message()
    assert desk.wrote == []
    assert {name: desk.status.get(name) for name in progress} == progress, "what was done is not forgotten"


def test_a_first_hostgroup_that_is_gone_though_hosts_were_made_is_not_made_again() -> None:
    async def story(desk: Desk) -> None:
        await desk.until(lambda: desk.role("created") == {1, 2})
        group = await desk.lab.ask(HostgroupNamed(ROOT))
        await desk.lab.foreman.write(Change("delete", "hostgroup", ROOT, address=(group.id,)))
        await stays_rewound(desk, "is gone from Foreman")
        assert len(hosts(desk)) == 2

    at_desk(story, host_create_timeout=10.0)


@pytest.mark.parametrize("becomes", ["older", "gone", "nonsense"])
def test_a_record_that_was_set_back_stops_everything_until_it_is_as_it_was(becomes: str) -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**QUIET)
        await desk.until(lambda: at_work(desk, "first"))
        older = await the_record(desk)
        await desk.until(lambda: at_work(desk, "second"))
        newer = await the_record(desk)
        await set_back(desk, {"older": older, "gone": None, "nonsense": "{"}[becomes])
        await stays_rewound(desk, "has an older record")
        if becomes != "gone":
            await set_back(desk, newer)
            await desk.until(lambda: is_ready(desk))
            assert ran_once(desk)

    at_desk(story)


def test_a_foreman_that_was_away_may_have_been_set_back_meanwhile() -> None:
    """What this process knows of it from before is no ground to start anything."""

    async def story(desk: Desk) -> None:
        await desk.until(lambda: desk.role("built") == {1, 2})
        group = await desk.lab.ask(HostgroupNamed(ROOT))
        await desk.lab.foreman.write(Change("delete", "hostgroup", ROOT, address=(group.id,)))
        desk.connection.judged(bad(Reason.UNREACHABLE, "is away"))
        desk.connection.judged(Condition(ConditionType.READY, "True", Reason.CONNECTED))
        desk.lab.forget()
        await desk.look()
        assert desk.ready == "False/ForemanRewound"
        assert desk.wrote == []

    at_desk(story, host_create_timeout=10.0)


MOMENTS: dict[str, Callable[[Desk], bool]] = {
    "accepted": lambda desk: bool(desk.status.get("plan")),
    "configured": lambda desk: desk.role("configured") == {1, 2},
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("now", ["running", "settled"])
def test_a_status_that_was_set_back_takes_over_what_the_record_says(moment: str, now: str) -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**QUIET)
        await desk.until(lambda: MOMENTS[moment](desk))
        older = copy.deepcopy(desk.status)
        await desk.until(lambda: is_ready(desk) if now == "settled" else at_work(desk, "second"))
        found = record.read(await desk.lab.ask(HostgroupNamed(ROOT)))
        assert found is not None
        assert found.epoch > older["epoch"]
        desk.lab.forget()
        desk.kube.put(KEY, status=older)
        desk.restart()
        await desk.look()
        assert desk.status["epoch"] == found.epoch
        assert desk.role("configured") == {1, 2}
        assert desk.done("first", "ring")
        assert desk.wrote == []
        await desk.until(lambda: is_ready(desk))
        assert not [text for text in desk.wrote if text.startswith(("create host", "move host"))]
        assert ran_once(desk)
        assert len(hosts(desk)) == 2

    at_desk(story, host_create_timeout=10.0)
