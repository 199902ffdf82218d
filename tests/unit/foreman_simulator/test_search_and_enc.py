"""The search parser, and how class parameters are resolved (foreman-api §2, §11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foreman_simulator.replies import Failure
from foreman_simulator.search import Field, Fields, select

if TYPE_CHECKING:
    from tests.unit.foreman_simulator.conftest import Sim

PUPPET = "/foreman_puppet/api"
ROWS: list[dict[str, Any]] = [
    {"name": "zk-1", "id": 1, "when": 100.0, "tags": ["a", "b"], "none": None},
    {"name": "zk-2", "id": 2, "when": 200.0, "tags": [], "none": None},
    {"name": "db and more", "id": 3, "when": None, "tags": ["b"], "none": "x"},
]
FIELDS = Fields(
    {
        "name": Field(lambda row: row["name"]),
        "id": Field(lambda row: row["id"], "integer"),
        "when": Field(lambda row: row["when"], "date"),
        "tags": Field(lambda row: row["tags"]),
        "none": Field(lambda row: row["none"]),
    },
    {"params": lambda name: Field(lambda row: f"{name}-{row['id']}")},
)


@pytest.mark.parametrize(
    "query,ids",
    [
        ("", [1, 2, 3]),
        ("name = zk-1", [1]),
        ("name != zk-1", [2, 3]),
        ("name ~ ZK", [1, 2]),
        ("name ~ zk*2", [2]),
        ("name !~ zk", [3]),
        ("name ^ (zk-1,zk-2, nobody)", [1, 2]),
        ("id !^ (1,2)", [3]),
        ("id > 1 and id <= 2", [2]),
        ("id > 1 id < 3", [2]),
        ("set? none", [3]),
        ("null? none", [1, 2]),
        ("has tags", [1, 3]),
        ("tags = b", [1, 3]),
        ("not tags = b", [2]),
        ('name = "db and more"', [3]),
        ('name = "and"', []),
        ("(id = 1 or id = 3) and tags = b", [1, 3]),
        ("id = 2 and id = 1 or id = 3", []),  # and, or: no precedence, to the right
        ("id = 3 or id = 2 and tags = b", [3]),
        ('when > "1970-01-01 00:02:30"', [2]),
        ("params.some.dotted = dotted-2", [2]),  # the key is cut at the last dot
        ("zk", [1, 2]),
    ],
)
def test_queries(query: str, ids: list[int]) -> None:
    assert [row["id"] for row in select(ROWS, query, FIELDS, now=1000)] == ids


@pytest.mark.parametrize(
    "query", ["nothere = 1", "name = = 1", "id = x", "id ^ (1,x)", "nothere ^ (1)", "set? nothere"]
)
def test_queries_that_are_refused(query: str) -> None:
    with pytest.raises(Failure) as refused:
        select(ROWS, query, FIELDS, now=1000)
    assert refused.value.status == 400


def classes(sim: Sim, host: int) -> dict[str, Any]:
    found: dict[str, Any] = sim.get(f"/api/v2/hosts/{host}/enc")["data"]["classes"]
    return found


def test_the_most_specific_hostgroup_wins_and_omit_sends_nothing(sim: Sim) -> None:
    key = sim.switch_on("role_db", "port", "integer")
    value = {"0": {"lookup_key_id": key, "value": "1"}}
    parent = sim.group("parent", ("role_db",), lookup_values_attributes=value)
    facet = {"environment_id": sim.environment()}
    child = sim.post(
        "/api/v2/hostgroups", {"hostgroup": {"name": "child", "parent_id": parent["id"], "puppet_attributes": facet}}
    )
    host = sim.host("a", child["id"])["id"]
    assert classes(sim, host) == {"role_db": {"port": 1}}
    path = f"{PUPPET}/smart_class_parameters/{key}/override_values"
    sim.post(path, {"override_value": {"match": "hostgroup=child", "value": "3"}})  # a leaf name never matches
    assert classes(sim, host) == {"role_db": {"port": 1}}
    own = sim.post(path, {"override_value": {"match": f"hostgroup={child['title']}", "value": "2"}})
    assert classes(sim, host) == {"role_db": {"port": 2}}
    sim.put(f"{path}/{own['id']}", {"override_value": {"omit": True}})
    assert classes(sim, host) == {"role_db": None}
    sim.put(f"{PUPPET}/smart_class_parameters/{key}", {"smart_class_parameter": {"override": False}})
    assert classes(sim, host) == {"role_db": None}


def test_merged_arrays(sim: Sim) -> None:
    key = sim.switch_on("role_db", "replicas", "array")
    merge = {"smart_class_parameter": {"merge_overrides": True, "avoid_duplicates": True}}
    sim.put(f"{PUPPET}/smart_class_parameters/{key}", merge)
    group = sim.group("g", ("role_db",), lookup_values_attributes={"0": {"lookup_key_id": key, "value": '["a", "b"]'}})
    host = sim.host("h", group["id"], lookup_values_attributes={"0": {"lookup_key_id": key, "value": '["b", "c"]'}})
    assert classes(sim, host["id"]) == {"role_db": {"replicas": ["b", "c", "a"]}}


def test_a_classs_other_environment_is_not_sent(sim: Sim) -> None:
    sim.plant("environments", name="staging")
    host = sim.plant(
        "hosts", name="a.lab.example.com", puppet_attributes={"environment": "staging", "puppetclasses": ["role_db"]}
    )
    assert classes(sim, host["id"]) == {}


def test_renames_take_their_values_along(sim: Sim) -> None:
    key = sim.switch_on("role_db", "port", "integer")
    group = sim.group("g", ("role_db",), lookup_values_attributes={"0": {"lookup_key_id": key, "value": "1"}})
    sim.put(f"/api/v2/hostgroups/{group['id']}", {"hostgroup": {"name": "renamed"}})
    values = sim.get(f"{PUPPET}/smart_class_parameters/{key}/override_values")["results"]
    assert [value["match"] for value in values] == ["hostgroup=Base/Debian 12/renamed"]
    sim.delete(f"/api/v2/hostgroups/{group['id']}")
    assert sim.get(f"{PUPPET}/smart_class_parameters/{key}/override_values")["results"] == []
