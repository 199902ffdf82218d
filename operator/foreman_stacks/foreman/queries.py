"""What the operator asks of Foreman: each query is one read, as data; those of one kind share few requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from foreman_stacks.foreman.answers import (
    ClassKey,
    ComputeProfile,
    ComputeResource,
    Enc,
    Hostgroup,
    HostRow,
    Image,
    Job,
    OverrideValue,
    Report,
    Server,
    ThinHost,
)
from foreman_stacks.model.identity import Identity
from foreman_stacks.model.values import Json

R = TypeVar("R")


@dataclass(frozen=True)
class Query(Generic[R]):
    """One read, as data; `R` is the type of its answer."""


@dataclass(frozen=True)
class ServerInfo(Query[Server]):
    """Version, plugins, permissions, features."""


@dataclass(frozen=True)
class ServerVersion(Query[str]):
    """The version alone: a cheap way to see whether the server answers and accepts the credentials."""


@dataclass(frozen=True)
class TaxonomyNamed(Query[int | None]):
    """The id of an organization or location."""

    kind: Literal["organizations", "locations"]
    name: str


@dataclass(frozen=True)
class HostgroupNamed(Query[Hostgroup | None]):
    """A hostgroup by its exact title, with parameters and classes."""

    title: str


@dataclass(frozen=True)
class HostgroupById(Query[Hostgroup | None]):
    """A hostgroup by id, with parameters and classes."""

    id: int


@dataclass(frozen=True)
class MarkedHostgroups(Query[tuple[Hostgroup, ...]]):
    """All hostgroups that bear or inherit a mark of this identity; slow, so only teardown asks for it."""

    identity: Identity


@dataclass(frozen=True)
class EnvironmentNamed(Query[int | None]):
    """The id of a Puppet environment."""

    name: str


@dataclass(frozen=True)
class ClassNamed(Query[int | None]):
    """The id of a Puppet class, if it is in the environment."""

    environment: str
    name: str


@dataclass(frozen=True)
class ClassKeys(Query[Mapping[str, ClassKey]]):
    """A class's parameters in an environment, by name."""

    environment: str
    puppet_class: str


@dataclass(frozen=True)
class OverrideOf(Query[OverrideValue | None]):
    """The value of a class parameter for one match."""

    key_id: int
    match: str


@dataclass(frozen=True)
class OverridesOf(Query[Mapping[str, Json]]):
    """All values of a class parameter by their match; a hidden value reads `*****`."""

    key_id: int


@dataclass(frozen=True)
class ComputeResourceNamed(Query[ComputeResource | None]):
    """A compute resource."""

    name: str


@dataclass(frozen=True)
class ImagesOf(Query[tuple[Image, ...]]):
    """The images of a compute resource."""

    compute_resource_id: int


@dataclass(frozen=True)
class VmPresent(Query[bool]):
    """Whether a compute resource has this machine. For a missing one Foreman answers 500 (foreman-api §5.2)."""

    compute_resource_id: int
    uuid: str


@dataclass(frozen=True)
class ComputeProfileNamed(Query[ComputeProfile | None]):
    """A compute profile."""

    name: str


@dataclass(frozen=True)
class HostTaken(Query[int | None]):
    """The id of the host that has this FQDN, None if the operator's user sees none; a thin search."""

    fqdn: str


@dataclass(frozen=True)
class HostNamed(Query[HostRow | None]):
    """A host's full row by FQDN."""

    fqdn: str


@dataclass(frozen=True)
class HostDetail(Query[HostRow | None]):
    """A host by id with its own mark, the proof that it may be deleted."""

    id: int


@dataclass(frozen=True)
class MarkedHosts(Query[tuple[ThinHost, ...]]):
    """Hosts with an *own* mark of this identity (a hostgroup's mark has no `role=`); slow, like `MarkedHostgroups`."""

    identity: Identity


@dataclass(frozen=True)
class HostsIn(Query[frozenset[str]]):
    """FQDNs of the hosts of a hostgroup, all of them or those in one state.

    The answer may include hosts of other hostgroups that shared the search: only check whether given names are in it.
    """

    hostgroup_id: int
    state: Literal["any", "built", "failed"] = "any"


@dataclass(frozen=True)
class HostsOf(Query[frozenset[str]]):
    """FQDNs of the hosts of this hostgroup and, unlike `HostsIn`, of no other: shows whether it is empty."""

    hostgroup_id: int


@dataclass(frozen=True)
class HostsWithEnvironment(Query[frozenset[str]]):
    """FQDNs of the hosts of a hostgroup that have this environment, the proof that they were moved."""

    hostgroup_id: int
    environment: str


@dataclass(frozen=True)
class HostsInPlace(Query[frozenset[str]]):
    """FQDNs of the hosts of a hostgroup that have this environment and an own mark of this identity.

    It is read anew each time: people may have moved such a host or taken it as their own.
    """

    hostgroup_id: int
    environment: str
    identity: Identity


@dataclass(frozen=True)
class EncOf(Query[Enc]):
    """What Puppet would be given for a host now."""

    host_id: int


@dataclass(frozen=True)
class JobWithToken(Query[Job | None]):
    """The job whose description contains this token: finds a job when the reply to its start was lost."""

    token: str


@dataclass(frozen=True)
class JobCounts(Query[Job | None]):
    """A job's counts, without its hosts."""

    id: int


@dataclass(frozen=True)
class JobHosts(Query[frozenset[str]]):
    """FQDNs of the hosts of a job that have this result; like `HostsIn`, it may include hosts of other jobs."""

    id: int
    result: Literal["success", "failed", "cancelled"]


@dataclass(frozen=True)
class JobOutput(Query[str]):
    """What a job printed on one host."""

    id: int
    host_id: int


@dataclass(frozen=True)
class NewestReport(Query[int]):
    """The highest report id of the server, which serves as a baseline."""


@dataclass(frozen=True)
class ReportsSince(Query[tuple[Report, ...]]):
    """A host's reports above a baseline, oldest first."""

    host_id: int
    baseline: int


@dataclass(frozen=True)
class ReportLog(Query[tuple[str, ...]]):
    """The messages of a report at level err or above, with their sources."""

    id: int


@dataclass(frozen=True)
class ReportVersion(Query[str | None]):
    """The configuration version that a report's log names; the log of a run without `--verbose` names none."""

    id: int


@dataclass(frozen=True)
class Written(Query[str]):
    """What this process last wrote to a place whose value Foreman hides; answered from memory, never from Foreman."""

    place: str
