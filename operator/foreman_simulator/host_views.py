"""Hosts in answers: rows, documents, statuses, search fields (foreman-api §2, §4.2; recordings hosts, build-life)."""

from __future__ import annotations

from typing import Any

from . import compute, parameters, puppet
from .call import Call
from .casting import searchable
from .enc import full_name
from .hostgroup_views import raw_facet
from .replies import Row, iso, stamps, utc
from .search import Field, Fields
from .world import World

BUILD = {0: "Installed", 1: "Pending installation", 2: "Token expired", 3: "Installation error"}
EXECUTION = {0: "Last execution succeeded", 1: "Last execution failed", 2: "Unknown execution status"}
GLOBAL = {0: "OK", 1: "Warning", 2: "Error"}
COUNTERS = ("applied", "restarted", "failed", "failed_restarts", "skipped", "pending")
PERMISSIONS = (
    "cockpit_hosts", "view_discovered_hosts", "submit_discovered_hosts", "auto_provision_discovered_hosts",
    "provision_discovered_hosts", "edit_discovered_hosts", "destroy_discovered_hosts", "view_hosts", "create_hosts", "edit_hosts",
    "destroy_hosts", "build_hosts", "power_hosts", "console_hosts", "ipmi_boot_hosts", "forget_status_hosts",
)  # fmt: skip
PLAIN_NAMES = (
    ("domain", "domains"), ("architecture", "architectures"), ("operatingsystem", "operatingsystems"),
)  # fmt: skip


def build_status(world: World, host: Row) -> int:
    """0 installed, 1 pending, 2 token expired, 3 failed (foreman-api §9)."""
    if host["build"]:
        return 2 if host["token_expires"] is not None and host["token_expires"] <= world.now() else 1
    return 3 if host["build_failed"] else 0


def configuration_counters(status: int) -> Row:
    """Unpack six counters of ten bits each from one integer (core app/models/config_report.rb:2-4)."""
    return {name: status >> (10 * bit) & 1023 for bit, name in enumerate(COUNTERS)}


def configuration_number(counters: Row) -> int:
    """Pack the counters into one integer, each capped at 1023."""
    return sum(min(int(counters.get(name) or 0), 1023) << (10 * bit) for bit, name in enumerate(COUNTERS))


def configuration_label(world: World, host: Row) -> str:
    """The label of the configuration status (foreman-api §9)."""
    counters = configuration_counters(host["configuration_status"])
    if not host["last_report"]:
        return "No reports"
    if counters["failed"] or counters["failed_restarts"]:
        return "Error"
    if host["last_report"] < world.now() - 65 * 60:
        return "Out of sync"
    if counters["applied"] or counters["restarted"]:
        return "Active"
    return "Pending" if counters["pending"] else "No changes"


def global_status(world: World, host: Row) -> int:
    """The worst of the relevant statuses, as of now."""
    if build_status(world, host) in (2, 3) or host["execution_status"] == 1:
        return 2
    if not host["last_report"]:
        return 0
    label = configuration_label(world, host)
    return 2 if label == "Error" else 1 if label == "Out of sync" else 0


def row(world: World, host: Row, token: bool = False) -> Row:
    """Return a row of the list. `token`: still show the token that this write has just removed (build-life 42)."""
    nic, subnet = host["interface"], world.get("subnets", host["interface"]["subnet_id"])
    owner, creator = world.get("users", host["owner_id"]), world.get("users", host["creator_id"])
    resource = world.get("compute_resources", host["compute_resource_id"])
    group = world.get("hostgroups", host["hostgroup_id"])
    shown: Row = {
        "ip": host["ip"], "ip6": None, "last_report": utc(host["last_report"]), "mac": host["mac"], "realm_id": None, "realm_name": None,
        "sp_mac": None, "sp_ip": None, "sp_name": None,
    }  # fmt: skip
    for one, table in PLAIN_NAMES:
        shown[f"{one}_id"] = host[f"{one}_id"]
        shown[f"{one}_name"] = world.name_of(table, host[f"{one}_id"], "title" if one == "operatingsystem" else "name")
    shown |= {
        "subnet_id": nic["subnet_id"], "subnet_name": subnet["name"] if subnet else None, "subnet6_id": None, "subnet6_name": None,
        "sp_subnet_id": None, "ptable_id": host["ptable_id"], "ptable_name": world.name_of("ptables", host["ptable_id"]),
        "medium_id": host["medium_id"], "medium_name": world.name_of("media", host["medium_id"]), "pxe_loader": host["pxe_loader"],
        "build": host["build"], "comment": host["comment"], "disk": None, "initiated_at": utc(host["initiated_at"]),
        "installed_at": utc(host["installed_at"]), "model_id": host["model_id"], "hostgroup_id": host["hostgroup_id"],
        "owner_id": host["owner_id"], "owner_name": full_name(owner) if owner else None, "owner_type": "User" if owner else None,
        "creator_id": host["creator_id"], "creator": full_name(creator) if creator else None, "enabled": host["enabled"],
        "managed": host["managed"], "use_image": None, "image_file": "", "uuid": host["uuid"],
        "compute_resource_id": host["compute_resource_id"], "compute_resource_name": resource["name"] if resource else None,
        "compute_profile_id": host["compute_profile_id"],
        "compute_profile_name": world.name_of("compute_profiles", host["compute_profile_id"]),
        "capabilities": list(compute.CAPABILITIES) if resource else ["build"], "provision_method": host["provision_method"],
        "certname": host["name"], "image_id": host["image_id"], "image_name": world.name_of("images", host["image_id"]),
        **stamps(host), "last_compile": utc(host["last_compile"]),
    }  # fmt: skip
    shown |= _statuses(world, host)
    shown |= {
        "name": host["name"], "id": host["id"], "display_name": host["name"], "puppet_proxy_id": None, "puppet_proxy_name": None,
        "puppet_ca_proxy_id": None, "puppet_ca_proxy_name": None, "puppet_proxy": None, "puppet_ca_proxy": None, "cockpit_url": None,
        "compute_resource_provider": resource["provider"].lower() if resource else None,
    }  # fmt: skip
    if host["token"] or token:
        shown["token"] = host["token"] or host["last_token"]
    shown |= {"hostgroup_name": group["name"] if group else None, "hostgroup_title": group["title"] if group else None}
    if host["facet"]:
        environment = host["facet"]["environment_id"]
        shown |= {"environment_id": environment, "environment_name": world.name_of("environments", environment)}
    if host["reported_data"] is not None:
        shown |= {"reported_data": host["reported_data"], "uptime_seconds": int(world.now() - host["booted_at"])}
    return shown


def _statuses(world: World, host: Row) -> Row:
    """Return the statuses; `configuration_status` appears only once there is a report (build-life 24, 35)."""
    built = build_status(world, host)
    shown: Row = {
        "global_status": host["global_status"], "global_status_label": GLOBAL[global_status(world, host)], "bmc_available": False,
        "organization_id": host["organization_id"], "organization_name": world.name_of("organizations", host["organization_id"]),
        "location_id": host["location_id"], "location_name": world.name_of("locations", host["location_id"]),
        "puppet_status": host["configuration_status"], "model_name": world.name_of("models", host["model_id"]),
    }  # fmt: skip
    if host["last_report"]:
        label = configuration_label(world, host)
        shown |= {"configuration_status": host["configuration_status"], "configuration_status_label": label}
    execution = host["execution_status"]
    return shown | {
        "build_status": built, "build_status_label": BUILD[built], "execution_status": execution,
        "execution_status_label": EXECUTION[execution],
    }  # fmt: skip


def interface(world: World, host: Row) -> Row:
    """The primary interface (hosts 36)."""
    nic = host["interface"]
    return {
        "subnet_id": nic["subnet_id"], "subnet_name": world.name_of("subnets", nic["subnet_id"]), "subnet6_id": None, "subnet6_name": None,
        "domain_id": host["domain_id"], "domain_name": world.name_of("domains", host["domain_id"]), **stamps(host),
        "managed": nic["managed"], "identifier": nic["identifier"], "id": nic["id"], "name": host["name"], "ip": host["ip"], "ip6": None,
        "mac": host["mac"], "mtu": 1500, "fqdn": host["name"], "primary": True, "provision": True, "type": "interface",
        "execution": True, "virtual": False,
    }  # fmt: skip


def full(call: Call, host: Row, token: bool = False) -> Row:
    """Return the document of show, create and update (hosts 6)."""
    world = call.world
    hidden = call.query.get("show_hidden_parameters") == "true" and call.may("edit_params")
    see = call.may("view_params")
    shown = row(world, host, token)
    shown["parameters"] = [parameters.view(p, hidden) for p in parameters.own(world, "host", host["id"])] if see else []
    shown["all_parameters"] = [
        parameters.view(p, hidden) for p in parameters.effective(world, host) if see or p["owner_type"] == "common"
    ]
    shown["interfaces"] = [interface(world, host)]
    if host["facet"]:
        shown |= puppet.class_view(world, host["facet"]["puppetclass_ids"], puppet.host_classes(world, host))
    shown["permissions"] = {name: call.may(name) for name in PERMISSIONS}
    return shown


def deleted(host: Row) -> Row:
    """Return the raw row that answers a DELETE (hosts 27, class-parameters 73)."""
    same = (
        "id", "name", "architecture_id", "operatingsystem_id", "ptable_id", "medium_id", "build", "comment", "model_id", "hostgroup_id",
        "owner_id", "enabled", "managed", "uuid", "compute_resource_id", "image_id", "organization_id", "location_id",
        "compute_profile_id", "provision_method", "global_status", "pxe_loader", "creator_id",
    )  # fmt: skip
    times = ("last_compile", "last_report", "updated_at", "created_at", "installed_at", "initiated_at")
    empty = (
        "disk", "puppet_ca_proxy_id", "use_image", "puppet_proxy_id", "otp", "realm_id", "grub_pass", "discovery_rule_id", "build_errors",
    )  # fmt: skip
    raw = {
        **{key: host[key] for key in same}, **{key: iso(host[key]) for key in times}, **dict.fromkeys(empty),
        "root_pass": "$5$simulated$" if host["managed"] else None, "owner_type": "User", "image_file": "", "certname": host["name"],
        "lookup_value_matcher": f"fqdn={host['name']}",
    }  # fmt: skip
    if host["facet"]:
        raw["puppet_attributes"] = raw_facet(host, "host_id")
    return raw


def search_fields(world: World) -> Fields:
    """Return the search fields of hosts, those of plugins included (core app/models/concerns/hostext/search.rb)."""

    def named(table: str, key: str, label: str = "name") -> Field:
        return Field(lambda host: world.name_of(table, host[key], label))

    def number(key: str, called: str = "") -> Field:
        return Field(lambda host: host[key], "integer", called=called)

    def param(name: str) -> Field:
        return Field(
            lambda host: next(
                (searchable(p["value"]) for p in parameters.effective(world, host) if p["name"] == name), None
            )
        )

    def above(host: Row) -> list[Any]:
        return [group["title"] for group in parameters.lineage(world, host["hostgroup_id"])]

    def count(name: str) -> Field:
        return Field(lambda host: configuration_counters(host["configuration_status"])[name], "integer")

    environment = Field(lambda host: world.name_of("environments", (host["facet"] or {}).get("environment_id")))
    title = named("hostgroups", "hostgroup_id", "title")
    statuses = {"built": 0, "pending": 1, "token_expired": 2, "build_failed": 3}
    address, mac = Field(lambda host: host["ip"]), Field(lambda host: host["mac"])
    plain = {
        "name": Field(lambda host: host["name"]), "comment": Field(lambda host: host["comment"] or None), "id": number("id"),
        "last_report": Field(lambda host: host["last_report"], "date"), "created_at": Field(lambda host: host["created_at"], "date"),
        "installed_at": Field(lambda host: host["installed_at"], "date"), "build": Field(lambda host: host["build"], "boolean"),
        "managed": Field(lambda host: host["managed"], "boolean"), "uuid": Field(lambda host: host["uuid"]),
        "build_status": Field(lambda host: host["stored_build_status"], "enum", statuses, "status"),
        "global_status": Field(lambda host: global_status(world, host), "enum", {"ok": 0, "warning": 1, "error": 2}, "status"),
        "execution_status": Field(lambda host: host["execution_status"], "enum", {"ok": 0, "error": 1}, "status"),
        "hostgroup": named("hostgroups", "hostgroup_id"), "hostgroup_name": named("hostgroups", "hostgroup_id"),
        "hostgroup_title": title, "hostgroup_fullname": title, "hostgroup_id": number("hostgroup_id", "id"),
        "parent_hostgroup": Field(above), "domain": named("domains", "domain_id"), "domain_id": number("domain_id"),
        "architecture": named("architectures", "architecture_id"), "os": named("operatingsystems", "operatingsystem_id"),
        "os_title": named("operatingsystems", "operatingsystem_id", "title"), "os_id": number("operatingsystem_id"),
        "compute_resource": named("compute_resources", "compute_resource_id"), "compute_resource_id": number("compute_resource_id"),
        "image": named("images", "image_id"), "ip": address, "has_ip": address, "mac": mac, "has_mac": mac,
        "location": named("locations", "location_id"), "location_id": number("location_id"),
        "organization": named("organizations", "organization_id"), "organization_id": number("organization_id"),
        "environment": environment, "owner_id": number("owner_id"), "owner": named("users", "owner_id", "login"),
        "user.login": named("users", "owner_id", "login"),
        "puppetclass": Field(lambda host: [world.name_of("puppetclasses", c) for c in puppet.host_classes(world, host)]),
        **{f"status.{name}": count(name) for name in COUNTERS}, **{f"configuration_status.{name}": count(name) for name in COUNTERS},
        "job_invocation.id": Field(lambda host: host["_job"], "integer"),
        "job_invocation.result": Field(lambda host: host["_result"], "enum", {"success": "success", "failed": "failed",
                                       "cancelled": "cancelled", "pending": "pending"}, "result"),
    }  # fmt: skip
    return Fields(plain, {"params": param}, no_list=frozenset({"job_invocation.id"}))
