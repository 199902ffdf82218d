"""A host that a step may lose: the deployment becomes Ready without it, and people are told."""

from __future__ import annotations

from tests.unit.foreman_stacks.reconcile.desk import Desk, at_desk
from tests.unit.foreman_stacks.reconcile.lives import is_ready


def test_a_host_that_may_fail_and_stays_dead_keeps_nobody_from_ready_and_is_told() -> None:
    async def story(desk: Desk) -> None:
        may_fail = {"roles": ["zk"], "maxFailedHosts": 1}
        desk.stack(steps=[{"name": "first", "puppetRun": may_fail, "retries": 0}], outputs=[])
        await desk.until(lambda: desk.done("Quiesce"))
        desk.lab.world.faults.add({"kind": "unreachable", "host": "ring-zk-2*"})
        await desk.until(lambda: is_ready(desk))
        (failed,) = desk.status["failedHosts"]
        assert failed["name"].startswith("ring-zk-2.")
        assert desk.step("PeriodicPuppet")["done"] == [{"role": "zk", "indices": "1", "digest": "quiet"}]

    at_desk(story, boot_timeout=200.0, boot_retry=30.0, retry_first=1.0)  # longer than any host of the simulator boots
