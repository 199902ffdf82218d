"""Values that an edit takes out before Ready are removed from Foreman, and only those: pass by pass."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from foreman_stacks.foreman.port import Change, ClassKeys, ClassNamed, HostDetail, HostgroupNamed, OverridesOf
from tests.unit.foreman_stacks.lab import ENVIRONMENT, OUTER
from tests.unit.foreman_stacks.plan.conftest import ZOOKEEPER
from tests.unit.foreman_stacks.reconcile.desk import KEY, Desk, at_desk
from tests.unit.foreman_stacks.reconcile.lives import ONE_RUN, ROOT, STAGING, is_ready


def plain(desk: Desk, **changes: Any) -> None:
    """The Stack with one run."""
    desk.stack(**{**ONE_RUN, **changes})


def wordy(desk: Desk) -> None:
    """It with a value of each kind more."""
    groups, roles = copy.deepcopy(ZOOKEEPER["hostgroups"]), copy.deepcopy(ZOOKEEPER["roles"])
    roles[0]["count"]["min"] = 1
    groups[0]["parameters"].append({"name": "extra", "type": "string", "value": "x"})
    groups[0]["puppetClasses"][0]["overrides"].append({"name": "user", "type": "string", "value": "zk"})
    roles[0]["parameters"] = [{"name": "mine", "type": "string", "expression": "host.name"}]
    roles[0]["overrides"].append(
        {"class": "zookeeper", "name": "datastore", "type": "string", "expression": "'/srv/' + string(host.index)"}
    )
    plain(desk, hostgroups=groups, roles=roles)


async def parameters(desk: Desk, title: str = ROOT) -> set[str]:
    group = await desk.lab.ask(HostgroupNamed(title))
    return {entry.name for entry in group.parameters if not entry.name.startswith("foreman_stacks")}


async def own_parameters(desk: Desk) -> list[set[str]]:
    rows = [await desk.lab.ask(HostDetail(row["id"])) for row in desk.lab.rows("hosts")]
    return [{entry.name for entry in row.parameters if not entry.name.startswith("foreman_stacks")} for row in rows]


async def overridden(desk: Desk, name: str, puppet_class: str = "zookeeper") -> dict[str, Any]:
    """The values of a class parameter, by match."""
    keys = await desk.lab.ask(ClassKeys(ENVIRONMENT, puppet_class))
    return dict(await desk.lab.ask(OverridesOf(keys[name].id)))


async def by_hand(desk: Desk) -> None:
    """A person sets values of their own on what is ours."""
    group = await desk.lab.ask(HostgroupNamed(ROOT))
    host = min(row["id"] for row in desk.lab.rows("hosts"))
    body = {"name": "theirs", "value": "1", "parameter_type": "string"}
    keys = await desk.lab.ask(ClassKeys(ENVIRONMENT, "zookeeper"))
    key = keys["purge_interval"].id
    value = {"match": f"hostgroup={ROOT}", "value": "5"}
    for change in (
        Change("create", "hostgroup_parameter", "x", body, (group.id,)),
        Change("create", "host_parameter", "x", body, (host,)),
        Change("update", "class_key", "x", {"override": True, "omit": True, "parameter_type": "string"}, (key,)),
        Change("create", "override_value", "x", value, (key,)),
    ):
        await desk.lab.foreman.write(change)


@pytest.mark.parametrize("when, restarted", [("being built", True), ("first runs", False), ("first done", True)])
def test_what_an_edit_takes_out_is_gone_before_the_next_run_and_what_others_set_stays(
    when: str, restarted: bool
) -> None:
    async def story(desk: Desk) -> None:
        wordy(desk)
        moments = {
            "being built": lambda: desk.role("created") == {1, 2},
            "first runs": lambda: desk.step("first").get("run", {}).get("job"),
            "first done": lambda: desk.done("first"),
        }
        await desk.until(moments[when])
        assert await parameters(desk) == {"servers", "extra"}
        assert await own_parameters(desk) == [{"mine"}, {"mine"}]
        assert set(await overridden(desk, "datastore")) >= {"fqdn=ring-zk-1.lab.example.com"}
        await by_hand(desk)
        if restarted:
            desk.restart()
        before = desk.status["plan"]
        plain(desk)
        await desk.until(lambda: desk.status["plan"] != before)
        staging = {row["id"] for row in desk.lab.rows("hostgroups") if "staging" in row["name"]}
        seen: list[set[str]] = []

        def started(change: Change) -> None:
            if change.verb == "start" and change.body["feature"] != "run_script":
                rows = [row for row in desk.lab.rows("parameters") if row["owner_id"] not in staging]
                seen.append({row["name"] for row in rows})

        desk.fails = started
        await desk.until(lambda: is_ready(desk))
        assert seen
        assert not [names for names in seen if names & {"extra", "mine"}], "a run came before it"
        assert await parameters(desk) == {"servers", "theirs"}
        assert sorted(await own_parameters(desk), key=len) == [set(), {"theirs"}]
        assert (await overridden(desk, "datastore"), await overridden(desk, "user")) == ({}, {})
        assert await overridden(desk, "purge_interval") == {f"hostgroup={ROOT}": "5"}
        assert len(await overridden(desk, "id")) == 2
        values = desk.status["values"]
        assert values == [
            {
                "hostgroup": "zk",
                "parameters": ["servers"],
                "overrides": ["zookeeper::install_java", "zookeeper::java_package", "zookeeper::servers"],
            },
            {"role": "zk", "parameters": [], "overrides": ["zookeeper::client_ip", "zookeeper::id"]},
        ]

    at_desk(story)


def gone_from_status(desk: Desk) -> bool:
    return not [owner for owner in desk.status["values"] if "extra" in owner["parameters"]]


@pytest.mark.parametrize("placed", [False, True])
def test_hosts_that_are_built_later_do_not_find_it_in_the_staging_hostgroup(placed: bool) -> None:
    async def story(desk: Desk) -> None:
        wordy(desk)
        await desk.until(
            lambda: desk.done("Quiesce") and desk.step("first").get("run") if placed else desk.role("created")
        )
        assert await parameters(desk, STAGING) == {"servers", "extra"}
        plain(desk)
        await desk.until(lambda: gone_from_status(desk))
        desk.deployment(count=3)
        await desk.until(lambda: desk.role("created") == {1, 2, 3})
        assert await parameters(desk, STAGING) == {"servers"}

    at_desk(story)


def test_once_it_is_taken_out_a_person_may_set_it_while_hosts_are_built() -> None:
    async def story(desk: Desk) -> None:
        wordy(desk)
        await desk.until(lambda: desk.role("created"))
        plain(desk)
        await desk.until(lambda: gone_from_status(desk))
        assert not desk.role("configured")
        assert "extra" not in await parameters(desk)
        group = await desk.lab.ask(HostgroupNamed(ROOT))
        body = {"name": "extra", "value": "theirs", "parameter_type": "string"}
        await desk.lab.foreman.write(Change("create", "hostgroup_parameter", "x", body, (group.id,)))
        desk.restart()
        await desk.until(lambda: is_ready(desk))
        assert "extra" in await parameters(desk)

    at_desk(story)


def test_a_host_that_is_not_seen_for_a_while_loses_it_later() -> None:
    async def story(desk: Desk) -> None:
        wordy(desk)
        await desk.until(lambda: desk.done("first"))
        row = max(desk.lab.rows("hosts"), key=lambda row: int(row["id"]))
        table = desk.lab.world.table("hosts")
        del table[row["id"]]
        desk.restart()
        plain(desk)
        await desk.until(lambda: desk.ready.startswith("False/"))
        table[row["id"]] = row
        await desk.until(lambda: is_ready(desk))
        assert await own_parameters(desk) == [set(), set()]

    at_desk(story)


def test_a_hostgroup_that_leaves_the_stack_and_comes_back_without_it_loses_it() -> None:
    side = {"name": "side", "parent": "zk"}

    def grouped(desk: Desk, *more: dict[str, Any]) -> None:
        plain(desk, hostgroups=[*ZOOKEEPER["hostgroups"], *more])

    async def story(desk: Desk) -> None:
        grouped(desk, {**side, "parameters": [{"name": "extra", "type": "string", "value": "x"}]})
        await desk.until(lambda: desk.role("created"))
        grouped(desk)
        await desk.until(lambda: desk.role("configured") == {1, 2})
        assert await parameters(desk, f"{ROOT}/side (ops.ring)") == {"extra"}
        grouped(desk, side)
        await desk.until(lambda: is_ready(desk))
        assert await parameters(desk, f"{ROOT}/side (ops.ring)") == set()

    at_desk(story)


def test_values_that_an_operator_set_before_it_remembered_their_names_are_taken_out_too() -> None:
    async def story(desk: Desk) -> None:
        wordy(desk)
        await desk.until(lambda: desk.role("created") == {1, 2})
        del desk.kube.objects[KEY]["status"]["values"]
        desk.restart()
        await desk.until(lambda: desk.status.get("values"))
        plain(desk)
        await desk.until(lambda: is_ready(desk))
        assert await parameters(desk) == {"servers"}

    at_desk(story)


@pytest.mark.parametrize("taken_out", [False, True])
def test_a_runmode_of_the_stack_waits_until_puppets_own_service_is_let_go(taken_out: bool) -> None:
    """Where the site's class `puppet` manages the agent, it is held at `none` before that."""

    def puppet(desk: Desk) -> None:
        groups = copy.deepcopy(ZOOKEEPER["hostgroups"])
        runmode = {"name": "runmode", "type": "string", "value": "cron"}
        groups[0]["puppetClasses"].append({"name": "puppet", "overrides": [runmode]})
        desk.stack(hostgroups=groups)

    async def story(desk: Desk) -> None:
        group = await desk.lab.ask(HostgroupNamed(OUTER))
        number = await desk.lab.ask(ClassNamed(ENVIRONMENT, "puppet"))
        body = {"puppetclass_id": number}
        await desk.lab.foreman.write(Change("create", "hostgroup_class", "x", body, (group.id,)))
        puppet(desk)
        await desk.until(lambda: desk.role("created"), passes=200)
        match = f"hostgroup={ROOT}"
        assert (await overridden(desk, "runmode", "puppet"))[match] == "none"
        if taken_out:
            desk.stack()
        await desk.until(lambda: is_ready(desk))
        assert await overridden(desk, "runmode", "puppet") == ({} if taken_out else {match: "cron"})

    at_desk(story)


def test_what_comes_back_before_it_was_taken_out_stays() -> None:
    async def story(desk: Desk) -> None:
        wordy(desk)
        await desk.until(lambda: desk.step("first").get("run", {}).get("job"))
        plain(desk)
        await desk.look()
        wordy(desk)
        await desk.until(lambda: is_ready(desk))
        assert await parameters(desk) == {"servers", "extra"}
        assert not [text for text in desk.wrote if text.startswith("delete") and "staging" not in text]

    at_desk(story)
