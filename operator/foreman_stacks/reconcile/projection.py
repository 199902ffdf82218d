"""DeployedHosts: one object per host for people to look at, never a source of truth. Deleted ones are created again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeAlias

from foreman_stacks.api.deployedhost import HostState
from foreman_stacks.api.meta import DEPLOYMENT_LABEL, ROLE_LABEL
from foreman_stacks.cluster.port import API_VERSION, Cluster, Key, Object
from foreman_stacks.foreman.port import Foreman, HostNamed
from foreman_stacks.model.identity import HostRef
from foreman_stacks.plan.model import PlannedHost
from foreman_stacks.reconcile.report import Findings
from foreman_stacks.reconcile.settled import same
from foreman_stacks.reconcile.world import World

_log = logging.getLogger(__name__)

Told: TypeAlias = Mapping[str, Any]
"""The status that a DeployedHost has in Kubernetes."""
SIDE_BY_SIDE = 8
"""Objects written concurrently: one takes 10 ms, and eight do not take much longer."""
FAILED: HostState = "Failed"
_KNOWN = ("foremanID", "url", "ip")


@dataclass(frozen=True)
class Shown:
    """What a DeployedHost shows, as far as needed to tell whether it has to be written again."""

    state: HostState
    message: str
    steps: tuple[tuple[str, str], ...]
    id: int | None = None
    ip: str | None = None


def wanted(world: World, found: Findings) -> Iterator[tuple[PlannedHost, Shown]]:
    """Yield every created host with what its object should show, without reading anything."""
    progress = found.progress
    created, failed = progress.created(), {host.name: host.cause for host in progress.failed_hosts}
    for role in world.plan.roles:
        for host in role.hosts:
            if host.ref not in created:
                continue
            fqdn = world.fqdn(host)
            row = world.memory.kept.get(HostNamed(fqdn))
            steps = tuple(
                (step.name, "Done" if host.ref in step.done else step.state.value)
                for step in progress.steps.values()
                if host.ref in step.done or (step.run and host.ref in step.run.hosts)
            )
            state = _state(host.ref, found, fqdn in failed)
            known = (row.id, row.ip) if row is not None else (None, None)
            yield host, Shown(state, failed.get(fqdn, ""), steps, *known)


def _body(world: World, found: Findings, owner: Object, host: PlannedHost, shown: Shown) -> dict[str, Any]:
    identity, fqdn = world.plan.identity, world.fqdn(host)
    status: dict[str, Any] = {"state": shown.state, "fqdn": fqdn, "message": shown.message}
    if shown.id is not None:
        status |= {"foremanID": shown.id, "url": f"{world.url}/hosts/{fqdn}"} | ({"ip": shown.ip} if shown.ip else {})
    status["steps"] = [{"name": name, "state": state} for name, state in shown.steps]
    return {
        "apiVersion": API_VERSION,
        "kind": "DeployedHost",
        "metadata": {
            "name": name_of(identity.name, host.ref),
            "namespace": identity.namespace,
            "labels": {DEPLOYMENT_LABEL: identity.name, ROLE_LABEL: host.ref.role},
            "ownerReferences": [_owner(owner)],
        },
        "spec": {
            "deployment": identity.name,
            "role": host.ref.role,
            "index": host.ref.index,
            "server": found.server,
        },
        "status": status,
    }


def name_of(deployment: str, host: HostRef) -> str:
    """Return the name of a host's object, unique in its namespace.

    A role's `_` becomes `-`, which the deployment's name may have, too. Before such a role stands a dot, which neither
    name has, to show where the role begins.
    """
    between = "." if "_" in host.role else "-"
    return f"{deployment}{between}{host.role.replace('_', '-')}-{host.index}"


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


def _state(ref: HostRef, found: Findings, failed: bool) -> HostState:
    progress = found.progress
    if failed:
        return FAILED
    if any(step.run and ref in step.run.hosts for step in progress.steps.values()):
        return "Running"
    if ref in progress.configured():
        return "Ready" if progress.settled_plan else "Configured"
    return "Built" if ref in progress.built() else "Building"


async def show(
    world: World, found: Findings, owner: Object, ports: tuple[Cluster, Foreman], *, settled_before: bool
) -> float | None:
    """Write the objects that are due now; return in how many seconds the rest is due, if there is any.

    Of a deployment that was settled before this pass, only objects that are not as they should be are written. While a
    deployment is in progress, objects are written no more often than the settings say: states that last for seconds
    interest nobody, and there may be a thousand objects.
    """
    cluster, foreman = ports
    only = None
    if settled_before:
        only = await _stale(world, found, owner, cluster)
        hosts = [host for role in world.plan.roles for host in role.hosts]
        lost = [HostNamed(world.fqdn(host)) for host in hosts if only.get(host.ref) == {}]
        world.memory.learn(await foreman.read(lost) if lost else {})
        if not same(world.plan_id, found.progress.settled_plan):  # the Stack may give hosts other names now
            kept = world.memory.kept
            only = {host.ref: {} for host in hosts if only.get(host.ref) == {} and HostNamed(world.fqdn(host)) in kept}
    changed = _changed(world, found, only)
    urgent = settled_before or found.settled or any(shown.state == FAILED for _, shown in changed)
    left = world.memory.shown + world.settings.show_every - monotonic()
    if changed and left > 0 and not urgent:
        return left
    if changed:
        await _write(world, changed, cluster, [_body(world, found, owner, *one) for one in changed], only or {})
        world.memory.shown = monotonic()
    return None


def _changed(world: World, found: Findings, only: Mapping[HostRef, Told] | None) -> list[tuple[PlannedHost, Shown]]:
    """Return the hosts for which this process wrote something else last; with `only`, return those hosts instead."""
    projected = world.memory.projected
    return [
        (host, shown)
        for host, shown in wanted(world, found)
        if (host.ref in only if only is not None else projected.get(host.ref) != shown)
    ]


async def _write(
    world: World,
    changed: Sequence[tuple[PlannedHost, Shown]],
    cluster: Cluster,
    bodies: Sequence[dict[str, Any]],
    told: Mapping[HostRef, Told],
) -> None:
    """Write the objects, some at a time.

    Where this process does not know a host's row, what its object `told` of Foreman stays.
    """
    for (host, shown), body in zip(changed, bodies, strict=True):
        if shown.id is None:
            old = told.get(host.ref, {})
            body["status"] |= {name: old[name] for name in _KNOWN if name in old}
    for start in range(0, len(changed), SIDE_BY_SIDE):
        end = start + SIDE_BY_SIDE
        part = zip(changed[start:end], bodies[start:end], strict=True)
        writing = (_apply(world, host.ref, cluster, body) for (host, _), body in part)
        for result in await asyncio.gather(*writing, return_exceptions=True):  # no write may outlast the pass
            if isinstance(result, BaseException):
                raise result
        world.memory.projected |= {host.ref: shown for host, shown in changed[start:end]}


async def _apply(world: World, host: HostRef, cluster: Cluster, body: dict[str, Any]) -> None:
    """Write an object, unless one of this name belongs to another deployment."""
    identity, ours = world.plan.identity, world.memory.ours
    key = Key("deployedhosts", identity.namespace, body["metadata"]["name"])
    if host not in ours and _of_another(await cluster.get(key), identity.name):
        _log.warning("%s belongs to another deployment: host %s of %s is not shown", key, host, identity)
        return
    ours.add(host)
    await cluster.apply(key, body)


def _of_another(found: Object | None, deployment: str) -> bool:
    """Whether an object belongs to another deployment, by its label or owner."""
    meta = found["metadata"] if found else {}
    owners = {ref["name"] for ref in meta.get("ownerReferences") or () if ref.get("kind") == "StackDeployment"}
    label = (meta.get("labels") or {}).get(DEPLOYMENT_LABEL, deployment)
    return not {label, *owners} <= {deployment}


async def _stale(world: World, found: Findings, owner: Object, cluster: Cluster) -> dict[HostRef, Told]:
    """Return the hosts whose objects are gone, or do not show the state that they should.

    With each comes the status of its object, empty for one that is gone.
    """
    identity = world.plan.identity
    told: dict[tuple[str, int], Told] = {
        (item["spec"].get("role"), item["spec"].get("index")): item.get("status") or {}
        for item in await cluster.list("deployedhosts", identity.namespace, f"{DEPLOYMENT_LABEL}={identity.name}")
        if any(ref.get("uid") == owner["metadata"]["uid"] for ref in item["metadata"].get("ownerReferences") or ())
    }
    now = {host.ref: told.get((host.ref.role, host.ref.index), {}) for role in world.plan.roles for host in role.hosts}
    return {
        host.ref: now[host.ref] for host, shown in wanted(world, found) if now[host.ref].get("state") != shown.state
    }
