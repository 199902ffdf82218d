"""Edits: followed until a deployment is Ready, refused without a write afterwards; drift is told; paused is still."""

from tests.e2e.life import FIRST, before_job, deploy, freeze_in_job, jobs_of, runs, sent, small, thaw
from tests.e2e.stage import Stage, until

JOBS = "POST /api/v2/job_invocations"


def _condition(stage: Stage, kind: str, status: str, reason: str = "") -> bool:
    found = stage.condition(kind)
    return found.get("status") == status and (not reason or found.get("reason") == reason)


def _ordered(stage: Stage) -> list[str]:
    """The hosts on which a run of ours applied class zookeeper, once for each."""
    lines = [line for line in stage.simulator.audit() if line["event"] == "applied" and line["class"] == "zookeeper"]
    return [line["host"].partition(".")[0] for line in lines if line["cause"] == "triggered"]


def test_an_edit_before_ready_waits_for_the_act_and_is_then_followed(stage: Stage) -> None:
    small(stage)
    held = before_job(stage.simulator, "first")
    deploy(stage)
    freeze_in_job(held, "first")
    plan = stage.status()["plan"]
    deploy(stage, count=3)
    generation = stage.get()["metadata"]["generation"]
    until(lambda: _condition(stage, "Reconciling", "True", "FinishingStep"), what="the act under way ends first")
    status = stage.status()
    assert (status["observedGeneration"], status["plan"]) == (generation, plan)
    thaw(stage.simulator)
    status = stage.ready()
    assert status["plan"] != plan
    assert status["summary"]["hosts"] == "3/3"
    assert sorted(_ordered(stage)) == ["zookeeper-zk-1", "zookeeper-zk-2", "zookeeper-zk-3"]


def test_a_changed_stack_runs_again_what_it_concerns(stage: Stage) -> None:
    small(stage)
    held = before_job(stage.simulator, "first")
    deploy(stage, count=1)
    freeze_in_job(held, "first")
    stack = stage.get("zookeeper", "stacks")
    package = next(
        o for o in stack["spec"]["hostgroups"][0]["puppetClasses"][0]["overrides"] if o["name"] == "java_package"
    )
    package["value"] = "another-jre"
    small(stage, FIRST)
    stage.api.call("PATCH", stage.path("stacks", "zookeeper"), {"spec": stack["spec"]}, "application/merge-patch+json")
    until(lambda: _condition(stage, "Reconciling", "True", "FinishingStep"), what="the act under way ends first")
    thaw(stage.simulator)
    stage.ready()
    packages = [parameters["java_package"] for _, parameters in runs(stage.simulator)]
    assert packages[0] == "default-jre-headless"
    assert packages[-1] == "another-jre"


def test_a_lower_count_is_refused_and_undoing_it_heals(stage: Stage) -> None:
    small(stage)
    held = before_job(stage.simulator, "first")
    deploy(stage, count=2)
    held.here()
    deploy(stage, count=1)
    held.go_on()
    assert "exist and would be too many" in stage.stalled("ScaleDownRefused")
    deploy(stage, count=2)
    stage.ready()


def test_after_ready_an_edit_of_the_plan_is_refused_without_a_write_and_undoing_it_heals(stage: Stage) -> None:
    small(stage)
    deploy(stage)
    settled = stage.ready()
    writes = stage.simulator.writes()
    deploy(stage, count=3)
    stage.stalled("ChangeNotSupported")
    assert _condition(stage, "Ready", "False", "ChangeNotSupported")
    assert stage.status()["settledPlan"] == settled["settledPlan"]
    deploy(stage, count=2)
    stage.ready()
    small(stage, FIRST, {"name": "more", "after": ["first"], "puppetRun": {"roles": ["zk"]}})
    until(lambda: stage.condition("Ready", plural="stacks").get("observedGeneration") == 2, what="the Stack is seen")
    deploy(stage, deletionPolicy="Delete")
    stage.ready()
    assert stage.simulator.writes() == writes, "an edited Stack is ignored, and so is what is no part of the plan"


def test_drift_is_told_and_not_touched(stage: Stage) -> None:
    stage.operator.stop()
    stage.operator.start(resync="1", override_resync_every="1")
    small(stage)
    deploy(stage)
    stage.ready()
    group = next(row for row in stage.simulator.rows("hostgroups") if row["name"].startswith("zk ("))
    path = f"/api/v2/hostgroups/{group['id']}/parameters/servers"
    stage.simulator.send("PUT", path, {"parameter": {"value": '["10.0.0.1"]'}})
    until(lambda: _condition(stage, "Drifted", "True"), what="drift is told")
    assert "servers" in stage.condition("Drifted")["message"]
    assert stage.condition("Ready")["status"] == "True"
    row = next(p for p in stage.simulator.rows("parameters") if p["owner_id"] == group["id"] and p["name"] == "servers")
    assert "10.0.0.1" in str(row["value"]), "nothing was corrected"
    stage.simulator.send("PUT", path, {"parameter": {"value": "[]"}})
    until(lambda: _condition(stage, "Drifted", "False"), what="it heals")


def test_paused_writes_nothing_and_finishes_what_was_started(stage: Stage) -> None:
    small(stage, FIRST, {"name": "second", "after": ["first"], "puppetRun": {"roles": ["zk"]}})
    held = before_job(stage.simulator, "first")
    deploy(stage, count=1)
    freeze_in_job(held, "first")
    deploy(stage, count=1, paused=True)
    until(lambda: _condition(stage, "Paused", "True"), what="Paused is said")
    jobs = sent(stage.simulator, JOBS)
    thaw(stage.simulator)
    until(
        lambda: next(s for s in stage.status()["steps"] if s["name"] == "first")["state"] == "Done", what="first ends"
    )
    until(lambda: _condition(stage, "Reconciling", "True", "Paused"), what="it waits")
    assert sent(stage.simulator, JOBS) == jobs
    assert jobs_of(stage.simulator, "second") == []
    deploy(stage, count=1, paused=False)
    stage.ready()
