"""puppetRun: who, in which order, and what a host's report means (foreman-measured §1.8 and §1.14)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

import pytest

from foreman_stacks.foreman.port import NewestReport, ReportLog, ReportsSince, ReportVersion, Unread
from foreman_stacks.model.outcome import Failed
from foreman_stacks.model.progress import StepProgress, StepState
from foreman_stacks.steps.kind import Context, Target
from foreman_stacks.steps.puppet_run import OPTIONS, PuppetRun, PuppetRunJob
from foreman_stacks.steps.verdict import Again, Bad, Good, Result, Undecided, Verdict
from tests.unit.foreman_stacks.made import NOW, later, refs
from tests.unit.foreman_stacks.steps.looks import (
    BASELINE,
    a_job,
    context,
    report,
    running,
    seen_job,
    seen_outputs,
    seen_reports,
    target,
    targets,
)

BUSY = "Notice: Run of Puppet configuration client already in progress; skipping  (/x/agent_catalog_run.lock exists)"
DISABLED = "Notice: Skipping run of Puppet configuration client; administratively disabled (Reason: 'by hand')"


def spec(**fields: Any) -> PuppetRun:
    return PuppetRun.model_validate({"roles": ("zk",), **fields})


def judged(result: Result = Result.SUCCESS, seen: Any = None, now: datetime = NOW, **fields: Any) -> Verdict:
    """The verdict on the first host, with reports or output as seen."""
    progress = running(1, run=fields.pop("run", {}))
    assert progress.run is not None
    kind = PuppetRunJob(spec(**fields.pop("spec", {})))
    return kind.judge(target(1), result, progress.run, a_job(**fields), context(seen, now))


# --- reports ---------------------------------------------------------------------------------------------------


def test_a_good_report_of_this_run_is_good() -> None:
    assert judged(seen=seen_reports({1: [report(1)]})) == Good()


@pytest.mark.parametrize("fields", [{"failed": 3}, {"restarts": 1}])
def test_a_report_with_failures_is_bad_though_the_job_succeeded(fields: dict[str, int]) -> None:
    found = judged(seen=seen_reports({1: [report(1, 50, **fields)]}))
    assert found == Bad("ResourcesFailed", "File[/x]: no space left", 50)


def test_one_bad_report_among_good_ones_decides() -> None:
    seen = seen_reports({1: [report(1, 50), report(1, 51, failed=1), report(1, 52)]})
    assert isinstance(judged(seen=seen), Bad)


def test_a_report_from_before_the_jobs_start_is_somebody_elses() -> None:
    found = judged(seen=seen_reports({1: [report(1, after=-1)]}))
    assert isinstance(found, Undecided)
    assert isinstance(judged(seen=seen_reports({1: [report(1, failed=1, after=-1)]})), Undecided)


def test_a_report_in_the_second_of_the_start_counts() -> None:
    assert judged(seen=seen_reports({1: [report(1, after=0)]})) == Good()


def test_only_reports_above_the_baseline_are_asked_for() -> None:
    with pytest.raises(Unread) as unread:
        judged(seen={})
    assert unread.value.queries == (ReportsSince(101, BASELINE),)


def test_a_report_that_has_not_come_is_waited_for_until_the_grace_is_over() -> None:
    nothing = seen_reports({1: []})
    found = judged(seen=nothing)
    assert isinstance(found, Undecided)
    assert found.polls == (ReportsSince(101, BASELINE),)
    assert found.patience == 120
    half = judged(seen=nothing, now=later(60), run={"ended": NOW})
    assert isinstance(half, Undecided)
    assert half.patience == 60
    over = judged(seen=nothing, now=later(120), run={"ended": NOW})
    assert isinstance(over, Bad)
    assert over.reason == "ReportMissing"


TOLD = "Info: Applying configuration version '1795403876'\nNotice: Applied catalog in 0.03 seconds\nExit status: 0"


@pytest.mark.parametrize("version, ours", [("1795403876", True), ("1795400000", False), (None, False)])
@pytest.mark.parametrize(
    "began, run", [(-30, {}), (5, {"ended": NOW})], ids=["began before our job", "after our result"]
)
def test_a_report_that_may_be_somebody_elses_must_name_the_version_that_our_run_told(
    version: str | None, ours: bool, began: float, run: dict[str, Any]
) -> None:
    found = replace(report(1, 50), reported_at=later(began))
    seen = seen_reports({1: [found]}) | seen_outputs({1: TOLD}) | {ReportVersion(50): version}
    verdict = judged(seen=seen, now=later(10), run=run)
    assert (verdict == Good()) is ours
    assert isinstance(verdict, Good | Undecided)


def test_a_run_that_told_no_version_leaves_nothing_to_compare() -> None:
    found = replace(report(1, 50), reported_at=later(-30))
    assert judged(seen=seen_reports({1: [found]}) | seen_outputs({1: "Exit status: 0"})) == Good()


def test_a_report_that_came_well_before_our_result_needs_no_proof_though_another_is_late() -> None:
    found = replace(report(1, 50, after=5), reported_at=later(3))
    assert judged(seen=seen_reports({1: [found]}), now=later(120), run={"ended": later(100)}) == Good()


def test_without_a_log_the_counts_say_what_failed() -> None:
    seen = seen_reports({1: [report(1, failed=2, restarts=1)]})
    seen = {query: () if "ReportLog" in type(query).__name__ else answer for query, answer in seen.items()}
    found = judged(seen=seen)
    assert isinstance(found, Bad)
    assert found.cause == "2 failed, 1 failed to restart"


def test_log_lines_are_blotted_before_they_are_cut() -> None:
    progress = running(1)
    assert progress.run is not None
    look = replace(context(seen_reports({1: [report(1, failed=1)]})), redact=lambda text: text.replace("space", "***"))
    found = PuppetRunJob(spec()).judge(target(1), Result.SUCCESS, progress.run, a_job(), look)
    assert isinstance(found, Bad)
    assert found.cause == "File[/x]: no *** left"


def test_only_the_log_lines_that_are_shown_are_blotted() -> None:
    progress, looked = running(1), list[str]()
    assert progress.run is not None
    seen = seen_reports({1: [report(1, failed=1)]}) | {ReportLog(50): tuple(f"line {number}" for number in range(1000))}

    def redact(text: str) -> str:
        looked.append(text)
        return text

    look = replace(context(seen), redact=redact)
    found = PuppetRunJob(spec()).judge(target(1), Result.SUCCESS, progress.run, a_job(), look)
    assert isinstance(found, Bad)
    assert found.cause == "line 0 | line 1 | line 2"
    assert looked == ["line 0", "line 1", "line 2"]


# --- failed results never take a report ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "output, verdict",
    [
        (BUSY + "\nExit status: 1", Again("a Puppet run is already in progress", 30.0)),
        (DISABLED, Bad("PuppetDisabled", "Puppet is administratively disabled: by hand")),
        ("administratively disabled", Bad("PuppetDisabled", "Puppet is administratively disabled: no reason given")),
        ("ssh: connect\nExit status: EXCEPTION", Bad("HostUnreachable", "ssh: connect")),
        ("a\nb\n\nc\nd\nExit status: 1", Bad("RunFailed", "b | c | d")),
        ("", Bad("RunFailed", "the run failed without output")),
    ],
)
def test_why_a_run_did_not_happen_is_read_from_its_output(output: str, verdict: Verdict) -> None:
    """A good report above the baseline is there: it is somebody else's, and not even looked at."""
    seen = seen_outputs({1: output}) | seen_reports({1: [report(1)]})
    assert judged(Result.FAILED, seen) == verdict


@pytest.mark.parametrize(
    "result, reason",
    [(Result.TIMEOUT, "Timeout"), (Result.LOST, "JobLost"), (Result.CANCELLED, "JobCancelled")],
)
def test_a_result_that_no_host_gave_needs_no_look_at_the_host(result: Result, reason: str) -> None:
    found = judged(result, {})
    assert isinstance(found, Bad)
    assert found.reason == reason


@pytest.mark.parametrize("number, must, good", [(1, "Last", True), (2, "Last", False), (1, "Every", False)])
def test_must_succeed_last_lets_earlier_runs_fail(number: int, must: str, good: bool) -> None:
    fields = {"runs": 2, "mustSucceed": must}
    found = judged(seen=seen_reports({1: [report(1, failed=1)]}), run={"number": number}, spec=fields)
    assert (found == Good()) == good
    busy = judged(Result.FAILED, seen_outputs({1: BUSY}), run={"number": number}, spec=fields)
    assert isinstance(busy, Again), "a run that did not happen is none"


# --- who and in which order ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hosts, names", [("All", ["zk/1", "zk/2", "db/1"]), ("Leader", ["zk/1", "db/1"]), ("Followers", ["zk/2"])]
)
def test_hosts_of_its_roles_are_chosen(hosts: str, names: list[str]) -> None:
    everybody = [*targets(1, 2), target(1, role="db"), target(1, role="other")]
    chosen = spec(roles=("zk", "db"), hosts=hosts).chosen(everybody)
    assert [str(item.ref) for item in chosen] == names


def batch(order: Literal["Parallel", "Serial", "LeaderFirst"], waiting: list[Target]) -> list[str]:
    return [str(item.ref) for item in PuppetRunJob(spec(roles=("zk", "db"), order=order)).batch(waiting, waiting)]


def test_orders() -> None:
    everybody = [target(3), target(1), target(2), target(2, role="db"), target(1, role="db")]
    assert batch("Parallel", everybody) == ["db/1", "db/2", "zk/1", "zk/2", "zk/3"]
    assert batch("LeaderFirst", everybody) == ["db/1", "zk/1"]
    assert batch("LeaderFirst", targets(2, 3)) == ["zk/2", "zk/3"]
    assert batch("Serial", everybody) == ["db/1"]


@pytest.mark.parametrize(
    "failed, most, tolerated",
    [([], 0, True), ([2], 0, False), ([2], 1, True), ([2, 3], 1, False), ([1], 5, False), ([1, 2], 5, False)],
)
def test_how_many_may_fail_but_never_a_leader(failed: list[int], most: int, tolerated: bool) -> None:
    kind = PuppetRunJob(spec(maxFailedHosts=most))
    assert kind.tolerates(targets(*failed)) == tolerated
    assert kind.stops(targets(*failed)) == (not tolerated)


def play(order: str, bad: set[int], count: int = 3, most: int = 0) -> tuple[list[list[int]], StepProgress]:
    """All jobs of a step without retries on hosts of which these fail: their hosts, and how it ends."""
    kind, progress, ran = spec(order=order, maxFailedHosts=most), StepProgress("first"), []
    everybody = targets(*range(1, count + 1))
    for _ in range(20):
        seen: dict[Any, Any] = {NewestReport(): BASELINE}
        if progress.run is not None:
            indices = [ref.index for ref in progress.run.hosts]
            ran.append(indices)
            progress = replace(progress, run=replace(progress.run, job=7))
            good = [index for index in indices if index not in bad]
            seen |= seen_job(good, set(indices) - set(good), status="failed")
            seen |= seen_reports({index: [report(index)] for index in good})
            seen |= seen_outputs(dict.fromkeys(set(indices) - set(good), "Exit status: 1"))
        found = kind.advance(progress, everybody, context(seen, retries=0))
        progress = found.progress
        if progress.state in {StepState.DONE, StepState.FAILED}:
            assert isinstance(found.outcome, Failed) == (progress.state is StepState.FAILED)
            return ran, progress
    raise AssertionError(progress)


@pytest.mark.parametrize(
    "order, bad, most, ran, done, state",
    [
        ("Parallel", set(), 0, [[1, 2, 3]], [1, 2, 3], StepState.DONE),
        ("Parallel", {2}, 0, [[1, 2, 3]], [1, 3], StepState.FAILED),
        ("Serial", set(), 0, [[1], [2], [3]], [1, 2, 3], StepState.DONE),
        ("Serial", {2}, 0, [[1], [2]], [1], StepState.FAILED),
        ("Serial", {2}, 1, [[1], [2], [3]], [1, 3], StepState.DONE),
        ("LeaderFirst", set(), 0, [[1], [2, 3]], [1, 2, 3], StepState.DONE),
        ("LeaderFirst", {1}, 5, [[1]], [], StepState.FAILED),
        ("LeaderFirst", {3}, 1, [[1], [2, 3]], [1, 2], StepState.DONE),
    ],
)
def test_a_whole_step(
    order: str, bad: set[int], most: int, ran: list[list[int]], done: list[int], state: StepState
) -> None:
    found, progress = play(order, bad, most=most)
    assert found == ran
    assert sorted(progress.done) == refs(*done)
    assert progress.state is state


def test_runs_are_asked_to_tell_what_they_do() -> None:
    assert PuppetRunJob(spec()).job(context()) == {"feature": "puppet_run_host", "inputs": {"puppet_options": OPTIONS}}
    assert "--verbose" in OPTIONS


def test_a_context_knows_where_people_look() -> None:
    look: Context = context()
    assert look.report_url(5) == "https://foreman/config_reports/5"
