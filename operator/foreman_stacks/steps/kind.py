"""The interface of a kind of step: what it is, what it sees and what it says, all as pure values."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from foreman_stacks.foreman.port import Change, Query, Snapshot
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.outcome import Done, Failed, Wait
from foreman_stacks.model.progress import FailedHost, Run, StepProgress
from foreman_stacks.model.schema import Valued, Written
from foreman_stacks.settings import Settings


@dataclass(frozen=True)
class Target:
    """A host that a step acts on, and the digest of what the step would do to it now."""

    ref: HostRef
    fqdn: str
    host_id: int
    digest: str
    leader: bool = False


@dataclass(frozen=True)
class Context:
    """What every kind of step sees besides its own schema and progress.

    `unsent` tells whether this process wrote the intent of the run and has not sent its job yet: then it may start the
    job at once. Otherwise a job that is not found may still appear until `settled_at`; only then may it be started
    (again). `room` returns those of the hosts that may run Puppet now, `sent` the time when this process last sent the
    change of a key. `before_run` are changes to do before a job is started.
    """

    seen: Snapshot
    now: datetime
    settings: Settings
    token: str
    title: str
    unsent: Callable[[Run], bool]
    settled_at: Callable[[Run], datetime]
    room: Callable[[Sequence[Target]], Sequence[Target]]
    sent: Callable[[str], datetime | None] = lambda _: None
    url: str = ""
    timeout: int = 7200
    retries: int = 2
    before_run: tuple[Change, ...] = ()
    unbound: bool = False
    """Whether the step's new value refers to hosts that are not known yet."""
    redact: Callable[[str], str] = str
    """Blots the deployment's secrets out of what hosts printed; to be called before a text is shortened."""
    secrets_known: bool = True
    """Whether `redact` knows all secrets that hosts may have printed; if not, nothing of it is shown."""

    def after(self, seconds: float) -> datetime:
        """The time so many seconds from now."""
        return self.now + timedelta(seconds=seconds)

    def job_url(self, job: int) -> str:
        """The address of the job's page in Foreman."""
        return f"{self.url}/job_invocations/{job}"

    def report_url(self, report: int) -> str:
        """The address of the report's page in Foreman."""
        return f"{self.url}/config_reports/{report}"


@dataclass(frozen=True)
class Advance:
    """What a step says: its new progress, what to write, and whether that progress holds a new intent."""

    progress: StepProgress
    outcome: Done | Wait | Failed
    changes: tuple[Change, ...] = ()
    intends: bool = False
    begins: bool = False
    """Whether the step puts values in force that the kinds of resources must write before any step goes on."""
    polls: tuple[Query[Any], ...] = ()
    failures: Mapping[HostRef, FailedHost] = field(default_factory=dict)


@dataclass(frozen=True)
class Reference:
    """A name in the step's `field` that the Stack must have; a parameter belongs to the hostgroup `hostgroup`."""

    field: str
    what: Literal["role", "hostgroup", "parameter"]
    name: str
    hostgroup: str = ""


@dataclass(frozen=True)
class NewValue:
    """A value for a hostgroup parameter, in force as soon as the step has begun."""

    hostgroup: str
    parameter: str
    value: Valued


class StepKind(Written):
    """The base of every kind of step: schema, behaviour, and what the operator must know of it. All of it is pure."""

    runs_puppet: ClassVar[bool] = False
    """Whether hosts apply their classes: then the operator first verifies what the ENC would give them."""
    undigested: ClassVar[frozenset[str]] = frozenset()
    """Fields that do not change what a single host does: hosts that have done the step do not repeat it for them."""

    def references(self) -> tuple[Reference, ...]:
        """The names in the step that the Stack must have."""
        return ()

    def acts_on(self) -> tuple[str, ...]:
        """The roles whose hosts the step acts on. It waits for all of them; steps that share a role never overlap."""
        return tuple(reference.name for reference in self.references() if reference.what == "role")

    def chosen(self, targets: Sequence[Target]) -> tuple[Target, ...]:
        """The hosts that the step acts on."""
        roles = frozenset(self.acts_on())
        return tuple(target for target in targets if target.ref.role in roles)

    def new_value(self) -> NewValue | None:
        """The value that the step gives to a hostgroup parameter, None if it gives none."""
        return None

    @abstractmethod
    def advance(self, progress: StepProgress, targets: Sequence[Target], context: Context) -> Advance:
        """Look at the step once; `targets` are the chosen hosts."""


def pending(progress: StepProgress, targets: Sequence[Target]) -> tuple[Target, ...]:
    """The hosts that have not done the step in its present form, and were not given up on."""
    return tuple(
        target
        for target in targets
        if progress.done.get(target.ref) != target.digest and target.ref not in progress.failed
    )
