"""Hostgroups in answers, and inheritance (foreman-api §3; recordings hosts 3, 4, 97, environment-move-enc 15-18)."""

from __future__ import annotations

from typing import Any

from . import parameters, puppet
from .casting import searchable
from .replies import Row, iso, stamps
from .search import Field, Fields
from .world import World

#: attribute -> table that it refers to
INHERITED = {
    "compute_profile": "compute_profiles", "domain": "domains", "puppet_proxy": "smart_proxies", "puppet_ca_proxy": "smart_proxies",
    "compute_resource": "compute_resources", "operatingsystem": "operatingsystems", "architecture": "architectures", "medium": "media",
    "ptable": "ptables", "subnet": "subnets", "subnet6": "subnets", "realm": "realms",
}  # fmt: skip
KEYS = tuple(f"{name}_id" for name in INHERITED)


def label(table: str) -> str:
    """Return the attribute by which Foreman names a row of that table."""
    return "title" if table == "operatingsystems" else "name"


def inherited(world: World, group: Row | None, key: str) -> Any:
    """Return a hostgroup's own value, or else its nearest ancestor's."""
    for row in reversed(parameters.lineage(world, group["id"] if group else None)):
        if row[key] is not None:
            return row[key]
    return None


def search_fields(world: World) -> Fields:
    """Return the search fields; `description` is not one of them (core app/models/hostgroup.rb:58-79)."""

    def param(name: str) -> Field:
        def get(row: Row) -> Any:
            for group in reversed(parameters.lineage(world, row["id"])):
                for own in parameters.own(world, "hostgroup", group["id"]):
                    if own["name"] == name:
                        return searchable(own["value"])
            return None

        return Field(get)

    def classes(row: Row) -> list[Any]:
        return [world.name_of("puppetclasses", c) for c in puppet.group_classes(world, row["id"])]

    title = Field(lambda row: row["title"])
    return Fields(
        {
            "name": Field(lambda row: row["name"]),
            "title": title,
            "label": title,
            "id": Field(lambda row: row["id"], "integer"),
            "environment": Field(
                lambda row: world.name_of("environments", puppet.effective_environment(world, row["id"]))
            ),
            "puppetclass": Field(classes),
            "organization_id": Field(lambda row: row["organization_ids"], "integer"),
            "location_id": Field(lambda row: row["location_ids"], "integer"),
        },
        {"params": param},
    )


def view(world: World, row: Row, with_parameters: bool = False, show_hidden: bool = False) -> Row:
    """Return a row of the list (hosts 3): `…_name` shows inherited values too, `…_id` only own ones."""
    parent = world.get("hostgroups", row["parent_id"])
    shown: Row = {}
    for name in ("subnet", "operatingsystem", "domain", "compute_profile", "ptable", "medium", "subnet6", "compute_resource",
                 "architecture", "realm"):  # fmt: skip
        shown |= _pair(world, row, name)
    shown |= {
        "ancestry": ancestry(world, row),
        "parent_id": row["parent_id"],
        "parent_name": parent["title"] if parent else None,
        "pxe_loader": row["pxe_loader"],
        **stamps(row),
        "id": row["id"],
        "name": row["name"],
        "title": row["title"],
        "description": row["description"],
        **_pair(world, row, "puppet_proxy"),
        **_pair(world, row, "puppet_ca_proxy"),
        "puppet_proxy": None,
        "puppet_ca_proxy": None,
    }
    for name in INHERITED:
        own = row[f"{name}_id"]
        shown[f"inherited_{name}_id"] = None if own is not None else inherited(world, parent, f"{name}_id")
    shown["inherited_pxe_loader"] = inherited(world, parent, "pxe_loader")
    if with_parameters:
        shown["parameters"] = [parameters.view(p, show_hidden) for p in parameters.own(world, "hostgroup", row["id"])]
    return shown | _environment(world, row)


def _pair(world: World, row: Row, name: str) -> Row:
    key, table = f"{name}_id", INHERITED[name]
    return {key: row[key], f"{name}_name": world.name_of(table, inherited(world, row, key), label(table))}


def _environment(world: World, row: Row) -> Row:
    """Return the environment, which only a group with a Puppet facet shows (environment-move-enc 15-18)."""
    if row["facet"] is None:
        return {}
    own = row["facet"]["environment_id"]
    found = puppet.effective_environment(world, row["id"])
    return {
        "environment_id": own,
        "environment_name": world.name_of("environments", found),
        "inherited_environment_id": None if own is not None else found,
    }


def ancestry(world: World, row: Row) -> str | None:
    """Return the ids of the ancestors, root first, as in `1/49`; None if there are none."""
    return "/".join(str(g["id"]) for g in parameters.lineage(world, row["parent_id"])) or None


def taxonomy(world: World, table: str, ids: list[int]) -> list[Row]:
    """Return organizations or locations as other rows embed them."""
    rows = [world.table(table)[i] for i in ids if i in world.table(table)]
    return [{key: row[key] for key in ("id", "name", "title", "description")} for row in rows]


def full(world: World, row: Row, show_hidden: bool = False) -> Row:
    """Return the document of show, create and update (hosts 4)."""
    shown = {**view(world, row, True, show_hidden), "template_combinations": []}
    if row["facet"] is not None:
        own = row["facet"]["puppetclass_ids"]
        shown |= puppet.class_view(world, own, puppet.group_classes(world, row["id"]))
    for table in ("locations", "organizations"):
        shown[table] = taxonomy(world, table, row[f"{table[:-1]}_ids"])
    return shown


def deleted(world: World, row: Row) -> Row:
    """Return the raw row that answers a DELETE (foreman-api §1.2; hosts 97)."""
    keys = (
        "id", "name", "operatingsystem_id", "architecture_id", "medium_id", "ptable_id", "puppet_ca_proxy_id", "subnet_id", "domain_id",
        "puppet_proxy_id", "title", "realm_id", "compute_profile_id", "subnet6_id", "pxe_loader", "description", "compute_resource_id",
    )  # fmt: skip
    times = {"created_at": iso(row["created_at"]), "updated_at": iso(row["updated_at"])}
    raw = {
        **{key: row[key] for key in keys}, **times, "root_pass": row["root_pass"], "use_image": None, "image_file": "",
        "ancestry": ancestry(world, row), "vm_defaults": None, "grub_pass": None, "lookup_value_matcher": f"hostgroup={row['title']}",
    }  # fmt: skip
    if row["facet"]:
        raw["puppet_attributes"] = raw_facet(row, "hostgroup_id")
    return raw


def raw_facet(row: Row, owner: str) -> Row:
    """Return the facet's raw row (class-parameters 73, lookup-values-inline 36)."""
    facet = row["facet"]
    return {
        "id": facet.get("id"), owner: row["id"], "environment_id": facet["environment_id"], "puppet_proxy_id": None,
        "created_at": iso(facet.get("created_at", row["created_at"])), "updated_at": iso(facet.get("updated_at", row["updated_at"])),
    }  # fmt: skip
