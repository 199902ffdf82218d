"""The decision from Accept to Ready: one pure function, to be read from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from foreman_stacks.errors import Problem
from foreman_stacks.foreman.port import Change, Hostgroup, HostgroupNamed, HostsOf, both
from foreman_stacks.model.identity import ranges
from foreman_stacks.model.outcome import Wait
from foreman_stacks.model.progress import Progress
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.scope import Place, Scope
from foreman_stacks.reconcile import building, builtin, creation, edits, enc, placing, record, settled, steps
from foreman_stacks.reconcile.adoption import adopt
from foreman_stacks.reconcile.lacking import first_questions, lacking
from foreman_stacks.reconcile.preflight import preflight
from foreman_stacks.reconcile.world import Draft, World
from foreman_stacks.resources import KINDS, hostgroup
from foreman_stacks.resources.groups import root_title, staging_title, wanted_groups


def bring_up(world: World) -> Draft:
    """Decide what to do now.

    Raises `Unread` for what must be read first, and `InvalidSpec` for values that cannot be bound.
    """
    draft = Draft(world.progress, paused=world.paused)
    if world.progress.plan != world.plan_id or world.plan.evaluated:
        _accept(world, draft)
        return draft
    if _lost(world, draft) or _scaled_down(world, draft) or creation.again(world, draft):
        return draft
    scope = draft.scope = world.scope()
    if builtin.loud(draft.progress):  # hosts may run Puppet by themselves: quiesce them first
        builtin.run_quiesce(world, scope, draft, building.missing(world, scope, draft))
        return draft
    if _lacking(world, scope, draft):
        return draft
    changes = _differences(world, scope) or placing.renewed(world, scope, draft)
    if edits.quieted_first(world, scope, draft, changes) or _configure(world, draft, changes):
        return draft
    creation.create(world, scope, draft)
    lost = building.missing(world, scope, draft)
    draft.progress = replace(draft.progress, places=_places(world, draft.progress, lost))
    building.build(world, scope, draft)
    creation.intend(world, scope, draft)
    quiesced = builtin.run_quiesce(world, scope, draft, lost)
    placing.place(world, scope, quiesced, draft)
    if steps.run_steps(world, scope, draft, lost) and draft.idle and builtin.run_periodic(world, scope, draft):
        _settle(world, scope, draft)
    return draft


def _accept(world: World, draft: Draft) -> None:
    """Accept a new plan: finish the operation in progress, then run preflight, then make it the deployment's plan.

    A plan with values that Foreman would evaluate comes here even if it was accepted before, so that preflight refuses
    it: a default that the deployment does not use may become such a value without changing the plan's id.
    """
    if world.progress.busy:
        edits.finish(world, draft)
        return
    world.seen.need(first_questions(world))
    if not world.progress.plan and _adopted(world, draft):
        return
    if _scaled_down(world, draft):
        return
    draft.stalls += preflight(world)
    if not draft.stalls and (problems := [*hostgroup.elsewhere(world.scope(), world.seen), *edits.misplaced(world)]):
        draft.stall(Reason.CHANGE_NOT_SUPPORTED, *problems)
    if draft.stalls:
        return
    world.memory.forgive()
    progress = edits.followed(adopt(world), world.plan.order)
    draft.progress = replace(progress, plan=world.plan_id, places=progress.places | world.plan.places)
    draft.wait(Wait(Reason.ACCEPTED, "the plan is accepted", after=0.0))


def _adopted(world: World, draft: Draft) -> bool:
    """Recover progress from the record in Foreman when the status has none; return whether that was done.

    What the record says is done counts as done.
    """
    title = root_title(world.plan)
    root = world.seen[HostgroupNamed(title)]
    if root is None or root.mark is None or root.mark.identity != str(world.plan.identity):
        return False
    found = record.read(root)
    if found is None or found.epoch <= world.progress.epoch:
        return False  # there is no record, or it was taken over before and progress has gone on from there
    if not found.roles and not found.settled_plan:
        return False
    draft.progress = record.restore(world.progress, found)
    if found.settled_plan:
        draft.progress = replace(draft.progress, plan=found.settled_plan, settled_generation=world.generation)
        draft.scope = _as_settled(world, draft.progress)
    draft.wait(Wait(Reason.ACCEPTED, "takes over what this deployment made before", after=0.0))
    return True


def _as_settled(world: World, progress: Progress) -> Scope | None:
    """Return the scope if the plan is still the settled one, so that its outputs are known again.

    In any case the hosts are read once, since DeployedHosts show them.
    """
    world.facts(progress)
    return world.scope(progress) if settled.same(world.plan_id, progress.settled_plan) else None


def _lost(world: World, draft: Draft) -> bool:
    """Find out whether Foreman or the status was restored from a backup; return whether the decision ends here.

    Foreman is older than the status when the first hostgroup is gone though hosts were created, or when its record has
    a lower epoch than was read there before: the deployment stalls. The status is older when the record's epoch is
    above its own: progress is taken from the record.
    """
    title = root_title(world.plan)
    root = world.seen[HostgroupNamed(title)]
    found = record.read(root) if root else None
    epoch = found.epoch if found else 0
    gone = root is None and bool(world.progress.created())
    if gone or (root is not None and epoch < world.progress.recorded):
        what = (
            "is gone from Foreman, though hosts of this deployment were created"
            if gone
            else "has an older record than was read there before"
        )
        mend = "restore Foreman fully; until then nothing is created or deleted"
        draft.stall(Reason.FOREMAN_REWOUND, Problem(title, what, mend))
        return True
    if found is not None and epoch > world.progress.epoch:  # hosts that the record lacks are found by their marks
        draft.progress = replace(record.restore(world.progress, found), plan="")
        draft.wait(
            Wait(Reason.ACCEPTED, "the status is older than the record in Foreman: the record counts", after=0.0)
        )
        return True
    draft.progress = replace(draft.progress, recorded=max(epoch, draft.progress.recorded))
    return False


def _scaled_down(world: World, draft: Draft) -> bool:
    """Whether the plan has fewer hosts than exist; it is refused, since nobody has said which hosts should go."""
    problems = []
    for role in world.plan.roles:
        now = world.progress.role(role.name)
        there = now.created | (now.creating.indices if now.creating else frozenset())
        surplus = there - {host.ref.index for host in role.hosts}
        if surplus:
            problems.append(
                Problem(
                    f"spec.roles[{role.name}].count",
                    f"hosts {ranges(surplus)} exist and would be too many",
                    "raise the count again: hosts are not removed",
                )
            )
    problems += [
        Problem(f"spec.roles[{name}]", "hosts of this role exist, but the Stack no longer has it", "put the role back")
        for name, role_progress in world.progress.roles.items()
        if role_progress.created and name not in {role.name for role in world.plan.roles}
    ]
    if problems:
        draft.stall(Reason.SCALE_DOWN_REFUSED, *problems)
    return bool(problems)


def _lacking(world: World, scope: Scope, draft: Draft) -> bool:
    """Whether Foreman lacks something that the plan still needs; the deployment stalls until it is there."""
    problems = lacking(world, scope, [host for host in scope.hosts if host.ref not in draft.progress.created()])
    if problems:
        draft.stall(Reason.PREFLIGHT_FAILED, *problems)
    return bool(problems)


def _differences(world: World, scope: Scope) -> list[Change]:
    """Return the changes of the first kind of resource that has any; each kind depends on those before it."""
    for kind in KINDS:
        wanted = kind.wanted(scope)
        world.seen.need(kind.queries(wanted))
        if changes := list(kind.changes(wanted, world.seen)):
            return changes
    return []


def _configure(world: World, draft: Draft, changes: Sequence[Change]) -> bool:
    """Do these changes, except for hostgroups that a POST in flight may still create; return whether there are any."""
    ripe = [change for change in changes if not _may_appear(world, change)]
    if ripe:
        draft.act(ripe, Reason.CONFIGURING)
    elif changes:
        message = f"checks whether {changes[0].key} was created"
        draft.wait(Wait(Reason.CONFIGURING, message, after=world.settings.lookup_every))
    return bool(changes)


def _places(world: World, progress: Progress, lost: frozenset[str]) -> frozenset[Place]:
    """Return where the deployment's values may be in Foreman, now that hostgroups and hosts no longer differ.

    These are the plan's places and those that edits took out but that could not be cleared yet: places of roles with a
    host that is not in its place or not visible (`lost`), and of hostgroups that the Stack no longer has.
    """
    groups = {group.name for group in world.plan.groups}
    open_ = {host.role for host in progress.created() - progress.configured()} | lost
    left = (
        place
        for place in progress.places
        if (place.owner in open_ if place.kind == "role" else place.owner not in groups)
    )
    return world.plan.places.union(left)


def _may_appear(world: World, change: Change) -> bool:
    """Whether the change creates a hostgroup that an unanswered POST of this or an earlier process may still create."""
    if (change.verb, change.resource) != ("create", "hostgroup"):
        return False
    until = world.memory.group_may_appear_until(world.plan_id, world.settings.host_create_timeout, change.key)
    return until is not None and world.now < until


def _staging(world: World, scope: Scope) -> dict[str, Hostgroup]:
    """Return the deployment's existing staging hostgroups by title; the hosts in each (`HostsOf`) are read as well."""
    titles = [staging_title(scope, name) for name in sorted({group.group for group in wanted_groups(scope)})]
    world.seen.need([HostgroupNamed(title) for title in titles])
    left = [group for title in titles if (group := world.seen[HostgroupNamed(title)]) is not None]
    ours = [group for group in left if group.mark is not None and group.mark.identity == str(world.plan.identity)]
    world.seen.need([HostsOf(group.id) for group in ours])
    return {group.title: group for group in ours}


def _unstaged(group: Hostgroup) -> Change:
    query = HostgroupNamed(group.title)
    return Change(
        "delete",
        "hostgroup",
        group.title,
        address=(group.id,),
        guard=query,
        guarded=group,
        settles=((query, None),),
    )


def _settle(world: World, scope: Scope, draft: Draft) -> None:
    """Once all is done: delete empty staging hostgroups, write the record, then settle, which makes it Ready.

    A staging hostgroup that Foreman refuses to delete stays and is noted: it does no harm.
    """
    roles = frozenset(role.name for role in world.plan.roles)
    there, staging = both(lambda: enc.in_place(world, scope, roles, draft), lambda: _staging(world, scope))
    if not there:
        return
    refused = world.memory.refused
    draft.notes += [f"hostgroup {title!r} stays: {refused[title]}" for title in staging if title in refused]
    empty = [group for title, group in staging.items() if title not in refused and not world.seen[HostsOf(group.id)]]
    if empty:
        draft.act([_unstaged(group) for group in empty], Reason.SETTLING)
    root = world.seen[HostgroupNamed(root_title(scope))]
    assert root is not None
    settled = replace(draft.progress, settled_plan=world.plan_id, settled_generation=world.generation)
    if root.record != record.text(settled):
        draft.act([record.change(root, settled)], Reason.SETTLING)
    if not draft.idle:
        return
    draft.progress = settled
    draft.drift = ()  # everything was just read: nothing can have drifted yet
