"""Take over hosts that bear the deployment's mark, from an earlier deployment of the same namespace and name."""

from __future__ import annotations

from dataclasses import replace

from foreman_stacks.foreman.port import HostNamed, MarkedHosts
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.progress import Progress
from foreman_stacks.reconcile.world import World


def adopt(world: World) -> Progress:
    """Return progress that counts marked hosts of the plan as created, so that they are not built again.

    The marks count only if they have been read: preflight reads them when the plan has hosts that are not yet created.
    """
    progress, mine = world.progress, MarkedHosts(world.plan.identity)
    marked = {host.name for host in world.seen[mine]} if mine in world.seen else set()
    for role in world.plan.roles:
        found = {host.ref for host in role.hosts if world.fqdn(host) in marked and host.ref not in progress.created()}
        if found:
            progress = _with_created(world, progress, role.name, found)
    return progress


def _with_created(world: World, progress: Progress, role: str, found: set[HostRef]) -> Progress:
    labels = {host.ref: host.label for host in world.plan.role(role).hosts}
    queries = {ref: HostNamed(f"{labels[ref]}.{world.domain()}") for ref in found}
    world.seen.need(queries.values())
    there = {ref.index for ref in found if world.seen[queries[ref]] is not None}
    now = progress.role(role)
    return progress.with_role(role, replace(now, created=now.created | there))
