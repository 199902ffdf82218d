"""Foreman's answers as frozen records; `parse` builds them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from foreman_stacks.model.identity import MARK_PARAMETER, RECORD_PARAMETER, Mark
from foreman_stacks.model.values import Json, ValueType

_VERSION = re.compile(r"Applying configuration version '([^']+)'")


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
    organization_ids: frozenset[int] = frozenset()
    location_ids: frozenset[int] = frozenset()
    """Like `organization_ids`, filled only from the answer for a single hostgroup, never from a list."""

    @property
    def mark(self) -> Mark | None:
        """The hostgroup's own mark: Foreman's answer has its own parameters only, none that it inherits."""
        return Mark.parse(self.parameter(MARK_PARAMETER))

    @property
    def record(self) -> Json:
        """The text of the deployment's record, None unless this is the deployment's first hostgroup."""
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
    """Own parameters; None in a row from a list, which does not include them."""

    @property
    def mark(self) -> Mark | None:
        """The host's own mark; None in a row from a list."""
        own = (entry.value for entry in self.parameters or () if entry.name == MARK_PARAMETER)
        return Mark.parse(next(own, None))

    @property
    def complete(self) -> bool:
        """Whether there is a machine with an address behind the row."""
        return bool(self.ip and self.mac and (self.uuid or self.compute_resource_id is None))


@dataclass(frozen=True)
class ThinHost:
    """A host's id and FQDN: all that a thin search returns."""

    id: int
    name: str


@dataclass(frozen=True)
class ClassKey:
    """A class parameter ("smart class parameter"). Its type and `override` switch apply to the whole server."""

    id: int
    puppet_class: str
    name: str
    type: str
    override: bool
    hidden: bool = False


@dataclass(frozen=True)
class OverrideValue:
    """One value of a class parameter and the match it applies to (`hostgroup=Base/zk (ns.dep)` or `fqdn=…`)."""

    match: str
    value: Json


@dataclass(frozen=True)
class ComputeResource:
    """A compute resource."""

    id: int
    name: str


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
        """Whether the job has ended: Foreman will do nothing more for it."""
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
    """What the ENC gives Puppet for a host: classes with their parameters. `root_pw` and the like are left out."""

    environment: str | None
    classes: Mapping[str, Mapping[str, Json]]


@dataclass(frozen=True)
class Server:
    """A Foreman server: its version and plugin ids, and the permissions of the operator's user.

    `features` are the remote-execution features that have a job template.
    """

    version: str
    plugins: frozenset[str]
    permissions: frozenset[str]
    admin: bool
    features: frozenset[str]


def applied_version(text: str) -> str | None:
    """Return the configuration version that Puppet says it applies in a log or output, None if it names none."""
    found = _VERSION.search(text)
    return found[1] if found else None
