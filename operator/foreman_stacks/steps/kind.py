"""What a kind of step is, sees and says: pure values in, pure values out."""

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
    """A host that a step is for, and the digest of what the step would do to it now."""

    ref: HostRef
    fqdn: str
    host_id: int
    digest: str
    leader: bool = False


@dataclass(frozen=True)
class Context:
    """What every step kind sees beside its own schema and progress.

    `unsent` tells whether this very process wrote the run's intent and has not sent it: then it may start at once.
    Otherwise a job that is not found may still appear until `settled_at`, when it may be started (again). `room` gives
    those of some hosts that may be told to run Puppet now, `sent` when this process has last sent a change of that key.
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
    """Blots the deployment's secrets out of what hosts printed, before it is cut to length."""
    secrets_known: bool = True
    """Whether it knows all of them; else nothing is shown of what hosts printed."""

    def after(self, seconds: float) -> datetime:
        """The time so many seconds from now."""
        return self.now + timedelta(seconds=seconds)

    def job_url(self, job: int) -> str:
        """Where a person sees the job."""
        return f"{self.url}/job_invocations/{job}"

    def report_url(self, report: int) -> str:
        """Where a person sees the report."""
        return f"{self.url}/config_reports/{report}"


@dataclass(frozen=True)
class Advance:
    """What a step says: its new progress, what to write, and whether that progress holds a new intent."""

    progress: StepProgress
    outcome: Done | Wait | Failed
    changes: tuple[Change, ...] = ()
    intends: bool = False
    begins: bool = False
    """Whether it gives values that the kinds of resources have to write before any step goes on."""
    polls: tuple[Query[Any], ...] = ()
    failures: Mapping[HostRef, FailedHost] = field(default_factory=dict)


@dataclass(frozen=True)
class Reference:
    """A name that the Stack must have. `field` is where the step says it; a parameter is one of its `hostgroup`."""

    field: str
    what: Literal["role", "hostgroup", "parameter"]
    name: str
    hostgroup: str = ""


@dataclass(frozen=True)
class NewValue:
    """A value for a hostgroup parameter, in force from the step's beginning on."""

    hostgroup: str
    parameter: str
    value: Valued


class StepKind(Written):
    """A kind of step: its schema, how it goes on, and what else the house asks of it. All of it is pure."""

    runs_puppet: ClassVar[bool] = False
    """Whether hosts apply their classes: then it is first made sure that they are given what they must be."""
    undigested: ClassVar[frozenset[str]] = frozenset()
    """Fields that change nothing of what one host does: who has done the step does not do it again for them."""

    def references(self) -> tuple[Reference, ...]:
        """The names in it that the Stack must have."""
        return ()

    def acts_on(self) -> tuple[str, ...]:
        """The roles whose hosts it is for: it waits until they are all there, and two such steps never overlap."""
        return tuple(reference.name for reference in self.references() if reference.what == "role")

    def chosen(self, targets: Sequence[Target]) -> tuple[Target, ...]:
        """The hosts that it is for."""
        roles = frozenset(self.acts_on())
        return tuple(target for target in targets if target.ref.role in roles)

    def new_value(self) -> NewValue | None:
        """The value that it gives."""
        return None

    @abstractmethod
    def advance(self, progress: StepProgress, targets: Sequence[Target], context: Context) -> Advance:
        """One look at the step; `targets` are the chosen hosts."""


def pending(progress: StepProgress, targets: Sequence[Target]) -> tuple[Target, ...]:
    """The hosts for which the step is not done as it is meant now, and that were not given up on."""
    return tuple(
        target
        for target in targets
        if progress.done.get(target.ref) != target.digest and target.ref not in progress.failed
    )
