"""Edits while a deployment lives, and its end: pass by pass."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from foreman_simulator import job_life
from foreman_stacks.errors import ForemanError, ForemanRefused, ForemanUnreachable
from foreman_stacks.foreman.port import Change, JobHosts, JobOutput, Query
from foreman_stacks.model.reasons import Reason
from foreman_stacks.reconcile.judge import bad
from foreman_stacks.reconcile.memory import OFTEN, VAIN_FOR
from tests.unit.foreman_stacks.plan.conftest import ZOOKEEPER
from tests.unit.foreman_stacks.reconcile.desk import KEY, SOURCE, STACK, Desk, at_desk
from tests.unit.foreman_stacks.reconcile.lives import ONE_RUN, ROOT, hosts, is_ready, posts

ZK = {"name": "zk", "hostgroup": "zk", "count": {"min": 1, "max": 7}}
OBSERVER = {**ZK, "name": "observer"}
BOTH = [{"name": name, "count": 1, "sources": [SOURCE]} for name in ("zk", "observer")]
"""Two roles of a Stack, and a host of each in a deployment."""


@pytest.mark.parametrize("busy", ["creating", "run"])
def test_an_edit_waits_for_the_act_under_way_and_is_the_plan_then(busy: str) -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)

        def at_work() -> bool:
            if busy == "creating":
                return any("creating" in role for role in desk.status.get("roles", ()))
            return "run" in desk.step("first")

        await desk.until(at_work)
        before = desk.status["plan"]
        desk.deployment(count=3)
        await desk.look()
        assert desk.status["observedGeneration"] == 2
        await desk.until(lambda: desk.status["plan"] != before)
        assert not any("run" in step for step in desk.status["steps"])
        await desk.until(lambda: desk.role("created") == {1, 2, 3})
        assert len(hosts(desk)) == 3
        assert set(posts(desk).values()) == {1}

    at_desk(story, host_create_timeout=10.0)


@pytest.mark.parametrize("field", ["environment", "organization", "location"])
def test_hostgroups_that_are_there_keep_their_environment_and_place(field: str) -> None:
    async def story(desk: Desk) -> None:
        own: dict[str, Any] = {"organization": "Default Organization", "location": "Default Location"}
        desk.lab.plant(f"{field}s", name="other")
        if field == "environment":
            desk.lab.plant("puppetclasses", name="zookeeper", environments=["production", "other"])
        desk.deployment(**own)
        await desk.until(lambda: desk.role("created"))
        plan = desk.status["plan"]
        desk.deployment(**{**own, field: "other"})
        await desk.until(lambda: "Stalled" in desk.conditions, passes=50)
        assert desk.ready == "False/ChangeNotSupported"
        (line,) = desk.message().splitlines()
        assert line.startswith(f"spec.{field}: hostgroup '{ROOT}' exists ")
        assert "'other'" in line
        assert desk.status["plan"] == plan
        desk.deployment(**own)
        await desk.until(lambda: desk.role("built") == {1, 2}, passes=100)
        assert "Stalled" not in desk.conditions
        assert len(hosts(desk)) == 2

    at_desk(story, host_create_timeout=10.0)


def test_fewer_hosts_are_refused_until_they_are_wanted_again() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        desk.deployment(count=3)
        await desk.until(lambda: desk.role("created") == {1, 2, 3})
        desk.deployment(count=2)
        await desk.until(lambda: desk.ready == "False/ScaleDownRefused")
        desk.deployment(count=3)
        await desk.look()
        assert "Stalled" not in desk.conditions
        assert len(hosts(desk)) == 3

    at_desk(story)


def test_a_role_that_has_hosts_is_not_taken_out_of_the_stack() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN, roles=[ZK, OBSERVER])
        desk.deployment(roles=BOTH)
        await desk.until(lambda: len(hosts(desk)) == 2 and len(desk.role("created", "observer")) == 1)
        plan = desk.status["plan"]
        desk.lab.forget()
        desk.stack(**ONE_RUN, roles=[ZK])
        desk.deployment(roles=BOTH[:1])
        for _ in range(3):
            await desk.look()
            desk.wait(60.0)
        assert desk.ready == "False/ScaleDownRefused"
        assert "spec.roles[observer]: hosts of this role exist, but the Stack no longer has it" in desk.message()
        assert desk.status["plan"] == plan
        assert desk.wrote == []
        desk.stack(**ONE_RUN, roles=[ZK, OBSERVER])
        desk.deployment(roles=BOTH)
        await desk.until(lambda: is_ready(desk))
        assert len(hosts(desk)) == 2

    at_desk(story, host_create_timeout=10.0)


def test_a_paused_deployment_ends_what_it_began_and_begins_nothing() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        await desk.until(lambda: "run" in desk.step("first") and "job" in desk.step("first")["run"])
        desk.deployment(paused=True)
        await desk.look()
        desk.lab.forget()
        await desk.until(lambda: "run" not in desk.step("first"))
        for _ in range(3):
            await desk.look()
            desk.wait(60.0)
        assert desk.wrote == []
        assert desk.conditions["Paused"] == "True/Paused"
        desk.deployment(paused=False)
        await desk.until(lambda: is_ready(desk))

    at_desk(story)


async def hangs(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Up to a job that its smart proxy has forgotten, and that no cancelling ends; what is cancelled from then on."""
    await desk.until(lambda: "run" in desk.step("first"))
    monkeypatch.setattr(job_life, "LOST_AFTER", 1e9)
    desk.lab.world.faults.add({"kind": "job_lost"})
    cancelled: list[str] = []

    def refuse(change: Change) -> ForemanError | None:
        if change.verb != "cancel":
            return None
        cancelled.append(change.key)
        return ForemanRefused("The job could not be cancelled.", status=422)

    desk.fails = refuse
    await desk.until(lambda: "job" in desk.step("first")["run"])
    return cancelled


@pytest.mark.parametrize("edit", ["count", "step renamed"])
def test_a_job_that_hangs_is_cancelled_at_its_time_out_and_given_up_though_an_edit_waits(
    edit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        cancelled = await hangs(desk, monkeypatch)
        count, before = 3 if edit == "count" else 2, desk.status["plan"]
        if edit == "step renamed":
            desk.stack(**{**ONE_RUN, "steps": [{"name": "other", "puppetRun": {"roles": ["zk"]}}]})
        for seconds, paused in ((7000, False), (300, True)):
            desk.deployment(count=count, paused=paused)
            desk.wait(seconds)
            await desk.look()
            await desk.look()
            assert cancelled == []
            assert "is cancelled" not in desk.message("Reconciling")
        desk.deployment(count=count)
        await desk.until(lambda: cancelled, passes=3)
        desk.wait(desk.settings.job_lost_after - 60)
        await desk.look()
        assert "is cancelled" in desk.message("Reconciling")
        assert "run" in desk.step("first")
        desk.wait(60)
        await desk.until(lambda: desk.status["plan"] != before, passes=10)
        assert len(cancelled) == 1

    at_desk(story)


@pytest.mark.parametrize("edited", [False, True])
def test_a_job_whose_cancelling_is_not_answered_is_cancelled_again_and_nothing_else_starts_while_it_runs(
    edited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        await hangs(desk, monkeypatch)
        answers: list[ForemanError | None] = [
            ForemanUnreachable("503 Service Unavailable", status=503),
            ForemanRefused("500 oops", status=500),
            ForemanUnreachable("the reply was lost"),
        ]
        cancelled: list[float] = []

        def answer(change: Change) -> ForemanError | None:
            if change.verb != "cancel":
                return None
            cancelled.append(desk.seconds)
            return answers.pop(0) if answers else None

        desk.fails = answer
        desk.deployment(count=3 if edited else 2)
        desk.wait(7200)
        desk.lab.forget()
        for number in range(3):
            await desk.until(lambda: len(cancelled) > number, passes=5)  # noqa: B023 - it is used here alone
            assert "is cancelled" not in desk.message("Reconciling")
            desk.wait(desk.settings.job_lost_after + 60)
        await desk.until(lambda: "run" not in desk.step("first"), passes=10)
        assert len(cancelled) == 4
        assert [row["status"] for row in desk.lab.rows("jobs")][-1] not in {"queued", "running"}

    at_desk(story)


OLD, NEW = "old-canary-11111", "new-canary-22222"


@pytest.mark.parametrize(
    "restarted, cause",
    [
        (False, "Error: login with *** refused"),
        (True, "what it printed is not shown: it may hold secrets from before the last edit"),
    ],
)
def test_a_secret_that_was_rotated_while_a_run_is_under_way_is_not_shown_as_it_was(restarted: bool, cause: str) -> None:
    async def story(desk: Desk) -> None:
        read = desk.lab.foreman.read

        async def refused(queries: Iterable[Query[Any]]) -> Mapping[Query[Any], Any]:
            found = dict(await read(queries))
            for query in found:
                if isinstance(query, JobHosts):
                    found[query] = frozenset(hosts(desk) if query.result == "failed" else ())
                elif isinstance(query, JobOutput):
                    found[query] = f"Error: login with {OLD} refused\nExit status: 1"
            return found

        group, *others = copy.deepcopy(ZOOKEEPER["hostgroups"])
        group["parameters"].append({"name": "pw", "type": "string", "sensitive": True, "expression": "parameters.pw"})
        secret = [{"name": "pw", "type": "string", "sensitive": True}]
        desk.stack(**ONE_RUN, parameters=secret, hostgroups=[group, *others])
        desk.kube.secrets["ops", "s"] = {"pw": OLD.encode()}
        desk.deployment(parameters=[{"name": "pw", "valueFrom": {"secretKeyRef": {"name": "s", "key": "pw"}}}])
        await desk.until(lambda: "job" in desk.step("first").get("run", {}))
        plan = desk.status["plan"]
        desk.kube.secrets["ops", "s"] = {"pw": NEW.encode()}
        if restarted:
            desk.restart()
        desk.lab.foreman.read = refused  # type: ignore[method-assign]
        told: list[str] = []

        def over() -> bool:
            assert OLD not in json.dumps(desk.status)
            told.append(desk.step("first").get("message", ""))
            return bool(desk.status["plan"] != plan)

        await desk.until(over)
        assert f"attempt 1 failed on zk/1-2: {cause}" in told
        if not restarted:  # hosts may tell of it later, too: what another process has given them is not known then
            await desk.until(lambda: over() and desk.ready == "False/StepFailed")
            assert {host["cause"] for host in desk.status["failedHosts"]} == {cause}
        assert not any(OLD in event.message for event in desk.kube.events)

    at_desk(story)


def test_periodic_puppet_that_the_stack_no_longer_wants_while_it_is_switched_on_is_off_in_the_end() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(steps=ONE_RUN["steps"])
        await desk.until(lambda: "job" in desk.step("PeriodicPuppet").get("run", {}))
        desk.stack(**ONE_RUN)
        await desk.until(lambda: is_ready(desk), passes=100)
        assert [desk.lab.world.machines[name].machine.daemon_running for name in hosts(desk)] == [False, False]

    at_desk(story)


def test_quiescing_the_hosts_of_a_role_that_is_taken_out_of_the_stack_ends_before_that_is_refused() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN, roles=[ZK, OBSERVER])
        desk.deployment(roles=BOTH)
        desk.lab.world.faults.add({"kind": "build_late", "host": "ring-zk-1*", "seconds": 3000})
        await desk.until(lambda: "job" in desk.step("Quiesce").get("run", {}))
        assert [run["role"] for run in desk.step("Quiesce")["run"]["hosts"]] == ["observer"]
        desk.stack(**ONE_RUN, roles=[ZK])
        desk.deployment(roles=BOTH[:1])
        await desk.until(lambda: desk.ready == "False/ScaleDownRefused", passes=100)
        assert "put the role back" in desk.message()

    at_desk(story)


# --- the end ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reinstalled", [False, True])
def test_retain_leaves_everything_and_the_same_name_made_again_takes_it_over(reinstalled: bool) -> None:
    """Also by an operator that was installed anew, without the key of its digests."""

    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        await desk.until(lambda: is_ready(desk))
        before, outputs = hosts(desk), desk.status["outputs"]
        assert len(outputs[0]["value"]) == 2
        shown = {key: body["status"] for key, body in desk.kube.objects.items() if key.plural == "deployedhosts"}
        assert all(status["ip"] and status["foremanID"] for status in shown.values())
        desk.kube.remove(KEY)
        assert KEY not in desk.kube.objects, "nothing holds it"
        await desk.look()
        for key in shown:
            del desk.kube.objects[key]
        if reinstalled:
            desk.kube.secrets.clear()
            desk.restart()
        desk.lab.forget()
        desk.deployment()
        await desk.until(lambda: is_ready(desk))
        assert hosts(desk) == before
        assert desk.wrote == []
        assert desk.role("configured") == {1, 2}
        assert desk.status["outputs"] == outputs
        again = {key: body["status"] for key, body in desk.kube.objects.items() if key.plural == "deployedhosts"}
        assert {key: status["ip"] for key, status in again.items()} == {
            key: status["ip"] for key, status in shown.items()
        }

    at_desk(story)


def test_when_the_key_of_digests_is_lost_what_is_settled_stays_so_and_an_edit_is_told_from_then_on() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        await desk.until(lambda: is_ready(desk))
        desk.kube.secrets.clear()
        desk.restart()
        desk.lab.forget()
        await desk.look()
        assert is_ready(desk)
        assert desk.conditions["Drifted"] == "False/InSync"
        desk.deployment(count=3)
        await desk.look()
        assert desk.ready == "False/ChangeNotSupported"
        assert desk.wrote == []

    at_desk(story)


def test_when_the_key_of_digests_is_lost_before_ready_every_step_is_done_again_and_no_host_is() -> None:
    async def story(desk: Desk) -> None:
        await desk.until(lambda: desk.done("first"))
        before = hosts(desk)
        desk.kube.secrets.clear()
        desk.restart()
        await desk.until(lambda: is_ready(desk))
        assert hosts(desk) == before

    at_desk(story)


@pytest.mark.parametrize("when", ["created", "settled"])
def test_delete_removes_what_is_ours_and_lets_go(when: str) -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        desk.deployment(deletionPolicy="Delete")
        groups = len(desk.lab.rows("hostgroups"))
        moments = {
            "created": lambda: bool(desk.role("created")),
            "settled": lambda: is_ready(desk),
        }
        await desk.until(moments[when])
        desk.kube.remove(KEY)
        del desk.kube.objects[STACK]
        desk.connection.judged(bad(Reason.UNAUTHORIZED, "wrong password"))
        await desk.look()
        assert desk.conditions["Deleting"] == "False/ServerNotReady"
        assert "its conditions tell why" in desk.message("Deleting")
        assert (desk.status["summary"]["ready"], desk.status["summary"]["reason"]) == ("False", "Deleting")
        desk.connection.ready = True
        await desk.until(lambda: KEY not in desk.kube.objects)
        told = [(event.type, event.reason) for event in desk.kube.events][-2:]
        assert told == [("Warning", "ServerNotReady"), ("Normal", "Deleting")]
        assert hosts(desk) == []
        assert len(desk.lab.rows("hostgroups")) == groups
        assert not desk.lab.world.vms
        assert (await desk.look()).after is None

    at_desk(story, host_create_timeout=10.0)


def test_a_hostgroup_of_an_edit_that_comes_late_is_removed_with_the_others() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        desk.deployment(deletionPolicy="Delete")
        groups = len(desk.lab.rows("hostgroups"))
        await desk.until(lambda: desk.role("configured") == {1, 2})
        desk.stack(**ONE_RUN, hostgroups=[*ZOOKEEPER["hostgroups"], {"name": "extra"}])
        late: list[Change] = []

        def lose(change: Change) -> ForemanError | None:
            if (change.verb, change.resource) != ("create", "hostgroup"):
                return None
            late.append(change)
            return ForemanUnreachable("silent")

        desk.fails = lose
        await desk.until(lambda: late)
        desk.kube.remove(KEY)
        for _ in range(3):
            await desk.look()
            desk.wait(60.0)
        await desk.lab.foreman.write(late[0])
        await desk.until(lambda: KEY not in desk.kube.objects)
        assert len(desk.lab.rows("hostgroups")) == groups
        assert hosts(desk) == []

    at_desk(story)


def test_what_is_hidden_from_the_delete_is_not_deleted_for_ever() -> None:
    async def story(desk: Desk) -> None:
        """404 is also Foreman's answer where a filter of our role hides the host from this call alone."""
        desk.stack(**ONE_RUN)
        desk.deployment(deletionPolicy="Delete")
        await desk.until(lambda: desk.role("created") == {1, 2})
        desk.lab.world.faults.add({"kind": "status", "method": "DELETE", "path": "/api/v2/hosts/*", "status": 404})
        desk.kube.remove(KEY)
        desk.lab.forget()
        await desk.until(lambda: desk.conditions.get("Deleting") == "False/ForemanRefused")
        assert "was written several times" in desk.message("Deleting")
        for _ in range(5):
            assert (await desk.look()).error, "with growing pauses"
            desk.wait(60.0)
        assert sum(text.startswith("delete host ") for text in desk.wrote) == 2 * OFTEN
        desk.lab.world.faults.clear()
        desk.wait(VAIN_FOR.total_seconds())
        await desk.until(lambda: KEY not in desk.kube.objects)
        assert hosts(desk) == []

    at_desk(story, host_create_timeout=10.0)


def test_no_host_goes_while_its_hypervisor_cannot_be_asked_for_its_machine() -> None:
    async def story(desk: Desk) -> None:
        desk.deployment(deletionPolicy="Delete")
        await desk.until(lambda: desk.role("built") == {1, 2})
        away = {"kind": "status", "path": "/api/v2/compute_resources/*/available_virtual_machines*", "status": 500}
        desk.lab.world.faults.add(away)
        desk.kube.remove(KEY)
        await desk.until(lambda: desk.conditions.get("Deleting") == "False/Unreachable")
        for _ in range(3):
            assert (await desk.look()).error, "it comes again with back-off"
            desk.wait(60.0)
        assert len(hosts(desk)) == len(desk.lab.world.vms) == 2
        desk.lab.world.faults.clear()
        await desk.until(lambda: KEY not in desk.kube.objects)
        assert hosts(desk) == []
        assert not desk.lab.world.vms

    at_desk(story, host_create_timeout=10.0)


def test_a_deployment_that_is_made_again_does_not_take_jobs_of_its_first_life_for_its_own() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        desk.deployment(deletionPolicy="Delete")
        for life in (1, 2):
            await desk.until(lambda: "run" in desk.step("first"))
            assert len(desk.role("configured")) == 2
            desk.kube.remove(KEY)
            await desk.until(lambda: KEY not in desk.kube.objects)
            desk.restart()
            if life == 1:
                desk.deployment(deletionPolicy="Delete")
        tokens = [text for text in desk.wrote if text.startswith("start job")]
        assert len(tokens) >= 2
        assert len(set(tokens)) == len(tokens)

    at_desk(story, host_create_timeout=10.0)
