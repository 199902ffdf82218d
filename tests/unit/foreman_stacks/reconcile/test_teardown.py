"""The end under `Delete`: exactly what bears our own mark `Created`, machines before hosts, children before parents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from foreman_stacks.foreman.port import (
    HostDetail,
    Hostgroup,
    HostRow,
    HostsOf,
    JobCounts,
    JobWithToken,
    MarkedHostgroups,
    MarkedHosts,
    Query,
    Snapshot,
    ThinHost,
    Unread,
    VmPresent,
)
from foreman_stacks.model.identity import Mark
from foreman_stacks.model.progress import Creating, Progress, RoleProgress, Run, StepProgress, StepState
from foreman_stacks.reconcile import teardown
from foreman_stacks.reconcile.memory import Memory
from foreman_stacks.reconcile.world import Draft, Moment
from foreman_stacks.settings import Settings
from tests.unit.foreman_stacks.made import IDENTITY, NOW, host_row, hostgroup, later, marked, refs
from tests.unit.foreman_stacks.steps.looks import JOB, TOKEN, a_job

CREATED = Mark(str(IDENTITY), group="g")


def group(number: int, title: str, mark: Mark | None = CREATED, above: tuple[int, ...] = (1,)) -> Hostgroup:
    own = () if mark is None else (marked(mark),)
    return hostgroup(number, title, parameters=own, ancestors=above)


def foreman(hosts: tuple[HostRow, ...] = (), groups: tuple[Hostgroup, ...] = (), **used: Any) -> dict[Query[Any], Any]:
    """What Foreman shows of this identity; `used` has hosts of others by the id of their hostgroup, as `g11`."""
    answers: dict[Query[Any], Any] = {
        MarkedHosts(IDENTITY): tuple(ThinHost(row.id, row.name) for row in hosts),
        MarkedHostgroups(IDENTITY): groups,
    }
    answers |= {HostDetail(row.id): row for row in hosts}
    answers |= {VmPresent(row.compute_resource_id or 0, row.uuid or ""): True for row in hosts}
    return answers | {HostsOf(item.id): used.get(f"g{item.id}", frozenset()) for item in groups}


def end(seen: dict[Query[Any], Any], progress: Progress | None = None, seconds: float = 0, **fields: Any) -> Draft:
    memory = fields.pop("memory", Memory(NOW))
    at = Moment(Snapshot(seen), memory, Settings(host_create_timeout=300), later(seconds))
    return teardown.delete(progress or Progress(), IDENTITY, at, paused=fields.get("paused", False))


def waves(draft: Draft) -> list[list[str]]:
    return [[str(change) for change in wave] for wave in draft.waves]


def test_machines_go_first_then_their_hosts_each_behind_a_guard() -> None:
    draft = end(foreman((host_row(1), host_row(2)), (group(11, "B/g"),)))
    names = ["ring-zk-1.example.com", "ring-zk-2.example.com"]
    assert waves(draft) == [
        [f"delete vm {name} vm-{index}" for index, name in enumerate(names, 1)],
        [f"delete host {name}" for name in names],
    ]
    for change in (change for wave in draft.waves for change in wave):
        assert isinstance(change.guarded, HostRow)
        assert change.guard == HostDetail(change.guarded.id)


@pytest.mark.parametrize(
    "mark",
    [
        None,
        Mark(str(IDENTITY), "Adopted", role="zk", index=1),
        Mark("i/ops/ring2", role="zk", index=1),
    ],
    ids=["no mark of its own", "adopted", "another's"],
)
def test_a_host_without_our_own_mark_created_stays(mark: Mark | None) -> None:
    row = host_row(1, parameters=() if mark is None else (marked(mark),))
    assert end(foreman((row,))).idle


def test_a_host_without_a_machine_is_just_a_row() -> None:
    row = host_row(1, uuid=None, ip=None)
    assert waves(end(foreman((row,)))) == [["delete host ring-zk-1.example.com"]]


def test_of_many_hosts_only_the_next_ones_are_read() -> None:
    many = tuple(host_row(index) for index in range(1, 1001))
    thin: dict[Query[Any], Any] = {MarkedHosts(IDENTITY): tuple(ThinHost(row.id, row.name) for row in many)}
    with pytest.raises(Unread) as unread:
        end(thin)
    assert set(unread.value.queries) == {HostDetail(row.id) for row in many[:4]}
    known = thin | {HostDetail(row.id): row for row in many[:4]}
    known |= {VmPresent(1, row.uuid or ""): True for row in many[:4]}
    assert [len(wave) for wave in waves(end(known))] == [4, 4]


def test_a_host_that_may_be_coming_is_looked_for_among_the_newest() -> None:
    many = tuple(host_row(index) for index in range(1, 1001))
    thin: dict[Query[Any], Any] = {MarkedHosts(IDENTITY): tuple(ThinHost(row.id, row.name) for row in many)}
    coming = Progress(plan="p", roles={"zk": RoleProgress(frozenset(range(1, 1000)), Creating(frozenset({1000}), NOW))})
    with pytest.raises(Unread) as unread:
        end(thin, coming)
    assert set(unread.value.queries) == {HostDetail(row.id) for row in many[-5:]}
    details = {HostDetail(row.id): row for row in (*many[:4], *many[-5:])}
    machines = {VmPresent(1, row.uuid or ""): True for row in many[:4]}
    memory = Memory(NOW, accepted={"p"})
    assert waves(end(thin | details | machines, coming, memory=memory)), "it is there: nothing is waited for"
    gone: dict[Query[Any], Any] = dict.fromkeys((HostDetail(row.id) for row in many[-5:]), None)
    assert waves(end(thin | gone, coming)) == []


def test_hosts_of_others_that_come_first_do_not_hide_ours() -> None:
    adopted = Mark(str(IDENTITY), "Adopted", role="zk", index=1)
    others = [host_row(index, parameters=(marked(adopted),)) for index in range(1, 40)]
    assert waves(end(foreman((*others, host_row(40)))))[1] == ["delete host ring-zk-40.example.com"]


def test_hostgroups_go_when_no_host_of_ours_is_left_children_before_parents() -> None:
    groups = (
        group(11, "B/g"),
        group(12, "B/g/c", above=(1, 11)),
        group(13, "B/s", Mark(str(IDENTITY), group="g", staging=True)),
    )
    assert waves(end(foreman(groups=groups))) == [["delete hostgroup B/g/c", "delete hostgroup B/s"]]
    assert waves(end(foreman(groups=groups[:1]))) == [["delete hostgroup B/g"]]


@pytest.mark.parametrize(
    "mark",
    [None, Mark("i/ops/ring2", group="g"), Mark(str(IDENTITY), "Adopted", group="g")],
    ids=["none", "other", "adopted"],
)
def test_a_hostgroup_that_is_not_our_own_stays_though_it_inherits_our_mark(mark: Mark | None) -> None:
    assert end(foreman(groups=(group(11, "B/g", mark),))).idle


def test_a_hostgroup_with_hosts_of_others_stays_with_what_is_above_it_and_the_rest_goes() -> None:
    groups = (group(11, "B/g"), group(12, "B/g/c", above=(1, 11)), group(13, "B/s"))
    draft = end(foreman(groups=groups, g12=frozenset({"stranger"})))
    assert waves(draft) == [["delete hostgroup B/s"]]
    assert ["B/g/c" in note for note in draft.notes] == [True]
    assert end(foreman(groups=groups[:2], g12=frozenset({"stranger"}))).idle, "then nothing is left to do"


def running(job: int | None = JOB) -> Progress:
    run = Run(TOKEN, dict.fromkeys(refs(1), "d"), 0, NOW, job=job)
    return Progress(steps={"first": StepProgress("first", state=StepState.RUNNING, run=run)})


def test_a_job_under_way_is_cancelled_once_and_waited_for_before_anything_goes() -> None:
    seen = foreman((host_row(1),)) | {JobCounts(JOB): a_job()}
    draft = end(seen, running())
    assert waves(draft) == [[f"cancel job {JOB}"]]
    memory = Memory(NOW)
    memory.sending(draft.waves[0][0], NOW)
    again = end(seen, running(), memory=memory)
    assert again.waves == []
    assert again.waits
    assert waves(end(seen | {JobCounts(JOB): a_job("cancelled")}, running()))[0][0].startswith("delete vm")


@pytest.mark.parametrize("seconds, gives_up", [(899, False), (900, True)])
def test_a_job_that_no_cancelling_ends_is_given_up_in_the_end(seconds: float, gives_up: bool) -> None:
    seen, memory = foreman((host_row(1),)) | {JobCounts(JOB): a_job()}, Memory(NOW)
    ((cancel,),) = end(seen, running(), 50_000).waves
    memory.sending(cancel, later(50_000))
    memory.never_sent(cancel)
    again = end(seen, running(), 50_010, memory=memory)
    assert waves(again) == [[f"cancel job {JOB}"]], "what Foreman has not taken is said again"
    memory.sending(cancel, later(50_010))
    draft = end(seen, running(), 50_010 + seconds, memory=memory)
    assert [wave[0].resource for wave in draft.waves] == (["vm", "host"] if gives_up else [])


def test_a_job_known_by_its_token_is_followed_by_what_it_does_now() -> None:
    """The answer to the token is as old as the job's start."""
    seen = foreman((host_row(1),)) | {JobWithToken(TOKEN): a_job(), JobCounts(JOB): a_job("succeeded")}
    assert waves(end(seen, running(None)))[0][0].startswith("delete vm")


@pytest.mark.parametrize("seconds, waits", [(0, True), (299, True), (300, False)])
def test_what_was_being_made_is_waited_for_until_it_cannot_appear_any_more(seconds: float, waits: bool) -> None:
    progress = Progress(
        plan="p", roles={"zk": RoleProgress(created=frozenset({1}), creating=Creating(frozenset({2}), NOW))}
    )
    draft = end(foreman(), progress, seconds)
    assert bool(draft.waits) == waits
    assert draft.waves == []


def test_what_this_process_never_sent_need_not_be_waited_for() -> None:
    progress = Progress(
        plan="p", roles={"zk": RoleProgress(created=frozenset({1}), creating=Creating(frozenset({2}), NOW))}
    )
    memory = Memory(NOW, unsent={"b"}, names={refs(2)[0]: "b"}, accepted={"p"})
    assert end(foreman(), progress, memory=memory).idle


@pytest.mark.parametrize(
    "plan, settled, memory, waits",
    [
        ("p", "", Memory(NOW, accepted={"p"}), False),
        ("p", "", Memory(NOW), True),
        ("p", "p", Memory(NOW), False),
        ("p", "", Memory(NOW, accepted={"p"}, posting={"Base/zk": NOW}), True),
    ],
    ids=["all answered", "accepted by an earlier process", "settled", "posted without an answer"],
)
def test_a_hostgroup_that_may_still_come_is_waited_for_though_hosts_are_there(
    plan: str, settled: str, memory: Memory, waits: bool
) -> None:
    progress = Progress(plan=plan, settled_plan=settled, roles={"zk": RoleProgress(created=frozenset({1}))})
    seen = foreman((host_row(1),))
    assert bool(end(seen, progress, 299, memory=memory).waves) is not waits
    assert end(seen, progress, 300, memory=memory).waves


def test_a_paused_deployment_is_not_removed() -> None:
    draft = end(foreman((host_row(1),)), paused=True)
    assert draft.waves == []
    assert draft.waits


def test_retain_removes_nothing_and_waits_only_for_what_may_still_appear() -> None:
    at = Moment(Snapshot(foreman((host_row(1),), (group(11, "B/g"),))), Memory(NOW), Settings(), NOW)
    assert teardown.retain(Progress(), at, IDENTITY).idle
    assert teardown.retain(replace(running(), plan=""), at, None).idle, "jobs end by themselves"
