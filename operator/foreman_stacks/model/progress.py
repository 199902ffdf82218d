"""The progress of a deployment: what its status must remember because it cannot be read anywhere else.

Intents (`creating`, `Run`) are written to the status and read back before the operator acts on them; everything else
records what is completed. All records are frozen: a pass derives new ones, and writes the status when they differ.
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
    """The state of a step."""

    PENDING = "Pending"
    WAITING = "Waiting"
    RUNNING = "Running"
    DONE = "Done"
    FAILED = "Failed"


@dataclass(frozen=True)
class Creating:
    """An intent to create (POST) the hosts with these indices, and when that was decided."""

    indices: frozenset[int]
    since: datetime


@dataclass(frozen=True)
class RoleProgress:
    """The hosts of a role by index: created in Foreman, built, and configured (in their hostgroup, with all values).

    `values` is a digest of the per-host values that the configured hosts had when last checked.
    """

    created: frozenset[int] = frozenset()
    creating: Creating | None = None
    built: frozenset[int] = frozenset()
    configured: frozenset[int] = frozenset()
    values: str = ""


@dataclass(frozen=True)
class Run:
    """An intent to run one job on these hosts, each with the digest of the step's inputs for it.

    `token` identifies the job in Foreman; `baseline` is the id of the newest report before it: only later ones count.
    `number` says which of the step's `runs` it is, from 1; `ended` is when every host had a result while some report
    was still missing.
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
    """The progress of a step.

    `done` maps each host to the digest of the inputs for which the step was done; `failed` are the hosts that were
    given up on, `retrying` those that are tried again at `retry_at`.
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
    """A host that failed, and why. A failure that the step tolerates does not keep the deployment from being Ready."""

    name: str
    reason: str
    cause: str
    job: str | None = None
    report: str | None = None
    step: str | None = None


@dataclass(frozen=True)
class Progress:
    """The progress of the whole deployment.

    `epoch` rises with each intent; `recorded` is the epoch of the last record that was written to Foreman. `places`
    says where the plan sets values, and where edits took values out that may still be in Foreman.
    """

    epoch: int = 0
    recorded: int = 0
    plan: str = ""
    settled_plan: str = ""
    settled_generation: int = 0
    handled: str = ""
    """The value of the annotation `reconcile-requested-at` that was last acted upon."""
    roles: Mapping[str, RoleProgress] = field(default_factory=dict)
    steps: Mapping[str, StepProgress] = field(default_factory=dict)
    failed_hosts: tuple[FailedHost, ...] = ()
    places: frozenset[Place] = frozenset()

    def role(self, name: str) -> RoleProgress:
        """The progress of this role; empty when there is none yet."""
        return self.roles.get(name, RoleProgress())

    def step(self, name: str) -> StepProgress:
        """The progress of this step; empty when there is none yet."""
        return self.steps.get(name, StepProgress(name))

    def with_role(self, name: str, role: RoleProgress) -> Progress:
        """Return a copy with this role's progress."""
        return replace(self, roles={**self.roles, name: role})

    def with_step(self, step: StepProgress) -> Progress:
        """Return a copy with this step's progress."""
        return replace(self, steps={**self.steps, step.name: step})

    def without(self, host: HostRef) -> Progress:
        """Return a copy in which this host was never created and no step ran on it."""
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
        """All hosts that exist in Foreman."""
        return self._created

    def creating(self) -> frozenset[HostRef]:
        """All hosts whose creation was decided and not yet confirmed."""
        return self._creating

    def built(self) -> frozenset[HostRef]:
        """All hosts whose installation succeeded."""
        return self._built

    def configured(self) -> frozenset[HostRef]:
        """All hosts that are in their role's hostgroup with all their values."""
        return self._configured

    # Cached, since passes ask for these sets once per host, and there may be a thousand hosts.

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
        """Whether an operation that must not be repeated (creating a host, a job) is in progress."""
        return bool(self.creating()) or any(step.run for step in self.steps.values())


def refs(groups: Iterable[tuple[str, Iterable[int]]]) -> frozenset[HostRef]:
    """Return the hosts from pairs of a role and its indices."""
    return frozenset(HostRef(role, index) for role, found in groups for index in found)
