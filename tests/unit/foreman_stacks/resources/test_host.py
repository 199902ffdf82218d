"""A host: one POST with all that is known, the rest in one PUT, moved by its id."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from foreman_stacks.foreman.port import (
    Change,
    ClassKeys,
    HostDetail,
    HostgroupNamed,
    OverrideOf,
    Query,
    Snapshot,
)
from foreman_stacks.model.scope import Scope
from foreman_stacks.reconcile.acting import do
from foreman_stacks.reconcile.memory import Memory
from foreman_stacks.resources import host as hosts
from tests.unit.foreman_stacks.lab import ENVIRONMENT, Lab
from tests.unit.foreman_stacks.made import NOW
from tests.unit.foreman_stacks.resources.making import made, story
from tests.unit.foreman_stacks.resources.scopes import (
    CANARY,
    LEAF,
    SCOPE,
    STAGING,
    bound,
    host,
)


async def created(lab: Lab, scope: Scope, memory: Memory) -> list[Any]:
    """Hostgroups, then all hosts of the scope; their rows."""
    await made(lab, scope, memory)
    rows = []
    for item in scope.hosts:
        known: dict[Query[Any], Any] = dict(memory.kept)
        known |= await lab.foreman.read(hosts.queries([item.source], scope.organization, scope.location))
        staging = await lab.ask(HostgroupNamed(STAGING))
        change = await lab.decided(partial(hosts.create, item, scope, staging), known)
        await do([[change]], lab.foreman, memory, lambda: NOW)
        rows.append(memory.kept[change.answers])
    return rows


def test_a_host_is_complete_marked_and_has_its_values_after_one_post() -> None:
    async def tell(lab: Lab, memory: Memory) -> None:
        scope = replace(SCOPE, hosts=(host(1), host(2, parameters=(bound("rack", CANARY, secret=True),))))
        first, second = await created(lab, scope, memory)
        assert first.complete
        assert str(first.mark) == "v1 i/ops/ring Created role=zk index=1 source=lab"
        key = (await lab.ask(ClassKeys(ENVIRONMENT, "zookeeper")))["id"]
        assert (await lab.ask(OverrideOf(key.id, f"fqdn={first.name}"))).value == "1"
        detail = await lab.ask(HostDetail(first.id))
        assert {entry.name: entry.value for entry in detail.parameters}["rack"] == "r1"
        lab.forget()
        for item, row in zip(scope.hosts, (first, second), strict=True):
            left = await lab.decided(partial(hosts.remaining, item, row, ENVIRONMENT, ()), dict(memory.kept))
            assert left == []
        assert lab.requests == {}, "what was sent is known, hidden values too"

    story(tell)


def test_values_that_needed_the_address_follow_in_one_put_for_each_host() -> None:
    async def tell(lab: Lab, memory: Memory) -> None:
        waiting = host(1, pending=frozenset({"zookeeper::client_ip", "zookeeper::user", "rack"}), parameters=())
        scope = replace(SCOPE, hosts=(waiting,))
        for name in ("client_ip", "user"):
            row = next(item for item in lab.rows("class_parameters") if item["parameter"] == name)
            await lab.foreman.write(Change("update", "class_key", name, {"override": True, "omit": True}, (row["id"],)))
        (row,) = await created(lab, scope, memory)
        values = (("zookeeper", bound("client_ip", row.ip)), ("zookeeper", bound("user", "zk")))
        known = host(1, overrides=(*host(1).overrides, *values), parameters=(bound("rack", "r9"),))
        lab.forget()
        left = await lab.decided(partial(hosts.remaining, known, row, ENVIRONMENT, ()), dict(memory.kept))
        assert [str(change) for change in left] == [
            f"update host {row.name}",
            f"create host_parameter {row.name} rack",
        ]
        assert lab.requests == {}, "a new host has no values but ours"
        await do([left], lab.foreman, memory, lambda: NOW)
        detail = await lab.ask(HostDetail(row.id))
        assert detail.mark == row.mark, "the mark is still there"
        after = await lab.decided(partial(hosts.remaining, known, detail, ENVIRONMENT, ()))
        assert after == [], "read again, it is as wanted"

    story(tell)


def test_hosts_are_moved_by_ids_and_their_environment_goes_with_them() -> None:
    async def tell(lab: Lab, memory: Memory) -> None:
        rows = await created(lab, SCOPE, memory)
        leaf = await lab.ask(HostgroupNamed(LEAF))
        change = await lab.decided(partial(hosts.move, rows, leaf, SCOPE), dict(memory.kept))
        assert change.body["included"] == {"ids": [row.id for row in rows]}
        await lab.foreman.write(change)
        details = [await lab.ask(HostDetail(row.id)) for row in rows]
        assert {(row.hostgroup_id, row.environment) for row in details} == {(leaf.id, ENVIRONMENT)}

    story(tell)


def test_a_bulk_move_without_ids_would_move_every_host_and_is_a_defect() -> None:
    with pytest.raises(AssertionError):
        hosts.move([], None, SCOPE, Snapshot({}))  # type: ignore[arg-type]  # it does not come to that


def test_a_host_is_made_by_its_profile_and_by_attributes_that_differ_from_it() -> None:
    async def tell(lab: Lab, memory: Memory) -> None:
        source = replace(host(1).source, profile="2-Medium", attributes={"cpus": 3})
        await created(lab, replace(SCOPE, hosts=(host(1, source=source), host(2))), memory)
        profiles = {row["id"]: row["name"] for row in lab.rows("compute_profiles")}
        assert [profiles[row["compute_profile_id"]] for row in lab.rows("hosts")] == ["2-Medium", "1-Small"]
        machines = [(vm["attrs"]["cpus"], vm["attrs"]["memory"]) for vm in lab.world.vms.values()]
        assert machines == [(3, str(4 * 1024**3)), ("1", str(1024**3))]

    story(tell)


def test_an_image_is_built_with_its_user_data() -> None:
    async def tell(lab: Lab, memory: Memory) -> None:
        source = replace(host(1).source, compute_resource="cloud-test", image="debian-12-cloud-init")
        scope = replace(SCOPE, hosts=(host(1, source=source),))
        await created(lab, scope, memory)
        (row,) = lab.rows("hosts")
        assert row["provision_method"] == "image"

    story(tell)
