"""Ready means applied: nothing less than this run's own good report, under an ENC that holds what we asked for, is enough."""

from typing import Any

import pytest

from tests.e2e.stage import Stage, until
from tests.e2e.weather import (
    DOMAIN,
    HOSTS,
    JOBS,
    clear,
    deploy,
    deployment,
    failed,
    fault,
    fqdn,
    hits,
    hosts,
    jobs,
    puppet_run,
    request,
    stack,
    step,
    succeeded,
    was_ready,
)

pytestmark = pytest.mark.timeout(600)

Faults = dict[str, int]
RECORD = "*/parameters/foreman_stacks_record"
"""Where the record is written anew: before each further job that may let hosts run Puppet."""


@pytest.fixture(scope="module")
def faults(shared_stage: Stage) -> Faults:
    """All deployments of this module: they run side by side, each in weather of its own."""
    stage = shared_stage
    made = {name: fault(stage, "run_fails", host=f"{name}-app-1") for name in ("stripped", "before", "after", "late")}
    made["bare"] = fault(stage, "unreachable", host="bare-*")
    _plant(stage, "workers", fqdn("shadow1"), 7)
    _plant(stage, "workers", fqdn("shadow3", 3), 8)
    _key(stage, "db_url", hidden_value=True)
    _plant(stage, "db_url", fqdn("secretive"), "of the site")
    _key(stage, "sleep", parameter_type="integer", hidden_value=True)
    _plant(stage, "sleep", fqdn("hidden"), 4711)
    _key(stage, "debug", parameter_type="boolean", override_value_order="domain\nhostgroup")
    stage.simulator.control("POST", "plant", [_override("debug", f"domain={DOMAIN}", "false")])
    stage.operator.start(recheck="1", report_grace="10")  # within it a test acts
    deploy(stage, "bare", app=2)
    for name in ("stripped", "before", "after", "late"):
        deploy(stage, name, puppet_run("run", retries=0), app=2 if name == "stripped" else 1)
    deploy(stage, "shadow1", app=3)
    deploy(stage, "shadow3", app=3)
    _with(stage, "hidden", {"name": "sleep", "type": "integer", "value": 5})
    _with(stage, "domain", {"name": "debug", "type": "boolean", "value": True})
    parameter = {"name": "url", "type": "string", "sensitive": True, "default": "ours, not for the eyes of others"}
    override = {"name": "db_url", "type": "string", "expression": "parameters.url"}
    stack(stage, "secretive", overrides=[override], parameters=[parameter])
    stage.apply(deployment(stage, "secretive", app=1))
    return made


def _with(stage: Stage, name: str, override: dict[str, Any]) -> None:
    stack(stage, name, overrides=[override])
    stage.apply(deployment(stage, name, app=1))


def _plant(stage: Stage, parameter: str, host: str, value: Any) -> None:
    stage.simulator.control("POST", "plant", [_override(parameter, f"fqdn={host}", value)])


def _override(parameter: str, match: str, value: Any) -> dict[str, Any]:
    about = {"class": "role_app", "parameter": parameter, "match": match, "value": value}
    return {"resource": "override_values", "object": about}


def _key(stage: Stage, parameter: str, **changes: Any) -> None:
    about = {"class": "role_app", "parameter": parameter, **changes}
    stage.simulator.control("POST", "plant", [{"resource": "smart_class_parameters", "object": about}])


# --- hosts that would be given no classes ----------------------------------------------------------------------


def test_host_that_lost_its_environment_before_the_move_is_not_run(shared_stage: Stage, faults: Faults) -> None:
    stage = shared_stage
    until(lambda: len(hosts(stage, "bare")) == 2, 60, "its hosts")
    _environment(stage, fqdn("bare", 2), None)
    clear(stage, faults["bare"])
    message = stage.stalled("PreflightFailed", "bare")
    assert fqdn("bare", 2) in message
    assert fqdn("bare", 1) not in message
    assert jobs(stage, "bare", "run") == []
    _environment(stage, fqdn("bare", 2), 1)
    stage.ready("bare")


def test_host_that_lost_its_environment_after_the_move_is_not_run_either(shared_stage: Stage, faults: Faults) -> None:
    stage = shared_stage
    stage.stalled("StepFailed", "stripped")
    _environment(stage, fqdn("stripped", 2), None)
    clear(stage, faults["stripped"])
    before = len(jobs(stage, "stripped", "run"))
    request(stage, "stripped")
    message = stage.stalled("PreflightFailed", "stripped")
    assert fqdn("stripped", 2) in message
    assert fqdn("stripped", 1) not in message
    assert len(jobs(stage, "stripped", "run")) == before
    _environment(stage, fqdn("stripped", 2), 1)
    stage.ready("stripped")


def test_host_that_lost_its_environment_after_its_last_run_keeps_ready_away(
    shared_stage: Stage, faults: Faults
) -> None:
    stage = shared_stage
    held = fault(stage, "hold", method="PUT", path=RECORD, seconds=60)  # what comes after the run waits
    deploy(stage, "last")
    until(lambda: step(stage, "last", "run").get("state") == "Done", 60, "the run")
    _environment(stage, fqdn("last"), None)
    clear(stage, held)
    assert fqdn("last") in stage.stalled("PreflightFailed", "last")
    assert not was_ready(stage, "last")
    _environment(stage, fqdn("last"), 1)
    stage.ready("last")


def _environment(stage: Stage, host: str, ident: int | None) -> None:
    stage.simulator.send("PUT", f"{HOSTS}/{host}", {"host": {"puppet_attributes": {"environment_id": ident}}})


# --- reports of others -----------------------------------------------------------------------------------------


def test_stranger_s_report_above_the_baseline_but_before_our_job_is_not_ours(
    shared_stage: Stage, faults: Faults
) -> None:
    stage, host = shared_stage, fqdn("before")
    stage.stalled("StepFailed", "before")
    clear(stage, faults["before"])
    held = fault(stage, "hold", method="POST", path=JOBS, seconds=60)
    request(stage, "before")
    until(lambda: hits(stage, held) and _intends(stage, "before"), 60, "the job's POST")  # others may be held beside it
    _somebody_runs(stage, host)
    silent = fault(stage, "report_missing", host=host)
    clear(stage, held)
    stage.stalled("StepFailed", "before")
    assert failed(stage, "before")[host]["reason"] == "ReportMissing"
    assert not was_ready(stage, "before")
    clear(stage, silent)
    request(stage, "before")
    stage.ready("before")
    until(lambda: was_ready(stage, "before"), 30, "the event, which comes after the status")


def _intends(stage: Stage, name: str) -> bool:
    """Whether a step has its baseline, and its job may begin."""
    return any("run" in step for step in stage.status(name)["steps"])


def test_stranger_s_report_that_comes_after_our_result_is_not_ours(shared_stage: Stage, faults: Faults) -> None:
    stage, host = shared_stage, fqdn("after")
    stage.stalled("StepFailed", "after")
    clear(stage, faults["after"])
    silent = fault(stage, "report_missing", host=host)
    before = len(succeeded(stage, "after", "run"))
    request(stage, "after")
    until(lambda: len(succeeded(stage, "after", "run")) > before, 60, "our result")
    until(
        lambda: stage.condition("Reconciling", "after").get("message", "").endswith(f"report of {host}"), 30, "the wait"
    )
    clear(stage, silent)
    _somebody_runs(stage, host)
    stage.stalled("StepFailed", "after")
    assert failed(stage, "after")[host]["reason"] == "ReportMissing"
    assert not was_ready(stage, "after")


def test_report_of_our_own_run_counts_though_it_comes_late(shared_stage: Stage, faults: Faults) -> None:
    stage = shared_stage
    stage.stalled("StepFailed", "late")
    clear(stage, faults["late"])
    late = fault(stage, "report_late", host=fqdn("late"), seconds=300)
    request(stage, "late")
    stage.ready("late")
    assert hits(stage, late) >= 1
    assert len(jobs(stage, "late", "run")) == 2


def _somebody_runs(stage: Stage, host: str) -> None:
    """Somebody else runs Puppet on the host, to the end of its report."""

    def reports() -> int:
        return sum(1 for line in stage.simulator.audit() if line["event"] == "report" and line["host"] == host)

    seen = reports()
    stage.simulator.control("POST", "agent", {"host": host, "do": "run"})
    until(lambda: reports() > seen, 30, "somebody's report")


# --- a site's stronger values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name,index,value", [("shadow1", 1, "7"), ("shadow3", 3, "8")])
def test_stronger_value_of_the_site_is_named_before_the_first_run(
    shared_stage: Stage, faults: Faults, name: str, index: int, value: str
) -> None:
    stage = shared_stage
    message = stage.stalled("Shadowed", name)
    for words in ("role_app::workers", f"fqdn={fqdn(name, index)}", f"{value} instead of 3"):
        assert words in message
    assert message.count("is shadowed") == 1
    assert jobs(stage, name, "run") == []
    _unplant(stage, f"fqdn={fqdn(name, index)}")
    stage.ready(name)


def test_value_that_shadows_a_secret_is_named_without_values(shared_stage: Stage, faults: Faults) -> None:
    message = shared_stage.stalled("Shadowed", "secretive")
    assert f"role_app::db_url on {fqdn('secretive')}" in message
    assert f"fqdn={fqdn('secretive')}" in message
    assert "of the site" not in message
    assert "not for the eyes" not in message


def test_value_that_foreman_hides_is_not_shown(shared_stage: Stage, faults: Faults) -> None:
    message = shared_stage.stalled("Shadowed", "hidden")
    assert f"role_app::sleep on {fqdn('hidden')}" in message
    assert "4711" not in message


def test_match_that_is_stronger_by_the_site_s_order_is_named(shared_stage: Stage, faults: Faults) -> None:
    message = shared_stage.stalled("Shadowed", "domain")
    assert f"role_app::debug on {fqdn('domain')}" in message
    assert f"shadowed by domain={DOMAIN}: False instead of True" in message


def _unplant(stage: Stage, match: str) -> None:
    row = next(row for row in stage.simulator.rows("override_values") if row["match"] == match)
    stage.simulator.send(
        "DELETE", f"/foreman_puppet/api/smart_class_parameters/{row['key_id']}/override_values/{row['id']}"
    )
