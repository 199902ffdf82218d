"""Room for Puppet runs: whatever becomes of a deployment in the midst of a run, it is given back, and not too early."""

from __future__ import annotations

from typing import cast

import pytest

from foreman_stacks.cluster.port import Cluster
from foreman_stacks.errors import ForemanError, ForemanRefused
from foreman_stacks.foreman.port import Change
from tests.unit.foreman_stacks.reconcile.desk import KEY, Desk, at_desk
from tests.unit.foreman_stacks.reconcile.lives import ONE_RUN, is_ready, posts

LIMIT = 50
OTHER = ("ops", "other")


def room(desk: Desk) -> int:
    """What another deployment may start at once on any smart proxy."""
    return desk.deployments.ledger.left(("f", None), OTHER, LIMIT, LIMIT, desk.now())


async def runs(desk: Desk) -> None:
    """Up to a job that runs Puppet on both hosts."""
    desk.stack(**ONE_RUN)
    await desk.until(lambda: "job" in desk.step("first").get("run", {}))
    assert room(desk) == LIMIT - 2


async def vanish(desk: Desk, name: str) -> None:
    """Somebody deletes a host in Foreman, and its machine: an agent would bring it back."""
    row = next(row for row in desk.lab.rows("hosts") if row["name"].startswith(f"{name}."))
    await desk.lab.foreman.write(Change("delete", "vm", name, address=(row["compute_resource_id"], row["uuid"])))
    await desk.lab.foreman.write(Change("delete", "host", name, address=(row["id"],)))


def test_a_run_is_followed_to_its_end_though_a_host_of_it_goes_missing() -> None:
    async def story(desk: Desk) -> None:
        await runs(desk)
        before = posts(desk)
        await vanish(desk, "ring-zk-2")
        desk.restart()
        await desk.until(lambda: "True/HostMissing" in desk.conditions.values())
        await desk.until(lambda: "run" not in desk.step("first"))
        assert room(desk) == LIMIT
        assert desk.step("first")["state"] != "Done"
        assert posts(desk) == before, "nothing of a role begins that has lost a host"

    at_desk(story)


def test_a_run_whose_hosts_are_all_gone_counts_until_it_must_be_over() -> None:
    async def story(desk: Desk) -> None:
        await runs(desk)
        for name in ("ring-zk-1", "ring-zk-2"):
            await vanish(desk, name)
        desk.restart()
        await desk.until(lambda: "True/HostMissing" in desk.conditions.values())
        assert room(desk) == LIMIT - 2
        desk.seconds += 7200.0 + desk.settings.job_lost_after
        await desk.look()
        assert room(desk) == LIMIT

    at_desk(story)


def test_an_intent_whose_host_went_missing_before_the_job_is_given_up() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        await desk.until(lambda: "run" in desk.step("first"))
        await vanish(desk, "ring-zk-2")
        desk.restart()
        before = posts(desk)
        await desk.until(lambda: "run" not in desk.step("first"))
        assert posts(desk) == before, "nothing of a role begins that has lost a host"
        assert room(desk) == LIMIT

    at_desk(story, host_create_timeout=10.0)


def test_a_delete_that_sticks_after_its_jobs_ended_keeps_no_room_and_one_whose_job_runs_does() -> None:
    async def story(desk: Desk) -> None:
        desk.deployment(deletionPolicy="Delete")
        await runs(desk)

        def refuse(change: Change) -> ForemanError | None:
            return ForemanRefused(f"{change}: 500 oops", status=500) if change.verb in {"delete", "cancel"} else None

        desk.fails = refuse
        desk.kube.remove(KEY)
        desk.restart()
        await desk.look()
        assert room(desk) == LIMIT - 2, "its job runs"
        await desk.until(lambda: "delete vm" in desk.message("Deleting"))
        assert KEY in desk.kube.objects
        assert room(desk) == LIMIT
        desk.restart()
        await desk.deployments.ledger.load(cast("Cluster", desk.kube), desk.now())
        await desk.look()
        assert room(desk) == LIMIT, "another process"

    at_desk(story)


def test_a_run_that_nobody_follows_since_foreman_was_rewound_counts_until_it_must_be_over() -> None:
    async def story(desk: Desk) -> None:
        await runs(desk)
        for row in desk.lab.rows("hostgroups"):
            if "ops.ring" in row["name"]:
                desk.lab.world.table("hostgroups").pop(row["id"])
        desk.restart()
        await desk.until(lambda: "True/ForemanRewound" in desk.conditions.values())
        assert room(desk) == LIMIT - 2
        desk.seconds += 7200.0 + desk.settings.job_lost_after
        await desk.look()
        assert room(desk) == LIMIT

    at_desk(story)


@pytest.mark.parametrize("wrong", ["spec", "server"])
def test_a_job_of_a_deployment_that_cannot_be_looked_at_counts_until_it_must_be_over(wrong: str) -> None:
    async def story(desk: Desk) -> None:
        await runs(desk)
        spec = desk.kube.objects[KEY]["spec"]
        desk.kube.put(KEY, spec={**spec, **({"nonsense": 1} if wrong == "spec" else {"serverRef": {"name": "none"}})})
        await desk.look()
        assert "Stalled" in desk.conditions
        assert room(desk) == LIMIT - 2, "its job runs"
        desk.seconds += 7200.0 + desk.settings.job_lost_after
        assert room(desk) == LIMIT

    at_desk(story)


def test_paused_between_intent_and_job_keeps_no_room_and_goes_on_with_one_job() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        await desk.until(lambda: "run" in desk.step("first"))
        desk.deployment(paused=True)
        before = posts(desk)
        for _ in range(2):
            await desk.look()
            assert desk.conditions["Paused"] == "True/Paused"
            assert "run" not in desk.step("first")
            assert room(desk) == LIMIT
        assert posts(desk) == before
        desk.deployment(paused=False)
        await desk.until(lambda: is_ready(desk))
        assert len(posts(desk) - before) == 1

    at_desk(story)
