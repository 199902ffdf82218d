"""DeployedHosts are a projection: all of them may be deleted at any time, nothing is lost and nothing repeated."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Kubectl
from tests.e2e.life import DOMAIN, FIRST, RING, SECOND, deploy, fresh, jobs_of, small
from tests.e2e.stage import Api, Stage, until


@pytest.fixture
def stage(shared_stage: Stage) -> Iterator[Stage]:
    with fresh(shared_stage, resync="1") as found:
        yield found


def shown(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.api.call("GET", stage.path("deployedhosts"))["items"]
    return found


def test_all_of_them_may_be_deleted_all_the_time(stage: Stage) -> None:
    small(stage, FIRST, RING, SECOND)
    done, deleted = threading.Event(), Counter[str]()

    def delete() -> None:
        api = Api(stage.plane)
        while not done.wait(0.02):
            gone = api.call("DELETE", stage.path("deployedhosts"))["items"]
            deleted.update(host["status"]["state"] for host in gone)
        api.close()

    thread = threading.Thread(target=delete)
    thread.start()
    try:
        deploy(stage)
        stage.ready()
    finally:
        done.set()
        thread.join()
    assert deleted.total() > 4, "there was nothing to delete"
    until(lambda: [host["status"]["state"] for host in shown(stage)] == ["Ready"] * 2, what="they come back")
    assert [host["status"]["ip"] for host in shown(stage)] == ["198.18.1.1", "198.18.1.2"]
    audit = Counter(line["event"] for line in stage.simulator.audit())
    assert audit["built"] == 2
    assert stage.simulator.counters()["requests"]["POST /api/v2/hosts"] == 2
    assert [len(jobs_of(stage.simulator, step)) for step in ("first", "second")] == [1, 1]

    writes = stage.simulator.writes()
    stage.api.call("DELETE", stage.path("deployedhosts"))
    until(
        lambda: [host["status"].get("ip") for host in shown(stage)] == ["198.18.1.1", "198.18.1.2"],
        what="they come back",
    )
    assert stage.condition("Ready")["status"] == "True"
    assert stage.simulator.writes() == writes


def test_they_say_what_a_person_wants_to_know(stage: Stage, admin: Kubectl) -> None:
    small(stage)
    deploy(stage, count=1)
    stage.ready()
    until(lambda: [host["status"]["state"] for host in shown(stage)] == ["Ready"], what="the host is Ready")
    head, row = admin("-n", stage.namespace, "get", "dhost").splitlines()
    assert head.split() == ["NAME", "DEPLOYMENT", "ROLE", "INDEX", "FQDN", "IP", "STATE"]
    fqdn = f"zookeeper-zk-1.{DOMAIN}"
    assert row.split() == ["zookeeper-zk-1", "zookeeper", "zk", "1", fqdn, "198.18.1.1", "Ready"]
    host = shown(stage)[0]
    assert host["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "stacks.theforeman.org/v1alpha1",
            "kind": "StackDeployment",
            "name": "zookeeper",
            "uid": stage.get()["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": False,
        }
    ]
    assert host["metadata"]["labels"] == {
        "stacks.theforeman.org/deployment": "zookeeper",
        "stacks.theforeman.org/role": "zk",
    }
    foreman = next(row for row in stage.simulator.rows("hosts") if row["name"] == fqdn)
    assert (host["status"]["foremanID"], host["status"]["url"]) == (
        foreman["id"],
        f"{stage.simulator.url}/hosts/{fqdn}",
    )
    states = {step["name"]: step["state"] for step in host["status"]["steps"]}
    assert states == {"Quiesce": "Done", "first": "Done", "PeriodicPuppet": "Done"}
    stage.delete()
    until(lambda: not shown(stage), what="they go with the deployment")
