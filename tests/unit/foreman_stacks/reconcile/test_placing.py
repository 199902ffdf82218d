"""Hosts in their place: their own values follow what they refer to, and whoever is not ours any more is left alone."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from foreman_stacks.foreman.port import Change, ClassKeys, HostDetail, OverridesOf
from foreman_stacks.model.identity import MARK_PARAMETER
from tests.unit.foreman_stacks.lab import ENVIRONMENT
from tests.unit.foreman_stacks.plan.conftest import ZOOKEEPER
from tests.unit.foreman_stacks.reconcile.desk import Desk, at_desk
from tests.unit.foreman_stacks.reconcile.lives import ONE_RUN, is_ready

SERVERS = "hostgroups.zk.parameters.servers"


def roles(*, override: str = "", parameter: str = "", client_ip: str = "host.ip") -> list[dict[str, Any]]:
    """The example's role, with one more value of each host: of class parameter `observers`, or of parameter `mine`."""
    found: list[dict[str, Any]] = copy.deepcopy(ZOOKEEPER["roles"])
    found[0]["count"]["min"] = 1
    found[0]["overrides"][1]["expression"] = client_ip
    if override:
        found[0]["overrides"].append(
            {"class": "zookeeper", "name": "observers", "type": "array", "expression": override}
        )
    if parameter:
        found[0]["parameters"] = [{"name": "mine", "type": "array", "expression": parameter}]
    return found


async def overrides(desk: Desk, name: str) -> list[Any]:
    """The values of a parameter of class `zookeeper` for each host, by name of the host."""
    keys = await desk.lab.ask(ClassKeys(ENVIRONMENT, "zookeeper"))
    values = await desk.lab.ask(OverridesOf(keys[name].id))
    return [value for match, value in sorted(values.items()) if match.startswith("fqdn=")]


async def parameters(desk: Desk) -> list[Any]:
    """The value of parameter `mine` of each host, by name of the host."""
    rows = sorted(desk.lab.rows("hosts"), key=lambda row: str(row["name"]))
    details = [await desk.lab.ask(HostDetail(row["id"])) for row in rows]
    return [entry.value for row in details for entry in row.parameters if entry.name == "mine"]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("kind", ["override", "parameter"])
def test_a_parameter_update_reaches_the_own_values_of_hosts_before_the_step_after_it(
    kind: str, restarted: bool
) -> None:
    async def story(desk: Desk) -> None:
        desk.stack(roles=roles(**{kind: SERVERS}))
        await desk.until(lambda: desk.done("ring") or desk.step("ring")["state"] == "Running")
        if restarted:
            desk.restart()
        await desk.until(lambda: desk.step("second").get("run"))
        found = await (overrides(desk, "observers") if kind == "override" else parameters(desk))
        addresses = sorted(str(row["ip"]) for row in desk.lab.rows("hosts"))
        assert found == [addresses, addresses]
        await desk.until(lambda: is_ready(desk))

    at_desk(story)


def test_the_others_are_others_when_a_host_comes_before_ready() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**{**ONE_RUN, "roles": roles(parameter="peers.map(h, h.ip)")})
        await desk.until(lambda: "job" in (desk.step("first").get("run") or {}))
        desk.deployment(count=3)
        await desk.until(lambda: is_ready(desk))
        assert [len(found) for found in await parameters(desk)] == [2, 2, 2]

    at_desk(story)


@pytest.mark.parametrize("restarted", [False, True])
def test_an_edited_expression_is_written_before_the_steps_are_done_again_and_one_list_tells_the_old_values(
    restarted: bool,
) -> None:
    async def story(desk: Desk) -> None:
        desk.stack(roles=roles())
        await desk.until(lambda: desk.step("second").get("run"))
        desk.stack(roles=roles(client_ip="host.fqdn"))
        if restarted:
            desk.restart()
        desk.lab.forget()
        await desk.until(lambda: is_ready(desk))
        assert await overrides(desk, "client_ip") == ["ring-zk-1.lab.example.com", "ring-zk-2.lab.example.com"]
        writes = [entry for entry in desk.wrote if "client_ip" in entry or entry.startswith("start")]
        assert len([entry for entry in writes if "client_ip" in entry]) == 2
        assert all("client_ip" in entry for entry in writes[:2]), "the values first"

    at_desk(story)


def test_where_no_own_value_has_changed_another_process_reads_no_host_for_them() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(roles=roles(parameter="peers.map(h, h.ip)"))
        await desk.until(lambda: desk.done("first"))
        desk.restart()
        desk.lab.forget()
        await desk.until(lambda: desk.done("ring"))
        assert "GET /api/v2/hosts/:id" not in desk.lab.requests, desk.lab.requests

    at_desk(story)


async def to_the_brink(desk: Desk, when: str) -> None:
    """Paused just before the first job, the move, or the first run."""
    moments = {
        "quiesce": lambda: desk.role("built") == {1, 2},
        "move": lambda: "job" in (desk.step("Quiesce").get("run") or {}),
        "run": lambda: desk.role("configured") == {1, 2},
    }
    await desk.until(moments[when])
    desk.deployment(paused=True)
    await desk.until(lambda: not any("run" in step for step in desk.status["steps"]) and desk.ready.endswith("Paused"))


@pytest.mark.parametrize(
    "when, refusal", [("quiesce", "NameConflict"), ("move", "NameConflict"), ("run", "PreflightFailed")]
)
def test_a_host_whose_mark_was_taken_off_is_left_alone_until_it_has_it_again(when: str, refusal: str) -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        await to_the_brink(desk, when)
        (host,) = [row["id"] for row in desk.lab.rows("hosts") if row["name"].startswith("ring-zk-2.")]
        (mark,) = [entry for entry in (await desk.lab.ask(HostDetail(host))).parameters if entry.name == MARK_PARAMETER]
        address = (host, MARK_PARAMETER)
        await desk.lab.foreman.write(Change("update", "host_parameter", "x", {"value": "of others"}, address))
        desk.deployment()
        desk.restart()
        desk.lab.forget()
        await desk.until(lambda: desk.ready == f"False/{refusal}")
        assert "ring-zk-2.lab.example.com: " in desk.message()
        assert MARK_PARAMETER in desk.message()
        assert desk.wrote == []
        await desk.lab.foreman.write(Change("update", "host_parameter", "x", {"value": mark.value}, address))
        await desk.until(lambda: is_ready(desk))

    at_desk(story)
