"""The port to Foreman: queries, changes and answers as values; only the adapter turns them into HTTP.

Other packages import all of these from here, also those defined in `queries`, `answers` and `snapshot`. A `Change` is
one write; a list of them serves as the plan that a user could approve, the audit record and the list of crash points.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

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
    Parameter,
    Report,
    Server,
    ThinHost,
    applied_version,
)
from foreman_stacks.foreman.queries import (
    ClassKeys,
    ClassNamed,
    ComputeProfileNamed,
    ComputeResourceNamed,
    EncOf,
    EnvironmentNamed,
    HostDetail,
    HostgroupById,
    HostgroupNamed,
    HostNamed,
    HostsIn,
    HostsInPlace,
    HostsOf,
    HostsWithEnvironment,
    HostTaken,
    ImagesOf,
    JobCounts,
    JobHosts,
    JobOutput,
    JobWithToken,
    MarkedHostgroups,
    MarkedHosts,
    NewestReport,
    OverrideOf,
    OverridesOf,
    Query,
    ReportLog,
    ReportsSince,
    ReportVersion,
    ServerInfo,
    ServerVersion,
    TaxonomyNamed,
    VmPresent,
    Written,
)
from foreman_stacks.foreman.snapshot import Snapshot, Unread, both, together
from foreman_stacks.model.values import Secret

__all__ = [
    "Body",
    "Change",
    "ClassKey",
    "ClassKeys",
    "ClassNamed",
    "ComputeProfile",
    "ComputeProfileNamed",
    "ComputeResource",
    "ComputeResourceNamed",
    "Enc",
    "EncOf",
    "EnvironmentNamed",
    "Foreman",
    "HostDetail",
    "HostNamed",
    "HostRow",
    "HostTaken",
    "Hostgroup",
    "HostgroupById",
    "HostgroupNamed",
    "HostsIn",
    "HostsInPlace",
    "HostsOf",
    "HostsWithEnvironment",
    "Image",
    "ImagesOf",
    "Job",
    "JobCounts",
    "JobHosts",
    "JobOutput",
    "JobWithToken",
    "MarkedHostgroups",
    "MarkedHosts",
    "NewestReport",
    "OverrideOf",
    "OverrideValue",
    "OverridesOf",
    "Parameter",
    "Query",
    "Report",
    "ReportLog",
    "ReportVersion",
    "ReportsSince",
    "Resource",
    "Server",
    "ServerInfo",
    "ServerVersion",
    "Snapshot",
    "TaxonomyNamed",
    "ThinHost",
    "Unread",
    "Verb",
    "VmPresent",
    "Written",
    "applied_version",
    "both",
    "reveal",
    "together",
]

Verb = Literal["create", "update", "delete", "start", "cancel", "move"]
Resource = Literal[
    "hostgroup",
    "hostgroup_parameter",
    "hostgroup_class",
    "class_key",
    "override_value",
    "host",
    "host_parameter",
    "vm",
    "job",
]
Body: TypeAlias = Mapping[str, Any]
"""JSON in which values that must not be shown are wrapped in `Secret`."""


@dataclass(frozen=True)
class Change:
    """One write, as data.

    `key` is the exact name by which a lost reply is looked up (title, FQDN, match, token); `address` has the ids in its
    URL. `guard` is read again just before the write: if the object is no longer what `guarded` was, nothing is written.
    `intent` marks a write that is sent only once (hosts, jobs). `answers` is the query that the row in the reply
    answers, `settles` has answers that are known once the write has succeeded, `stales` the queries to read again.
    """

    verb: Verb
    resource: Resource
    key: str
    body: Body = field(default_factory=dict)
    address: tuple[int | str, ...] = ()
    guard: Query[HostRow | None] | Query[Hostgroup | None] | None = None
    guarded: HostRow | Hostgroup | None = None
    intent: bool = False
    answers: Query[Any] | None = None
    settles: tuple[tuple[Query[Any], Any], ...] = field(default=(), repr=False)  # holds secret values in the clear
    stales: tuple[Query[Any], ...] = ()

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.key}"

    def __hash__(self) -> int:
        return hash((self.verb, self.resource, self.key, self.address))


class Foreman(Protocol):
    """One Foreman server."""

    async def read(self, queries: Iterable[Query[Any]]) -> Mapping[Query[Any], Any]:
        """Answer every query. Raises `ForemanError`."""
        ...

    async def write(self, change: Change) -> Any:
        """Do one change and return the row in the reply (Hostgroup, HostRow, Job or None). Raises `ForemanError`."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


def reveal(body: Any) -> Any:
    """Return the body with its secrets in the clear, to be called just before it is sent."""
    if isinstance(body, Secret):
        return body.reveal()
    if isinstance(body, Mapping):
        return {key: reveal(value) for key, value in body.items()}
    return [reveal(value) for value in body] if isinstance(body, list | tuple) else body
