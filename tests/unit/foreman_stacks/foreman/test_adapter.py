"""The adapter on a simulated Foreman: what is asked in how many requests, and what is written when."""

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
from foreman_stacks.foreman.adapter import ForemanAdapter
from foreman_stacks.foreman.client import ForemanClient
from foreman_stacks.foreman.port import (
    Change,
    ClassKeys,
    ClassNamed,
    ComputeProfileNamed,
    ComputeResourceNamed,
    EnvironmentNamed,
    HostDetail,
    Hostgroup,
    HostgroupById,
    HostgroupNamed,
    HostNamed,
    HostRow,
    HostsIn,
    HostsOf,
    HostTaken,
    ImagesOf,
    JobCounts,
    JobHosts,
    JobOutput,
    JobWithToken,
    MarkedHostgroups,
    MarkedHosts,
    NewestReport,
    OverrideOf,
    Query,
    ReportsSince,
    TaxonomyNamed,
    VmPresent,
)
from foreman_stacks.metrics import Metrics
from foreman_stacks.model.identity import MARK_PARAMETER, Identity, Mark
from foreman_stacks.model.journal import Entry
from foreman_stacks.model.values import Secret
from tests.unit.foreman_stacks.lab import ENVIRONMENT, OUTER, Lab, in_lab
from tests.unit.foreman_stacks.made import IDENTITY

CANARY = "canary-in-the-mine"


async def a_group(lab: Lab, name: str = "g", mark: str | None = str(Mark(str(IDENTITY), group="g"))) -> Hostgroup:
    """A hostgroup below the lab's."""
    outer = await lab.ask(HostgroupNamed(OUTER))
    own = [{"name": MARK_PARAMETER, "value": mark, "parameter_type": "string"}] if mark else []
    body = {
        "name": name,
        "parent_id": outer.id,
        "puppet_attributes": {"environment_id": 1},
        "group_parameters_attributes": own,
    }
    made: Hostgroup = await lab.foreman.write(Change("create", "hostgroup", f"{OUTER}/{name}", body))
    return made


async def a_host(lab: Lab, name: str, group: Hostgroup, mark: Mark | None = None) -> HostRow:
    own = [{"name": MARK_PARAMETER, "value": str(mark), "parameter_type": "string"}] if mark else []
    body = {
        "name": name,
        "hostgroup_id": group.id,
        "build": True,
        "organization_id": 1,
        "location_id": 2,
        "compute_attributes": {"start": "1"},
        "host_parameters_attributes": own,
    }
    made: HostRow = await lab.foreman.write(Change("create", "host", f"{name}.lab.example.com", body, intent=True))
    return made


# --- reading ---------------------------------------------------------------------------------------------------------


def test_what_is_not_there_is_none() -> None:
    async def story(lab: Lab) -> None:
        nothing: list[Query[Any]] = [
            TaxonomyNamed("organizations", "nobody"),
            HostgroupNamed("Base/nothing"),
            HostgroupById(999),
            EnvironmentNamed("mars"),
            ClassNamed(ENVIRONMENT, "nothing"),
            OverrideOf(1, "fqdn=nobody"),
            ComputeResourceNamed("cloud nine"),
            ComputeProfileNamed("9-Huge"),
            HostTaken("nobody.lab.example.com"),
            HostNamed("nobody.lab.example.com"),
            HostDetail(999),
            JobCounts(999),
            JobWithToken("nothing"),
        ]
        found = await lab.foreman.read(nothing)
        assert set(found.values()) == {None}
        assert await lab.ask(NewestReport()) == 0
        assert await lab.ask(ReportsSince(999, 0)) == ()
        assert await lab.ask(MarkedHosts(IDENTITY)) == ()
        assert await lab.ask(HostsIn(999)) == frozenset()
        assert await lab.ask(VmPresent(1, "no-such-machine")) is False

    in_lab(story)


def test_names_are_compared_as_they_are_not_as_searches_find_them() -> None:
    async def story(lab: Lab) -> None:
        for title in ("base/debian 12", 'Base" or title ~ "', "Base/Debian", "Base\\"):
            assert await lab.ask(HostgroupNamed(title)) is None
        assert (await lab.ask(HostgroupNamed(OUTER))).title == OUTER

    in_lab(story)


def test_equal_kinds_of_question_share_a_request() -> None:
    async def story(lab: Lab) -> None:
        group = await a_group(lab)
        names = [(await a_host(lab, f"h{number}", group)).name for number in range(3)]
        lab.forget()
        found = await lab.foreman.read([HostNamed(name) for name in [*names, "nobody.lab.example.com"]])
        assert [found[HostNamed(name)].name for name in names] == names
        assert found[HostNamed("nobody.lab.example.com")] is None
        assert lab.requests == {"GET /api/v2/hosts": 1}
        lab.forget()
        await lab.foreman.read(
            [*(HostTaken(name) for name in names), *(HostTaken(f"free{number}") for number in range(50))]
        )
        await lab.foreman.read([ClassNamed(ENVIRONMENT, name) for name in ("zookeeper", "role_db", "role_app")])
        await lab.foreman.read([HostsIn(number, "built") for number in range(1, 60)])
        assert sum(lab.requests.values()) == 3
        lab.forget()
        await lab.foreman.read([HostgroupNamed(OUTER)] * 5)
        assert sum(lab.requests.values()) == 2, (
            "one search for the id, one for the group; the same question is asked once"
        )

    in_lab(story)


def test_a_thousand_names_fit_into_the_servers_query_strings() -> None:
    async def story(lab: Lab) -> None:
        group = await a_group(lab)
        name = (await a_host(lab, "x" * 60, group)).name
        many = [HostTaken(f"{number:04}{name}") for number in range(1000)]
        found = await lab.foreman.read([*many, HostTaken(name)])
        assert [query for query in found if found[query] is not None] == [HostTaken(name)]

    in_lab(story)


def test_the_hosts_of_one_group_are_told_from_those_of_others() -> None:
    async def story(lab: Lab) -> None:
        one, two = await a_group(lab, "one"), await a_group(lab, "two")
        await a_host(lab, "h1", one)
        found = await lab.foreman.read([HostsOf(one.id), HostsOf(two.id)])
        assert found == {HostsOf(one.id): {"h1.lab.example.com"}, HostsOf(two.id): frozenset()}

    in_lab(story)


def test_marks_of_hosts_are_their_own_and_those_of_groups_are_inherited() -> None:
    async def story(lab: Lab) -> None:
        group = await a_group(lab)
        ours = await a_host(lab, "ours", group, Mark(str(IDENTITY), role="zk", index=1, source="lab"))
        await a_host(lab, "stranger", group)
        await a_host(lab, "other", group, Mark("i/ops/ring2", role="zk", index=1))
        assert [host.id for host in await lab.ask(MarkedHosts(IDENTITY))] == [ours.id]
        assert [host.name for host in await lab.ask(MarkedHosts(Identity("i", "ops", "ring2")))] == [
            "other.lab.example.com"
        ]
        found = await lab.ask(MarkedHostgroups(IDENTITY))
        assert [(row.id, row.mark) for row in found] == [(group.id, Mark(str(IDENTITY), group="g"))]

    in_lab(story)


def test_images_profiles_and_keys() -> None:
    async def story(lab: Lab) -> None:
        resource = await lab.ask(ComputeResourceNamed("cloud-test"))
        images = await lab.ask(ImagesOf(resource.id))
        assert {image.name: image.user_data for image in images} == {
            "debian-12-cloud-init": True,
            "debian-12-ssh": False,
        }
        small, large = await lab.ask(ComputeProfileNamed("1-Small")), await lab.ask(ComputeProfileNamed("3-Large"))
        assert resource.id in small.compute_resources
        assert large.compute_resources == frozenset()
        keys = await lab.ask(ClassKeys(ENVIRONMENT, "zookeeper"))
        assert {"id", "client_ip", "servers"} <= keys.keys()
        assert not keys["id"].override

    in_lab(story)


def test_a_job_is_found_by_its_token_and_its_hosts_by_their_results() -> None:
    async def story(lab: Lab) -> None:
        lab.plant("hosts", name="ready.lab.example.com", machine="none", ip="198.18.9.9")
        row = await lab.ask(HostNamed("ready.lab.example.com"))
        body = {
            "feature": "run_script",
            "inputs": {"command": "exit 3"},
            "host_ids": [row.id],
            "description_format": "ops/ring t0ken",
        }
        made = await lab.foreman.write(Change("start", "job", "t0ken", body, intent=True))
        assert (await lab.ask(JobWithToken("t0ken"))).id == made.id
        while not (await lab.ask(JobCounts(made.id))).ended:
            lab.world.clock.advance(5)
            await asyncio.sleep(0.01)
        answers = await lab.foreman.read([JobHosts(made.id, result) for result in ("success", "failed", "cancelled")])
        assert [len(answers[JobHosts(made.id, result)]) for result in ("success", "failed", "cancelled")] == [0, 1, 0]
        assert "Exit status: 3" in await lab.ask(JobOutput(made.id, row.id))

    in_lab(story)


# --- writing ---------------------------------------------------------------------------------------------------------


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


def adapter(answer: Callable[[httpx.Request], Any], entries: list[Entry], provisioning: int = 4) -> ForemanAdapter:
    """The adapter on a server that answers just so."""

    async def note(entry: Entry) -> None:
        entries.append(entry)

    client = ForemanClient(
        "http://foreman",
        ("u", "p"),
        ca=None,
        requests=8,
        lockout=1,
        metrics=Metrics(),
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
