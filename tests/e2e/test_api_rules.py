"""The API on a real apiserver: what is refused and how, what is defaulted, and what kinds look like."""

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from control_plane import serviceaccount_kubeconfig
from foreman_stacks.api import rbac
from foreman_stacks.api.crds import RESOURCES, Resource, definition, object_schema
from foreman_stacks.api.meta import body
from foreman_stacks.api.parse import PARSERS, parse_stack
from foreman_stacks.cluster.port import API_VERSION, GROUP
from foreman_stacks.errors import InvalidSpec
from tests.api_cases import BASES, BROKEN, EDITS, MISSHAPEN, NAME_RULE, ONE_OF, SOUND, Case, Edit
from tests.e2e.conftest import ROOT, Kubectl

pytestmark = pytest.mark.usefixtures("crds")
BEYOND = (
    ("list", "secrets", ""),
    ("create", "secrets", ""),
    ("update", "stacks", GROUP),
    ("patch", "stacks", GROUP),
    ("delete", "stackdeployments", GROUP),
    ("create", "pods", ""),
    ("delete", "namespaces", ""),
)
DRY = ("create", "--dry-run=server", "-f", "-")


@pytest.mark.parametrize("case", [*(Case(kind, "", {}) for kind in BASES), *SOUND], ids=str)
def test_a_sound_object_is_taken(admin: Kubectl, case: Case) -> None:
    admin(*DRY, stdin=json.dumps(case.object))


@pytest.mark.parametrize("case", BROKEN, ids=str)
def test_a_broken_rule_is_told_with_its_field(admin: Kubectl, case: Case) -> None:
    complaint = admin.refused(*DRY, stdin=json.dumps(case.object))
    if case.rule == ONE_OF:
        assert f'"{case.server_blame}" must validate one and only one schema (oneOf)' in complaint
    else:
        assert re.search(rf"{re.escape(case.server_blame)}: Invalid value: .*{re.escape(case.rule)}", complaint)


@pytest.mark.parametrize("case", MISSHAPEN, ids=str)
def test_a_misshapen_object_is_refused_with_the_field(admin: Kubectl, case: Case) -> None:
    complaint = admin.refused(*DRY, stdin=json.dumps(case.object))
    if case.rule == "twice":  # offline checks blame the name, the apiserver the second entry that has it
        assert re.search(rf"{re.escape(case.server_blame.removesuffix('[0]'))}\[1\]: Duplicate value", complaint)
    else:
        assert case.server_blame in complaint


@pytest.mark.parametrize("edit", EDITS, ids=str)
def test_an_edit_is_judged_by_what_the_status_tells(admin: Kubectl, namespace: str, edit: Edit) -> None:
    """What a deployment made elsewhere would be nobody's."""
    place = (edit.kind, "sample", "-n", namespace)
    admin("apply", "-n", namespace, "-f", "-", stdin=json.dumps(Case(edit.kind, "", {}).object))
    patch = json.dumps({"status": edit.status})
    admin("patch", *place, "--type=merge", "--subresource=status", "-p", patch)
    change = ("apply", "-n", namespace, "-f", "-")
    if edit.blame is None:
        admin(*change, stdin=json.dumps(edit.object))
    else:
        complaint = admin.refused(*change, stdin=json.dumps(edit.object))
        assert re.search(rf"{re.escape(edit.blame)}: Invalid value: .*{re.escape(edit.rule)}", complaint)


def test_null_is_refused_at_the_latest_on_parse(admin: Kubectl, namespace: str) -> None:
    stack = Case("Stack", ONE_OF, {"spec.hostgroups.0.parameters.0.value": None}).object
    assert ".parameters[0].value" in admin.refused(*DRY, "--validate=false", stdin=json.dumps(stack))
    admin("apply", "--server-side", "-n", namespace, "-f", "-", stdin=json.dumps(stack))
    seen = json.loads(admin("get", "stack", "sample", "-n", namespace, "-o", "json"))
    with pytest.raises(InvalidSpec, match=r"parameters\[servers\]: has neither .*null is not a value"):
        parse_stack(seen)


@pytest.mark.parametrize("kind", BASES)
def test_a_fresh_object_is_not_taken_for_done(admin: Kubectl, kind: str) -> None:
    seen = json.loads(admin(*DRY, "-o", "json", stdin=json.dumps(Case(kind, "", {}).object)))
    assert seen["status"] == {"observedGeneration": -1}


def condition() -> dict[str, Any]:
    return {
        "type": "Ready",
        "status": "False",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "reason": "Provisioning",
        "message": "3 of 4 hosts are built",
    }


def test_columns_and_field_selectors(admin: Kubectl, namespace: str) -> None:
    admin("apply", "-n", namespace, "-f", "-", stdin=json.dumps(Case("StackDeployment", "", {}).object))
    summary = {"ready": "False", "reason": "RunningSteps", "hosts": "4/4", "step": "2/3 ring", "plan": "3f9a"}
    patch = json.dumps({"status": {"summary": summary}})
    admin("patch", "sdep", "sample", "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)
    head, row = admin("get", "sdep", "-n", namespace, "-o", "wide").splitlines()
    assert head.split() == ["NAME", "READY", "REASON", "HOSTS", "STEP", "AGE", "SERVER", "STACK", "PLAN"]
    assert row.split()[:6] == ["sample", "False", "RunningSteps", "4/4", "2/3", "ring"]
    assert row.split()[-3:] == ["foreman", "zookeeper", "3f9a"]
    for selector, found in (
        ("spec.stackRef.name=zookeeper", 1),
        ("spec.serverRef.name=other", 0),
        ("status.summary.ready=False", 1),
    ):
        listed = admin("get", "sdep", "-n", namespace, "--field-selector", selector, "-o", "name")
        assert len(listed.split()) == found, selector


@pytest.mark.parametrize(
    "kind, columns", [("Stack", "NAME READY REASON AGE"), ("ForemanServer", "NAME URL VERSION READY REASON AGE")]
)
def test_columns_of_what_has_conditions(admin: Kubectl, namespace: str, kind: str, columns: str) -> None:
    admin("apply", "-n", namespace, "-f", "-", stdin=json.dumps(Case(kind, "", {}).object))
    try:
        patch = json.dumps({"status": {"observedGeneration": 1, "conditions": [condition()]}})
        admin("patch", kind, "sample", "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)
        head, row = admin("get", kind, "-n", namespace).splitlines()
        assert head.split() == columns.split()
        assert row.split()[-3:-1] == ["False", "Provisioning"]
    finally:
        admin("delete", kind, "sample", "-n", namespace)


@pytest.mark.parametrize("kind", BASES)
def test_a_full_status_comes_back_as_written(admin: Kubectl, namespace: str, kind: str) -> None:
    resource = next(resource for resource in RESOURCES if resource.kind == kind)
    admin("apply", "-n", namespace, "-f", "-", stdin=json.dumps(Case(kind, "", {}).object))
    try:
        status = full(object_schema(resource)["properties"]["status"])
        patch = ("--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
        seen = json.loads(admin("patch", kind, "sample", "-n", namespace, *patch, "-o", "json"))
        assert seen["status"] == status
        assert body(PARSERS[kind](seen))["status"] == status
    finally:
        admin("delete", kind, "sample", "-n", namespace)


def full(node: dict[str, Any]) -> Any:
    """Something that fits the schema, with every field in it."""
    if "enum" in node:
        return node["enum"][0]
    match node.get("type"):
        case "object":
            return {name: full(child) for name, child in node["properties"].items()}
        case "array":
            return [full(node["items"])]
        case "boolean":
            return True
        case "integer":
            return max(1, node["minimum"])
        case "string" if node.get("format") == "date-time":
            return "2026-01-01T00:00:00Z"
        case "string":
            return next(text for text in ("a", "A", "1") if re.search(node.get("pattern", ""), text))
        case _:
            return {"a": [1]}


def test_one_write_makes_a_deployed_host(admin: Kubectl, namespace: str) -> None:
    spec = {"deployment": "zookeeper", "role": "zk", "index": 1, "server": "foreman"}
    status = {"state": "Built", "fqdn": "zookeeper-zk-1.example.com", "ip": "192.0.2.1"}
    host = {
        "apiVersion": API_VERSION,
        "kind": "DeployedHost",
        "metadata": {"name": "h"},
        "spec": spec,
        "status": status,
    }
    admin("apply", "--server-side", "-n", namespace, "-f", "-", stdin=json.dumps(host))
    head, row = admin("get", "dhost", "-n", namespace).splitlines()
    assert head.split() == ["NAME", "DEPLOYMENT", "ROLE", "INDEX", "FQDN", "IP", "STATE"]
    assert row.split() == ["h", "zookeeper", "zk", "1", "zookeeper-zk-1.example.com", "192.0.2.1", "Built"]


def test_kinds_are_found_by_category_and_explained(admin: Kubectl) -> None:
    listed = admin("api-resources", "--categories=foreman", "-o", "name").split()
    assert sorted(listed) == sorted(resource.name for resource in RESOURCES)
    assert "Runs Puppet on hosts" in admin("explain", "stack.spec.steps.puppetRun", f"--api-version={API_VERSION}")


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.kind)
def test_rules_cost_less_than_a_tenth_of_the_limit(admin: Kubectl, resource: Resource) -> None:
    """With ten times as long texts and lists at the top, the apiserver's estimate of the cost still passes."""
    grown = definition(resource)
    group = "costs.example.com"
    grown["metadata"]["name"] = f"{resource.plural}.{group}"
    grown["spec"]["group"] = group
    spec = grown["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for field in spec["properties"].values():
        for bound in ("maxItems", "maxLength"):
            if bound in field:
                field[bound] *= 10
    admin(*DRY, stdin=json.dumps(grown))


@pytest.mark.usefixtures("own_cluster")
def test_manifests_install_and_the_account_may_do_what_it_must_and_no_more(admin: Kubectl, tmp_path: Path) -> None:
    admin("apply", "-k", str(ROOT / "manifests"))
    admin("diff", "-k", str(ROOT / "manifests"))
    target = serviceaccount_kubeconfig(admin.kubeconfig, rbac.NAMESPACE, rbac.ACCOUNT, tmp_path / "kubeconfig")
    account = Kubectl(target)
    rights = [*((right, "default") for right in rbac.CLUSTER), *((right, rbac.NAMESPACE) for right in rbac.OWN)]
    for right, where in rights:
        for verb, resource in product(right.verbs, right.resources):
            assert may(account, where, verb, resource, right), (verb, resource)
    for verb, resource, group in BEYOND:
        assert not may(account, "default", verb, resource, rbac.Right("", group, (), ())), (verb, resource)


def may(account: Kubectl, where: str, verb: str, resource: str, right: rbac.Right) -> bool:
    resource, _, part = resource.partition("/")
    wish = {"verb": verb, "group": right.group, "resource": resource, "subresource": part, "namespace": where}
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    review = json.dumps({**kind, "spec": {"resourceAttributes": wish}})
    answer = account("create", "--validate=false", "-f", "-", "-o", "json", stdin=review)
    return bool(json.loads(answer)["status"]["allowed"])


@pytest.mark.usefixtures("own_cluster")
def test_the_pod_of_the_manifests_is_admitted_as_restricted(admin: Kubectl) -> None:
    admin("apply", "-k", str(ROOT / "manifests"))
    (deployment,) = yaml.safe_load_all((ROOT / "manifests" / "deployment.yaml").read_text())
    template = deployment["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": template["spec"]}
    admin(*DRY, "-n", rbac.NAMESPACE, stdin=json.dumps(pod))
    template["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    assert "restricted" in admin.refused(*DRY, "-n", rbac.NAMESPACE, stdin=json.dumps(pod))


def test_the_name_rule_is_the_only_one_about_metadata() -> None:
    assert [case.name for case in BROKEN if case.rule == NAME_RULE[1]] == ["a" * 41, "a.b"]
