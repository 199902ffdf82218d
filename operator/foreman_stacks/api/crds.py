"""The CustomResourceDefinitions, generated from the models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import yaml
from pydantic import BaseModel

from foreman_stacks.api.deployedhost import DeployedHost
from foreman_stacks.api.foremanserver import ForemanServer
from foreman_stacks.api.meta import CATEGORY, Kind
from foreman_stacks.api.stack import Stack
from foreman_stacks.api.stackdeployment import StackDeployment
from foreman_stacks.api.structural import Node, structural
from foreman_stacks.cluster.port import GROUP, VERSION

_READY = '.status.conditions[?(@.type=="Ready")]'


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`; `wide` ones only show with `-o wide`."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False

    @property
    def body(self) -> Node:
        """The column as a CRD has it."""
        return {"name": self.name, "type": self.type, "jsonPath": self.path, **({"priority": 1} if self.wide else {})}


_AGE = Column("AGE", ".metadata.creationTimestamp", "date")


@dataclass(frozen=True)
class Resource:
    """How a kind is served. Without `subresource`, one write carries spec and status."""

    model: type[Kind]
    plural: str
    short: str
    columns: tuple[Column, ...]
    selectable: tuple[str, ...] = ()
    cluster: bool = False
    subresource: bool = True

    @property
    def kind(self) -> str:
        """The kind's name."""
        return self.model.__name__

    @property
    def name(self) -> str:
        """The CRD's name."""
        return f"{self.plural}.{GROUP}"


RESOURCES: tuple[Resource, ...] = (
    Resource(Stack, "stacks", "stk", (Column("READY", f"{_READY}.status"), Column("REASON", f"{_READY}.reason"), _AGE)),
    Resource(
        StackDeployment,
        "stackdeployments",
        "sdep",
        (
            Column("READY", ".status.summary.ready"),
            Column("REASON", ".status.summary.reason"),
            Column("HOSTS", ".status.summary.hosts"),
            Column("STEP", ".status.summary.step"),
            _AGE,
            Column("SERVER", ".spec.serverRef.name", wide=True),
            Column("STACK", ".spec.stackRef.name", wide=True),
            Column("PLAN", ".status.summary.plan", wide=True),
        ),
        selectable=(
            ".spec.stackRef.name",
            ".spec.serverRef.name",
            ".status.summary.ready",
            ".status.summary.reason",
        ),
    ),
    Resource(
        ForemanServer,
        "foremanservers",
        "fsrv",
        (
            Column("URL", ".spec.url"),
            Column("VERSION", ".status.version"),
            Column("READY", f"{_READY}.status"),
            Column("REASON", f"{_READY}.reason"),
            _AGE,
        ),
        cluster=True,
    ),
    Resource(
        DeployedHost,
        "deployedhosts",
        "dhost",
        (
            Column("DEPLOYMENT", ".spec.deployment"),
            Column("ROLE", ".spec.role"),
            Column("INDEX", ".spec.index", "integer"),
            Column("FQDN", ".status.fqdn"),
            Column("IP", ".status.ip"),
            Column("STATE", ".status.state"),
        ),
        selectable=(".spec.deployment", ".spec.role", ".spec.server", ".status.state"),
        subresource=False,
    ),
)


def definition(resource: Resource) -> Node:
    """The CRD of a kind."""
    version: Node = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [column.body for column in resource.columns],
        **({"selectableFields": [{"jsonPath": path} for path in resource.selectable]} if resource.selectable else {}),
        **({"subresources": {"status": {}}} if resource.subresource else {}),
        "schema": {"openAPIV3Schema": object_schema(resource)},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": resource.name, "labels": {"app.kubernetes.io/name": "foreman-stacks"}},
        "spec": {
            "group": GROUP,
            "scope": "Cluster" if resource.cluster else "Namespaced",
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "shortNames": [resource.short],
                "categories": [CATEGORY],
            },
            "versions": [version],
        },
    }


def object_schema(resource: Resource) -> Node:
    """The schema of an object of this kind: the frame, the spec with its defaults, the status without defaults.

    A fresh object has `status.observedGeneration: -1`, so that tools never take it for done before its first pass.
    """
    fields = resource.model.model_fields
    spec, status = (cast("type[BaseModel]", fields[name].annotation) for name in ("spec", "status"))
    frame = structural(resource.model)
    schema: Node = {"description": frame["description"], "type": "object", "required": ["spec"]}
    if "x-kubernetes-validations" in frame:
        schema["x-kubernetes-validations"] = frame["x-kubernetes-validations"]
    state = {**structural(status, defaults=False), "description": str(fields["status"].description)}
    if "observedGeneration" in state["properties"]:
        state["default"] = {"observedGeneration": -1}
    schema["properties"] = {
        "apiVersion": {"type": "string", "description": f"Version of the API: {GROUP}/{VERSION}."},
        "kind": {"type": "string", "description": f"Kind of the object: {resource.kind}."},
        "metadata": {"type": "object", **_named_fields(frame)},
        "spec": {**structural(spec), "description": str(fields["spec"].description)},
        "status": state,
    }
    return schema


def _named_fields(frame: Node) -> Node:
    """The metadata fields that rules of the frame point at: the schema must have them, and may have only the name."""
    paths = [rule.get("fieldPath") for rule in frame.get("x-kubernetes-validations", ())]
    return {"properties": {"name": {"type": "string"}}} if ".metadata.name" in paths else {}


def documents() -> dict[str, Node]:
    """All CRDs by file name."""
    return {f"{resource.plural}.yaml": definition(resource) for resource in RESOURCES}


def render() -> str:
    """All CRDs as one stream, for `kubectl apply -f -`."""
    return "---\n".join(to_yaml(document) for document in documents().values())


class _Dumper(yaml.SafeDumper):
    """Indents lists and writes no aliases, so that the text is stable and easy to read."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def to_yaml(document: Any) -> str:
    """Return YAML with keys in the given order. Long texts stay on one line, so that an edit moves no line breaks."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)
