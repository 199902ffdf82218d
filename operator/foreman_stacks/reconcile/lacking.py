"""Finds what Foreman lacks for a plan: parents, taxonomies, environments, compute resources, classes. Only reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from foreman_stacks.errors import Problem
from foreman_stacks.foreman.port import (
    ClassKeys,
    ClassNamed,
    ComputeProfileNamed,
    ComputeResourceNamed,
    EnvironmentNamed,
    HostgroupNamed,
    ImagesOf,
    Query,
    TaxonomyNamed,
    together,
)
from foreman_stacks.model.scope import ComputeSource, HostScope, Scope
from foreman_stacks.model.values import Bound, Secret
from foreman_stacks.plan.model import override_label
from foreman_stacks.reconcile.world import World
from foreman_stacks.resources import host as hosts
from foreman_stacks.resources.class_key import wanted_keys
from foreman_stacks.resources.groups import environment_of, root_title, wanted_groups


def lacking(world: World, scope: Scope, fresh: Sequence[HostScope]) -> list[Problem]:
    """Return what Foreman lacks for the hostgroups, for all values, and for creating the `fresh` hosts.

    Preflight asks for all hosts, later passes for those not yet created: what was there when the plan was accepted
    may be gone.
    """
    named = [EnvironmentNamed(scope.environment)] if scope.environment else []
    world.seen.need([*hosts.queries((host.source for host in fresh), scope.organization, scope.location), *named])
    looks = (_parents(world), _taxonomies(world, scope), _environments(world, scope), _sources(world, fresh))
    found = together(list, (*looks, _classes(world, scope)))
    return [problem for problems in found for problem in problems]


def first_questions(world: World) -> list[Query[Any]]:
    """Return the queries that every plan needs, so that they are read together: one after the other takes a while."""
    titles = dict.fromkeys(group.outer_parent for group in world.plan.groups if group.outer_parent)
    sources = (host.source for role in world.plan.roles for host in role.hosts)
    named = [EnvironmentNamed(world.plan.environment)] if world.plan.environment else []
    return [
        *(HostgroupNamed(title) for title in (root_title(world.plan), *titles)),
        *hosts.queries(sources, world.organization, world.location),
        *named,
    ]


def _parents(world: World) -> Iterator[Problem]:
    """Yield what is wrong with the hostgroups above those of the Stack."""
    outer = {group.outer_parent: group.outer_path for group in reversed(world.plan.groups) if group.outer_parent}
    world.seen.need([HostgroupNamed(title) for title in outer])
    for title, path in sorted(outer.items()):
        group = world.seen[HostgroupNamed(title)]
        if group is None:
            yield Problem(
                path,
                f"there is no hostgroup {title!r} that the Foreman user can see",
                "write its full title, or give the Foreman user view_hostgroups on it",
            )
        elif not group.domain:
            yield Problem(path, f"hostgroup {title!r} has no domain", "give it one in Foreman: hosts need a full name")
        elif group.domain != group.domain.lower():
            yield Problem(
                path,
                f"domain {group.domain!r} of hostgroup {title!r} has upper-case letters",
                "use lower case in Foreman: otherwise hosts would not be found again",
            )
    rows = [row for title in outer if (row := world.seen[HostgroupNamed(title)]) is not None]
    domains = sorted({row.domain for row in rows if row.domain})
    if len(domains) > 1:
        yield Problem(
            "spec.hostgroups",
            f"the parents have different domains: {', '.join(domains)}",
            "name parents of one domain, or make a deployment for each",
        )


def _taxonomies(world: World, scope: Scope) -> Iterator[Problem]:
    pairs = (("organizations", "organization", scope.organization), ("locations", "location", scope.location))
    for plural, field, name in pairs:
        if name and world.seen[TaxonomyNamed(plural, name)] is None:  # type: ignore[arg-type]  # one of the literals
            yield Problem(
                f"spec.{field}",
                f"there is no {field} {name!r} that the Foreman user can see",
                "correct the name, or make the Foreman user a member of it",
            )


def _environments(world: World, scope: Scope) -> Iterator[Problem]:
    named = scope.environment
    if named and world.seen[EnvironmentNamed(named)] is None:
        yield Problem("spec.environment", f"there is no Puppet environment {named!r}", "import it, or name another")
    titles = sorted({group.outer for group in wanted_groups(scope) if group.outer})
    found = together(lambda outer: environment_of(outer, named, world.seen), titles)
    for outer, environment in zip(titles, found, strict=True):
        if world.seen[HostgroupNamed(outer)] is not None and environment is None:
            yield Problem(
                "spec.environment",
                f"is missing, and hostgroup {outer!r} has no Puppet environment",
                "name one: without it Puppet would apply nothing",
            )


def _sources(world: World, fresh: Sequence[HostScope]) -> Iterator[Problem]:
    sources = {(host.ref.role, host.source.name): host.source for host in fresh}
    for found in together(lambda entry: list(_source(world, *entry)), sources.items()):
        yield from found


def _source(world: World, of: tuple[str, str], source: ComputeSource) -> Iterator[Problem]:
    path = f"spec.roles[{of[0]}].sources[{of[1]}].computeResource"
    resource = world.seen[ComputeResourceNamed(source.compute_resource)]
    if resource is None:
        yield Problem(
            f"{path}.name",
            f"there is no compute resource {source.compute_resource!r} that the Foreman user can see",
            "correct the name, or give the Foreman user view_compute_resources",
        )
        return
    if source.profile:
        profile = world.seen[ComputeProfileNamed(source.profile)]
        if profile is None:
            yield Problem(f"{path}.profile", f"there is no compute profile {source.profile!r}", "correct the name")
        elif resource.id not in profile.compute_resources:
            yield Problem(
                f"{path}.profile",
                f"profile {source.profile!r} has no attributes for {resource.name!r}",
                "set them in Foreman: without them it creates a host without a machine",
            )
    if source.image:
        images = world.seen[ImagesOf(resource.id)]
        image = next((image for image in images if image.name == source.image), None)
        if image is None:
            yield Problem(f"{path}.image", f"{resource.name!r} has no image {source.image!r}", "correct the name")
        elif not image.user_data:
            yield Problem(
                f"{path}.image",
                f"image {source.image!r} needs an SSH finish script, which is not supported",
                "use an image with user data (cloud-init)",
            )


def _environment(world: World, scope: Scope, outer: str) -> str | None:
    """Return the Puppet environment under an outer parent. Without one (None), classes cannot be checked."""
    if scope.environment and world.seen[EnvironmentNamed(scope.environment)] is None:
        return None
    return environment_of(outer, scope.environment, world.seen)


def _classes(world: World, scope: Scope) -> Iterator[Problem]:
    asked = {
        (group.group, entry.name): ClassNamed(environment, entry.name)
        for group in wanted_groups(scope)
        if not group.staging and (environment := _environment(world, scope, group.outer)) is not None
        for entry in group.classes
    }
    keys = _pending(world, scope) | {key: wanted.bound for key, wanted in wanted_keys(scope).items()}
    of = {
        key: ClassKeys(environment, key[1])
        for key in keys
        if (environment := _environment(world, scope, key[0])) is not None
    }
    world.seen.need([*asked.values(), *of.values()])
    for (group_name, name), query in asked.items():
        if world.seen[query] is None:
            path = f"Stack spec.hostgroups[{group_name}].puppetClasses[{name}]"
            yield Problem(
                path,
                f"environment {query.environment!r} has no class {name!r}",
                "import it in Foreman from the Puppet server, or choose another environment",
            )
    gone = {name for (_, name), query in asked.items() if world.seen[query] is None}
    yield from _keys(world, {key: (query, keys[key]) for key, query in of.items() if key[1] not in gone})


def _pending(world: World, scope: Scope) -> dict[tuple[str, str, str], Bound]:
    """Return the class parameters whose values still wait for hosts, keyed as in `wanted_keys`.

    Their types are known, so they can be checked already.
    """
    waiting: dict[str, set[str]] = {}
    for host in scope.hosts:
        waiting.setdefault(host.ref.role, set()).update(host.pending)
    values = [
        (group.name, entry.name, value, group.pending)
        for group in scope.groups
        for entry in world.plan.group(group.name).classes
        for value in entry.overrides
    ]
    values += [
        (role.group, name, value, frozenset(waiting.get(role.name, ())))
        for role in world.plan.roles
        for name, value in role.overrides
    ]
    return {
        (scope.chain(group)[-1].outer_parent, name, value.name): Bound(
            value.name, value.type, Secret(None) if value.sensitive else None
        )
        for group, name, value, pending in values
        if override_label(name, value.name) in pending
    }


def _keys(world: World, asked: Mapping[tuple[str, str, str], tuple[ClassKeys, Bound]]) -> Iterator[Problem]:
    """Yield class parameters that do not exist, or whose server-wide settings do not fit the Stack's."""
    for key, (query, bound) in asked.items():
        found = world.seen[query].get(key[2])
        path = f"override {key[1]}::{key[2]}"
        if found is None:
            yield Problem(
                path,
                f"class {key[1]!r} has no parameter {key[2]!r} in {query.environment!r}",
                "correct the name, or import the class again in Foreman",
            )
        elif found.override and found.type != bound.type:
            yield Problem(
                path,
                f"has type {found.type} on the whole server, not {bound.type}",
                f"declare type {found.type} in the Stack, or have the type changed in Foreman",
            )
        elif found.override and bound.sensitive and not found.hidden:
            yield Problem(
                path,
                "is not hidden on this server, but its value here is a secret",
                "have the parameter's values hidden in Foreman (Hidden Value of the smart class parameter)",
            )
