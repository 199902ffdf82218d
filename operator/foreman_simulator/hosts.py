"""Hosts: create, read, change, delete.

Follows foreman-api §4; measured §2; recordings hosts, build-life, lookup-values-inline.
"""

from __future__ import annotations

import asyncio
from typing import Any

from . import agents, compute, enc, host_build, host_names, host_views, overrides, parameters, puppet
from .call import Call, Route
from .host_rows import KNOWN, draft, explicit_environment, facet_for, move
from .replies import Invalid, Row, error, not_found, truthy
from .world import World

BASE = "/api/v2/hosts"


def visible(call: Call) -> list[Row]:
    """Return the hosts that the caller may see."""
    return call.in_taxonomies(call.world.rows("hosts"))


def find(call: Call, argument: str = "id") -> Row:
    """Return the host of the path, by id or name; 404 if the caller may not see it."""
    row = call.world.find("hosts", call.args[argument], "host")
    if not call.in_taxonomies([row]):
        raise not_found("host", call.args[argument])
    return row


async def index(call: Call) -> Any:
    """GET hosts: full rows, or thin ones if `thin` has any value (hosts 42-81; measured §1.3)."""
    world, thin = call.world, "thin" in call.query
    include = call.query.get("include[]") or call.query.get("include") or ""
    fields = host_views.search_fields(world)
    rows, by_job = visible(call), "job_invocation." in call.query.get("search", "")
    total = len(rows)
    if by_job:
        rows = _with_jobs(world, rows)

    def view(host: Row) -> Row:
        if thin:
            return {"id": host["id"], "name": host["name"]}
        shown = host_views.row(world, host)
        if include == "parameters":
            shown["parameters"] = [parameters.view(p) for p in parameters.own(world, "host", host["id"])]
        if include == "all_parameters":
            shown["all_parameters"] = [parameters.view(p) for p in parameters.effective(world, host)]
        return shown

    # thin rows come by name, whatever `order` asks for
    # (hosts 57, jobs-and-puppet-runs 27, whole-flow-as-service-user 53, 60)
    listed = call.listing(
        rows, fields, view, default=lambda row: (row["name"], row["id"]), counted=None if thin else "hosts", fixed=thin
    )
    return {**listed, "total": total}


def _with_jobs(world: World, hosts: list[Row]) -> list[Row]:
    """Return hosts joined with their template invocations: one row for each host and job."""
    by_id = {host["id"]: host for host in hosts}
    joined = []
    for part in world.rows("template_invocations"):
        host = by_id.get(part["host_id"])
        if host is not None:
            joined.append({**host, "_job": part["job_id"], "_result": part["result"]})
    return joined


async def show(call: Call) -> Any:
    """GET hosts/:id, by number or name (hosts 7, 83, 84)."""
    host = find(call)
    call.world.counts.rows["hosts"] += 1
    return host_views.full(call, host)


async def create(call: Call) -> Any:
    """POST hosts (hosts 6-30). The row appears at commit; the VM is made before it (measured §1.9)."""
    world = call.world
    given = call.wrapped("host", KNOWN)
    host = draft(call, given)
    errors = Invalid()
    host["name"] = host_names.normal(world, given.get("name"), host["domain_id"])
    host_names.check(world, host, given.get("name"), errors)
    _check(world, host, given, errors)
    elements = parameters.clean(call, given.get("host_parameters_attributes"), "host_parameters_attributes")
    params = parameters.check(elements, errors, "host_parameters")
    values: list[Row] = []
    if "lookup_values_attributes" in given:
        values = overrides.inline(call, given["lookup_values_attributes"], None, errors)
    own = puppet.facet_attributes(call, given, None)
    errors.raise_if_any()
    world.drop(f"{call.route.name} host.interfaces_attributes") if given.get("interfaces_attributes") else None
    no_vm = world.faults.for_host("no_vm", host["name"])
    vm = None
    if no_vm is None:
        vm = await _make_vm(call, host, given)
    await call.commit(host["name"])
    if host["organization_id"] is not None and host["organization_id"] not in world.table("organizations"):
        raise puppet.foreign_key(
            "hosts", "hosts_organization_id_fk", "organization_id", host["organization_id"], "taxonomies"
        )
    if vm is not None:
        host |= {"uuid": vm["uuid"], "mac": vm["mac"]}
    host["facet"] = facet_for(world, host, own, inherit=not explicit_environment(given))
    row = _insert(world, host, params, values)
    shown = host_views.full(call, row)
    if world.faults.for_host("no_type", row["name"]):
        world.table("hosts_without_type")[row["id"]] = world.table("hosts").pop(row["id"])
    return shown


def _check(world: World, host: Row, given: Row, errors: Invalid) -> None:
    """Check references; check the address, or choose one (hosts 19, 21, 29; measured §2)."""
    resource = host["compute_resource_id"]
    if resource is not None and resource not in world.table("compute_resources"):
        text = f"with id {resource} doesn't exist or is not assigned to proper organization and/or location"
        errors.add("compute_resource_id", text, "Compute resource")
        host["compute_resource_id"] = None
    if host["managed"] and host["organization_id"] is None:
        errors.add("organization_id", "can't be blank", "Organization")
    if host["managed"] and host["location_id"] is None:
        errors.add("location_id", "can't be blank", "Location")
    subnet = world.get("subnets", host["interface"]["subnet_id"])
    if host["ip"] and subnet and not host_names.inside(subnet, host["ip"]):
        errors.add("interfaces.ip", "does not match selected subnet")
    elif (
        not host["ip"]
        and subnet
        and subnet["ipam"] == "Internal DB"
        and not world.faults.for_host("no_address", host["name"])
    ):
        host["ip"] = host_names.free_address(world, subnet)


async def _make_vm(call: Call, host: Row, given: Row) -> Row | None:
    """Make the VM within the request, before the commit; remove it again if the commit is going to fail."""
    attrs = compute.plan_vm(call.world, host, given.get("compute_attributes"))
    if attrs is None:
        return None
    await asyncio.sleep(0)
    vm = compute.make_vm(call.world, host, attrs)
    if host["organization_id"] is not None and host["organization_id"] not in call.world.table("organizations"):
        del call.world.vms[vm["uuid"]]
    return vm


def _insert(world: World, host: Row, params: list[Row], values: list[Row]) -> Row:
    row = world.insert("hosts", host)
    parameters.store(world, "host", row["id"], params)
    overrides.apply_inline(world, values, f"fqdn={row['name']}")
    world.log("created", row["name"], "triggered")
    if row["build"]:
        host_build.start(world, row)
    agents.vm_power(world, row)
    return row


async def update(call: Call) -> Any:
    """PUT hosts/:id (hosts 31, 32, 35; build-life 36-42; environment-move-enc 40, 42; lookup-values-inline 30)."""
    world, host = call.world, find(call)
    given = call.wrapped("host", KNOWN)
    if host["uuid"] and host["uuid"] not in world.vms:
        raise compute.refused(f"Failed to find compute attributes, please check if VM {host['name']} was deleted")
    errors = Invalid(host["id"])
    new = dict(host)
    if "name" in given:
        new["name"] = host_names.normal(world, given["name"], host["domain_id"])
        host_names.check(world, new, given["name"], errors)
    elements = parameters.clean(call, given.get("host_parameters_attributes"), "host_parameters_attributes")
    params = parameters.check(elements, errors, "host_parameters")
    values: list[Row] = []
    if "lookup_values_attributes" in given:
        values = overrides.inline(call, given["lookup_values_attributes"], f"fqdn={host['name']}", errors)
    move(world, new, given)
    own = puppet.facet_attributes(call, given, host["facet"])
    again = "hostgroup_id" in given and not explicit_environment(given)
    new["facet"] = facet_for(world, new, own, again, host["facet"])
    for key in (
        "comment",
        "ip",
        "mac",
        "owner_id",
        "enabled",
        "organization_id",
        "location_id",
        "compute_resource_id",
        "compute_profile_id",
    ):
        if key in given:
            new[key] = given[key]
    errors.raise_if_any()
    changes = {key: value for key, value in new.items() if value != host[key]}
    await call.commit(host["name"])
    overrides.check_index(world, values, f"fqdn={host['name']}")
    _save(world, host, changes)
    if "host_parameters_attributes" in given:
        parameters.replace(world, "host", host["id"], params)
    overrides.apply_inline(world, values, f"fqdn={host['name']}")
    had_token = bool(host["token"])
    if "build" in given:
        host_build.set_build(world, host, truthy(given["build"]))
    return host_views.full(call, host, token=had_token)


def _save(world: World, host: Row, changes: Row) -> None:
    """Write only what this call changes: an installer or an agent may have written the rest meanwhile."""
    if "name" in changes:
        overrides.rename_match(world, f"fqdn={host['name']}", f"fqdn={changes['name']}")
        agents.renamed(world, host["name"], changes["name"])
    if changes:
        host.update(changes)
        world.touch(host)


async def destroy(call: Call) -> Any:
    """DELETE hosts/:id (hosts 91-96); the VM is deleted only if the setting says so (foreman-api §4.5)."""
    world, host = call.world, find(call)
    await call.commit(host["name"])
    if world.table("hosts").pop(host["id"], None) is None:
        raise not_found("host", host["id"])
    if world.setting("destroy_vm_on_host_delete") and world.vms.pop(host["uuid"] or "", None):
        world.machines.pop(host["name"], None)
    parameters.remove_all(world, "host", host["id"])
    overrides.remove_match(world, f"fqdn={host['name']}")
    for report in [r for r in world.rows("reports") if r["host_id"] == host["id"]]:
        del world.table("reports")[report["id"]]
    world.log("deleted", host["name"], "triggered")
    return host_views.deleted(host)


async def host_enc(call: Call) -> Any:
    """GET hosts/:id/enc (hosts 82, environment-move-enc 30-43)."""
    return {"data": enc.enc(call.world, find(call))}


async def interfaces(call: Call) -> Any:
    """GET hosts/:id/interfaces (hosts 36)."""
    host = find(call, "id")
    return call.listing([host], host_views.search_fields(call.world), lambda row: host_views.interface(call.world, row))


async def orchestration(call: Call) -> Any:
    """GET orchestration/:uuid/tasks: always 500, as for an unknown uuid (hosts 85), since no tasks are kept here."""
    raise error(500, "no implicit conversion of nil into String")


def routes() -> list[Route]:
    """Endpoints of this module."""
    see = ("view_hosts",)
    return [
        Route("GET", BASE, index, see),
        Route("POST", BASE, create, ("create_hosts",), created=True),
        Route("GET", f"{BASE}/:id", show, see),
        Route("PUT", f"{BASE}/:id", update, ("edit_hosts",)),
        Route("DELETE", f"{BASE}/:id", destroy, ("destroy_hosts",)),
        Route("GET", f"{BASE}/:id/enc", host_enc, see),
        Route("GET", f"{BASE}/:id/interfaces", interfaces, see),
        Route("GET", "/api/v2/orchestration/:uuid/tasks", orchestration, see),
    ]
