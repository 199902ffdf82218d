"""What is written when, behind which guard, and what an error shows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from foreman_stacks.errors import ForemanError, ForemanNotFound, ForemanRefused, ForemanStale
from foreman_stacks.foreman.adapter import RESERVED, ForemanAdapter
from foreman_stacks.foreman.client import ForemanClient
from foreman_stacks.foreman.port import (
    Change,
    HostDetail,
    ServerVersion,
    VmPresent,
)
from foreman_stacks.metrics import Metrics
from foreman_stacks.model.identity import Mark
from foreman_stacks.model.journal import Entry
from foreman_stacks.model.values import Secret
from tests.unit.foreman_stacks.foreman.groups import a_group, a_host
from tests.unit.foreman_stacks.lab import OUTER, Lab, in_lab
from tests.unit.foreman_stacks.made import IDENTITY

CANARY = "canary-in-the-mine"
AWAY = {"error": {"message": "Failed to connect to libvirt"}}


def test_every_write_is_told_before_and_after() -> None:
    async def story(lab: Lab) -> None:
        await a_group(lab)
        assert list(map(str, lab.entries)) == [
            f"before foreman create hostgroup {OUTER}/g",
            f"after foreman create hostgroup {OUTER}/g",
        ]
        lab.forget()
        with pytest.raises(ForemanRefused):
            await a_group(lab)
        assert [entry.moment for entry in lab.entries] == ["before", "failed"]

    in_lab(story)


def test_what_is_gone_already_is_well_for_a_delete_and_an_error_for_an_update() -> None:
    async def story(lab: Lab) -> None:
        assert await lab.foreman.write(Change("delete", "host", "x", address=(999,))) is None
        with pytest.raises(ForemanNotFound):
            await lab.foreman.write(Change("update", "host", "x", {"comment": "y"}, (999,)))

    in_lab(story)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "renamed"},
        {"mark": None},
        {"mark": Mark("i/ops/other", role="zk", index=1)},
        {"mark": Mark(str(IDENTITY), "Adopted", role="zk", index=1)},
        {"uuid": "another-machine"},
        {"id": 999},
    ],
    ids=["name", "no mark", "another's mark", "adopted", "another machine", "another row"],
)
def test_a_guard_sees_whether_it_still_is_the_same_host(change: dict[str, Any]) -> None:
    async def story(lab: Lab) -> None:
        group = await a_group(lab)
        mark = Mark(str(IDENTITY), role="zk", index=1)
        row = await lab.ask(HostDetail((await a_host(lab, "h1", group, mark)).id))
        fields = dict(change)
        if "mark" in fields:
            other = fields.pop("mark")
            fields["parameters"] = tuple(
                replace(entry, value=str(other)) for entry in row.parameters if other is not None
            )
        guarded = replace(row, **fields)
        delete = Change("delete", "host", row.name, address=(row.id,), guard=HostDetail(row.id), guarded=guarded)
        lab.forget()
        with pytest.raises(ForemanStale):
            await lab.foreman.write(delete)
        assert lab.entries == [], "nothing was written, and nothing was said to be"
        await lab.foreman.write(replace(delete, guarded=row))
        assert await lab.ask(HostDetail(row.id)) is None
        assert await lab.foreman.write(replace(delete, guarded=row)) is None, "gone already"

    in_lab(story)


def adapter(
    answer: Callable[[httpx.Request], Any], entries: list[Entry], provisioning: int = 4, requests: int = 8
) -> ForemanAdapter:
    """The adapter on a server that answers just so."""

    async def note(entry: Entry) -> None:
        entries.append(entry)

    client = ForemanClient(
        "http://foreman",
        ("u", "p"),
        ca=None,
        requests=requests,
        lockout=1,
        metrics=Metrics(),
        patience=(30, 30),
        transport=httpx.MockTransport(answer),
    )
    return ForemanAdapter(client, note, provisioning)


@pytest.mark.parametrize("sent", [CANARY, f'["{CANARY}"]', f"line\n{CANARY}", f'"{CANARY}" \\ ü'])
@pytest.mark.parametrize("status", [404, 422, 500, 503])
def test_a_secret_that_foreman_repeats_is_blotted_out_wherever_it_is(sent: str, status: int) -> None:
    """As it is, and as JSON, Ruby and URLs write it."""

    def answer(request: httpx.Request) -> httpx.Response:
        told = [request.content.decode(), sent, quote(sent), json.dumps(sent)]
        return httpx.Response(status, json={"error": {"errors": {"value": told}, "full_messages": told}})

    async def story() -> None:
        entries: list[Entry] = []
        body = {"name": "x", "value": Secret(sent), "nested": [{"value": Secret([sent])}]}
        change = Change("create", "hostgroup_parameter", "g x", body, (1,))
        with pytest.raises(ForemanError) as caught:
            await adapter(answer, entries).write(change)
        error = caught.value
        assert CANARY not in f"{error!r} {error} {vars(error)} {entries} {change!r}"
        assert "***" in str(error)
        assert error.__cause__ is None
        assert error.__suppress_context__

    asyncio.run(story())


@pytest.mark.parametrize("requests, provisioning", [(8, 50), (8, 6), (3, 4)])
def test_slow_creations_of_hosts_leave_requests_to_others(requests: int, provisioning: int) -> None:
    release = asyncio.Event()
    begun = 0

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal begun
        if request.method == "GET":
            return httpx.Response(200, json={"version": "3.12.0"})
        begun += 1
        await release.wait()
        return httpx.Response(201, json={"id": 1, "name": "h"})

    async def story() -> None:
        ours = adapter(answer, [], provisioning=provisioning, requests=requests)
        hosts = [Change("create", "host", f"h{number}", {"name": "h"}, intent=True) for number in range(2 * requests)]
        slow = asyncio.gather(*map(ours.write, hosts))
        before = -1
        while before != begun or not begun:
            before = begun
            await asyncio.sleep(0.01)
        assert begun == requests - RESERVED
        assert (await asyncio.wait_for(ours.read([ServerVersion()]), 5))[ServerVersion()] == "3.12.0"
        release.set()
        assert len(await asyncio.wait_for(slow, 5)) == len(hosts)

    asyncio.run(story())


@pytest.mark.parametrize("requests", [1, 2])
def test_hosts_are_made_however_few_requests_there_may_be(requests: int) -> None:
    async def story() -> None:
        ours = adapter(lambda _: httpx.Response(201, json={"id": 1, "name": "h"}), [], requests=requests)
        change = Change("create", "host", "h", {"name": "h"}, intent=True)
        assert await asyncio.wait_for(ours.write(change), 5) is not None

    asyncio.run(story())


def test_no_more_hosts_are_made_at_once_than_the_server_allows() -> None:
    now = most = 0

    async def answer(_: httpx.Request) -> httpx.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        return httpx.Response(201, json={"id": 1, "name": "h"})

    async def story() -> None:
        ours = adapter(answer, [], provisioning=2)
        hosts = [Change("create", "host", f"h{number}", {"name": "h"}, intent=True) for number in range(6)]
        await asyncio.gather(*map(ours.write, hosts))

    asyncio.run(story())
    assert most == 2


def test_a_machine_goes_without_its_host_and_the_other_way_round() -> None:
    async def story(lab: Lab) -> None:
        group = await a_group(lab)
        row = await a_host(lab, "h1", group)
        assert row.uuid is not None
        machine = VmPresent(row.compute_resource_id or 0, row.uuid)
        assert await lab.ask(machine) is True
        await lab.foreman.write(Change("delete", "host", row.name, address=(row.id,)))
        assert await lab.ask(machine) is True, "a machine outlives its host"
        await lab.foreman.write(Change("delete", "vm", row.name, address=(row.compute_resource_id or 0, row.uuid)))
        assert await lab.ask(machine) is False

    in_lab(story)


def test_a_machine_whose_provider_cannot_be_asked_is_not_taken_for_gone() -> None:
    """A missing machine and a provider that is away are the same 500 (foreman-api §5.2)."""

    async def story(lab: Lab) -> None:
        row = await a_host(lab, "h1", await a_group(lab))
        assert row.uuid is not None
        there, gone = (VmPresent(row.compute_resource_id or 0, uuid) for uuid in (row.uuid, "no-such-machine"))
        vms = f"/api/v2/compute_resources/{row.compute_resource_id}/available_virtual_machines"
        lab.world.faults.add({"kind": "status", "method": "GET", "path": f"{vms}*", "status": 500, "body": AWAY})
        for machine in (there, gone):
            with pytest.raises(ForemanRefused, match=r"500 .*libvirt"):
                await lab.ask(machine)
        lab.world.faults.clear()
        lab.world.faults.add({"kind": "status", "method": "GET", "path": f"{vms}/*", "status": 500, "body": AWAY})
        assert await lab.ask(there) is True, "the list has it"
        assert await lab.ask(gone) is False
        lab.world.faults.clear()
        lab.world.faults.add({"kind": "status", "method": "GET", "path": vms, "status": 500, "body": AWAY})
        assert await lab.ask(there) is True, "nobody needs the list"

    in_lab(story)
