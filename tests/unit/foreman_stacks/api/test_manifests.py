"""What `kubectl apply -k manifests` installs: few rights, a restricted Pod, and sound examples."""

from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from foreman_stacks.api import rbac
from foreman_stacks.api.parse import PARSERS
from foreman_stacks.handlers import informer, probes

ROOT = Path(__file__).parents[4]
EXAMPLES = sorted(ROOT.glob("examples/*/*.yaml"))


def load(path: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / path).read_text()))


RIGHTS = (*rbac.CLUSTER, *rbac.OWN, *chain.from_iterable(rbac.USERS.values()))


def test_no_right_is_for_everything() -> None:
    for right in RIGHTS:
        assert "*" not in (right.group, *right.resources, *right.verbs)
        assert right.why


def test_specs_are_never_written() -> None:
    writes = {verb for right in rbac.CLUSTER if "stacks" in right.resources for verb in right.verbs}
    assert writes == {"get", "list", "watch"}


def test_secrets_are_never_listed() -> None:
    for right in RIGHTS:
        if "secrets" in right.resources:
            assert not {"list", "watch", "delete", "update", "patch"} & set(right.verbs)


def test_users_may_what_their_roles_in_every_cluster_say_and_nothing_with_status_or_servers() -> None:
    roles = {document["metadata"]["name"]: document for document in load("manifests/rbac.yaml")}
    read, write = ["get", "list", "watch"], ["create", "update", "patch", "delete"]
    seen = {"stacks": read, "stackdeployments": read, "deployedhosts": read}
    written = {"stacks": read + write, "stackdeployments": read + write, "deployedhosts": read}
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    for name, wanted, into in (("view", seen, ["view"]), ("edit", written, ["edit", "admin"])):
        ours = roles[f"foreman-stacks-{name}"]
        found: dict[str, list[str]] = {}
        for rule in ours["rules"]:
            assert rule["apiGroups"] == ["stacks.theforeman.org"]
            for resource in rule["resources"]:
                found.setdefault(resource, []).extend(rule["verbs"])
        assert found == wanted
        labels = ours["metadata"]["labels"].items()
        assert [label for label, value in labels if label.startswith(prefix) and value == "true"] == [
            prefix + role for role in into
        ]


def test_the_operator_is_bound_to_its_own_roles_alone() -> None:
    bindings = [document for document in load("manifests/rbac.yaml") if "roleRef" in document]
    assert [(binding["roleRef"]["kind"], binding["roleRef"]["name"]) for binding in bindings] == [
        ("ClusterRole", "foreman-stacks"),
        ("Role", "foreman-stacks"),
    ]
    own = next(document for document in load("manifests/rbac.yaml") if document["kind"] == "ClusterRole")
    assert own["metadata"]["name"] == "foreman-stacks"
    assert not [label for label in own["metadata"]["labels"] if "aggregate-to" in label]


def test_each_reason_stands_above_its_rule() -> None:
    text = rbac.render()
    assert [document["kind"] for document in yaml.safe_load_all(text)] == [d["kind"] for d in rbac.documents()]
    assert text.count("- apiGroups:") == len(RIGHTS)


def test_the_pod_is_restricted() -> None:
    (deployment,) = load("manifests/deployment.yaml")
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    (namespace,) = load("manifests/namespace.yaml")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert namespace["metadata"]["name"] == rbac.NAMESPACE == deployment["metadata"]["namespace"]
    assert pod["serviceAccountName"] == rbac.ACCOUNT


def test_the_pod_has_the_time_that_the_operator_takes_for_its_end_and_gets_no_variables_of_others() -> None:
    (deployment,) = load("manifests/deployment.yaml")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= informer.ENDING + probes.ENDING + 5
    assert pod["enableServiceLinks"] is False


def test_the_kubelet_asks_where_the_operator_answers() -> None:
    (deployment,) = load("manifests/deployment.yaml")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    (port,) = [entry["containerPort"] for entry in container["ports"] if entry["name"] == "http"]
    assert {entry["name"]: entry.get("value") for entry in container["env"]}["FOREMAN_STACKS_HTTP_PORT"] == str(port)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_examples_are_sound(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        if document.get("kind") in PARSERS:
            PARSERS[document["kind"]](document)


def test_the_name_references_point_at_fields_that_exist() -> None:
    (references,) = load("examples/kustomize/name-reference.yaml")
    fields = {spec["path"] for reference in references["nameReference"] for spec in reference["fieldSpecs"]}
    assert fields == {
        "spec/stackRef/name",
        "spec/serverRef/name",
        "spec/parameters/valueFrom/secretKeyRef/name",
        "spec/parameters/valueFrom/configMapKeyRef/name",
        "spec/credentialsSecretRef/name",
    }
