"""Plain values that tests of the core begin with: a server, a plan, rows as Foreman shows them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from foreman_stacks.api.foremanserver import ForemanServer
from foreman_stacks.api.parse import parse_server
from foreman_stacks.foreman.port import Hostgroup, HostRow, Parameter
from foreman_stacks.model.identity import MARK_PARAMETER, HostRef, Identity, Mark
from foreman_stacks.plan.compile import compile_plan
from foreman_stacks.plan.model import Plan
from tests.unit.foreman_stacks.plan.conftest import TREE, ZOOKEEPER, deployment, source, stack

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
IDENTITY = Identity("i", "ops", "ring")
OUTER = "Base/Debian 12"
DOMAIN = "example.com"


def later(seconds: float) -> datetime:
    """A moment so many seconds after NOW."""
    return NOW + timedelta(seconds=seconds)


def a_server(name: str = "f", **spec: Any) -> ForemanServer:
    """A ForemanServer that everybody may use."""
    body = {
        "url": "https://foreman.example.com",
        "credentialsSecretRef": {"name": "foreman"},
        "tenants": [{"namespaceSelector": {}}],
        **spec,
    }
    return parse_server({"kind": "ForemanServer", "metadata": {"name": name}, "spec": body})


def a_plan(
    count: int = 3,
    change: Callable[[dict[str, Any]], object] = lambda _: None,
    base: Mapping[str, Any] = ZOOKEEPER,
    **spec: Any,
) -> Plan:
    """The ZooKeeper Stack (or another one), changed, for so many hosts."""
    body = copy.deepcopy(dict(base))
    change(body)
    wanted = {
        "roles": [{"name": role["name"], "count": count, "sources": [source()]} for role in body["roles"]],
        **spec,
    }
    return compile_plan(stack(body), deployment(wanted), IDENTITY, {}, key=b"k")


def a_tree(**spec: Any) -> Plan:
    """The two-level Stack with a secret."""
    wanted = {
        "parameters": [{"name": "password", "value": "hush-hush"}],
        "roles": [{"name": "db_node", "sources": [source()]}, {"name": "app", "sources": [source()]}],
        **spec,
    }
    return compile_plan(stack(copy.deepcopy(TREE)), deployment(wanted), IDENTITY, {}, key=b"k")


def fqdn(index: int, role: str = "zk") -> str:
    """The name of a host of the ZooKeeper example."""
    return f"ring-{role}-{index}.{DOMAIN}"


def marked(mark: Mark) -> Parameter:
    """A parameter that bears a mark."""
    return Parameter(MARK_PARAMETER, str(mark), "string")


def host_row(index: int, *, role: str = "zk", group: int | None = 11, **fields: Any) -> HostRow:
    """A host of ours that is there: machine, address and mark."""
    own = marked(Mark(str(IDENTITY), role=role, index=index, source="lab"))
    known: dict[str, Any] = {
        "id": 100 + index,
        "name": fqdn(index, role),
        "ip": f"10.0.0.{index}",
        "mac": f"52:54:00:00:00:{index:02x}",
        "uuid": f"vm-{index}",
        "hostgroup_id": group,
        "environment": "production",
        "compute_resource_id": 1,
        "build_status": 0,
        "parameters": (own,),
    }
    return HostRow(**(known | fields))


def hostgroup(number: int, title: str, **fields: Any) -> Hostgroup:
    """A hostgroup of the lab."""
    known: dict[str, Any] = {
        "id": number,
        "title": title,
        "environment_id": 1,
        "environment": "production",
        "domain": DOMAIN,
    }
    return Hostgroup(**(known | fields))


def refs(*indices: int, role: str = "zk") -> list[HostRef]:
    """Hosts of a role."""
    return [HostRef(role, index) for index in indices]
