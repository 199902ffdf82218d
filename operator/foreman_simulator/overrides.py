"""Override values of class parameters: by their own endpoints and inside hosts and hostgroups (foreman-api §7.3).

Recordings: class-parameters 25-63 (the endpoints answer every refusal with 500), lookup-values-inline 18-33 (inside a
host's or hostgroup's POST or PUT, it is 422).
"""

from __future__ import annotations

import urllib.parse
from typing import Any

from . import class_parameters, puppet
from .call import Call, Route
from .casting import MASK, WrongType, cast, ruby
from .replies import Failure, Invalid, Row, error, not_found, stamps, truthy
from .search import Field, Fields
from .world import World

FIELDS = Fields(
    {"match": Field(lambda row: row["match"]), "value": Field(lambda row: str(row["value"]))}, bare=("match",)
)
KNOWN = ("match", "value", "omit", "lookup_key_id", "id", "_destroy")


def of_key(world: World, key: int) -> list[Row]:
    """Values of one key."""
    return [row for row in world.rows("override_values") if row["key_id"] == key]


def of_match(world: World, match: str) -> list[Row]:
    """Values of one host or hostgroup, of all keys."""
    return [row for row in world.rows("override_values") if row["match"] == match]


def remove_match(world: World, match: str) -> None:
    """Remove the values of a deleted host or hostgroup, by its exact match (class-parameters 75, 78)."""
    for row in of_match(world, match):
        del world.table("override_values")[row["id"]]


def rename_match(world: World, old: str, new: str) -> None:
    """Keep the values of a renamed host or hostgroup (foreman-api §3)."""
    for row in of_match(world, old):
        row["match"] = new


def view(key: Row, row: Row, show_hidden: bool = False) -> Row:
    """Return one value as shown; a hidden key's is masked as `*****` (class-parameters 61-63)."""
    masked = key["hidden"] and not show_hidden
    return {
        **stamps(row),
        "id": row["id"],
        "match": row["match"],
        "value": MASK if masked else row["value"],
        "omit": row["omit"],
    }


def typed(key: Row, value: Any) -> Any:
    """Return the value cast to the key's type; raises WrongType.

    Native arrays and hashes are first turned into Ruby's text for them (class-parameters 29, 30, 58).
    """
    kind = key["parameter_type"]
    if isinstance(value, (list, dict)):
        value = ruby(value)
    elif isinstance(value, bool):
        value = "true" if value else "false"
    elif value is not None:
        value = str(value)
    return value if kind == "none" else cast(value, kind)


def recast(key: Row, row: Row) -> None:
    """Cast a value to the key's changed type; one that does not fit stays as it is (class-parameters 51)."""
    try:
        row["value"] = typed(key, row["value"])
    except WrongType:
        return


def normal(match: str) -> str:
    """Return a match with its key in lower case and its value unchanged (foreman-api §7.3)."""
    name, equals, value = match.partition("=")
    return f"{name.strip().lower()}{equals}{value}"


def match_problem(world: World, key: Row, match: str) -> str | None:
    """Return what is wrong with a match, or None.

    The bare name of a nested hostgroup passes, though it never matches (class-parameters 39-42).
    """
    name, _, value = match.partition("=")
    if name not in str(key["override_value_order"]).split("\n"):
        return f"{name} does not exist in order field"
    if name == "fqdn" and not any(host["name"] == value for host in world.rows("hosts")):
        return f"{match} does not match an existing host"
    if name == "hostgroup" and not any(value in (g["title"], g["name"]) for g in world.rows("hostgroups")):
        return f"{match} does not match an existing host group"
    return None


def _find(call: Call, key: Row) -> Row:
    wanted = urllib.parse.unquote(call.args["id"])
    for row in of_key(call.world, key["id"]):
        if wanted in (str(row["id"]), row["match"]):
            return row
    raise not_found("override_value", wanted)


def _refused(text: str) -> Failure:
    return error(500, f"Validation failed: {text}")


async def index(call: Call) -> Any:
    """GET …/override_values (class-parameters 36, 75, 78)."""
    key = class_parameters.find(call)
    shown = call.query.get("show_hidden") == "true" and call.may("edit_external_parameters")
    rows = of_key(call.world, key["id"])
    return call.listing(
        rows, FIELDS, lambda row: view(key, row, shown), default=lambda row: row["id"], all_is_none=True
    )


async def show(call: Call) -> Any:
    """GET …/override_values/:id, by id or by its match (class-parameters 37, 38)."""
    key = class_parameters.find(call)
    return view(key, _find(call, key), call.query.get("show_hidden") == "true" and call.may("edit_external_parameters"))


async def create(call: Call) -> Any:
    """POST …/override_values: also switches the key's `override` on, for all hosts (class-parameters 25-49)."""
    world, key = call.world, class_parameters.find(call)
    given = call.wrapped("override_value", KNOWN[:3])
    match = normal(str(given.get("match") or ""))
    if any(row["match"] == match for row in of_key(world, key["id"])):
        raise _refused("Match has already been taken, Match has already been taken")
    if problem := match_problem(world, key, match):
        raise _refused(f"Match {problem}")
    try:
        value = typed(key, given.get("value"))
    except WrongType as wrong:
        raise _refused(f"Value {wrong}") from wrong
    await call.commit()
    check_index(world, [{"key_id": key["id"]}], match)
    key["override"] = True
    world.touch(key)
    row = {"key_id": key["id"], "match": match, "value": value, "omit": truthy(given.get("omit"))}
    return view(key, world.insert("override_values", row))


async def update(call: Call) -> Any:
    """PUT …/override_values/:id (class-parameters 29-32; whole-flow-as-service-user 67)."""
    key = class_parameters.find(call)
    row = _find(call, key)
    given = call.wrapped("override_value", KNOWN[:3])
    new = dict(row)
    if "match" in given:
        new["match"] = normal(str(given["match"]))
        if problem := match_problem(call.world, key, new["match"]):
            raise _refused(f"Match {problem}")
    if "value" in given:
        try:
            new["value"] = typed(key, given["value"])
        except WrongType as wrong:
            raise _refused(f"Value {wrong}") from wrong
    if "omit" in given:
        new["omit"] = truthy(given["omit"])
    changes = {name: value for name, value in new.items() if value != row[name]}
    await call.commit()
    if changes:
        row.update(changes)
        call.world.touch(row)
    return view(key, row)


async def destroy(call: Call) -> Any:
    """DELETE …/override_values/:id (jobs-and-puppet-runs 55, 71)."""
    key = class_parameters.find(call)
    row = _find(call, key)
    await call.commit()
    call.world.table("override_values").pop(row["id"], None)
    return view(key, row)


def inline(call: Call, given: Any, match: str | None, errors: Invalid) -> list[Row]:
    """Check `lookup_values_attributes`, an indexed hash (lookup-values-inline 18-32).

    `match` is None for a new owner.
    """
    if not isinstance(given, dict):
        raise error(500)
    changes = []
    for element in given.values():
        if not isinstance(element, dict):
            raise error(500)
        for name in element.keys() - set(KNOWN):
            call.world.drop(f"{call.route.name} lookup_values_attributes.{name}")
        changes.append(_element(call.world, element, match, errors))
    return changes


def _element(world: World, element: Row, match: str | None, errors: Invalid) -> Row:
    ident = element.get("id")
    old = world.table("override_values").get(int(ident)) if ident not in (None, "") else None
    if old is None and truthy(element.get("_destroy")):
        raise error(500)
    key = world.table("class_parameters").get(int(old["key_id"] if old else element.get("lookup_key_id") or 0))
    if key is None or (ident not in (None, "") and old is None):
        raise error(500)
    if old is not None and truthy(element.get("_destroy")):
        return {"destroy": old["id"]}
    if old is None and match is not None and any(row["match"] == match for row in of_key(world, key["id"])):
        errors.add("lookup_values.match", "has already been taken")
        errors.add("lookup_values.match", "has already been taken")
    try:
        value = typed(key, element["value"]) if "value" in element else (old or {}).get("value")
    except WrongType as wrong:
        errors.add("lookup_values.value", str(wrong))
        value = None
    omit = truthy(element["omit"]) if "omit" in element else bool((old or {}).get("omit"))
    return {"old": old["id"] if old else None, "key_id": key["id"], "value": value, "omit": omit}


def check_index(world: World, changes: list[Row], match: str) -> None:
    """Answer 500 to the request that commits second: key and match are unique together.

    See core db/migrate, add_unique_index_to_lookup_value.
    """
    for change in changes:
        new = "destroy" not in change and not change.get("old")
        if new and any(row["match"] == match for row in of_key(world, change["key_id"])):
            raise error(500, "PG::UniqueViolation: ERROR:  duplicate key value violates unique constraint")


def apply_inline(world: World, changes: list[Row], match: str) -> None:
    """Commit checked changes; the key's `override` switch stays as it is (lookup-values-inline 25, 26)."""
    table = world.table("override_values")
    for change in changes:
        if "destroy" in change:
            table.pop(change["destroy"], None)
            continue
        old = table.get(change["old"]) if change["old"] else None
        if old is None:
            values = {key: change[key] for key in ("key_id", "value", "omit")}
            world.insert("override_values", {**values, "match": match})
        else:
            old.update(value=change["value"], omit=change["omit"])
            world.touch(old)


def routes() -> list[Route]:
    """Endpoints of this module."""
    base = f"{puppet.BASE}/smart_class_parameters/:key/override_values"
    see = ("view_external_parameters",)
    return [
        Route("GET", base, index, see),
        Route("POST", base, create, ("create_external_parameters", "edit_external_parameters"), created=True),
        Route("GET", f"{base}/:id", show, see),
        Route("PUT", f"{base}/:id", update, ("edit_external_parameters",)),
        Route("DELETE", f"{base}/:id", destroy, ("destroy_external_parameters",)),
    ]
