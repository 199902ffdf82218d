"""DeployedHosts: one object per host for people to look at. A projection, never truth: deleted ones are made again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from foreman_stacks.api.meta import API_VERSION, DEPLOYMENT_LABEL, ROLE_LABEL
from foreman_stacks.cluster.port import Cluster, Key, Object
from foreman_stacks.foreman.port import HostNamed
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.values import canonical
from foreman_stacks.plan.model import PlannedHost
from foreman_stacks.reconcile.report import Findings
from foreman_stacks.reconcile.world import World

AT_ONCE = 48
"""Objects written in one pass; the rest follows in the next."""
SIDE_BY_SIDE = 8
"""Objects written at the same time: one takes 10 ms, eight take not much more."""


def wanted(world: World, found: Findings, owner: Object) -> Iterator[tuple[HostRef, Key, dict[str, Any]]]:
    """The objects as they should be: name and content follow from the deployment alone."""
    identity, progress = world.plan.identity, found.progress
    failed = {host.name: host.cause for host in progress.failed_hosts}
    for role in world.plan.roles:
        for host in role.hosts:
            if host.ref not in progress.created():
                continue
            fqdn = f"{host.label}.{world.domain()}"
            row = world.memory.kept.get(HostNamed(fqdn))
            name = f"{identity.name}-{role.name.replace('_', '-')}-{host.ref.index}"
            status: dict[str, Any] = {
                "state": _state(host.ref, found, fqdn in failed),
                "fqdn": fqdn,
                "message": failed.get(fqdn, ""),
            }
            if row is not None:
                status |= {"foremanID": row.id, "url": f"{world.url}/hosts/{fqdn}"} | ({"ip": row.ip} if row.ip else {})
            status["steps"] = [
                {"name": step.name, "state": "Done" if host.ref in step.done else step.state.value}
                for step in progress.steps.values()
                if host.ref in step.done or (step.run and host.ref in step.run.hosts)
            ]
            body = {
                "apiVersion": API_VERSION,
                "kind": "DeployedHost",
                "metadata": {
                    "name": name,
                    "namespace": identity.namespace,
                    "labels": {DEPLOYMENT_LABEL: identity.name, ROLE_LABEL: role.name},
                    "ownerReferences": [_owner(owner)],
                },
                "spec": {
                    "deployment": identity.name,
                    "role": role.name,
                    "index": host.ref.index,
                    "server": found.server,
                },
                "status": status,
            }
            yield host.ref, Key("deployedhosts", identity.namespace, name), body


def _owner(owner: Object) -> dict[str, Any]:
    meta = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }


def _state(ref: HostRef, found: Findings, failed: bool) -> str:
    progress = found.progress
    if failed:
        return "Failed"
    if any(step.run and ref in step.run.hosts for step in progress.steps.values()):
        return "Running"
    if ref in progress.configured():
        return "Ready" if found.settled else "Configured"
    return "Built" if ref in progress.built() else "Building"


async def project(
    world: World, found: Findings, owner: Object, cluster: Cluster, only: frozenset[HostRef] | None = None
) -> bool:
    """Write what differs from what this process wrote last (or `only` these); whether all of it is written."""
    projected = world.memory.projected
    due = []
    for ref, key, body in wanted(world, found, owner):
        text = canonical(body)
        if ref in only if only is not None else projected.get(ref) != text:
            due.append((ref, key, body, text))
    for start in range(0, min(len(due), AT_ONCE), SIDE_BY_SIDE):
        part = due[start : start + SIDE_BY_SIDE]
        await asyncio.gather(*(cluster.apply(key, body) for _, key, body, _ in part))
        projected |= {ref: text for ref, _, _, text in part}
    return len(due) <= AT_ONCE


async def stale(world: World, found: Findings, owner: Object, cluster: Cluster) -> list[PlannedHost]:
    """The hosts whose objects somebody deleted, or were not written to the end: of a settled deployment all are `Ready`."""
    identity = world.plan.identity
    told = {
        (item["spec"].get("role"), item["spec"].get("index")): (item.get("status") or {}).get("state")
        for item in await cluster.list("deployedhosts", identity.namespace, f"{DEPLOYMENT_LABEL}={identity.name}")
        if any(ref.get("uid") == owner["metadata"]["uid"] for ref in item["metadata"].get("ownerReferences") or ())
    }
    created = world.progress.created()
    failed = {host.name for host in found.progress.failed_hosts}
    return [
        host
        for role in world.plan.roles
        for host in role.hosts
        if host.ref in created
        and told.get((role.name, host.ref.index)) != _state(host.ref, found, f"{host.label}.{world.domain()}" in failed)
    ]
