"""No expression is evaluated that could take the process's memory: the bound is never too low, and lets people's work pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from foreman_stacks.api.parse import parse_deployment, parse_stack
from foreman_stacks.errors import InvalidSpec
from foreman_stacks.model.identity import Identity
from foreman_stacks.model.values import canonical
from foreman_stacks.plan.compile import compile_plan
from foreman_stacks.plan.cost import MOST, measured
from foreman_stacks.plan.expressions import Environment, VariableType, host_message
from foreman_stacks.plan.model import Plan

TYPES: dict[str, VariableType] = {
    "parameters.text": "string",
    "parameters.list": "array",
    "parameters.hash": "hash",
    "roles.zk.hosts": "hosts",
    "host": "host",
}
ENVIRONMENT = Environment(TYPES)
PAGE = 60_000
ONES = f"[{','.join(['1'] * 99)}]"


def hosts(count: int) -> list[Any]:
    return [host_message(f"zk-{n}", f"zk-{n}.lab.example.com", f"198.51.100.{n % 250}", n) for n in range(1, count + 1)]


def data(size: int, count: int = 50) -> dict[str, Any]:
    return {
        "parameters.text": "ab, " * (size // 4),
        "parameters.list": ["entry, " * 3] * (size // 30),
        "parameters.hash": {f"key{n}": "value" * 4 for n in range(size // 40)},
        "roles.zk.hosts": hosts(count),
        "host": hosts(1)[0],
    }


def bound(text: str, values: dict[str, Any]) -> tuple[Any, int, dict[str, Any]]:
    expression = ENVIRONMENT.compile(text, "path", "json")
    known = {name: values[name] for name in expression.references}
    return expression, expression.worst({name: measured(value) for name, value in known.items()}), known


SOUND = [
    "parameters.text + '-' + parameters.text",
    "parameters.text.replace(', ', parameters.text.substring(0, 9))",
    "parameters.text.replace('', '--')",
    "parameters.text.split(', ')",
    "parameters.text.split('').map(letter, letter + letter)",
    "parameters.list.join('; ')",
    "parameters.list.map(item, item.split(','))",
    "parameters.list.map(item, {'name': item, 'text': parameters.text.substring(0, 5)})",
    "parameters.list.filter(item, item.contains('entry'))",
    "[parameters.list, parameters.list].map(items, items.map(item, item + '!'))",
    "parameters.hash.map(key, parameters.hash[key])",
    "'%s and %s, %.3f'.format([parameters.text, parameters.list, 1.5])",
    "roles.zk.hosts.map(h, h.ip + ':2181')",
    "roles.zk.hosts.map(h, h.fqdn).join(',')",
    "roles.zk.hosts.exists(h, h.index == 3) ? parameters.text : 'none'",
    "{'a': parameters.text, 'b': [parameters.list, parameters.hash]}",
    "parameters.text.upperAscii().lowerAscii().trim().reverse()",
    "string(host.index) + host.name",
]


@pytest.mark.parametrize("size", [16, 40, 3_000])
@pytest.mark.parametrize("text", SOUND)
def test_the_bound_is_not_below_the_result(text: str, size: int) -> None:
    expression, worst, known = bound(text, data(size))
    assert worst >= len(canonical(expression.evaluate(known)))


@pytest.mark.parametrize(
    "text",
    [
        "string(host.index)",
        "host.fqdn.replace('.', '-')",
        "parameters.text.replace('ab', 'yes')",
        "parameters.text.split(', ').map(part, part.trim()).filter(part, part != '')",
        "parameters.list.map(item, item + '.lab').join(',')",
        "roles.zk.hosts.map(h, h.ip + ':2181')",
        "roles.zk.hosts.map(h, 'server.%d=%s:2888:3888'.format([h.index, h.fqdn])).join('\\n')",
        "roles.zk.hosts.filter(h, h.index != host.index).map(h, h.ip)",
    ],
)
def test_what_people_write_passes(text: str) -> None:
    _, worst, _ = bound(text, data(3_000, count=1_000))
    assert worst < MOST


@pytest.mark.parametrize(
    "text",
    [
        "parameters.text.replace('a', parameters.text)",
        f"'{'x' * 900}'.replace('x', '{'x' * 900}').replace('x', '{'x' * 900}')",
        "parameters.text.split('').map(letter, parameters.text).join('')",
        f"{ONES}.map(i, {ONES}.map(j, parameters.text))",
        "[parameters.text]" + ".map(s, [s, s, s, s, s, s, s, s])" * 5,
        f"'{'%s' * 900}'.format([parameters.text, parameters.text])",
        "parameters.text.split('').map(letter, letter)",
        "parameters.list.map(a, parameters.list.map(b, a + b))",
    ],
)  # fmt: skip
def test_what_would_take_gigabytes_does_not(text: str) -> None:
    _, worst, _ = bound(text, data(PAGE))
    assert worst > MOST


def test_the_tree_of_an_expression_is_walked_once_whatever_its_loops() -> None:
    with pytest.raises(InvalidSpec):
        ENVIRONMENT.compile("+".join(["parameters.text"] * 200), "path")  # deeper than the walk could be
    _, worst, _ = bound(f"{ONES}.map(i, {ONES}.map(j, {ONES}.map(k, {ONES}.map(l, i + j + k + l))))", {})
    assert worst > MOST


def deployment_of(stack: dict[str, Any], count: int) -> Callable[[], Plan]:
    spec = {
        "stackRef": {"name": "s"},
        "serverRef": {"name": "f"},
        "parentHostgroup": "Base",
        "roles": [{"name": "zk", "count": count, "sources": [{"name": "a", "computeResource": {"name": "kvm"}}]}],
    }
    api = {"apiVersion": "stacks.theforeman.org/v1alpha1"}
    parsed = parse_stack({**api, "kind": "Stack", "metadata": {"name": "s"}, "spec": stack})
    body = {**api, "kind": "StackDeployment", "metadata": {"name": "d", "namespace": "n"}, "spec": spec}
    return lambda: compile_plan(parsed, parse_deployment(body), Identity("i", "n", "d"), {})


BOMB = f"'{'x' * 900}'.replace('x', '{'x' * 900}').replace('x', '{'x' * 900}')"
BUSY = f"string({ONES}.map(i, {ONES}.map(j, i + j).size()).size()) + string(host.index)"


@pytest.mark.parametrize(
    "stack, count, what",
    [
        (
            {"hostgroups": [{"name": "zk", "parameters": [{"name": f"p{n}", "expression": BOMB} for n in range(60)]}]},
            1,
            "needs more than 128 MB",
        ),
        (
            {"outputs": [{"name": "all", "type": "array", "expression": "roles.zk.hosts.map(h, h.ip)"}]},
            5_000,
            "needs more than 128 MB",
        ),
        (
            {"parameters": [{"name": f"p{n}", "expression": BUSY} for n in range(60)]},
            5_000,
            "needs more than 768 MB with all other expressions",
        ),
    ],
    ids=["bombs", "a map over all hosts", "loops for each host"],
)
def test_a_hostile_or_huge_deployment_is_refused_in_a_moment(stack: dict[str, Any], count: int, what: str) -> None:
    role = {"name": "zk", "hostgroup": "zk", "count": {"min": 1}, "parameters": stack.pop("parameters", [])}
    compiled = deployment_of({"hostgroups": [{"name": "zk"}], "roles": [role], **stack}, count)
    began = time.thread_time()
    with pytest.raises(InvalidSpec) as caught:
        compiled()
    assert what in str(caught.value)
    assert time.thread_time() - began < 15, "nothing near the minutes that it would take"
