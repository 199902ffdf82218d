"""What a pass sees of a job."""

from __future__ import annotations

import pytest

from foreman_stacks.foreman.port import Job, Snapshot
from foreman_stacks.model.progress import Run
from foreman_stacks.reconcile.memory import Memory
from foreman_stacks.reconcile.world import Moment
from foreman_stacks.settings import Settings
from tests.unit.foreman_stacks.made import NOW, later
from tests.unit.foreman_stacks.steps.looks import JOB, TOKEN, a_job


@pytest.mark.parametrize(
    "job, seconds, cancelled, over",
    [
        (a_job("failed"), 0, None, True),
        (a_job(), 100_000, None, False),
        (a_job("queued", task=None), 899, None, False),
        (a_job("queued", task=None), 900, None, True),
        (a_job("queued"), 900, None, False),
        (a_job(), 999, 100, False),
        (a_job(), 1000, 100, True),
    ],
    ids=["ended", "runs", "taken up late", "never taken up", "queued in a task", "just cancelled", "does not end"],
)
def test_a_job_is_waited_for_until_it_ends_or_cannot(
    job: Job, seconds: float, cancelled: int | None, over: bool
) -> None:
    memory = Memory(NOW, sent={} if cancelled is None else {str(JOB): later(cancelled)})
    at = Moment(Snapshot({}), memory, Settings(job_lost_after=900), later(seconds))
    assert at.over(Run(TOKEN, {}, 0, NOW, job=JOB), job) == over


def test_a_cancelling_that_never_left_ends_nothing() -> None:
    memory = Memory(NOW, sent={str(JOB): NOW}, unsent={str(JOB)})
    at = Moment(Snapshot({}), memory, Settings(job_lost_after=900), later(900))
    assert not at.over(Run(TOKEN, {}, 0, NOW, job=JOB), a_job())
