"""The built-in steps and parameterUpdate."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from foreman_stacks.foreman.port import NewestReport
from foreman_stacks.model.outcome import Done, Wait
from foreman_stacks.model.progress import StepProgress, StepState
from foreman_stacks.steps import periodic_puppet, quiesce
from foreman_stacks.steps.kind import Advance
from foreman_stacks.steps.parameter_update import ParameterUpdate
from foreman_stacks.steps.quiesce import Script
from foreman_stacks.steps.verdict import Again, Bad, Good, Result, Verdict
from tests.unit.foreman_stacks.made import NOW, later
from tests.unit.foreman_stacks.steps.looks import (
    Answers,
    a_job,
    context,
    running,
    seen_job,
    seen_outputs,
    target,
    targets,
)

DOWN = "Error initializing command: Errno::ECONNREFUSED\nExit status: EXCEPTION"


def judged(result: Result, output: str = "", now: datetime = NOW, started: datetime | None = NOW) -> Verdict:
    progress = running(1, started_at=started)
    assert progress.run is not None
    kind = Script("quiesce.sh", progress)
    return kind.judge(target(1), result, progress.run, a_job(), context(seen_outputs({1: output}), now))


def test_a_script_that_exits_0_has_proven_it() -> None:
    assert judged(Result.SUCCESS) == Good()


@pytest.mark.parametrize("started", [NOW, None])
@pytest.mark.parametrize("seconds, again", [(0, True), (899, True), (900, False)])
def test_a_host_that_may_still_boot_is_asked_again_at_no_cost(
    seconds: float, again: bool, started: datetime | None
) -> None:
    found = judged(Result.FAILED, DOWN, later(seconds), started)
    assert isinstance(found, Again if again else Bad)
    if isinstance(found, Again):
        assert found.after == 15
    if isinstance(found, Bad):
        assert found.reason == "HostUnreachable"


def test_a_host_that_is_built_while_another_is_asked_again_has_as_much_time_to_boot_and_as_many_attempts() -> None:
    first, second = target(1), target(1, role="db")
    seen = seen_job(bad=[1], status="failed") | seen_outputs({1: DOWN})
    asked = quiesce.advance(running(1, attempt=3), [first], context(seen, later(600))).progress
    assert asked.run is None
    alone = quiesce.advance(asked, [first], context(now=later(615))).progress
    assert (alone.started_at, alone.attempt) == (NOW, 3), "it goes on"
    both = quiesce.advance(asked, [first, second], context(now=later(601))).progress
    assert (both.started_at, both.attempt) == (later(601), 1)
    assert both.run is not None
    assert both.run.hosts.keys() == {first.ref, second.ref}


def test_a_script_that_fails_costs_a_retry_and_shows_its_last_lines() -> None:
    found = judged(Result.FAILED, "1\n2\nan agent still runs\nExit status: 3")
    assert found == Bad("ScriptFailed", "1 | 2 | an agent still runs")
    assert judged(Result.FAILED) == Bad("ScriptFailed", "the script failed without output")


@pytest.mark.parametrize("result", [Result.LOST, Result.CANCELLED, Result.TIMEOUT])
def test_what_no_host_said_is_bad_while_booting_too(result: Result) -> None:
    assert isinstance(judged(result), Bad)


def test_no_host_may_stay_loud_and_none_is_spared_for_another() -> None:
    kind = Script("quiesce.sh", StepProgress("Quiesce"))
    assert not kind.tolerates(targets(1))
    assert kind.tolerates([])
    assert not kind.stops(targets(1))
    assert list(kind.batch(targets(1, 2), targets(1, 2, 3))) == targets(1, 2)


@pytest.mark.parametrize("name", ["quiesce.sh", "resume.sh"])
def test_scripts_are_sent_with_their_limit(name: str) -> None:
    sent = Script(name, StepProgress("x")).job(context())
    assert sent["feature"] == "run_script"
    inputs = sent["inputs"]
    assert isinstance(inputs, dict)
    assert str(inputs["command"]).startswith("limit=120\n")
    assert quiesce.script(name) in str(inputs["command"])


def test_quiesce_and_resume_are_done_once_for_a_host() -> None:
    for module in (quiesce.advance, lambda *given: periodic_puppet.advance(*given, managed=False)):
        found = module(StepProgress("x"), targets(1), context())
        assert found.intends
        done = StepProgress("x", done={targets(1)[0].ref: "d1"})
        assert module(done, targets(1), context()).outcome == Done()


def test_where_class_puppet_manages_the_agent_its_override_goes_first_and_a_checked_run_follows() -> None:
    def look(progress: StepProgress, **seen: Any) -> Any:
        return periodic_puppet.advance(progress, targets(1, 2), context({NewestReport(): 9}), managed=True)

    first = look(StepProgress("PeriodicPuppet"))
    assert not first.intends
    assert first.progress.state is StepState.RUNNING
    second = look(first.progress)
    assert second.intends
    assert second.progress.run.baseline == 9
    assert len(second.progress.run.hosts) == 2


@pytest.mark.parametrize("managed", [False, True])
@pytest.mark.parametrize("bad, state", [([2], StepState.DONE), ([2, 3], StepState.FAILED)])
def test_a_host_whose_failure_a_step_tolerated_may_fail_here_too_and_is_told(
    managed: bool, bad: list[int], state: StepState
) -> None:
    def look(progress: StepProgress, seen: Answers) -> Advance:
        known, tolerated = context(seen, retries=0), frozenset({target(2).ref})
        return periodic_puppet.advance(progress, targets(*bad), known, managed=managed, tolerated=tolerated)

    refused = seen_outputs(dict.fromkeys(bad, "Error: no space left"))
    judged_ = look(running(*bad), seen_job(bad=bad, status="failed") | refused)
    assert judged_.failures.keys() == {target(index).ref for index in bad}
    assert look(judged_.progress, {}).progress.state is state


# --- parameterUpdate ----------------------------------------------------------------------------------------------

RING = ParameterUpdate(hostgroup="zk", parameter="servers", expression="roles.zk.hosts.map(h, h.ip)")


def test_a_new_value_is_in_force_first_and_done_when_it_is_written() -> None:
    fresh = StepProgress("ring")
    begun = RING.advance(fresh, (), context())
    assert begun.begins
    assert begun.progress.state is StepState.RUNNING
    assert isinstance(begun.outcome, Wait)
    assert begun.outcome.after == 0.0, "the kinds of resources write what follows in the next pass"
    done = RING.advance(begun.progress, (), context())
    assert (done.outcome, done.progress.state) == (Done(), StepState.DONE)
    assert not done.begins


def test_a_value_that_needs_hosts_waits_for_them() -> None:
    running_ = StepProgress("ring", state=StepState.RUNNING, started_at=NOW)
    found = RING.advance(running_, (), context(unbound=True))
    assert found.progress == running_
    assert isinstance(found.outcome, Wait)
    assert not found.begins, "steps that do not come after it go on"


def test_what_is_done_stays_done() -> None:
    done = StepProgress("ring", state=StepState.DONE)
    assert RING.advance(done, (), context(unbound=True)).outcome == Done()
    assert RING.advance(replace(done, message="x"), (), context()).progress.state is StepState.DONE
