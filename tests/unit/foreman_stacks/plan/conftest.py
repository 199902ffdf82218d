"""The ZooKeeper example as plain data, to be changed and compiled by tests."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from foreman_stacks.api.parse import parse_deployment, parse_stack
from foreman_stacks.api.stack import Stack
from foreman_stacks.api.stackdeployment import StackDeployment
from foreman_stacks.errors import Problem
from foreman_stacks.model.identity import Identity
from foreman_stacks.plan.compile import compile_plan
from foreman_stacks.plan.inputs import Given
from foreman_stacks.plan.model import Plan
from foreman_stacks.plan.stack import check_stack

Spec = dict[str, Any]

ZOOKEEPER: Spec = {
    "hostgroups": [
        {
            "name": "zk",
            "parameters": [{"name": "servers", "type": "array", "value": []}],
            "puppetClasses": [
                {
                    "name": "zookeeper",
                    "overrides": [
                        {"name": "servers", "type": "array", "expression": "hostgroups.zk.parameters.servers"},
                        {"name": "install_java", "type": "boolean", "value": True},
                        {"name": "java_package", "type": "string", "value": "default-jre-headless"},
                    ],
                }
            ],
        }
    ],
    "roles": [
        {
            "name": "zk",
            "hostgroup": "zk",
            "count": {"min": 3, "max": 7, "default": 4},
            "overrides": [
                {"class": "zookeeper", "name": "id", "type": "string", "expression": "string(host.index)"},
                {"class": "zookeeper", "name": "client_ip", "type": "string", "expression": "host.ip"},
            ],
        }
    ],
    "steps": [
        {"name": "first", "puppetRun": {"roles": ["zk"]}},
        {
            "name": "ring",
            "after": ["first"],
            "parameterUpdate": {
                "hostgroup": "zk",
                "parameter": "servers",
                "expression": "roles.zk.hosts.map(h, h.ip)",
            },
        },
        {"name": "second", "after": ["ring"], "puppetRun": {"roles": ["zk"], "order": "LeaderFirst"}},
    ],
    "outputs": [{"name": "servers", "type": "array", "expression": "roles.zk.hosts.map(h, h.ip + ':2181')"}],
}

TREE: Spec = {
    "parameters": [
        {"name": "heap", "type": "integer", "default": 512},
        {"name": "password", "type": "string", "sensitive": True},
        {"name": "admins", "type": "array", "default": ["ops"], "hostgroups": ["base"]},
        {"name": "banner", "type": "string", "optional": True, "hostgroups": ["web"]},
    ],
    "hostgroups": [
        {
            "name": "web",
            "parent": "base",
            "parameters": [
                {"name": "url", "value": ""},
                {"name": "login", "expression": "'app:' + parameters.password"},
            ],
            "puppetClasses": [
                {
                    "name": "tomcat",
                    "overrides": [
                        {"name": "login", "expression": "hostgroups.web.parameters.login"},
                        {
                            "name": "url",
                            "expression": "hostgroups.web.parameters.url + '?heap=' + string(parameters.heap)",
                        },
                    ],
                }
            ],
        },
        {"name": "base", "puppetClasses": [{"name": "ntp"}]},
    ],
    "roles": [
        {
            "name": "db_node",
            "hostgroup": "base",
            "count": {"min": 1, "max": 3},
            "hostname": "{namespace}-{role}-{index}",
        },
        {"name": "app", "hostgroup": "web", "count": {"min": 0, "max": 400, "default": 2}},
    ],
    "steps": [
        {"name": "database", "puppetRun": {"roles": ["db_node"]}},
        {
            "name": "endpoint",
            "after": ["database"],
            "parameterUpdate": {
                "hostgroup": "web",
                "parameter": "url",
                "expression": "'db://' + roles.db_node.leader.ip",
            },
        },
        {"name": "application", "after": ["endpoint"], "puppetRun": {"roles": ["app"]}},
    ],
}


def source(name: str = "lab", **fields: Any) -> Spec:
    return {"name": name, "computeResource": {"name": "kvm"}, **fields}


def deployment(spec: Mapping[str, Any], name: str = "ring") -> StackDeployment:
    body = {"stackRef": {"name": "s"}, "serverRef": {"name": "f"}, "parentHostgroup": "Base/Debian 12", **spec}
    return parse_deployment({"kind": "StackDeployment", "metadata": {"name": name, "namespace": "ops"}, "spec": body})


def stack(spec: Mapping[str, Any]) -> Stack:
    return parse_stack({"kind": "Stack", "metadata": {"name": "s"}, "spec": dict(spec)})


def texts(problems: list[Problem]) -> list[str]:
    return [str(problem) for problem in problems]


Change = Callable[[Spec], object]


@pytest.fixture
def faults() -> Callable[[Change], list[str]]:
    """What is wrong with the ZooKeeper Stack once it has been changed."""

    def check(change: Change) -> list[str]:
        spec = copy.deepcopy(ZOOKEEPER)
        change(spec)
        return texts(check_stack(stack(spec)))

    return check


@pytest.fixture
def zookeeper() -> Callable[..., Plan]:
    """The plan of the ZooKeeper Stack for a deployment."""

    def plan(count: int = 4, change: Change = lambda _: None, **fields: Any) -> Plan:
        spec = copy.deepcopy(ZOOKEEPER)
        spec["roles"][0]["count"]["max"] = 5000
        change(spec)
        wanted = {"roles": [{"name": "zk", "count": count, "sources": [source()]}], **fields}
        return compile_plan(stack(spec), deployment(wanted), Identity("i", "ops", "ring"), {}, key=b"k")

    return plan


@pytest.fixture
def tree() -> Callable[..., Plan]:
    """The plan of the two-level tree for a deployment."""

    def plan(
        given: Mapping[str, Given] | None = None, change: Change = lambda _: None, key: bytes = b"k", **fields: Any
    ) -> Plan:
        spec = copy.deepcopy(TREE)
        change(spec)
        wanted = {
            "parameters": [{"name": "password", "value": "hush-hush"}],
            "roles": [{"name": "db_node", "sources": [source()]}, {"name": "app", "sources": [source()]}],
            **fields,
        }
        return compile_plan(stack(spec), deployment(wanted), Identity("i", "ops", "ring"), given or {}, key=key)

    return plan
