"""The row of a host: what comes from the request, what from the hostgroup, and when (foreman-api §4.3, §4.4)."""

from __future__ import annotations

from typing import Any

from . import puppet
from .call import Call
from .hostgroup_views import inherited
from .replies import Row, not_found, truthy
from .world import World

#: filled from the hostgroup when blank, at any save (core managed.rb:891)
FILLED = ("domain_id", "architecture_id", "operatingsystem_id", "medium_id", "ptable_id", "subnet_id", "pxe_loader")
#: taken from the hostgroup again by any PUT with hostgroup_id (core managed.rb:512-541)
REINHERITED = ("compute_resource_id", "compute_profile_id")
KNOWN = (
    "name", "organization_id", "location_id", "hostgroup_id", "managed", "build", "provision_method", "mac", "ip", "domain_id", "subnet_id",
    "architecture_id", "operatingsystem_id", "medium_id", "ptable_id", "pxe_loader", "root_pass", "compute_resource_id",
    "compute_profile_id", "compute_attributes", "image_id", "host_parameters_attributes", "puppet_attributes", "environment_id",
    "puppetclass_ids", "owner_id", "owner_type", "comment", "enabled", "overwrite", "lookup_values_attributes", "progress_report_id",
    "interfaces_attributes",
)  # fmt: skip


def draft(call: Call, given: Row) -> Row:
    """Return a new host's own and inherited attributes; an unknown hostgroup is a 404 without an id (hosts 17)."""
    world = call.world
    group = world.get("hostgroups", number(given.get("hostgroup_id")))
    if given.get("hostgroup_id") not in (None, "") and group is None:
        raise not_found("host")
    host: Row = {
        "managed": truthy(given.get("managed", True)), "build": truthy(given.get("build")), "comment": given.get("comment") or "",
        "hostgroup_id": group["id"] if group else None, "organization_id": number(call.lone(given, "organization_id")),
        "location_id": number(call.lone(given, "location_id")), "provision_method": given.get("provision_method") or "build",
        "image_id": number(given.get("image_id")), "enabled": truthy(given.get("enabled", True)), "mac": given.get("mac"),
        "owner_id": number(given.get("owner_id")) or call.me["id"], "creator_id": call.me["id"], "uuid": None, "ip": given.get("ip"),
    }  # fmt: skip
    for key in (*FILLED, *REINHERITED):
        value = given.get(key)
        if key not in given:
            value = inherited(world, group, key)
        host[key] = value if key == "pxe_loader" else number(value)
    return host | blank(world, subnet=host.pop("subnet_id"))


def blank(world: World, subnet: int | None = None) -> Row:
    """Return the attributes that every new host starts with."""
    nic: Row = {
        "id": world.next_id("interfaces"),
        "subnet_id": subnet,
        "identifier": None,
        "managed": True,
        "attrs": {},
    }
    return {
        "interface": nic, "token": None, "last_token": None, "token_expires": None, "build_failed": False, "installed_at": None,
        "initiated_at": None, "last_report": None, "last_compile": None, "configuration_status": 0, "execution_status": 2,
        "global_status": 0, "stored_build_status": None, "model_id": None, "reported_data": None, "booted_at": world.now(), "facet": None,
    }  # fmt: skip


def number(value: Any) -> int | None:
    return None if value in (None, "") else int(value)


def facet_for(world: World, host: Row, own: Row | None, inherit: bool, old: Row | None = None) -> Row | None:
    """Return a host's Puppet facet, with the environment of its hostgroup if `inherit`.

    A host copies the environment when it gets the hostgroup, unless the request names one (foreman-api §7.2).
    """
    facet = own or old
    if inherit:
        environment = puppet.effective_environment(world, host["hostgroup_id"])
        if facet is None and environment is None:
            return None
        facet = {**(facet or puppet.facet()), "environment_id": environment}
    if facet is None:
        return None
    now = world.now()
    kept = old or {"id": world.next_id("facets"), "created_at": now, "updated_at": now}
    return {**kept, "environment_id": facet["environment_id"], "puppetclass_ids": list(facet["puppetclass_ids"])}


def explicit_environment(given: Row) -> bool:
    """Whether the request itself names an environment."""
    inner = given.get("puppet_attributes")
    return given.get("environment_id") is not None or (
        isinstance(inner, dict) and inner.get("environment_id") is not None
    )


def move(world: World, new: Row, given: Row) -> None:
    """Set the hostgroup that a PUT names and inherit from it again (foreman-api §4.4), unless the host is unmanaged."""
    if "hostgroup_id" not in given:
        return
    wanted = number(given["hostgroup_id"])
    group = world.get("hostgroups", wanted)
    if wanted is not None and group is None:
        raise not_found("host")
    new["hostgroup_id"] = wanted
    if not new["managed"]:
        return
    for key in REINHERITED:
        if key not in given:
            new[key] = inherited(world, group, key)
    for key in FILLED:
        if key != "subnet_id" and new[key] is None:
            new[key] = inherited(world, group, key)
