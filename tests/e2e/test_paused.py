"""`paused`: nothing is written to Foreman and nothing new is begun; what was started ends; a teardown waits and says so."""

from collections.abc import Iterator

import pytest

from tests.e2e.life import (
    FIRST,
    OURS,
    SECOND,
    before_job,
    deploy,
    freeze_in_job,
    fresh,
    is_said,
    jobs_of,
    names,
    small,
    thaw,
)
from tests.e2e.stage import Stage, until


@pytest.fixture
def stage(shared_stage: Stage) -> Iterator[Stage]:
    with fresh(shared_stage) as found:
        yield found


def test_from_the_beginning(stage: Stage) -> None:
    small(stage)
    deploy(stage, paused=True)
    is_said(stage, "Paused", "True", "Paused")
    is_said(stage, "Reconciling", "True", "Paused")
    assert stage.simulator.writes() == 0
    assert stage.status()["epoch"] == 0, "something was intended"
    deploy(stage)
    stage.ready()
    assert not stage.condition("Paused")


def test_while_a_step_runs_and_at_the_end(stage: Stage) -> None:
    small(stage, FIRST, SECOND | {"after": ["first"]})
    held = before_job(stage.simulator, "first")
    deploy(stage, deletionPolicy="Delete")
    freeze_in_job(held, "first")
    deploy(stage, deletionPolicy="Delete", paused=True)
    is_said(stage, "Paused", "True", "Paused")
    writes, epoch = stage.simulator.writes(), stage.status()["epoch"]
    thaw(stage.simulator)
    until(
        lambda: {s["name"]: s["state"] for s in stage.status()["steps"]}["first"] == "Done", what="the first run ends"
    )
    is_said(stage, "Reconciling", "True", "Paused")
    assert not jobs_of(stage.simulator, "second")

    stage.delete()
    is_said(stage, "Deleting", "False", "Paused")
    assert "set spec.paused to false" in stage.condition("Deleting")["message"]
    assert (stage.simulator.writes(), stage.status()["epoch"]) == (writes, epoch)
    assert names(stage.simulator, "hosts") >= OURS
    stage.api.call(
        "PATCH",
        stage.path("stackdeployments", "zookeeper"),
        {"spec": {"paused": False}},
        "application/merge-patch+json",
    )
    stage.gone()
    assert not names(stage.simulator, "hosts") & OURS
