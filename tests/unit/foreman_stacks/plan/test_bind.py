from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from foreman_stacks.errors import InvalidSpec
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.scope import Facts, HostFacts
from foreman_stacks.model.values import Secret
from foreman_stacks.plan.bind import bind, step_digest
from foreman_stacks.plan.model import Plan

Spec = dict[str, Any]
Compile = Callable[..., Plan]
RING = frozenset({"ring"})


def facts(plan: Plan, *updates: str, but: tuple[HostRef, ...] = ()) -> Facts:
    """All hosts of the plan known, apart from some."""
    hosts = {
        host.ref: HostFacts(f"{host.label}.x", f"10.0.{number // 250}.{number % 250}")
        for role in plan.roles
        for number, host in enumerate(role.hosts, start=1)
        if host.ref not in but
    }
    return Facts(hosts, frozenset(updates))


def servers(plan: Plan, known: Facts) -> tuple[object, object, frozenset[str]]:
    group = bind(plan, known).group("zk")
    parameters = {bound.name: bound.plain for bound in group.parameters}
    overrides = {bound.name: bound.plain for bound in group.classes[0].overrides}
    return parameters.get("servers"), overrides.get("servers"), group.pending


def test_before_any_host_is_known_the_first_values_stand_and_addresses_are_pending(zookeeper: Compile) -> None:
    plan = zookeeper()
    assert servers(plan, Facts()) == ([], [], frozenset())
    scope = bind(plan, Facts())
    assert [[(name, bound.name, bound.plain) for name, bound in host.overrides] for host in scope.hosts] == [
        [("zookeeper", "id", str(index))] for index in (1, 2, 3, 4)
    ]
    assert {host.pending for host in scope.hosts} == {frozenset({"zookeeper::client_ip"})}
    assert scope.outputs == ()


def test_a_host_has_its_address_as_soon_as_it_is_known(zookeeper: Compile) -> None:
    plan = zookeeper()
    scope = bind(plan, facts(plan, but=(HostRef("zk", 2),)))
    assert [dict(found for found in ((b.name, b.plain) for _, b in host.overrides)) for host in scope.hosts] == [
        {"id": "1", "client_ip": "10.0.0.1"},
        {"id": "2"},
        {"id": "3", "client_ip": "10.0.0.3"},
        {"id": "4", "client_ip": "10.0.0.4"},
    ]
    assert scope.outputs == ()


def test_an_update_counts_once_its_step_is_in_force_and_all_that_refers_to_it_follows(zookeeper: Compile) -> None:
    plan = zookeeper()
    addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]
    assert servers(plan, facts(plan)) == ([], [], frozenset())
    assert servers(plan, facts(plan, "ring")) == (addresses, addresses, frozenset())
    (output,) = bind(plan, facts(plan)).outputs
    assert output.plain == [f"{address}:2181" for address in addresses]


def test_an_update_that_needs_an_unknown_host_is_pending_and_does_not_step_back(zookeeper: Compile) -> None:
    plan = zookeeper()
    known = facts(plan, "ring", but=(HostRef("zk", 4),))
    assert servers(plan, known) == (None, None, frozenset({"servers", "zookeeper::servers"}))


def test_a_host_without_address_is_not_known(zookeeper: Compile) -> None:
    plan = zookeeper()
    known = facts(plan, "ring")
    nowhere = Facts({**known.hosts, HostRef("zk", 1): HostFacts("a.x", "")}, RING)
    assert servers(plan, nowhere)[0] is None


def test_the_last_of_several_updates_counts(zookeeper: Compile) -> None:
    def twice(spec: Spec) -> None:
        update = {"hostgroup": "zk", "parameter": "servers", "value": ["last"]}
        spec["steps"].insert(0, {"name": "late", "after": ["second"], "parameterUpdate": update})

    plan = zookeeper(change=twice)
    assert servers(plan, facts(plan, "late", "ring"))[0] == ["last"]
    assert servers(plan, facts(plan, "ring"))[0] != ["last"]


def app(plan: Plan, known: Facts) -> dict[str, object]:
    group = bind(plan, known).group("web")
    return {bound.name: bound.value for bound in [*group.parameters, *group.classes[0].overrides]}


def test_values_follow_through_a_tree_and_secrets_stay_wrapped(tree: Compile) -> None:
    plan = tree()
    assert app(plan, Facts()) == {"url": "?heap=512", "login": Secret("app:hush-hush")}
    known = Facts({HostRef("db_node", 1): HostFacts("d.x", "10.0.0.9")}, frozenset({"endpoint"}))
    assert app(plan, known)["url"] == "db://10.0.0.9?heap=512"
    scope = bind(plan, known)
    assert "hush" not in repr(scope)
    assert [(bound.name, bound.plain) for bound in scope.group("base").parameters] == [("admins", ["ops"])]


def test_what_refers_to_an_optional_parameter_is_left_out_until_it_is_given(tree: Compile) -> None:
    names = [bound.name for bound in bind(tree(), Facts()).group("web").parameters]
    assert names == ["url", "login"]
    given = [{"name": "password", "value": "hush-hush"}, {"name": "banner", "value": "hi"}]
    (banner,) = [
        found for found in bind(tree(parameters=given), Facts()).group("web").parameters if found.name == "banner"
    ]
    assert banner.value == "hi"


def per_host(plan: Plan, known: Facts) -> list[object]:
    hosts = [host for host in bind(plan, known).hosts if host.ref.role == "app"]
    return [host.parameters[0].plain if host.parameters else host.pending for host in hosts]


PER_HOST: dict[str, tuple[str, Facts, list[object]]] = {
    "names and indices are planned": ("host.name + string(host.index)", Facts(), ["ring-app-11", "ring-app-22"]),
    "the FQDN needs the domain": ("host.fqdn", Facts(), [frozenset({"x"})] * 2),
    "the FQDN is known with the domain": ("host.fqdn", Facts(domain="a.b"), ["ring-app-1.a.b", "ring-app-2.a.b"]),
    "no domain gives short names": ("host.fqdn", Facts(domain=""), ["ring-app-1", "ring-app-2"]),
    "the name and index of the leader are planned": (
        "roles.db_node.leader.name + string(roles.app.leader.index)",
        Facts(),
        ["ops-db-node-11"] * 2,
    ),
    "a whole host needs all of it": ("host == roles.app.leader", Facts(domain="a.b"), [frozenset({"x"})] * 2),
    "the leader is the lowest index": (
        "host == roles.app.leader",
        Facts({HostRef("app", 2): HostFacts("b", "2"), HostRef("app", 1): HostFacts("a", "1")}),
        [True, False],
    ),
    "peers are the other hosts": (
        "peers.map(p, p.ip)",
        Facts({HostRef("app", 2): HostFacts("b", "2"), HostRef("app", 1): HostFacts("a", "1")}),
        [["2"], ["1"]],
    ),
    "peers do not need the host itself": (
        "peers.map(p, p.ip)",
        Facts({HostRef("app", 2): HostFacts("b", "2")}),
        [["2"], frozenset({"x"})],
    ),
}


@pytest.mark.parametrize("text,known,found", PER_HOST.values(), ids=PER_HOST.keys())
def test_values_of_single_hosts(tree: Compile, text: str, known: Facts, found: list[object]) -> None:
    def change(spec: Spec) -> None:
        spec["roles"][1]["parameters"] = [{"name": "x", "expression": text}]

    assert per_host(tree(change=change), known) == found


def test_a_failing_value_of_a_host_is_told_once_with_the_host(tree: Compile) -> None:
    def change(spec: Spec) -> None:
        spec["roles"][1]["parameters"] = [{"name": "x", "expression": "int(host.ip)"}]

    plan = tree(change=change)
    with pytest.raises(InvalidSpec) as caught:
        bind(plan, facts(plan))
    assert str(caught.value) == (
        "spec.roles[app].parameters[x].expression: cannot be evaluated: cannot convert string to int "
        "(for host ring-app-1); correct the expression, or the values that it refers to"
    )


def test_a_failing_value_of_a_hostgroup_is_told_by_its_own_path_alone(tree: Compile) -> None:
    def change(spec: Spec) -> None:
        spec["steps"][1]["parameterUpdate"]["expression"] = "['a'][roles.db_node.hosts.size() + roles.app.hosts.size()]"

    plan = tree(change=change)
    with pytest.raises(InvalidSpec) as caught:
        bind(plan, facts(plan, "endpoint"))
    assert [problem.path for problem in caught.value.problems] == ["spec.steps[endpoint].parameterUpdate.expression"]


def test_equal_facts_are_bound_once_and_changed_ones_anew(zookeeper: Compile) -> None:
    plan = zookeeper()
    hosts = dict(facts(plan).hosts)
    before = bind(plan, Facts(hosts, RING))
    assert bind(plan, Facts(dict(hosts), RING)) is before
    hosts[HostRef("zk", 1)] = HostFacts("z.x", "10.9.9.9")
    assert bind(plan, Facts(hosts, RING)).hosts[0].overrides[1][1].plain == "10.9.9.9"


@pytest.mark.parametrize("updates", [(), ("ring",)])
def test_hosts_that_become_known_one_by_one_are_bound_as_if_all_were_known_at_once(
    zookeeper: Compile, updates: tuple[str, ...]
) -> None:
    grown, refs = zookeeper(), [HostRef("zk", number) for number in (1, 2, 3, 4)]
    for known in range(5):
        seen = facts(grown, *updates, but=tuple(refs[known:]))
        assert bind(grown, seen) == bind(zookeeper(), seen)


@pytest.mark.parametrize("text", ["host.ip", "peers.map(p, p.ip)", "host.ip + roles.db_node.leader.ip"])
def test_what_refers_to_other_hosts_is_bound_anew_when_they_become_known(tree: Compile, text: str) -> None:
    def change(spec: Spec) -> None:
        spec["roles"][1]["parameters"] = [{"name": "x", "expression": text}]

    plan = tree(change=change)
    refs = [host.ref for role in reversed(plan.roles) for host in role.hosts]
    for known in range(len(refs) + 1):
        seen = facts(plan, but=tuple(refs[known:]))
        assert bind(plan, seen) == bind(tree(change=change), seen)


def test_a_thousand_hosts_are_bound(zookeeper: Compile) -> None:
    plan = zookeeper(count=1000)
    scope = bind(plan, facts(plan, "ring"))
    found = scope.group("zk").parameters[0].plain
    assert isinstance(found, list)
    assert len(found) == len(scope.hosts) == 1000
    assert scope.hosts[999].overrides[1][1].plain == found[999] == "10.0.4.0"


def digests(plan: Plan, known: Facts | None = None) -> dict[str, str]:
    return {step: step_digest(plan, known or facts(plan), step, "zk", b"key") for step in plan.order}


def test_a_digest_counts_only_updates_that_come_before_the_step(zookeeper: Compile) -> None:
    plan, more = zookeeper(count=4), zookeeper(count=5)
    before, after = digests(plan), digests(more)
    assert before["first"] == after["first"]
    assert before["ring"] != after["ring"]
    assert before["second"] != after["second"]
    assert digests(plan, facts(plan, "ring")) == before


def run_twice(spec: Spec) -> None:
    spec["steps"][0]["puppetRun"]["runs"] = 2


def tolerate(spec: Spec) -> None:
    spec["steps"][0].update(retries=9, timeoutSeconds=9)
    spec["steps"][0]["puppetRun"]["maxFailedHosts"] = 1


def other_java(spec: Spec) -> None:
    spec["hostgroups"][0]["puppetClasses"][0]["overrides"][2]["value"] = "openjdk"


def other_text(spec: Spec) -> None:
    spec["roles"][0]["overrides"][0]["expression"] = "string(host.index + 0)"


def other_class(spec: Spec) -> None:
    spec["hostgroups"][0]["puppetClasses"].append({"name": "ntp"})


def new_name(spec: Spec) -> None:
    spec["steps"][0]["name"] = "zeroth"
    spec["steps"][1]["after"] = ["zeroth"]


DIGESTS: dict[str, tuple[Callable[[Spec], None], Spec, bool]] = {
    "retries, time-out and tolerance": (tolerate, {}, True),
    "the number of runs": (run_twice, {}, False),
    "a value of the hostgroup": (other_java, {}, False),
    "the text of a value per host": (other_text, {}, False),
    "a class": (other_class, {}, False),
    "the environment": (lambda _: None, {"environment": "test"}, False),
}


@pytest.mark.parametrize("change,fields,same", DIGESTS.values(), ids=DIGESTS.keys())
def test_a_digest_changes_with_what_hosts_apply(
    zookeeper: Compile, change: Callable[[Spec], None], fields: Spec, *, same: bool
) -> None:
    assert (digests(zookeeper(change=change, **fields))["first"] == digests(zookeeper())["first"]) is same


def test_a_renamed_step_has_done_the_same(zookeeper: Compile) -> None:
    assert digests(zookeeper(change=new_name))["zeroth"] == digests(zookeeper())["first"]


def test_a_digest_covers_secrets_and_is_keyed(tree: Compile) -> None:
    one, two = tree(), tree(parameters=[{"name": "password", "value": "other"}])
    found = step_digest(one, facts(one), "application", "app", b"a")
    assert len(found) == 16
    assert step_digest(two, facts(two), "application", "app", b"a") != found
    assert step_digest(one, facts(one), "application", "app", b"b") != found
    database = step_digest(one, facts(one), "database", "db_node", b"a")
    assert step_digest(two, facts(two), "database", "db_node", b"a") == database


def test_a_digest_tells_a_pending_value_from_any_known_one(zookeeper: Compile) -> None:
    plan = zookeeper()
    pending = digests(plan, facts(plan, but=(HostRef("zk", 4),)))
    assert pending["first"] == digests(plan)["first"]
    assert pending["second"] != digests(plan)["second"]


def test_facts_that_differ_in_the_domain_alone_are_bound_anew(tree: Compile) -> None:
    def change(spec: Spec) -> None:
        spec["roles"][1]["parameters"] = [{"name": "x", "expression": "host.fqdn"}]

    plan = tree(change=change)
    assert per_host(plan, Facts(domain="a")) == ["ring-app-1.a", "ring-app-2.a"]
    assert per_host(plan, Facts(domain="b")) == ["ring-app-1.b", "ring-app-2.b"]


def test_the_text_that_an_expression_gives_is_not_read_as_json(tree: Compile) -> None:
    def change(spec: Spec) -> None:
        spec["hostgroups"][0]["parameters"][0] = {"name": "url", "type": "string", "value": ""}
        spec["outputs"] = [{"name": "text", "type": "json", "expression": "'[' + string(parameters.heap) + ']'"}]

    assert [output.plain for output in bind(tree(change=change), Facts()).outputs] == ["[512]"]


def test_a_failing_value_that_uses_a_secret_does_not_quote_it(tree: Compile) -> None:
    def change(spec: Spec) -> None:
        spec["outputs"] = [
            {"name": "x", "type": "integer", "expression": "{roles.app.leader.ip: 1}[parameters.password]"}
        ]

    plan = tree(change=change)
    with pytest.raises(InvalidSpec) as caught:
        bind(plan, facts(plan))
    assert str(caught.value) == (
        "spec.outputs[x].expression: cannot be evaluated (details are hidden, it uses a sensitive value); "
        "check what it refers to"
    )
