"""Whole lives of a deployment, pass by pass: what is written when, and what an accident between two writes does."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from foreman_stacks.api.meta import FINALIZER, RECONCILE_ANNOTATION
from foreman_stacks.cluster.port import Key, Object, Plural
from foreman_stacks.errors import ClusterError, ClusterUnavailable, ForemanError, ForemanRefused, ForemanUnreachable
from foreman_stacks.foreman.port import Change, HostgroupNamed, HostNamed, Query
from foreman_stacks.model.identity import RECORD_PARAMETER
from foreman_stacks.model.secrecy import Redactor
from foreman_stacks.model.values import Json
from foreman_stacks.reconcile import record
from tests.unit.foreman_stacks.plan.conftest import ZOOKEEPER
from tests.unit.foreman_stacks.reconcile.desk import KEY, SOURCE, STACK, Desk, at_desk
from tests.unit.foreman_stacks.reconcile.lives import ONE_RUN, ROOT, STAGING, hosts, intended, is_ready, posts

# --- fair weather ------------------------------------------------------------------------------------------------------


def test_the_example_from_nothing_to_ready_in_order_with_every_intent_before_its_act() -> None:
    async def story(desk: Desk) -> None:
        epochs: list[int] = []

        def check(change: Change) -> ForemanError | None:
            assert not change.intent or intended(desk, change), change
            assert FINALIZER in desk.kube.objects[KEY]["metadata"]["finalizers"]
            epochs.append(desk.status["epoch"])
            return None

        desk.fails = check
        await desk.until(lambda: is_ready(desk))
        assert epochs == sorted(epochs)
        kinds = [text.split(" ")[:2] for text in desk.wrote]
        first = {" ".join(kind): position for position, kind in reversed(list(enumerate(kinds)))}
        order = ["update class_key", "create hostgroup", "create host", "start job", "move host", "update host"]
        assert [name for name in sorted(first, key=lambda name: first[name]) if name in order] == order
        assert sorted(text for text in desk.wrote if "create hostgroup " in text) == [
            f"create hostgroup {ROOT}",
            f"create hostgroup {STAGING}",
        ]
        assert desk.wrote[-2:] == [
            f"delete hostgroup {STAGING}",
            f"update hostgroup_parameter {ROOT} foreman_stacks_record",
        ]
        assert set(posts(desk).values()) == {1}
        assert FINALIZER not in desk.kube.objects[KEY]["metadata"].get("finalizers", ()), "settled and Retain has none"
        group = await desk.lab.ask(HostgroupNamed(ROOT))
        found = record.read(group)
        assert found is not None
        assert found.settled_plan == desk.status["settledPlan"]
        addresses = [f"{row['ip']}:2181" for row in sorted(desk.lab.rows("hosts"), key=lambda row: row["name"])]
        assert desk.status["outputs"] == [{"name": "servers", "type": "array", "value": addresses, "sensitive": False}]
        assert desk.status["summary"]["hosts"] == "2/2"

    at_desk(story)


def test_a_settled_deployment_is_watched_and_nothing_is_written_whatever_is_edited() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        await desk.until(lambda: is_ready(desk))
        plan = desk.status["settledPlan"]
        desk.lab.forget()
        for _ in range(2):
            desk.restart()
            desk.lab.entries.clear()
            found = await desk.look()
            assert desk.lab.entries == [], "neither to Foreman nor to Kubernetes"
            assert 0.8 * desk.settings.resync <= (found.after or 0) <= 1.2 * desk.settings.resync
        await refused_until_undone(desk, plan)
        for edit in UNFOLLOWED:
            for again in (False, True):
                await unfollowed(desk, edit, again=again)
        desk.stack(**ONE_RUN)
        assert not any(name.startswith(("POST", "PUT", "DELETE")) for name in desk.lab.requests)
        await drifted(desk)

    at_desk(story)


def test_what_an_operator_settled_that_had_other_digests_of_specs_stays_settled() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        await desk.until(lambda: is_ready(desk))
        now = desk.status["settledPlan"]
        before = now.partition("-")[0] + "-01234567"
        desk.kube.put(KEY, status={**desk.status, "plan": before, "settledPlan": before})
        desk.restart()
        desk.lab.forget()
        await desk.look()
        assert is_ready(desk)
        assert desk.status["settledPlan"] == now
        assert desk.wrote == []

    at_desk(story)


async def refused_until_undone(desk: Desk, plan: str) -> None:
    """An edit of the deployment would change the settled plan: it says so, keeps the plan, and heals when it is undone."""
    desk.deployment(count=3)
    await desk.look()
    assert (desk.ready, desk.conditions["Stalled"]) == ("False/ChangeNotSupported", "True/ChangeNotSupported")
    assert desk.status["settledPlan"] == plan
    desk.deployment(count=2)
    await desk.look()
    assert is_ready(desk)


def stack_with(edit: str) -> dict[str, Any]:
    """The Stack after an edit: valid and fitting the deployment, valid and not fitting it, or broken."""
    (role,) = ZOOKEEPER["roles"]
    wrong = {"name": "x", "expression": "nonsense("}
    parameters = [{"name": "x", "value": 1} if edit == "another hostgroup" else wrong]
    changes: dict[str, dict[str, Any]] = {
        "another hostname": {"roles": [{**role, "count": {"min": 1}, "hostname": "other-{index}"}]},
        "a required parameter": {"parameters": [{"name": "needed", "type": "string"}]},
        "too small": {"roles": [{**role, "count": {"min": 1, "max": 1, "default": 1}}]},
        "another role": {"roles": [{**role, "name": "other"}], "steps": [], "outputs": []},
    }
    more = {"hostgroups": [*ZOOKEEPER["hostgroups"], {"name": "more", "parameters": parameters}]}
    return {**ONE_RUN, **changes.get(edit, more)}


UNFOLLOWED = (
    "another hostgroup", "another hostname", "a required parameter", "too small", "another role", "broken", "gone",
)  # fmt: skip


async def unfollowed(desk: Desk, edit: str, *, again: bool) -> None:
    """The Stack of a settled deployment is not followed, by this process or by another one."""
    if edit == "gone":
        desk.kube.objects.pop(STACK, None)
    else:
        desk.stack(**stack_with(edit))
    if again:
        desk.restart()
    for _ in range(2):
        await desk.look()
        desk.wait(600.0)
    assert is_ready(desk), (edit, again, desk.message())
    assert desk.conditions.get("Drifted", "False/InSync") == "False/InSync", (edit, again)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("edit", ["a required parameter", "broken", "gone"])
def test_a_settled_deployment_may_be_paused_and_asked_whatever_became_of_its_stack(edit: str, again: bool) -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        await desk.until(lambda: is_ready(desk))
        plan = desk.status["settledPlan"]
        if edit == "gone":
            del desk.kube.objects[STACK]
        else:
            desk.stack(**stack_with(edit))
        if again:
            desk.restart()
        desk.deployment(paused=True)
        desk.kube.put(KEY, metadata={"annotations": {RECONCILE_ANNOTATION: "now"}})
        desk.lab.forget()
        await desk.look()
        assert (desk.ready, desk.conditions["Paused"]) == ("True/Ready", "True/Paused")
        assert "Stalled" not in desk.conditions
        assert desk.status["observedGeneration"] == 2
        assert desk.status["lastHandledReconcileAt"] == "now"
        assert (desk.status["settledPlan"], desk.wrote) == (plan, [])
        desk.deployment(count=3)
        await desk.look()
        assert desk.ready.startswith("False/"), "an edit that changes it is not ignored"

    at_desk(story)


def test_an_edit_that_is_undone_while_the_stack_is_broken_heals() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        await desk.until(lambda: is_ready(desk))
        desk.deployment(count=3)
        await desk.look()
        assert desk.ready == "False/ChangeNotSupported"
        desk.stack(**stack_with("broken"))
        desk.deployment()
        await desk.look()
        assert is_ready(desk)

    at_desk(story)


def test_hosts_that_the_edited_stack_would_call_otherwise_are_found_by_their_marks() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        await desk.until(lambda: is_ready(desk))
        shown = Key("deployedhosts", "ops", "ring-zk-1")
        assert desk.kube.objects[shown]["status"]["fqdn"] == "ring-zk-1.lab.example.com"
        desk.stack(**stack_with("another hostname"))
        desk.restart()
        del desk.kube.objects[shown]
        await desk.look()
        assert desk.conditions["Drifted"] == "False/InSync"
        assert shown not in desk.kube.objects, "nobody knows what it is called until the Stack is as it was"
        row = min(desk.lab.rows("hosts"), key=lambda row: int(row["id"]))
        await desk.lab.foreman.write(Change("delete", "host", row["name"], address=(row["id"],)))
        await desk.look()
        assert desk.conditions["Drifted"] == "True/Drifted"
        assert desk.message("Drifted").startswith("host zk/1: is gone")
        assert desk.message("Drifted").count("is gone") == 1
        desk.stack(**ONE_RUN)
        await desk.look()
        assert desk.kube.objects[shown]["status"]["fqdn"] == "ring-zk-1.lab.example.com"

    at_desk(story)


async def drifted(desk: Desk) -> None:
    """What somebody changed in Foreman is told, and not mended."""
    group = await desk.lab.ask(HostgroupNamed(ROOT))
    body = {"value": '["10.9.9.9"]', "parameter_type": "array"}
    await desk.lab.foreman.write(Change("update", "hostgroup_parameter", "x", body, (group.id, "servers")))
    host = desk.lab.rows("hosts")[0]
    await desk.lab.foreman.write(Change("update", "host", "x", {"hostgroup_id": 2}, (host["id"],)))
    desk.lab.forget()
    await desk.look()
    assert desk.conditions["Drifted"] == "True/Drifted"
    assert "servers" in desk.message("Drifted")
    assert host["name"] in desk.message("Drifted")
    assert is_ready(desk)
    assert desk.wrote == []


def test_runs_that_start_together_have_one_record_in_front_of_them_all() -> None:
    async def story(desk: Desk) -> None:
        (role,) = ZOOKEEPER["roles"]
        roles = [{**role, "name": name, "count": {"min": 1, "max": 3, "default": 1}} for name in ("zk", "more")]
        steps = [{"name": f"run_{name}", "puppetRun": {"roles": [name]}} for name in ("zk", "more")]
        desk.stack(roles=roles, steps=steps, periodicPuppet="Disabled", outputs=[])
        desk.deployment(roles=[{"name": name, "count": 1, "sources": [SOURCE]} for name in ("zk", "more")])
        records: list[dict[str, Any]] = []

        def note(change: Change) -> ForemanError | None:
            if change.key.endswith(RECORD_PARAMETER):
                records.append(json.loads(change.body["value"]))
            return None

        desk.fails = note
        await desk.until(lambda: is_ready(desk))
        runs = [text for text in desk.wrote if text.startswith("start job") or text.endswith(RECORD_PARAMETER)]
        names = ["start" if text.startswith("start") else text.partition(" ")[0] for text in runs]
        assert names[-4:] == ["create", "start", "start", "update"], runs
        assert [sorted(found["runs"]) for found in records] == [["run_more", "run_zk"], []]

    at_desk(story)


def test_a_run_that_foreman_refuses_for_a_while_does_not_write_its_record_each_time() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        refused: list[str] = []

        def refuse(change: Change) -> ForemanError | None:
            if change.verb != "start" or not desk.role("configured") or len(refused) == 5:
                return None
            refused.append(change.key)
            return ForemanRefused("POST /api/v2/job_invocations: 422 no", status=422)

        desk.fails = refuse
        await desk.until(lambda: is_ready(desk))
        assert len(refused) == 5
        assert [text.partition(" ")[0] for text in desk.wrote if text.endswith(RECORD_PARAMETER)] == [
            "create",
            "update",
        ]

    at_desk(story)


# --- accidents -----------------------------------------------------------------------------------------------------------


def test_another_process_at_every_other_pass_repeats_nothing_and_ends_the_same() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        for _ in range(100):
            if is_ready(desk):
                break
            desk.restart()
            for _ in range(2):  # nothing can be waited for by one that dies at once
                await desk.look()
                desk.wait(15.0)
        assert is_ready(desk)
        assert set(posts(desk).values()) == {1}
        assert len(hosts(desk)) == 2

    at_desk(story, host_create_timeout=10.0)


def test_a_host_whose_reply_was_lost_is_looked_up_and_not_made_again() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        desk.lab.world.faults.add({"kind": "reply_lost", "method": "POST", "path": "/api/v2/hosts", "count": 2})
        await desk.until(lambda: desk.role("created") == {1, 2})
        assert len(hosts(desk)) == 2
        assert posts(desk) == Counter(), "no answer ever came"
        assert desk.lab.requests["POST /api/v2/hosts"] == 2

    at_desk(story)


@pytest.mark.parametrize("applied", [True, False], ids=["reply lost", "not written"])
def test_an_intent_whose_status_was_not_seen_to_be_written_costs_no_time_and_nothing_is_sent_without_one(
    applied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        whole, lost = desk.kube.patch_status, set[int]()

        async def patch_status(seen: Object, plural: Plural, status: Mapping[str, Any]) -> Object:
            new = status["epoch"] not in lost
            lost.add(status["epoch"])
            if applied or not new:
                seen = await whole(seen, plural, status)
            if new:
                raise ClusterUnavailable("the connection was reset")
            return seen

        def check(change: Change) -> ForemanError | None:
            assert not change.intent or intended(desk, change), change
            return None

        monkeypatch.setattr(desk.kube, "patch_status", patch_status)
        desk.fails = check
        for _ in range(1000):  # scripts are really run: on a busy machine many passes see that they have not ended yet
            if is_ready(desk):
                break
            try:
                found = await desk.look()
                desk.wait(min(found.after or 0.0, 5.0))
            except ClusterUnavailable:
                desk.wait(1.0)
            await asyncio.sleep(0.002)
        assert is_ready(desk)
        assert len(lost) >= 4, "hosts, Quiesce and the step were intended"
        assert desk.seconds < desk.settings.host_create_timeout, (
            "nothing was waited for until it could not appear any more"
        )
        assert set(posts(desk).values()) == {1}

    at_desk(story, host_create_timeout=3000.0)


def test_where_deployedhosts_may_not_be_written_the_deployment_goes_on_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(key: Key, body: Mapping[str, Any]) -> None:
        raise ClusterError(f"PATCH {key}: 403 exceeded quota", status=403)

    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        with monkeypatch.context() as quota:
            quota.setattr(desk.kube, "apply", refuse)
            await desk.until(lambda: is_ready(desk))
            assert FINALIZER not in desk.kube.objects[KEY]["metadata"].get("finalizers", ())
            found = await desk.look()
            assert not found.error
            assert found.names == {"ring-zk-1.lab.example.com", "ring-zk-2.lab.example.com"}
            assert found.after == desk.settings.recheck, "the quota may be raised"
        assert "exceeded quota" in caplog.text
        await desk.look()
        assert sum(key.plural == "deployedhosts" for key in desk.kube.objects) == 2

    at_desk(story)


def test_a_deployedhost_that_cannot_be_made_again_since_foreman_does_not_answer_is_no_defect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        await desk.until(lambda: is_ready(desk))
        key = next(key for key in desk.kube.objects if key.plural == "deployedhosts")
        del desk.kube.objects[key]
        whole = desk.lab.foreman.read

        async def read(queries: Iterable[Query[Any]]) -> Mapping[Query[Any], Any]:
            if all(isinstance(query, HostNamed) for query in queries):
                raise ForemanUnreachable("no answer")
            return await whole(queries)

        with monkeypatch.context() as outage:
            outage.setattr(desk.lab.foreman, "read", read)
            assert (await desk.look()).after == desk.settings.recheck
            assert key not in desk.kube.objects
        assert is_ready(desk)
        await desk.look()
        assert desk.kube.objects[key]["status"]["foremanID"] > 0

    at_desk(story)


def test_a_host_that_surely_was_not_made_is_made_at_once_and_another_one_only_when_it_cannot_appear_any_more() -> None:
    async def story(desk: Desk) -> None:
        failures: list[ForemanError] = [ForemanUnreachable("no route", sent=False), ForemanUnreachable("silent")]
        sent: list[float] = []

        def fail(change: Change) -> ForemanError | None:
            if change.resource != "host" or change.verb != "create":
                return None
            sent.append(desk.seconds)
            return failures.pop(0) if failures else None

        desk.fails = fail
        desk.deployment(count=3)
        await desk.until(lambda: desk.role("created") == {1, 2, 3})
        assert len(sent) == 5
        assert sent[3] - sent[0] < 60, "the one that could not be sent"
        assert sent[4] - sent[1] >= 90, "the one that may have been"

    at_desk(story, host_create_timeout=90.0)


def test_a_clock_that_was_ahead_when_the_process_began_holds_nothing_up() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        desk.seconds = 6 * 3600.0
        desk.restart()
        desk.seconds = 0.0
        lost: list[Change] = []

        def lose(change: Change) -> ForemanError | None:
            if change.verb != "create" or change.resource not in {"hostgroup", "host"} or change in lost:
                return None
            lost.append(change)
            return ForemanUnreachable("silent")

        desk.fails = lose
        await desk.until(lambda: desk.role("created") == {1, 2})
        assert {change.resource for change in lost} == {"hostgroup", "host"}
        assert desk.seconds < 600

    at_desk(story, claim_grace=2.0, host_create_timeout=60.0)


def test_whatever_fails_once_an_epoch_is_never_taken_back_and_nothing_is_made_twice() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        failed: set[str] = set()

        def fail(change: Change) -> ForemanError | None:
            if str(change) in failed:
                return None
            failed.add(str(change))
            return ForemanRefused(f"{change}: 500 oops", status=500)

        desk.fails = fail
        last = 0
        for _ in range(200):
            if is_ready(desk):
                break
            await desk.look()
            desk.wait(15.0)
            assert desk.status["epoch"] >= last, "Foreman's record may have it already"
            last = desk.status["epoch"]
        assert is_ready(desk)
        assert len(failed) > 10
        assert len(hosts(desk)) == 2
        assert set(posts(desk).values()) == {1}

    at_desk(story, host_create_timeout=10.0)


def test_a_staging_group_that_foreman_does_not_delete_stays_and_people_are_told() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        tried: list[str] = []

        def refuse(change: Change) -> ForemanError | None:
            if (change.verb, change.resource) != ("delete", "hostgroup"):
                return None
            tried.append(change.key)
            return ForemanRefused("DELETE /api/v2/hostgroups/9: 409 has a child", status=409)

        desk.fails = refuse
        await desk.until(lambda: is_ready(desk))
        await desk.look()
        assert tried == [STAGING]
        notes = [event.message for event in desk.kube.events if event.reason == "Retained"]
        assert notes == [f"hostgroup {STAGING!r} stays: 409 has a child"]

    at_desk(story)


def test_failed_hosts_stall_the_step_until_the_stack_is_mended() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        desk.lab.world.faults.add({"kind": "run_fails", "host": "ring-zk-2*"})
        await desk.until(lambda: desk.ready == "False/StepFailed")
        assert [host["name"] for host in desk.status["failedHosts"]] == ["ring-zk-2.lab.example.com"]
        assert desk.status["failedHosts"][0]["reportURL"].startswith("https://foreman.example.com/config_reports/")
        attempts = sum(posts(desk).values())
        for _ in range(3):
            await desk.look()
            desk.wait(60.0)
        assert sum(posts(desk).values()) == attempts, "not again unasked"
        desk.lab.world.faults.clear()
        run = {"name": "first", "puppetRun": {"roles": ["zk"], "runs": 2}}
        desk.stack(steps=[run], periodicPuppet="Disabled")
        await desk.until(lambda: is_ready(desk))
        assert desk.status.get("failedHosts", []) == []

    at_desk(story)


def test_what_many_hosts_say_is_blotted_by_one_redactor(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Redactor] = []

    class Counted(Redactor):
        def __init__(self, values: Iterable[Json]) -> None:
            super().__init__(values)
            made.append(self)

    monkeypatch.setattr("foreman_stacks.reconcile.secrecy.Redactor", Counted)

    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        desk.deployment(count=7)
        desk.lab.world.faults.add({"kind": "unreachable"})
        most = 0

        def waits() -> bool:
            nonlocal most
            most = max(most, len(made))
            made.clear()
            return "cannot be reached" in desk.step("Quiesce").get("message", "")

        await desk.until(waits)
        assert 0 < most <= 3, "that of the pass, and one for each status that it wrote"

    at_desk(story)


def test_a_person_may_ask_for_another_try() -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        fault = {"kind": "status", "method": "POST", "path": "/api/v2/hosts", "status": 422}
        desk.lab.world.faults.add({**fault, "body": {"error": {"message": "no room"}}})
        await desk.until(lambda: desk.ready == "False/ProvisioningFailed")
        assert "no room" in desk.message()
        sent = desk.lab.requests["POST /api/v2/hosts"]
        await desk.look()
        assert desk.lab.requests["POST /api/v2/hosts"] == sent, "refused for good"
        desk.lab.world.faults.clear()
        desk.kube.put(KEY, metadata={"annotations": {RECONCILE_ANNOTATION: "1"}})
        await desk.until(lambda: desk.role("created") == {1, 2})
        assert desk.status["lastHandledReconcileAt"] == "1"

    at_desk(story, host_create_timeout=10.0)


async def lost(desk: Desk) -> None:
    """All hosts are gone from Foreman, their machines too, and it is told."""
    for host in desk.lab.rows("hosts"):
        await desk.lab.foreman.write(Change("delete", "host", host["name"], address=(host["id"],)))
    for machine in list(desk.lab.world.vms.values()):
        await desk.lab.foreman.write(Change("delete", "vm", machine["name"], address=(1, machine["uuid"])))
    await desk.until(lambda: desk.ready == "False/HostMissing")
    assert "lastHandledReconcileAt" not in desk.status


@pytest.mark.parametrize("accident", ["outage", "server not ready", "refused edit"])
def test_a_host_that_a_person_asks_for_is_made_again_though_the_first_pass_cannot_do_it(
    accident: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(queries: object) -> Mapping[Query[Any], Any]:
        raise ForemanUnreachable("no answer")

    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        await desk.until(lambda: desk.role("built") == {1, 2})
        await lost(desk)
        if accident == "refused edit":
            desk.deployment(count=3)
        desk.kube.put(KEY, metadata={"annotations": {RECONCILE_ANNOTATION: "1"}})
        with monkeypatch.context() as outage:
            outage.setattr(desk.connection, "ready", accident != "server not ready")
            if accident == "outage":
                outage.setattr(desk.lab.foreman, "read", silent)
            for _ in range(2):
                await desk.look()
                assert "lastHandledReconcileAt" not in desk.status
        desk.deployment(count=2)
        await desk.until(lambda: is_ready(desk))
        assert desk.status["lastHandledReconcileAt"] == "1"
        assert len(hosts(desk)) == 2
        assert desk.status["failedHosts"] == []

    at_desk(story)


def test_more_lost_hosts_than_a_status_lists_are_made_again_by_one_request() -> None:
    async def story(desk: Desk) -> None:
        (role,) = ZOOKEEPER["roles"]
        desk.stack(**ONE_RUN, roles=[{**role, "count": {"min": 1, "max": 30}}])
        desk.deployment(count=22)
        await desk.until(lambda: len(desk.role("created")) == 22)
        await lost(desk)
        assert len(desk.status["failedHosts"]) == 20
        desk.kube.put(KEY, metadata={"annotations": {RECONCILE_ANNOTATION: "1"}})
        await desk.until(lambda: len(hosts(desk)) == 22, passes=60)

    at_desk(story)
