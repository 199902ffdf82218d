"""SIGKILL at every write of the example: nothing is doubled or lost, no finished run is repeated, the end is the same.

`make e2e` has one deployment of four hosts that dies at each of its writes in turn, and ten seeded single deaths.
`make crash-test` has all of them one by one, on deployments of two hosts, which write the same things: some 270 deaths,
three side by side, about half an hour on 2 cores.
"""

import json
import random
from dataclasses import replace

import pytest

from tests.e2e.crash import EachOnce, Kill, Killer, Once, Point, all_milestones, difference, outcome, points
from tests.e2e.lab import Lab, deploy, ended
from tests.e2e.stage import until

SINGLES = 10
SEED = 20
SHARDS = 32
EVENT = "cluster create event "
"""Some tell of waits that are not always met: a write that may not come."""


def _die(lab: Lab, point: Point) -> str:
    """One death; what differs in the end. A point that does not come this time gives way to the one before."""
    wanted = lab.reference(hosts=2).outcome
    with lab.stage() as stage:
        deploy(stage, hosts=2)
        with Killer(stage, Once(point)) as killer:
            try:
                ended(stage, killer)
                came = killer.kills or killer.times(point.write) >= point.nth
                if came:
                    until(lambda: killer.error or killer.kills, 60, "a death")
                    ended(stage, killer)
            except AssertionError as error:
                return f"{point}:\n{error}\n{json.dumps(stage.status())}"
            wrong = difference(outcome(stage), wanted)
    if wrong:
        return f"{point}:\n{wrong}"
    if came:
        return ""
    if point.nth > 1:
        return _die(lab, replace(point, nth=point.nth - 1))
    return "" if point.write.startswith(EVENT) else f"{point}: does not come"


def _chosen(lab: Lab) -> list[Point]:
    """Seeded points, of each kind of death on Foreman and on Kubernetes."""
    found = points(lab.reference(hosts=2).journal)
    random.Random(SEED).shuffle(found)
    kinds = [(True, Kill.IN_FLIGHT), (True, Kill.BEFORE), (True, Kill.AFTER), (False, Kill.BEFORE), (False, Kill.AFTER)]
    piles = [[point for point in found if (point.on_foreman, point.kill) == kind] for kind in kinds]
    return [piles[number % len(piles)][number // len(piles)] for number in range(SINGLES)]


@pytest.mark.timeout(2400)
def test_a_deployment_that_dies_at_each_of_its_writes_ends_as_if_nothing_had_been(lab: Lab) -> None:
    reference = lab.reference(hosts=4)
    with lab.stage() as stage:
        deploy(stage, hosts=4)
        policy = EachOnce(stage)
        with Killer(stage, policy) as killer:
            ended(stage, killer, seconds=800)
            end, passed = outcome(stage), all_milestones(stage.status())
    assert difference(end, reference.outcome) == ""
    assert {entry.write for entry in reference.journal if not entry.write.startswith(EVENT)} <= killer.caught
    died = {(entry.kind, kill) for kill, entry in killer.kills}
    missing = {(entry.kind, kill) for entry in reference.journal for kill in entry.moments} - died
    assert not missing
    assert policy.milestones >= passed


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", range(SINGLES))
def test_a_single_death_changes_nothing(lab: Lab, number: int) -> None:
    wrong = _die(lab, _chosen(lab)[number])
    if wrong:
        pytest.fail(wrong)


@pytest.mark.crash
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_single_death_changes_anything(lab: Lab, shard: int) -> None:
    wrong = []
    for point in points(lab.reference(hosts=2).journal)[shard::SHARDS]:
        told = _die(lab, point)
        if told:
            wrong.append(told)
            lab.note(told)
    if wrong:
        pytest.fail("\n\n".join(wrong))
