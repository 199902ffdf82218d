"""Parameters of hosts and hostgroups (foreman-api §3.1; recordings hostgroups-and-parameters, hosts 31-34)."""

from __future__ import annotations

from typing import Any

from .call import Call, Route
from .casting import MASK, TYPES, WrongType, cast, searchable
from .replies import Failure, Invalid, Row, error, invalid, iso, not_found, stamps, truthy
from .search import Field, Fields
from .world import World

KNOWN = ("name", "value", "parameter_type", "hidden_value", "id", "_destroy")
KINDS = {"host": ("host", 70), "hostgroup": ("host group", 60), "common": ("global", 0)}
FIELDS = Fields({
    "name": Field(lambda row: row["name"]),
    "value": Field(lambda row: searchable(row["value"])),
    "id": Field(lambda row: row["id"], "integer"),
})  # fmt: skip


def own(world: World, kind: str, owner: int | None) -> list[Row]:
    """Return the parameters of one host or hostgroup (kind `common`: the global ones), by name."""
    return sorted(world.owned[kind, owner].values(), key=lambda row: str(row["name"]))


def view(row: Row, show_hidden: bool = False) -> Row:
    """Return one parameter as shown; a hidden value is masked unless asked for (hostgroups-and-parameters 4-6)."""
    associated, priority = KINDS[row["owner_type"]]
    return {
        "priority": priority,
        **stamps(row),
        "id": row["id"],
        "name": row["name"],
        "parameter_type": row["parameter_type"],
        "associated_type": associated,
        "hidden_value?": row["hidden"],
        "value": MASK if row["hidden"] and not show_hidden else row["value"],
    }


def clean(call: Call, given: Any, where: str) -> list[Row]:
    """Return the elements of `…_parameters_attributes` without native arrays and hashes, which Foreman drops silently.

    See measured §1.1.
    """
    elements = list(given.values()) if isinstance(given, dict) else given if isinstance(given, list) else []
    cleaned = []
    for element in elements:
        if not isinstance(element, dict):
            continue
        kept = {key: value for key, value in element.items() if key in KNOWN}
        for key in element.keys() - kept.keys():
            call.world.drop(f"{call.route.name} {where}.{key}")
        if isinstance(kept.get("value"), (list, dict)):
            call.world.drop(f"{call.route.name} {where}.value ({kept.get('name')})")
            del kept["value"]
        cleaned.append(kept)
    return cleaned


def check(elements: list[Row], errors: Invalid, prefix: str) -> list[Row]:
    """Cast and validate new parameters; `prefix` is group_parameters, host_parameters or parameter."""
    rows = []
    names = [element.get("name") for element in elements if not truthy(element.get("_destroy"))]
    if len(names) != len(set(names)):
        errors.add(prefix, "Please ensure the following parameters name are unique")
    for element in elements:
        if truthy(element.get("_destroy")):
            continue
        kind = element.get("parameter_type") or "string"
        name = str(element.get("name") or "")
        if not name or any(char.isspace() for char in name):
            errors.add(f"{prefix}.name", "can't be blank" if not name else "can't contain white spaces")
        if kind not in TYPES:
            errors.add(f"{prefix}.key_type", "is not included in the list")
            continue
        try:
            value = cast(element.get("value"), kind)
        except WrongType as wrong:
            errors.add(f"{prefix}.value", str(wrong))
            continue
        rows.append(
            {"name": name, "parameter_type": kind, "value": value, "hidden": truthy(element.get("hidden_value"))}
        )
    return rows


def store(world: World, kind: str, owner: int, rows: list[Row]) -> None:
    """Commit checked parameters of a new or updated owner."""
    for row in rows:
        world.insert("parameters", {"owner_type": kind, "owner_id": owner, **row})


def replace(world: World, kind: str, owner: int, rows: list[Row]) -> None:
    """Replace the whole set, as an array in a PUT does; equal names keep their row.

    See hostgroups-and-parameters 36, hosts 32.
    """
    wanted = {row["name"]: row for row in rows}
    for old in own(world, kind, owner):
        new = wanted.pop(old["name"], None)
        if new is None:
            _delete(world, old)
        elif any(old[key] != new[key] for key in new):
            old.update(new)
            world.touch(old)
    store(world, kind, owner, list(wanted.values()))


def remove_all(world: World, kind: str, owner: int) -> None:
    """Remove the parameters of a deleted owner."""
    for row in own(world, kind, owner):
        _delete(world, row)


def _delete(world: World, row: Row) -> None:
    world.table("parameters").pop(row["id"], None)
    world.owned[row["owner_type"], row["owner_id"]].pop(row["id"], None)


def effective(world: World, host: Row) -> list[Row]:
    """Return the parameters in force on a host (foreman-api §10).

    The strongest of one name wins: the host's, then the nearest hostgroup's, then the global one.
    """
    winners: dict[str, Row] = {row["name"]: row for row in own(world, "common", None)}
    for group in lineage(world, host["hostgroup_id"]):
        winners.update({row["name"]: row for row in own(world, "hostgroup", group["id"])})
    winners.update({row["name"]: row for row in own(world, "host", host["id"])})
    return sorted(winners.values(), key=lambda row: (-KINDS[row["owner_type"]][1], -row["id"]))


def lineage(world: World, group: int | None) -> list[Row]:
    """Return a hostgroup and its ancestors, the root first."""
    chain: list[Row] = []
    row = world.get("hostgroups", group)
    while row is not None:
        chain.insert(0, row)
        row = world.get("hostgroups", row["parent_id"])
    return chain


def _owner(call: Call) -> tuple[str, Row]:
    kind = "host" if "/hosts/" in call.route.pattern else "hostgroup"
    try:
        visible = call.in_taxonomies(
            [call.world.find(f"{kind}s", call.args["owner"], by="title" if kind == "hostgroup" else "name")]
        )
    except Failure:
        visible = []
    if not visible:
        raise not_found("parameter", "")
    return kind, visible[0]


def _find(call: Call, kind: str, owner: Row) -> Row:
    wanted = call.args["id"]
    for row in own(call.world, kind, owner["id"]):
        if wanted in (str(row["id"]), row["name"]):
            return row
    raise not_found("parameter", wanted)


async def index(call: Call) -> Any:
    """GET …/:id/parameters (hostgroups-and-parameters 7, 8, 22; whole-flow-as-service-user 36, 64)."""
    kind, owner = _owner(call)
    shown = call.query.get("show_hidden") == "true" and call.may("edit_params")
    rows = own(call.world, kind, owner["id"])
    return call.listing(rows, FIELDS, lambda row: view(row, shown))


async def show(call: Call) -> Any:
    """GET …/parameters/:id, by id or name (hostgroups-and-parameters 31)."""
    row = _find(call, *_owner(call))
    return view(row, call.query.get("show_hidden") == "true" and call.may("edit_params"))


async def create(call: Call) -> Any:
    """POST …/parameters (hostgroups-and-parameters 26, 27; environment-move-enc 64).

    Of two requests at once, the second to commit gets 500 (measured §1.9).
    """
    kind, owner = _owner(call)
    given = clean(call, [call.body.get("parameter") or {}], "parameter")
    names = {row["name"] for row in own(call.world, kind, owner["id"])}
    if given[0].get("name") in names:
        raise invalid("name", "has already been taken")
    errors = Invalid()
    rows = check(given, errors, "parameter")
    _plain(errors).raise_if_any()
    await call.commit(owner["name"])
    if rows[0]["name"] in {row["name"] for row in own(call.world, kind, owner["id"])}:
        raise error(
            500,
            'PG::UniqueViolation: ERROR:  duplicate key value violates unique constraint "index_parameters_on_type_and_reference_id_and_name"\n',
        )
    store(call.world, kind, owner["id"], rows)
    return view(next(row for row in own(call.world, kind, owner["id"]) if row["name"] == rows[0]["name"]))


async def update(call: Call) -> Any:
    """PUT …/parameters/:id (hostgroups-and-parameters 28-30, 32; whole-flow-as-service-user 65)."""
    kind, owner = _owner(call)
    row = _find(call, kind, owner)
    given = clean(call, [call.body.get("parameter") or {}], "parameter")[0]
    merged = {
        "name": row["name"],
        "value": row["value"],
        "parameter_type": row["parameter_type"],
        "hidden_value": row["hidden"],
        **given,
    }
    errors = Invalid(row["id"])
    rows = check([merged], errors, "parameter")
    _plain(errors).raise_if_any()
    await call.commit(owner["name"])
    row.update(rows[0])
    call.world.touch(row)
    return view(row)


def _plain(errors: Invalid) -> Invalid:
    """Strip the prefix of attributes, which errors of a single parameter do not have."""
    errors.errors = {key.removeprefix("parameter."): value for key, value in errors.errors.items()}
    return errors


async def destroy(call: Call) -> Any:
    """DELETE …/parameters/:id (hostgroups-and-parameters 33, 34; the same controller for hosts, foreman-api §3.1)."""
    kind, owner = _owner(call)
    row = _find(call, kind, owner)
    await call.commit(owner["name"])
    _delete(call.world, row)
    return {
        "id": row["id"],
        "name": row["name"],
        "value": row["value"],
        "reference_id": owner["id"],
        "created_at": iso(row["created_at"]),
        "updated_at": iso(row["updated_at"]),
        "priority": KINDS[kind][1],
        "hidden_value": MASK,
        "key_type": row["parameter_type"],
        "searchable_value": searchable(row["value"]),
    }


def routes() -> list[Route]:
    """Nested endpoints of both kinds of owner; no client reads a single parameter of a host."""
    found = []
    for owner in ("hostgroups", "hosts"):
        base = f"/api/v2/{owner}/:owner/parameters"
        found += [
            Route("GET", base, index, ("view_params",)),
            Route("POST", base, create, ("create_params",), created=True),
            Route("PUT", f"{base}/:id", update, ("edit_params",)),
            Route("DELETE", f"{base}/:id", destroy, ("destroy_params",)),
        ]
    found.append(Route("GET", "/api/v2/hostgroups/:owner/parameters/:id", show, ("view_params",)))
    return found
