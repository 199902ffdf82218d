"""Promise 9: two deployments that want the same host names do not meet, and a stranger's host is left alone."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import yaml

from tests.e2e.conftest import Kubectl
from tests.e2e.life import DOMAIN, deploy, fresh, marks, names, plant, side, small
from tests.e2e.stage import SYSTEM, Stage, example, until


@pytest.fixture
def stage(shared_stage: Stage) -> Iterator[Stage]:
    with fresh(shared_stage, claim_grace="2", recheck="1") as found:
        yield found


@pytest.fixture
def other(shared_stage: Stage, stage: Stage) -> Iterator[Stage]:
    """The same Foreman and the same ForemanServer from another namespace."""
    with side(shared_stage) as found:
        yield replace(found, server=stage.server)  # the one of its own is swept away with it


def document(stage: Stage) -> str:
    """The example's deployment of two hosts for this namespace."""
    body = example("zookeeper", "deployment.yaml", "StackDeployment")
    body["metadata"]["namespace"] = stage.namespace
    body["spec"]["serverRef"] = {"name": stage.server}
    body["spec"]["deletionPolicy"] = "Delete"
    body["spec"]["roles"][0]["count"] = 2
    return yaml.safe_dump(body)


def test_of_two_applied_in_one_call_the_younger_is_refused_before_any_write(
    stage: Stage, other: Stage, admin: Kubectl
) -> None:
    first, second = sorted((stage, other), key=lambda place: place.namespace)
    for place in (first, second):
        small(place)
    admin("apply", "-f", "-", stdin=f"{document(second)}---\n{document(first)}")  # the one that loses a tie comes first
    ages = {place.namespace: place.get()["metadata"]["creationTimestamp"] for place in (first, second)}
    winner, loser = sorted((first, second), key=lambda place: (ages[place.namespace], place.namespace))
    assert "came first" in loser.stalled("NameConflict")
    winner.ready()
    status = loser.status()
    assert (status["epoch"], status.get("plan"), loser.get()["metadata"].get("finalizers")) == (0, None, None)
    assert not [mark for mark in marks(stage.simulator).values() if f"/{loser.namespace}/" in mark]
    assert names(stage.simulator, "hosts") >= {f"zookeeper-zk-{index}.{DOMAIN}" for index in (1, 2)}
    winner.delete()
    loser.ready()
    winner.gone()
    assert {mark.split()[1].split("/")[1] for (kind, _), mark in marks(stage.simulator).items() if kind == "host"} == {
        loser.namespace
    }


def test_the_older_one_keeps_its_names_after_a_restart(stage: Stage, other: Stage) -> None:
    """Nothing of the older one is in Foreman yet, and a new process may look at the younger one first."""
    younger, older = sorted((stage, other), key=lambda place: place.namespace)
    for place in (older, younger):
        small(place)
    deploy(older, paused=True)
    until(lambda: older.status().get("plan"), what="the older one is accepted")
    deploy(younger)
    younger.stalled("NameConflict")
    stage.operator.kill()
    deploy(older)
    stage.operator.start()
    older.ready()
    younger.stalled("NameConflict")  # again: a new process first waits a moment for those who come first
    assert not [mark for mark in marks(stage.simulator).values() if f"/{younger.namespace}/" in mark]


def test_with_the_namespace_in_the_hostname_both_become_ready(stage: Stage, other: Stage) -> None:
    for place in (stage, other):
        small(place)
        roles = example("zookeeper", "deployment.yaml", "StackDeployment")["spec"]["roles"]
        roles[0] |= {"count": 1, "hostname": "{namespace}-{deployment}-{role}-{index}"}
        place.deployment(roles=roles)
    stage.ready()
    other.ready()
    assert names(stage.simulator, "hosts") >= {f"{place.namespace}-zookeeper-zk-1.{DOMAIN}" for place in (stage, other)}


def test_a_stranger_s_host_is_told_before_anything_is_made(stage: Stage) -> None:
    ident = plant(stage.simulator, "hosts", name=f"zookeeper-zk-2.{DOMAIN}")
    small(stage)
    deploy(stage)
    assert f"zookeeper-zk-2.{DOMAIN} already exists and was not created by this deployment" in stage.stalled(
        "NameConflict"
    )
    assert (stage.simulator.writes(), stage.status()["epoch"]) == (0, 0)
    stage.simulator.send("DELETE", f"/api/v2/hosts/{ident}")
    stage.ready()


def test_a_name_that_is_taken_by_a_host_that_we_cannot_see(stage: Stage) -> None:
    """Foreman alone knows of it, and says so when asked for the host: that one is not made, by halves neither."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{stage.server}-svc"}}
    account = {"username": "svc", "password": "svc-password1"}
    stage.api.apply(f"/api/v1/namespaces/{SYSTEM}/secrets/{stage.server}-svc", secret | {"stringData": account})
    stage.change_server(credentialsSecretRef={"name": f"{stage.server}-svc"})
    plant(stage.simulator, "organizations", name="Elsewhere")
    taken = f"zookeeper-zk-2.{DOMAIN}"
    ident = plant(stage.simulator, "hosts", name=taken, organization="Elsewhere")
    small(stage)
    deploy(stage)
    assert f"{taken} is taken by a host that the Foreman user cannot see" in stage.stalled("NameConflict")
    rows = {row["name"]: row for row in stage.simulator.rows("hosts")}
    assert rows[taken]["id"] == ident
    assert {vm["name"] for vm in stage.simulator.rows("vms")} == {f"zookeeper-zk-1.{DOMAIN}"}
    assert len(rows) == 2
    posts = stage.simulator.counters()["requests"]["POST /api/v2/hosts"]
    stage.simulator.send("DELETE", f"/api/v2/hosts/{ident}")
    patch = {"metadata": {"annotations": {"stacks.theforeman.org/reconcile-requested-at": "now"}}}
    stage.api.call("PATCH", stage.path("stackdeployments", "zookeeper"), patch, "application/merge-patch+json")
    stage.ready()
    assert stage.simulator.counters()["requests"]["POST /api/v2/hosts"] == posts + 1
