"""All that one decision sees, and all that it says; both are values of one pass."""

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
    """What even a teardown, which has no plan, sees."""

    seen: Snapshot
    memory: Memory
    settings: Settings
    now: datetime

    def sent(self, key: str) -> datetime | None:
        """When this process has last sent a change of that key."""
        return None if key in self.memory.unsent else self.memory.sent.get(key)

    def over(self, run: Run, job: Job) -> bool:
        """Whether a job is not waited for any more: it has ended, nothing ever took it up, or no cancelling ends it."""
        patience = timedelta(seconds=self.settings.job_lost_after)
        return (
            job.ended
            or jobs.orphaned(run, job, self.now, patience)
            or jobs.undying(self.sent(str(job.id)), self.now, patience)
        )


@dataclass(frozen=True)
class World(Moment):
    """What is known in one pass. `plan_id` is what status and record call the plan."""

    plan: Plan
    progress: Progress
    url: str
    key: bytes
    uid: str = ""
    generation: int = 0
    provisioning: int = 4
    share: Share | None = None
    """What it may take of the server's limit of Puppet runs; None: no limit."""
    organization: str | None = None
    location: str | None = None
    paused: bool = False
    drifted: bool = False
    """Whether the status says so."""
    again: frozenset[str] = frozenset()
    """Hosts that a person asks us to make again, if they are gone."""

    @property
    def plan_id(self) -> str:
        """What status and record call the plan."""
        return self.plan.id

    def facts(self, progress: Progress | None = None) -> Facts:
        """What expressions may see. Raises `Unread` for hosts that are there and not read."""
        progress = progress or self.progress
        updates = frozenset(
            step.name
            for step in self.plan.steps
            if step.update is not None and progress.step(step.name).state in {StepState.RUNNING, StepState.DONE}
        )
        return Facts(self._known(progress.created()), updates, self.domain())

    def _known(self, created: frozenset[HostRef]) -> Mapping[HostRef, HostFacts]:
        """What Foreman told of these hosts; asked several times in a pass, and for a thousand hosts not cheap."""
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
        """The domain of the hosts: their outer parent's."""
        return self._domain

    @cached_property
    def _domain(self) -> str | None:
        outer = next((group.outer_parent for group in self.plan.groups if group.outer_parent), None)
        group = self.seen[HostgroupNamed(outer)] if outer else None
        return group.domain if group else None

    def scope(self, progress: Progress | None = None) -> Scope:
        """The plan bound to what is known."""
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
        """Blots out the deployment's secrets. One for all texts of a pass: a thousand hosts may have as many."""
        return redactor(self.plan, self.scope(), self.memory.secrets)

    @property
    def secrets_known(self) -> bool:
        """Whether what is under way can tell no secrets but those that `redact` blots out: it runs under the plan that
        was accepted last, which another process may have known.
        """
        return self.progress.plan in {self.plan_id, *self.memory.secrets}

    def managed(self) -> frozenset[str]:
        """The outer hostgroups that bring class `puppet`: there it decides whether the agent runs by itself."""
        outer = dict.fromkeys(group.outer_parent for group in self.plan.groups if group.outer_parent)
        found = together(lambda title: (title, inherited_classes(title, self.seen)), outer)
        return frozenset(title for title, classes in found if PUPPET in classes)

    def fqdn(self, host: HostScope | PlannedHost) -> str:
        """The host's full name."""
        return f"{host.label}.{self.domain()}"

    def row(self, host: HostScope) -> HostRow | None:
        """The host as Foreman shows it."""
        return self.seen[HostNamed(self.fqdn(host))]

    def proxy_of(self, role: str) -> Proxy:
        """The smart proxy whose Puppet server the hosts of a role use, as far as it is known: their outer parent's."""
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
        """A name for one job: an intent raises the epoch, and a deployment that is made again begins at 0 again."""
        text = f"{self.plan.identity} {self.uid} {step} {epoch}"
        return hmac.digest(b"foreman-stacks", text.encode(), "sha256").hex()[:20]


@dataclass
class Draft:
    """What a decision says: new progress, writes in waves (each wave at once), waits, and what only people can mend."""

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
    """What a look at drift did not look at."""
    notes: list[str] = field(default_factory=list)
    """What people should know, though nothing is wrong."""
    paused: bool = False
    """A person wants nothing to be written."""
    looked: bool = False
    """Whether it has come as far as to look for hosts that are to be made again."""
    finishing: bool = False
    """The plan has changed: what was intended and is not in flight is given up."""

    def act(self, changes: Sequence[Change], reason: Reason, message: str = "") -> None:
        """Write these, unless the deployment is paused. While an edit waits, jobs are cancelled and nothing else is done."""
        if self.paused or (self.finishing and any(change.verb != "cancel" for change in changes)):
            self.wait(Wait(Reason.PAUSED, f"paused before: {changes[0]}"))
            return
        self.waves.append(list(changes))
        self.wait(Wait(reason, message or str(changes[0]), after=0.0))

    def wait(self, wait: Wait) -> None:
        """Something is in progress."""
        self.waits.append(wait)

    def stall(self, reason: Reason, *problems: Problem) -> None:
        """Only a person can help."""
        self.stalls.append(Stalled(reason, problems))

    @property
    def held(self) -> bool:
        """Whether nothing new may begin."""
        return self.paused or self.finishing

    @property
    def idle(self) -> bool:
        """Whether nothing is in progress and nothing is wrong."""
        return not (self.waves or self.waits or self.stalls)
