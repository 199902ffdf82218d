"""What `kubectl apply -k manifests` installs: few rights, a restricted Pod, and sound examples."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from foreman_stacks.api import rbac
from foreman_stacks.api.parse import PARSERS

ROOT = Path(__file__).parents[4]
EXAMPLES = sorted(ROOT.glob("examples/*/*.yaml"))


def load(path: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / path).read_text()))


def test_no_right_is_for_everything() -> None:
    for right in (*rbac.CLUSTER, *rbac.OWN):
        assert "*" not in (right.group, *right.resources, *right.verbs)
        assert right.why


def test_specs_are_never_written() -> None:
    writes = {verb for right in rbac.CLUSTER if "stacks" in right.resources for verb in right.verbs}
    assert writes == {"get", "list", "watch"}


def test_secrets_are_never_listed() -> None:
    for right in (*rbac.CLUSTER, *rbac.OWN):
        if "secrets" in right.resources:
            assert not {"list", "watch", "delete", "update", "patch"} & set(right.verbs)


def test_each_reason_stands_above_its_rule() -> None:
    text = rbac.render()
    assert [document["kind"] for document in yaml.safe_load_all(text)] == [d["kind"] for d in rbac.documents()]
    assert text.count("- apiGroups:") == len([*rbac.CLUSTER, *rbac.OWN])


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
