from __future__ import annotations

import asyncio
import copy
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from foreman_stacks.cluster.port import Cluster, Event, Key, Object
from foreman_stacks.errors import place_of, trace_of
from foreman_stacks.model.secrecy import Redactor
from foreman_stacks.reconcile.defect import tell

NOW = datetime(2026, 11, 24, 8, 0, 0, tzinfo=UTC)
KEY = Key("stackdeployments", "ops", "shop")
READY = {
    "type": "Ready",
    "status": "True",
    "observedGeneration": 2,
    "lastTransitionTime": "2026-11-23T00:00:00Z",
    "reason": "Ready",
    "message": "all is well",
}


class OneObject:
    """A cluster with one object."""

    def __init__(self, status: dict[str, Any], generation: int = 2) -> None:
        self.body: dict[str, Any] = {"metadata": {"generation": generation}, "status": status}
        self.writes = 0
        self.events: list[Event] = []

    async def get(self, key: Key) -> Object:
        return copy.deepcopy(self.body)

    async def patch_status(self, seen: Object, plural: str, status: Mapping[str, Any]) -> Object:
        self.writes += 1
        self.body["status"] = copy.deepcopy(dict(status))
        return self.body

    async def post_event(self, about: Object, event: Event) -> None:
        self.events.append(event)


def defect() -> Exception:
    try:
        try:
            Redactor(cast("Any", 4))  # 'int' object is not iterable
        except TypeError as error:
            raise KeyError("hunter2") from error
    except KeyError as error:
        return error
    raise AssertionError


def told(cluster: OneObject) -> dict[str, Any]:
    asyncio.run(tell(cast("Cluster", cluster), KEY, defect(), NOW))
    return {entry["type"]: entry for entry in cluster.body["status"]["conditions"]}


def test_a_defect_shows_where_it_was_raised_and_no_value() -> None:
    error = defect()
    assert place_of(error).startswith("KeyError in test_defect.defect, line ")
    assert "secrecy.py" in trace_of(error)
    assert "TypeError" in trace_of(error)
    assert "hunter2" not in place_of(error)
    assert "hunter2" not in trace_of(error).replace('KeyError("hunter2")', "")  # the line of code itself


def test_a_defect_becomes_a_condition_and_the_rest_of_the_status_stays() -> None:
    cluster = OneObject({"epoch": 3, "summary": {"ready": "False", "reason": "Provisioning", "hosts": "3/4"}})
    found = told(cluster)
    assert found["Reconciling"]["status"] == "True"
    assert found["Reconciling"]["reason"] == found["Ready"]["reason"] == "InternalError"
    assert found["Ready"]["status"] == "Unknown"
    assert "hunter2" not in str(cluster.body)
    assert cluster.body["status"]["epoch"] == 3
    assert cluster.body["status"]["summary"] == {"ready": "Unknown", "reason": "InternalError", "hosts": "3/4"}
    assert [event.reason for event in cluster.events] == ["InternalError"]


def test_the_same_defect_again_writes_nothing() -> None:
    cluster = OneObject({})
    told(cluster)
    told(cluster)
    assert cluster.writes == len(cluster.events) == 1


def test_what_is_ready_stays_so_and_what_was_edited_does_not() -> None:
    assert told(OneObject({"conditions": [READY]}))["Ready"] == READY
    assert told(OneObject({"conditions": [READY]}, generation=3))["Ready"]["status"] == "Unknown"
