"""Readers for the queries about how a Foreman is set up: the server, hostgroups, Puppet classes, compute resources.

Every endpoint here was measured on Foreman 3.12 (foreman-measured) or is quoted in foreman-api.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from foreman_stacks.errors import ForemanForbidden, ForemanRefused
from foreman_stacks.foreman import parse, port
from foreman_stacks.foreman.search import PAGE, Answers, Lists, Reader, chunks, each, one_of, quoted
from foreman_stacks.model.values import Json

_SERVER_ERROR = 500
FEW = 3
"""The most values of a class parameter that are read one by one; for more, all its values are listed at once."""


async def _server(lists: Lists, _: port.ServerInfo) -> port.Server:
    """Read the endpoints one after the other: with wrong credentials, no more than one request may meet a 401."""
    status = await lists.get("/api/v2/status")
    user = await lists.get("/api/v2/current_user")
    permissions = await lists.get("/api/v2/permissions/current_permissions", per_page=PAGE)
    plugins = await _if_permitted(lists, "/api/v2/plugins", per_page=PAGE)
    features = await _if_permitted(lists, "/api/v2/remote_execution_features")
    return parse.server(status, plugins, user, permissions, features)


async def _if_permitted(lists: Lists, path: str, **query: str | int) -> Any:
    """Return the answer, None for a 403: the check of permissions then reports all missing ones together."""
    try:
        return await lists.get(path, **query)
    except ForemanForbidden:
        return None


async def _version(lists: Lists, _: port.ServerVersion) -> str:
    return str((await lists.get("/api/v2/status"))["version"])


async def _taxonomy(lists: Lists, query: port.TaxonomyNamed) -> int | None:
    rows = await lists.pages(f"/api/v2/{query.kind}", f"name = {quoted(query.name)}")
    return next((row["id"] for row in rows if query.name in {row["name"], row.get("title")}), None)


def _titled(query: port.HostgroupNamed) -> str:
    return f"title = {quoted(query.title)}"


async def _hostgroups_named(lists: Lists, queries: Sequence[port.HostgroupNamed]) -> Mapping[port.Query[Any], Any]:
    """Search for the ids of all hostgroups at once, then read each hostgroup.

    Only the answer for a single hostgroup has its classes, organizations and locations.
    """
    rows: list[Any] = []
    answers: Answers = dict.fromkeys(queries)
    for part in chunks(queries, _titled):
        rows += await lists.pages("/api/v2/hostgroups", " or ".join(map(_titled, part)))
    ids = {row["title"]: row["id"] for row in rows}
    there = [query for query in queries if query.title in ids]
    found = await asyncio.gather(*(_hostgroup(lists, port.HostgroupById(ids[query.title])) for query in there))
    answers.update(zip(there, found, strict=True))
    return answers


async def _hostgroup(lists: Lists, query: port.HostgroupById) -> port.Hostgroup | None:
    row = await lists.get(f"/api/v2/hostgroups/{query.id}")
    return None if row is None else parse.hostgroup(row)


async def _marked_hostgroups(lists: Lists, query: port.MarkedHostgroups) -> tuple[port.Hostgroup, ...]:
    search = f"params.foreman_stacks ~ {quoted(query.identity.search)}"
    rows = await lists.pages("/api/v2/hostgroups", search, **{"include[]": "parameters"})
    return tuple(parse.hostgroup(row) for row in rows)


async def _environment(lists: Lists, query: port.EnvironmentNamed) -> int | None:
    rows = await lists.pages("/foreman_puppet/api/environments", f"name = {quoted(query.name)}")
    return next((row["id"] for row in rows if row["name"] == query.name), None)


async def _classes(lists: Lists, queries: Sequence[port.ClassNamed]) -> Mapping[port.Query[Any], Any]:
    answers: Answers = dict.fromkeys(queries)
    for environment in {query.environment for query in queries}:
        path = f"/foreman_puppet/api/environments/{quote(environment, safe='')}/puppetclasses"
        asked = [query for query in queries if query.environment == environment]
        for part in chunks(asked, lambda query: query.name):
            for row in await lists.pages(path, f"name ^ {one_of(query.name for query in part)}"):
                answers[port.ClassNamed(environment, row["name"])] = row["id"]
    return answers


async def _class_keys(lists: Lists, query: port.ClassKeys) -> Mapping[str, port.ClassKey]:
    path = f"/foreman_puppet/api/environments/{quote(query.environment, safe='')}/smart_class_parameters"
    rows = await lists.pages(path, f"puppetclass_name = {quoted(query.puppet_class)}")
    return {row["parameter"]: parse.class_key(row) for row in rows}


async def _override(lists: Lists, query: port.OverrideOf) -> port.OverrideValue | None:
    path = f"/foreman_puppet/api/smart_class_parameters/{query.key_id}/override_values/{quote(query.match, safe='')}"
    row = await lists.get(path)
    return None if row is None else port.OverrideValue(row["match"], row["value"])


async def _override_values(lists: Lists, queries: Sequence[port.OverrideOf]) -> Mapping[port.Query[Any], Any]:
    keys = dict.fromkeys(query.key_id for query in queries)
    asked = [[query for query in queries if query.key_id == key] for key in keys]
    answers: Answers = {}
    for found in await asyncio.gather(*(_of_one_key(lists, part) for part in asked)):
        answers.update(found)
    return answers


async def _of_one_key(lists: Lists, queries: Sequence[port.OverrideOf]) -> Mapping[port.Query[Any], Any]:
    if len(queries) <= FEW:
        return await each(_override)(lists, queries)
    values = await _overrides(lists, port.OverridesOf(queries[0].key_id))
    return {
        query: port.OverrideValue(query.match, values[query.match]) if query.match in values else None
        for query in queries
    }


async def _overrides(lists: Lists, query: port.OverridesOf) -> Mapping[str, Json]:
    path = f"/foreman_puppet/api/smart_class_parameters/{query.key_id}/override_values"
    return {row["match"]: row["value"] for row in await lists.pages(path, "")}


async def _compute_resource(lists: Lists, query: port.ComputeResourceNamed) -> port.ComputeResource | None:
    rows = await lists.pages("/api/v2/compute_resources", f"name = {quoted(query.name)}")
    row = next((row for row in rows if row["name"] == query.name), None)
    return None if row is None else parse.compute_resource(row)


async def _images(lists: Lists, query: port.ImagesOf) -> tuple[port.Image, ...]:
    path = f"/api/v2/compute_resources/{query.compute_resource_id}/images"
    return parse.images(await lists.pages(path, ""), await lists.pages(path, "user_data = true"))


async def _vm(lists: Lists, query: port.VmPresent) -> bool:
    """Whether the machine exists. For a missing one Foreman answers 500 (foreman-api §5.2).

    It also answers 500 when the provider cannot be asked, but then the list of all machines fails too. This list is not
    paged: it is `vms.all`, each with its `id` (core available_virtual_machines.rabl).
    """
    path = f"/api/v2/compute_resources/{query.compute_resource_id}/available_virtual_machines"
    try:
        return await lists.get(f"{path}/{query.uuid}") is not None
    except ForemanRefused as error:
        if error.status != _SERVER_ERROR:
            raise
        rows = await lists.get(path)
        if not isinstance(rows, list):
            raise
        return any(str(row["id"]) == query.uuid for row in rows)


async def _compute_profile(lists: Lists, query: port.ComputeProfileNamed) -> port.ComputeProfile | None:
    rows = await lists.pages("/api/v2/compute_profiles", f"name = {quoted(query.name)}")
    found = next((row["id"] for row in rows if row["name"] == query.name), None)
    return None if found is None else parse.compute_profile(await lists.get(f"/api/v2/compute_profiles/{found}"))


READERS: Mapping[type, Reader] = {
    port.ServerInfo: each(_server),
    port.ServerVersion: each(_version),
    port.TaxonomyNamed: each(_taxonomy),
    port.HostgroupNamed: _hostgroups_named,
    port.HostgroupById: each(_hostgroup),
    port.MarkedHostgroups: each(_marked_hostgroups),
    port.EnvironmentNamed: each(_environment),
    port.ClassNamed: _classes,
    port.ClassKeys: each(_class_keys),
    port.OverrideOf: _override_values,
    port.OverridesOf: each(_overrides),
    port.ComputeResourceNamed: each(_compute_resource),
    port.ImagesOf: each(_images),
    port.VmPresent: each(_vm),
    port.ComputeProfileNamed: each(_compute_profile),
}
