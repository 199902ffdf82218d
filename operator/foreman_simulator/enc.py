"""The ENC, which is what Puppet gets: classes, parameters, environment (foreman-api §10, §11; recordings `…/enc`)."""

from __future__ import annotations

import itertools
import re
from typing import Any

from . import class_parameters, parameters, puppet
from .replies import Row, error
from .world import World

SUBNET_KEYS = (
    "name", "network", "mask", "gateway", "dns_primary", "dns_secondary", "from", "to", "boot_mode", "ipam", "vlanid", "mtu",
    "nic_delay", "network_type", "description",
)  # fmt: skip
HOST_METHODS = {
    "name": "name", "fqdn": "name", "shortname": "shortname", "ip": "ip", "mac": "mac", "comment": "comment", "certname": "name",
}  # fmt: skip


def render(world: World, host: Row, value: Any) -> Any:
    """Evaluate ERB in a value, even a hidden one (measured §1.12; class-parameters 64).

    Only some methods of @host, and host parameters, are known; other code is 500.
    """
    if isinstance(value, dict):
        return {render(world, host, k): render(world, host, v) for k, v in value.items()}
    if isinstance(value, list):
        return [render(world, host, v) for v in value]
    if not isinstance(value, str) or "<%" not in value:
        return value
    return re.sub(r"<%(=?)\s*(.*?)\s*-?%>", lambda m: _erb(world, host, m[1], m[2]), value, flags=re.DOTALL)


def _erb(world: World, host: Row, prints: str, code: str) -> str:
    if not prints:
        return ""
    if method := re.fullmatch(r"@host\.(\w+)", code):
        name = HOST_METHODS.get(method[1])
        if name is not None:
            return str(host["name"].split(".")[0] if name == "shortname" else host.get(name) or "")
    if param := re.fullmatch(r"(?:host_param\(|@host\.params\[)['\"]([^'\"]+)['\"][)\]]", code):
        return str(next((p["value"] for p in parameters.effective(world, host) if p["name"] == param[1]), ""))
    raise error(500, f"There was an error rendering the host's value: undefined local variable or method in '{code}'")


def matches(world: World, host: Row, order: str) -> list[str]:
    """Return the matches that can apply to a host, strongest first; longer titles win (matchers_inheritance)."""
    groups = parameters.lineage(world, host["hostgroup_id"])
    values: dict[str, list[Any]] = {
        "fqdn": [host["name"]],
        "hostgroup": sorted((g["title"] for g in groups), key=lambda title: -len(title)),
        "os": [world.name_of("operatingsystems", host["operatingsystem_id"], "title")],
        "domain": [world.name_of("domains", host["domain_id"])],
        "environment": [world.name_of("environments", (host["facet"] or {}).get("environment_id"))],
        "organization": [world.name_of("organizations", host["organization_id"], "title")],
        "location": [world.name_of("locations", host["location_id"], "title")],
    }
    known = {row["name"]: [row["value"]] for row in parameters.effective(world, host)}
    found = []
    for entry in order.split("\n"):
        parts = [part.strip() for part in entry.split(",")]
        choices = [[(p, v) for v in values.get(p, known.get(p, [])) if v is not None] for p in parts]
        found += [",".join(f"{name}={value}" for name, value in every) for every in itertools.product(*choices)]
    return found


def class_values(world: World, host: Row, classes: list[int]) -> dict[str, Row | None]:
    """Return each class with the values that are sent for it, None if there are none."""
    environment = (host["facet"] or {}).get("environment_id")
    table = world.table("puppetclasses")
    found: dict[str, Row | None] = {}
    cache: dict[str, list[str]] = {}
    by_key: dict[int, list[Row]] = {}
    for row in world.rows("override_values"):
        by_key.setdefault(row["key_id"], []).append(row)
    keys = [key for key in world.rows("class_parameters") if key["override"]]
    for ident in sorted(classes, key=lambda i: str(table[i]["name"])):
        if environment not in table[ident]["environment_ids"]:
            continue
        values: Row = {}
        for key in sorted((k for k in keys if k["puppetclass_id"] == ident), key=lambda k: str(k["parameter"])):
            if environment not in class_parameters.environment_ids(world, key):
                continue
            order = str(key["override_value_order"])
            if order not in cache:
                cache[order] = matches(world, host, order)
            sent, value = _resolve(key, by_key.get(key["id"], []), cache[order])
            if sent and value is not None:
                values[key["parameter"]] = render(world, host, value)
        found[table[ident]["name"]] = values or None
    return found


def _resolve(key: Row, values: list[Row], strongest: list[str]) -> tuple[bool, Any]:
    """Return whether a key is sent, and its value (foreman-api §11): the first match wins, or all are merged."""
    by_match = {row["match"]: row for row in values}
    hits = [by_match[match] for match in strongest if match in by_match]
    if key["merge_overrides"] and key["parameter_type"] in ("array", "hash", "json", "yaml"):
        return _merged(key, [row["value"] for row in hits if not row["omit"]])
    if hits:
        return (not hits[0]["omit"], hits[0]["value"])
    return (not key["omit"], key["default_value"])


def _merged(key: Row, values: list[Any]) -> tuple[bool, Any]:
    if key["merge_default"]:
        values = [*values, key["default_value"]]
    if not values:
        return (not key["omit"], key["default_value"])
    if isinstance(values[0], list):
        flat = [item for value in values if isinstance(value, list) for item in value]
        return True, [v for i, v in enumerate(flat) if v not in flat[:i]] if key["avoid_duplicates"] else flat
    merged: Any = {}
    for value in reversed(values):
        merged = _deep(merged, value)
    return True, merged


def _deep(weak: Any, strong: Any) -> Any:
    if not isinstance(weak, dict) or not isinstance(strong, dict):
        return strong
    return {**weak, **{k: _deep(weak[k], v) if k in weak else v for k, v in strong.items()}}


def static(world: World, host: Row) -> Row:
    """Return the parameters that Foreman injects (core app/models/host_info_providers/static_info.rb; hosts 82)."""
    nic = host["interface"]
    subnet = world.get("subnets", nic["subnet_id"])
    shown = {key: subnet.get(key) for key in SUBNET_KEYS} if subnet else None
    owner = world.get("users", host["owner_id"])
    found: Row = {"puppetmaster": "", "foreman_hostname": host["name"].split(".")[0], "foreman_fqdn": host["name"]}
    if host["facet"]:
        name = world.name_of("environments", host["facet"]["environment_id"])
        found |= {"foreman_config_groups": [], "foreman_env": name}
    if host["hostgroup_id"] is not None:
        found["hostgroup"] = world.name_of("hostgroups", host["hostgroup_id"], "title")
    if host["comment"]:
        found["comment"] = host["comment"]
    found |= {
        "root_pw": "$5$simulated$" if host["managed"] else None,
        "foreman_subnets": [shown] if shown else [],
        "foreman_interfaces": [_interface(host, shown)],
    }
    for one, many in (("location", "locations"), ("organization", "organizations")):
        name = world.name_of(many, host[f"{one}_id"])
        if name is not None:
            found |= {one: name, f"{one}_title": world.name_of(many, host[f"{one}_id"], "title")}
    found["domainname"] = world.name_of("domains", host["domain_id"])
    if owner is not None:
        person = {
            "firstname": owner["firstname"], "lastname": owner["lastname"], "mail": owner["mail"], "description": None,
            "fullname": f"{owner['firstname']} {owner['lastname'] or ''}".strip(), "name": owner["login"], "ssh_authorized_keys": [],
        }  # fmt: skip
        found |= {"owner_name": full_name(owner), "owner_email": owner["mail"], "ssh_authorized_keys": []}
        found["foreman_users"] = {owner["login"]: person}
    return {**found, "server_ca": None, "ssl_ca": None}


def full_name(user: Row) -> str:
    """Return first and last name with a space between, even without a last name (whole-flow-as-service-user 26)."""
    return f"{user['firstname']} {user['lastname'] or ''}"


def _interface(host: Row, subnet: Row | None) -> Row:
    nic = host["interface"]
    keys = ("ip", "ip6", "mac")
    return {
        **{key: nic.get(key) for key in keys}, "name": host["name"], "attrs": nic.get("attrs", {}), "virtual": False, "link": True,
        "identifier": nic["identifier"], "managed": nic["managed"], "primary": True, "provision": True, "subnet": subnet,
        "subnet6": None, "tag": None, "attached_to": None, "type": "Interface",
    }  # fmt: skip


def enc(world: World, host: Row) -> Row:
    """Return the whole document; without an environment, `classes` is an empty list (hosts 82, measured §1.2)."""
    values = static(world, host)
    for row in parameters.effective(world, host):
        values[row["name"]] = render(world, host, row["value"])
    values |= {
        "remote_execution_ssh_keys": ["ssh-ed25519 simulated"],
        "remote_execution_ssh_user": "root",
        "remote_execution_effective_user_method": "sudo",
        "remote_execution_connect_by_ip": False,
    }
    environment = world.name_of("environments", (host["facet"] or {}).get("environment_id"))
    if environment is None:
        return {"classes": [], "parameters": values}
    return {
        "parameters": values,
        "classes": class_values(world, host, puppet.host_classes(world, host)),
        "environment": environment,
    }
