"""The adapter on a simulated Foreman: what is asked in how many requests, and what is written when."""

from __future__ import annotations

import asyncio
from typing import Any

from foreman_stacks.foreman.port import (
    Change,
    ClassKeys,
    ClassNamed,
    ComputeProfileNamed,
    ComputeResourceNamed,
    EnvironmentNamed,
    HostDetail,
    HostgroupById,
    HostgroupNamed,
    HostNamed,
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
from foreman_stacks.model.identity import Identity, Mark
from tests.unit.foreman_stacks.foreman.groups import a_group, a_host
from tests.unit.foreman_stacks.lab import ENVIRONMENT, OUTER, Lab, in_lab
from tests.unit.foreman_stacks.made import IDENTITY

CANARY = "canary-in-the-mine"


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


def test_many_values_of_one_class_parameter_are_read_as_one_list_and_few_one_by_one() -> None:
    async def story(lab: Lab) -> None:
        group = await a_group(lab)
        keys = await lab.ask(ClassKeys(ENVIRONMENT, "zookeeper"))
        one, other = keys["id"].id, keys["client_ip"].id
        names = [(await a_host(lab, f"h{number}", group)).name for number in range(5)]
        for name in names[1:]:
            body = {"match": f"fqdn={name}", "value": name}
            await lab.foreman.write(Change("create", "override_value", name, body, (one,)))
        alone = [await lab.ask(OverrideOf(one, f"fqdn={name}")) for name in names]
        assert [value and value.value for value in alone] == [None, *names[1:]]
        lab.forget()
        many: list[Query[Any]] = [OverrideOf(one, f"fqdn={name}") for name in names]
        found = await lab.foreman.read([*many, OverrideOf(other, f"fqdn={names[0]}")])
        assert [found[query] for query in many] == alone
        assert found[OverrideOf(other, f"fqdn={names[0]}")] is None
        path = "GET /foreman_puppet/api/smart_class_parameters/:key/override_values"
        assert lab.requests == {path: 1, f"{path}/:id": 1}

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
