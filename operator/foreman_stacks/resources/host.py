"""A host on a compute resource."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, JsonValue

from foreman_stacks.foreman.port import (
    Change,
    ClassKeys,
    ComputeProfileNamed,
    ComputeResourceNamed,
    HostDetail,
    Hostgroup,
    HostNamed,
    HostRow,
    ImagesOf,
    OverrideOf,
    Query,
    Snapshot,
    TaxonomyNamed,
)
from foreman_stacks.model.identity import MARK_PARAMETER, Identity, Mark
from foreman_stacks.model.schema import Expression, ForemanName, Name, Written
from foreman_stacks.model.scope import ComputeSource, HostScope, Place, Scope
from foreman_stacks.model.values import Bound, ValueType
from foreman_stacks.model.words import counted
from foreman_stacks.resources.groups import (
    environment_of,
    parameter_body,
    place_of,
    remembered,
    taxonomies,
    unchanged,
)
from foreman_stacks.resources.hostgroup_parameter import NOT_RESERVED
from foreman_stacks.resources.parameter_override import WantedOverride, changes_of, new_values, removals, unread_keys


class HostParameter(Written):
    """A parameter of each host of a role; the expression sees `host`."""

    rules = (NOT_RESERVED,)

    name: Name = Field(description="Name of the parameter in Foreman.")
    type: ValueType | None = Field(
        default=None, description="Type of the value in Foreman. Default: what the expression gives."
    )
    expression: Expression = Field(
        description="A CEL expression, evaluated for each host: `host` is that host (name, fqdn, ip, index), `peers` "
        "are the other hosts of the role."
    )


class ComputeResource(Written):
    """Makes each host as a virtual machine on a compute resource of Foreman."""

    name: ForemanName = Field(description="Name of the compute resource in Foreman.")
    profile: ForemanName | None = Field(
        default=None,
        description="Name of the compute profile; it must have attributes for this compute resource.",
    )
    image: ForemanName | None = Field(
        default=None,
        description="Name of the image to build from; it must take user data. Default: the host is installed over the "
        "network.",
    )
    attributes: Annotated[dict[str, JsonValue], Field(max_length=64)] = Field(
        default_factory=dict,
        description="Attributes of the virtual machine that differ from the profile, as Foreman's compute_attributes.",
    )


MOVE_AT_ONCE = 100
"""The most hosts of one bulk move, which costs the server 33 ms per host (foreman-measured §3)."""


def mark_of(identity: Identity, host: HostScope) -> Mark:
    """The mark that a host gets from the POST that creates it."""
    return Mark(str(identity), role=host.ref.role, index=host.ref.index, source=host.source.name)


def queries(sources: Iterable[ComputeSource], organization: str | None, location: str | None) -> Sequence[Query[Any]]:
    """The queries for the ids that creating hosts of these sources needs."""
    asked = list(dict.fromkeys((source.compute_resource, source.profile) for source in sources))
    found: list[Query[Any]] = [ComputeResourceNamed(name) for name, _ in asked]
    found += [ComputeProfileNamed(profile) for _, profile in asked if profile]
    return list(dict.fromkeys(found + taxonomies(organization, location)))


def create(host: HostScope, scope: Scope, staging: Hostgroup, seen: Snapshot) -> Change:
    """The POST of one host into its staging hostgroup: powered on, in build, with all values that need no address."""
    resource = seen[ComputeResourceNamed(host.source.compute_resource)]
    assert resource is not None, "preflight refuses an unknown compute resource"
    fqdn = f"{host.label}.{staging.domain}"
    attributes: dict[str, Any] = {**host.source.attributes, "start": "1"}  # else the VM stays off (measured §1.7)
    body: dict[str, Any] = {
        "name": host.label,
        "hostgroup_id": staging.id,
        "build": True,
        "managed": True,
        "compute_resource_id": resource.id,
        "compute_attributes": attributes,
        "comment": f"Host {host.ref.index} of role {host.ref.role} of {scope.identity.namespace}/{scope.identity.name}",
        "host_parameters_attributes": [
            {"name": MARK_PARAMETER, "value": str(mark_of(scope.identity, host)), "parameter_type": "string"},
            *(parameter_body(bound) for bound in host.parameters),
        ],
    }
    body |= _taxonomy_ids(scope, seen)
    if host.source.profile:
        profile = seen[ComputeProfileNamed(host.source.profile)]
        body["compute_profile_id"] = profile.id if profile else None
    if host.source.image:
        image = next(image for image in seen[ImagesOf(resource.id)] if image.name == host.source.image)
        body |= {"provision_method": "image", "image_id": image.id}
        attributes["image_id"] = image.uuid
    environment = environment_of(scope.chain(host.group)[-1].outer_parent, scope.environment, seen) or ""
    known, settles = _values(host, fqdn, environment, seen)
    if known:
        body["lookup_values_attributes"] = known
    return Change("create", "host", fqdn, body, intent=True, answers=HostNamed(fqdn), settles=settles)


def _taxonomy_ids(scope: Scope, seen: Snapshot) -> dict[str, int | None]:
    ids: dict[str, int | None] = {}
    if scope.organization:
        ids["organization_id"] = seen[TaxonomyNamed("organizations", scope.organization)]
    if scope.location:
        ids["location_id"] = seen[TaxonomyNamed("locations", scope.location)]
    return ids


def overrides_of(host: HostScope, fqdn: str) -> list[WantedOverride]:
    """The values of class parameters for this host alone."""
    return [WantedOverride(name, bound, f"fqdn={fqdn}") for name, bound in host.overrides]


def _values(
    host: HostScope, fqdn: str, environment: str, seen: Snapshot
) -> tuple[dict[str, Any], tuple[tuple[Query[Any], Any], ...]]:
    """Return the override values for the POST, and the answers that the POST settles about all of the host's values."""
    settles: list[tuple[Query[Any], Any]] = []
    labels = [label.rpartition("::") for label in host.pending if "::" in label]
    for name, _, parameter in labels:  # not known yet: a new host has no such value
        key = seen[ClassKeys(environment, name)].get(parameter)
        if key is not None:
            settles.append((OverrideOf(key.id, f"fqdn={fqdn}"), None))
    body, known = new_values(overrides_of(host, fqdn), environment, seen)
    settles += [pair for bound in host.parameters for pair in remembered(place_of(fqdn, bound), bound)]
    return body, (*settles, *known)


def move(hosts: Sequence[HostRow], group: Hostgroup, scope: Scope, seen: Snapshot) -> Change:
    """The bulk move into the role hostgroup, by ids only: an empty search would move every host (measured §3)."""
    assert hosts, "never a bulk call without ids"
    body: dict[str, Any] = {"included": {"ids": [host.id for host in hosts]}, "hostgroup_id": group.id}
    if scope.organization:
        body["organization_id"] = seen[TaxonomyNamed("organizations", scope.organization)]
    return Change("move", "host", f"{counted(len(hosts), 'host')} to {group.title}", body)


def remaining(host: HostScope, row: HostRow, environment: str, gone: Iterable[Place], seen: Snapshot) -> list[Change]:
    """The changes that give a host all its own values and remove those of `gone`; new overrides go in one PUT."""
    changes = changes_of(overrides_of(host, row.name), environment, seen)
    new = [change for change in changes if change.verb == "create"]
    found = [change for change in changes if change.verb != "create"]
    if new:
        values = {
            str(position): {"lookup_key_id": change.address[0], "value": change.body["value"]}
            for position, change in enumerate(new)
        }
        settles = tuple(pair for change in new for pair in change.settles)
        found.append(
            Change("update", "host", row.name, {"lookup_values_attributes": values}, (row.id,), settles=settles)
        )
    found += filter(None, (_parameter(row, bound, seen) for bound in host.parameters))
    overridden = [(place.puppet_class, place.name) for place in gone if place.puppet_class]
    found += removals(overridden, f"fqdn={row.name}", environment, seen)
    names = {place.name for place in gone if not place.puppet_class}
    return found + [_removal(row, entry.name) for entry in row.parameters or () if entry.name in names]


def unread_values(
    hosts: Mapping[str, HostScope], environment: str, gone: Iterable[Place], seen: Snapshot
) -> list[Query[Any]]:
    """The queries, one for each class parameter, for values of these hosts (by FQDN) that have not been read."""
    found = [
        (entry.puppet_class, entry.bound.name, entry.match)
        for fqdn, host in hosts.items()
        for entry in overrides_of(host, fqdn)
    ]
    found += [
        (place.puppet_class, place.name, f"fqdn={fqdn}") for place in gone if place.puppet_class for fqdn in hosts
    ]
    return unread_keys(found, environment, seen)


def _removal(row: HostRow, name: str) -> Change:
    stales = (HostNamed(row.name), HostDetail(row.id))
    return Change("delete", "host_parameter", f"{row.name} {name}", address=(row.id, name), stales=stales)


def _parameter(row: HostRow, bound: Bound, seen: Snapshot) -> Change | None:
    """The change of a parameter, None when it is as wanted.

    It is a nested call: a PUT with the host's parameters as an array would remove the mark (foreman-measured §2).
    """
    now = next((entry for entry in row.parameters or () if entry.name == bound.name), None)
    place = place_of(row.name, bound)
    rest: dict[str, Any] = {"stales": (HostNamed(row.name), HostDetail(row.id)), "settles": remembered(place, bound)}
    if now is None:
        return Change("create", "host_parameter", place, parameter_body(bound), (row.id,), **rest)
    if unchanged(place, bound, now, seen):
        return None
    body = {name: value for name, value in parameter_body(bound).items() if name != "name"}
    return Change("update", "host_parameter", place, body, (row.id, bound.name), **rest)
