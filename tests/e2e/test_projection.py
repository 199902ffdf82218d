"""DeployedHosts are a projection: all of them may be deleted at any time, nothing is lost and nothing repeated."""

from typing import Any

from tests.e2e.conftest import Kubectl
from tests.e2e.life import deploy, small
from tests.e2e.stage import Stage, until


def test_all_of_them_may_be_deleted_while_steps_run_and_after(stage: Stage) -> None:
    stage.operator.stop()
    stage.operator.start(resync="2")
    small(stage)
    deploy(stage)
    until(lambda: len(_hosts(stage)) == 2, what="both hosts are shown")
    _delete_all(stage)
    stage.ready()
    runs = len(_runs(stage))
    assert runs == 2, "each host ran once"
    _delete_all(stage)
    until(lambda: len(_hosts(stage)) == 2, what="they are written again")
    until(
        lambda: {host["status"].get("ip") for host in _hosts(stage)} == {"198.18.1.1", "198.18.1.2"}, what="addresses"
    )
    assert len(_runs(stage)) == runs
    assert len([row for row in stage.simulator.rows("hosts") if "zookeeper-zk" in row["name"]]) == 2
    assert stage.condition("Ready")["status"] == "True"


def test_they_say_what_a_person_wants_to_know(stage: Stage, admin: Kubectl) -> None:
    small(stage)
    deploy(stage, count=1)
    stage.ready()
    until(lambda: _hosts(stage)[0]["status"]["state"] == "Ready", what="the host is Ready")
    head, row = admin("-n", stage.namespace, "get", "dhost").splitlines()
    assert head.split() == ["NAME", "DEPLOYMENT", "ROLE", "INDEX", "FQDN", "IP", "STATE"]
    assert row.split() == [
        "zookeeper-zk-1",
        "zookeeper",
        "zk",
        "1",
        "zookeeper-zk-1.lab.example.com",
        "198.18.1.1",
        "Ready",
    ]
    owner = _hosts(stage)[0]["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["uid"]) == ("StackDeployment", stage.get()["metadata"]["uid"])


def _hosts(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.api.call("GET", stage.path("deployedhosts"))["items"]
    return found


def _delete_all(stage: Stage) -> None:
    for host in _hosts(stage):
        stage.delete(host["metadata"]["name"], "deployedhosts")


def _runs(stage: Stage) -> list[dict[str, Any]]:
    return [
        entry for entry in stage.simulator.audit() if entry["event"] == "run_started" and entry["cause"] == "triggered"
    ]
