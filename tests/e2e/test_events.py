"""Watch events that are lost, doubled, late and out of order change nothing: what no event told is found by a list."""

import pytest

from tests.e2e.crash import difference, outcome, settled
from tests.e2e.lab import Lab, deploy
from tests.e2e.stage import ROOT, Stage, until

MANGLED = str(ROOT / "tests" / "e2e" / "mangled.py")
HALF_DEAF = [(str(seed), "0.4") for seed in range(3)]
DEAF = ("0", "1.0")


def _missed(stage: Stage) -> float:
    """Changes that only a list has told."""
    lines = stage.operator.get("/metrics").splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("foreman_stacks_missed_events_total{"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("ear", [*HALF_DEAF, DEAF], ids=lambda ear: f"seed {ear[0]}, {ear[1]} lost")
def test_the_end_is_the_same(lab: Lab, ear: tuple[str, str]) -> None:
    wanted = lab.reference(hosts=2).outcome
    with lab.stage() as stage:
        stage.operator.program = (MANGLED, *ear)
        stage.operator.start(relist="1")
        deploy(stage, hosts=2)
        until(lambda: settled(stage), 120, "the end")
        assert difference(outcome(stage), wanted) == ""
        assert _missed(stage) > 0
        _edited_and_deleted(stage)


def _edited_and_deleted(stage: Stage) -> None:
    """Edits are followed and deletions come to their end, the server's too, though nobody may have heard of them."""
    path = stage.path("stackdeployments", "zookeeper")
    stage.api.call("PATCH", path, {"spec": {"deletionPolicy": "Delete"}}, "application/merge-patch+json")
    until(lambda: stage.get()["metadata"].get("finalizers"), 30, "the end will be ours")
    stage.delete()
    stage.delete(stage.server, "foremanservers")
    stage.gone()
    assert stage.simulator.rows("hosts") == []
    assert stage.simulator.rows("vms") == []
    until(lambda: stage.get(stage.server, "foremanservers") is None, 30, "the server is let go")
