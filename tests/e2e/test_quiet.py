"""Where nothing has changed nothing is written: labels and annotations, a restart, a resync without drift."""

from collections import Counter

from tests.e2e import crash
from tests.e2e.life import annotate, deploy, sent, small
from tests.e2e.stage import Stage, until

LOOKS = "GET /api/v2/hostgroups/:id"
"""A request that every look at a settled deployment makes."""


def versions(stage: Stage) -> dict[tuple[str, str], str]:
    """The resourceVersion of every object of ours."""
    kinds = ("stacks", "stackdeployments", "deployedhosts")
    found = [(plural, item) for plural in kinds for item in stage.api.call("GET", stage.path(plural))["items"]]
    found.append(("foremanservers", stage.get(stage.server, "foremanservers")))
    return {(plural, item["metadata"]["name"]): item["metadata"]["resourceVersion"] for plural, item in found}


def looked(stage: Stage, times: int = 1) -> None:
    """Wait until the deployment was looked at."""
    before = sent(stage.simulator, LOOKS)
    until(lambda: sent(stage.simulator, LOOKS) >= before + times, what=f"{times} looks")


def settled(stage: Stage) -> None:
    small(stage)
    deploy(stage)
    stage.ready()
    until(lambda: crash.settled(stage), what="all is written")


def spent(stage: Stage) -> Counter[str]:
    """Looks at the deployment, and the operator's writes to Foreman and Kubernetes, each counted before it is sent."""
    lines = [line for line in stage.operator.get("/metrics").splitlines() if "foreman_stacks_writes_total{" in line]
    assert lines, "no metric of writes"
    found = {line.rpartition(" ")[0]: int(float(line.rpartition(" ")[2])) for line in lines}
    return Counter({LOOKS: sent(stage.simulator, LOOKS), **found})


def was_told(stage: Stage, name: str) -> bool:
    """Whether there is an event about an object; those about a server are in namespace default."""
    places = [f"/apis/events.k8s.io/v1/namespaces/{namespace}/events" for namespace in (stage.namespace, "default")]
    return any(event["regarding"]["name"] == name for path in places for event in stage.api.call("GET", path)["items"])


def ask(stage: Stage, value: str) -> None:
    """Request a look, make another Stack and another server, and wait for the answers.

    A watch keeps the order: what was changed before, in these kinds of objects, was heard of.
    """
    others = {"stacks": ("zookeeper", f"other-{value}"), "foremanservers": (stage.server, f"{stage.server}-{value}")}
    for plural, (name, other) in others.items():
        body = stage.get(name, plural)
        stage.apply({**{key: body[key] for key in ("apiVersion", "kind", "spec")}, "metadata": {"name": other}})
    annotate(stage, "reconcile-requested-at", value)
    until(lambda: stage.status().get("lastHandledReconcileAt") == value, what="the request is handled")
    for plural, (_, other) in others.items():
        until(lambda: stage.condition("Ready", other, plural).get("status") == "True", what=f"{other} Ready")  # noqa: B023
        until(lambda: was_told(stage, other), what=f"the event of it, which is written after the status of {other}")  # noqa: B023
    stage.delete(others["foremanservers"][1], "foremanservers")


def test_a_request_causes_one_look_and_metadata_none(stage: Stage) -> None:
    settled(stage)
    before, writes = spent(stage), stage.simulator.writes()
    ask(stage, "one")
    each = spent(stage) - before
    assert each[LOOKS] > 0
    assert each.total() > each[LOOKS], "a request that is handled is a write"
    for number in range(5):
        patch = {
            "metadata": {
                "labels": {"team": f"t{number}"},
                "annotations": {"argocd.argoproj.io/tracking-id": f"{number}"},
            }
        }
        for plural, name in (
            ("stackdeployments", "zookeeper"),
            ("stacks", "zookeeper"),
            ("foremanservers", stage.server),
        ):
            stage.api.call("PATCH", stage.path(plural, name), patch, "application/merge-patch+json")
    ask(stage, "two")
    assert spent(stage) == before + each + each
    assert stage.simulator.writes() == writes


def test_restart_and_resync_write_nothing(stage: Stage) -> None:
    settled(stage)
    stage.operator.kill()
    before, writes = versions(stage), stage.simulator.writes()
    stage.operator.start(resync="1", override_resync_every="1")
    looked(stage, 3)
    assert versions(stage) == before
    assert stage.simulator.writes() == writes
    metrics = stage.operator.get("/metrics").splitlines()
    assert any("foreman_stacks_cluster_requests" in line for line in metrics), "there are metrics"
    writing = [line for line in metrics if "foreman_stacks_writes_total{" in line and not line.endswith(" 0.0")]
    assert not writing, "an event and a Secret are writes, too"
