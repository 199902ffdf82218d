"""How a step follows its job, whatever the kind: intent, start, look-up, results, retries, end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from foreman_stacks.foreman.port import JobCounts, JobHosts, JobWithToken, NewestReport, Unread
from foreman_stacks.model.outcome import Done, Wait
from foreman_stacks.model.progress import Run, StepState
from foreman_stacks.model.reasons import Reason
from foreman_stacks.steps import job as jobs
from foreman_stacks.steps.verdict import Result, Undecided
from tests.unit.foreman_stacks.made import NOW, later, refs
from tests.unit.foreman_stacks.steps.kinds import FRESH, Kind
from tests.unit.foreman_stacks.steps.looks import JOB, TOKEN, a_job, context, running, seen_job, targets

# --- before there is a job -------------------------------------------------------------------------------------


def test_first_comes_the_intent_and_nothing_is_sent() -> None:
    found = jobs.advance(Kind(), FRESH, targets(1, 2), context())
    run = found.progress.run
    assert found.intends
    assert found.changes == ()
    assert run == Run("t1", dict.fromkeys(refs(1, 2), "d1"), 0, NOW)
    assert (found.progress.state, found.progress.attempt, found.progress.started_at) == (StepState.RUNNING, 1, NOW)


def test_where_reports_prove_it_the_newest_one_is_noted_before() -> None:
    kind = Kind(needs_baseline=True)
    with pytest.raises(Unread) as unread:
        jobs.advance(kind, FRESH, targets(1), context())
    assert unread.value.queries == (NewestReport(),)
    found = jobs.advance(kind, FRESH, targets(1), context({NewestReport(): 99}))
    assert found.progress.run is not None
    assert found.progress.run.baseline == 99


def test_only_hosts_that_are_not_done_as_meant_now_are_in_it() -> None:
    progress = replace(FRESH, done={refs(1)[0]: "d1", refs(2)[0]: "old"}, failed=frozenset(refs(4)))
    found = jobs.advance(Kind(patient=True), progress, targets(1, 2, 3, 4), context())
    assert found.progress.run is not None
    assert sorted(found.progress.run.hosts) == refs(2, 3)


def test_without_hosts_that_wait_the_step_is_done() -> None:
    found = jobs.advance(Kind(), replace(FRESH, done={refs(1)[0]: "d1"}), targets(1), context())
    assert found.outcome == Done()
    assert found.progress.state is StepState.DONE


@pytest.mark.parametrize(
    "unsent, seconds, starts",
    [(True, 0, True), (False, 0, False), (False, 299, False), (False, 300, True)],
    ids=["this process knows", "perhaps sent", "may still appear", "can appear no more"],
)
def test_a_job_that_is_not_found_is_started_only_when_it_cannot_be_there(
    unsent: bool, seconds: float, starts: bool
) -> None:
    look = context({JobWithToken(TOKEN): None}, later(seconds), unsent=lambda _: unsent)
    found = jobs.advance(Kind(), running(1, 2, job=None), targets(1, 2), look)
    assert [change.key for change in found.changes] == ([TOKEN] if starts else [])
    assert isinstance(found.outcome, Wait)
    if not starts:
        assert found.outcome.after == look.settings.lookup_every


def test_the_start_carries_token_hosts_and_what_has_to_be_written_before() -> None:
    before = jobs.cancel(a_job())
    look = context({}, unsent=lambda _: True, before_run=(before,))
    found = jobs.advance(Kind(), running(2, 1, job=None), targets(1, 2, 3), look)
    first, start = found.changes
    assert first is before
    assert (start.verb, start.resource, start.intent, start.answers) == ("start", "job", True, JobWithToken(TOKEN))
    assert start.body == {
        "feature": "run_script",
        "host_ids": [101, 102],
        "description_format": f"foreman-stacks first ops/ring {TOKEN}",
    }


def test_a_lost_reply_is_found_by_its_token_and_its_id_is_kept() -> None:
    look = context({JobWithToken(TOKEN): a_job()})
    found = jobs.advance(Kind(), running(1, job=None), targets(1), look)
    assert found.progress.run is not None
    assert found.progress.run.job == JOB
    assert found.changes == ()


def test_a_job_whose_row_vanished_is_looked_for_by_its_token() -> None:
    look = context({JobCounts(JOB): None, JobWithToken(TOKEN): None})
    found = jobs.advance(Kind(), running(1), targets(1), look)
    assert found.changes == ()
    assert found.progress.run is not None


# --- while it runs ---------------------------------------------------------------------------------------------


def test_while_no_host_has_a_result_only_the_counts_are_needed() -> None:
    found = jobs.advance(Kind(), running(1, 2), targets(1, 2), context({JobCounts(JOB): a_job()}))
    assert found.polls == (JobCounts(JOB), JobHosts(JOB, "success"), JobHosts(JOB, "failed"))
    assert found.outcome == Wait(Reason.RUNNING_STEPS, "runs")


def test_nobody_is_judged_before_all_have_a_result() -> None:
    kind = Kind()
    found = jobs.advance(kind, running(1, 2, 3), targets(1, 2, 3), context(seen_job(good=[1], bad=[2])))
    assert kind.judged == []
    assert found.progress == running(1, 2, 3)


def test_what_is_needed_to_judge_all_of_them_is_asked_for_together() -> None:
    needs = {index: JobWithToken(f"need {index}") for index in (1, 2, 3)}
    with pytest.raises(Unread) as unread:
        jobs.advance(Kind(needs=needs), running(1, 2, 3), targets(1, 2, 3), context(seen_job(good=[1, 2, 3])))
    assert set(unread.value.queries) == set(needs.values())


def test_a_thousand_hosts_need_one_more_round_and_not_a_thousand() -> None:
    many = range(1, 1001)
    needs = {index: JobWithToken(f"need {index}") for index in many}
    seen = seen_job(good=many)
    rounds = 0
    while True:
        try:
            jobs.advance(Kind(needs=needs), running(*many), targets(*many), context(seen))
            break
        except Unread as unread:
            seen |= dict.fromkeys(unread.queries, a_job())
            rounds += 1
    assert rounds == 1


def test_good_hosts_are_done_with_the_digest_of_their_run() -> None:
    """The digest may have changed meanwhile: then the host is not done for the new one."""
    found = jobs.advance(Kind(), running(1, 2), targets(1, 2, digest="d2"), context(seen_job(good=[1, 2])))
    assert found.progress.done == dict.fromkeys(refs(1, 2), "d1")
    assert found.progress.run is None
    again = jobs.advance(Kind(), found.progress, targets(1, 2, digest="d2"), context())
    assert again.intends


def test_a_host_that_is_no_target_any_more_keeps_nobody_waiting() -> None:
    found = jobs.advance(Kind(), running(1, 2), targets(1), context(seen_job(good=[1])))
    assert found.progress.done == dict.fromkeys(refs(1), "d1")


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
def test_a_job_that_ended_gives_every_host_a_result(status: str) -> None:
    kind = Kind()
    jobs.advance(kind, running(1, 2, 3, 4), targets(1, 2, 3, 4), context(seen_job([1], [2], [3], status=status)))
    assert dict(kind.judged) == {1: Result.SUCCESS, 2: Result.FAILED, 3: Result.CANCELLED, 4: Result.LOST}


@pytest.mark.parametrize("seconds, lost", [(899, False), (900, True)])
def test_a_job_that_no_task_ever_took_is_lost(seconds: float, lost: bool) -> None:
    kind = Kind()
    look = context({JobCounts(JOB): a_job("queued", task=None)}, later(seconds))
    found = jobs.advance(kind, running(1, 2), targets(1, 2), look)
    assert [result for _, result in kind.judged] == ([Result.LOST] * 2 if lost else [])
    assert (found.progress.run is None) == lost


def test_after_the_time_out_the_job_is_cancelled_once_and_followed_to_its_end() -> None:
    kind = Kind()
    look = context(seen_job(good=[1]), later(60), timeout=60)
    found = jobs.advance(kind, running(1, 2), targets(1, 2), look)
    assert [str(change) for change in found.changes] == [f"cancel job {JOB}"]
    assert kind.judged == []
    again = jobs.advance(kind, found.progress, targets(1, 2), replace(look, sent={str(JOB): later(60)}.get))
    assert (again.changes, kind.judged) == ((), [])


def test_a_job_is_cancelled_however_late_its_time_out_is_noticed() -> None:
    look = context(seen_job(good=[1]), later(86_400), timeout=60)
    found = jobs.advance(Kind(), running(1, 2), targets(1, 2), look)
    assert [str(change) for change in found.changes] == [f"cancel job {JOB}"]
    assert found.progress.run is not None


@pytest.mark.parametrize("seen, seconds", [({"cancelled": [2], "status": "failed"}, 61), ({}, 60 + 900)])
def test_hosts_without_a_result_in_time_have_failed(seen: dict[str, Any], seconds: float) -> None:
    kind = Kind()
    look = context(seen_job(good=[1], **seen), later(seconds), timeout=60, sent={str(JOB): later(60)}.get)
    found = jobs.advance(kind, running(1, 2), targets(1, 2), look)
    assert dict(kind.judged) == {1: Result.SUCCESS, 2: Result.TIMEOUT}
    assert found.progress.done == dict.fromkeys(refs(1), "d1")


def test_a_proof_that_is_still_to_come_is_waited_for_from_the_end_of_the_run_on() -> None:
    poll = JobWithToken("proof")
    kind = Kind({2: Undecided("waits for a proof", (poll,), 17.0)})
    found = jobs.advance(kind, running(1, 2), targets(1, 2), context(seen_job(good=[1, 2]), later(10)))
    assert found.progress.run is not None
    assert found.progress.run.ended == later(10)
    assert found.outcome == Wait(Reason.RUNNING_STEPS, "waits for a proof", after=17.0)
    assert poll in found.polls
    again = jobs.advance(kind, found.progress, targets(1, 2), context(seen_job(good=[1, 2]), later(20)))
    assert again.progress == found.progress, "the moment of the end is noted once"
