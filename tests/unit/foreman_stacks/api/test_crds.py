"""The schemas that go to the apiserver: bounded, described, small, and the files of the project."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from foreman_stacks.api import crds, generate
from foreman_stacks.api.crds import RESOURCES, Resource, definition, documents, object_schema, to_yaml
from foreman_stacks.api.stack import Step

ROOT = Path(__file__).parents[4]
FRAME = {"apiVersion", "kind", "metadata"}
BYTES = 150_000


def nodes(path: str, node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(f"{path}.{name}", child)
    for part, suffix in (("items", "[]"), ("additionalProperties", "{}")):
        if part in node:
            yield from nodes(path + suffix, node[part])


def written(resource: Resource) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, node in object_schema(resource)["properties"].items():
        if name not in FRAME:
            yield from nodes(f"{resource.kind}.{name}", node)


EVERY = [entry for resource in RESOURCES for entry in written(resource)]


def bounded(node: dict[str, Any]) -> bool:
    match node.get("type"):
        case "string":
            return "maxLength" in node or "enum" in node or node.get("format") == "date-time"
        case "array":
            return "maxItems" in node and "x-kubernetes-list-type" in node
        case "object":
            return "properties" in node or "maxProperties" in node
        case "integer" | "number":
            return "minimum" in node and "maximum" in node
        case kind:
            return kind == "boolean" or bool(node.get("x-kubernetes-preserve-unknown-fields"))


def test_everything_is_bounded() -> None:
    assert [path for path, node in EVERY if not bounded(node)] == []


def test_only_scalars_have_a_default_but_for_status() -> None:
    """A defaulted list or object would differ from what users keep in git."""
    defaults = [(path, node["default"]) for path, node in EVERY if "default" in node]
    assert [path for path, value in defaults if not isinstance(value, bool | int | str)] == [
        f"{kind}.status" for kind in ("Stack", "StackDeployment", "ForemanServer")
    ]


def test_every_field_is_described_by_a_sentence() -> None:
    for path, node in EVERY:
        if not path.endswith(("[]", "{}")):
            assert node["description"].endswith((".", ")")), path
            assert node["description"][0].isupper(), path


def test_status_starts_unobserved() -> None:
    for resource in RESOURCES[:3]:
        assert object_schema(resource)["properties"]["status"]["default"] == {"observedGeneration": -1}


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.kind)
def test_a_crd_can_be_applied_by_any_client(resource: Resource) -> None:
    assert len(to_yaml(definition(resource)).encode()) < BYTES


def test_the_rule_about_kinds_of_step_names_them_all() -> None:
    steps = object_schema(RESOURCES[0])["properties"]["spec"]["properties"]["steps"]["items"]
    (rule,) = steps["x-kubernetes-validations"]
    assert all(f"has(self.{kind})" in rule["rule"] and kind in rule["message"] for kind in Step.kinds())
    assert {"puppetRun", "parameterUpdate"} <= set(Step.kinds())


def test_rendered_crds_are_one_stream() -> None:
    assert list(yaml.safe_load_all(crds.render())) == list(documents().values())


def test_generated_files_are_up_to_date() -> None:
    assert generate.stale(ROOT) == [], "run `make generate`"


def test_generate_writes_checks_and_removes_strangers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--root", str(tmp_path), "--check"]) == 1
    assert generate.main(["--root", str(tmp_path)]) == 0
    assert generate.main(["--root", str(tmp_path), "--check"]) == 0
    (tmp_path / "crds" / "old.yaml").write_text("")
    (tmp_path / "docs" / "api.md").write_text("edited")
    assert generate.main(["--root", str(tmp_path), "--check"]) == 1
    assert "crds/old.yaml is out of date" in capsys.readouterr().out
    assert generate.main(["--root", str(tmp_path)]) == 0
    assert generate.stale(tmp_path) == []
