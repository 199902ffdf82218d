"""What becomes of hosts that failed, and how a step ends."""

from __future__ import annotations

from dataclasses import replace

from foreman_stacks.foreman.port import NewestReport
from foreman_stacks.model.outcome import Done, Failed, Wait
from foreman_stacks.model.progress import StepState
from foreman_stacks.model.reasons import Reason
from foreman_stacks.steps import job as jobs
from foreman_stacks.steps.verdict import Again
from tests.unit.foreman_stacks.made import NOW, later, refs
from tests.unit.foreman_stacks.steps.kinds import FRESH, Kind
from tests.unit.foreman_stacks.steps.looks import JOB, context, running, seen_job, target, targets


def test_failed_hosts_alone_are_tried_again_with_pauses_that_double() -> None:
    kind, progress, now = Kind(), running(1, 2), 0.0
    pauses = []
    for _ in range(2):
        look = context(seen_job(good=[1], bad=[2], status="failed"), later(now), token="t9")
        found = jobs.advance(kind, progress, targets(1, 2), look)
        assert isinstance(found.outcome, Wait)
        assert (found.outcome.reason, found.progress.state) == (Reason.RETRYING, StepState.WAITING)
        assert "zk/2" in found.outcome.message
        assert "because zk/2" in found.outcome.message
        assert found.failures == {}, "nobody has failed for good"
        assert found.progress.retrying == frozenset(refs(2))
        pauses.append(found.outcome.after)
        early = jobs.advance(kind, found.progress, targets(1, 2), context(now=later(now + 1)))
        assert early.progress == found.progress
        now += found.outcome.after or 0
        retry = jobs.advance(kind, found.progress, targets(1, 2), context(now=later(now), token="t9"))
        assert retry.intends
        assert retry.progress.run is not None
        assert list(retry.progress.run.hosts) == refs(2)
        progress = replace(retry.progress, run=replace(retry.progress.run, job=JOB))
    assert pauses == [30, 60]
    last = jobs.advance(kind, progress, targets(1, 2), context(seen_job(bad=[2], status="failed"), later(now)))
    assert (last.progress.failed, last.progress.retrying) == (frozenset(refs(2)), frozenset())
    assert last.failures[refs(2)[0]].job == f"https://foreman/job_invocations/{JOB}"
    end = jobs.advance(kind, last.progress, targets(1, 2), context(now=later(now)))
    assert isinstance(end.outcome, Failed)
    assert end.progress.state is StepState.FAILED
    assert "zk/2" in end.outcome.message


def test_no_retries_means_one_attempt() -> None:
    look = context(seen_job(bad=[1], status="failed"), retries=0)
    assert jobs.advance(Kind(), running(1), targets(1), look).progress.failed == frozenset(refs(1))


def test_pauses_have_a_cap() -> None:
    progress = running(1, attempt=9)
    look = context(seen_job(bad=[1], status="failed"), retries=10)
    outcome = jobs.advance(Kind(), progress, targets(1), look).outcome
    assert isinstance(outcome, Wait)
    assert outcome.after == look.settings.backoff_cap


def test_asking_again_costs_no_retry_but_has_an_end() -> None:
    kind = Kind({1: Again("busy", 30.0)})
    seen = seen_job(bad=[1], status="failed")
    found = jobs.advance(kind, running(1), targets(1), context(seen, later(10)))
    assert (found.progress.attempt, found.progress.retry_at, found.progress.state) == (1, later(40), StepState.WAITING)
    assert found.outcome == Wait(Reason.WAITING, "busy", after=30.0)
    retry = jobs.advance(kind, found.progress, targets(1), context(now=later(40)))
    assert retry.progress.started_at == NOW, "the time-out goes on from the first attempt"
    over = jobs.advance(kind, running(1, attempt=3), targets(1), context(seen, later(7200)))
    assert over.progress.failed == frozenset(refs(1))
    assert over.failures[refs(1)[0]].cause == "busy"


def test_a_new_batch_has_a_time_of_its_own() -> None:
    """Else hosts of a role that was built an hour later would have no time to boot."""
    earlier = replace(FRESH, state=StepState.DONE, attempt=3, started_at=NOW, done={refs(1)[0]: "d1"})
    found = jobs.advance(Kind(), earlier, [target(1), target(1, role="db")], context(now=later(3600)))
    assert (found.progress.started_at, found.progress.attempt) == (later(3600), 1)


def test_once_a_failure_is_not_tolerated_no_further_host_is_touched() -> None:
    progress = replace(FRESH, state=StepState.RUNNING, failed=frozenset(refs(1)))
    found = jobs.advance(Kind(size=1), progress, targets(1, 2, 3), context())
    assert isinstance(found.outcome, Failed)
    tolerant = jobs.advance(Kind(size=1, patient=True), progress, targets(1, 2, 3), context())
    assert tolerant.progress.run is not None
    assert list(tolerant.progress.run.hosts) == refs(2)


def test_tolerated_failures_end_well_and_are_told() -> None:
    progress = replace(FRESH, failed=frozenset(refs(1)), done={refs(2)[0]: "d1"})
    found = jobs.advance(Kind(patient=True), progress, targets(1, 2), context())
    assert (found.outcome, found.progress.state) == (Done(), StepState.DONE)
    assert found.progress.message == "1 failed host tolerated"


# --- several runs ----------------------------------------------------------------------------------------------


def test_runs_follow_one_another_for_hosts_that_were_good() -> None:
    kind = Kind(runs=3)
    found = jobs.advance(kind, running(1, 2), targets(1, 2), context(seen_job(good=[1], bad=[2], status="failed")))
    assert found.intends
    assert found.progress.run is not None
    assert (found.progress.run.number, list(found.progress.run.hosts)) == (2, refs(1))
    assert found.progress.done == {}, "two of three runs are still to come"
    last = running(1, run={"number": 3})
    done = jobs.advance(kind, last, targets(1), context(seen_job(good=[1], status="succeeded")))
    assert done.progress.done == dict.fromkeys(refs(1), "d1")


def test_no_room_for_runs_is_a_reason_to_wait() -> None:
    look = context({NewestReport(): 1}, room=lambda _: ())
    found = jobs.advance(Kind(needs_baseline=True), FRESH, targets(1), look)
    assert not found.intends
    assert isinstance(found.outcome, Wait)
    assert found.outcome.after is not None


def test_no_more_hosts_at_once_than_there_is_room_for() -> None:
    look = context({NewestReport(): 1}, room=lambda batch: batch[:2])
    found = jobs.advance(Kind(needs_baseline=True), FRESH, targets(1, 2, 3), look)
    assert found.progress.run is not None
    assert sorted(found.progress.run.hosts) == refs(1, 2)
