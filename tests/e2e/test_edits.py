"""Edits before Ready: the act that runs ends, then the new plan is followed; hosts keep their names and places."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.life import (
    DOMAIN,
    FIRST,
    HOSTS,
    JOBS,
    OURS,
    RING,
    SECOND,
    before_job,
    deploy,
    fault,
    freeze,
    freeze_in_job,
    fresh,
    hold,
    is_said,
    jobs_of,
    names,
    small,
    thaw,
)
from tests.e2e.stage import Stage, example, until


@pytest.fixture
def stage(shared_stage: Stage) -> Iterator[Stage]:
    with fresh(shared_stage) as found:
        yield found


def finishing(stage: Stage, plan: str) -> None:
    """The edit is seen, and waits: the status is about the new generation and still has the old plan."""
    is_said(stage, "Reconciling", "True", "FinishingStep")
    status = stage.status()
    assert status["observedGeneration"] == stage.get()["metadata"]["generation"]
    assert status["plan"] == plan


def told(stage: Stage) -> list[tuple[str, dict[str, Any]]]:
    """What our own runs applied: host and parameters."""
    lines = [line for line in stage.simulator.audit() if line["event"] == "applied" and line["cause"] == "triggered"]
    return [(line["host"].partition(".")[0], line["parameters"]) for line in lines if line["class"] == "zookeeper"]


def with_package(stage: Stage, package: str) -> None:
    """The Stack with another value for a class parameter."""
    spec = stage.get("zookeeper", "stacks")["spec"]
    value = next(o for o in spec["hostgroups"][0]["puppetClasses"][0]["overrides"] if o["name"] == "java_package")
    value["value"] = package
    stage.api.call("PATCH", stage.path("stacks", "zookeeper"), {"spec": spec}, "application/merge-patch+json")


def test_more_hosts_while_a_step_runs(stage: Stage) -> None:
    """The new host runs all steps; the old ones only what their values have changed for."""
    small(stage, FIRST, RING, SECOND)
    held = before_job(stage.simulator, "first")
    deploy(stage)
    freeze_in_job(held, "first")
    plan = stage.status()["plan"]
    deploy(stage, count=3)
    finishing(stage, plan)
    assert names(stage.simulator, "hosts") == {f"zookeeper-zk-{index}.{DOMAIN}" for index in (1, 2)}
    thaw(stage.simulator)
    status = stage.ready()
    assert (status["summary"]["hosts"], status["plan"] != plan) == ("3/3", True)
    all_three = [f"198.18.1.{index}" for index in (1, 2, 3)]
    last = dict(told(stage))
    assert {host: parameters["servers"] for host, parameters in last.items()} == {
        f"zookeeper-zk-{index}": all_three for index in (1, 2, 3)
    }
    first = [len(job["host_ids"]) for job in jobs_of(stage.simulator, "first")]
    assert first == [2, 1], "the first run was repeated on hosts for which nothing has changed"


def test_the_stack_is_followed(stage: Stage) -> None:
    """Every host runs what its changed values concern again, also with a new step before the one that runs."""
    small(stage)
    held = before_job(stage.simulator, "first")
    deploy(stage)
    freeze_in_job(held, "first")
    plan = stage.status()["plan"]
    small(stage, {"name": "before", "puppetRun": {"roles": ["zk"], "hosts": "Leader"}}, FIRST | {"after": ["before"]})
    with_package(stage, "another-jre")
    finishing(stage, plan)
    thaw(stage.simulator)
    status = stage.ready()
    assert [step["name"] for step in status["steps"]] == ["Quiesce", "before", "first", "PeriodicPuppet"]
    packages = [parameters["java_package"] for _, parameters in told(stage)]
    assert packages == ["default-jre-headless"] * 2 + ["another-jre"] * 3


def test_what_the_stack_no_longer_sets_is_removed(stage: Stage) -> None:
    """Values of the hostgroup and of each host; the next run has seen that."""
    small(stage)
    spec = stage.get("zookeeper", "stacks")["spec"]
    group, role = copy.deepcopy(spec["hostgroups"][0]), copy.deepcopy(spec["roles"][0])
    group["parameters"].append({"name": "extra", "value": "x"})
    group["puppetClasses"][0]["overrides"].append({"name": "user", "value": "zk"})
    role["parameters"] = [{"name": "mine", "expression": "host.name"}]
    role["overrides"].append({"class": "zookeeper", "name": "datastore", "expression": "'/srv/' + host.name"})
    stage.stack(hostgroups=[group], roles=[role], steps=[FIRST], outputs=[])
    held = before_job(stage.simulator, "first")
    deploy(stage)
    freeze_in_job(held, "first")
    plan = stage.status()["plan"]
    small(stage)
    finishing(stage, plan)
    thaw(stage.simulator)
    status = stage.ready()
    values = [str(row["value"]) for row in stage.simulator.rows("override_values")]
    assert [value for value in values if value == "zk" or value.startswith("/srv/")] == []
    assert {row["name"] for row in stage.simulator.rows("parameters")} & {"extra", "mine"} == set()
    assert {"user", "datastore"} <= {name for _, parameters in told(stage)[:2] for name in parameters}
    assert {"user", "datastore"} & {name for _, parameters in told(stage)[2:] for name in parameters} == set()
    assert len(told(stage)) == 4
    assert "zookeeper::user" not in str(status["values"])


def test_a_step_that_is_taken_away_while_it_runs(stage: Stage) -> None:
    small(stage, FIRST, {"name": "last", "puppetRun": {"roles": ["zk"], "hosts": "Leader"}})
    held = before_job(stage.simulator, "first")
    deploy(stage)
    freeze_in_job(held, "first")
    plan = stage.status()["plan"]
    small(stage, {"name": "last", "puppetRun": {"roles": ["zk"], "hosts": "Leader"}})
    finishing(stage, plan)
    thaw(stage.simulator)
    status = stage.ready()
    assert [step["name"] for step in status["steps"]] == ["Quiesce", "last", "PeriodicPuppet"]


def test_a_step_that_concerns_other_hosts_while_it_runs(stage: Stage) -> None:
    """The job on hosts that the step no longer is for is waited for, and the step runs on those that it is for now."""
    small(stage)
    held = before_job(stage.simulator, "first")
    deploy(stage)
    freeze_in_job(held, "first")
    plan = stage.status()["plan"]
    small(stage, {"name": "first", "puppetRun": {"roles": ["zk"], "hosts": "Leader"}})
    finishing(stage, plan)
    fault(stage.simulator, "job_lost", host="zookeeper-zk-2*", count=1)  # its host is the last one by far
    thaw(stage.simulator)
    stage.ready()
    before, after = jobs_of(stage.simulator, "first")
    assert after["start_at"] >= before["finished_at"]
    assert not before["cancelled"]
    assert (len(before["host_ids"]), len(after["host_ids"])) == (2, 1)


def test_several_runs_in_a_row(stage: Stage) -> None:
    """Of a step with two runs the first one is under way: it ends, and the step begins anew under the new plan."""
    small(stage, {"name": "first", "puppetRun": {"roles": ["zk"], "runs": 2}})
    held = before_job(stage.simulator, "first")
    deploy(stage, count=1)
    freeze_in_job(held, "first")
    plan = stage.status()["plan"]
    deploy(stage, count=2)
    finishing(stage, plan)
    thaw(stage.simulator)
    stage.ready()
    assert [len(job["host_ids"]) for job in jobs_of(stage.simulator, "first")] == [1, 2, 2]


@pytest.mark.parametrize("phase", ["creating", "running"])
def test_fewer_hosts_are_refused(stage: Stage, phase: str) -> None:
    small(stage)
    held = hold(stage.simulator, HOSTS, 2) if phase == "creating" else before_job(stage.simulator, "first")
    deploy(stage)
    if phase == "creating":
        held.here(2)
        deploy(stage, count=1)
        held.go_on()
    else:
        freeze_in_job(held, "first")
        deploy(stage, count=1)
        thaw(stage.simulator)
    if phase == "creating":
        held.go_on()
    assert "hosts 2 exist and would be too many" in stage.stalled("ScaleDownRefused")
    deploy(stage)
    stage.ready()
    assert names(stage.simulator, "hosts") == {f"zookeeper-zk-{index}.{DOMAIN}" for index in (1, 2)}


def renamed(stage: Stage) -> dict[str, Any]:
    roles = example("zookeeper", "deployment.yaml", "StackDeployment")["spec"]["roles"]
    roles[0] |= {"count": 2, "hostname": "other-{index}"}
    return {"roles": roles}


@pytest.mark.parametrize("phase", ["creating", "building"])
def test_hosts_keep_their_names(stage: Stage, phase: str) -> None:
    """Hosts that are on their way, or there, are not made a second time under another name."""
    small(stage)
    held = hold(stage.simulator, HOSTS, 2)
    deploy(stage)
    held.here(2)
    if phase == "building":
        freeze(stage.simulator)
        held.go_on()
        held.go_on()
        until(lambda: [role["created"] for role in stage.status()["roles"]] == ["1-2"], what="both are there")
    stage.deployment(**renamed(stage))
    if phase == "creating":
        held.go_on()
        held.go_on()
    assert "would rename hosts that exist" in stage.stalled("NameConflict")
    thaw(stage.simulator)
    deploy(stage)
    stage.ready()
    assert names(stage.simulator, "hosts") == {f"zookeeper-zk-{index}.{DOMAIN}" for index in (1, 2)}


def test_hosts_are_quiet_again_before_anything_of_theirs_changes(stage: Stage) -> None:
    """An edit comes when periodic Puppet is on again already: agents must not apply it by themselves."""
    small(stage)
    held = before_job(stage.simulator, "first")
    deploy(stage)
    held.here()
    resume = hold(stage.simulator, JOBS, 2)
    held.go_on()
    resume.here(1)
    resume.go_on()
    resume.here(2)
    record = hold(
        stage.simulator, "PUT /api/v2/hostgroups/:id/parameters/:pid", path="*/parameters/foreman_stacks_record"
    )
    resume.go_on()
    record.here()
    with_package(stage, "another-jre")
    until(lambda: stage.condition("Ready", plural="stacks").get("observedGeneration") == 2, what="the Stack is seen")
    record.go_on()
    stage.ready()
    until(lambda: [p["java_package"] for _, p in told(stage)].count("another-jre") >= 2, what="both run it")
    new = [
        (line["event"], line["host"], line["cause"])
        for line in stage.simulator.audit()
        if line["event"] == "applied"
        and line["class"] == "zookeeper"
        and line["parameters"]["java_package"] == "another-jre"
    ]
    assert {cause for _, _, cause in new[:2]} == {"triggered"}, "an agent applied the edit by itself"
    agents = [(line["host"], line["event"]) for line in stage.simulator.audit() if line["event"].startswith("agent_")]
    for host in OURS:
        assert [event for name, event in agents if name == host] == ["agent_off", "agent_on"] * 2
