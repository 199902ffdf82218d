"""What a step kind sees and says: pure values in, pure values out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from foreman_stacks.foreman.port import Change, Query, Snapshot
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.outcome import Done, Failed, Wait
from foreman_stacks.model.progress import FailedHost, Run, StepProgress
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
    redact: Callable[[str], str] = str
    """Blots the deployment's secrets out of what hosts printed, before it is cut to length."""

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


def pending(progress: StepProgress, targets: Sequence[Target]) -> tuple[Target, ...]:
    """The hosts for which the step is not done as it is meant now, and that were not given up on."""
    return tuple(
        target
        for target in targets
        if progress.done.get(target.ref) != target.digest and target.ref not in progress.failed
    )
