"""How far a deployment is: what its status must remember because nothing else can tell.

Intents (`creating`, `Run`) are written before the act and proven by reading them back; everything else is what has
been completed. All records are frozen: a pass derives a new one and the status is written when it differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.scope import Place


class StepState(StrEnum):
    """Where a step is."""

    PENDING = "Pending"
    WAITING = "Waiting"
    RUNNING = "Running"
    DONE = "Done"
    FAILED = "Failed"


@dataclass(frozen=True)
class Creating:
    """An intent: hosts with these indices are being POSTed, decided at this time."""

    indices: frozenset[int]
    since: datetime


@dataclass(frozen=True)
class RoleProgress:
    """The hosts of a role by index: created in Foreman, built, and configured (moved, with all their values).

    `values` is a digest of the own values that the configured ones were last seen to have.
    """

    created: frozenset[int] = frozenset()
    creating: Creating | None = None
    built: frozenset[int] = frozenset()
    configured: frozenset[int] = frozenset()
    values: str = ""


@dataclass(frozen=True)
class Run:
    """An intent: one job on these hosts, each with the digest of what it is done for.

    `baseline` is the newest report id before it; `number` counts the step's `runs` from 1; `ended` is when
    every host had a result while some report had not come yet.
    """

    token: str
    hosts: Mapping[HostRef, str]
    baseline: int
    since: datetime
    number: int = 1
    job: int | None = None
    ended: datetime | None = None


@dataclass(frozen=True)
class StepProgress:
    """A step: `done` has each host with the digest of what it was done for; `failed` those given up on, `retrying` those
    that are tried again at `retry_at`.
    """

    name: str
    state: StepState = StepState.PENDING
    attempt: int = 0
    started_at: datetime | None = None
    run: Run | None = None
    done: Mapping[HostRef, str] = field(default_factory=dict)
    failed: frozenset[HostRef] = frozenset()
    retry_at: datetime | None = None
    retrying: frozenset[HostRef] = frozenset()
    message: str = ""


@dataclass(frozen=True)
class FailedHost:
    """A host that failed, and why; one that a step tolerates does not keep the deployment from being Ready."""

    name: str
    reason: str
    cause: str
    job: str | None = None
    report: str | None = None
    step: str | None = None


@dataclass(frozen=True)
class Progress:
    """All of it. `epoch` rises with each intent, `recorded` is the epoch of the last record written to Foreman; `places` are
    those of the plan's values, and of those that edits took out and that may still be in Foreman.
    """

    epoch: int = 0
    recorded: int = 0
    plan: str = ""
    settled_plan: str = ""
    settled_generation: int = 0
    handled: str = ""
    """The last request of a person (an annotation's value) that was acted upon."""
    roles: Mapping[str, RoleProgress] = field(default_factory=dict)
    steps: Mapping[str, StepProgress] = field(default_factory=dict)
    failed_hosts: tuple[FailedHost, ...] = ()
    places: frozenset[Place] = frozenset()

    def role(self, name: str) -> RoleProgress:
        """The role's progress, an empty one at first."""
        return self.roles.get(name, RoleProgress())

    def step(self, name: str) -> StepProgress:
        """The step's progress, an empty one at first."""
        return self.steps.get(name, StepProgress(name))

    def with_role(self, name: str, role: RoleProgress) -> Progress:
        """The same with this role's progress."""
        return replace(self, roles={**self.roles, name: role})

    def with_step(self, step: StepProgress) -> Progress:
        """The same with this step's progress."""
        return replace(self, steps={**self.steps, step.name: step})

    def without(self, host: HostRef) -> Progress:
        """The same as if this host had never been made."""
        now, index = self.role(host.role), frozenset({host.index})
        role = replace(now, created=now.created - index, built=now.built - index, configured=now.configured - index)
        steps = {
            name: replace(
                step,
                done={ref: digest for ref, digest in step.done.items() if ref != host},
                failed=step.failed - {host},
                retrying=step.retrying - {host},
            )
            for name, step in self.steps.items()
        }
        return replace(self, roles={**self.roles, host.role: role}, steps=steps)

    def created(self) -> frozenset[HostRef]:
        """All hosts that are there."""
        return self._created

    def creating(self) -> frozenset[HostRef]:
        """All hosts whose POST was decided and not yet seen to be done."""
        return self._creating

    def built(self) -> frozenset[HostRef]:
        """All hosts whose installation ended well."""
        return self._built

    def configured(self) -> frozenset[HostRef]:
        """All hosts that are in their role hostgroup with all values: only our runs apply classes there."""
        return self._configured

    # Passes ask these for each of a thousand hosts: they are made once.

    @cached_property
    def _created(self) -> frozenset[HostRef]:
        return refs((name, role.created) for name, role in self.roles.items())

    @cached_property
    def _creating(self) -> frozenset[HostRef]:
        return refs((name, role.creating.indices) for name, role in self.roles.items() if role.creating)

    @cached_property
    def _built(self) -> frozenset[HostRef]:
        return refs((name, role.built) for name, role in self.roles.items())

    @cached_property
    def _configured(self) -> frozenset[HostRef]:
        return refs((name, role.configured) for name, role in self.roles.items())

    @property
    def busy(self) -> bool:
        """Whether an act that cannot be repeated is under way."""
        return bool(self.creating()) or any(step.run for step in self.steps.values())


def refs(groups: Iterable[tuple[str, Iterable[int]]]) -> frozenset[HostRef]:
    """Hosts from indices by role."""
    return frozenset(HostRef(role, index) for role, found in groups for index in found)
