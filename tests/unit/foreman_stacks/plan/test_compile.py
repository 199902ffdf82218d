from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.values import Secret
from foreman_stacks.plan.inputs import Given
from foreman_stacks.plan.model import InvalidPlan, Missing, Plan

Spec = dict[str, Any]
Compile = Callable[..., Plan]


def source(name: str = "lab", **fields: Any) -> Spec:
    return {"name": name, "computeResource": {"name": "kvm"}, **fields}


def role(name: str, **fields: Any) -> Spec:
    return {"name": name, "sources": [source()], **fields}


def refused(compiling: Callable[[], Plan]) -> InvalidPlan:
    with pytest.raises(InvalidPlan) as caught:
        compiling()
    return caught.value


def test_hosts_are_named_by_template_and_taken_from_sources_in_order(tree: Compile) -> None:
    plan = tree(
        roles=[
            role("db_node"),
            role("app", count=4, sources=[source("fast", max=1), source("slow", max=2), source("rest")]),
        ]
    )
    assert [host.label for host in plan.role("db_node").hosts] == ["ops-db-node-1"]
    assert [(host.ref, host.label, host.source.name) for host in plan.role("app").hosts] == [
        (HostRef("app", 1), "ring-app-1", "fast"),
        (HostRef("app", 2), "ring-app-2", "slow"),
        (HostRef("app", 3), "ring-app-3", "slow"),
        (HostRef("app", 4), "ring-app-4", "rest"),
    ]


def test_groups_come_parents_first_with_their_names_and_outer_parent(tree: Compile) -> None:
    plan = tree(hostgroups=[{"name": "base", "parent": "Base/Rocky 9"}])
    assert [(group.name, group.label, group.parent, group.outer_parent) for group in plan.groups] == [
        ("base", "base (ops.ring)", None, "Base/Rocky 9"),
        ("web", "web (ops.ring)", "base", "Base/Rocky 9"),
    ]
    assert [group.outer_parent for group in tree().groups] == ["Base/Debian 12"] * 2


def test_a_count_that_is_not_given_is_the_default_or_else_the_minimum(tree: Compile) -> None:
    assert {found.name: len(found.hosts) for found in tree().roles} == {"db_node": 1, "app": 2}


def test_a_role_without_hosts_needs_no_entry(tree: Compile) -> None:
    def no_default(spec: Spec) -> None:
        del spec["roles"][1]["count"]["default"]

    assert tree(change=no_default, roles=[role("db_node")]).role("app").hosts == ()


LONG = "{deployment}-" + "x" * 60 + "-{index}"
WRONG: dict[str, tuple[Spec, str]] = {
    "a parameter that is none": (
        {"parameters": [{"name": "password", "value": "x"}, {"name": "heep", "value": 1}]},
        "spec.parameters[heep]: is not a parameter of the Stack; did you mean heap?",
    ),
    "a value of another type": (
        {"parameters": [{"name": "password", "value": "x"}, {"name": "heap", "value": "0512"}]},
        (
            'spec.parameters[heap].value: is a string "0512" where integer is declared; '
            'write a whole number without leading zeros; declare a mode like "0644" as string, and quote it'
        ),
    ),
    "a secret of another type, unquoted": (
        {"parameters": [{"name": "password", "value": 123456}]},
        (
            "spec.parameters[password].value: is an integer where string is declared; "
            "quote it: YAML changes what is not quoted (0644 becomes 420, 1.0 becomes 1, yes becomes true)"
        ),
    ),
    "a missing parameter": (
        {"parameters": []},
        "spec.parameters[password]: is missing, and has no default; give it a value (string) by valueFrom",
    ),
    "a role that is none": (
        {"roles": [role("db_node"), role("app"), role("web")]},
        "spec.roles[web]: is not a role of the Stack; take it out; the Stack has db_node, app",
    ),
    "a role that is missing": (
        {"roles": [role("app")]},
        "spec.roles[db_node]: is missing, but the Stack wants 1 host of it; add the role with its sources",
    ),
    "too many hosts": (
        {"roles": [role("db_node", count=4), role("app")]},
        "spec.roles[db_node].count: is 4, but the Stack wants from 1 to 3; write a number from 1 to 3",
    ),
    "sources that give too few": (
        {"roles": [role("db_node"), role("app", sources=[source("a", max=1), source("b", max=0)])]},
        "spec.roles[app].sources: give fewer hosts (1) than are wanted (2); raise `max`, add a source, or lower count",
    ),
    "a name that is too long": (
        {"roles": [role("db_node"), role("app", hostname=LONG)]},
        (
            f"spec.roles[app].hostname: the name ring-{'x' * 60}-1 has 67 characters, but a DNS label has at most 63; "
            "write a shorter hostname, or give the deployment a shorter name"
        ),
    ),
    "a name that is not a DNS label": (
        {"roles": [role("db_node"), role("app", hostname="{index}-")]},
        (
            "spec.roles[app].hostname: the name 1- is not a DNS label; "
            "write a hostname of lower-case letters, digits and '-', with no '-' at its ends"
        ),
    ),
    "one name for two hosts": (
        {"roles": [role("db_node", hostname="h{index}"), role("app", hostname="h{index}")]},
        (
            "spec.roles[app].hostname: gives the name h1 to two hosts (db_node/1 and app/1); "
            "put {role} and {index} into hostname"
        ),
    ),
    "a parent for a hostgroup that is none": (
        {"hostgroups": [{"name": "bse", "parent": "Base"}]},
        "spec.hostgroups[bse]: is not a hostgroup of the Stack; take it out; the Stack has base, web",
    ),
    "a parent for a hostgroup that has one": (
        {"hostgroups": [{"name": "web", "parent": "Base"}]},
        "spec.hostgroups[web]: already has the parent `base` in the Stack; take this entry out, or name base in it",
    ),
}


@pytest.mark.parametrize("fields,message", WRONG.values(), ids=WRONG.keys())
def test_a_deployment_is_refused_with_path_what_and_mend(tree: Compile, fields: Spec, message: str) -> None:
    assert str(refused(lambda: tree(**fields))) == message


def test_all_problems_are_told_at_once_and_missing_parameters_by_name(tree: Compile) -> None:
    found = refused(lambda: tree(parameters=[{"name": "x", "value": 1}], roles=[role("db_node", count=9)]))
    assert found.missing == ("password",)
    assert [problem.path for problem in found.problems] == [
        "spec.parameters[x]",
        "spec.parameters[password]",
        "spec.roles[db_node].count",
        "spec.roles[app]",
    ]
    assert not found.only_waiting


FROM: Spec = {"name": "password", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}


def test_a_secret_that_is_not_there_is_waited_for(tree: Compile) -> None:
    found = refused(lambda: tree({"password": Missing("Secret `s`")}, parameters=[FROM]))
    assert (
        str(found) == "spec.parameters[password].valueFrom: Secret `s` is missing; create it, or correct the reference"
    )
    assert found.only_waiting
    assert found.waiting == tuple(found.problems)
    assert found.missing == ()


def test_a_missing_secret_beside_a_real_problem_is_not_only_waited_for(tree: Compile) -> None:
    found = refused(lambda: tree({}, parameters=[FROM, {"name": "heap", "value": "x"}]))
    assert len(found.waiting) == 1
    assert len(found.problems) == 2
    assert not found.only_waiting


GIVEN: dict[str, Given] = {"password": Secret("hush-hush")}


def test_a_value_from_a_secret_is_hidden_and_cast(tree: Compile) -> None:
    heap = {"name": "heap", "valueFrom": {"secretKeyRef": {"name": "s", "key": "h"}}}
    plan = tree({**GIVEN, "heap": Secret("1024")}, parameters=[FROM, heap])
    assert plan.parameters["heap"] == Secret(1024)
    (tomcat,) = plan.group("web").classes
    assert [(value.name, value.sensitive) for value in tomcat.overrides] == [("login", True), ("url", True)]


def test_what_is_computed_from_a_secret_is_hidden_and_nothing_else(tree: Compile) -> None:
    plan = tree()
    assert {value.name: value.sensitive for value in plan.group("web").parameters} == {
        "url": False,
        "login": True,
        "banner": False,
    }
    assert [(value.name, value.sensitive) for value in plan.group("web").classes[0].overrides] == [
        ("login", True),
        ("url", False),
    ]
    assert "hush" not in repr(plan)


def test_runs_on_one_role_follow_one_another_in_written_order(zookeeper: Compile) -> None:
    def side_by_side(spec: Spec) -> None:
        for step in spec["steps"]:
            step.pop("after", None)

    plan = zookeeper(change=side_by_side)
    assert plan.order == ("first", "ring", "second")
    assert plan.ancestors("second") == {"first"}
    assert plan.ancestors("ring") == frozenset()


def test_ancestors_are_all_steps_before(zookeeper: Compile) -> None:
    assert zookeeper().ancestors("second") == {"first", "ring"}


def test_settings_of_steps_and_deployment_arrive(zookeeper: Compile) -> None:
    def change(spec: Spec) -> None:
        spec["periodicPuppet"] = "Disabled"
        spec["steps"][0].update(timeoutSeconds=60, retries=0)

    plan = zookeeper(change=change, environment="test", organization="ACME", location="Brno")
    assert (plan.environment, plan.organization, plan.location, plan.periodic_puppet) == ("test", "ACME", "Brno", False)
    assert (plan.step("first").timeout, plan.step("first").retries) == (60.0, 0)
    assert zookeeper().periodic_puppet


def test_a_leader_of_a_role_without_hosts_is_refused(tree: Compile) -> None:
    def change(spec: Spec) -> None:
        spec["roles"][0]["count"]["min"] = 0

    assert str(refused(lambda: tree(change=change))) == (
        "spec.roles[db_node].count: `roles.db_node.leader` is referred to by "
        "spec.steps[endpoint].parameterUpdate.expression of the Stack, but the role has no hosts; give the role a host"
    )


def test_an_optional_parameter_that_an_update_needs_must_be_given(tree: Compile) -> None:
    def change(spec: Spec) -> None:
        spec["steps"][1]["parameterUpdate"]["expression"] = "parameters.banner"

    assert str(refused(lambda: tree(change=change))) == (
        "spec.parameters[banner]: has no value, but spec.steps[endpoint].parameterUpdate.expression of the Stack needs "
        "one; give it a value"
    )


def test_what_the_configuration_alone_makes_fail_is_told_before_any_host_is_made(tree: Compile) -> None:
    def change(spec: Spec) -> None:
        spec["hostgroups"][0]["parameters"][0] = {
            "name": "url",
            "type": "string",
            "expression": "string(1 / parameters.heap)",
        }

    values = [{"name": "password", "value": "x"}, {"name": "heap", "value": 0}]
    assert str(refused(lambda: tree(change=change, parameters=values))) == (
        "spec.hostgroups[web].parameters[url].expression: cannot be evaluated: divide by zero; "
        "correct the expression, or the values that it refers to"
    )


def test_too_many_iterations_are_told_before_any_host_is_made(zookeeper: Compile) -> None:
    def nested(spec: Spec) -> None:
        spec["outputs"][0]["expression"] = "roles.zk.hosts.map(h, string(roles.zk.hosts.exists(g, g.index > 1000)))"

    assert zookeeper(change=nested, count=50).order
    assert str(refused(lambda: zookeeper(change=nested, count=150))) == (
        "spec.outputs[servers].expression: needs more than 10 000 iterations; "
        "do not nest lists of all hosts in one another; `peers` has the other hosts of a role"
    )


def test_many_hosts_that_look_at_one_another_are_refused(tree: Compile) -> None:
    def change(spec: Spec) -> None:
        spec["roles"][1]["parameters"] = [{"name": "peers", "expression": "peers.map(p, p.ip)"}]

    found = refused(lambda: tree(change=change, roles=[role("db_node"), role("app", count=400)]))
    assert str(found) == (
        "spec.roles[app].parameters[peers].expression: looks at 400 hosts for each of 400 hosts; "
        "put what all hosts share into a hostgroup parameter, which is evaluated once"
    )


def no_change(_: Spec) -> None:
    return


def described(spec: Spec) -> None:
    spec["roles"][0]["description"] = "changed"


def hidden_text(spec: Spec) -> None:
    spec["hostgroups"][0]["parameters"][1]["expression"] = "'app2:' + parameters.password"


def more_retries(spec: Spec) -> None:
    spec["steps"][0]["retries"] = 5


def written_defaults(spec: Spec) -> None:
    spec["periodicPuppet"] = "Enabled"
    spec["steps"][0]["retries"] = 2


HASHES: dict[str, tuple[Callable[[Spec], None], Spec, bool]] = {
    "nothing": (no_change, {}, True),
    "a description of a role": (described, {}, True),
    "a pause": (no_change, {"paused": True}, True),
    "the policy of deletion": (no_change, {"deletionPolicy": "Delete"}, True),
    "a default that is written": (no_change, {"roles": [role("db_node", count=1), role("app", count=2)]}, True),
    "defaults of the Stack that are written": (written_defaults, {}, True),
    "a count": (no_change, {"roles": [role("db_node", count=2), role("app")]}, False),
    "a source": (no_change, {"roles": [role("db_node", sources=[source("x")]), role("app")]}, False),
    "a secret value": (no_change, {"parameters": [{"name": "password", "value": "other"}]}, False),
    "an expression": (hidden_text, {}, False),
    "retries of a step": (more_retries, {}, False),
    "the environment": (no_change, {"environment": "test"}, False),
    "the parent": (no_change, {"parentHostgroup": "Base"}, False),
}


@pytest.mark.parametrize("change,fields,same", HASHES.values(), ids=HASHES.keys())
def test_the_hash_changes_with_what_makes_a_difference(
    tree: Compile, change: Callable[[Spec], None], fields: Spec, *, same: bool
) -> None:
    assert (tree(change=change, **fields).hash == tree().hash) is same


def test_the_hash_of_secrets_is_keyed_and_without_a_key_ignores_them(tree: Compile) -> None:
    other = {"parameters": [{"name": "password", "value": "other"}]}
    assert tree(key=b"").hash == tree(key=b"", **other).hash
    assert tree(key=b"a").hash != tree(key=b"b").hash
    assert len(tree().hash) == 16


def test_the_digest_of_the_spec_is_keyed_since_a_secret_may_stand_there_and_without_a_key_there_is_none(
    tree: Compile,
) -> None:
    assert tree(key=b"").config_digest == ""
    assert tree(key=b"a").config_digest != tree(key=b"b").config_digest
    assert len(tree().config_digest) == 16


def test_the_digest_of_the_spec_changes_with_what_concerns_a_plan_and_not_with_the_stack(tree: Compile) -> None:
    before = tree().config_digest
    assert tree(paused=True, deletionPolicy="Delete").config_digest == before
    assert tree(change=more_retries).config_digest == before
    assert tree(roles=[role("db_node", count=2), role("app")]).config_digest != before


def test_the_same_stack_and_deployment_give_the_same_plan(tree: Compile) -> None:
    one, two = tree(), tree()
    assert one == two
    assert one.hash == two.hash


def test_secrecy_goes_through_any_number_of_values(tree: Compile) -> None:
    def change(spec: Spec) -> None:
        spec["hostgroups"][0]["parameters"] += [
            {"name": name, "expression": f"hostgroups.web.parameters.{before} + '!'"}
            for name, before in (("c", "b"), ("b", "a"), ("a", "login"))
        ]
        spec["outputs"] = [{"name": "x", "type": "string", "expression": "hostgroups.web.parameters.c"}]

    plan = tree(change=change)
    assert {value.name for value in plan.group("web").parameters if value.sensitive} == {"login", "a", "b", "c"}
    assert plan.outputs[0].sensitive


def test_a_parameter_whose_update_is_secret_is_secret_from_the_start(tree: Compile) -> None:
    def change(spec: Spec) -> None:
        spec["steps"][1]["parameterUpdate"]["expression"] = "parameters.password"

    (url,) = [value for value in tree(change=change).group("web").parameters if value.name == "url"]
    assert url.sensitive
