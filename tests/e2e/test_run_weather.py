"""Bad weather while Puppet runs: retries for the failed hosts only, then a named cause with links; other branches go on."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.e2e.stage import Stage, until
from tests.e2e.weather import (
    JOBS,
    clear,
    deploy,
    deployment,
    edit,
    failed,
    fault,
    fqdn,
    hits,
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


@pytest.fixture(scope="module")
def faults(shared_stage: Stage) -> Faults:
    """All deployments of this module: they run side by side, each in weather of its own."""
    stage, made = shared_stage, Faults()
    for name, host in (("fails", 1), ("tolerant", 3), ("leader", 1), ("edited", 1), ("trouble", 1)):
        made[name] = fault(stage, "run_fails", host=fqdn(name, host), body=f"no space left on {name}")
    made["silent"] = fault(stage, "report_missing", host="silent-*")
    made["busy"] = fault(stage, "in_progress", host="busy-*", count=3)
    stage.operator.start(recheck="1", job_lost_after="3")
    deploy(stage, "fails", puppet_run("run", retries=1), puppet_run("other", "web"), app=2, web=1)
    for name, hosts, most in (
        ("tolerant", 3, 1),
        ("leader", 2, 1),
        ("edited", 1, 0),
        ("trouble", 1, 0),
        ("silent", 1, 0),
    ):
        deploy(stage, name, puppet_run("run", retries=0, maxFailedHosts=most), app=hosts)
    deploy(stage, "busy", puppet_run("run", retries=0), app=1)
    sleeps = [{"name": "sleep", "type": "integer", "value": 100_000}]
    stack(stage, "endless", puppet_run("run", retries=0, timeoutSeconds=2), overrides=sleeps)
    stage.apply(deployment(stage, "endless", app=1))
    return made


def test_failed_run_is_retried_on_the_failed_host_only_and_then_named(shared_stage: Stage, faults: Faults) -> None:
    stage = shared_stage
    assert "run" in stage.stalled("StepFailed", "fails")
    entry = failed(stage, "fails")[fqdn("fails")]
    assert list(failed(stage, "fails")) == [fqdn("fails")]
    assert (entry["reason"], entry["step"]) == ("ResourcesFailed", "run")
    assert "no space left on fails" in entry["cause"]
    started = jobs(stage, "fails", "run")
    names = {row["id"]: row["name"] for row in stage.simulator.rows("hosts")}
    asked = [[names[host] for host in job["host_ids"]] for job in started]
    assert asked == [[fqdn("fails"), fqdn("fails", 2)], [fqdn("fails")]]
    assert entry["jobURL"].endswith(f"/job_invocations/{started[-1]['id']}")
    assert all(job["status"] == "succeeded" or job["finished_at"] is None for job in started), "the job itself is well"
    report = _row(stage, "reports", entry["reportURL"].rsplit("/", 1)[1])
    assert names[report["host_id"]] == fqdn("fails")
    assert report["status"]["failed"] >= 1
    until(lambda: step(stage, "fails", "other").get("state") == "Done", 60, "the other branch")
    assert not was_ready(stage, "fails")


def test_failed_run_resumes_on_request_for_the_failed_host_only(shared_stage: Stage, faults: Faults) -> None:
    stage = shared_stage
    stage.stalled("StepFailed", "fails")
    clear(stage, faults["fails"])
    request(stage, "fails")
    stage.ready("fails")
    assert failed(stage, "fails") == {}
    assert [len(job["host_ids"]) for job in jobs(stage, "fails", "run")] == [2, 1, 1]


def test_failed_run_resumes_on_a_new_generation(shared_stage: Stage, faults: Faults) -> None:
    shared_stage.stalled("StepFailed", "edited")
    clear(shared_stage, faults["edited"])
    edit(shared_stage, "edited", deletionPolicy="Delete")
    shared_stage.ready("edited")


def test_run_that_never_reports_fails_though_its_job_succeeded(shared_stage: Stage, faults: Faults) -> None:
    shared_stage.stalled("StepFailed", "silent")
    entry = failed(shared_stage, "silent")[fqdn("silent")]
    assert entry["reason"] == "ReportMissing"
    assert entry["jobURL"]
    assert succeeded(shared_stage, "silent", "run") == [fqdn("silent")]
    assert not was_ready(shared_stage, "silent")


def test_run_already_in_progress_is_waited_for_and_costs_no_retry(shared_stage: Stage, faults: Faults) -> None:
    shared_stage.ready("busy")
    assert hits(shared_stage, faults["busy"]) == 3
    assert len(jobs(shared_stage, "busy", "run")) == 4
    assert failed(shared_stage, "busy") == {}


def test_as_many_failed_hosts_as_asked_are_tolerated_and_still_told(shared_stage: Stage, faults: Faults) -> None:
    shared_stage.ready("tolerant")
    assert list(failed(shared_stage, "tolerant")) == [fqdn("tolerant", 3)]
    assert "tolerated" in step(shared_stage, "tolerant", "run")["message"]


def test_failed_leader_fails_the_step_whatever_is_tolerated(shared_stage: Stage, faults: Faults) -> None:
    shared_stage.stalled("StepFailed", "leader")
    assert list(failed(shared_stage, "leader")) == [fqdn("leader")]


def test_run_that_takes_too_long_is_cancelled(shared_stage: Stage, faults: Faults) -> None:
    stage = shared_stage
    stage.stalled("StepFailed", "endless")
    assert failed(stage, "endless")[fqdn("endless")]["reason"] == "Timeout"
    (job,) = jobs(stage, "endless", "run")
    assert job["cancelled"]
    assert job["status"] == "failed", "the step ended before its job had ended"
    assert not next(row for row in stage.simulator.rows("machines") if row["name"] == fqdn("endless"))["running"]


TROUBLE = [
    ("PuppetDisabled", "administratively disabled", "agent", ("disable", "enable")),
    ("HostUnreachable", "Connection refused", "unreachable", ()),
    ("JobLost", "gone missing", "job_lost", ()),
]


def test_each_trouble_of_a_host_has_its_name(shared_stage: Stage, faults: Faults) -> None:
    stage, host = shared_stage, fqdn("trouble")
    stage.stalled("StepFailed", "trouble")
    clear(stage, faults["trouble"])
    for reason, words, kind, agent in TROUBLE:
        over = _trouble(stage, host, kind, agent)
        request(stage, "trouble")
        _until_failed(stage, host, reason)
        assert words in failed(stage, "trouble")[host]["cause"]
        assert stage.stalled("StepFailed", "trouble")
        over()
    assert not was_ready(stage, "trouble")
    request(stage, "trouble")
    stage.ready("trouble")


def _until_failed(stage: Stage, host: str, reason: str) -> None:
    until(
        lambda: failed(stage, "trouble").get(host, {}).get("reason") == reason,
        60,
        f"{reason}: {failed(stage, 'trouble')}",
    )


def _trouble(stage: Stage, host: str, kind: str, agent: Sequence[str]) -> Any:
    if agent:
        before, after = agent
        stage.simulator.control("POST", "agent", {"host": host, "do": before})
        return lambda: stage.simulator.control("POST", "agent", {"host": host, "do": after})
    ident = fault(stage, kind, host=host)
    return lambda: clear(stage, ident)


def test_job_that_stays_queued_without_a_task_is_given_up_and_started_anew(shared_stage: Stage, faults: Faults) -> None:
    stage = shared_stage
    for name in ("fails", "edited", "trouble"):
        stage.ready(name)
    queued = fault(stage, "job_queued", path=JOBS, count=1)
    deploy(stage, "queued", app=1)
    stage.ready("queued")
    assert hits(stage, queued) == 1
    stuck = [job for job in jobs(stage, "queued") if job["task"] is None]
    assert [job["status"] for job in stuck] == ["queued"]
    assert succeeded(stage, "queued", "run") == [fqdn("queued")]


def test_runs_of_all_deployments_together_stay_below_the_limit_of_their_proxy(
    shared_stage: Stage, faults: Faults
) -> None:
    """Also over a restart: what runs is known from the statuses."""
    stage = shared_stage
    stage.change_server(limits={"puppetRunsPerProxy": 3})
    names = ("crowd1", "crowd2", "crowd3")
    for name in names:
        stack(stage, name, overrides=[{"name": "sleep", "type": "integer", "value": 200}])
        stage.apply(deployment(stage, name, app=2))
    until(lambda: any(jobs(stage, name, "run") for name in names), 60, "a first run")
    stage.operator.kill()
    stage.operator.start()
    for name in names:
        stage.ready(name)
        assert succeeded(stage, name, "run") == [fqdn(name), fqdn(name, 2)]
    assert 2 <= _most_at_once(stage, {job["id"] for name in names for job in jobs(stage, name, "run")}) <= 3


def _most_at_once(stage: Stage, mine: set[int]) -> int:
    """The most hosts at one time that were in one of these jobs without a result."""
    now = most = 0
    for line in stage.simulator.audit():
        if line.get("job") in mine and line["event"] == "job":
            now += len(line["hosts"])
        elif line.get("job") in mine and line["event"] == "job_result":
            now -= 1
        most = max(most, now)
    return most


def _row(stage: Stage, resource: str, ident: str) -> dict[str, Any]:
    return next(row for row in stage.simulator.rows(resource) if row["id"] == int(ident))
