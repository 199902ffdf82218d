"""The status as users and tools read it: one answer in Ready, kstatus' grammar, columns, outputs without secrets."""

from __future__ import annotations

from typing import Any

import pytest

from foreman_stacks.errors import Problem
from foreman_stacks.model.outcome import Stalled, Wait
from foreman_stacks.model.progress import FailedHost, Progress, RoleProgress, StepProgress, StepState
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.scope import Scope
from foreman_stacks.model.values import Bound, Secret
from foreman_stacks.plan.model import Plan
from foreman_stacks.reconcile.report import Findings, report
from tests.unit.foreman_stacks.made import IDENTITY, NOW, a_plan, a_tree, fqdn, later, refs

PLAN = a_plan(3)
WORKING = Wait(Reason.PROVISIONING, "builds")
STALL = Stalled(Reason.STEP_FAILED, (Problem("step first", "failed on zk/2", "see failedHosts"),))
EVERYBODY = frozenset({1, 2, 3})


def found(progress: Progress | None = None, **fields: Any) -> Findings:
    known: dict[str, Any] = {
        "generation": 2,
        "progress": progress or Progress(),
        "plan": PLAN,
        "stack": "s",
        "server": "f",
    }
    return Findings(**(known | fields))


def conditions(findings: Findings, old: dict[str, Any] | None = None) -> dict[str, str]:
    told = report(old or {}, findings, NOW)["conditions"]
    return {entry["type"]: f"{entry['status']}/{entry['reason']}" for entry in told}


@pytest.mark.parametrize(
    "findings, ready, others",
    [
        (found(waits=(WORKING,)), "Unknown/Provisioning", {"Reconciling": "True/Provisioning"}),
        (
            found(Progress(settled_plan="p"), waits=(WORKING,)),
            "False/Provisioning",
            {"Reconciling": "True/Provisioning"},
        ),
        (found(stalls=(STALL,)), "False/StepFailed", {"Stalled": "True/StepFailed"}),
        (
            found(stalls=(STALL,), waits=(WORKING,)),
            "False/StepFailed",
            {"Stalled": "True/StepFailed", "Reconciling": "True/Provisioning"},
        ),
        (found(Progress(settled_plan="p"), settled=True), "True/Ready", {}),
        (found(), "Unknown/Waiting", {}),
    ],
    ids=["working", "working again", "stalled", "other branches go on", "settled", "nobody knows"],
)
def test_ready_is_the_answer_and_the_other_two_say_why(findings: Findings, ready: str, others: dict[str, str]) -> None:
    told = conditions(findings)
    assert told.pop("Ready") == ready
    assert {kind: told[kind] for kind in ("Reconciling", "Stalled") if kind in told} == others


def test_ready_comes_from_a_settled_plan_alone_not_from_steps_that_are_done() -> None:
    steps = {name: StepProgress(name, state=StepState.DONE) for name in (*PLAN.order, "Quiesce", "PeriodicPuppet")}
    role = RoleProgress(EVERYBODY, None, EVERYBODY, EVERYBODY)
    told = conditions(found(Progress(plan="p", roles={"zk": role}, steps=steps), waits=(WORKING,)))
    assert told["StepsCompleted"] == "True/Done"
    assert told["Ready"] == "Unknown/Provisioning"


def test_stages_follow_the_progress() -> None:
    begun = found(Progress(plan="p", roles={"zk": RoleProgress(EVERYBODY, None, frozenset({1}))}), waits=(WORKING,))
    told = conditions(begun)
    assert (told["Configured"], told["HostsProvisioned"]) == ("True/Done", "False/Provisioning")
    assert (told["StepsCompleted"], told["PeriodicPuppetEnabled"]) == ("False/RunningSteps", "False/Waiting")
    assert "Drifted" not in told
    assert "Paused" not in told
    quiet = found(plan=a_plan(3, lambda stack: stack.update(periodicPuppet="Disabled")))
    assert conditions(quiet)["PeriodicPuppetEnabled"] == "False/Disabled"


@pytest.mark.parametrize("drift, told", [(None, None), ((), "False/InSync"), (("host x: is gone",), "True/Drifted")])
def test_drift_is_told_once_it_was_looked_for(drift: tuple[str, ...] | None, told: str | None) -> None:
    assert conditions(found(Progress(settled_plan="p"), settled=True, drift=drift)).get("Drifted") == told


def test_paused_is_a_condition_of_its_own() -> None:
    assert conditions(found(paused=True, waits=(WORKING,)))["Paused"] == "True/Paused"


def test_the_same_findings_are_the_same_status_at_any_time() -> None:
    findings = found(Progress(plan="p"), waits=(WORKING,))
    first = report({}, findings, NOW)
    assert report(first, findings, later(3600)) == first


def test_columns() -> None:
    steps = {
        "first": StepProgress("first", state=StepState.DONE),
        "ring": StepProgress("ring", state=StepState.RUNNING),
    }
    role = RoleProgress(EVERYBODY, None, frozenset({1, 2}), frozenset({1}))
    status = report(
        {}, found(Progress(plan="0123456789abcdef", roles={"zk": role}, steps=steps), waits=(WORKING,)), NOW
    )
    assert status["summary"] == {
        "ready": "Unknown",
        "reason": "Provisioning",
        "hosts": "2/3",
        "server": "f",
        "stack": "s",
        "plan": "0123456789ab",
        "step": "1/3 ring",
    }
    assert [step["name"] for step in status["steps"]] == ["Quiesce", "first", "ring", "second", "PeriodicPuppet"]
    assert status["observedGeneration"] == 2


def test_without_a_plan_what_was_known_stays() -> None:
    old = report({}, found(Progress(plan="p"), scope=scope(Bound("port", "integer", 80))), NOW)
    new = report(old, found(Progress(plan="p"), plan=None, stalls=(STALL,)), NOW)
    assert [role["desired"] for role in new["roles"]] == [3]
    assert new["outputs"] == old["outputs"]
    assert [step["name"] for step in new["steps"]] == [step["name"] for step in old["steps"]]


def scope(*outputs: Bound) -> Scope:
    return Scope(IDENTITY, outputs=outputs)


def test_the_value_of_a_sensitive_output_is_not_shown() -> None:
    outputs = scope(Bound("port", "integer", 80), Bound("login", "string", Secret("hunter2hunter2")))
    assert report({}, found(scope=outputs), NOW)["outputs"] == [
        {"name": "port", "type": "integer", "value": 80, "sensitive": False},
        {"name": "login", "type": "string", "sensitive": True},
    ]


def test_an_output_for_which_there_is_no_room_is_told_and_the_others_are_shown() -> None:
    long = Bound("long", "string", "x" * 11_000)
    shown = report({}, found(scope=scope(long, Bound("port", "integer", 80))), NOW)["outputs"]
    assert [entry["name"] for entry in shown if "value" in entry] == ["port"]
    assert shown[0]["message"] == "the value has 11002 bytes; all outputs together may have 10240 in a status"
    halves = scope(*(Bound(name, "string", "x" * 6_000) for name in ("one", "two")))
    assert [entry["name"] for entry in report({}, found(scope=halves), NOW)["outputs"] if "value" in entry] == ["one"]


def test_secrets_that_hosts_or_foreman_repeat_are_blotted_out_everywhere() -> None:
    plan: Plan = a_tree()
    leak = "the password is hush-hush, says app:hush-hush"
    steps = {"database": StepProgress("database", message=leak)}
    findings = found(
        Progress(steps=steps),
        plan=plan,
        stalls=(Stalled(Reason.FOREMAN_REFUSED, (Problem("x", leak, leak),)),),
        waits=(Wait(Reason.WAITING, leak),),
        failures={refs(1)[0]: FailedHost("h1", "RunFailed", leak)},
        drift=(leak,),
    )
    status = report({}, findings, NOW)
    assert "hush-hush" not in str(status)
    assert status["failedHosts"][0]["cause"].startswith("the password is ***")


def failures(progress: Progress, *fresh: FailedHost, looked: bool = True) -> list[str]:
    told = found(progress, failures=dict(zip(refs(1, 2, 3), fresh, strict=False)), scope=scope() if looked else None)
    return [entry["name"] for entry in report({}, told, NOW)["failedHosts"]]


def test_failed_hosts_stay_while_their_step_has_given_up_on_them_and_no_longer() -> None:
    host = FailedHost(fqdn(1), "RunFailed", "no space", step="first")
    failed = {"first": StepProgress("first", failed=frozenset(refs(1)))}
    assert failures(Progress(steps=failed), host) == [fqdn(1)]
    assert failures(Progress(steps=failed, failed_hosts=(host,))) == [fqdn(1)]
    assert failures(Progress(failed_hosts=(host,))) == []


def test_host_that_is_well_again_is_no_longer_told_beside_one_that_is_not() -> None:
    old = (
        FailedHost(fqdn(1), "BuildFailed", "its token expired"),
        FailedHost(fqdn(2), "BuildFailed", "its token expired"),
    )
    assert failures(Progress(failed_hosts=old), old[1]) == [fqdn(2)]


def test_pass_that_has_not_looked_at_hosts_keeps_what_is_told_of_them() -> None:
    host = FailedHost(fqdn(1), "HostMissing", "gone")
    assert failures(Progress(failed_hosts=(host,)), looked=False) == [fqdn(1)]


def test_missing_parameters_are_told_to_those_who_ask_for_them() -> None:
    entry = {"name": "password", "type": "string", "sensitive": True}
    assert report({}, found(missing=(entry,)), NOW)["missingParameters"] == [entry]
