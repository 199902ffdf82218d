"""What the operator asks of Foreman and tells it, as values; only the adapter turns them into HTTP.

Everything of it is imported from here: what Foreman answers (`answers`), what we ask (`queries`), and what we tell. A
`Change` is one write: a list of changes is at once the plan that a user could approve, the audit record and the list of
crash points.
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
"""JSON with `Secret` in it where a value must not be seen."""


@dataclass(frozen=True)
class Change:
    """One write, as data.

    `key` is the exact name by which a lost reply is looked up (title, FQDN, match, token), `address` the ids in its URL.
    `guard` is read again just before: unless the object still is what `guarded` was, nothing is written. `intent` marks
    what is sent once (hosts, jobs). `answers` is the query that the reply's own row answers, `settles` what is known to be
    so once it succeeded, `stales` what must be read anew.
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
    settles: tuple[tuple[Query[Any], Any], ...] = field(default=(), repr=False)  # values in the clear, secret ones too
    stales: tuple[Query[Any], ...] = ()

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.key}"

    def __hash__(self) -> int:
        return hash((self.verb, self.resource, self.key, self.address))


class Foreman(Protocol):
    """One Foreman server."""

    async def read(self, queries: Iterable[Query[Any]]) -> Mapping[Query[Any], Any]:
        """Answer every query; raises `ForemanError`."""
        ...

    async def write(self, change: Change) -> Any:
        """Do one change and answer the reply's row (Hostgroup, HostRow, Job or None); raises `ForemanError`."""
        ...

    async def close(self) -> None:
        """End all connections."""
        ...


def reveal(body: Any) -> Any:
    """The body with its secrets, at the last moment."""
    if isinstance(body, Secret):
        return body.reveal()
    if isinstance(body, Mapping):
        return {key: reveal(value) for key, value in body.items()}
    return [reveal(value) for value in body] if isinstance(body, list | tuple) else body
