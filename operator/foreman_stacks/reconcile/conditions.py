"""Conditions, all made by `merge`, and the events that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from foreman_stacks.cluster.port import Event
from foreman_stacks.model.reasons import ConditionType, Reason

Truth = Literal["True", "False", "Unknown"]
MAX_MESSAGE = 4096
"""Characters of a message, as the CRDs limit it: room for about thirty problems."""


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
    """Return the list for the status: exactly the `new` conditions, sorted by type.

    `lastTransitionTime` changes only when a condition's status does, so that equal content gives an equal list.
    """
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


def find(entries: Iterable[Mapping[str, Any]], kind: ConditionType) -> Mapping[str, Any]:
    """Return the condition of this type from a status; empty if there is none."""
    return next((entry for entry in entries if entry.get("type") == kind), {})


def holds(entries: Iterable[Mapping[str, Any]], kind: ConditionType, generation: int) -> bool:
    """Whether the condition is True in this generation of the object."""
    found = find(entries, kind)
    return found.get("status") == "True" and found.get("observedGeneration") == generation


def cut(message: str) -> str:
    """Return the message; a longer one than `MAX_MESSAGE` is cut and ends with "…"."""
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"


def events(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> list[Event]:
    """Return an event for each condition that has become True or has a new reason; `Deleting` also tells of False.

    Conditions of single stages, and those whose status and reason stay the same, give none.
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
