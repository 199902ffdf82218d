"""What holds for every kind of resource, tried on a simulated Foreman over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, get_args

import pytest

from foreman_simulator import parameters
from foreman_stacks.foreman.port import (
    Change,
    ClassKeys,
    HostgroupById,
    HostgroupNamed,
    OverridesOf,
    Query,
    Snapshot,
    Unread,
    reveal,
)
from foreman_stacks.model.values import MASK, Bound, ValueType
from foreman_stacks.reconcile.memory import Memory
from foreman_stacks.resources import KINDS
from foreman_stacks.resources.puppet_class import PuppetClassKind
from tests.unit.foreman_stacks.lab import ENVIRONMENT, Lab
from tests.unit.foreman_stacks.made import NOW, OUTER, hostgroup
from tests.unit.foreman_stacks.resources.making import made, story
from tests.unit.foreman_stacks.resources.scopes import (
    BASE,
    CANARY,
    LEAF,
    SCOPE,
    STAGING,
    TOP,
    ZK,
    bound,
    first_changes,
    host,
    with_group,
)

LABEL = [kind.name for kind in KINDS]


# --- every kind ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=LABEL)
def test_an_unread_answer_is_never_taken_for_nothing(kind: Any) -> None:
    wanted = kind.wanted(SCOPE)
    assert wanted
    with pytest.raises(Unread):
        kind.changes(wanted, Snapshot({}))


@pytest.mark.parametrize("kind", KINDS, ids=LABEL)
def test_what_is_asked_for_and_wanted_follows_from_the_scope_alone(kind: Any) -> None:
    assert kind.wanted(SCOPE) == kind.wanted(SCOPE)
    assert list(kind.queries(kind.wanted(SCOPE))) == list(kind.queries(kind.wanted(SCOPE)))


def test_every_kind_has_a_name_of_its_own() -> None:
    assert len(set(LABEL)) == len(KINDS)


def test_an_empty_scope_wants_nothing() -> None:
    empty = replace(SCOPE, groups=(), hosts=(), staging=frozenset())
    assert first_changes(empty, Snapshot({})) == ()


# --- all of them together --------------------------------------------------------------------------------------------


def test_a_service_user_with_just_our_permissions_can_make_everything_in_few_writes() -> None:
    async def tell(lab: Lab, memory: Memory) -> None:
        written = [str(change) for change in await made(lab, SCOPE, memory)]
        keys = [text for text in written if "class_key" in text]
        assert sorted(keys) == [
            f"update class_key {name}"
            for name in (
                "role_db::db_name",
                "role_db::port",
                "zookeeper::id",
                "zookeeper::install_java",
                "zookeeper::servers",
            )
        ]
        assert written[len(keys) :] == [f"create hostgroup {title}" for title in (TOP, STAGING, LEAF)], (
            "parameters, classes and values come inside"
        )

    story(tell, user="svc", password="svc-password1")


def test_what_was_made_is_in_foreman_and_nothing_more_is_wanted() -> None:
    async def tell(lab: Lab, memory: Memory) -> None:
        await made(lab, SCOPE, memory)
        top, leaf, staging = [await lab.ask(HostgroupNamed(title)) for title in (TOP, LEAF, STAGING)]
        assert (top.classes, leaf.classes, staging.classes) == ({"role_db"}, {"zookeeper"}, frozenset())
        assert {entry.name: entry.value for entry in leaf.parameters if not entry.name.startswith("foreman")} == {
            "servers": [],
            "both": "zk",
        }
        assert staging.parameter("both") == "zk", "the nearer value of a name wins"
        assert staging.parameter("admins") == ["ops"]
        assert (top.parameter("login"), staging.parameter("login")) == (MASK, MASK)
        assert {group.environment for group in (top, leaf, staging)} == {ENVIRONMENT}
        assert (str(top.mark), str(staging.mark)) == (
            "v1 i/ops/ring Created group=base",
            "v1 i/ops/ring Created group=zk staging=true",
        )
        assert staging.ancestors == top.ancestors, "below the outer parent, where no class of ours is inherited"
        lab.forget()
        assert await made(lab, SCOPE, memory) == []
        assert lab.requests == {}, "everything that was written is known"
        memory.doubt()
        assert await made(lab, SCOPE, memory) == [], "and it is so when it is read again"

    story(tell)


def test_a_parameter_of_each_type_comes_back_equal() -> None:
    """In the creating POST of its hostgroup, and by a call of its own."""
    each = (
        bound("text", "0644"),
        Bound("flag", "boolean", value=False),
        bound("count", -7, "integer"),
        bound("share", 1.5, "real"),
        bound("list", ["a", {"b": [1]}], "array"),
        bound("map", {"ö": {"b": []}}, "hash"),
        bound("settings", "at: 2026-11-23\nmore: [1, yes]\n", "yaml"),
        bound("data", {"a": [1.5, "x"]}, "json"),
    )
    assert {item.type for item in each} == set(get_args(ValueType))
    shown = {item.name: item.value for item in each} | {"settings": {"at": "2026-11-23", "more": [1, True]}}
    again = tuple(replace(item, name=f"{item.name}2") for item in each)

    async def tell(lab: Lab, memory: Memory) -> None:
        scope = with_group(SCOPE, "base", parameters=each)
        await made(lab, scope, memory)
        later = with_group(scope, "base", parameters=each + again)
        written = [str(change) for change in await made(lab, later, memory)]
        assert {f"create hostgroup_parameter {TOP} {item.name}" for item in again} <= set(written)
        for title in (TOP, STAGING):
            group = await lab.ask(HostgroupNamed(title))
            kept = {entry.name: entry.value for entry in group.parameters}
            assert {name: kept[name] for name in shown} == shown
            assert {name: kept[f"{name}2"] for name in shown} == shown
        memory.doubt()
        assert await made(lab, later, memory) == []

    story(tell)


def test_after_a_restart_only_hidden_values_are_written_again() -> None:
    """Foreman shows them to nobody: only who wrote them knows that they are right."""

    async def tell(lab: Lab, memory: Memory) -> None:
        await made(lab, SCOPE, memory)
        written = await made(lab, SCOPE, Memory(NOW))
        assert sorted(map(str, written)) == [
            f"update hostgroup_parameter {TOP} login",
            f"update hostgroup_parameter {STAGING} login",
            f"update override_value role_db::db_name hostgroup={TOP}",
        ]

    story(tell)


Sabotage = Callable[[Lab], Awaitable[None]]


async def _parameter_changed(lab: Lab) -> None:
    group = await lab.ask(HostgroupNamed(LEAF))
    await lab.foreman.write(
        Change(
            "update",
            "hostgroup_parameter",
            "x",
            {"value": '["10.9.9.9"]', "parameter_type": "array"},
            (group.id, "servers"),
        )
    )


async def _parameter_gone(lab: Lab) -> None:
    group = await lab.ask(HostgroupNamed(LEAF))
    kept = [row for row in parameters.own(lab.world, "hostgroup", group.id) if row["name"] != "both"]
    parameters.replace(lab.world, "hostgroup", group.id, kept)


async def _class_gone(lab: Lab) -> None:
    group = await lab.ask(HostgroupNamed(LEAF))
    number = next(row["id"] for row in lab.rows("puppetclasses") if row["name"] == "zookeeper")
    await lab.foreman.write(Change("delete", "hostgroup_class", "x", address=(group.id, number)))


async def _class_too_much(lab: Lab) -> None:
    group = await lab.ask(HostgroupNamed(LEAF))
    number = next(row["id"] for row in lab.rows("puppetclasses") if row["name"] == "role_app")
    await lab.foreman.write(Change("create", "hostgroup_class", "x", {"puppetclass_id": number}, (group.id,)))


async def _value_changed(lab: Lab) -> None:
    key = (await lab.ask(ClassKeys(ENVIRONMENT, "role_db")))["port"]
    await lab.foreman.write(Change("update", "override_value", "x", {"value": "1"}, (key.id, f"hostgroup={TOP}")))


async def _value_gone(lab: Lab) -> None:
    key = (await lab.ask(ClassKeys(ENVIRONMENT, "zookeeper")))["install_java"]
    await lab.foreman.write(Change("delete", "override_value", "x", address=(key.id, f"hostgroup={LEAF}")))


async def _staging_gone(lab: Lab) -> None:
    group = await lab.ask(HostgroupNamed(STAGING))
    await lab.foreman.write(Change("delete", "hostgroup", "x", address=(group.id,)))


@pytest.mark.parametrize(
    "sabotage, mended",
    [
        (_parameter_changed, f"update hostgroup_parameter {LEAF} servers"),
        (_parameter_gone, f"create hostgroup_parameter {LEAF} both"),
        (_class_gone, f"create hostgroup_class {LEAF} zookeeper"),
        (_class_too_much, f"delete hostgroup_class {LEAF} role_app"),
        (_value_changed, f"update override_value role_db::port hostgroup={TOP}"),
        (_value_gone, f"create override_value zookeeper::install_java hostgroup={LEAF}"),
        (_staging_gone, f"create hostgroup {STAGING}"),
    ],
)
def test_what_differs_is_mended_by_one_write(sabotage: Sabotage, mended: str) -> None:
    async def tell(lab: Lab, memory: Memory) -> None:
        await made(lab, SCOPE, memory)
        await sabotage(lab)
        memory.doubt()
        assert [str(change) for change in await made(lab, SCOPE, memory)] == [mended]
        memory.doubt()
        assert await made(lab, SCOPE, memory) == []

    story(tell)


def test_a_class_that_a_group_above_gives_already_is_there() -> None:
    """Foreman drops it from the lower group without a word (foreman-api §7.2): asking for it again would never end."""
    both = with_group(SCOPE, "zk", classes=(*ZK.classes, replace(BASE.classes[0], overrides=())))
    leaf = hostgroup(12, LEAF, classes=frozenset({"zookeeper"}), all_classes=frozenset({"zookeeper", "role_db"}))
    seen = Snapshot({HostgroupNamed(TOP): None, HostgroupNamed(STAGING): None, HostgroupNamed(LEAF): leaf, **outer()})
    assert PuppetClassKind().changes(PuppetClassKind().wanted(both), seen) == []


def outer() -> dict[Query[Any], Any]:
    return {HostgroupNamed(OUTER): hostgroup(2, OUTER)}


def test_a_new_value_of_a_parameter_and_of_its_override_is_written_once_each() -> None:
    async def tell(lab: Lab, memory: Memory) -> None:
        await made(lab, SCOPE, memory)
        ring = bound("servers", ["10.0.0.1", "10.0.0.2"], "array")
        classes = (replace(ZK.classes[0], overrides=(ring, ZK.classes[0].overrides[1])),)
        changed = with_group(SCOPE, "zk", parameters=(ring, ZK.parameters[1]), classes=classes)
        assert [str(change) for change in await made(lab, changed, memory)] == [
            f"update hostgroup_parameter {LEAF} servers",
            f"update hostgroup_parameter {STAGING} servers",
            f"update override_value zookeeper::servers hostgroup={LEAF}",
        ]

    story(tell)


def test_a_new_secret_is_written_though_foreman_shows_none() -> None:
    async def tell(lab: Lab, memory: Memory) -> None:
        await made(lab, SCOPE, memory)
        other = tuple(
            bound("login", "other-secret", secret=True) if item.name == "login" else item for item in BASE.parameters
        )
        written = await made(lab, with_group(SCOPE, "base", parameters=other), memory)
        assert {str(change) for change in written} == {
            f"update hostgroup_parameter {TOP} login",
            f"update hostgroup_parameter {STAGING} login",
        }
        assert [row["value"] for row in lab.rows("parameters") if row["name"] == "login"] == ["other-secret"] * 2

    story(tell)


def test_a_key_that_is_on_is_shared_and_not_touched() -> None:
    async def tell(lab: Lab, memory: Memory) -> None:
        await made(lab, SCOPE, memory)
        later = replace(SCOPE, hosts=(host(1, overrides=(("zookeeper", bound("id", 5, "integer")),)),))
        assert await made(lab, later, memory) == []

    story(tell)


def test_no_change_shows_a_secret_and_all_of_them_are_sent() -> None:
    async def tell(lab: Lab, memory: Memory) -> None:
        written = await made(lab, SCOPE, memory)
        other = with_group(SCOPE, "base", parameters=(bound("login", CANARY + "!", secret=True),))
        written += await made(lab, other, memory)
        shown = " ".join([*map(repr, written), *map(str, written), *map(str, lab.entries), repr(memory)])
        assert CANARY not in shown
        assert CANARY in str([reveal(change.body) for change in written])

    story(tell)


def test_with_our_hostgroups_everything_in_them_goes() -> None:
    """What happens to each kind's object on delete: it goes with its hostgroup."""

    async def tell(lab: Lab, memory: Memory) -> None:
        before = {table: len(lab.rows(table)) for table in ("hostgroups", "parameters", "override_values")}
        await made(lab, SCOPE, memory)
        for title in (LEAF, STAGING, TOP):
            group = await lab.ask(HostgroupNamed(title))
            await lab.foreman.write(
                Change("delete", "hostgroup", title, address=(group.id,), guard=HostgroupById(group.id), guarded=group)
            )
        assert {table: len(lab.rows(table)) for table in before} == before
        for puppet_class in ("role_db", "zookeeper"):
            for key in (await lab.ask(ClassKeys(ENVIRONMENT, puppet_class))).values():
                assert await lab.ask(OverridesOf(key.id)) == {}

    story(tell)
