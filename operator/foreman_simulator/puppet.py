"""foreman_puppet: environments, classes, and which classes a hostgroup or host has (foreman-api §7.1, §7.2)."""

from __future__ import annotations

from typing import Any

from . import parameters
from .call import Call, Route
from .replies import INTERNAL, Failure, Row, error, iso, not_found, stamps
from .search import Field, Fields
from .world import World

BASE = "/foreman_puppet/api"
FIELDS = Fields({"name": Field(lambda row: row["name"])})
FACET_KEYS = ("environment_id", "puppetclass_ids", "config_group_ids")


def module(row: Row) -> str:
    """Return the module of a class: what is before its first `::`."""
    return str(row["name"]).split("::")[0]


def brief(row: Row) -> Row:
    """Return a class as hosts and hostgroups embed it."""
    return {"id": row["id"], "name": row["name"], "module_name": module(row)}


def facet(environment: int | None = None, classes: list[int] | None = None) -> Row:
    """Return a Puppet facet for a host or hostgroup."""
    return {"environment_id": environment, "puppetclass_ids": list(classes or [])}


def effective_environment(world: World, group: int | None) -> int | None:
    """Return a hostgroup's environment; only a group with a facet of its own inherits one (measured §1.2)."""
    chain = parameters.lineage(world, group)
    if not chain or chain[-1]["facet"] is None:
        return None
    for row in reversed(chain):
        if row["facet"] and row["facet"]["environment_id"] is not None:
            return int(row["facet"]["environment_id"])
    return None


def group_classes(world: World, group: int | None) -> list[int]:
    """Return all classes of a hostgroup, its ancestors' included."""
    found: list[int] = []
    for row in parameters.lineage(world, group):
        found += [c for c in (row["facet"] or {}).get("puppetclass_ids", []) if c not in found]
    return found


def host_classes(world: World, host: Row) -> list[int]:
    """Return all classes of a host: its own and its hostgroup's."""
    own = list((host["facet"] or {}).get("puppetclass_ids", []))
    return own + [c for c in group_classes(world, host["hostgroup_id"]) if c not in own]


def class_view(world: World, own: list[int], everything: list[int]) -> Row:
    """Return the four keys that only a row with a facet has (environment-move-enc 15-20, 28)."""
    table = world.table("puppetclasses")

    def named(ids: list[int]) -> list[Row]:
        return sorted((brief(table[i]) for i in ids if i in table), key=lambda row: str(row["name"]))

    lists: Row = {"puppetclasses": named(own), "config_groups": [], "all_puppetclasses": named(everything)}
    return {"puppet": lists, **lists}


def facet_attributes(call: Call, attributes: Row, old: Row | None) -> Row | None:
    """Return the old facet with the changes in `puppet_attributes`, or in top-level keys (environment-move-enc 20)."""
    given = {key: attributes[key] for key in FACET_KEYS if key in attributes}
    inner = attributes.get("puppet_attributes")
    if isinstance(inner, dict):
        for key in inner.keys() - set(FACET_KEYS) - {"id"}:
            call.world.drop(f"{call.route.name} puppet_attributes.{key}")
        given.update({key: inner[key] for key in FACET_KEYS if key in inner})
    if not given and not isinstance(inner, dict):
        return old
    merged = {**(old or facet()), **given}
    merged["puppetclass_ids"] = [int(c) for c in merged["puppetclass_ids"] or []]
    for name, ids in (("environments", [merged["environment_id"]]), ("puppetclasses", merged["puppetclass_ids"])):
        for ident in ids:
            if ident is not None and int(ident) not in call.world.table(name):
                raise not_found("puppetclass" if name == "puppetclasses" else "environment", ident)
    if merged["environment_id"] is not None:
        merged["environment_id"] = int(merged["environment_id"])
    return {key: merged.get(key) for key in ("environment_id", "puppetclass_ids")}


async def environments(call: Call) -> Any:
    """GET environments (class-parameters 4, 72)."""
    view = lambda row: {**stamps(row), "name": row["name"], "id": row["id"]}  # noqa: E731
    return call.listing(call.world.rows("environments"), FIELDS, view)


async def puppetclasses(call: Call) -> Any:
    """GET puppetclasses, also of an environment: a map by module, or `style=list` (class-parameters 6, 69-71)."""
    rows = call.world.rows("puppetclasses")
    if "environment" in call.args:
        inside = call.world.find("environments", call.args["environment"], "environment")["id"]
        rows = [row for row in rows if inside in row["environment_ids"]]
    return _classes(call, rows)


def _classes(call: Call, rows: list[Row]) -> Row:
    if call.query.get("style") == "list":
        return call.listing(rows, FIELDS, lambda row: {**stamps(row), **brief(row)})
    listed = call.listing(rows, FIELDS, lambda row: row)
    by_module: dict[str, list[Row]] = {}
    for row in listed["results"]:
        times = {key: iso(row[key]) for key in ("created_at", "updated_at")}
        by_module.setdefault(module(row), []).append({"id": row["id"], "name": row["name"], **times})
    return {**listed, "results": by_module}


def _group(call: Call) -> Row:
    return call.world.find("hostgroups", call.args["hostgroup"], "hostgroup", by="title")


async def classes_of_group(call: Call) -> Any:
    """GET hostgroups/:id/puppetclasses: 500 for a group without a facet (environment-move-enc 62, 63)."""
    group = _group(call)
    if group["facet"] is None:
        raise error(500, INTERNAL)
    ids = group_classes(call.world, group["id"])
    return _classes(call, [call.world.table("puppetclasses")[i] for i in ids])


async def class_ids(call: Call) -> Any:
    """GET hostgroups/:id/puppetclass_ids: only the group's own (environment-move-enc 54, 61)."""
    return {"results": list((_group(call)["facet"] or {}).get("puppetclass_ids", []))}


async def add_class(call: Call) -> Any:
    """POST puppetclass_ids: 500 for a class that the group has already (environment-move-enc 55, 56, 59)."""
    group = _group(call)
    wanted = int(call.body.get("puppetclass_id") or 0)
    if wanted in (group["facet"] or {}).get("puppetclass_ids", []):
        raise error(500, "Validation failed: Puppetclass has already been taken")
    if wanted not in call.world.table("puppetclasses"):
        raise error(
            500, _foreign_key("hostgroup_classes", "fk_rails_f25fcd3d47", "puppetclass_id", wanted, "puppetclasses")
        )
    await call.commit(group["name"])
    group["facet"] = group["facet"] or {**facet(), "id": call.world.next_id("facets")}
    group["facet"]["puppetclass_ids"].append(wanted)
    return {"hostgroup_id": group["id"], "puppetclass_id": wanted}


def _foreign_key(table: str, constraint: str, column: str, value: object, target: str) -> str:
    return (
        f'PG::ForeignKeyViolation: ERROR:  insert or update on table "{table}" violates foreign key constraint "{constraint}"\n'
        f'DETAIL:  Key ({column})=({value}) is not present in table "{target}".\n'
    )


def foreign_key(table: str, constraint: str, column: str, value: object, target: str) -> Failure:
    """Return the 500 of a row that refers to nothing (hosts 20, environment-move-enc 56)."""
    return error(500, _foreign_key(table, constraint, column, value, target))


async def remove_class(call: Call) -> Any:
    """DELETE puppetclass_ids/:id: 200 and [], however often it is repeated (environment-move-enc 57, 58)."""
    group = _group(call)
    await call.commit(group["name"])
    if group["facet"]:
        group["facet"]["puppetclass_ids"] = [c for c in group["facet"]["puppetclass_ids"] if str(c) != call.args["id"]]
    return []


def routes() -> list[Route]:
    """Endpoints of this module."""
    see, edit = ("view_puppetclasses",), ("edit_hostgroups",)
    return [
        Route("GET", f"{BASE}/environments", environments, ("view_environments",)),
        Route("GET", f"{BASE}/environments/:environment/puppetclasses", puppetclasses, see),
        Route("GET", f"{BASE}/puppetclasses", puppetclasses, see),
        Route("GET", f"{BASE}/hostgroups/:hostgroup/puppetclasses", classes_of_group, see),
        Route("GET", f"{BASE}/hostgroups/:hostgroup/puppetclass_ids", class_ids, ("view_hostgroups",)),
        Route("POST", f"{BASE}/hostgroups/:hostgroup/puppetclass_ids", add_class, edit),
        Route("DELETE", f"{BASE}/hostgroups/:hostgroup/puppetclass_ids/:id", remove_class, edit),
    ]
