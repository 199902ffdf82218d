"""What a pass needs from Kubernetes: tenancy, values from Secrets and ConfigMaps, and a plan or why there is none."""

from __future__ import annotations

import asyncio
import copy
from typing import Any, cast

import pytest

from foreman_stacks.api.parse import parse_deployment
from foreman_stacks.cluster.port import Cluster, Key
from foreman_stacks.errors import ClusterForbidden
from foreman_stacks.model.outcome import Stalled
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.values import Secret
from foreman_stacks.reconcile.gather import Gathered, plan_of, server_of, tenant_of
from foreman_stacks.reconcile.memory import Memory
from tests.unit.foreman_stacks.made import IDENTITY, NOW, a_server
from tests.unit.foreman_stacks.plan.conftest import TREE, source
from tests.unit.foreman_stacks.reconcile.desk import KEY, SERVER, STACK, Kube

FROM_SECRET = {"name": "password", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}
FROM_MAP = {"name": "heap", "valueFrom": {"configMapKeyRef": {"name": "sizes", "key": "heap"}}}


class Counted(Kube):
    """Counts how often values are read."""

    def __init__(self) -> None:
        super().__init__([])
        self.reads = 0

    async def secret(self, namespace: str, name: str) -> Any:
        self.reads += 1
        return await super().secret(namespace, name)


def kube(**spec: Any) -> Counted:
    """The tree of two hostgroups, which wants a password, and a deployment of it."""
    found = Counted()
    found.put(STACK, spec=copy.deepcopy(TREE))
    found.secrets["ops", "db"] = {"password": b"hush-hush"}
    roles = [{"name": "db_node", "sources": [source()]}, {"name": "app", "sources": [source()]}]
    body = {"stackRef": {"name": "s"}, "serverRef": {"name": "f"}, "parentHostgroup": "Base", "roles": roles}
    found.put(KEY, spec={**body, "parameters": [FROM_SECRET], **spec})
    return found


def gathered(cluster: Kube, memory: Memory | None = None) -> Gathered:
    deployment = parse_deployment(cluster.objects[KEY])
    return asyncio.run(plan_of(deployment, cast("Cluster", cluster), memory or Memory(NOW), IDENTITY, b"k"))


def test_values_of_secrets_are_secrets_and_those_of_config_maps_are_cast() -> None:
    cluster = kube(parameters=[FROM_SECRET, FROM_MAP])
    cluster.config_maps["ops", "sizes"] = {"heap": "1024"}
    plan = gathered(cluster).plan
    assert plan is not None
    assert plan.parameters["password"] == Secret("hush-hush")
    assert plan.parameters["heap"] == 1024


@pytest.mark.parametrize(
    "data, words",
    [
        (None, "Secret 'db' is missing"),
        ({}, "key 'password' of Secret 'db'"),
        ({"password": b"\xff\xfe"}, "text in UTF-8 in key 'password' of Secret 'db'"),
    ],
)
def test_what_is_not_there_yet_is_waited_for_by_name(data: dict[str, bytes] | None, words: str) -> None:
    cluster = kube()
    if data is None:
        del cluster.secrets["ops", "db"]
    else:
        cluster.secrets["ops", "db"] = data
    found = gathered(cluster)
    assert found.plan is None
    assert found.stalls == []
    (wait,) = found.waits
    assert wait.reason is Reason.WAITING_FOR_SECRET
    assert wait.after is not None
    assert words in wait.message
    assert "spec.parameters[password].valueFrom" in wait.message


def test_what_the_operator_may_not_read_is_waited_for_by_name() -> None:
    class Closed(Counted):
        async def secret(self, namespace: str, name: str) -> Any:
            raise ClusterForbidden("secrets is forbidden", status=403)

    cluster = Closed()
    cluster.objects = kube().objects
    (wait,) = gathered(cluster).waits
    assert wait.reason is Reason.WAITING_FOR_SECRET
    assert wait.message == (
        "spec.parameters[password].valueFrom: the operator's permission to read Secret 'db' is missing; "
        "grant the operator's ServiceAccount get on it, or refer to another"
    )


def test_a_secret_is_read_once_however_many_values_are_in_it() -> None:
    more = {"name": "banner", "valueFrom": {"secretKeyRef": {"name": "db", "key": "banner"}}}
    cluster = kube(parameters=[FROM_SECRET, more])
    cluster.secrets["ops", "db"]["banner"] = b"hello"
    assert gathered(cluster).plan is not None
    assert cluster.reads == 1


@pytest.mark.parametrize(
    "spec, reason, words",
    [
        ({"parameters": []}, Reason.MISSING_PARAMETERS, "spec.parameters[password]"),
        (
            {"parameters": [FROM_SECRET, {"name": "heap", "value": "much"}]},
            Reason.INVALID_SPEC,
            "spec.parameters[heap]",
        ),
        ({"roles": [{"name": "nobody", "sources": [source()]}]}, Reason.INVALID_SPEC, "spec.roles[nobody]"),
    ],
)
def test_what_is_wrong_with_a_deployment_stalls_it_by_path(spec: dict[str, Any], reason: Reason, words: str) -> None:
    found = gathered(kube(**spec))
    (stall,) = found.stalls
    assert stall.reason is reason
    assert words in stall.message
    if reason is Reason.MISSING_PARAMETERS:
        assert [entry["name"] for entry in found.missing] == ["password"]


def test_no_stack_or_a_broken_one() -> None:
    cluster = kube()
    cluster.put(
        STACK, spec={**copy.deepcopy(TREE), "steps": [{"name": "x", "after": ["y"], "puppetRun": {"roles": ["app"]}}]}
    )
    (stall,) = gathered(cluster).stalls
    assert stall.reason is Reason.STACK_NOT_READY
    del cluster.objects[STACK]
    (stall,) = gathered(cluster).stalls
    assert stall.reason is Reason.STACK_NOT_FOUND


def test_equal_inputs_are_compiled_once_and_every_other_input_anew() -> None:
    cluster, memory = kube(), Memory(NOW)
    plan = gathered(cluster, memory).plan
    assert gathered(cluster, memory).plan is plan
    cluster.secrets["ops", "db"] = {"password": b"another"}
    other = gathered(cluster, memory).plan
    assert other is not None
    assert plan is not None
    assert other.hash != plan.hash
    cluster.put(STACK, spec={**copy.deepcopy(TREE), "periodicPuppet": "Disabled"})
    assert gathered(cluster, memory).plan is not other
    assert "hush-hush" not in memory.plan_inputs


# --- tenancy -----------------------------------------------------------------------------------------------------------

PROD = {"kubernetes.io/metadata.name": "shop", "stage": "prod"}


@pytest.mark.parametrize(
    "selector, permitted",
    [
        ({}, True),
        ({"matchLabels": {"stage": "prod"}}, True),
        ({"matchLabels": {"stage": "test"}}, False),
        ({"matchLabels": {"stage": "prod", "team": "x"}}, False),
        ({"matchExpressions": [{"key": "stage", "operator": "In", "values": ["prod", "test"]}]}, True),
        ({"matchExpressions": [{"key": "stage", "operator": "NotIn", "values": ["prod"]}]}, False),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["x"]}]}, True),
        ({"matchExpressions": [{"key": "stage", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "team", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, True),
        ({"matchLabels": {"stage": "prod"}, "matchExpressions": [{"key": "team", "operator": "Exists"}]}, False),
    ],
)
def test_selectors_are_those_of_kubernetes(selector: dict[str, Any], permitted: bool) -> None:
    server = a_server(tenants=[{"namespaceSelector": selector}])
    assert (tenant_of(server, PROD) is not None) == permitted


def test_the_first_tenant_that_matches_gives_the_defaults_and_none_permits_nobody() -> None:
    tenants = [
        {"namespaceSelector": {"matchLabels": {"stage": "test"}}, "organization": "Test"},
        {"namespaceSelector": {"matchLabels": {"stage": "prod"}}, "organization": "Shop"},
        {"namespaceSelector": {}, "organization": "All"},
    ]
    found = tenant_of(a_server(tenants=tenants), PROD)
    assert found is not None
    assert found.organization == "Shop"
    assert tenant_of(a_server(tenants=[]), PROD) is None


def test_nothing_about_a_server_is_told_to_one_that_may_not_use_it() -> None:
    cluster = kube()
    secretive = a_server(tenants=[{"namespaceSelector": {"matchLabels": {"x": "y"}}}], url="https://hidden.example.com")
    cluster.put(SERVER, spec=secretive.spec.model_dump(by_alias=True, exclude_none=True))
    deployment = parse_deployment(cluster.objects[KEY])
    found = asyncio.run(server_of(deployment, cast("Cluster", cluster)))
    assert isinstance(found, Stalled)
    assert found.reason is Reason.NOT_PERMITTED
    assert "hidden" not in found.message
    cluster.put(SERVER, spec={"url": "broken"})
    broken = asyncio.run(server_of(deployment, cast("Cluster", cluster)))
    assert broken == found, "a broken one looks the same"
    going = {"deletionTimestamp": "2026-11-23T12:00:00Z"}
    cluster.put(SERVER, spec=secretive.spec.model_dump(by_alias=True, exclude_none=True), metadata=going)
    assert asyncio.run(server_of(deployment, cast("Cluster", cluster))) == found, "and one that is being deleted"
    del cluster.objects[Key("foremanservers", "", "f")]
    gone = asyncio.run(server_of(deployment, cast("Cluster", cluster)))
    assert isinstance(gone, Stalled)
    assert gone.reason is Reason.SERVER_NOT_FOUND
