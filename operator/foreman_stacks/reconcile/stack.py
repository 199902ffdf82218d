"""The pass over a Stack: compiles it without any deployment, so that its author sees every problem at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from foreman_stacks.api.parse import parse_stack
from foreman_stacks.cluster.port import Cluster, Key
from foreman_stacks.errors import InvalidSpec, Problem
from foreman_stacks.model.reasons import ConditionType, Reason
from foreman_stacks.plan.stack import check_stack
from foreman_stacks.reconcile import conditions, events
from foreman_stacks.reconcile.conditions import Condition


class Stacks:
    """Passes over Stacks."""

    def __init__(self, cluster: Cluster, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._now = now

    async def reconcile(self, key: Key) -> None:
        """Check the Stack and report the result in its conditions."""
        seen = await self._cluster.get(key)
        if seen is None or seen["metadata"].get("deletionTimestamp"):
            return
        try:
            problems: list[Problem] = check_stack(parse_stack(seen))
        except InvalidSpec as error:
            problems = error.problems
        old, generation = seen.get("status") or {}, seen["metadata"]["generation"]
        merged = conditions.merge(old.get("conditions") or (), _conditions(problems), generation, self._now())
        status = {"observedGeneration": generation, "conditions": merged}
        if {name: old.get(name) for name in status} == status:
            return
        written = await self._cluster.patch_status(seen, "stacks", status)
        await events.transitions(self._cluster, written, old.get("conditions") or (), merged)


def _conditions(problems: list[Problem]) -> list[Condition]:
    if not problems:
        return [Condition(ConditionType.READY, "True", Reason.VALID, "can be deployed")]
    message = "\n".join(map(str, problems))
    return [
        Condition(ConditionType.READY, "False", Reason.INVALID_STACK, message),
        Condition(ConditionType.STALLED, "True", Reason.INVALID_STACK, message),
    ]
