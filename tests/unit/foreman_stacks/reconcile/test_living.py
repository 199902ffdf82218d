"""When a deployment that cannot go on is looked at again: not often, and not all of them at the same moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.unit.foreman_stacks.reconcile.desk import STACK, Desk, at_desk
from tests.unit.foreman_stacks.reconcile.lives import ONE_RUN, is_ready

LOOKS = 12


async def _spread(desk: Desk, period: float) -> None:
    """Looks are about a period apart, and no two deployments would stay in step."""
    pauses = [(await desk.look()).after or 0.0 for _ in range(LOOKS)]
    assert all(0.8 * period <= pause <= 1.2 * period for pause in pauses), pauses
    assert len(set(pauses)) > 1, "what one fault has stopped would ask in step"


async def _server_not_probed(desk: Desk) -> float:
    desk.connection.ready = False
    await desk.look()
    assert desk.conditions == {"Ready": "Unknown/Accepted", "Reconciling": "True/Accepted"}, "nothing is known of it"
    return desk.settings.server_probe


async def _server_not_ready(desk: Desk) -> float:
    desk.connection.ready = False
    desk.deployments._living._servers._probed.add("f")
    await desk.look()
    assert desk.ready == "Unknown/ServerNotReady"
    return desk.settings.server_probe


async def _invalid(desk: Desk) -> float:
    desk.deployment(roles="none")
    await desk.look()
    assert desk.conditions["Stalled"] == "True/InvalidSpec"
    return desk.settings.recheck


async def _no_stack(desk: Desk) -> float:
    del desk.kube.objects[STACK]
    await desk.look()
    assert desk.conditions["Stalled"] == "True/StackNotFound"
    return desk.settings.recheck


async def _refused_edit(desk: Desk) -> float:
    desk.stack(**ONE_RUN)
    await desk.until(lambda: is_ready(desk))
    desk.deployment(count=3)
    await desk.look()
    assert desk.conditions["Stalled"] == "True/ChangeNotSupported"
    return desk.settings.recheck


@pytest.mark.parametrize("fault", [_server_not_probed, _server_not_ready, _invalid, _no_stack, _refused_edit])
def test_what_cannot_go_on_is_looked_at_now_and_then(fault: Callable[[Desk], Awaitable[float]]) -> None:
    async def story(desk: Desk) -> None:
        await _spread(desk, await fault(desk))

    at_desk(story)
