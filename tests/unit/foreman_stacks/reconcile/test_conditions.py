from __future__ import annotations

from typing import Any

import pytest

from foreman_stacks.model.reasons import ConditionType, Reason
from foreman_stacks.reconcile.conditions import MAX_MESSAGE, Condition, cut, events, merge
from tests.unit.foreman_stacks.made import NOW, later

READY = Condition(ConditionType.READY, "False", Reason.PROVISIONING, "builds")
RECONCILING = Condition(ConditionType.RECONCILING, "True", Reason.PROVISIONING, "builds")


def test_equal_content_is_an_equal_list_whenever_it_is_said() -> None:
    first = merge([], [RECONCILING, READY], 1, NOW)
    assert merge(first, [READY, RECONCILING], 1, later(60)) == first
    assert [entry["type"] for entry in first] == ["Ready", "Reconciling"]


def test_times_move_only_when_the_status_does() -> None:
    first = merge([], [READY], 1, NOW)
    (same,) = merge(first, [Condition(ConditionType.READY, "False", Reason.MOVING, "moves")], 2, later(60))
    assert same["lastTransitionTime"] == "2026-11-23T12:00:00Z"
    assert (same["reason"], same["message"], same["observedGeneration"]) == ("Moving", "moves", 2)
    (turned,) = merge(first, [Condition(ConditionType.READY, "True", Reason.READY)], 2, later(60))
    assert turned["lastTransitionTime"] == "2026-11-23T12:01:00Z"


def test_what_no_longer_applies_is_left_out() -> None:
    assert [entry["type"] for entry in merge(merge([], [READY, RECONCILING], 1, NOW), [READY], 1, NOW)] == ["Ready"]


@pytest.mark.parametrize("old", [[{}], [{"type": "Ready"}], [{"type": "Ready", "status": "False"}], [{"type": 5}]])
def test_conditions_that_somebody_broke_are_mended(old: list[dict[str, Any]]) -> None:
    (found,) = merge(old, [READY], 1, NOW)
    assert found["lastTransitionTime"] == "2026-11-23T12:00:00Z"


def test_a_long_message_is_cut_with_a_sign() -> None:
    assert cut("x" * MAX_MESSAGE) == "x" * MAX_MESSAGE
    assert len(cut("x" * (MAX_MESSAGE + 1))) == MAX_MESSAGE
    assert cut("x" * (MAX_MESSAGE + 1)).endswith("…")


def told(old: list[Condition], new: list[Condition]) -> list[tuple[str, str]]:
    before = merge([], old, 1, NOW)
    return [(event.type, event.reason) for event in events(before, merge(before, new, 1, NOW))]


def test_events_tell_transitions_and_not_what_goes_on() -> None:
    ready = Condition(ConditionType.READY, "True", Reason.READY, "all is well")
    stalled = Condition(ConditionType.STALLED, "True", Reason.STEP_FAILED, "zk/1")
    drifted = Condition(ConditionType.DRIFTED, "True", Reason.DRIFTED, "x")
    assert told([], [READY, RECONCILING]) == [("Normal", "Provisioning")]
    assert told([READY], [ready]) == [("Normal", "Ready")]
    assert told([ready], [ready, drifted]) == [("Warning", "Drifted")]
    assert told([READY, RECONCILING], [READY, stalled]) == [("Warning", "StepFailed")]
    assert told([stalled], [stalled]) == []
    assert told([RECONCILING], [Condition(ConditionType.RECONCILING, "True", Reason.PROVISIONING, "other words")]) == []
    assert told([RECONCILING], [Condition(ConditionType.RECONCILING, "True", Reason.MOVING)]) == [("Normal", "Moving")]
    assert told([ready], [READY]) == [], "what Ready lost is told by Stalled or Reconciling"
