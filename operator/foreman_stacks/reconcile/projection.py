"""DeployedHosts: one object per host for people to look at. A projection, never truth: deleted ones are made again."""

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
"""The status of an object as it is."""
SIDE_BY_SIDE = 8
"""Objects written at the same time: one takes 10 ms, eight take not much more."""
FAILED: HostState = "Failed"
_KNOWN = ("foremanID", "url", "ip")


@dataclass(frozen=True)
class Shown:
    """What an object shows: as much as tells whether it has to be written again."""

    state: HostState
    message: str
    steps: tuple[tuple[str, str], ...]
    id: int | None = None
    ip: str | None = None


def wanted(world: World, found: Findings) -> Iterator[tuple[PlannedHost, Shown]]:
    """What the objects of all hosts that are there should show: it follows from the deployment alone."""
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
    """The object's name, one for each host of a namespace.

    Both names may hold a `-` once `_` has become one: then a dot, which neither has, tells where the role begins.
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
    """Write what is to be seen now; seconds until it is time for the rest, if there is any.

    Of a deployment that was settled before this pass only those that are not as they should be. While it is worked on, not
    more often than the settings say: what passes within seconds concerns nobody, and there may be a thousand of them.
    """
    cluster, foreman = ports
    only = None
    if settled_before:
        only = await _stale(world, found, owner, cluster)
        hosts = [host for role in world.plan.roles for host in role.hosts]
        lost = [HostNamed(world.fqdn(host)) for host in hosts if only.get(host.ref) == {}]
        world.memory.learn(await foreman.read(lost) if lost else {})
        if not same(world.plan_id, found.progress.settled_plan):  # the Stack may call hosts otherwise now
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
    """What differs from what this process wrote last; or `only` these."""
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
    """Some at a time. What their objects `told` of Foreman stays where this process knows nothing of it."""
    for (host, shown), body in zip(changed, bodies, strict=True):
        if shown.id is None:
            old = told.get(host.ref, {})
            body["status"] |= {name: old[name] for name in _KNOWN if name in old}
    for start in range(0, len(changed), SIDE_BY_SIDE):
        end = start + SIDE_BY_SIDE
        part = zip(changed[start:end], bodies[start:end], strict=True)
        writing = (_apply(world, host.ref, cluster, body) for (host, _), body in part)
        for result in await asyncio.gather(*writing, return_exceptions=True):  # none goes on when the pass has ended
            if isinstance(result, BaseException):
                raise result
        world.memory.projected |= {host.ref: shown for host, shown in changed[start:end]}


async def _apply(world: World, host: HostRef, cluster: Cluster, body: dict[str, Any]) -> None:
    """Write an object, but not over another deployment's, whoever gave it this name."""
    identity, ours = world.plan.identity, world.memory.ours
    key = Key("deployedhosts", identity.namespace, body["metadata"]["name"])
    if host not in ours and _of_another(await cluster.get(key), identity.name):
        _log.warning("%s is another deployment's: host %s of %s is not shown", key, host, identity)
        return
    ours.add(host)
    await cluster.apply(key, body)


def _of_another(found: Object | None, deployment: str) -> bool:
    """Whether an object names another deployment as its own, by label or owner."""
    meta = found["metadata"] if found else {}
    owners = {ref["name"] for ref in meta.get("ownerReferences") or () if ref.get("kind") == "StackDeployment"}
    label = (meta.get("labels") or {}).get(DEPLOYMENT_LABEL, deployment)
    return not {label, *owners} <= {deployment}


async def _stale(world: World, found: Findings, owner: Object, cluster: Cluster) -> dict[HostRef, Told]:
    """The hosts whose objects somebody deleted, or were not written to the end: of a settled deployment all are `Ready`.

    With each what its object tells now; nothing for one that is gone.
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
