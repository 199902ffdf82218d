"""After Ready: an edit of the plan is refused, an edited Stack ignored, drift told; nothing is written to Foreman."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.life import FIRST, RING, SECOND, deploy, fresh, is_said, small
from tests.e2e.stage import Stage, until

TITLE = "zk ({}.zookeeper)"


@pytest.fixture(scope="module")
def ready(shared_stage: Stage) -> Iterator[Stage]:
    """One deployment that is Ready; every test leaves it so."""
    with fresh(shared_stage, resync="1", override_resync_every="2") as found:
        small(found, FIRST, RING, SECOND)
        deploy(found)
        found.ready()
        until(lambda: [host["state"] for host in hosts(found)] == ["Ready"] * 2, what="both hosts are shown as Ready")
        yield found


@pytest.fixture
def stage(ready: Stage) -> Iterator[Stage]:
    """It, with a look at what was written meanwhile: nothing by us, and the settled plan stands."""
    before, writes = ready.status(), ready.simulator.writes()
    shown = hosts(ready)
    yield ready
    ready.ready()
    after = ready.status()
    assert ready.simulator.writes() == writes + BY_HAND.pop(ready.namespace, 0), "the operator wrote to Foreman"
    assert {name: after[name] for name in ("roles", "steps", "outputs")} == {
        name: before[name] for name in ("roles", "steps", "outputs")
    }
    assert hosts(ready) == shown


BY_HAND: dict[str, int] = {}
"""Writes of a test itself."""


def by_hand(stage: Stage, method: str, path: str, body: Any = None) -> None:
    stage.simulator.send(method, path, body)
    BY_HAND[stage.namespace] = BY_HAND.get(stage.namespace, 0) + 1


def hosts(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.api.call("GET", stage.path("deployedhosts"))["items"]
    return [host["status"] for host in found]


def group(stage: Stage) -> dict[str, Any]:
    title = TITLE.format(stage.namespace)
    return next(row for row in stage.simulator.rows("hostgroups") if row["name"] == title)


def test_an_edit_of_the_plan_is_refused_and_undoing_it_heals(stage: Stage) -> None:
    plan = stage.status()["settledPlan"]
    shown = hosts(stage)
    deploy(stage, count=3)
    assert "undo the edit" in stage.stalled("ChangeNotSupported")
    is_said(stage, "Ready", "False", "ChangeNotSupported")
    status = stage.status()
    assert (status["settledPlan"], status["summary"]["hosts"], status["summary"]["step"]) == (plan, "2/2", "3/3")
    stands = {entry["type"]: entry["status"] for entry in status["conditions"]}
    assert {kind: stands.get(kind) for kind in ("HostsProvisioned", "StepsCompleted", "PeriodicPuppetEnabled")} == {
        "HostsProvisioned": "True",
        "StepsCompleted": "True",
        "PeriodicPuppetEnabled": "True",
    }
    assert hosts(stage) == shown
    deploy(stage)


def test_the_same_plan_in_other_words_is_no_edit(stage: Stage) -> None:
    roles = stage.get()["spec"]["roles"]
    del roles[0]["count"]  # the Stack's default is the same number
    stage.api.call(
        "PATCH", stage.path("stackdeployments", "zookeeper"), {"spec": {"roles": roles}}, "application/merge-patch+json"
    )
    stage.ready()


def test_a_policy_is_no_edit_of_the_plan_and_holds_whatever_else_is_refused(stage: Stage) -> None:
    deploy(stage, deletionPolicy="Delete", count=3)
    stage.stalled("ChangeNotSupported")
    until(lambda: stage.get()["metadata"].get("finalizers"), what="its end will have work to do")
    deploy(stage, deletionPolicy="Retain")
    until(lambda: not stage.get()["metadata"].get("finalizers"), what="its end has none")


def test_an_edited_stack_is_ignored(stage: Stage) -> None:
    small(stage, FIRST, RING, SECOND, {"name": "more", "after": ["second"], "puppetRun": {"roles": ["zk"]}})
    until(lambda: stage.condition("Ready", plural="stacks").get("observedGeneration", 0) > 1, what="the Stack is seen")
    told = "only whether its hosts exist is checked"
    until(lambda: told in stage.condition("Drifted").get("message", ""), what="a resync with the new Stack")
    looks = stage.simulator.counters()["requests"]["GET /api/v2/hosts"]
    until(lambda: stage.simulator.counters()["requests"]["GET /api/v2/hosts"] > looks + 2, what="some resyncs")
    status = stage.ready()
    assert status["summary"]["step"] == "3/3"
    assert told in stage.condition("Drifted")["message"]
    small(stage, FIRST, {"name": "ring", "parameterUpdate": {"hostgroup": "no", "parameter": "no", "value": 1}})
    until(lambda: stage.condition("Ready", plural="stacks").get("reason") == "InvalidStack", what="the Stack is broken")
    deploy(stage, deletionPolicy="Retain", paused=True)  # a new generation, so that it is surely looked at
    is_said(stage, "Paused", "True", "Paused")
    small(stage, FIRST, RING, SECOND)
    deploy(stage)


def test_a_parameter_that_was_changed_by_hand_is_told(stage: Stage) -> None:
    path = f"/api/v2/hostgroups/{group(stage)['id']}/parameters/servers"
    by_hand(stage, "PUT", path, {"parameter": {"value": '["10.0.0.1"]'}})
    drifted(stage, "parameter servers is ['10.0.0.1']")
    by_hand(stage, "PUT", path, {"parameter": {"value": '["198.18.1.1","198.18.1.2"]'}})
    is_said(stage, "Drifted", "False", "InSync")


def test_a_host_that_was_moved_is_told(stage: Stage) -> None:
    host = next(row for row in stage.simulator.rows("hosts") if row["name"].startswith("zookeeper-zk-2"))
    base = next(row["id"] for row in stage.simulator.rows("hostgroups") if row["title"] == "Base/Debian 12")
    move = "/api/v2/hosts/bulk/reassign_hostgroup"
    by_hand(stage, "PUT", move, {"included": {"ids": [host["id"]]}, "hostgroup_id": base})
    drifted(stage, f"host {host['name']}: is not in hostgroup")
    by_hand(stage, "PUT", move, {"included": {"ids": [host["id"]]}, "hostgroup_id": group(stage)["id"]})
    is_said(stage, "Drifted", "False", "InSync")


def test_a_value_that_was_removed_is_told_until_it_is_back(stage: Stage) -> None:
    """Values are not looked at in every resync: in between, what was found stands, also for a new process."""
    value = next(row for row in stage.simulator.rows("override_values") if row["value"] == "default-jre-headless")
    path = f"/foreman_puppet/api/smart_class_parameters/{value['key_id']}/override_values"
    by_hand(stage, "DELETE", f"{path}/{value['id']}")
    drifted(stage, "java_package")
    stage.operator.kill()
    version = stage.get()["metadata"]["resourceVersion"]
    looks = stage.simulator.counters()["requests"]["GET /api/v2/hosts"]
    stage.operator.start()
    until(lambda: stage.simulator.counters()["requests"]["GET /api/v2/hosts"] > looks + 3, what="some resyncs")
    assert stage.get()["metadata"]["resourceVersion"] == version, "it was told to be well, or told again"
    body = {"match": value["match"], "value": "default-jre-headless"}
    by_hand(stage, "POST", path, {"override_value": body})
    is_said(stage, "Drifted", "False", "InSync")


def test_a_value_of_one_host_that_was_changed_is_told(stage: Stage) -> None:
    value = next(
        row for row in stage.simulator.rows("override_values") if row["match"].startswith("fqdn=zookeeper-zk-2")
    )
    path = f"/foreman_puppet/api/smart_class_parameters/{value['key_id']}/override_values/{value['id']}"
    by_hand(stage, "PUT", path, {"override_value": {"value": "77"}})
    drifted(stage, f"for {value['match']}: is")
    by_hand(stage, "PUT", path, {"override_value": {"value": value["value"]}})
    is_said(stage, "Drifted", "False", "InSync")


def test_a_class_that_somebody_gave_our_hostgroup_is_told(stage: Stage) -> None:
    name = next(row for row in stage.simulator.rows("puppetclasses") if row["name"] == "role_db")
    path = f"/foreman_puppet/api/hostgroups/{group(stage)['id']}/puppetclass_ids"
    by_hand(stage, "POST", path, {"puppetclass_id": name["id"]})
    drifted(stage, "has class role_db, which the Stack does not give it")
    by_hand(stage, "DELETE", f"{path}/{name['id']}")
    is_said(stage, "Drifted", "False", "InSync")


def drifted(stage: Stage, text: str) -> None:
    is_said(stage, "Drifted", "True", "Drifted")
    until(lambda: text in stage.condition("Drifted")["message"], what=f"{text!r} in {stage.condition('Drifted')}")
    assert stage.condition("Ready")["status"] == "True"
