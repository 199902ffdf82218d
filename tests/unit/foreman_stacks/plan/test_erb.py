from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from foreman_stacks.errors import InvalidSpec
from foreman_stacks.model.scope import Facts, HostFacts
from foreman_stacks.model.values import Json, Secret
from foreman_stacks.plan.bind import bind
from foreman_stacks.plan.cast import Place, cast_value
from foreman_stacks.plan.erb import erb
from foreman_stacks.plan.model import InvalidPlan, Plan

Spec = dict[str, Any]
Compile = Callable[..., Plan]
TOLD = "contains `<%`, which Foreman would evaluate as ERB; write it without `<%`"


def told(plan: Plan) -> list[str]:
    return [str(problem) for problem in plan.evaluated]


def motd(spec: Spec) -> None:
    """A parameter that the upper hostgroup publishes."""
    spec["parameters"].append({"name": "motd", "type": "string", "default": "hello", "hostgroups": ["base"]})


@pytest.mark.parametrize(
    "value,paths",
    [
        ("a <%= b %>", ["p"]),
        ([{"a": "<% x"}, "fine", "<%"], ["p[0].a", "p[2]"]),
        ({"<%": 1}, ["p"]),
        ("100 < %5, <", []),
        (7, []),
    ],
)
def test_each_text_that_foreman_would_evaluate_is_told_by_path(value: Json, paths: list[str]) -> None:
    assert [str(problem) for problem in erb(value, Place("p"))] == [f"{path}: {TOLD}" for path in paths]


def test_an_escape_of_json_hides_nothing() -> None:
    place = Place("p")
    assert [problem.path for problem in erb(cast_value('["\\u003c%"]', "array", place), place)] == ["p[0]"]


def test_an_escape_of_yaml_hides_nothing() -> None:
    bomb = "\n".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" if n else "a0: &a0 x" for n in range(60))
    for text, paths in (('motd: "\\x3c%= 7*6 %>"', ["p"]), ("motd: a < %", []), (bomb, [])):
        value = cast_value(text, "yaml", Place("p"))
        assert [problem.path for problem in erb(value, Place("p"), "yaml")] == paths


def test_of_a_hidden_value_no_key_is_told() -> None:
    assert [problem.path for problem in erb({"hush": "<%"}, Place("p", hidden=True))] == ["p"]


def test_what_a_deployment_says_is_told_by_its_plan(tree: Compile) -> None:
    written = [
        {"name": "password", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "admins", "value": ["<%= 1 %>"]},
    ]
    machine = {"name": "a", "computeResource": {"name": "k", "attributes": {"x": "<%"}}}
    roles = [{"name": "db_node", "sources": [machine]}]
    plan = tree(given={"password": Secret("<% hush %>")}, parameters=written, roles=roles, change=_no_app)
    assert told(plan) == [
        f"spec.parameters[password].valueFrom: {TOLD}",
        f"spec.parameters[admins].value[0]: {TOLD}",
        f"spec.roles[db_node].sources[a].computeResource.attributes.x: {TOLD}",
    ]
    assert plan.hash != tree(roles=[{"name": "db_node", "sources": [machine]}], change=_no_app).hash
    bind(plan, Facts())  # what refers to such a value can be bound, so that preflight can look at the rest


def _no_app(spec: Spec) -> None:
    del spec["roles"][1]["count"]["default"]


def test_what_a_stack_says_is_told_by_its_plan_wherever_it_stands(tree: Compile) -> None:
    def change(spec: Spec) -> None:
        motd(spec)
        spec["parameters"][-1]["default"] = "<%= 1 %>"
        spec["hostgroups"][0]["parameters"][0]["value"] = "<%= 2 %>"
        spec["hostgroups"][0]["puppetClasses"][0]["overrides"][1] = {"name": "url", "value": "<%= 3 %>"}
        del spec["steps"][1]["parameterUpdate"]["expression"]
        spec["steps"][1]["parameterUpdate"]["value"] = "<%= 4 %>"

    assert sorted(told(tree(change=change))) == [
        f"Stack spec.hostgroups[web].parameters[url].value: {TOLD}",
        f"Stack spec.hostgroups[web].puppetClasses[tomcat].overrides[url].value: {TOLD}",
        f"Stack spec.parameters[motd].default: {TOLD}",
        f"Stack spec.steps[endpoint].parameterUpdate.value: {TOLD}",
    ]


@pytest.mark.parametrize(
    "place,expression,path",
    [
        ("group", "'<%= 1 %>'", "hostgroups[web].parameters[login].expression"),
        ("group", "'<' + '%' + parameters.password", "hostgroups[web].parameters[login].expression"),
        ("update", "'<%= ' + roles.db_node.leader.ip", "steps[endpoint].parameterUpdate.expression"),
        ("host", "'<%= ' + host.fqdn", "roles[app].overrides[tomcat,id].expression"),
    ],
)
def test_what_only_an_expression_makes_is_told_before_any_host_is_known(
    tree: Compile, place: str, expression: str, path: str
) -> None:
    def change(spec: Spec) -> None:
        if place == "group":
            spec["hostgroups"][0]["parameters"][1]["expression"] = expression
        elif place == "update":
            spec["steps"][1]["parameterUpdate"]["expression"] = expression
        else:
            spec["roles"][1]["overrides"] = [{"class": "tomcat", "name": "id", "expression": expression}]

    (problem,) = tree(change=change).evaluated
    assert problem.path == f"Stack spec.{path}"
    assert problem.what.startswith("contains `<%`, which Foreman would evaluate as ERB")


def test_comparing_with_it_is_no_value(tree: Compile) -> None:
    def change(spec: Spec) -> None:
        spec["hostgroups"][0]["parameters"][1]["expression"] = "parameters.password.contains('<%') ? 'a' : 'b'"

    assert not tree(change=change).evaluated


def test_what_appears_only_with_a_real_address_is_refused_before_it_is_sent(zookeeper: Compile) -> None:
    def change(spec: Spec) -> None:
        spec["roles"][0]["overrides"][1]["expression"] = "host.ip.startsWith('10.') ? '<%= 1 %>' : host.ip"

    plan = zookeeper(count=3, change=change)
    assert not plan.evaluated
    known = {host.ref: HostFacts(f"{host.label}.x", "10.0.0.1") for host in plan.roles[0].hosts}
    with pytest.raises(InvalidSpec) as caught:
        bind(plan, Facts(known))
    (problem,) = caught.value.problems
    assert problem.path == "spec.roles[zk].overrides[zookeeper,client_ip].expression"
    assert "<%" in problem.what


def test_together_with_what_keeps_a_plan_from_being_made_it_is_told_at_once(tree: Compile) -> None:
    with pytest.raises(InvalidPlan) as caught:
        tree(parameters=[{"name": "heap", "value": "x"}, {"name": "admins", "value": ["<%"]}])
    assert caught.value.missing == ("password",)
    assert [problem.path for problem in caught.value.problems] == [
        "spec.parameters[heap].value",
        "spec.parameters[password]",
        "spec.parameters[admins].value[0]",
    ]
