"""A deployment with a tree of two hostgroups, secrets and hosts, as the plain values that kinds of resources begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from foreman_stacks.foreman.port import Change, Snapshot
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.scope import ClassScope, ComputeSource, GroupScope, HostScope, Scope
from foreman_stacks.model.values import Bound, Json, Secret, ValueType
from foreman_stacks.resources import KINDS
from tests.unit.foreman_stacks.made import IDENTITY, OUTER

CANARY = "canary-in-the-mine"
TOP, LEAF = f"{OUTER}/base (ops.ring)", f"{OUTER}/base (ops.ring)/zk (ops.ring)"
STAGING = f"{OUTER}/zk staging (ops.ring)"


def bound(name: str, value: Json, kind: ValueType = "string", *, secret: bool = False) -> Bound:
    return Bound(name, kind, Secret(value) if secret else value)


BASE = GroupScope(
    name="base",
    label="base (ops.ring)",
    parent=None,
    outer_parent=OUTER,
    description="below",
    parameters=(bound("admins", ["ops"], "array"), bound("login", CANARY, secret=True), bound("both", "base")),
    classes=(ClassScope("role_db", (bound("port", 5433, "integer"), bound("db_name", CANARY, secret=True))),),
)
ZK = GroupScope(
    name="zk",
    label="zk (ops.ring)",
    parent="base",
    outer_parent="",
    parameters=(bound("servers", [], "array"), bound("both", "zk")),
    classes=(ClassScope("zookeeper", (bound("servers", [], "array"), Bound("install_java", "boolean", value=True))),),
)


def host(index: int, **fields: Any) -> HostScope:
    """A host of role zk on the lab's compute resource."""
    known: dict[str, Any] = {
        "ref": HostRef("zk", index),
        "label": f"ring-zk-{index}",
        "group": "zk",
        "source": ComputeSource("lab", "libvirt-test", "1-Small"),
        "overrides": (("zookeeper", bound("id", str(index))),),
        "parameters": (bound("rack", f"r{index}"),),
    }
    return HostScope(**(known | fields))


SCOPE = Scope(
    identity=IDENTITY,
    groups=(BASE, ZK),
    hosts=(host(1), host(2)),
    organization="Default Organization",
    location="Default Location",
    staging=frozenset({"zk"}),
)


def with_group(scope: Scope, name: str, **fields: Any) -> Scope:
    """The same with other fields of one hostgroup."""
    groups = tuple(replace(group, **fields) if group.name == name else group for group in scope.groups)
    return replace(scope, groups=groups)


def first_changes(scope: Scope, seen: Snapshot) -> Sequence[Change]:
    """What the first kind that has something to do wants to do, as a pass asks them."""
    for kind in KINDS:
        wanted = kind.wanted(scope)
        seen.need(kind.queries(wanted))
        changes = kind.changes(wanted, seen)
        if changes:
            return changes
    return ()
