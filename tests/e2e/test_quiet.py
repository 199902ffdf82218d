"""Where nothing has changed nothing is written: labels and annotations, a restart, a resync without drift."""

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
    until(lambda: not stage.get()["metadata"].get("finalizers"), what="it is let go")
    until(lambda: not stage.get(stage.server, "foremanservers")["metadata"].get("finalizers"), what="so is the server")


def request(stage: Stage, value: str) -> int:
    """Ask for a look; how many requests it made."""
    before = sent(stage.simulator, LOOKS)
    annotate(stage, "reconcile-requested-at", value)
    until(lambda: stage.status().get("lastHandledReconcileAt") == value, what="the request is handled")
    return sent(stage.simulator, LOOKS) - before


def test_a_request_causes_one_look_and_metadata_none(stage: Stage) -> None:
    settled(stage)
    writes = stage.simulator.writes()
    each = request(stage, "one")
    assert each > 0
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
    assert request(stage, "two") == each
    assert stage.simulator.writes() == writes


def test_restart_and_resync_write_nothing(stage: Stage) -> None:
    settled(stage)
    stage.operator.kill()
    before, writes = versions(stage), stage.simulator.writes()
    stage.operator.start(resync="1", override_resync_every="1")
    looked(stage, 3)
    assert versions(stage) == before
    assert stage.simulator.writes() == writes
