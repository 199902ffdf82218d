"""A decision over many hosts or hostgroups reads in as many rounds as one over few: rounds are waited for, and limited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from foreman_stacks.foreman import port
from foreman_stacks.foreman.port import Change, ClassKey, Parameter, Query, Snapshot
from foreman_stacks.model.identity import Mark
from foreman_stacks.model.progress import Creating, Progress, RoleProgress, Run, StepProgress, StepState
from foreman_stacks.plan.model import Plan
from foreman_stacks.reconcile import creation, lacking, placing, settled, steps
from foreman_stacks.reconcile.acting import decided
from foreman_stacks.reconcile.memory import Memory
from foreman_stacks.reconcile.world import Draft, World
from foreman_stacks.resources import KINDS
from foreman_stacks.settings import Settings
from tests.unit.foreman_stacks.made import IDENTITY, NOW, OUTER, a_plan, host_row, hostgroup, marked

KEYS = {
    name: ClassKey(number, "zookeeper", name, "string", override=True)
    for number, name in enumerate(("id", "client_ip", "servers", "install_java", "java_package"))
}
OURS: dict[str, Any] = {
    "parameters": (marked(Mark(str(IDENTITY), group="any")), Parameter("servers", [], "array")),
    "classes": frozenset({"zookeeper"}),
    "all_classes": frozenset({"zookeeper"}),
}


@dataclass
class Shown:
    """A Foreman with all hostgroups and hosts that anybody asks for, and without any value of a host.

    Outer hostgroups have their environment from an ancestor of their own; `made`: whether ours are there.
    """

    plan: Plan
    made: bool = True
    more: bool = False
    """Whether each of ours has a class of its own that it should not have."""
    rounds: int = 0
    _groups: dict[str, int] = field(default_factory=dict)

    async def read(self, queries: Iterable[Query[Any]]) -> Mapping[Query[Any], Any]:
        self.rounds += 1
        return {query: self._answer(query) for query in queries}

    def _answer(self, query: Query[Any]) -> Any:
        match query:
            case port.HostgroupNamed(title):
                number = self._groups.setdefault(title, len(self._groups) + 10)
                if "ops.ring" not in title:
                    return hostgroup(number, title, environment_id=None, environment=None, ancestors=(1000 + number,))
                ours = OURS | ({"classes": frozenset({title})} if self.more else {})
                return hostgroup(number, title, **ours) if self.made else None
            case port.HostgroupById(ident):
                return hostgroup(ident, "above")
            case port.HostNamed(name):
                role, index = name.partition(".")[0].rsplit("-", 2)[1:]
                return replace(host_row(int(index), role=role), parameters=None)
            case port.HostDetail(ident):
                return host_row(ident - 100)
            case port.ClassKeys():
                return KEYS
            case port.HostsWithEnvironment():
                roles = self.plan.roles
                return frozenset(f"{host.label}.example.com" for role in roles for host in role.hosts)
            case port.OverridesOf():
                return {}
            case port.OverrideOf():
                return None
        return self._failed(query)

    def _failed(self, query: Query[Any]) -> Any:
        """Every job has failed on every host."""
        match query:
            case port.JobCounts(job):
                return port.Job(job, "", "failed", 0, 1, pending=0, total=1, start_at=NOW, task="task")
            case port.JobHosts(_, result):
                roles = self.plan.roles if result == "failed" else ()
                return frozenset(f"{host.label}.example.com" for role in roles for host in role.hosts)
            case port.JobOutput():
                return "Error: no space left"
        return 1

    async def write(self, change: Change) -> Any:
        raise AssertionError(change)

    async def close(self) -> None:
        return


def parents(groups: int) -> list[dict[str, Any]]:
    """An outer hostgroup for each of them."""
    return [{"name": f"g{number}", "parent": f"{OUTER} {number}"} for number in range(1, groups)]


def many(groups: int, *, own_steps: bool = False) -> Callable[[dict[str, Any]], None]:
    """The ZooKeeper Stack with so many hostgroups like its own, each with a role of its own, and maybe a step."""

    def change(spec: dict[str, Any]) -> None:
        (group,), (role,) = spec["hostgroups"], spec["roles"]
        role["count"].update(min=1, max=100)
        role["parameters"] = [{"name": "rack", "expression": "string(host.index)"}]
        spec["hostgroups"] += [{**group, "name": f"g{number}"} for number in range(1, groups)]
        for number in range(1, groups):
            spec["roles"].append({**role, "name": f"r{number}", "hostgroup": f"g{number}"})
        if own_steps:
            spec["steps"] = [{"name": role["name"], "puppetRun": {"roles": [role["name"]]}} for role in spec["roles"]]

    return change


def world_of(plan: Plan, progress: Progress, seen: Snapshot, memory: Memory) -> World:
    known: dict[str, Any] = {"plan": plan, "progress": progress, "url": "", "key": b"k"}
    return World(seen, memory, Settings(), NOW, **known)


def rounds(
    plan: Plan, progress: Progress, decide: Callable[[World, Draft], object], *, made: bool = True, more: bool = False
) -> tuple[int, Draft]:
    """How many rounds of reading a decision of a process that knows nothing takes, and what it says."""
    foreman, memory = Shown(plan, made, more), Memory(NOW)

    def decision(seen: Snapshot) -> Draft:
        draft = Draft(progress)
        decide(world_of(plan, progress, seen, memory), draft)
        return draft

    draft = asyncio.run(decided(decision, foreman, memory, {}))
    return foreman.rounds, draft


def progress_of(plan: Plan, role: Callable[[frozenset[int]], RoleProgress]) -> Progress:
    """All hosts of each role as far as this."""
    roles = {found.name: role(frozenset(host.ref.index for host in found.hosts)) for found in plan.roles}
    return Progress(plan=plan.id, roles=roles)


def test_the_own_values_of_a_hundred_hosts_in_two_groups_are_read_together() -> None:
    def place(world: World, draft: Draft) -> None:
        placing.place(world, world.scope(), world.progress.built(), draft)

    found = {}
    for count in (2, 50):
        plan = a_plan(count, many(2))
        found[count], draft = rounds(
            plan, progress_of(plan, lambda all_: RoleProgress(created=all_, built=all_)), place
        )
        updates = [change for wave in draft.waves for change in wave if change.resource == "host"]
        assert len(updates) == 2 * count, "nothing is known of their values: they are all written"
    assert found[50] == found[2]


def test_hosts_that_were_posted_before_a_restart_are_looked_up_together() -> None:
    def create(world: World, draft: Draft) -> None:
        creation.create(world, world.scope(), draft)

    found = {}
    for count in (2, 30):
        plan = a_plan(count, many(1))
        intended = progress_of(plan, lambda all_: RoleProgress(creating=Creating(all_, NOW)))
        found[count], draft = rounds(plan, intended, create)
        assert len(draft.progress.created()) == count
    assert found[30] == found[2]


@pytest.mark.parametrize("made", [True, False])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_of_resource_asks_for_all_its_hostgroups_together(kind: Any, made: bool) -> None:
    def configure(world: World, draft: Draft) -> None:
        wanted = kind.wanted(world.scope())
        world.seen.need(kind.queries(wanted))
        kind.changes(wanted, world.seen)

    found = {}
    for groups in (2, 30):
        plan = a_plan(1, many(groups), hostgroups=parents(groups))
        found[groups], _ = rounds(plan, Progress(), configure, made=made, more=True)
    assert found[30] == found[2]


def test_jobs_of_many_steps_that_end_while_nobody_looks_are_judged_together() -> None:
    """After a restart nothing of them is known; a role may have a step of its own."""

    def follow(world: World, draft: Draft) -> None:
        steps.run_steps(world, world.scope(), draft, frozenset())

    found = {}
    for groups in (2, 30):
        plan = a_plan(1, many(groups, own_steps=True), hostgroups=parents(groups))
        progress = progress_of(plan, lambda all_: RoleProgress(created=all_, built=all_, configured=all_))
        for job, role in enumerate(plan.roles, 1):
            run = Run(f"t{job}", {role.hosts[0].ref: "d"}, baseline=1, since=NOW, job=job)
            progress = progress.with_step(StepProgress(role.name, StepState.RUNNING, attempt=1, run=run))
        found[groups], draft = rounds(plan, progress, follow)
        told = [draft.progress.step(role.name).message for role in plan.roles]
        assert len(told) == groups
        assert all("no space left" in message for message in told)
    assert found[30] == found[2]


def test_what_foreman_lacks_is_asked_for_all_hostgroups_together() -> None:
    def look(world: World, _: Draft) -> None:
        problems = lacking.lacking(world, world.scope(), ())
        assert all("on the whole server" in problem.what for problem in problems), "all is there, to the last key"

    found = {}
    for groups in (2, 30):
        found[groups], _ = rounds(a_plan(1, many(groups), hostgroups=parents(groups)), Progress(), look)
    assert found[30] == found[2]


def test_a_look_at_drift_asks_for_all_hostgroups_together() -> None:
    def look(world: World, _: Draft) -> None:
        assert all("value" in line for line in settled.drift(world)), "all is looked at, to the values"

    found = {}
    for groups in (2, 30):
        plan = a_plan(1, many(groups), hostgroups=parents(groups))
        there = progress_of(plan, lambda all_: RoleProgress(created=all_, built=all_, configured=all_))
        found[groups], _ = rounds(plan, there, look)
    assert found[30] == found[2]
