"""Hosts that may run Puppet by themselves again: nothing of ours reaches them before they are quiet, pass by pass."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable

import pytest

from foreman_stacks.api.meta import RECONCILE_ANNOTATION
from foreman_stacks.errors import ForemanError, ForemanUnreachable
from foreman_stacks.foreman.port import Change, HostDetail, HostgroupNamed
from foreman_stacks.model.identity import RECORD_PARAMETER
from foreman_stacks.reconcile import record
from tests.unit.foreman_stacks.plan.conftest import ZOOKEEPER
from tests.unit.foreman_stacks.reconcile.desk import KEY, Desk, at_desk
from tests.unit.foreman_stacks.reconcile.lives import ROOT, hosts, is_ready

HARMLESS = {("delete", "hostgroup"), ("update", "hostgroup_parameter")}
"""While hosts run Puppet by themselves, beside scripts: an empty staging hostgroup goes, and the record is written."""


def edited(desk: Desk) -> None:
    """The Stack gives its hosts another value."""
    groups = copy.deepcopy(ZOOKEEPER["hostgroups"])
    groups[0]["puppetClasses"][0]["overrides"][1]["value"] = False
    desk.stack(hostgroups=groups)


def watched(desk: Desk) -> list[str]:
    """From now on no write goes out that reaches a host which runs Puppet by itself; which job each step has started."""
    desk.lab.forget()
    started: list[str] = []

    def check(change: Change) -> ForemanError | None:
        if change.verb == "start":
            started.append(str(change.body["description_format"]).split()[1])
        script = change.verb == "start" and change.body["feature"] == "run_script"
        harmless = (change.verb, change.resource) in HARMLESS and not change.key.endswith(" servers")
        assert script or harmless or not on(desk), change
        return None

    desk.fails = check
    return started


def on(desk: Desk) -> list[str]:
    """The hosts in their place that run Puppet by themselves."""
    placed = {f"ring-zk-{index}" for index in desk.role("configured")}
    there = [name for name in hosts(desk) if name.partition(".")[0] in placed]
    return [name for name in there if desk.lab.world.machines[name].machine.daemon_running]


def requested(desk: Desk) -> None:
    desk.kube.put(KEY, metadata={"annotations": {RECONCILE_ANNOTATION: str(desk.seconds)}})


async def failed(desk: Desk, which: str) -> None:
    """PeriodicPuppet has failed on some hosts for good."""
    await desk.until(lambda: desk.done("second"))
    desk.lab.world.faults.add({"kind": "unreachable", "host": which})
    await desk.until(lambda: desk.step("PeriodicPuppet")["state"] == "Failed")
    desk.lab.world.faults.clear()


async def removed(desk: Desk, name: str) -> None:
    """A person removes a host and its machine."""
    (row,) = [row for row in desk.lab.rows("hosts") if row["name"] == name]
    detail = await desk.lab.ask(HostDetail(row["id"]))
    vm = Change("delete", "vm", "x", address=(detail.compute_resource_id, detail.uuid))
    for change in (vm, Change("delete", "host", name, address=(row["id"],))):
        await desk.lab.foreman.write(change)


async def value_lost(desk: Desk) -> None:
    group = await desk.lab.ask(HostgroupNamed(ROOT))
    body = {"value": "[]", "parameter_type": "array"}
    await desk.lab.foreman.write(Change("update", "hostgroup_parameter", "x", body, (group.id, "servers")))
    requested(desk)


async def made_again(desk: Desk) -> None:
    await removed(desk, hosts(desk)[1])
    desk.restart()  # it reads all hosts anew
    await desk.until(lambda: "HostMissing" in [host["reason"] for host in desk.status["failedHosts"]], passes=50)
    requested(desk)


async def stack_edited(desk: Desk) -> None:
    edited(desk)


async def host_added(desk: Desk) -> None:
    desk.deployment(count=3)


ONE, ALL = "ring-zk-2*", "ring-zk-*"


@pytest.mark.parametrize(
    "happens, which",
    [(stack_edited, ALL), (stack_edited, ONE), (host_added, ONE), (value_lost, ONE), (made_again, ONE)],
)
def test_hosts_are_quiet_first_though_switching_them_on_had_failed(
    happens: Callable[[Desk], Awaitable[None]], which: str
) -> None:
    """On some, and on the others they are on; or on all, of which nobody knows then how far it came."""

    async def story(desk: Desk) -> None:
        await failed(desk, which)
        started = watched(desk)
        await happens(desk)
        desk.lab.forget()
        await desk.until(lambda: is_ready(desk))
        assert started[0] == "Quiesce"
        assert desk.wrote[0].startswith("start job"), "it comes first"
        assert started[-1] == "PeriodicPuppet"

    at_desk(story, boot_timeout=200.0, boot_retry=30.0, retry_first=1.0, host_create_timeout=10.0)


def test_what_changes_nothing_of_hosts_that_are_on_only_switches_on_the_others() -> None:
    async def story(desk: Desk) -> None:
        await failed(desk, ONE)
        started = watched(desk)
        desk.stack(outputs=[])
        await desk.until(lambda: is_ready(desk))
        assert started == ["PeriodicPuppet"]

    at_desk(story, boot_timeout=200.0, boot_retry=30.0, retry_first=1.0)


@pytest.mark.parametrize("then", ["is switched on", "is quieted"])
def test_a_host_that_is_gone_when_it_should_be_quiet_again_is_told_and_made_again_when_asked_for(then: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.until(lambda: "job" in desk.step("PeriodicPuppet").get("run", {}))
        edited(desk)
        if then == "is quieted":
            await desk.until(lambda: "job" in desk.step("Quiesce").get("run", {}))
        await removed(desk, hosts(desk)[1])
        await desk.until(lambda: desk.ready == "False/HostMissing", passes=100)
        assert desk.step("PeriodicPuppet")["state"] != "Done"
        (failed,) = desk.status["failedHosts"]
        assert failed["name"].startswith("ring-zk-2.")
        started = watched(desk)
        requested(desk)
        await desk.until(lambda: is_ready(desk))
        assert len(hosts(desk)) == 2
        assert started.count("PeriodicPuppet") == 1

    at_desk(story, host_create_timeout=10.0)


# --- the record ------------------------------------------------------------------------------------------------------


async def on_again(desk: Desk, moment: str) -> None:
    """Up to the job that switches hosts on, or past it: then the record that says Ready cannot be written yet."""
    if moment == "started":
        await desk.until(lambda: "job" in desk.step("PeriodicPuppet").get("run", {}))
        return
    desk.fails = lambda change: ForemanUnreachable("away") if change.verb == "delete" else None
    await desk.until(lambda: desk.done("PeriodicPuppet"))
    desk.fails = lambda _: None


async def forgotten(desk: Desk, how: str) -> None:
    """What the status knew is lost."""
    if how == "status lost":
        desk.kube.put(KEY, status={})
        desk.restart()
        return
    desk.kube.remove(KEY)
    await desk.until(lambda: KEY not in desk.kube.objects)
    await desk.look()
    desk.deployment()


FORGOTTEN = [("started", "made again"), ("done", "made again"), ("done", "status lost")]


@pytest.mark.parametrize("moment, how", FORGOTTEN)
def test_who_knows_hosts_from_the_record_alone_quiets_those_that_may_be_on(moment: str, how: str) -> None:
    async def story(desk: Desk) -> None:
        await on_again(desk, moment)
        await forgotten(desk, how)
        edited(desk)
        started = watched(desk)
        await desk.until(lambda: is_ready(desk))
        assert started[0] == "Quiesce"
        assert desk.wrote[0].startswith("start job"), "it comes first"

    at_desk(story, host_create_timeout=10.0)


@pytest.mark.parametrize("moment, how", FORGOTTEN)
def test_who_finds_in_the_record_that_hosts_were_switched_on_repeats_nothing(moment: str, how: str) -> None:
    async def story(desk: Desk) -> None:
        await on_again(desk, moment)
        await forgotten(desk, how)
        desk.lab.forget()
        await desk.until(lambda: is_ready(desk))
        assert [text.split(" ")[:2] for text in desk.wrote] == [
            ["delete", "hostgroup"],
            ["update", "hostgroup_parameter"],
        ]

    at_desk(story, host_create_timeout=10.0)


def test_the_record_says_that_hosts_are_switched_on_right_before_they_are_and_no_more_is_written_for_it() -> None:
    async def story(desk: Desk) -> None:
        await desk.until(lambda: desk.done("second"))
        desk.lab.forget()
        await desk.until(lambda: "job" in desk.step("PeriodicPuppet").get("run", {}))
        assert [text.rpartition(" ")[2] for text in desk.wrote] == [
            RECORD_PARAMETER,
            desk.step("PeriodicPuppet")["run"]["token"],
        ]
        found = record.read(await desk.lab.ask(HostgroupNamed(ROOT)))
        assert found is not None
        assert found.runs.keys() == {"PeriodicPuppet"}
        assert found.steps.keys() == {"Quiesce", "first", "ring", "second"}

    at_desk(story)
