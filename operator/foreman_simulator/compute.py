"""Compute resources, profiles, images and VMs.

Follows foreman-api §5.2; recordings raw/interfaces-images-reads, whole-flow-as-service-user 20, 21.
"""

from __future__ import annotations

import re
from typing import Any

from .call import Call, Route
from .hostgroup_views import taxonomy
from .replies import Failure, Invalid, Row, error, not_found, pick, stamps
from .search import Field, Fields
from .world import World

BASE = "/api/v2/compute_resources"
NAMED = Fields({"name": Field(lambda row: row["name"]), "id": Field(lambda row: row["id"], "integer")})
#: what the provider of the lab, Libvirt, can do
CAPABILITIES = ["build", "image", "new_volume"]


def view(row: Row) -> Row:
    """A row of the list."""
    keys = ("id", "name", "provider", "provider_friendly_name", "display_type", "set_console_password")
    return {**pick(row, ("description", "url")), **stamps(row), **pick(row, keys)}


def attributes_view(world: World, row: Row) -> Row:
    """A profile's attributes for one resource."""
    return {
        "id": row["id"],
        "name": row["name"],
        "compute_resource_id": row["compute_resource_id"],
        "compute_resource_name": world.name_of("compute_resources", row["compute_resource_id"]),
        "provider_friendly_name": world.name_of(
            "compute_resources", row["compute_resource_id"], "provider_friendly_name"
        ),
        "compute_profile_id": row["compute_profile_id"],
        "compute_profile_name": world.name_of("compute_profiles", row["compute_profile_id"]),
        "vm_attrs": row["vm_attrs"],
        "attributes": _normalised(row["vm_attrs"]),
    }


def _normalised(attrs: Row) -> Row:
    """Return a provider's attributes in Foreman's own form (for Libvirt)."""
    volumes = {
        key: {
            "capacity": str(_bytes(v.get("capacity", "0")) or 0),
            "allocation": str(_bytes(v.get("allocation", "0")) or 0),
            "format_type": v.get("format_type"),
            "pool": v.get("pool_name"),
        }
        for key, v in (attrs.get("volumes_attributes") or {}).items()
    }
    return {
        "cpus": attrs.get("cpus"), "memory": attrs.get("memory"), "image_id": attrs.get("image_id"), "image_name": None,
        "volumes_attributes": volumes, "interfaces_attributes": attrs.get("nics_attributes") or {},
    }  # fmt: skip


def _bytes(text: object) -> int | None:
    found = re.fullmatch(r"(\d+)([KMGT]?)", str(text))
    return (
        int(found[1]) * 1024 ** "KMGT".index(found[2]) * 1024
        if found and found[2]
        else int(found[1])
        if found
        else None
    )


async def index(call: Call) -> Any:
    """GET compute_resources (whole-flow-as-service-user 20)."""
    return call.listing(call.in_taxonomies(call.world.rows("compute_resources")), NAMED, view)


def _resource(call: Call) -> Row:
    row = call.world.find("compute_resources", call.args["resource"], "compute_resource")
    if not call.in_taxonomies([row]):
        raise not_found("compute_resource", call.args["resource"])
    return row


async def show(call: Call) -> Any:
    """GET compute_resources/:id (raw/interfaces-images-reads)."""
    world, row = call.world, _resource(call)
    images = [i for i in world.rows("images") if i["compute_resource_id"] == row["id"]]
    attributes = [a for a in world.rows("compute_attributes") if a["compute_resource_id"] == row["id"]]
    return {
        **view(row),
        "images": [{"id": i["id"], "name": i["name"]} for i in images],
        "compute_attributes": [attributes_view(world, a) for a in attributes],
        "locations": taxonomy(world, "locations", row["location_ids"]),
        "organizations": taxonomy(world, "organizations", row["organization_ids"]),
    }


async def profiles(call: Call) -> Any:
    """GET compute_profiles (hosts 24)."""
    return call.listing(
        call.world.rows("compute_profiles"), NAMED, lambda row: {**stamps(row), "id": row["id"], "name": row["name"]}
    )


async def profile(call: Call) -> Any:
    """GET compute_profiles/:id (whole-flow-as-service-user 21)."""
    world = call.world
    row = world.find("compute_profiles", call.args["id"], "compute_profile")
    attributes = [a for a in world.rows("compute_attributes") if a["compute_profile_id"] == row["id"]]
    shown = [attributes_view(world, a) for a in attributes]
    return {**stamps(row), "id": row["id"], "name": row["name"], "compute_attributes": shown}


def _image_view(world: World, row: Row) -> Row:
    """Return an image without `user_data`, which can be searched but not read.

    See core app/views/api/v2/images/main.json.rabl, app/models/image.rb.
    """
    named = {
        "operatingsystem_id": row["operatingsystem_id"],
        "operatingsystem_name": world.name_of("operatingsystems", row["operatingsystem_id"], "title"),
        "compute_resource_id": row["compute_resource_id"],
        "compute_resource_name": world.name_of("compute_resources", row["compute_resource_id"]),
        "architecture_id": row["architecture_id"],
        "architecture_name": world.name_of("architectures", row["architecture_id"]),
    }
    return {**named, **pick(row, ("uuid", "username")), **stamps(row), **pick(row, ("id", "name"))}


IMAGES = Fields({
    "name": Field(lambda row: row["name"]),
    "username": Field(lambda row: row["username"]),
    "user_data": Field(lambda row: row["user_data"], "boolean"),
    "architecture": Field(lambda row: row["architecture_id"], "integer"),
    "operatingsystem": Field(lambda row: row["operatingsystem_id"], "integer"),
})  # fmt: skip


async def images(call: Call) -> Any:
    """GET compute_resources/:id/images (raw/interfaces-images-reads)."""
    resource = _resource(call)
    rows = [i for i in call.world.rows("images") if i["compute_resource_id"] == resource["id"]]
    return call.listing(rows, IMAGES, lambda row: _image_view(call.world, row))


async def machines(call: Call) -> Any:
    """GET available_virtual_machines: a bare list (measured §9) of all VMs (core compute_resources_controller.rb)."""
    resource = _resource(call)
    return [_vm_row(vm) for vm in call.world.vms.values() if vm["compute_resource_id"] == resource["id"]]


def _vm_row(vm: Row) -> Row:
    """Return a row of the list, without the `path` that only some providers have.

    See core views/api/v2/compute_resources/available_virtual_machines.rabl.
    """
    return {"name": vm["name"], "id": vm["uuid"], "state": "running" if vm["on"] else "shutoff"}


async def machine(call: Call) -> Any:
    """GET available_virtual_machines/:uuid: a missing one is 500 (foreman-api §5.2)."""
    _resource(call)
    vm = call.world.vms.get(call.args["uuid"])
    if vm is None:
        raise error(500, f"ERF42-0000 [Foreman::Exception]: Unable to find VM {call.args['uuid']}")
    return _vm_view(vm)


def _vm_view(vm: Row) -> Row:
    return {"id": vm["uuid"], "name": vm["name"], "uuid": vm["uuid"], "state": "running" if vm["on"] else "shutoff"}


async def destroy_machine(call: Call) -> Any:
    """DELETE available_virtual_machines/:uuid (foreman-api §4.5); a missing one is tolerated.

    See core compute_resources_controller.rb.
    """
    _resource(call)
    await call.commit()
    vm = call.world.vms.pop(call.args["uuid"], None)
    if vm is not None:
        call.world.log("vm_deleted", vm["name"], "triggered")
        call.world.machines.pop(vm["name"], None)
    return {}


def profile_attributes(world: World, resource: int, wanted: int | None) -> Row:
    """Return a profile's attributes for a compute resource; empty if none were set (measured §1.6)."""
    for row in world.rows("compute_attributes"):
        if row["compute_resource_id"] == resource and row["compute_profile_id"] == wanted:
            return dict(row["vm_attrs"])
    return {}


def plan_vm(world: World, host: Row, given: Any) -> Row | None:
    """Return the attributes of the VM that a host's POST makes, or None for no VM.

    Answers 422 where the provider refuses (hosts 18, 22, 25, 26).
    """
    resource = world.get("compute_resources", host["compute_resource_id"])
    if resource is None:
        return None
    attrs = {**profile_attributes(world, resource["id"], host["compute_profile_id"])}
    had_profile = bool(attrs)
    attrs |= given if isinstance(given, dict) else {}
    if not attrs:
        return None
    if not had_profile and not attrs.get("nics_attributes"):
        raise refused(f"Could not find virtual machine network interface matching {host['ip']}")
    for volume in (attrs.get("volumes_attributes") or {}).values():
        if _bytes(volume.get("capacity", "")) is None:
            raise _provider(resource, host, "ERF42-7938 [Foreman::Exception]: Please specify volume size. You may optionally use "
                            "suffix 'G' to specify volume size in gigabytes.")  # fmt: skip
    if host["provision_method"] == "image":
        uuid = attrs.get("image_id")
        if not any(i["uuid"] == uuid and i["compute_resource_id"] == resource["id"] for i in world.rows("images")):
            raise _provider(resource, host, f"ERF42-3305 [Foreman::Exception]: Unable to find template {uuid}")
    return attrs


def make_vm(world: World, host: Row, attrs: Row) -> Row:
    """Make the VM; answer 422 if there is one of that name (raw/parallel-creates)."""
    resource = world.table("compute_resources")[host["compute_resource_id"]]
    if any(vm["name"] == host["name"] and vm["compute_resource_id"] == resource["id"] for vm in world.vms.values()):
        raise _provider(
            resource, host, "Call to virStorageVolCreateXML failed: operation failed: storage vol already exists"
        )
    raw = f"{world.random.getrandbits(24):06x}"
    vm = {
        "uuid": world.uuid(), "name": host["name"], "compute_resource_id": resource["id"], "on": attrs.get("start") == "1",
        "mac": f"52:54:00:{raw[:2]}:{raw[2:4]}:{raw[4:]}", "attrs": attrs, "created_at": world.now(),
    }  # fmt: skip
    world.vms[vm["uuid"]] = vm
    return vm


def refused(text: str) -> Failure:
    """Return the 422 of a failed orchestration, with the text in `errors.base`."""
    errors = Invalid()
    errors.add("base", text)
    return Failure(422, {"error": {"id": None, "errors": errors.errors, "full_messages": errors.full}})


def _provider(resource: Row, host: Row, text: str) -> Failure:
    named = f"{resource['name']} ({resource['provider_friendly_name']})"
    return refused(f"Failed to create a compute {named} instance {host['name']}: {text}\n ")


def routes() -> list[Route]:
    """Endpoints of this module."""
    see, profile_see = ("view_compute_resources",), ("view_compute_profiles",)
    vms = f"{BASE}/:resource/available_virtual_machines"
    return [
        Route("GET", BASE, index, see),
        Route("GET", f"{BASE}/:resource", show, see),
        Route("GET", f"{BASE}/:resource/images", images, see),
        Route("GET", vms, machines, ("view_compute_resources_vms",)),
        Route("GET", f"{vms}/:uuid", machine, ("view_compute_resources_vms",)),
        Route("DELETE", f"{vms}/:uuid", destroy_machine, ("destroy_compute_resources_vms",)),
        Route("GET", "/api/v2/compute_profiles", profiles, profile_see),
        Route("GET", "/api/v2/compute_profiles/:id", profile, profile_see),
    ]
