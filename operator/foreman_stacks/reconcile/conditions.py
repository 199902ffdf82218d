"""Conditions, by one function: sorted, times move only when the status does, equal content is an equal list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from foreman_stacks.cluster.port import Event
from foreman_stacks.model.reasons import ConditionType, Reason

Truth = Literal["True", "False", "Unknown"]
MAX_MESSAGE = 4096
"""As the CRDs have it: room for some thirty problems at once."""


@dataclass(frozen=True)
class Condition:
    """One condition as it should be now."""

    type: ConditionType
    status: Truth
    reason: Reason
    message: str = ""


def merge(
    old: Sequence[Mapping[str, Any]], new: Iterable[Condition], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """The list for the status; conditions that no longer apply are left out."""
    before = {entry.get("type"): entry for entry in old}
    merged = []
    for condition in sorted(new, key=lambda condition: condition.type):
        was = before.get(condition.type)
        same = was if was is not None and was.get("status") == condition.status else {}
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        merged.append(
            {
                "type": condition.type.value,
                "status": condition.status,
                "observedGeneration": generation,
                "lastTransitionTime": same.get("lastTransitionTime") or stamp,
                "reason": condition.reason.value,
                "message": cut(condition.message),
            }
        )
    return merged


def cut(message: str) -> str:
    """A message that fits, with a sign where it was cut."""
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"


def events(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> list[Event]:
    """One event for each thing that begins: to be Ready, Stalled or deleted, another kind of work, drift.

    None for what goes on.
    """
    told = []
    before = {entry.get("type"): entry for entry in old}
    for entry in new:
        was = before.get(entry["type"], {})
        if (was.get("status"), was.get("reason")) == (entry["status"], entry["reason"]):
            continue
        if entry["type"] == ConditionType.STALLED and entry["status"] == "True":
            told.append(Event("Warning", entry["reason"], entry["message"]))
        elif entry["type"] == ConditionType.READY and entry["status"] == "True":
            told.append(Event("Normal", entry["reason"], entry["message"]))
        elif entry["type"] == ConditionType.RECONCILING and entry["status"] == "True":
            told.append(Event("Normal", entry["reason"], entry["message"]))
        elif entry["type"] == ConditionType.DRIFTED and entry["status"] == "True":
            told.append(Event("Warning", entry["reason"], entry["message"]))
        elif entry["type"] == ConditionType.DELETING:
            told.append(Event("Normal" if entry["status"] == "True" else "Warning", entry["reason"], entry["message"]))
    return told
