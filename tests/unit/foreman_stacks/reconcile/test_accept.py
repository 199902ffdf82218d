"""Before anything is written: every problem at once, each with what to do; and what is written in vain."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from foreman_stacks.cluster.port import Key
from foreman_stacks.foreman.port import Change, ClassKeys, HostgroupNamed
from foreman_stacks.model.identity import MARK_PARAMETER
from foreman_stacks.reconcile.digest_key import KEY_SECRET
from foreman_stacks.reconcile.memory import OFTEN, VAIN_FOR
from tests.unit.foreman_stacks.lab import ENVIRONMENT, OUTER, Lab
from tests.unit.foreman_stacks.plan.conftest import ZOOKEEPER
from tests.unit.foreman_stacks.reconcile.desk import KEY, SOURCE, Desk, at_desk
from tests.unit.foreman_stacks.reconcile.lives import ONE_RUN, is_ready

ROOT = f"{OUTER}/zk (ops.ring)"
STAGING = f"{OUTER}/zk staging (ops.ring)"


async def settle(desk: Desk, passes: int = 6) -> str:
    """What the deployment says after some passes."""
    for _ in range(passes):
        await desk.look()
        desk.wait(1.0)
    return desk.message()


def source(**fields: Any) -> dict[str, Any]:
    """Roles of a deployment whose hosts come from another place."""
    place = {**SOURCE["computeResource"], **fields}
    return {"roles": [{"name": "zk", "count": 2, "sources": [{"name": "lab", "computeResource": place}]}]}


def test_every_problem_is_told_at_once_and_nothing_is_written() -> None:
    async def story(desk: Desk) -> None:
        groups = copy.deepcopy(ZOOKEEPER["hostgroups"])
        groups[0]["puppetClasses"][0]["overrides"].append({"name": "colour", "value": "blue"})
        groups[0]["puppetClasses"].append({"name": "no_such_class"})
        desk.stack(hostgroups=groups)
        desk.deployment(organization="Nobody", location="Nowhere", **source(profile="3-Large", image="debian-9"))
        stranger = desk.lab.plant("hosts", name="ring-zk-1.lab.example.com")
        message = await settle(desk)
        assert desk.ready == "False/PreflightFailed"
        assert "host ring-zk-1.lab.example.com already exists and was not created by this deployment" in message, (
            "a conflict is told with it"
        )
        for words in ("Nobody", "Nowhere", "3-Large", "debian-9", "no_such_class", "zookeeper::colour"):
            assert words in message, words
        assert desk.wrote == []
        await desk.lab.foreman.write(Change("delete", "host", "x", address=(stranger["id"],)))
        desk.lab.forget()
        desk.stack()
        desk.deployment()
        await settle(desk)
        assert desk.wrote, "mended, it goes on by itself"

    at_desk(story)


@pytest.mark.parametrize(
    "spec, words",
    [
        ({"parentHostgroup": "Base/Nothing"}, "spec.parentHostgroup: there is no hostgroup 'Base/Nothing'"),
        ({"parentHostgroup": "Base"}, "spec.parentHostgroup: hostgroup 'Base' has no domain"),
        (
            {"hostgroups": [{"name": "zk", "parent": "Base/No"}]},
            "spec.hostgroups[zk].parent: there is no hostgroup 'Base/No'",
        ),
        (
            {"hostgroups": [{"name": "zk", "parent": "Base"}]},
            "spec.hostgroups[zk].parent: hostgroup 'Base' has no domain",
        ),
        ({"environment": "mars"}, "no Puppet environment 'mars'"),
        (source(name="cloud nine"), "no compute resource 'cloud nine'"),
        (source(profile="9-Huge"), "no compute profile '9-Huge'"),
        (source(name="cloud-test", profile="2-Medium"), "no attributes for 'cloud-test'"),
        (source(name="cloud-test", image="debian-12-ssh"), "SSH finish script"),
    ],
)
def test_what_foreman_lacks_is_named_with_what_to_do(spec: Mapping[str, Any], words: str) -> None:
    async def story(desk: Desk) -> None:
        desk.deployment(**spec)
        assert words in await settle(desk, 3)
        assert desk.ready == "False/PreflightFailed"
        assert desk.wrote == []

    at_desk(story)


def test_parents_without_environment_of_other_domains_or_with_capitals() -> None:
    async def story(desk: Desk) -> None:
        place = {"domain": "other.example.com", "compute_resource": "libvirt-test", "subnet": "lab"}
        desk.lab.plant("domains", name="other.example.com")
        desk.lab.plant("domains", name="Loud.example.com")
        desk.lab.plant("hostgroups", name="Other", **place)
        desk.lab.plant("hostgroups", name="Loud", **{**place, "domain": "Loud.example.com"})
        groups = [*ZOOKEEPER["hostgroups"], {"name": "more"}, {"name": "loud"}]
        desk.stack(hostgroups=groups)
        desk.deployment(hostgroups=[{"name": "more", "parent": "Other"}, {"name": "loud", "parent": "Loud"}])
        message = await settle(desk, 3)
        assert "hostgroup 'Other' has no Puppet environment" in message
        assert "different domains: Loud.example.com, lab.example.com, other.example.com" in message
        assert "'Loud.example.com' of hostgroup 'Loud' has upper-case letters" in message
        assert desk.wrote == []

    at_desk(story)


KEY_GONE = "class 'zookeeper' has no parameter"
IMAGE = {"name": "cloud-test", "profile": "1-Small", "image": "debian-12-cloud-init"}


@pytest.mark.parametrize(
    "place, table, field, name, built, words",
    [
        ({}, "class_parameters", "parameter", "id", False, f"{KEY_GONE} 'id'"),
        ({}, "class_parameters", "parameter", "client_ip", True, f"{KEY_GONE} 'client_ip'"),
        ({}, "hostgroups", "title", "Base/Debian 12", False, "there is no hostgroup 'Base/Debian 12'"),
        ({}, "compute_resources", "name", "libvirt-test", False, "no compute resource 'libvirt-test'"),
        ({}, "compute_profiles", "name", "1-Small", False, "no compute profile '1-Small'"),
        (IMAGE, "images", "name", "debian-12-cloud-init", False, "has no image 'debian-12-cloud-init'"),
    ],
)
def test_what_goes_from_foreman_after_preflight_is_named_and_waited_for(
    place: dict[str, Any], table: str, field: str, name: str, built: bool, words: str
) -> None:
    """Somebody imports the class anew, or renames what hosts are made from."""

    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        desk.deployment(**source(**place))
        await desk.until(lambda: desk.role("built") if built else desk.status.get("plan"), passes=100)
        rows = [row for row in desk.lab.rows(table) if row[field] == name]
        for row in rows:
            row[field] = "other"
        desk.restart()
        desk.lab.forget()
        await settle(desk, 3)
        assert desk.ready == "False/PreflightFailed"
        assert words in desk.message()
        assert desk.wrote == []
        for row in rows:
            row[field] = name
        wanted = "configured" if built else "created"
        await desk.until(lambda: desk.role(wanted) == {1, 2}, passes=100)
        assert len(desk.lab.rows("hosts")) == 2

    at_desk(story, host_create_timeout=10.0)


async def _shared(lab: Lab, **fields: Any) -> None:
    key = (await lab.ask(ClassKeys(ENVIRONMENT, "zookeeper")))["java_package"]
    body = {"override": True, "omit": True, **fields}
    await lab.foreman.write(Change("update", "class_key", "x", body, (key.id,)))


def test_a_key_that_is_shared_with_another_type_is_not_touched() -> None:
    async def story(desk: Desk) -> None:
        await _shared(desk.lab, parameter_type="array")
        desk.lab.forget()
        assert "has type array on the whole server, not string" in await settle(desk, 3)
        assert desk.wrote == []

    at_desk(story)


@pytest.mark.parametrize("mark", [None, "v1 i/ops/other Created group=zk"])
def test_a_hostgroup_or_host_of_others_is_a_conflict_and_stays_as_it_is(mark: str | None) -> None:
    async def story(desk: Desk) -> None:
        outer = await desk.lab.ask(HostgroupNamed(OUTER))
        own = [{"name": MARK_PARAMETER, "value": mark, "parameter_type": "string"}] if mark else []
        body = {"name": "zk (ops.ring)", "parent_id": outer.id, "group_parameters_attributes": own}
        await desk.lab.foreman.write(Change("create", "hostgroup", ROOT, body))
        desk.lab.plant("hosts", name="ring-zk-2.lab.example.com", machine="none", ip="198.18.9.9")
        desk.lab.forget()
        message = await settle(desk, 3)
        assert desk.ready == "False/NameConflict"
        assert f"hostgroup {ROOT!r} already exists and was not created by this deployment" in message
        assert "host ring-zk-2.lab.example.com already exists and was not created by this deployment" in message
        assert "ring-zk-1" not in message
        assert desk.wrote == []

    at_desk(story)


def test_hosts_that_exist_are_not_renamed() -> None:
    async def story(desk: Desk) -> None:
        await desk.until(lambda: desk.role("created") == {1, 2})
        roles = [{"name": "zk", "count": 2, "hostname": "other-{index}", "sources": [SOURCE]}]
        desk.deployment(roles=roles)
        await desk.until(lambda: desk.ready == "False/NameConflict")
        assert "would rename hosts that exist: there is no other-1.lab.example.com" in desk.message()
        desk.deployment()
        await desk.until(lambda: "Stalled" not in desk.conditions)
        assert len(desk.lab.rows("hosts")) == 2

    at_desk(story, host_create_timeout=10.0)


def test_what_foreman_takes_and_does_not_keep_is_not_written_for_ever() -> None:
    async def story(desk: Desk) -> None:
        await desk.until(lambda: desk.role("created") == {1, 2})
        group = await desk.lab.ask(HostgroupNamed(ROOT))

        async def undo(change: Change) -> None:
            """Foreman takes any value and keeps its own."""
            if change.resource == "hostgroup_parameter" and change.address[-1] == "servers":
                body = {"value": '["kept"]', "parameter_type": "array"}
                await desk.lab.foreman.write(Change("update", "hostgroup_parameter", "x", body, (group.id, "servers")))

        desk.after = undo
        await undo(Change("update", "hostgroup_parameter", "x", address=(1, "servers")))
        desk.restart()
        desk.lab.forget()
        await desk.until(lambda: desk.ready == "False/ForemanRefused", passes=30)
        assert f"{ROOT} servers" in desk.message()
        assert desk.wrote.count(f"update hostgroup_parameter {ROOT} servers") == 3

    at_desk(story)


def test_hosts_that_foreman_says_it_moved_and_did_not_are_not_moved_for_ever() -> None:
    async def story(desk: Desk) -> None:
        broken = True

        async def undo(change: Change) -> None:
            """Foreman answers with a count, and the hosts stay where they are."""
            if change.verb == "move" and broken:
                staging = await desk.lab.ask(HostgroupNamed(STAGING))
                for ident in change.body["included"]["ids"]:
                    body = {"hostgroup_id": staging.id}
                    await desk.lab.foreman.write(Change("update", "host", "x", body, (ident,)))

        desk.after = undo
        moves = "move host 2 hosts to " + ROOT
        await desk.until(lambda: desk.ready == "False/ForemanRefused")
        assert f"{moves}: was written several times" in desk.message()
        for _ in range(5):
            assert (await desk.look()).error, "with growing pauses"
            desk.wait(60.0)
        assert desk.wrote.count(moves) == OFTEN
        broken = False
        desk.wait(VAIN_FOR.total_seconds())
        await desk.until(lambda: desk.role("configured") == {1, 2})
        assert desk.wrote.count(moves) == OFTEN + 1, "mended meanwhile, unasked"

    at_desk(story)


def test_of_two_that_want_one_name_the_accepted_one_keeps_it_over_a_restart() -> None:
    """Whoever is looked at first after a start: the other one waits until all must have been seen."""

    async def story(desk: Desk) -> None:
        await desk.until(lambda: bool(desk.status.get("plan")))
        rival = Key("stackdeployments", "ops", "rival")
        roles = [{"name": "zk", "count": 2, "hostname": "ring-zk-{index}", "sources": [SOURCE]}]
        spec = {**desk.kube.objects[KEY]["spec"], "roles": roles}
        desk.kube.put(rival, spec=spec, metadata={"creationTimestamp": "2020-01-01T00:00:00Z"})
        desk.restart()
        await desk.look(key=rival)
        assert not desk.kube.objects[rival]["status"].get("plan"), "older, but not accepted: it waits"
        await desk.look()
        desk.wait(5.0)
        for _ in range(3):
            await desk.look(key=rival)
        conditions = desk.kube.objects[rival]["status"]["conditions"]
        assert {entry["reason"] for entry in conditions if entry["type"] == "Stalled"} == {"NameConflict"}
        told = len(desk.kube.events)
        desk.restart()
        await desk.look(key=rival)
        assert desk.kube.objects[rival]["status"]["conditions"] == conditions, "it may not even be the first to be seen"
        assert len(desk.kube.events) == told

    at_desk(story, claim_grace=2.0)


def test_a_key_of_digests_that_is_not_there_is_waited_for() -> None:
    async def story(desk: Desk) -> None:
        place = (desk.settings.namespace, KEY_SECRET)
        desk.kube.secrets[place] = {"another": b"x"}
        await settle(desk, 3)
        assert desk.conditions["Reconciling"] == "True/WaitingForSecret"
        assert f"Secret {KEY_SECRET} in namespace {desk.settings.namespace} has no entry 'key'" in desk.message()
        assert desk.wrote == []
        desk.kube.secrets[place] = {"key": b"the one that was saved"}
        await desk.until(lambda: bool(desk.role("created")))

    at_desk(story)


def test_a_class_parameter_is_missed_before_its_value_is_known() -> None:
    async def story(desk: Desk) -> None:
        roles = copy.deepcopy(ZOOKEEPER["roles"])
        wrong = [
            {"class": "zookeeper", "name": "colour", "type": "string", "expression": "host.ip"},
            {"class": "zookeeper", "name": "shade", "type": "array", "expression": "peers.map(p, p.ip)"},
        ]
        roles[0]["count"]["min"] = 1
        roles[0]["overrides"] += wrong
        desk.stack(roles=roles)
        message = await settle(desk, 3)
        assert desk.ready == "False/PreflightFailed"
        for name in ("colour", "shade"):
            assert f"override zookeeper::{name}: class 'zookeeper' has no parameter '{name}'" in message
        assert len(message.splitlines()) == 2
        assert desk.wrote == []

    at_desk(story)


def test_each_hostgroup_needs_a_parent() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(hostgroups=[*ZOOKEEPER["hostgroups"], {"name": "more"}])
        desk.deployment(parentHostgroup=None, hostgroups=[{"name": "zk", "parent": OUTER}])
        assert "spec.parentHostgroup: is missing" in await settle(desk, 3)
        assert desk.ready == "False/InvalidSpec"
        desk.deployment(hostgroups=[{"name": "zk", "parent": OUTER}])
        await settle(desk, 3)
        assert desk.wrote

    at_desk(story)


def test_a_value_that_foreman_would_evaluate_stops_also_a_plan_that_was_accepted() -> None:
    """It is in a default that this deployment does not take, so the plan is the same one."""

    def unused(default: str) -> dict[str, Any]:
        return ONE_RUN | {"parameters": [{"name": "motd", "type": "string", "default": default}]}

    async def story(desk: Desk) -> None:
        desk.stack(**unused("hello"))
        desk.deployment(parameters=[{"name": "motd", "value": "welcome"}])
        await desk.until(lambda: bool(desk.role("created")))
        desk.stack(**unused("<%= 7 * 6 %>"))
        await settle(desk, 12)
        assert desk.ready == "False/PreflightFailed"
        assert "Stack spec.parameters[motd].default" in desk.message()
        desk.lab.forget()
        await settle(desk)
        assert desk.wrote == []
        desk.stack(**unused("hello"))
        await desk.until(lambda: is_ready(desk))

    at_desk(story)
