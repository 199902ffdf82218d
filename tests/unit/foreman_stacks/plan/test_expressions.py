from __future__ import annotations

from typing import Any

import pytest

from foreman_stacks.errors import InvalidSpec
from foreman_stacks.model.values import ValueType
from foreman_stacks.plan.expressions import Environment, host_message, matches

GROUP = Environment(
    {
        "parameters.heap": "integer",
        "parameters.list": "array",
        "parameters.data": "json",
        "parameters.map": "hash",
        "roles.zk.hosts": "hosts",
        "roles.zk.leader": "host",
        "roles.zk.leader.ip": "string",
    }
)
HOST = Environment({"host": "host", "host.ip": "string", "host.index": "integer", "peers": "hosts"})
HOSTS = [host_message(f"h{index}", f"h{index}.x", f"10.0.0.{index}", index) for index in (1, 2)]


def problem(text: str, kind: ValueType | None = None, env: Environment = GROUP) -> str:
    with pytest.raises(InvalidSpec) as caught:
        env.compile(text, "spec.x.expression", kind)
    (found,) = caught.value.problems
    assert found.path == "spec.x.expression"
    return f"{found.what}; {found.mend}"


REFUSED: dict[str, tuple[str, ValueType | None, str]] = {
    "a typo, with the name that was meant": (
        "parameters.hep",
        "integer",
        "`parameters.hep` is not known here; did you mean `parameters.heap`?",
    ),
    "a typo before a function": (
        "roles.zk.host.map(h, h.ip)",
        "array",
        "`roles.zk.host` is not known here; did you mean `roles.zk.hosts`?",
    ),
    "a typo in the first part": (
        "parametrs.heap",
        None,
        "`parametrs.heap` is not known here; did you mean `parameters.heap`?",
    ),
    "a name that only begins like others": (
        "parameters.motd",
        "string",
        (
            "`parameters.motd` is not known here; known here: parameters.data, parameters.heap, parameters.list, "
            "parameters.map, roles.zk.hosts, roles.zk.leader, roles.zk.leader.ip"
        ),
    ),
    "a field that hosts do not have": (
        "roles.zk.hosts.map(h, h.ipp)",
        "array",
        "a host has no field `ipp`; use name, fqdn, ip or index",
    ),
    "a host where there is none": (
        "host.ip",
        "string",
        "`host.ip` is not known here; host and peers are known in a role's parameters and overrides only",
    ),
    "a function that is none": ("parameters.list.siz()", None, "there is no function `siz`; did you mean `size`?"),
    "map without an item": (
        "roles.zk.hosts.map(h)",
        None,
        "`map` is used wrongly; write list.map(item, …): a name, and an expression that uses it",
    ),
    "an operator on types it does not know": (
        "parameters.heap + 'm'",
        "string",
        "`+` cannot be applied to (int, string); convert one side with string(), int() or double()",
    ),
    "a result of another type than declared": (
        "roles.zk.leader.ip",
        "integer",
        "gives a string where an integer is declared; write int(…) around it",
    ),
    "a real for an integer": ("1.5", "integer", "gives a real where an integer is declared; write int(…) around it"),
    "whole hosts": (
        "roles.zk.hosts",
        "array",
        (
            "gives a list of hosts where an array is declared; "
            "take a field of it: name, fqdn, ip or index (hosts.map(h, h.ip))"
        ),
    ),
    "bytes, which are no JSON": ("b'x'", None, "gives bytes; change the expression, or the declared type"),
    "null, which is no value": (
        "null",
        "json",
        "gives null where json is declared; leave the whole entry out: null is not a value",
    ),
    "keys that are not strings": (
        "{1: 2}",
        "hash",
        "gives a hash whose keys are not strings where a hash is declared; write string(…) around the keys",
    ),
    "a result of unknown type without a declared one": (
        "parameters.data",
        None,
        "has a result whose type is known only once it is evaluated; declare its type in the field `type`",
    ),
    "braces of another language": (
        "${parameters.heap}",
        "integer",
        "is not valid CEL: token recognition error at: '$' (line 1, column 1); write the bare expression, without ${…}",
    ),
    "half an expression": (
        "1 +",
        None,
        "is not valid CEL: mismatched input '<EOF>' (line 1, column 4); correct the syntax; texts are written in quotes",
    ),
    "too many parentheses": (
        "(" * 60 + "1" + ")" * 60,
        None,
        "is nested too deeply (the limit is 32 levels); split it: move parts of it into hostgroup parameters",
    ),
    "has() of a name, which the checker would forget": (
        "has(parameters.heap) ? 1 : 2",
        "integer",
        (
            "has() cannot test parameters.heap: every name that is known here has a value; "
            "remove has(), or give the parameter a default and compare with the default"
        ),
    ),
    "a field of a number": (
        "parameters.heap.x",
        None,
        "an int has no fields; remove the part after the last dot",
    ),
}


@pytest.mark.parametrize("text,kind,message", REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_expression_says_what_and_what_to_do(text: str, kind: ValueType | None, message: str) -> None:
    assert problem(text, kind) == message


def test_where_no_name_is_known_the_mend_says_so() -> None:
    assert problem("zz", env=Environment({})) == (
        "`zz` is not known here; no name is known here: declare a parameter, or write the value"
    )


TYPES: dict[str, tuple[str, ValueType | None, ValueType]] = {
    "text is string": ("'a'", None, "string"),
    "an unsigned number is integer": ("1u", None, "integer"),
    "a list is array": ("roles.zk.hosts.map(h, h.index)", None, "array"),
    "a map is hash": ("{'a': 1}", None, "hash"),
    "a whole number fits real": ("1", "real", "real"),
    "anything fits json": ("roles.zk.leader.ip", "json", "json"),
    "what only evaluation knows fits anything": ("parameters.map.port", "integer", "integer"),
}


@pytest.mark.parametrize("text,kind,found", TYPES.values(), ids=TYPES.keys())
def test_the_type_of_a_result(text: str, kind: ValueType | None, found: ValueType) -> None:
    assert GROUP.compile(text, "p", kind).type == found


def test_references_tell_fields_of_a_host_apart() -> None:
    assert HOST.compile("string(host.index)", "p").references == {"host.index"}
    assert HOST.compile("host.ip + host.fqdn", "p").references == {"host.ip", "host"}


def test_local_names_are_no_references_and_hide_declared_ones() -> None:
    found = GROUP.compile("roles.zk.hosts.map(h, h.ip)", "p")
    assert found.references == {"roles.zk.hosts"}
    shadow = HOST.compile("peers.map(host, host.ip)", "p")
    data: dict[str, Any] = {"host": HOSTS[0], "host.ip": "wrong", "peers": HOSTS}
    assert shadow.evaluate({name: data[name] for name in shadow.references}) == ["10.0.0.1", "10.0.0.2"]


RESULTS: dict[str, tuple[str, dict[str, object], object]] = {
    "fields of hosts": ("roles.zk.hosts.map(h, h.ip)", {"roles.zk.hosts": HOSTS}, ["10.0.0.1", "10.0.0.2"]),
    "the strings extension": (
        "roles.zk.hosts.map(h, h.name + ':2181').join(',')",
        {"roles.zk.hosts": HOSTS},
        "h1:2181,h2:2181",
    ),
    "nested data": ("parameters.data.a[1].b", {"parameters.data": {"a": [1, {"b": True}]}}, True),
    "a text that looks like an error": ("'INVALID_ARGUMENT: x'", {}, "INVALID_ARGUMENT: x"),
}


@pytest.mark.parametrize("text,data,result", RESULTS.values(), ids=RESULTS.keys())
def test_results_are_plain_json(text: str, data: dict[str, object], result: object) -> None:
    assert GROUP.compile(text, "p", "json").evaluate(data) == result


FAILING: dict[str, tuple[str, dict[str, object], str]] = {
    "an error value": (
        "parameters.heap / 0",
        {"parameters.heap": 1},
        "cannot be evaluated: divide by zero; correct the expression, or the values that it refers to",
    ),
    "an index beyond the list": (
        "roles.zk.hosts[3].ip",
        {"roles.zk.hosts": HOSTS},
        "cannot be evaluated: Index error: index=3 size=2; correct the expression, or the values that it refers to",
    ),
    "a raised error of the runtime": (
        "parameters.list.map(x, parameters.list.map(y, y))",
        {"parameters.list": [1] * 200},
        (
            "needs more than 10 000 iterations; "
            "do not nest lists of all hosts in one another; `peers` has the other hosts of a role"
        ),
    ),
    "a type that only evaluation shows": (
        "parameters.list.map(x, x + 1)",
        {"parameters.list": ["a"]},
        (
            "cannot be evaluated: No matching overloads found : _+_(string, int64); "
            "convert one side with string(), int() or double()"
        ),
    ),
    "a host behind dyn()": (
        "dyn(roles.zk.leader)",
        {"roles.zk.leader": HOSTS[0]},
        "gives a host where json is declared; take a field of it: name, fqdn, ip or index (hosts.map(h, h.ip))",
    ),
    "no finite number": (
        "1.0 / 0.0",
        {},
        "gives the number inf where json is declared; change the expression, or the declared type",
    ),
}


@pytest.mark.parametrize("text,data,message", FAILING.values(), ids=FAILING.keys())
def test_a_failing_evaluation_is_a_problem_by_path(text: str, data: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        GROUP.compile(text, "spec.x", "json").evaluate(data)
    assert [str(found) for found in caught.value.problems] == [f"spec.x: {message}"]


def test_a_failing_evaluation_of_a_secret_does_not_quote_it() -> None:
    expression = GROUP.compile("parameters.map[string(parameters.data)]", "spec.x", "string")
    data: dict[str, object] = {"parameters.map": {}, "parameters.data": "hush-hush"}
    with pytest.raises(InvalidSpec, match="hush-hush"):
        expression.evaluate(data)
    with pytest.raises(InvalidSpec) as caught:
        expression.evaluate(data, hidden=True)
    assert str(caught.value) == (
        "spec.x: cannot be evaluated (details are hidden, it uses a sensitive value); check what it refers to"
    )


def test_a_thousand_hosts_fit_into_the_budget_of_iterations() -> None:
    hosts = [host_message("h", "f", f"10.0.0.{index}", index) for index in range(1000)]
    found = GROUP.compile("roles.zk.hosts.map(h, h.ip)", "p").evaluate({"roles.zk.hosts": hosts})
    assert found == [f"10.0.0.{index}" for index in range(1000)]


def test_patterns_are_re2() -> None:
    assert matches("^a+$", "aaa")
    assert not matches("^a+$", "aab")
    assert not matches("(a*)*b", "a" * 5000)  # would not end with a backtracking engine
    with pytest.raises(ValueError, match=r"missing \]"):
        matches("[", "a")
