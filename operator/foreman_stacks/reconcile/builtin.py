"""The built-in steps: Quiesce before those of the plan, PeriodicPuppet after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from foreman_stacks.foreman.port import HostgroupNamed
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.outcome import Done
from foreman_stacks.model.progress import Progress, StepProgress, StepState
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.scope import HostScope, Scope
from foreman_stacks.reconcile import building, record
from foreman_stacks.reconcile.stepping import book, context_of, targets_of
from foreman_stacks.reconcile.world import Draft, World
from foreman_stacks.resources.groups import root_title
from foreman_stacks.steps import periodic_puppet, quiesce

QUIET = "quiet"
"""The digest of every host in the built-in steps; it never changes, so they are done once for each host."""


def run_quiesce(world: World, scope: Scope, draft: Draft, lost: frozenset[str]) -> frozenset[HostRef]:
    """Quiesce the hosts of every role whose hosts are all built; return the hosts that are proven quiet.

    Roles in `lost` are left out. Hosts that are `loud`, and those of a Quiesce job in progress, always take part.
    """
    built = draft.progress.built() | draft.progress.configured()
    ripe = {
        role.name
        for role in world.plan.roles
        if role.hosts and role.name not in lost and all(host.ref in built for host in role.hosts)
    }
    progress = draft.progress.step(quiesce.NAME)
    asked = loud(draft.progress) | frozenset(progress.run.hosts if progress.run else ())
    mine = [host for host in scope.hosts if host.ref.role in ripe or host.ref in asked]
    if mine:
        _quiesce(world, draft, progress, mine)
    return frozenset(draft.progress.step(quiesce.NAME).done)


def _quiesce(world: World, draft: Draft, progress: StepProgress, hosts: Sequence[HostScope]) -> None:
    """Advance the step. Before a job that is no mere retry for a host, the host is checked for the deployment's mark.

    Roles with a host that lacks it are left out, and the others go on.
    """
    targets = targets_of(world, hosts, dict.fromkeys((host.ref.role for host in hosts), QUIET))
    advance = quiesce.advance(progress, targets, context_of(world, draft, quiesce.NAME))
    if advance.intends and advance.progress.run is not None:
        fresh = advance.progress.run.hosts.keys() - progress.retrying
        strange = building.disowned(world, [host for host in hosts if host.ref in fresh]) if fresh else {}
        if strange:
            draft.stall(Reason.NAME_CONFLICT, *strange.values())
            others = {host.ref.role for host in hosts} - {ref.role for ref in strange}
            if others:
                _quiesce(world, draft, progress, [host for host in hosts if host.ref.role in others])
            return
    book(draft, advance, Reason.QUIESCING)


def loud(progress: Progress) -> frozenset[HostRef]:
    """Return hosts that are in their place but not known to be quiet.

    They were quiesced before they were moved. Then an edit came when they might run Puppet by themselves again, and
    Quiesce was reset (`edits.quieted_first`).
    """
    return progress.configured() - progress.step(quiesce.NAME).done.keys()


def run_periodic(world: World, scope: Scope, draft: Draft) -> bool:
    """Switch periodic Puppet on again unless the Stack says `Disabled`; return whether that is done."""
    if not world.plan.periodic_puppet:
        return True
    targets = targets_of(world, scope.hosts, {role.name: QUIET for role in world.plan.roles})
    progress = draft.progress.step(periodic_puppet.NAME)
    context = context_of(world, draft, periodic_puppet.NAME)
    # the record is written first: a later process that has lost the status must know that hosts may run Puppet again
    root = world.seen[HostgroupNamed(root_title(scope))]
    context = replace(context, before_run=record.before(root, draft.progress, draft.waves))
    managed = bool(world.managed())
    steps = [draft.progress.step(name) for name in world.plan.order]
    tolerated = frozenset(ref for step in steps if step.state is StepState.DONE for ref in step.failed)
    advance = periodic_puppet.advance(progress, targets, context, managed=managed, tolerated=tolerated)
    book(draft, advance, Reason.RESUMING_PUPPET)
    return isinstance(advance.outcome, Done)
