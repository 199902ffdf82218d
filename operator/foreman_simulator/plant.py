"""Objects as if somebody else had made them: `POST /_simulator/plant`; the scenarios are made in the same way.

An object has Foreman's own attributes; one that ends in `_id` may also be given by the name of what it refers to
(`hostgroup: "Base/Debian 12"` for `hostgroup_id`, `environment: production` for `environment_id`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import (
    agents,
    casting,
    class_parameters,
    host_build,
    host_rows,
    hostgroups,
    infra,
    overrides,
    parameters,
    puppet,
    reports,
)
from .hostgroup_views import INHERITED, inherited
from .machines import Machine
from .replies import Row, error, parse_time
from .world import World

TABLES = {
    "hostgroup": "hostgroups", "parent": "hostgroups", "environment": "environments", "organization": "organizations",
    "location": "locations", "compute_resource": "compute_resources", "compute_profile": "compute_profiles", "subnet": "subnets",
    "domain": "domains", "operatingsystem": "operatingsystems", "architecture": "architectures", "medium": "media", "ptable": "ptables",
    "image": "images", "model": "models", "host": "hosts", "owner": "users", "creator": "users",
}  # fmt: skip
LABEL = {"hostgroups": "title", "operatingsystems": "title", "users": "login"}


def ref(world: World, obj: Row, name: str, default: int | None = None) -> int | None:
    """Return the id that `obj` gives as `<name>_id`, or that of the object it names as `<name>`; else the default."""
    if obj.get(f"{name}_id") is not None:
        return int(obj[f"{name}_id"])
    if obj.get(name) is None:
        return default
    return int(world.find(TABLES[name], obj[name], by=LABEL.get(TABLES[name], "name"))["id"])


def _everywhere(world: World, obj: Row) -> Row:
    """Return a row's organizations and locations; all of them if it names none."""
    return {f"{one}_ids": list(obj.get(f"{one}_ids") or world.table(f"{one}s")) for one in ("organization", "location")}


def _plain(table: str, **defaults: Any) -> Callable[[World, Row], Row]:
    def make(world: World, obj: Row) -> Row:
        row = {**defaults, **obj}
        if table in ("organizations", "locations"):
            row = {"title": row["name"], "description": None, **row}
        if "organization_ids" in defaults:
            row |= _everywhere(world, obj)
        for name in ("operatingsystem", "architecture", "compute_resource"):
            if name in row:
                row[f"{name}_id"] = ref(world, row, name)
        return world.insert(table, row)

    return make


def _user(world: World, obj: Row) -> Row:
    wanted = {**obj, "permissions": infra.SERVICE} if obj.get("permissions") == "service" else obj
    row = infra.new_user(**{**wanted, **_everywhere(world, obj)})
    return world.insert("users", row | ({"id": obj["id"]} if "id" in obj else {}))


def _class(world: World, obj: Row) -> Row:
    """Make a class with parameters `{name: {default, type}}`, imported as a smart proxy does it (measured §4)."""
    named = obj.get("environments") or [row["name"] for row in world.rows("environments")]
    environments = [int(world.find("environments", name)["id"]) for name in named]
    known = next((row for row in world.rows("puppetclasses") if row["name"] == obj["name"]), None)
    row = known or world.insert("puppetclasses", {"name": obj["name"], "environment_ids": []})
    row["environment_ids"] = sorted({*row["environment_ids"], *environments})
    have = {key["parameter"] for key in world.rows("class_parameters") if key["puppetclass_id"] == row["id"]}
    for name, about in (obj.get("parameters") or {}).items():
        if name not in have:
            key = class_parameters.imported(row["id"], name, about.get("default"))
            world.insert("class_parameters", {**key, "puppet_type": about.get("type", "Any")})
    return row


def _hostgroup(world: World, obj: Row) -> Row:
    row: Row = {"name": obj["name"], "description": obj.get("description"), "parent_id": ref(world, obj, "parent"),
                "pxe_loader": obj.get("pxe_loader"), "root_pass": obj.get("root_pass"), **_everywhere(world, obj)}  # fmt: skip
    for name in INHERITED:
        row[f"{name}_id"] = ref(world, obj, name) if name in TABLES else None
    if hostgroups.taken(world, row):
        raise error(422, f"hostgroup {obj['name']} is there already")
    return hostgroups.insert(world, row, _facet(world, obj), _parameters(obj), [])


def _facet(world: World, obj: Row) -> Row | None:
    attributes = obj.get("puppet_attributes")
    if attributes is None:
        return None
    classes = [world.find("puppetclasses", name)["id"] for name in attributes.get("puppetclasses") or []]
    return puppet.facet(ref(world, attributes, "environment"), list(attributes.get("puppetclass_ids") or classes))


def _parameters(obj: Row) -> list[Row]:
    rows = []
    for given in obj.get("parameters") or []:
        kind = given.get("parameter_type", "string")
        value = casting.cast(given.get("value"), kind)
        rows.append(
            {"name": given["name"], "parameter_type": kind, "value": value, "hidden": bool(given.get("hidden_value"))}
        )
    return rows


def _host(world: World, obj: Row) -> Row:
    """Make a host; `machine: true` (or "timer", "cron", "none") gives it a running system with an agent."""
    group = world.get("hostgroups", ref(world, obj, "hostgroup"))
    host: Row = {
        "managed": True,
        "build": False,
        "comment": "",
        "provision_method": "build",
        "enabled": True,
        "mac": None,
        "ip": None,
    }
    for key in host_rows.FILLED:
        host[key] = inherited(world, group, key)
    host |= host_rows.blank(world, host.pop("subnet_id"))
    host |= {key: value for key, value in obj.items() if key in host and key != "interface"}
    host["name"] = str(obj["name"]).lower()
    for name in (
        "domain",
        "architecture",
        "operatingsystem",
        "medium",
        "ptable",
        "image",
        "model",
        "compute_resource",
        "compute_profile",
    ):
        host[f"{name}_id"] = ref(world, obj, name, host.get(f"{name}_id"))
    for name, first in (("organization", 1), ("location", 2)):
        host[f"{name}_id"] = obj[f"{name}_id"] if f"{name}_id" in obj else ref(world, obj, name, first)
    admin = world.find("users", world.settings.user, by="login")["id"]
    host |= {
        "owner_id": ref(world, obj, "owner", admin),
        "creator_id": ref(world, obj, "creator", admin),
        "uuid": obj.get("uuid"),
    }
    host["hostgroup_id"] = group["id"] if group else None
    host["interface"] |= obj.get("interface") or {}
    if isinstance(obj.get("installed_at"), str):
        host["installed_at"] = parse_time(obj["installed_at"])
    own = _facet(world, obj)
    host["facet"] = host_rows.facet_for(world, host, own, inherit=not (own and own["environment_id"]))
    row = world.insert("hosts", host)
    parameters.store(world, "host", row["id"], _parameters(obj))
    if obj.get("build"):
        host_build.start(world, row)
    if obj.get("machine"):
        machine = Machine.boot(row["name"]) if obj["machine"] is True else Machine.boot(row["name"], obj["machine"])
        agent = agents.Agent(row["name"], machine, world.now())
        world.machines[row["name"]] = agent
        agents.plan(world, agent, world.now() + world.random.uniform(1, agents.PERIOD))
    return row


def _vm(world: World, obj: Row) -> Row:
    vm = {
        "uuid": obj.get("uuid") or world.uuid(), "name": obj["name"], "compute_resource_id": ref(world, obj, "compute_resource", 1),
        "on": obj.get("on", True), "mac": obj.get("mac", "52:54:00:00:00:01"), "attrs": {}, "created_at": world.now(),
    }  # fmt: skip
    world.vms[vm["uuid"]] = vm
    return vm


def key_of(world: World, obj: Row) -> Row:
    """Return the class parameter that `class` and `parameter` name."""
    owner = world.find("puppetclasses", obj["class"])["id"]
    for key in world.rows("class_parameters"):
        if key["puppetclass_id"] == owner and key["parameter"] == obj["parameter"]:
            return key
    raise error(404, f"no parameter {obj['parameter']} in class {obj['class']}")


def _key(world: World, obj: Row) -> Row:
    key = key_of(world, obj)
    changes = {name: value for name, value in obj.items() if name not in ("class", "parameter", "hidden_value")}
    key |= changes | ({"hidden": obj["hidden_value"]} if "hidden_value" in obj else {})
    return key


def _override(world: World, obj: Row) -> Row:
    key = key_of(world, obj)
    key["override"] = True
    value = overrides.typed(
        key, obj["value"] if not isinstance(obj["value"], (list, dict)) else casting.searchable(obj["value"])
    )
    return world.insert(
        "override_values", {"key_id": key["id"], "match": obj["match"], "value": value, "omit": bool(obj.get("omit"))}
    )


def _parameter(world: World, obj: Row) -> Row:
    """Make `{host | hostgroup: NAME, name, value, parameter_type?, hidden_value?}`; without owner, a global one."""
    kind = "host" if "host" in obj else "hostgroup" if "hostgroup" in obj else "common"
    owner = ref(world, obj, kind) if kind != "common" else None
    row = _parameters({"parameters": [obj]})[0]
    return world.insert("parameters", {"owner_type": kind, "owner_id": owner, **row})


def _profile(world: World, obj: Row) -> Row:
    """Make a profile, or extend an existing one, with `attributes: {compute resource: vm_attrs}`."""
    known = next((row for row in world.rows("compute_profiles") if row["name"] == obj["name"]), None)
    row = known or world.insert("compute_profiles", {"name": obj["name"]})
    for name, attrs in (obj.get("attributes") or {}).items():
        memory = int(attrs.get("memory", 0)) // 1024**3
        world.insert("compute_attributes", {
            "name": f"{attrs.get('cpus', 1)} CPUs and {memory} GB memory", "compute_profile_id": row["id"], "vm_attrs": attrs,
            "compute_resource_id": world.find("compute_resources", name)["id"],
        })  # fmt: skip
    return row


def _report(world: World, obj: Row) -> Row:
    reported = parse_time(str(obj.get("reported_at") or "")) or world.now()
    return reports.import_report(world, obj["host"], reported, {"logs": [], "origin": "Puppet", **obj})


MAKERS: dict[str, Callable[[World, Row], Row]] = {
    "users": _user, "puppetclasses": _class, "hostgroups": _hostgroup, "hosts": _host, "vms": _vm, "smart_class_parameters": _key,
    "override_values": _override, "parameters": _parameter, "compute_profiles": _profile, "config_reports": _report,
    "compute_resources": _plain(
        "compute_resources", description=None, url="test+unix:///default", provider="Libvirt", provider_friendly_name="Libvirt",
        display_type="vnc", set_console_password=True, organization_ids=[], location_ids=[],
    ),
    "images": _plain("images", username="debian", user_data=True),
    "smart_proxies": _plain("smart_proxies", url="http://127.0.0.1:8000", remote_execution_pubkey="ssh-ed25519 simulated", features=[],
                            organization_ids=[], location_ids=[]),
    "subnets": _plain("subnets", ipam="Internal DB", boot_mode="Static", mtu=1500, network_type="IPv4"),
    **{name: _plain(name) for name in ("organizations", "locations", "environments", "domains", "operatingsystems", "architectures",
                                       "media", "ptables", "models", "settings", "plugins", "job_templates",
                                       "remote_execution_features")},
}  # fmt: skip


def plant(world: World, things: list[Row]) -> list[Row]:
    """Make all objects, in order; return resource, id and name of each."""
    made = []
    for thing in things:
        maker = MAKERS.get(str(thing.get("resource")))
        if maker is None:
            raise error(422, f"resource is one of {', '.join(sorted(MAKERS))}")
        row = maker(world, dict(thing.get("object") or {}))
        made.append({"resource": thing["resource"], "id": row.get("id") or row.get("uuid"), "name": row.get("name")})
    return made
