"""After Ready: edits that are not supported yet are refused, and a resync looks for drift; neither writes to Foreman."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from foreman_stacks.errors import Problem
from foreman_stacks.foreman.port import HostgroupNamed, HostsWithEnvironment, HostTaken, OverrideOf
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.scope import Scope
from foreman_stacks.model.values import alike
from foreman_stacks.plan.model import parameter_key
from foreman_stacks.reconcile.world import Draft, World
from foreman_stacks.resources.groups import environment_of, wanted_groups
from foreman_stacks.resources.parameter_override import keyed_values, values_of


def watch_over(world: World) -> Draft:
    """A settled deployment: refuse what is not supported yet, else look for drift."""
    draft = refused(world)
    if draft is None:
        every = world.settings.override_resync_every
        draft = Draft(replace(world.progress, settled_generation=world.generation))
        draft.drift = tuple(drift(world, overrides=world.memory.resyncs % every == 0))
    return draft


def refused(world: World) -> Draft | None:
    """A draft that says no, when this edit of the deployment would change the settled plan."""
    settled = world.progress.settled_plan
    if world.plan_id == settled or world.plan_id.partition("-")[2] == settled.partition("-")[2]:
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


def drift(world: World, *, overrides: bool) -> list[str]:
    """How Foreman differs from what was settled: one line each. Thin searches, one GET for each hostgroup."""
    known = [host for role in world.plan.roles for host in role.hosts]
    names = {host.ref: f"{host.label}.{world.domain()}" for host in known}
    if world.plan_id != world.progress.settled_plan:
        return list(_gone(world, names))
    found = [*_groups(world), *_hosts(world, names)]
    if overrides and not found:
        found += _values(world, world.scope())
    return found


def _gone(world: World, names: Mapping[HostRef, str]) -> Iterator[str]:
    """Of a deployment whose Stack was edited since, we only know which hosts there were."""
    asked = [HostTaken(names[ref]) for ref in sorted(world.progress.configured() & names.keys())]
    world.seen.need(asked)
    for query in asked:
        if world.seen[query] is None:
            yield f"host {query.fqdn}: is gone"


def _groups(world: World) -> Iterator[str]:
    """The Stack's hostgroups by name and mark, their classes and their plain parameters."""
    groups = [(group, _title(world, group.name)) for group in world.plan.groups]
    world.seen.need([HostgroupNamed(title) for _, title in groups])
    for group, title in groups:
        row = world.seen[HostgroupNamed(title)]
        if row is None:
            yield f"hostgroup {title}: is gone"
            continue
        if row.mark is None or row.mark.identity != str(world.plan.identity):
            yield f"hostgroup {title}: has lost our mark"
        for name in sorted({entry.name for entry in group.classes} - row.all_classes):
            yield f"hostgroup {title}: lacks class {name}"
        for value in group.parameters:
            if value.constant is None or value.sensitive or parameter_key(group.name, value.name) in world.plan.updates:
                continue
            real = row.parameter(value.name)
            if not alike(value.type, value.constant, real):
                yield f"hostgroup {title}: parameter {value.name} is {real!r}, not {value.constant!r}"


def _title(world: World, name: str) -> str:
    group = world.plan.group(name)
    above = _title(world, group.parent) if group.parent else group.outer_parent
    return f"{above}/{group.label}" if above else group.label


def _hosts(world: World, names: dict[HostRef, str]) -> Iterator[str]:
    """Every host in its hostgroup with its environment: one thin search for each hostgroup of a role."""
    for group_name in dict.fromkeys(role.group for role in world.plan.roles):
        group = world.seen[HostgroupNamed(_title(world, group_name))]
        if group is None:
            continue
        outer = world.plan.chain(group_name)[-1].outer_parent
        environment = environment_of(outer, world.plan.environment, world.seen) or ""
        inside = world.seen[HostsWithEnvironment(group.id, environment)]
        for role in world.plan.roles:
            if role.group != group_name:
                continue
            for index in sorted(world.progress.role(role.name).configured):
                name = names.get(HostRef(role.name, index))
                if name is not None and name not in inside:
                    yield f"host {name}: is not in hostgroup {group.title} with environment {environment}"


def _values(world: World, scope: Scope) -> Iterator[str]:
    """Override values of hostgroups, one GET each: there is no bulk read."""
    for group in wanted_groups(scope):
        if group.staging:
            continue
        environment = environment_of(group.outer, group.environment, world.seen) or ""
        pairs = keyed_values(values_of(group), environment, world.seen)
        world.seen.need([OverrideOf(key.id, entry.match) for key, entry in pairs])
        for key, entry in pairs:
            now = world.seen[OverrideOf(key.id, entry.match)]
            name = f"{entry.puppet_class}::{entry.bound.name} for {entry.match}"
            if now is None:
                yield f"value {name}: is gone"
            elif not entry.bound.sensitive and not alike(entry.bound.type, entry.bound.plain, now.value):
                yield f"value {name}: is {now.value!r}, not {entry.bound.plain!r}"
