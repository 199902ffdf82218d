"""What the operator asks of Foreman and tells it, as values; only the adapter turns them into HTTP.

A `Query` is one read; equal kinds of query are merged into few requests by the adapter. A `Change` is one write:
a list of changes is at once the plan that a user could approve, the audit record and the list of crash points.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar, cast

from foreman_stacks.model.identity import MARK_PARAMETER, RECORD_PARAMETER, Identity, Mark
from foreman_stacks.model.values import Json, Secret, ValueType

R = TypeVar("R")

# --- what Foreman answers -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parameter:
    """A parameter of a host or hostgroup; a hidden one has the value `*****`."""

    name: str
    value: Json
    type: ValueType
    hidden: bool = False


@dataclass(frozen=True)
class Hostgroup:
    """A hostgroup. `environment_id` is the effective one, None for a group without a Puppet facet (measured §1.2)."""

    id: int
    title: str
    ancestors: tuple[int, ...] = ()
    environment_id: int | None = None
    environment: str | None = None
    domain: str | None = None
    puppet_proxy_id: int | None = None
    parameters: tuple[Parameter, ...] = ()
    classes: frozenset[str] = frozenset()
    all_classes: frozenset[str] = frozenset()

    @property
    def mark(self) -> Mark | None:
        """Its own mark: a group's parameters in Foreman's answer are its own ones."""
        return Mark.parse(self.parameter(MARK_PARAMETER))

    @property
    def record(self) -> Json:
        """The text of the deployment's record, on its first hostgroup."""
        return self.parameter(RECORD_PARAMETER)

    def parameter(self, name: str) -> Json:
        """The value of an own parameter, None when there is none."""
        return next((entry.value for entry in self.parameters if entry.name == name), None)


@dataclass(frozen=True)
class HostRow:
    """A host's full row. A usable host on a compute resource has `uuid`, `mac` and `ip` (measured §1.6, §2)."""

    id: int
    name: str
    ip: str | None
    mac: str | None
    uuid: str | None
    hostgroup_id: int | None
    environment: str | None
    compute_resource_id: int | None
    build_status: int
    parameters: tuple[Parameter, ...] | None = None
    """Own parameters; None in a row of a list, which has none."""

    @property
    def mark(self) -> Mark | None:
        """Its own mark, if this is the row of a single host."""
        own = (entry.value for entry in self.parameters or () if entry.name == MARK_PARAMETER)
        return Mark.parse(next(own, None))

    @property
    def complete(self) -> bool:
        """Whether there is a machine with an address behind the row."""
        return bool(self.ip and self.mac and (self.uuid or self.compute_resource_id is None))


@dataclass(frozen=True)
class ThinHost:
    """A host's id and FQDN: all that a thin search answers."""

    id: int
    name: str


@dataclass(frozen=True)
class ClassKey:
    """A class parameter ("smart class parameter"). Type and `override` switch hold for the whole server."""

    id: int
    puppet_class: str
    name: str
    type: str
    override: bool
    hidden: bool = False


@dataclass(frozen=True)
class OverrideValue:
    """One value of a class parameter, by its match (`hostgroup=Base/zk (ns.dep)` or `fqdn=…`)."""

    match: str
    value: Json


@dataclass(frozen=True)
class ComputeResource:
    """A compute resource."""

    id: int
    name: str
    provider: str


@dataclass(frozen=True)
class Image:
    """An image of a compute resource. Without `user_data` Foreman needs an SSH finish script."""

    id: int
    name: str
    uuid: str
    user_data: bool


@dataclass(frozen=True)
class ComputeProfile:
    """A compute profile and the compute resources for which it has attributes."""

    id: int
    name: str
    compute_resources: frozenset[int]


@dataclass(frozen=True)
class Job:
    """A job invocation's counts; `total` is None until Foreman has resolved its hosts."""

    id: int
    description: str
    status: str
    succeeded: int
    failed: int
    pending: int
    total: int | None
    start_at: datetime | None
    task: str | None = None

    @property
    def ended(self) -> bool:
        """Whether Foreman will do nothing more for it."""
        return self.status in {"succeeded", "failed", "cancelled"}


@dataclass(frozen=True)
class Report:
    """A Puppet report of a host; `created_at` is Foreman's own clock."""

    id: int
    host: str
    created_at: datetime
    failed: int
    failed_restarts: int
    reported_at: datetime | None = None
    """When the run began, by the host's clock."""

    @property
    def good(self) -> bool:
        """Whether every resource was applied."""
        return self.failed == 0 and self.failed_restarts == 0


@dataclass(frozen=True)
class Enc:
    """What Puppet really gets: class name to its parameters; `root_pw` and the like are left out."""

    environment: str | None
    classes: Mapping[str, Mapping[str, Json]]


@dataclass(frozen=True)
class Server:
    """What a Foreman is: version, plugin ids, our permissions, and features that have a job template."""

    version: str
    plugins: frozenset[str]
    permissions: frozenset[str]
    admin: bool
    features: frozenset[str]


# --- what we ask ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Query(Generic[R]):
    """One read, as data. `polled` ones only ever grow, so that an answer some seconds old delays but never errs."""

    polled: ClassVar[bool] = False


@dataclass(frozen=True)
class ServerInfo(Query[Server]):
    """Version, plugins, permissions, features."""


@dataclass(frozen=True)
class ServerVersion(Query[str]):
    """The version alone: whether the server is there and takes our credentials."""


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
    """All hostgroups that bear (or inherit) a mark of this identity; slow, for preflight and teardown."""

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
class OverrideMatches(Query[frozenset[str]]):
    """All matches that a class parameter has values for."""

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
    """Whether a machine is there. Foreman answers 500 for one that is not (foreman-api §5.2)."""

    compute_resource_id: int
    uuid: str


@dataclass(frozen=True)
class ComputeProfileNamed(Query[ComputeProfile | None]):
    """A compute profile."""

    name: str


@dataclass(frozen=True)
class HostTaken(Query[int | None]):
    """The id of the host that has this FQDN, if we can see one (thin)."""

    fqdn: str


@dataclass(frozen=True)
class HostNamed(Query[HostRow | None]):
    """A host's full row by FQDN."""

    fqdn: str


@dataclass(frozen=True)
class HostDetail(Query[HostRow | None]):
    """A host by id with its own mark: the proof that a delete needs."""

    id: int


@dataclass(frozen=True)
class MarkedHosts(Query[tuple[ThinHost, ...]]):
    """Hosts with an *own* mark of this identity (a hostgroup's mark has no `role=`); slow, as `MarkedHostgroups`."""

    identity: Identity


@dataclass(frozen=True)
class HostsIn(Query[frozenset[str]]):
    """FQDNs of the hosts of a hostgroup, or of those of them in a state.

    The answer may hold hosts of other groups that were asked for in the same search: look for names in it.
    """

    polled: ClassVar[bool] = True
    hostgroup_id: int
    state: Literal["any", "built", "failed"] = "any"


@dataclass(frozen=True)
class HostsOf(Query[frozenset[str]]):
    """FQDNs of the hosts of this hostgroup and of no other: who asks whether it is empty."""

    hostgroup_id: int


@dataclass(frozen=True)
class HostsWithEnvironment(Query[frozenset[str]]):
    """FQDNs of the hosts of a hostgroup that have this environment: the proof of a move."""

    hostgroup_id: int
    environment: str


@dataclass(frozen=True)
class HostsInPlace(Query[frozenset[str]]):
    """The same, asked anew each time: whether they still are there."""

    hostgroup_id: int
    environment: str


@dataclass(frozen=True)
class EncOf(Query[Enc]):
    """What Puppet would be given for a host now."""

    host_id: int


@dataclass(frozen=True)
class JobWithToken(Query[Job | None]):
    """The job whose description has this token: how a lost reply is looked up."""

    token: str


@dataclass(frozen=True)
class JobCounts(Query[Job | None]):
    """A job's counts, without its hosts."""

    polled: ClassVar[bool] = True
    id: int


@dataclass(frozen=True)
class JobHosts(Query[frozenset[str]]):
    """FQDNs of the hosts of a job that have this result; as with `HostsIn`, hosts of other jobs may be among them."""

    polled: ClassVar[bool] = True
    id: int
    result: Literal["success", "failed", "cancelled"]


@dataclass(frozen=True)
class JobOutput(Query[str]):
    """What a job printed on one host."""

    id: int
    host_id: int


@dataclass(frozen=True)
class NewestReport(Query[int]):
    """The highest report id of the server: a baseline."""


@dataclass(frozen=True)
class ReportsSince(Query[tuple[Report, ...]]):
    """A host's reports above a baseline, oldest first."""

    polled: ClassVar[bool] = True
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
    """What this process last wrote to a place whose value Foreman hides; never asked, only remembered."""

    place: str


class Unread(KeyError):
    """A decision needs answers that nobody has read yet: read them and decide again."""

    def __init__(self, queries: Iterable[Query[Any]]) -> None:
        super().__init__("unread")
        self.queries = tuple(queries)


class Snapshot:
    """What has been read, by query. An unread query raises `Unread`: it is never "empty"."""

    def __init__(self, answers: Mapping[Query[Any], Any] | None = None) -> None:
        self._answers = answers if answers is not None else {}

    def __getitem__(self, query: Query[R]) -> R:
        if query not in self._answers:
            raise Unread([query])
        return cast("R", self._answers[query])

    def __contains__(self, query: Query[Any]) -> bool:
        return query in self._answers

    def written(self, place: str) -> str | None:
        """The text that this process last wrote to a hidden place, None when it wrote none."""
        return cast("str | None", self._answers.get(Written(place)))

    def need(self, queries: Iterable[Query[Any]]) -> None:
        """Raise `Unread` with all of these that are missing, so that they are asked for together."""
        missing = [query for query in queries if query not in self._answers]
        if missing:
            raise Unread(missing)


# --- what we tell ---------------------------------------------------------------------------------------------

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


_VERSION = re.compile(r"Applying configuration version '([^']+)'")


def applied_version(text: str) -> str | None:
    """The configuration version that Puppet says it applies, in a log or an output."""
    found = _VERSION.search(text)
    return found[1] if found else None


def reveal(body: Any) -> Any:
    """The body with its secrets, at the last moment."""
    if isinstance(body, Secret):
        return body.reveal()
    if isinstance(body, Mapping):
        return {key: reveal(value) for key, value in body.items()}
    return [reveal(value) for value in body] if isinstance(body, list | tuple) else body
