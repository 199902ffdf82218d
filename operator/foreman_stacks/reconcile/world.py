"""All that a decision sees (`World`) and all that it says (`Draft`); both live for one pass."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from foreman_stacks.errors import Problem
from foreman_stacks.foreman.port import Change, HostgroupNamed, HostNamed, HostRow, Job, Query, Snapshot, together
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.outcome import Stalled, Wait
from foreman_stacks.model.progress import FailedHost, Progress, Run, StepState
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.scope import Facts, HostFacts, HostScope, Scope
from foreman_stacks.model.secrecy import Redactor
from foreman_stacks.plan.bind import bind
from foreman_stacks.plan.model import Plan, PlannedHost
from foreman_stacks.reconcile.ledger import Proxy, Share
from foreman_stacks.reconcile.memory import Memory
from foreman_stacks.reconcile.secrecy import redactor
from foreman_stacks.resources.groups import PUPPET, inherited_classes
from foreman_stacks.settings import Settings
from foreman_stacks.steps import job as jobs
from foreman_stacks.steps import periodic_puppet


@dataclass(frozen=True)
class Moment:
    """What every decision sees, even a teardown, which has no plan."""

    seen: Snapshot
    memory: Memory
    settings: Settings
    now: datetime

    def sent(self, key: str) -> datetime | None:
        """Return when this process last sent the change with that key, None if it counts as not sent."""
        return None if key in self.memory.unsent else self.memory.sent.get(key)

    def over(self, run: Run, job: Job) -> bool:
        """Whether a job is no longer waited for: it ended, nothing ever took it up, or cancelling it did not end it."""
        patience = timedelta(seconds=self.settings.job_lost_after)
        return (
            job.ended
            or jobs.orphaned(run, job, self.now, patience)
            or jobs.undying(self.sent(str(job.id)), self.now, patience)
        )


@dataclass(frozen=True)
class World(Moment):
    """All that is known in a pass over a deployment that is not being deleted."""

    plan: Plan
    progress: Progress
    url: str
    key: bytes
    uid: str = ""
    generation: int = 0
    provisioning: int = 4
    share: Share | None = None
    """The deployment's access to the server's limit of Puppet runs; None: no limit applies."""
    organization: str | None = None
    location: str | None = None
    paused: bool = False
    drifted: bool = False
    """Whether the status says that the deployment has drifted."""
    again: frozenset[str] = frozenset()
    """FQDNs of the hosts that a person asks to have created again if they are gone."""

    @property
    def plan_id(self) -> str:
        """The name of the plan in status and record."""
        return self.plan.id

    def facts(self, progress: Progress | None = None) -> Facts:
        """Return what expressions may refer to. Raises `Unread` for created hosts that have not been read."""
        progress = progress or self.progress
        updates = frozenset(
            step.name
            for step in self.plan.steps
            if step.update is not None and progress.step(step.name).state in {StepState.RUNNING, StepState.DONE}
        )
        return Facts(self._known(progress.created()), updates, self.domain())

    def _known(self, created: frozenset[HostRef]) -> Mapping[HostRef, HostFacts]:
        """Return what Foreman told of these hosts. Cached, since a pass asks several times, for up to a thousand."""
        if created not in self._facts:
            names = [(host.ref, HostNamed(self.fqdn(host))) for host in self._hosts if host.ref in created]
            self.seen.need([query for _, query in names])
            rows = ((ref, self.seen[query]) for ref, query in names)
            self._facts[created] = {ref: HostFacts(row.name, row.ip) for ref, row in rows if row is not None and row.ip}
        return self._facts[created]

    @cached_property
    def _facts(self) -> dict[frozenset[HostRef], Mapping[HostRef, HostFacts]]:
        return {}

    @property
    def _hosts(self) -> Iterator[PlannedHost]:
        return (host for role in self.plan.roles for host in role.hosts)

    def domain(self) -> str | None:
        """Return the domain of the hosts, which is their outer parent's."""
        return self._domain

    @cached_property
    def _domain(self) -> str | None:
        outer = next((group.outer_parent for group in self.plan.groups if group.outer_parent), None)
        group = self.seen[HostgroupNamed(outer)] if outer else None
        return group.domain if group else None

    def scope(self, progress: Progress | None = None) -> Scope:
        """Return the plan bound to what is known."""
        progress = progress or self.progress
        bound = bind(self.plan, self.facts(progress))
        open_ = {host.group for host in bound.hosts if host.ref not in progress.configured()}
        bound = replace(
            bound,
            organization=self.organization,
            location=self.location,
            staging=frozenset(open_),
            gone=progress.places - self.plan.places,
        )
        released = periodic_puppet.begun(progress.step(periodic_puppet.NAME))
        return replace(bound, freed=self.managed()) if released else replace(bound, held=self.managed())

    @cached_property
    def redact(self) -> Redactor:
        """The redactor of the deployment's secrets, made once per pass: a thousand hosts may have as many secrets."""
        return redactor(self.plan, self.scope(), self.memory.secrets)

    @property
    def secrets_known(self) -> bool:
        """Whether `redact` knows all secrets that jobs in progress may print.

        Jobs run under the plan that was accepted last, whose secrets only an earlier process may have known.
        """
        return self.progress.plan in {self.plan_id, *self.memory.secrets}

    def managed(self) -> frozenset[str]:
        """Return the outer hostgroups with class `puppet`: below them it decides whether the agent runs by itself."""
        outer = dict.fromkeys(group.outer_parent for group in self.plan.groups if group.outer_parent)
        found = together(lambda title: (title, inherited_classes(title, self.seen)), outer)
        return frozenset(title for title, classes in found if PUPPET in classes)

    def fqdn(self, host: HostScope | PlannedHost) -> str:
        """Return the FQDN of the host."""
        return f"{host.label}.{self.domain()}"

    def row(self, host: HostScope) -> HostRow | None:
        """Return the host as Foreman shows it."""
        return self.seen[HostNamed(self.fqdn(host))]

    def proxy_of(self, role: str) -> Proxy:
        """Return the smart proxy of the Puppet server that a role's hosts use, their outer parent's, if it is known."""
        found = next((entry for entry in self.plan.roles if entry.name == role), None)
        if found is None:
            return None
        group = self.plan.group(found.group)
        while group.parent:
            group = self.plan.group(group.parent)
        query = HostgroupNamed(group.outer_parent)
        outer = self.seen[query] if query in self.seen else None  # noqa: SIM401 - a snapshot has no get
        return outer.puppet_proxy_id if outer else None

    def token(self, step: str, epoch: int) -> str:
        """Return the unique name of one job.

        Each intent raises the epoch. The UID tells a deployment from an earlier one of its name, which began at 0, too.
        """
        text = f"{self.plan.identity} {self.uid} {step} {epoch}"
        return hmac.digest(b"foreman-stacks", text.encode(), "sha256").hex()[:20]


@dataclass
class Draft:
    """What a decision says: new progress, writes in waves (each wave at once), waits, and what only people can fix."""

    progress: Progress
    waves: list[list[Change]] = field(default_factory=list)
    intents: set[str] = field(default_factory=set)
    waits: list[Wait] = field(default_factory=list)
    polls: list[Query[Any]] = field(default_factory=list)
    stalls: list[Stalled] = field(default_factory=list)
    failures: dict[HostRef, FailedHost] = field(default_factory=dict)
    scope: Scope | None = None
    drift: tuple[str, ...] | None = None
    drift_note: str = ""
    """What the look for drift left out."""
    notes: list[str] = field(default_factory=list)
    """What people should know although nothing is wrong."""
    paused: bool = False
    """Whether a person wants nothing to be written."""
    looked: bool = False
    """Whether the decision came as far as to look for the hosts that are to be created again."""
    finishing: bool = False
    """Whether the plan has changed during an operation, which is finished first; intents not in flight are given up."""

    def act(self, changes: Sequence[Change], reason: Reason, message: str = "") -> None:
        """Write these in one wave, unless the deployment is paused. While `finishing`, only cancel jobs."""
        if self.paused or (self.finishing and any(change.verb != "cancel" for change in changes)):
            self.wait(Wait(Reason.PAUSED, f"paused before: {changes[0]}"))
            return
        self.waves.append(list(changes))
        self.wait(Wait(reason, message or str(changes[0]), after=0.0))

    def wait(self, wait: Wait) -> None:
        """Note that something is in progress."""
        self.waits.append(wait)

    def stall(self, reason: Reason, *problems: Problem) -> None:
        """Note that only a person can help."""
        self.stalls.append(Stalled(reason, problems))

    @property
    def held(self) -> bool:
        """Whether nothing new may be started."""
        return self.paused or self.finishing

    @property
    def idle(self) -> bool:
        """Whether nothing is in progress and nothing is wrong."""
        return not (self.waves or self.waits or self.stalls)
