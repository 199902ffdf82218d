from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Spec = dict[str, Any]
Change = Callable[[Spec], object]
Faults = Callable[[Change], list[str]]


def update(name: str, text: str, **fields: Any) -> Spec:
    return {"name": name, "parameterUpdate": {"hostgroup": "zk", "parameter": "servers", "expression": text}, **fields}


def run(name: str, **fields: Any) -> Spec:
    return {"name": name, "puppetRun": {"roles": ["zk"]}, **fields}


def parameter(name: str, **fields: Any) -> Change:
    return lambda spec: spec.update(parameters=[{"name": name, **fields}])


def groups(*more: Spec) -> Change:
    return lambda spec: spec["hostgroups"].extend(more)


def steps(*found: Spec) -> Change:
    return lambda spec: spec.update(steps=list(found))


def values(**texts: str) -> Change:
    def change(spec: Spec) -> None:
        spec["hostgroups"][0]["parameters"] += [{"name": name, "expression": text} for name, text in texts.items()]

    return change


WRONG: dict[str, tuple[Change, list[str]]] = {
    "a parent that is none": (
        groups({"name": "low", "parent": "kz"}),
        ["spec.hostgroups[low].parent: there is no hostgroup `kz`; this Stack has low, zk"],
    ),
    "hostgroups that are one another's parents": (
        groups({"name": "a", "parent": "b"}, {"name": "b", "parent": "a"}),
        [
            "spec.hostgroups[a].parent: the hostgroups are one another's parents: a → b → a; remove the parent of one of them"
        ],
    ),
    "a hostgroup of a role that is none": (
        lambda spec: spec["roles"][0].update(hostgroup="kz", overrides=[]),
        ["spec.roles[zk].hostgroup: there is no hostgroup `kz`; this Stack has zk"],
    ),
    "an override of a class that the role's hosts do not have": (
        lambda spec: spec["roles"][0]["overrides"][0].update({"class": "zk"}),
        [
            (
                "spec.roles[zk].overrides[zk,id].class: class `zk` is neither in the role's hostgroup nor in one above it; "
                "add it to puppetClasses of hostgroup zk; the classes so far: zookeeper"
            )
        ],
    ),
    "one name for several hosts": (
        lambda spec: spec["roles"][0].update(hostname="{deployment}"),
        [
            (
                "spec.roles[zk].hostname: gives several hosts the same name: it has no {index}; "
                "add {index}, or let count.max be 1"
            )
        ],
    ),
    "a step after one that is none": (
        steps(run("first", after=["zeroth"])),
        ["spec.steps[first].after: there is no step `zeroth`; this Stack has first"],
    ),
    "a run on a role that is none": (
        steps({"name": "first", "puppetRun": {"roles": ["kz"]}}),
        ["spec.steps[first].puppetRun.roles: there is no role `kz`; this Stack has zk"],
    ),
    "steps that wait for one another": (
        steps(run("a", after=["b"]), run("b", after=["a"])),
        ["spec.steps[a].after: the steps wait for one another: a → b → a; take one of these names out of `after`"],
    ),
    "an update in a hostgroup that is none": (
        lambda spec: spec["steps"][1]["parameterUpdate"].update(hostgroup="kz"),
        ["spec.steps[ring].parameterUpdate.hostgroup: there is no hostgroup `kz`; this Stack has zk"],
    ),
    "an update of a parameter that is none": (
        lambda spec: spec["steps"][1]["parameterUpdate"].update(parameter="server"),
        [
            (
                "spec.steps[ring].parameterUpdate.parameter: there is no parameter of hostgroup zk `server`; "
                "this Stack has servers"
            )
        ],
    ),
    "two unordered updates of one parameter": (
        steps(update("one", "['a']"), update("two", "['b']")),
        [
            (
                "spec.steps[two].after: updates the same parameter as step `one`, and neither comes after the other; "
                "add one to `after`, directly or through other steps"
            )
        ],
    ),
    "an update of another type than the parameter": (
        steps(update("one", "'a'")),
        [
            (
                "spec.steps[one].parameterUpdate.expression: gives a string where an array is declared; "
                "change the expression, or the declared type"
            )
        ],
    ),
    "values that refer to one another": (
        values(a="hostgroups.zk.parameters.b", b="hostgroups.zk.parameters.a"),
        [
            (
                "spec.hostgroups[zk].parameters[a].expression: the value refers to itself: hostgroups.zk.parameters.a → "
                "hostgroups.zk.parameters.b → hostgroups.zk.parameters.a; take one of these references out"
            )
        ],
    ),
    "an update that refers to its own parameter": (
        steps(update("one", "hostgroups.zk.parameters.servers + ['a']")),
        [
            (
                "spec.steps[one].parameterUpdate.expression: the value refers to itself: hostgroups.zk.parameters.servers → "
                "hostgroups.zk.parameters.servers; take one of these references out"
            )
        ],
    ),
    "an untyped value with a typo, told once": (
        values(a="parameters.x", b="hostgroups.zk.parameters.a + 1"),
        [
            (
                "spec.hostgroups[zk].parameters[a].expression: `parameters.x` is not known here; known here: "
                "hostgroups.zk.parameters.servers, roles.zk.hosts, roles.zk.leader, roles.zk.leader.fqdn, "
                "roles.zk.leader.index, roles.zk.leader.ip, roles.zk.leader.name"
            )
        ],
    ),
    "a default of another type": (
        parameter("heap", type="integer", default="512m"),
        [
            (
                'spec.parameters[heap].default: is a string "512m" where integer is declared; '
                'write a whole number without leading zeros; declare a mode like "0644" as string, and quote it'
            )
        ],
    ),
    "a default that its own constraints refuse": (
        parameter("heap", type="integer", default=1, constraints={"minimum": 2}),
        ["spec.parameters[heap].default: is too small: 1; the minimum is 2"],
    ),
    "a secret default of another type, unquoted": (
        parameter("heap", type="integer", default="512m", sensitive=True),
        [
            (
                "spec.parameters[heap].default: is a string where integer is declared; "
                'write a whole number without leading zeros; declare a mode like "0644" as string, and quote it'
            )
        ],
    ),
    "constraints of another type": (
        parameter("heap", type="integer", constraints={"pattern": "a"}),
        ["spec.parameters[heap].constraints.pattern: is for string, not for integer; take it out"],
    ),
    "a parameter published in a hostgroup that is none": (
        parameter("heap", type="integer", hostgroups=["kz"]),
        ["spec.parameters[heap].hostgroups: there is no hostgroup `kz`; this Stack has zk"],
    ),
    "a parameter published where its name is taken": (
        parameter("servers", type="array", hostgroups=["zk"]),
        [
            (
                "spec.parameters[servers].hostgroups: hostgroup `zk` declares a parameter of this name itself; "
                "take one of the two out, or rename it"
            )
        ],
    ),
    "a name that expressions cannot refer to": (
        parameter("in", type="integer"),
        [
            "spec.parameters[in].name: `in` is a reserved word of CEL: expressions cannot refer to it; choose another name"
        ],
    ),
    "a value that YAML has changed": (
        lambda spec: spec["hostgroups"][0]["puppetClasses"][0]["overrides"][2].update(value=420),
        [
            (
                "spec.hostgroups[zk].puppetClasses[zookeeper].overrides[java_package].value: is an integer 420 where string "
                "is declared; quote it: YAML changes what is not quoted (0644 becomes 420, 1.0 becomes 1, yes becomes true)"
            )
        ],
    ),
    "a host in what concerns a whole hostgroup": (
        lambda spec: spec["hostgroups"][0]["puppetClasses"][0]["overrides"][0].update(expression="[host.ip]"),
        [
            (
                "spec.hostgroups[zk].puppetClasses[zookeeper].overrides[servers].expression: `host.ip` is not known here; "
                "host and peers are known in a role's parameters and overrides only"
            )
        ],
    ),
    "a wrong type in an output": (
        lambda spec: spec["outputs"][0].update(type="string"),
        [
            "spec.outputs[servers].expression: gives an array where a string is declared; write string(…) around it",
        ],
    ),
}


@pytest.mark.parametrize("change,messages", WRONG.values(), ids=WRONG.keys())
def test_a_stack_is_refused_with_path_what_and_mend(faults: Faults, change: Change, messages: list[str]) -> None:
    assert faults(change) == messages


RIGHT: dict[str, Change] = {
    "the ZooKeeper example": lambda _: None,
    "runs on one role need no order": steps(run("a"), run("b")),
    "two updates, ordered through another step": steps(
        update("one", "['a']"), run("between", after=["one"]), update("two", "['b']", after=["between"])
    ),
    "two updates, ordered because runs on one role follow one another": steps(
        update("one", "['a']"), run("a", after=["one"]), run("b"), update("two", "['b']", after=["b"])
    ),
    "untyped values that refer to one another, written in any order": values(
        b="hostgroups.zk.parameters.a + 1", a="2", c="hostgroups.zk.parameters.b > 2 ? 'x' : 'y'"
    ),
    "a class of the hostgroup above": groups({"name": "low", "parent": "zk"}),
    "a role of one host needs no index": lambda spec: spec["roles"][0].update(
        hostname="{deployment}", count={"min": 1, "max": 1}
    ),
}


@pytest.mark.parametrize("change", RIGHT.values(), ids=RIGHT.keys())
def test_a_stack_is_accepted(faults: Faults, change: Change) -> None:
    assert faults(change) == []


def test_all_problems_are_told_at_once(faults: Faults) -> None:
    def change(spec: Spec) -> None:
        spec["roles"][0]["overrides"][1]["expression"] = "host.ipp"
        spec["steps"][0]["puppetRun"]["roles"] = ["kz"]
        spec["outputs"][0]["expression"] = "roles.zk.hosts"

    assert [found.partition(": ")[0] for found in faults(change)] == [
        "spec.roles[zk].overrides[zookeeper,client_ip].expression",
        "spec.outputs[servers].expression",
        "spec.steps[first].puppetRun.roles",
    ]


def test_a_mended_stack_is_looked_at_again(faults: Faults) -> None:
    broken = parameter("map", type="hash", default={"a": None})
    assert [found.partition(": ")[0] for found in faults(broken)] == ["spec.parameters[map].default.a"]
    assert faults(parameter("map", type="hash", default={})) == []
