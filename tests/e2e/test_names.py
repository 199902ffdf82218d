"""Promise 9: two deployments that want the same host names do not meet, and a stranger's host is left alone."""

import uuid

import pytest

from tests.e2e.life import deploy, small
from tests.e2e.stage import Stage, until

HOSTNAME = "{namespace}-{deployment}-{role}-{index}"


@pytest.fixture
def second(stage: Stage) -> str:
    """Another namespace of the test's own."""
    name = f"zz-{uuid.uuid4().hex[:8]}"  # behind the first in the alphabet, which decides within one second
    stage.api.apply(f"/api/v1/namespaces/{name}", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    stage.more.append(name)
    return name


def test_of_two_that_were_applied_in_one_call_the_younger_is_refused_before_any_write(
    stage: Stage, second: str
) -> None:
    for namespace in (second, stage.namespace):  # the one that loses comes first
        small(stage, namespace=namespace)
        deploy(stage, namespace=namespace)
    _same_second(stage, second)
    message = stage.stalled("NameConflict", namespace=second)
    assert "came first" in message
    stage.ready()
    hosts = [row for row in stage.simulator.rows("hosts") if "zookeeper-zk-" in row["name"]]
    assert len(hosts) == 2
    groups = [row["name"] for row in stage.simulator.rows("hostgroups")]
    assert not [name for name in groups if second in name], "nothing was written for the one that lost"
    assert stage.condition("Stalled", namespace=second)["reason"] == "NameConflict"


def test_with_the_namespace_in_the_hostname_both_become_ready(stage: Stage, second: str) -> None:
    for namespace in (stage.namespace, second):
        small(stage, namespace=namespace)
        source = {"name": "libvirt", "computeResource": {"name": "libvirt-test", "profile": "1-Small"}}
        roles = [{"name": "zk", "count": 1, "hostname": HOSTNAME, "sources": [source]}]
        deploy(stage, namespace=namespace, roles=roles)
    stage.ready()
    stage.ready(namespace=second)
    names = {row["name"].split(".")[0] for row in stage.simulator.rows("hosts") if "zookeeper-zk-1" in row["name"]}
    assert names == {f"{stage.namespace}-zookeeper-zk-1", f"{second}-zookeeper-zk-1"}


def test_a_name_that_a_stranger_has_is_told_before_anything_is_made(stage: Stage) -> None:
    stage.simulator.control(
        "POST", "plant", [{"resource": "hosts", "object": {"name": "zookeeper-zk-2.lab.example.com"}}]
    )
    small(stage)
    deploy(stage)
    assert "zookeeper-zk-2.lab.example.com is there already and not ours" in stage.stalled("NameConflict")
    assert stage.simulator.writes() == 0
    stranger = next(row for row in stage.simulator.rows("hosts") if row["name"] == "zookeeper-zk-2.lab.example.com")
    stage.simulator.send("DELETE", f"/api/v2/hosts/{stranger['id']}")
    stage.api.call(
        "PATCH",
        stage.path("stackdeployments", "zookeeper"),
        {"metadata": {"annotations": {"stacks.theforeman.org/reconcile-requested-at": "now"}}},
        "application/merge-patch+json",
    )
    stage.ready()


def _same_second(stage: Stage, second: str) -> None:
    """Both count as created in one call; else the first would win by age, which proves nothing."""
    objects = [stage.get(namespace=namespace) for namespace in (second, stage.namespace)]
    times = {found["metadata"]["creationTimestamp"] for found in objects}
    if len(times) > 1:
        pytest.skip("the two were not created within one second")


def test_the_older_one_keeps_its_names(stage: Stage, second: str) -> None:
    small(stage, namespace=second)
    deploy(stage, namespace=second, count=1)
    until(lambda: stage.status(namespace=second).get("plan"), what="the first is accepted")
    small(stage)
    deploy(stage, count=1)
    stage.stalled("NameConflict")
    stage.ready(namespace=second)
