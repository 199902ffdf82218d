"""Hosts that may run Puppet by themselves again: nothing of ours reaches them before they are quiet, pass by pass."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable

import pytest

from foreman_stacks.api.meta import RECONCILE_ANNOTATION
from foreman_stacks.errors import ForemanError
from foreman_stacks.foreman.port import Change, HostDetail, HostgroupNamed
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

    at_desk(story, boot_timeout=200.0, retry_first=1.0, host_create_timeout=10.0)


def test_what_changes_nothing_of_hosts_that_are_on_only_switches_on_the_others() -> None:
    async def story(desk: Desk) -> None:
        await failed(desk, ONE)
        started = watched(desk)
        desk.stack(outputs=[])
        await desk.until(lambda: is_ready(desk))
        assert started == ["PeriodicPuppet"]

    at_desk(story, boot_timeout=200.0, retry_first=1.0)
