"""`deletionPolicy: Retain` touches nothing; the same name made again adopts what is there and repeats nothing."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.life import (
    FIRST,
    HOSTS,
    JOBS,
    MOVE,
    ONE_HOST,
    RING,
    SECOND,
    VALUES,
    before_job,
    delete_everything,
    deploy,
    events,
    fault,
    freeze,
    freeze_in_job,
    fresh,
    hold,
    jobs_of,
    marks,
    mend,
    refused,
    server_gone,
    small,
    thaw,
)
from tests.e2e.stage import Simulator, Stage, until

GROUPS = "POST /api/v2/hostgroups"
Continue = Callable[[], None]


@pytest.fixture
def stage(shared_stage: Stage) -> Iterator[Stage]:
    with fresh(shared_stage) as found:
        yield found


def foreman(simulator: Simulator) -> dict[str, list[str]]:
    """All that a person could see changed."""
    tables = ("hosts", "hostgroups", "parameters", "override_values", "vms", "jobs")
    return {table: sorted(map(repr, simulator.rows(table))) for table in tables}


Ending = Callable[[Stage], Continue]


def alone(stage: Stage) -> Continue:
    """Only the deployment is deleted; what waits until it is gone."""
    stage.delete()
    return stage.gone


def with_everything(stage: Stage) -> Continue:
    """All around it, too; once all that is gone, it is there again under the same names, but for the deployment."""
    if not stage.plane.controllers:
        pytest.skip("without kube-controller-manager (KUBEBUILDER_ASSETS) namespaces do not end")
    server, stack = stage.get(stage.server, "foremanservers"), stage.get(plural="stacks")
    place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": stage.namespace}}
    delete_everything(stage)

    def gone() -> None:
        stage.gone()
        server_gone(stage)
        path = f"/api/v1/namespaces/{stage.namespace}"
        until(lambda: stage.api.find(path) is None, what="the namespace is gone")
        stage.api.call("POST", "/api/v1/namespaces", place)
        for body in (server, stack):
            head = {key: body[key] for key in ("apiVersion", "kind", "spec")}
            stage.apply({**head, "metadata": {"name": body["metadata"]["name"]}})

    return gone


ENDINGS = {"alone": alone, "with everything": with_everything}


@pytest.mark.parametrize("ending", ENDINGS)
def test_settled(stage: Stage, ending: str) -> None:
    small(stage)
    deploy(stage)
    stage.ready()
    until(lambda: not stage.get()["metadata"].get("finalizers"), 10, "no finalizer: prune and uninstall would hang")
    freeze(stage.simulator)  # periodic Puppet goes on, and its reports change the rows of hosts
    before, writes = foreman(stage.simulator), stage.simulator.writes()
    ENDINGS[ending](stage)()
    deploy(stage)
    status = stage.ready()
    assert foreman(stage.simulator) == before
    assert stage.simulator.writes() == writes
    assert status["summary"]["hosts"] == "2/2"


# --- half-way: each phase says how the world goes on once deletion was asked for ------------------------------------


def held_back(endpoint: str, count: int = 2, path: str = "") -> Callable[[Stage], Continue]:
    """So many requests have come and are not committed."""

    def phase(stage: Stage) -> Continue:
        held = hold(stage.simulator, endpoint, count, path)
        deploy(stage)
        held.here(count)

        def go_on() -> None:
            for _ in range(count - 1):
                held.go_on()
            assert stage.get() is not None, "let go while something may still appear"
            held.go_on()

        return go_on

    return phase


def building(stage: Stage) -> Continue:
    freeze(stage.simulator)
    deploy(stage)
    until(lambda: [role["created"] for role in stage.status().get("roles", [])] == ["1-2"], what="hosts are created")
    return lambda: thaw(stage.simulator)


def in_job(step: str) -> Callable[[Stage], Continue]:
    def phase(stage: Stage) -> Continue:
        held = before_job(stage.simulator, step)
        deploy(stage)
        freeze_in_job(held, step)
        return lambda: thaw(stage.simulator)

    return phase


def resuming(stage: Stage) -> Continue:
    in_job("second")(stage)
    held = hold(stage.simulator, JOBS)
    thaw(stage.simulator)
    held.here()
    return held.go_on


def between_steps(stage: Stage) -> Continue:
    held = hold(stage.simulator, "PUT /api/v2/hostgroups/:id/parameters/:pid", path="*/parameters/servers")
    deploy(stage)
    held.here()
    return held.go_on


def edit_refused(stage: Stage) -> Continue:
    refused(stage)
    return lambda: thaw(stage.simulator)


def step_failed(stage: Stage) -> Continue:
    small(stage, {**FIRST, "retries": 0}, RING, SECOND)
    failing = fault(stage.simulator, "run_fails")
    deploy(stage)
    stage.stalled("StepFailed")
    return lambda: mend(stage.simulator, failing)


PHASES = {
    "configuring": held_back(GROUPS),
    "creating": held_back(HOSTS),
    "building": building,
    "an edit is refused": edit_refused,
    "quiescing": in_job("Quiesce"),
    "moving": held_back(MOVE, 1),
    "own values": held_back(VALUES, 2, ONE_HOST),
    "in the first run": in_job("first"),
    "between steps": between_steps,
    "in the second run": in_job("second"),
    "resuming": resuming,
    "a step failed": step_failed,
}

UNMOVED = {"configuring", "creating", "building", "an edit is refused", "quiescing"}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("phase", PHASES)
def test_half_way(stage: Stage, phase: str, ending: str) -> None:
    small(stage, FIRST, RING, SECOND)
    go_on = PHASES[phase](stage)
    gone = ENDINGS[ending](stage)
    go_on()
    gone()
    left, jobs = marks(stage.simulator), stage.simulator.rows("jobs")
    assert len([mark for kind, mark in left if kind == "host"]) == (0 if phase == "configuring" else 2)
    assert not any(job["cancelled"] for job in jobs)
    moved = stage.simulator.counters()["requests"].get(MOVE, 0)
    told = any("stay as they are" in note for note in events(stage, "Retained"))
    assert told or phase in {"configuring", "creating"} or ending == "with everything", (
        "a namespace that goes takes its events along"
    )
    deploy(stage)
    stage.ready()
    assert (
        marks(stage.simulator).items() >= {key: mark for key, mark in left.items() if "staging" not in key[1]}.items()
    )
    events_ = Counter((line["event"], line["host"]) for line in stage.simulator.audit())
    assert [count for (event, _), count in events_.items() if event == "built"] == [1, 1], "a host was built again"
    requests = stage.simulator.counters()["requests"]
    assert requests["POST /api/v2/hosts"] == 2
    assert requests[VALUES] == 2, "a host was written again"
    assert phase in UNMOVED or requests[MOVE] == moved, "a host was moved again"
    assert len(jobs_of(stage.simulator, "first")) == (2 if phase == "a step failed" else 1)
    assert len(jobs_of(stage.simulator, "second")) == 1
