"""Objects that keep or break the rules of the API: asked of the models in the unit tests, of a real apiserver in e2e.

One table of data, hence its length.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from foreman_stacks.api.crds import RESOURCES, object_schema
from foreman_stacks.cluster.port import API_VERSION

GONE = object()
"""In a change: the field is taken out."""

ONE_OF = "oneOf"

BASES: dict[str, dict[str, Any]] = {
    "Stack": {
        "parameters": [{"name": "size", "type": "integer", "constraints": {"minimum": 1}}],
        "hostgroups": [
            {"name": "zk", "parameters": [{"name": "servers", "type": "array", "value": []}]},
            {"name": "below", "puppetClasses": [{"name": "zookeeper", "overrides": [{"name": "id", "value": 1}]}]},
        ],
        "roles": [
            {
                "name": "zk",
                "hostgroup": "zk",
                "count": {"min": 3},
                "parameters": [{"name": "number", "expression": "host.index"}],
                "overrides": [{"class": "zookeeper", "name": "id", "expression": "string(host.index)"}],
            }
        ],
        "steps": [
            {"name": "first", "puppetRun": {"roles": ["zk"]}},
            {"name": "ring", "parameterUpdate": {"hostgroup": "zk", "parameter": "servers", "value": ["a"]}},
        ],
        "outputs": [{"name": "servers", "type": "array", "expression": "roles.zk.hosts.map(h, h.ip)"}],
    },
    "StackDeployment": {
        "stackRef": {"name": "zookeeper"},
        "serverRef": {"name": "foreman"},
        "parentHostgroup": "Base/Debian 12",
        "hostgroups": [{"name": "zk", "parent": "Base/Debian 12/Large disks"}],
        "parameters": [
            {"name": "size", "value": 3},
            {"name": "password", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ],
        "roles": [{"name": "zk", "sources": [{"name": "vm", "computeResource": {"name": "libvirt-test"}}]}],
    },
    "ForemanServer": {
        "url": "https://foreman.example.com",
        "credentialsSecretRef": {"name": "foreman"},
        "tenants": [{"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}}],
    },
}
"""The spec of a sound object of each kind; every place that a rule is about exists in it."""


@dataclass(frozen=True)
class Edit:
    """A change of the sound object while it has this status. `blame`: the field that is named when it is refused."""

    kind: str
    rule: str
    status: Mapping[str, Any]
    change: Mapping[str, Any]
    blame: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} {','.join(self.change)} at {dict(self.status)}"

    @property
    def object(self) -> dict[str, Any]:
        return Case(self.kind, self.rule, self.change).object


@dataclass(frozen=True)
class Case:
    """A change of the sound object. `blame` is the field that offline checks name; None when the object is sound."""

    kind: str
    rule: str
    change: Mapping[str, Any]
    blame: str | None = None
    name: str = "sample"

    def __str__(self) -> str:
        words = ",".join(f"{path}={'gone' if value is GONE else value}" for path, value in self.change.items())
        return f"{self.kind} {words or self.name}"[:90]

    @property
    def object(self) -> dict[str, Any]:
        spec = {"spec": copy.deepcopy(BASES[self.kind])}
        for path, value in self.change.items():
            put(spec, path, value)
        return {"apiVersion": API_VERSION, "kind": self.kind, "metadata": {"name": self.name}, **spec}

    @property
    def server_blame(self) -> str:
        """The same field as the apiserver writes it: entries of lists by position."""
        path, node = "", self.object
        for part in re.findall(r"[^.\[\]]+|\[[^\]]*\]", self.blame or ""):
            if part.startswith("["):
                entries: Any = node
                position = next(
                    i for i, entry in enumerate(entries) if _key(entry) == part[1:-1] or str(i) == part[1:-1]
                )
                node, path = entries[position], f"{path}[{position}]"
            else:
                node, path = (node or {}).get(part, {}), f"{path}.{part}".removeprefix(".")
        return path


def _key(entry: Any) -> str:
    """What offline paths show of an entry of a list."""
    return ",".join(str(entry[key]) for key in ("class", "name") if key in entry) if isinstance(entry, dict) else entry


def put(node: Any, path: str, value: Any) -> None:
    """Sets, or takes out, what is at a path like `spec.roles.0.count`."""
    *way, last = (int(part) if part.isdigit() else part for part in path.split("."))
    for part in way:
        node = node[part]
    if value is GONE:
        del node[last]
    elif isinstance(node, list) and last == len(node):
        node.append(value)
    else:
        node[last] = value


def rule_places() -> Iterator[tuple[str, str]]:
    """Every CEL rule (by its message) and every oneOf that an object alone keeps or breaks, with the place it stands at."""
    return ((path, said) for path, said, over_edits in _all_places() if not over_edits)


def edit_rule_places() -> Iterator[tuple[str, str]]:
    """Every CEL rule over an edit (`oldSelf`), by its message, with the place it stands at."""
    return ((path, said) for path, said, over_edits in _all_places() if over_edits)


def _all_places() -> Iterator[tuple[str, str, bool]]:
    for resource in RESOURCES:
        yield from _places(resource.kind, object_schema(resource))


def _places(path: str, node: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    yield from ((path, rule["message"], "oldSelf" in rule["rule"]) for rule in node.get("x-kubernetes-validations", ()))
    if ONE_OF in node:
        yield path, ONE_OF, False
    for name, child in node.get("properties", {}).items():
        yield from _places(f"{path}.{name}", child)
    if "items" in node:
        yield from _places(f"{path}[]", node["items"])


STEP = "Stack.spec.steps[]"
RESERVED = {"name": "foreman_stacks_record"}
_VALUE = {"value": 1}
_EXPRESSION = {"expression": "1"}

# Every rule and oneOf of the schemas: (place, start of the message or oneOf) → sound and unsound changes with the field
# to blame for each.
RULES: dict[tuple[str, str], tuple[list[dict[str, Any]], list[tuple[dict[str, Any], str]]]] = {
    ("Stack.spec.parameters[]", "names that begin"): (
        [{"spec.parameters.0.name": "foreman_stack"}],
        [({"spec.parameters.0.name": "foreman_stacks"}, "spec.parameters[foreman_stacks].name")],
    ),
    ("Stack.spec.parameters[].constraints", "maximum is below"): (
        [
            {"spec.parameters.0.constraints": {"minimum": 2, "maximum": 2}},
            {"spec.parameters.0.constraints": {"maximum": 0}},
        ],
        [
            (
                {"spec.parameters.0.constraints": {"minimum": 2.5, "maximum": 2}},
                "spec.parameters[size].constraints.maximum",
            )
        ],
    ),
    ("Stack.spec.parameters[].constraints", "maxLength is below"): (
        [{"spec.parameters.0.constraints": {"minLength": 2, "maxLength": 2}}],
        [
            (
                {"spec.parameters.0.constraints": {"minLength": 2, "maxLength": 1}},
                "spec.parameters[size].constraints.maxLength",
            )
        ],
    ),
    ("Stack.spec.parameters[].constraints", "maxItems is below"): (
        [{"spec.parameters.0.constraints": {"minItems": 2, "maxItems": 3}}],
        [
            (
                {"spec.parameters.0.constraints": {"minItems": 4, "maxItems": 3}},
                "spec.parameters[size].constraints.maxItems",
            )
        ],
    ),
    ("Stack.spec.hostgroups[]", "a hostgroup cannot be"): (
        [{"spec.hostgroups.1.parent": "zk"}],
        [({"spec.hostgroups.1.parent": "below"}, "spec.hostgroups[below].parent")],
    ),
    ("Stack.spec.hostgroups[].parameters[]", "names that begin"): (
        [{"spec.hostgroups.0.parameters.0.name": "stacks"}],
        [
            (
                {"spec.hostgroups.0.parameters.0.name": "foreman_stacks_record"},
                "spec.hostgroups[zk].parameters[foreman_stacks_record].name",
            )
        ],
    ),
    ("Stack.spec.hostgroups[].parameters[]", ONE_OF): (
        [
            {"spec.hostgroups.0.parameters.0": {"name": "a", "value": False}},
            {"spec.hostgroups.0.parameters.0": {"name": "a", "expression": "1"}},
        ],
        [
            ({"spec.hostgroups.0.parameters.0": {"name": "a"}}, "spec.hostgroups[zk].parameters[a]"),
            (
                {"spec.hostgroups.0.parameters.0": {"name": "a", **_VALUE, **_EXPRESSION}},
                "spec.hostgroups[zk].parameters[a]",
            ),
        ],
    ),
    ("Stack.spec.hostgroups[].puppetClasses[].overrides[]", ONE_OF): (
        [{"spec.hostgroups.1.puppetClasses.0.overrides.0": {"name": "id", **_EXPRESSION}}],
        [
            (
                {"spec.hostgroups.1.puppetClasses.0.overrides.0": {"name": "id"}},
                "spec.hostgroups[below].puppetClasses[zookeeper].overrides[id]",
            ),
            (
                {"spec.hostgroups.1.puppetClasses.0.overrides.0": {"name": "id", **_VALUE, **_EXPRESSION}},
                "spec.hostgroups[below].puppetClasses[zookeeper].overrides[id]",
            ),
        ],
    ),
    ("Stack.spec.roles[].count", "max is below"): (
        [{"spec.roles.0.count": {"min": 3, "max": 3}}],
        [({"spec.roles.0.count": {"min": 3, "max": 2}}, "spec.roles[zk].count.max")],
    ),
    ("Stack.spec.roles[].count", "default is not between"): (
        [{"spec.roles.0.count": {"min": 1, "max": 3, "default": 2}}, {"spec.roles.0.count": {"min": 1, "default": 9}}],
        [
            ({"spec.roles.0.count": {"min": 1, "max": 3, "default": 4}}, "spec.roles[zk].count.default"),
            ({"spec.roles.0.count": {"min": 1, "default": 0}}, "spec.roles[zk].count.default"),
        ],
    ),
    ("Stack.spec.roles[].parameters[]", "names that begin"): (
        [{"spec.roles.0.parameters.0.name": "foreman"}],
        [({"spec.roles.0.parameters.0.name": "foreman_stacks"}, "spec.roles[zk].parameters[foreman_stacks].name")],
    ),
    (STEP, "a step has exactly one"): (
        [{"spec.steps.0": {"name": "x", "parameterUpdate": {"hostgroup": "zk", "parameter": "servers", "value": []}}}],
        [
            ({"spec.steps.0": {"name": "x"}}, "spec.steps[x]"),
            ({"spec.steps.1.puppetRun": {"roles": ["zk"]}}, "spec.steps[ring]"),
        ],
    ),
    (f"{STEP}.parameterUpdate", ONE_OF): (
        [{"spec.steps.1.parameterUpdate": {"hostgroup": "zk", "parameter": "servers", **_EXPRESSION}}],
        [
            ({"spec.steps.1.parameterUpdate.value": GONE}, "spec.steps[ring].parameterUpdate"),
            ({"spec.steps.1.parameterUpdate.expression": "1"}, "spec.steps[ring].parameterUpdate"),
        ],
    ),
    ("StackDeployment.spec.parameters[]", ONE_OF): (
        [{"spec.parameters.0.value": ""}],
        [
            ({"spec.parameters.0": {"name": "size"}}, "spec.parameters[size]"),
            ({"spec.parameters.1.value": 1}, "spec.parameters[password]"),
        ],
    ),
    ("StackDeployment.spec.parameters[].valueFrom", "valueFrom has exactly one"): (
        [{"spec.parameters.1.valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}],
        [
            ({"spec.parameters.1.valueFrom": {}}, "spec.parameters[password].valueFrom"),
            (
                {"spec.parameters.1.valueFrom.configMapKeyRef": {"name": "c", "key": "k"}},
                "spec.parameters[password].valueFrom",
            ),
        ],
    ),
    ("StackDeployment.spec.roles[].sources[]", "a source has exactly one"): (
        [{"spec.roles.0.sources.0.max": 2}],
        [({"spec.roles.0.sources.0": {"name": "vm"}}, "spec.roles[zk].sources[vm]")],
    ),
    ("ForemanServer.spec", "url is not http"): (
        [{"spec.url": "http://[::1]:3000"}, {"spec.url": "https://foreman.example.com:8443/foreman/"}],
        [
            ({"spec.url": url}, "spec.url")
            for url in (
                "ftp://foreman.example.com",
                "https://admin:secret@foreman.example.com",
                "https://foreman.example.com?a=b",
                "https://foreman.example.com#a",
                "https:///foreman",
                "foreman.example.com",
            )
        ],
    ),
    ("ForemanServer.spec", "caBundle holds no"): (
        [{"spec.caBundle": "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"}],
        [({"spec.caBundle": "/etc/ssl/ca.pem"}, "spec.caBundle")],
    ),
    ("ForemanServer.spec.tenants[].namespaceSelector.matchExpressions[]", "In and NotIn have values"): (
        [{"spec.tenants.0.namespaceSelector.matchExpressions.0": {"key": "a", "operator": "In", "values": ["b"]}}],
        [
            (
                {"spec.tenants.0.namespaceSelector.matchExpressions.0": {"key": "a", "operator": operator, **values}},
                "spec.tenants[0].namespaceSelector.matchExpressions[0].values",
            )
            for operator, values in (("NotIn", {}), ("In", {"values": []}), ("Exists", {"values": ["b"]}))
        ],
    ),
    ("StackDeployment", "the name of a StackDeployment"): ([{}], []),
}

NAME_RULE = ("StackDeployment", "the name of a StackDeployment")

SOUND = [
    Case(place.split(".")[0], rule, change) for (place, rule), (changes, _) in RULES.items() for change in changes
] + [Case("StackDeployment", NAME_RULE[1], {}, name="a" * 40)]
BROKEN = [
    Case(place.split(".")[0], rule, change, blame)
    for (place, rule), (_, changes) in RULES.items()
    for change, blame in changes
] + [Case("StackDeployment", NAME_RULE[1], {}, "metadata.name", name=name) for name in ("a" * 41, "a.b")]

SERVER_RULE = ("StackDeployment", "serverRef cannot change any more")
_OTHER_SERVER = {"spec.serverRef.name": "other"}

# Every rule over an edit → statuses of the object before it, the edit, and the field to blame where it is refused.
EDIT_RULES: dict[tuple[str, str], list[tuple[dict[str, Any], dict[str, Any], str | None]]] = {
    SERVER_RULE: [
        ({}, _OTHER_SERVER, None),
        ({"plan": "", "epoch": 0}, _OTHER_SERVER, None),
        ({"plan": "3f9a", "epoch": 2}, {"spec.paused": True}, None),
        ({"plan": "3f9a"}, _OTHER_SERVER, "spec.serverRef"),
        ({"plan": "", "epoch": 1}, _OTHER_SERVER, "spec.serverRef"),
        ({"epoch": 1}, _OTHER_SERVER, "spec.serverRef"),
    ],
}
EDITS = [
    Edit(place.split(".")[0], rule, status, change, blame)
    for (place, rule), edits in EDIT_RULES.items()
    for status, change, blame in edits
]

# What the schemas refuse without rules. The apiserver words these itself; it must name the field.
MISSHAPEN = [
    Case("Stack", "unknown field", {"spec.rolls": []}, "spec.rolls"),
    Case("Stack", "unknown field", {"spec.steps.0.puppetRun.host": "All"}, "spec.steps[first].puppetRun.host"),
    Case("Stack", "unknown field", {"spec.roles.0.count.minimum": 1}, "spec.roles[zk].count.minimum"),
    Case("Stack", "wrong type", {"spec.roles.0.count.min": "3"}, "spec.roles[zk].count.min"),
    Case("Stack", "wrong type", {"spec.steps": {}}, "spec.steps"),
    Case("Stack", "wrong type", {"spec.parameters.0.optional": "yes"}, "spec.parameters[size].optional"),
    Case("Stack", "wrong type", {"spec.description": 12}, "spec.description"),
    Case("Stack", "bad name", {"spec.roles.0.name": "Zk"}, "spec.roles[Zk].name"),
    Case("Stack", "bad name", {"spec.steps.0.name": "step-1"}, "spec.steps[step-1].name"),
    Case(
        "Stack",
        "bad name",
        {"spec.roles.0.overrides.0.class": "Zookeeper"},
        "spec.roles[zk].overrides[Zookeeper,id].class",
    ),
    Case("Stack", "bad name", {"spec.roles.0.hostname": "{index}.example.com"}, "spec.roles[zk].hostname"),
    Case("Stack", "required", {"spec.roles": GONE}, "spec.roles"),
    Case("Stack", "required", {"spec.roles": []}, "spec.roles"),
    Case("Stack", "required", {"spec.roles.0.hostgroup": GONE}, "spec.roles[zk].hostgroup"),
    Case("Stack", "choice", {"spec.parameters.0.type": "int"}, "spec.parameters[size].type"),
    Case("Stack", "choice", {"spec.steps.0.puppetRun.order": "Random"}, "spec.steps[first].puppetRun.order"),
    Case("Stack", "range", {"spec.steps.0.timeoutSeconds": 0}, "spec.steps[first].timeoutSeconds"),
    Case(
        "Stack",
        "range",
        {"spec.parameters.0.constraints.minimum": -(2**53)},
        "spec.parameters[size].constraints.minimum",
    ),
    Case("Stack", "range", {"spec.steps.0.retries": 21}, "spec.steps[first].retries"),
    Case("Stack", "length", {"spec.outputs.0.expression": "x" * 4097}, "spec.outputs[servers].expression"),
    Case("Stack", "twice", {"spec.steps.1.name": "first"}, "spec.steps[first]"),
    Case("Stack", "twice", {"spec.steps.0.puppetRun.roles": ["zk", "zk"]}, "spec.steps[first].puppetRun.roles[zk]"),
    Case("StackDeployment", "unknown field", {"spec.replicas": 3}, "spec.replicas"),
    Case("StackDeployment", "wrong type", {"spec.paused": "true"}, "spec.paused"),
    Case("StackDeployment", "choice", {"spec.deletionPolicy": "Orphan"}, "spec.deletionPolicy"),
    Case("StackDeployment", "choice", {"spec.stackRef.kind": "Template"}, "spec.stackRef.kind"),
    Case("StackDeployment", "range", {"spec.roles.0.count": -1}, "spec.roles[zk].count"),
    Case("StackDeployment", "required", {"spec.roles.0.sources": GONE}, "spec.roles[zk].sources"),
    Case("ForemanServer", "required", {"spec.tenants": GONE}, "spec.tenants"),
    Case("ForemanServer", "required", {"spec.tenants.0": {}}, "spec.tenants[0].namespaceSelector"),
    Case("ForemanServer", "range", {"spec.limits": {"requests": 0}}, "spec.limits.requests"),
]
