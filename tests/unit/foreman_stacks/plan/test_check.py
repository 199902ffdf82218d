from __future__ import annotations

import copy
from typing import Any

import pytest

from foreman_stacks.plan.check import check_files

API = "stacks.theforeman.org/v1alpha1"
STACK: dict[str, Any] = {
    "apiVersion": API,
    "kind": "Stack",
    "metadata": {"name": "web"},
    "spec": {
        "parameters": [{"name": "heap", "type": "integer", "constraints": {"minimum": 1}}],
        "hostgroups": [{"name": "web", "parameters": [{"name": "share", "expression": "100 / parameters.heap"}]}],
        "roles": [{"name": "web", "hostgroup": "web", "count": {"min": 1}}],
    },
}
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": API,
    "kind": "StackDeployment",
    "metadata": {"name": "shop", "namespace": "ops"},
    "spec": {
        "stackRef": {"name": "web"},
        "serverRef": {"name": "foreman"},
        "parentHostgroup": "Base/Debian 12",
        "parameters": [{"name": "heap", "value": 4}],
        "roles": [{"name": "web", "sources": [{"name": "lab", "computeResource": {"name": "kvm"}}]}],
    },
}


def changed(document: dict[str, Any], **spec: Any) -> dict[str, Any]:
    found = copy.deepcopy(document)
    found["spec"].update(spec)
    return found


def check(*documents: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in check_files([("a.yaml", document) for document in documents])]


def test_good_files_have_no_problems_whatever_their_order() -> None:
    assert check(DEPLOYMENT, {"kind": "List", "items": [STACK]}, {"apiVersion": "v1", "kind": "Secret"}) == []


def test_a_deployment_without_its_stack_is_a_problem() -> None:
    assert check(DEPLOYMENT) == [
        (
            "a.yaml: StackDeployment/shop spec.stackRef.name: there is no Stack `web` in the files; "
            "check it together with the file of the Stack, or correct the name"
        )
    ]


def test_what_preflight_would_say_of_values_that_foreman_evaluates_is_told_offline() -> None:
    told = "contains `<%`, which Foreman would evaluate as ERB; write it without `<%`"
    groups = [{"name": "web", "parameters": [{"name": "motd", "value": "<%= 1 %>"}]}]
    machine = {"name": "kvm", "attributes": {"note": "<%"}}
    roles = [{"name": "web", "sources": [{"name": "lab", "computeResource": machine}]}]
    assert check(changed(STACK, hostgroups=groups), DEPLOYMENT) == [
        f"a.yaml: Stack/web spec.hostgroups[web].parameters[motd].value: {told}"
    ]
    assert check(STACK, changed(DEPLOYMENT, roles=roles)) == [
        f"a.yaml: StackDeployment/shop spec.roles[web].sources[lab].computeResource.attributes.note: {told}"
    ]


def test_a_stack_of_another_namespace_is_another_stack() -> None:
    elsewhere = {**STACK, "metadata": {"name": "web", "namespace": "dev"}}
    assert len(check(DEPLOYMENT, elsewhere)) == 1


def test_problems_of_a_deployment_name_its_file() -> None:
    assert check(STACK, changed(DEPLOYMENT, parameters=[])) == [
        "a.yaml: StackDeployment/shop spec.parameters[heap]: is missing, and has no default; give it a value (integer)"
    ]


def test_a_broken_stack_is_told_once_and_not_for_its_deployments_too() -> None:
    broken = changed(STACK, roles=[{"name": "web", "hostgroup": "wbe", "count": {"min": 1}}])
    assert check(broken, DEPLOYMENT) == [
        "a.yaml: Stack/web spec.roles[web].hostgroup: there is no hostgroup `wbe`; this Stack has web"
    ]


def test_a_stack_that_cannot_be_read_is_told_once_too() -> None:
    (found,) = check(changed(STACK, stepps=[]), DEPLOYMENT)
    assert found.startswith("a.yaml: Stack/web spec.stepps: is not a known field; did you mean steps?")


def test_a_deployment_that_stands_nowhere_is_a_problem() -> None:
    mend = "name the Foreman hostgroup that brings operating system, domain and subnet"
    told = f"a.yaml: StackDeployment/shop spec.parentHostgroup: is missing; {mend}"
    assert check(STACK, changed(DEPLOYMENT, parentHostgroup=None)) == [told]
    own = [{"name": "web", "parent": "Base/Debian 12"}]
    assert check(STACK, changed(DEPLOYMENT, parentHostgroup=None, hostgroups=own)) == []


def test_values_from_secrets_are_taken_as_given_even_where_a_sample_would_fail() -> None:
    source = {"secretKeyRef": {"name": "s", "key": "k"}}
    assert check(STACK, changed(DEPLOYMENT, parameters=[{"name": "heap", "valueFrom": source}])) == []


@pytest.mark.parametrize("kind", ["Stak", None])
def test_a_kind_of_ours_that_is_none_is_not_passed_over(kind: str | None) -> None:
    (found,) = check({**STACK, "kind": kind})
    assert found == (
        f"a.yaml: {kind}/web kind: is not a known kind; write one of Stack, StackDeployment, ForemanServer"
    )


def named(document: dict[str, Any], name: str, namespace: str = "") -> dict[str, Any]:
    return {**document, "metadata": {"name": name, "namespace": namespace}}


SERVER: dict[str, Any] = {
    "apiVersion": API,
    "kind": "ForemanServer",
    "spec": {"url": "https://foreman.example.com", "credentialsSecretRef": {"name": "foreman"}, "tenants": []},
}


@pytest.mark.parametrize("document", [STACK, DEPLOYMENT, SERVER], ids=["Stack", "StackDeployment", "ForemanServer"])
@pytest.mark.parametrize("name", ["Bad_Name", "-web", "web.", "a" * 254])
def test_a_name_that_the_apiserver_refuses_is_a_problem(document: dict[str, Any], name: str) -> None:
    (found,) = check(named(document, name))
    assert found.startswith(f"a.yaml: {document['kind']}/{name} metadata.name: ")


@pytest.mark.parametrize("document", [STACK, SERVER], ids=["Stack", "ForemanServer"])
def test_an_object_that_is_there_twice_is_a_problem(document: dict[str, Any]) -> None:
    found = check_files([("a.yaml", named(document, "x")), ("b.yaml", named(document, "x"))])
    assert [str(problem) for problem in found] == [
        (
            f"b.yaml: {document['kind']}/x metadata.name: is used twice: a.yaml has it, too; "
            "keep one of the two objects, or rename one"
        )
    ]
    assert check(named(document, "x"), named(document, "y")) == []


def test_the_same_name_in_another_namespace_is_another_object() -> None:
    assert check(named(STACK, "web", "dev"), named(STACK, "web", "ops"), DEPLOYMENT) == []


def test_hosts_in_what_kubectl_gets_are_passed_over() -> None:
    host = {"apiVersion": API, "kind": "DeployedHost", "metadata": {"name": "shop-web-1"}, "spec": {}}
    assert check({"apiVersion": "v1", "kind": "List", "items": [host, STACK, DEPLOYMENT]}) == []


def test_an_empty_document_is_no_problem() -> None:
    assert check_files([("a.yaml", None), ("b.yaml", [])]) == []  # type: ignore[list-item]
