"""After Ready: refuses edits, which are not supported yet, and looks for drift at resyncs. Never writes to Foreman."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from foreman_stacks.errors import Problem
from foreman_stacks.foreman.port import (
    ClassKeys,
    Hostgroup,
    HostgroupNamed,
    HostsWithEnvironment,
    HostTaken,
    MarkedHosts,
    OverridesOf,
    together,
)
from foreman_stacks.model.identity import MARK_PARAMETER, HostRef
from foreman_stacks.model.progress import Progress
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.scope import Scope
from foreman_stacks.model.values import alike
from foreman_stacks.plan.model import parameter_key
from foreman_stacks.reconcile.creation import marked
from foreman_stacks.reconcile.world import Draft, World
from foreman_stacks.resources.groups import environment_of, title_of, wanted_groups
from foreman_stacks.resources.host import overrides_of
from foreman_stacks.resources.parameter_override import WantedOverride, values_of


def watch_over(world: World) -> Draft:
    """Decide for a settled deployment: refuse an edit that is not supported yet, otherwise look for drift."""
    draft = refused(world)
    if draft is None:
        draft = Draft(_taken_over(world))
        if same(world.plan_id, world.progress.settled_plan):
            draft.drift = tuple(drift(world))
        else:
            draft.drift = tuple(_gone(world))
            draft.drift_note = "its Stack or a value has been edited since: only whether its hosts exist is checked"
    return draft


def same(plan_id: str, settled_plan: str) -> bool:
    """Whether a plan is the settled one, however the deployment is worded now.

    If the key of digests was lost since, plans cannot be compared, and every plan counts as the settled one: what was
    edited is then reported as drift.
    """
    now, then = _parts(plan_id), _parts(settled_plan)
    return now[0] == then[0] or bool(now[2] and then[2] and now[2] != then[2])


def unedited(progress: Progress, generation: int, config_digest: str) -> bool:
    """Whether a settled deployment's own spec still says what it said when it settled.

    If it does not compile any more, the cause is then its Stack.
    """
    if progress.settled_generation == generation:
        return bool(progress.settled_plan)
    return bool(config_digest) and _parts(progress.settled_plan)[1] == config_digest[:8]


def _parts(plan_id: str) -> tuple[str, str, str]:
    """Return the parts of a plan id: digest of the plan, digest of the deployment's configuration, id of the key."""
    plan, configuration, key, *_ = [*plan_id.split("-"), "", ""]
    return plan, configuration, key


def _taken_over(world: World) -> Progress:
    """Return progress in which the current generation counts as settled, under its new id if the plan is the same."""
    progress = replace(world.progress, settled_generation=world.generation)
    if not same(world.plan_id, progress.settled_plan):
        return progress
    return replace(progress, plan=world.plan_id, settled_plan=world.plan_id)


def refused(world: World) -> Draft | None:
    """Return a stalled draft if an edit of the deployment would change the settled plan, otherwise None."""
    plan_id, settled_plan = world.plan_id, world.progress.settled_plan
    if same(plan_id, settled_plan) or _parts(plan_id)[1] == _parts(settled_plan)[1]:
        return None
    draft = Draft(world.progress)
    draft.stall(
        Reason.CHANGE_NOT_SUPPORTED,
        Problem(
            "spec",
            "this edit would change a deployment that is settled, which is not supported yet; nothing was "
            "written to Foreman",
            "undo the edit, or make a new deployment",
        ),
    )
    return draft


def drift(world: World) -> list[str]:
    """Return how Foreman differs from what was settled, one line each, from thin searches and one GET per hostgroup.

    Values that cost a search each are compared less often; in between, what was found last still counts.
    """
    known = [host for role in world.plan.roles for host in role.hosts]
    found = [*_groups(world), *_hosts(world, {host.ref: world.fqdn(host) for host in known})]
    memory = world.memory
    unsure = memory.value_drift is None and world.drifted
    if not found and (unsure or memory.resyncs % world.settings.override_resync_every == 0):
        memory.value_drift = tuple(_values(world, world.scope()))
    return [*found, *(memory.value_drift or ())]


def _gone(world: World) -> Iterator[str]:
    """Yield hosts that are gone, for a deployment that is no longer compared because its Stack or a value was edited.

    Hosts are found by their marks, since the Stack may give them other names now; while it does not, also by name.
    """
    configured = world.progress.configured()
    if len(world.seen[MarkedHosts(world.plan.identity)]) >= len(configured):
        return
    there = marked(world, configured)
    lost = sorted(configured - there.keys())
    names = {host.ref: world.fqdn(host) for role in world.plan.roles for host in role.hosts}
    known = all(names.get(ref) == name for ref, name in there.items())
    asked = {ref: HostTaken(names[ref]) for ref in lost if known and ref in names}
    world.seen.need(asked.values())
    for ref in lost:
        if ref not in asked or world.seen[asked[ref]] is None:
            yield f"host {names[ref] if ref in asked else ref}: is gone"


def _groups(world: World) -> Iterator[str]:
    """Yield how the Stack's hostgroups differ: existence, mark, classes, and parameters with a constant value."""
    groups = [(group, title_of(world.plan, group.name)) for group in world.plan.groups]
    world.seen.need([HostgroupNamed(title) for _, title in groups])
    for group, title in groups:
        row = world.seen[HostgroupNamed(title)]
        if row is None:
            yield f"hostgroup {title}: is gone"
            continue
        if row.mark is None or row.mark.identity != str(world.plan.identity):
            yield f"hostgroup {title}: lacks parameter {MARK_PARAMETER} of this deployment"
        classes = {entry.name for entry in group.classes}
        for name in sorted(classes - row.all_classes):
            yield f"hostgroup {title}: lacks class {name}"
        for name in sorted(row.classes - classes):
            yield f"hostgroup {title}: has class {name}, which the Stack does not give it"
        for value in group.parameters:
            if value.constant is None or value.sensitive or parameter_key(group.name, value.name) in world.plan.updates:
                continue
            real = row.parameter(value.name)
            if not alike(value.type, value.constant, real):
                yield f"hostgroup {title}: parameter {value.name} is {real!r}, not {value.constant!r}"


def _hosts(world: World, names: dict[HostRef, str]) -> Iterator[str]:
    """Yield hosts that are not in their hostgroup with its environment: one thin search per hostgroup of a role."""

    def look(group_name: str) -> tuple[str, Hostgroup, str, frozenset[str]] | None:
        group = world.seen[HostgroupNamed(title_of(world.plan, group_name))]
        if group is None:
            return None
        outer = world.plan.chain(group_name)[-1].outer_parent
        environment = environment_of(outer, world.plan.environment, world.seen) or ""
        return group_name, group, environment, world.seen[HostsWithEnvironment(group.id, environment)]

    looks = together(look, dict.fromkeys(role.group for role in world.plan.roles))
    for group_name, group, environment, inside in filter(None, looks):
        for role in world.plan.roles:
            if role.group != group_name:
                continue
            for index in sorted(world.progress.role(role.name).configured):
                name = names.get(HostRef(role.name, index))
                if name is not None and name not in inside:
                    yield f"host {name}: is not in hostgroup {group.title} with environment {environment}"


def _values(world: World, scope: Scope) -> Iterator[str]:
    """Yield how computed parameters and all override values differ, those of single hosts too: one list per key."""
    yield from _computed(world, scope)
    wanted = [*_overrides(world, scope)]
    world.seen.need(dict.fromkeys(ClassKeys(environment, entry.puppet_class) for entry, environment in wanted))
    keyed = [
        (entry, world.seen[ClassKeys(environment, entry.puppet_class)].get(entry.bound.name))
        for entry, environment in wanted
    ]
    world.seen.need(dict.fromkeys(OverridesOf(key.id) for _, key in keyed if key is not None))
    for entry, key in keyed:
        values = world.seen[OverridesOf(key.id)] if key is not None else {}
        name = f"{entry.puppet_class}::{entry.bound.name} for {entry.match}"
        if entry.match not in values:
            yield f"value {name}: is gone"
        elif not entry.bound.sensitive and not alike(entry.bound.type, entry.bound.plain, values[entry.match]):
            yield f"value {name}: is {values[entry.match]!r}, not {entry.bound.plain!r}"


def _overrides(world: World, scope: Scope) -> Iterator[tuple[WantedOverride, str]]:
    """Yield the override values of the Stack's hostgroups and of the hosts in them, each with its environment."""
    groups = [group for group in wanted_groups(scope) if not group.staging]
    asked = together(lambda group: environment_of(group.outer, group.environment, world.seen) or "", groups)
    environments = {group.group: environment for group, environment in zip(groups, asked, strict=True)}
    for group in groups:
        yield from ((entry, environments[group.group]) for entry in values_of(group))
    for host in scope.hosts:
        if host.ref in world.progress.configured():
            yield from ((entry, environments[host.group]) for entry in overrides_of(host, world.fqdn(host)))


def _computed(world: World, scope: Scope) -> Iterator[str]:
    constant = {
        parameter_key(group.name, value.name)
        for group in world.plan.groups
        for value in group.parameters
        if value.constant is not None
    } - world.plan.updates.keys()
    for group in scope.groups:
        title = title_of(world.plan, group.name)
        row = world.seen[HostgroupNamed(title)]
        for bound in group.parameters:
            if row is None or bound.sensitive or parameter_key(group.name, bound.name) in constant:
                continue
            real = row.parameter(bound.name)
            if not alike(bound.type, bound.plain, real):
                yield f"hostgroup {title}: parameter {bound.name} is {real!r}, not {bound.plain!r}"
