"""Class parameters (keys): import, reading, the one PUT (foreman-api §7.3, §11; recordings class-parameters)."""

from __future__ import annotations

from typing import Any

from . import overrides, puppet
from .call import Call, Route
from .casting import MASK, WrongType, cast
from .replies import Row, error, message, pick, stamps, truthy
from .search import Field, Fields
from .world import World

ORDER = "fqdn\nhostgroup\nos\ndomain"  # setting Default_parameters_Lookup_Path
TYPES = ("string", "boolean", "integer", "real", "array", "hash", "yaml", "json", "none")
PLAIN = (
    "validator_type", "validator_rule", "merge_overrides", "merge_default", "avoid_duplicates", "override_value_order",
)  # fmt: skip
KNOWN = (
    "override", "omit", "parameter_type", "hidden_value", "default_value", "description", "required", *PLAIN,
)  # fmt: skip


def fields(world: World) -> Fields:
    """Return the search fields; `id` is not one of them (class-parameters 66)."""

    def name(row: Row) -> Any:
        return world.name_of("puppetclasses", row["puppetclass_id"])

    def environments(row: Row) -> list[Any]:
        return [world.name_of("environments", e) for e in environment_ids(world, row)]

    parameter = Field(lambda row: row["parameter"])
    return Fields(
        {
            "parameter": parameter,
            "key": parameter,
            "puppetclass": Field(name),
            "puppetclass_name": Field(name),
            "override": Field(lambda row: row["override"], "boolean"),
            "environment": Field(environments),
            "merge_overrides": Field(lambda row: row["merge_overrides"], "boolean"),
            "merge_default": Field(lambda row: row["merge_default"], "boolean"),
        },
        bare=("parameter",),
    )


def environment_ids(world: World, key: Row) -> list[int]:
    """Return the environments in which the class has this key; an import may find it in only some of the class's."""
    owner = world.get("puppetclasses", key["puppetclass_id"])
    limited = key.get("environment_ids")
    return [e for e in (owner["environment_ids"] if owner else []) if limited is None or e in limited]


def imported(puppetclass: int, parameter: str, default: Any) -> Row:
    """Return a key as a smart proxy's import makes it; `default` is the manifest's, as a Python value or as text.

    Booleans and `undef` arrive as text of type string, numbers, arrays and hashes as themselves (measured §4).
    """
    kind = "string"
    if isinstance(default, bool):
        default = "true" if default else "false"
    elif isinstance(default, int):
        kind = "integer"
    elif isinstance(default, float):
        kind = "real"
    elif isinstance(default, list):
        kind = "array"
    elif isinstance(default, dict):
        kind = "hash"
    elif default is None:
        default = "undef"
    return {
        "puppetclass_id": puppetclass, "parameter": parameter, "default_value": default, "parameter_type": kind,
        "override": False, "omit": None, "hidden": False, "required": False, "description": None, "validator_type": None,
        "validator_rule": None, "merge_overrides": False, "merge_default": False, "avoid_duplicates": False,
        "override_value_order": ORDER,
    }  # fmt: skip


def view(world: World, row: Row, show_hidden: bool = False) -> Row:
    """A row of the list."""
    masked = row["hidden"] and not show_hidden
    return {
        "description": row["description"],
        "override": row["override"],
        "parameter_type": row["parameter_type"],
        "hidden_value?": row["hidden"],
        "omit": row["omit"],
        "required": row["required"],
        **pick(row, PLAIN),
        **stamps(row),
        "parameter": row["parameter"],
        "id": row["id"],
        "puppetclass_id": row["puppetclass_id"],
        "override_values_count": len(overrides.of_key(world, row["id"])),
        "default_value": MASK if masked else row["default_value"],
        "puppetclass_name": world.name_of("puppetclasses", row["puppetclass_id"]),
    }


def full(world: World, row: Row, show_hidden: bool = False) -> Row:
    """Return the document of show and update, which adds environments, class and values (class-parameters 20-23)."""
    owner = world.get("puppetclasses", row["puppetclass_id"])
    inside = [world.table("environments")[e] for e in environment_ids(world, row)]
    return {
        **view(world, row, show_hidden),
        "environments": [{"name": e["name"], "id": e["id"]} for e in inside],
        "puppetclass": puppet.brief(owner) if owner else None,
        "override_values": [overrides.view(row, v, show_hidden) for v in overrides.of_key(world, row["id"])],
    }


def _listing(call: Call, rows: list[Row]) -> Row:
    shown = call.query.get("show_hidden") == "true" and call.may("edit_external_parameters")
    return call.listing(
        rows,
        fields(call.world),
        lambda row: view(call.world, row, shown),
        default=lambda row: (row["parameter"], row["id"]),
        all_is_none=True,
    )


async def index(call: Call) -> Any:
    """GET smart_class_parameters, also those of an environment (class-parameters 7-14, 65-67)."""
    world = call.world
    rows = world.rows("class_parameters")
    if not call.may("view_external_parameters"):
        rows = []
    if "environment" in call.args:
        inside = world.find("environments", call.args["environment"], "environment")["id"]
        rows = [row for row in rows if inside in environment_ids(world, row)]
    return _listing(call, rows)


async def of_group(call: Call) -> Any:
    """GET hostgroups/:id/smart_class_parameters: only overridden keys of its classes (class-parameters 43)."""
    group = call.world.find("hostgroups", call.args["id"], "hostgroup", by="title")
    environment = puppet.effective_environment(call.world, group["id"])
    return _listing(call, _overridden(call.world, puppet.group_classes(call.world, group["id"]), environment))


async def of_host(call: Call) -> Any:
    """GET hosts/:id/smart_class_parameters (class-parameters 44)."""
    host = call.world.find("hosts", call.args["id"], "host")
    environment = (host["facet"] or {}).get("environment_id")
    return _listing(call, _overridden(call.world, puppet.host_classes(call.world, host), environment))


def _overridden(world: World, classes: list[int], environment: int | None) -> list[Row]:
    rows = [row for row in world.rows("class_parameters") if row["override"] and row["puppetclass_id"] in classes]
    return [row for row in rows if environment in environment_ids(world, row)]


def find(call: Call) -> Row:
    """Return the key of the path; the 404 has a stray quote (class-parameters 68)."""
    wanted = call.args["key"]
    row = call.world.table("class_parameters").get(int(wanted)) if wanted.isdigit() else None
    if row is None:
        raise message(404, f"Smart class parameter not found by id '{wanted}''")
    return row


async def show(call: Call) -> Any:
    """GET smart_class_parameters/:id (class-parameters 20-22, 46, 62, 63)."""
    shown = call.query.get("show_hidden") == "true" and call.may("edit_external_parameters")
    return full(call.world, find(call), shown)


async def update(call: Call) -> Any:
    """PUT smart_class_parameters/:id; every refusal is 500 (class-parameters 23, 51-57, 60)."""
    row = find(call)
    given = call.wrapped("smart_class_parameter", KNOWN)
    new = dict(row)
    new.update({key: value for key, value in given.items() if key not in ("hidden_value", "override", "omit")})
    if "hidden_value" in given:
        new["hidden"] = truthy(given["hidden_value"])
    for key in ("override", "omit"):
        if key in given:
            new[key] = None if given[key] is None else truthy(given[key])
    if new["parameter_type"] not in TYPES:
        raise error(500, "Validation failed: Key type invalid")
    if not new["omit"] and new["override"]:
        try:
            new["default_value"] = cast(new["default_value"], new["parameter_type"])
        except WrongType as wrong:
            raise error(500, "Validation failed: Default value is invalid") from wrong
    changes = {name: value for name, value in new.items() if value != row[name]}
    await call.commit()
    row.update(changes)
    call.world.touch(row)
    for value in overrides.of_key(call.world, row["id"]):
        overrides.recast(row, value)
    return full(call.world, row)


def routes() -> list[Route]:
    """Endpoints of this module."""
    see = ("view_external_parameters", "view_puppetclasses")
    base = puppet.BASE
    return [
        Route("GET", f"{base}/smart_class_parameters", index, see),
        Route("GET", f"{base}/smart_class_parameters/:key", show, see),
        Route("PUT", f"{base}/smart_class_parameters/:key", update, ("edit_external_parameters",)),
        Route("GET", f"{base}/environments/:environment/smart_class_parameters", index, see),
        Route("GET", f"{base}/hostgroups/:id/smart_class_parameters", of_group, see),
        Route("GET", f"{base}/hosts/:id/smart_class_parameters", of_host, see),
    ]
