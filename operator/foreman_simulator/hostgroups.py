"""Hostgroups (foreman-api §3; recordings hostgroups-and-parameters, environment-move-enc, lookup-values-inline)."""

from __future__ import annotations

from typing import Any

from . import overrides, parameters, puppet
from .call import Call, Route
from .hostgroup_views import INHERITED, KEYS, deleted, full, inherited, search_fields, view
from .replies import Invalid, Row, message, not_found
from .world import World

KNOWN = (
    "name", "description", "parent_id", "pxe_loader", "root_pass", "organization_ids", "location_ids", "group_parameters_attributes",
    "puppet_attributes", "environment_id", "puppetclass_ids", "config_group_ids", "lookup_values_attributes", *KEYS,
)  # fmt: skip


def find(call: Call) -> Row:
    """Return the group of the path; 404 if the caller may not see it."""
    row = call.world.find("hostgroups", call.args["id"], "hostgroup", by="title")
    if not call.in_taxonomies([row]):
        raise not_found("hostgroup", call.args["id"])
    return row


async def index(call: Call) -> Any:
    """GET hostgroups (hosts 3; hostgroups-and-parameters 9-12)."""
    world = call.world
    with_parameters = call.query.get("include[]") == "parameters" or call.query.get("include") == "parameters"
    rows = call.in_taxonomies(world.rows("hostgroups"))
    return call.listing(
        rows,
        search_fields(world),
        lambda row: view(world, row, with_parameters),
        default=lambda row: row["title"],
        counted="hostgroups",
    )


async def show(call: Call) -> Any:
    """GET hostgroups/:id (hostgroups-and-parameters 5, 6, 25)."""
    row = find(call)
    call.world.counts.rows["hostgroups"] += 1
    return full(call.world, row, call.query.get("show_hidden_parameters") == "true" and call.may("edit_params"))


def _check(call: Call, given: Row, old: Row | None, errors: Invalid) -> Row:
    """Return a new or changed group's own attributes.

    An unknown parent is a 404 without an id (hostgroups-and-parameters 16); other problems go into `errors`.
    """
    world = call.world
    row: Row = (
        dict(old) if old else dict.fromkeys(("name", "description", "parent_id", "pxe_loader", "root_pass", *KEYS))
    )
    row |= {
        key: given[key]
        for key in ("name", "description", "parent_id", "pxe_loader", "root_pass", *KEYS)
        if key in given
    }
    for key, table in (("parent_id", "hostgroups"), *((f"{name}_id", table) for name, table in INHERITED.items())):
        if row[key] is not None:
            row[key] = int(row[key])
            if row[key] not in world.table(table):
                if key == "parent_id":
                    raise not_found("hostgroup")
                errors.add(key, "is not valid")
    for key in ("organization_ids", "location_ids"):
        row[key] = [int(i) for i in (given.get(key, old[key]) if old else call.lone(given, key)) or []]
    if not row["name"]:
        errors.add("name", "can't be blank")
    elif taken(world, row):
        errors.add("name", "has already been taken")
    return row


def taken(world: World, row: Row) -> bool:
    """Whether a sibling has the name, in any letter case, in any organization (hostgroups-and-parameters 13, 14)."""
    return any(
        g["parent_id"] == row["parent_id"]
        and str(g["name"]).lower() == str(row["name"]).lower()
        and g["id"] != row.get("id")
        for g in world.rows("hostgroups")
    )


async def create(call: Call) -> Any:
    """POST hostgroups: everything in one request (hostgroups-and-parameters 4; lookup-values-inline 18).

    Two of them at once make two groups of one name (measured §1.9).
    """
    world = call.world
    given = call.wrapped("hostgroup", KNOWN)
    errors = Invalid()
    row = _check(call, given, None, errors)
    params = parameters.check(_elements(call, given), errors, "group_parameters")
    values = _values(call, given, None, errors)
    facet = puppet.facet_attributes(call, given, None)
    errors.raise_if_any()
    await call.commit(row["name"])
    return full(world, insert(world, row, facet, params, values))


def insert(world: World, row: Row, facet: Row | None, params: list[Row], values: list[Row]) -> Row:
    """Commit a new group."""
    parent = world.get("hostgroups", row["parent_id"])
    if row["pxe_loader"] is None:  # Foreman suggests the parent's (hostgroups_controller.rb:71)
        row["pxe_loader"] = inherited(world, parent, "pxe_loader")
    if row["root_pass"] is None:
        row["root_pass"] = inherited(world, parent, "root_pass")
    row["title"] = f"{parent['title']}/{row['name']}" if parent else row["name"]
    row["facet"] = _with_facet(world, row["parent_id"], facet, None)
    row = world.insert("hostgroups", row)
    parameters.store(world, "hostgroup", row["id"], params)
    overrides.apply_inline(world, values, f"hostgroup={row['title']}")
    return row


def _with_facet(world: World, parent: int | None, facet: Row | None, old: Row | None) -> Row | None:
    """Return the facet to store, without classes that an ancestor has: Foreman drops them silently.

    See environment-move-enc 19; hostgroup_puppet_facet.rb:95-98.
    """
    if facet is None:
        return None
    above = puppet.group_classes(world, parent)
    own = [c for c in facet["puppetclass_ids"] if c not in above]
    now = world.now()
    kept = old or {"id": world.next_id("facets"), "created_at": now, "updated_at": now}
    return {**kept, "environment_id": facet["environment_id"], "puppetclass_ids": own}


def _elements(call: Call, given: Row) -> list[Row]:
    return parameters.clean(call, given.get("group_parameters_attributes"), "group_parameters_attributes")


def _values(call: Call, given: Row, match: str | None, errors: Invalid) -> list[Row]:
    if "lookup_values_attributes" not in given:
        return []
    return overrides.inline(call, given["lookup_values_attributes"], match, errors)


async def update(call: Call) -> Any:
    """PUT hostgroups/:id (hostgroups-and-parameters 36; environment-move-enc 44, 46, 60; lookup-values-inline 27-32)."""
    world, old = call.world, find(call)
    given = call.wrapped("hostgroup", KNOWN)
    errors = Invalid(old["id"])
    row = _check(call, given, old, errors)
    params = parameters.check(_elements(call, given), errors, "group_parameters")
    values = _values(call, given, f"hostgroup={old['title']}", errors)
    facet = puppet.facet_attributes(call, given, old["facet"])
    errors.raise_if_any()
    changes = {key: value for key, value in row.items() if key != "facet" and value != old[key]}
    await call.commit(old["name"])
    overrides.check_index(world, values, f"hostgroup={old['title']}")
    old.update(changes)
    old["facet"] = _with_facet(world, old["parent_id"], facet, old["facet"])
    if "group_parameters_attributes" in given:
        parameters.replace(world, "hostgroup", old["id"], params)
    overrides.apply_inline(world, values, f"hostgroup={old['title']}")
    if changes:
        world.touch(old)
        _retitle(world, old)
    return full(world, old)


def _retitle(world: World, row: Row) -> None:
    """After a rename, rewrite the titles of the group and those below it, and their matches.

    See core nested_ancestry_common.rb:80-105.
    """
    parent = world.get("hostgroups", row["parent_id"])
    title = f"{parent['title']}/{row['name']}" if parent else row["name"]
    if title != row["title"]:
        overrides.rename_match(world, f"hostgroup={row['title']}", f"hostgroup={title}")
        row["title"] = title
    for child in world.rows("hostgroups"):
        if child["parent_id"] == row["id"]:
            _retitle(world, child)


async def destroy(call: Call) -> Any:
    """DELETE: 409 with children, 422 with hosts (hostgroups-and-parameters 39-42, hosts 90, 97)."""
    world, row = call.world, find(call)
    if any(g["parent_id"] == row["id"] for g in world.rows("hostgroups")):
        raise message(409, f"Cannot delete group {row['title']} because it has nested host groups.")
    users = sorted(h["name"] for h in world.rows("hosts") if h["hostgroup_id"] == row["id"])
    if users:
        errors = Invalid(row["id"])
        for name in users:
            errors.add("base", f"{row['title']} is used by {name}")
        errors.raise_if_any()
    await call.commit(row["name"])
    if world.table("hostgroups").pop(row["id"], None) is None:
        raise not_found("hostgroup", row["id"])
    parameters.remove_all(world, "hostgroup", row["id"])
    overrides.remove_match(world, f"hostgroup={row['title']}")
    return deleted(world, row)


def routes() -> list[Route]:
    """Endpoints of this module."""
    base = "/api/v2/hostgroups"
    return [
        Route("GET", base, index, ("view_hostgroups",)),
        Route("GET", f"{base}/:id", show, ("view_hostgroups",)),
        Route("POST", base, create, ("create_hostgroups",), created=True),
        Route("PUT", f"{base}/:id", update, ("edit_hostgroups",)),
        Route("DELETE", f"{base}/:id", destroy, ("destroy_hostgroups",)),
    ]
