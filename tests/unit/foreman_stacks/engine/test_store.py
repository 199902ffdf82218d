from __future__ import annotations

from typing import Any

from foreman_stacks.api.meta import FINALIZER, RECONCILE_ANNOTATION
from foreman_stacks.cluster.port import Key
from foreman_stacks.engine.store import Seen, Store

ONE = Key("stackdeployments", "ops", "one")


def body(ready: str = "False", **changes: Any) -> dict[str, Any]:
    """A StackDeployment as a watch shows it."""
    meta = {"uid": "u", "name": "one", "namespace": "ops", "generation": 3, **changes.pop("metadata", {})}
    status = {"observedGeneration": 3, "conditions": [{"type": "Ready", "status": ready}], **changes.pop("status", {})}
    return {
        "metadata": meta,
        "spec": {"stackRef": {"name": "s"}, "serverRef": {"name": "f"}},
        "status": status,
        **changes,
    }


def test_only_generation_deletion_uid_and_the_request_are_causes_of_work() -> None:
    before = Seen.of(body()).cause
    same = [
        body(metadata={"labels": {"a": "b"}}),
        body(metadata={"annotations": {"note": "x"}, "resourceVersion": "99", "managedFields": []}),
        body(status={"plan": "other"}),
        body(metadata={"finalizers": [FINALIZER]}),
    ]
    assert [Seen.of(item).cause for item in same] == [before] * len(same)
    different = [
        body(metadata={"generation": 4}),
        body(metadata={"uid": "v"}),
        body(metadata={"deletionTimestamp": "2026-11-23T12:00:00Z"}),
        body(metadata={"annotations": {RECONCILE_ANNOTATION: "now"}}),
    ]
    assert all(Seen.of(item).cause != before for item in different)


def test_settled_is_what_was_ready_once_and_does_not_end() -> None:
    assert Seen.of(body("True", status={"settledPlan": "p"})).settled
    assert Seen.of(body("False", status={"settledPlan": "p"})).settled, "its server may be away for a while"
    assert not Seen.of(body("True")).settled
    ends = {"deletionTimestamp": "2026-11-23T12:00:00Z"}
    assert not Seen.of(body("True", status={"settledPlan": "p"}, metadata=ends)).settled


def test_at_rest_is_what_is_ready_as_it_is_now_and_has_let_go_of_its_finalizer() -> None:
    """After a crash between Ready and the finalizer's end the deployment is not left to the next resync."""
    settled: dict[str, Any] = {"ready": "True", "status": {"settledPlan": "p"}}
    held = {"finalizers": [FINALIZER]}
    assert Seen.of(body(**settled)).at_rest
    assert not Seen.of(body(**settled, metadata=held)).at_rest
    ends = {"stackRef": {"name": "s"}, "serverRef": {"name": "f"}, "deletionPolicy": "Delete"}
    assert Seen.of(body(**settled, metadata=held, spec=ends)).at_rest, "its end is ours: the finalizer stays"
    assert not Seen.of(body(**settled, metadata={"generation": 4})).at_rest
    assert not Seen.of(body(**settled, metadata={"deletionTimestamp": "2026-11-23T12:00:00Z"})).at_rest
    assert not Seen.of(body()).at_rest
    assert not Seen.of(body("False", status={"settledPlan": "p"})).at_rest


def test_odd_objects_are_no_reason_to_fall() -> None:
    odd = {"metadata": {"uid": "u"}, "spec": {"stackRef": "text", "serverRef": {"name": 3}}, "status": None}
    seen = Seen.of(odd)
    assert (seen.stack, seen.server, seen.settled) == ("", "", False)


def store() -> Store:
    found = Store()
    found.put(ONE, Seen.of(body()))
    found.put(Key("stackdeployments", "ops", "two"), Seen.of(body("True", status={"settledPlan": "p"})))
    found.put(Key("stackdeployments", "dev", "one"), Seen.of(body(metadata={"finalizers": [FINALIZER]})))
    found.put(Key("stacks", "ops", "s"), Seen.of({"metadata": {"uid": "w"}}))
    return found


def test_a_stacks_edit_concerns_unsettled_deployments_of_its_namespace() -> None:
    assert list(store().users_of_stack("ops", "s")) == [ONE]
    assert list(store().users_of_stack("ops", "t")) == []


def test_a_stacks_edit_concerns_settled_deployments_too_that_are_not_ready() -> None:
    """Without a Stack that compiles, an edit of theirs goes nowhere."""
    found = store()
    found.put(ONE, Seen.of(body("False", status={"settledPlan": "p"})))
    assert list(found.users_of_stack("ops", "s")) == [ONE]


def test_an_outage_makes_no_settled_deployment_one_that_waits() -> None:
    found = store()
    two = Key("stackdeployments", "ops", "two")
    assert list(found.disturbed_on_server("f")) == []
    found.put(two, Seen.of(body("False", status={"settledPlan": "p"})))
    assert two not in set(found.users_of_server("f", settled=False))
    assert list(found.disturbed_on_server("f")) == [two]
    assert list(found.disturbed_on_server("g")) == []
    for more in ({"deletionTimestamp": "2026-11-23T12:00:00Z"}, {"generation": 4}):
        found.put(two, Seen.of(body("False", status={"settledPlan": "p"}, metadata=more)))
        assert two in set(found.users_of_server("f", settled=False)), "somebody waits for its end, or for its edit"
        assert list(found.disturbed_on_server("f")) == []


def test_a_server_concerns_all_that_refer_to_it_or_only_those_that_wait() -> None:
    names = {key.namespace + key.name for key in store().users_of_server("f")}
    assert names == {"opsone", "opstwo", "devone"}
    assert {key.name for key in store().users_of_server("f", settled=False)} == {"one"}
    assert list(store().users_of_server("g")) == []


def test_only_deployments_have_a_server() -> None:
    found = store()
    odd = Key("deployedhosts", "ops", "one")
    found.put(odd, Seen.of(body()))
    assert found.server_of(ONE) == "f"
    assert [found.server_of(key) for key in (odd, Key("stacks", "ops", "s"), Key("foremanservers", "", "f"))] == [
        ""
    ] * 3
    assert found.server_of(Key("stackdeployments", "ops", "gone")) == ""


def test_a_server_is_held_while_a_deployment_with_our_finalizer_refers_to_it() -> None:
    found = store()
    assert found.holds("f")
    assert not found.holds("g")
    gone = found.remove(Key("stackdeployments", "dev", "one"))
    assert gone is not None
    assert gone.held
    assert not found.holds("f")
