"""`deletionPolicy: Delete` removes exactly what is ours, from marks alone, in every phase, also when all goes at once."""

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.life import (
    DOMAIN,
    FIRST,
    HOSTS,
    JOBS,
    MOVE,
    ONE_HOST,
    OURS,
    RING,
    SECOND,
    VALUES,
    annotate,
    before_job,
    delete_everything,
    deploy,
    events,
    fault,
    freeze_in_job,
    fresh,
    hold,
    jobs_of,
    mend,
    names,
    plant,
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


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left(shared_stage: Stage) -> Iterator[None]:
    """In the end all namespaces of this module are gone: nothing of ours holds any of them."""
    yield
    if not shared_stage.plane.controllers:  # KUBEBUILDER_ASSETS without kube-controller-manager: no namespace ends
        return
    places = [f"/api/v1/namespaces/{place}" for place in shared_stage.more]
    until(lambda: not [place for place in places if shared_stage.api.find(place)], what="all namespaces end")


# --- phases: each brings the deployment into one and says how the world goes on once deletion was asked for ---------


def held_back(endpoint: str, count: int = 2, path: str = "") -> Callable[[Stage], Continue]:
    """So many requests have come and are not committed."""

    def phase(stage: Stage) -> Continue:
        held = hold(stage.simulator, endpoint, count, path)
        deploy(stage, deletionPolicy="Delete")
        held.here(count)

        def go_on() -> None:
            for _ in range(count):
                held.go_on()

        return go_on

    return phase


def building(stage: Stage) -> Continue:
    fault(stage.simulator, "build_late", seconds=10**6)
    deploy(stage, deletionPolicy="Delete")
    until(lambda: [role["created"] for role in stage.status().get("roles", [])] == ["1-2"], what="hosts are created")
    return lambda: None


def cancelled(stage: Stage, step: str) -> Continue:
    """The job that runs is cancelled, and hosts are removed only once it has ended."""

    def go_on() -> None:
        until(lambda: jobs_of(stage.simulator, step)[0]["cancelled"], what="our job is cancelled")
        assert names(stage.simulator, "hosts") >= OURS, "a host was removed while our job ran on it"
        thaw(stage.simulator)

    return go_on


def in_job(step: str) -> Callable[[Stage], Continue]:
    def phase(stage: Stage) -> Continue:
        held = before_job(stage.simulator, step)
        deploy(stage, deletionPolicy="Delete")
        freeze_in_job(held, step)
        return cancelled(stage, step)

    return phase


def between_steps(stage: Stage) -> Continue:
    small(stage, FIRST, RING, SECOND)
    held = hold(stage.simulator, "PUT /api/v2/hostgroups/:id/parameters/:pid", path="*/parameters/servers")
    deploy(stage, deletionPolicy="Delete")
    held.here()
    return held.go_on


def resuming(stage: Stage) -> Continue:
    in_job("first")(stage)
    held = hold(stage.simulator, JOBS)
    thaw(stage.simulator)
    freeze_in_job(held, "PeriodicPuppet")
    return cancelled(stage, "PeriodicPuppet")


def step_failed(stage: Stage) -> Continue:
    small(stage, {**FIRST, "retries": 0})
    fault(stage.simulator, "run_fails")
    deploy(stage, deletionPolicy="Delete")
    stage.stalled("StepFailed")
    return lambda: None


def edit_refused(stage: Stage) -> Continue:
    refused(stage, deletionPolicy="Delete")
    return lambda: thaw(stage.simulator)


def settled(stage: Stage) -> Continue:
    deploy(stage, deletionPolicy="Delete")
    stage.ready()
    return lambda: None


PHASES = {
    "configuring": held_back(GROUPS),
    "creating": held_back(HOSTS),
    "building": building,
    "quiescing": in_job("Quiesce"),
    "moving": held_back(MOVE, 1),
    "own values": held_back(VALUES, 2, ONE_HOST),
    "running": in_job("first"),
    "between steps": between_steps,
    "resuming": resuming,
    "a step failed": step_failed,
    "an edit is refused": edit_refused,
    "settled": settled,
}


def strangers(stage: Stage) -> None:
    """What looks almost like ours: another installation's, another deployment's, and nobody's."""
    installation = stage.operator.environment["FOREMAN_STACKS_INSTALLATION"]
    marks = {
        "other": f"v1 elsewhere/{stage.namespace}/zookeeper Created role=zk index=1 source=libvirt",
        "longer": f"v1 {installation}/{stage.namespace}/zookeeper-b Created role=zk index=1 source=libvirt",
        "adopted": f"v1 {installation}/{stage.namespace}/zookeeper Adopted role=zk index=1 source=libvirt",
        "nobody": "",
    }
    for name, mark in marks.items():
        parameters = [{"name": "foreman_stacks", "value": mark}] if mark else []
        title = f"zk ({stage.namespace}.{name})"
        plant(stage.simulator, "hostgroups", name=title, parent="Base/Debian 12", parameters=parameters)
        vm = plant(stage.simulator, "vms", name=f"{name}-{stage.namespace}.{DOMAIN}", compute_resource="libvirt-test")
        plant(
            stage.simulator,
            "hosts",
            name=f"{name}-{stage.namespace}.{DOMAIN}",
            hostgroup=f"Base/Debian 12/{title}",
            compute_resource="libvirt-test",
            uuid=vm,
            parameters=parameters,
        )


def blocked(stage: Stage, reason: str) -> str:
    """Wait until the teardown says that it cannot go on; its words."""
    return stage.told("Deleting", "False", reason)


def world(simulator: Simulator) -> dict[str, set[str]]:
    return {resource: names(simulator, resource) for resource in ("hosts", "hostgroups", "vms")}


@pytest.mark.parametrize("phase", PHASES)
def test_everything_deleted_at_once_leaves_exactly_what_is_not_ours(stage: Stage, phase: str) -> None:
    strangers(stage)
    before = world(stage.simulator)
    small(stage)
    go_on = PHASES[phase](stage)
    delete_everything(stage)
    go_on()
    stage.gone()
    server_gone(stage)
    assert world(stage.simulator) == before


def test_all_deleted_while_the_operator_is_away(stage: Stage) -> None:
    """The new process must not let the server go before it knows who holds what there."""
    before = world(stage.simulator)
    small(stage)
    building(stage)
    stage.operator.kill()
    stage.delete(stage.server, "foremanservers")
    stage.delete()
    stage.operator.start()
    stage.gone()
    server_gone(stage)
    assert world(stage.simulator) == before


def test_what_others_put_into_our_hostgroup_stays(stage: Stage) -> None:
    small(stage)
    deploy(stage, deletionPolicy="Delete")
    stage.ready()
    title = f"Base/Debian 12/zk ({stage.namespace}.zookeeper)"
    guest = f"guest-{stage.namespace}.{DOMAIN}"
    plant(stage.simulator, "hosts", name=guest, hostgroup=title)
    stage.delete()
    stage.gone()
    assert not names(stage.simulator, "hosts") & OURS
    assert {guest} <= names(stage.simulator, "hosts")
    assert {title} <= names(stage.simulator, "hostgroups")
    assert any(title in note for note in events(stage, "Retained"))


def test_a_hostgroup_of_others_below_ours_stays(stage: Stage) -> None:
    small(stage)
    deploy(stage, deletionPolicy="Delete")
    stage.ready()
    title = f"Base/Debian 12/zk ({stage.namespace}.zookeeper)"
    plant(stage.simulator, "hostgroups", name="guests", parent=title)
    stage.delete()
    stage.gone()
    assert not names(stage.simulator, "hosts") & OURS
    assert {title, f"{title}/guests"} <= names(stage.simulator, "hostgroups")
    assert any(title in note for note in events(stage, "Retained"))


def test_an_unreachable_foreman_is_waited_for(stage: Stage) -> None:
    before = world(stage.simulator)
    small(stage)
    deploy(stage, deletionPolicy="Delete")
    stage.ready()
    fault(stage.simulator, "status", status=503)
    stage.delete()
    message = blocked(stage, "Unreachable")
    assert 'stacks.theforeman.org/abandon: "true"' in message
    stage.delete(stage.server, "foremanservers")
    assert stage.get(stage.server, "foremanservers") is not None, "the server is let go though ours is on it"
    mend(stage.simulator)
    stage.gone()
    assert world(stage.simulator) == before
    server_gone(stage)


def test_abandoned_is_let_go_with_all_that_is_in_foreman(stage: Stage) -> None:
    small(stage)
    deploy(stage, deletionPolicy="Delete")
    stage.ready()
    before = world(stage.simulator)
    fault(stage.simulator, "status", status=503)
    stage.delete()
    blocked(stage, "Unreachable")
    annotate(stage, "abandon", "true")
    stage.gone(seconds=5)
    mend(stage.simulator)
    assert world(stage.simulator) == before


def test_the_server_is_kept_while_somebody_holds_ours_there(stage: Stage) -> None:
    small(stage)
    building(stage)
    stage.delete(stage.server, "foremanservers")
    deploy(stage, "late")
    assert "is being deleted" in stage.stalled("ServerNotFound", "late")
    server = stage.get(stage.server, "foremanservers")
    assert server["metadata"]["finalizers"] == ["stacks.theforeman.org/operator"]
    stage.delete()
    stage.gone()
    server_gone(stage)
