"""Report a bug in the operator where its victim looks: in the conditions of the object whose pass it aborted."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from foreman_stacks.cluster.port import Cluster, Key
from foreman_stacks.errors import ClusterError, place_of
from foreman_stacks.model.reasons import ConditionType, Reason
from foreman_stacks.reconcile import conditions, events
from foreman_stacks.reconcile.conditions import Condition

_log = logging.getLogger(__name__)


async def tell(cluster: Cluster, key: Key, error: BaseException, now: datetime) -> None:
    """Say in the object's status that its pass failed, and where in the code. The rest of the status stays as it is."""
    try:
        seen = await cluster.get(key)
        if seen is None:
            return
        old = seen.get("status") or {}
        new = _with_defect(old, seen["metadata"]["generation"], place_of(error), now)
        if new == old:
            return
        written = await cluster.patch_status(seen, key.plural, new)
        await events.transitions(cluster, written, old.get("conditions") or (), new["conditions"])
    except ClusterError as failed:
        _log.info("%s: its status could not be written: %s", key, failed)


def _with_defect(old: Mapping[str, Any], generation: int, place: str, now: datetime) -> dict[str, Any]:
    """Return the status with the bug in its conditions.

    An object that is Ready in this generation stays Ready: what is deployed works, only the operator cannot check it.
    """
    before = list(old.get("conditions") or ())
    message = (
        f"a bug in the operator: {place}; it is tried again with growing pauses; report it, with the operator's log"
    )
    told = [Condition(ConditionType.RECONCILING, "True", Reason.INTERNAL_ERROR, message)]
    still = conditions.holds(before, ConditionType.READY, generation)
    if not still:
        told.append(Condition(ConditionType.READY, "Unknown", Reason.INTERNAL_ERROR, message))
    kept = [entry for entry in before if entry.get("type") not in {condition.type for condition in told}]
    merged = sorted([*kept, *conditions.merge(before, told, generation, now)], key=lambda entry: entry["type"])
    new = {**old, "observedGeneration": generation, "conditions": merged}
    if "summary" in old and not still:
        new["summary"] = {**old["summary"], "ready": "Unknown", "reason": Reason.INTERNAL_ERROR.value}
    return new
