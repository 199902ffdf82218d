"""Progress survives the status: what is read back is what was written."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foreman_stacks.foreman.port import Hostgroup, Parameter
from foreman_stacks.model.identity import RECORD_PARAMETER, HostRef
from foreman_stacks.model.progress import Creating, FailedHost, Progress, RoleProgress, Run, StepProgress, StepState
from foreman_stacks.reconcile import record, status
from tests.unit.foreman_stacks.made import NOW, hostgroup, refs

NAME = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
STEP = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,6}", fullmatch=True)
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)
DIGEST = st.sampled_from(["", "d1", "d2", "quiet"])
INDEX = st.frozensets(st.integers(1, 40), max_size=8)
TIME = st.integers(1_700_000_000, 1_900_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
HOSTS = st.dictionaries(st.builds(HostRef, NAME, st.integers(1, 40)), DIGEST, max_size=6)
SOME_INDEX = st.frozensets(st.integers(1, 40), min_size=1, max_size=8)
ROLE = st.builds(
    RoleProgress,
    created=INDEX,
    creating=st.none() | st.builds(Creating, SOME_INDEX, TIME),
    built=INDEX,
    configured=INDEX,
)
RUN = st.builds(
    Run,
    token=st.text("0123456789abcdef", min_size=1, max_size=20),
    hosts=HOSTS,
    baseline=st.integers(0, 10**9),
    since=TIME,
    number=st.integers(1, 10),
    job=st.none() | st.integers(1, 10**9),
    ended=st.none() | TIME,
)
STEPS = st.builds(
    StepProgress,
    name=STEP,
    state=st.sampled_from(StepState),
    attempt=st.integers(0, 1000),
    started_at=st.none() | TIME,
    run=st.none() | RUN,
    done=HOSTS,
    failed=HOSTS.map(frozenset),
    retry_at=st.none() | TIME,
    retrying=HOSTS.map(frozenset),
    message=TEXT,
)
LINK = st.none() | st.just("https://foreman/job_invocations/7")
FAILED = st.builds(FailedHost, name=NAME, reason=NAME, cause=TEXT, job=LINK, report=LINK, step=st.none() | STEP)
PROGRESS = st.builds(
    Progress,
    epoch=st.integers(0, 10**6),
    recorded=st.integers(0, 10**6),
    plan=TEXT,
    settled_plan=TEXT,
    settled_generation=st.integers(0, 10**6),
    handled=TEXT,
    roles=st.dictionaries(NAME, ROLE, max_size=3),
    steps=st.lists(STEPS, max_size=3).map(lambda steps: {step.name: step for step in steps}),
    failed_hosts=st.lists(FAILED, max_size=3, unique_by=lambda host: host.name).map(tuple),
)

SOME = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)


def stored(body: Any) -> Any:
    """As the apiserver keeps it: JSON, without nulls."""
    found = json.loads(json.dumps(body))
    if isinstance(found, dict):
        return {name: stored(value) for name, value in found.items() if value is not None}
    return [stored(item) for item in found] if isinstance(found, list) else found


@SOME
@given(progress=PROGRESS)
def test_what_is_read_back_is_what_was_written(progress: Progress) -> None:
    names = (dict.fromkeys(progress.roles, 0), progress.steps)
    body = stored(status.render(progress, *names))
    assert status.parse(body) == progress
    assert stored(status.render(status.parse(body), *names)) == body, "and it is written but once"


def test_steps_stand_in_the_order_of_the_plan_and_roles_with_their_wishes() -> None:
    steps = {name: StepProgress(name, StepState.WAITING) for name in ("old", "second")}
    progress = Progress(roles={"old": RoleProgress(frozenset({1}))}, steps=steps)
    order = ["Quiesce", "first", "second"]
    body = status.render(progress, {"zk": 4}, order)
    assert [step["name"] for step in body["steps"]] == [*order, "old"]
    assert [(role["name"], role["desired"]) for role in body["roles"]] == [("zk", 4), ("old", 0)]


def test_names_of_plans_that_were_never_accepted_leave_nothing_behind() -> None:
    """However often somebody renames everything, and whatever stands in the way."""
    progress = Progress(
        roles={"zk": RoleProgress(frozenset({1}))},
        steps={"first": StepProgress("first", done=dict.fromkeys(refs(1), ""))},
    )
    for letter in "abc":
        roles = {f"{letter}{number}": 1 for number in range(32)}
        order = ["Quiesce", *(f"{letter}{number}" for number in range(100)), "PeriodicPuppet"]
        body = status.render(progress, roles, order)
        assert [step["name"] for step in body["steps"]] == [*order, "first"]
        assert {role["name"] for role in body["roles"]} == {*list(roles)[:31], "zk"}, "no room for more"
        progress = status.parse(stored(body))
    assert progress.role("zk").created == {1}
    assert progress.step("first").done == dict.fromkeys(refs(1), "")


def test_a_thousand_hosts_are_a_few_ranges() -> None:
    everybody = range(1, 1001)
    role = RoleProgress(frozenset(everybody), None, frozenset(everybody), frozenset(everybody))
    steps = {
        name: StepProgress(name, done=dict.fromkeys(refs(*everybody), "d1")) for name in ("Quiesce", "first", "second")
    }
    body = status.render(Progress(roles={"zk": role}, steps=steps), {"zk": 1000}, [])
    assert len(json.dumps(body)) < 1024
    assert body["roles"][0]["leader"] == 1


def test_long_texts_and_many_failures_are_cut_to_what_fits() -> None:
    hosts = tuple(FailedHost(f"h{number}", "x", "y" * 5000) for number in range(100))
    step = StepProgress("first", message="z" * 5000)
    body = status.render(Progress(failed_hosts=hosts, steps={"first": step}), {}, [])
    assert len(body["failedHosts"]) == 20
    assert len(json.dumps(body)) < 32 * 1024
    assert status.parse(body).steps["first"].message == "z" * 1024


@pytest.mark.parametrize(
    "found",
    [
        None,
        {},
        {"steps": "none"},
        {"roles": [{"name": "zk", "created": "many"}]},
        {"roles": [{"name": "zk", "created": "1-99999999999"}]},
        {"epoch": -1},
        {"steps": [{"name": "first", "state": "Sleeping"}]},
    ],
)
def test_a_status_that_cannot_be_read_knows_of_nothing(found: Any) -> None:
    assert status.parse(found) == Progress()


def test_fields_of_a_later_version_are_passed_over() -> None:
    assert status.parse(
        {"epoch": 3, "weather": "fine", "roles": [{"name": "zk", "created": "1", "colour": "blue"}]}
    ) == Progress(epoch=3, roles={"zk": RoleProgress(frozenset({1}))})


# --- the record ------------------------------------------------------------------------------------------------------


def root(text: object) -> Hostgroup:
    own = () if text is None else (Parameter(RECORD_PARAMETER, text, "string"),)  # type: ignore[arg-type]  # odd ones too
    return hostgroup(11, "Base/zk (ops.ring)", parameters=own)


@SOME
@given(progress=PROGRESS)
def test_what_the_record_says_is_done_counts_as_done(progress: Progress) -> None:
    found = record.read(root(record.text(progress)))
    assert found is not None
    restored = record.restore(Progress(), found)
    assert (restored.epoch, restored.recorded, restored.settled_plan) == (
        progress.epoch,
        progress.epoch,
        progress.settled_plan,
    )
    for name, role in progress.roles.items():
        assert restored.role(name) == RoleProgress(role.configured, None, role.configured, role.configured)
    for name, step in progress.steps.items():
        counts = step.state is StepState.DONE or bool(step.done)
        assert restored.step(name).done == step.done
        assert (restored.step(name).state is StepState.DONE) == (counts and step.run is None)
        intent = None if step.run is None else replace(step.run, job=None, ended=None)
        assert restored.step(name).run == intent, "the job is found again by its token"


def test_the_record_is_text_that_does_not_change_with_the_order_of_things() -> None:
    step = StepProgress("first", done={refs(2)[0]: "d1", refs(1)[0]: "d1"})
    turned = replace(step, done={refs(1)[0]: "d1", refs(2)[0]: "d1"})
    assert record.text(Progress(steps={"first": step})) == record.text(Progress(steps={"first": turned}))
    assert record.text(Progress(epoch=5, steps={"first": step})) == (
        '{"epoch":5,"roles":{},"runs":{},"settledPlan":"","steps":{"first":[["zk","1-2","d1"]]}}'
    )


@pytest.mark.parametrize(
    "text",
    [
        None,
        5,
        "",
        "*****",
        "[]",
        '"x"',
        "{}",
        '{"epoch": -1}',
        '{"epoch": "many"}',
        '{"epoch": 1, "roles": ["zk"]}',
        '{"epoch": 1, "roles": {"zk": "1-99999999999"}}',
        '{"epoch": 1, "roles": {"zk": "x"}}',
        '{"epoch": 1, "steps": {"first": [["zk", "1"]]}}',
        '{"epoch": 1, "steps": {"first": [["zk", 1, "d"]]}}',
        '{"epoch": 1, "runs": {"first": {"token": "t"}}}',
        '{"epoch": 1, "runs": {"first": {"token": "t", "hosts": [], "baseline": 1, "since": "soon", "number": 1}}}',
        "{" * 10_000,
    ],
)
def test_what_is_no_record_is_none(text: object) -> None:
    """Others can write to it: that must break nothing."""
    assert record.read(root(text)) is None


def test_a_record_is_created_once_and_updated_then_and_known_without_reading_it() -> None:
    progress = Progress(epoch=3)
    first = record.change(root(None), progress)
    assert (first.verb, first.body["name"], first.address) == ("create", RECORD_PARAMETER, (11,))
    (known,) = [answer for _, answer in first.settles]
    assert known.record == record.text(progress)
    second = record.change(known, replace(progress, epoch=4))
    assert (second.verb, second.address) == ("update", (11, RECORD_PARAMETER))
    assert "name" not in second.body


def test_times_are_whole_seconds_in_utc() -> None:
    run = Run("t", {}, 0, NOW)
    body = status.render(Progress(steps={"first": StepProgress("first", run=run)}), {}, [])
    assert body["steps"][0]["run"]["since"] == "2026-11-23T12:00:00Z"


def test_what_a_status_says_of_the_future_counts_from_now() -> None:
    """A clock that was wrong, or somebody who planted it: nothing is waited for until the year 2999."""
    then = "2999-01-01T00:00:00Z"
    body = {
        "roles": [{"name": "zk", "creating": {"indices": "1-4", "since": then}}],
        "steps": [
            {
                "name": "a",
                "state": "Running",
                "startedAt": then,
                "run": {"token": "t", "since": then, "ended": then},
            },
            {"name": "b", "state": "Waiting", "retryAt": "9999-12-31T23:59:59Z"},
        ],
    }
    found = status.parse(body, NOW)
    creating, run, retry = found.role("zk").creating, found.step("a").run, found.step("b").retry_at
    assert creating is not None
    assert run is not None
    assert creating.since == run.since == run.ended == found.step("a").started_at == NOW
    assert retry == NOW + status.LONGEST_PAUSE


@pytest.mark.parametrize(
    "body",
    [
        {"roles": [{"name": "zk", "created": "9-1,0"}]},
        {"roles": [{"name": "zk", "created": "1-99999999999"}]},
        {"steps": [{"name": "a", "run": {"token": "t", "since": "2026-11-24T08:00:00Z", "job": 2**40}}]},
    ],
    ids=["no-indices", "too-many", "no-job"],
)
def test_a_status_that_makes_no_sense_is_none(body: dict[str, Any]) -> None:
    assert status.parse(body, NOW) == Progress()


def test_the_first_year_is_written_as_the_apiserver_reads_it() -> None:
    early = Creating(frozenset({1}), datetime(1, 1, 1, tzinfo=UTC))
    found = status.render(Progress(roles={"zk": RoleProgress(creating=early)}), {"zk": 1}, [])
    assert found["roles"][0]["creating"]["since"] == "0001-01-01T00:00:00Z"
