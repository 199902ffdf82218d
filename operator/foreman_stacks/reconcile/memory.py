"""What one process remembers of a deployment between passes: hints, never truth. Lost at a restart, and that is well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from foreman_stacks.foreman import port
from foreman_stacks.foreman.port import Change, Query
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.values import Json, canonical
from foreman_stacks.plan.model import Plan

_KEPT: tuple[type[Query[Any]], ...] = (
    port.TaxonomyNamed,
    port.HostgroupNamed,
    port.HostgroupById,
    port.EnvironmentNamed,
    port.ClassNamed,
    port.ClassKeys,
    port.OverrideOf,
    port.ComputeResourceNamed,
    port.ComputeProfileNamed,
    port.ImagesOf,
    port.HostNamed,
    port.HostDetail,
    port.HostsWithEnvironment,
    port.JobWithToken,
    port.ReportVersion,
    port.NewestReport,
    port.Written,
)
"""Answers that stay true until we write or an error makes us doubt; "there is none" is asked anew in every pass."""


OFTEN = 3
"""Times that one and the same is written before it counts as written in vain."""
VAIN_FOR = timedelta(minutes=30)
"""How long that counts: somebody may have mended it unasked, and who changes a value back now and then is no such case."""


def _content(change: Change) -> tuple[str, int]:
    return str(change), hash(canonical(port.reveal(change.body)))


@dataclass
class Memory:
    """The memory of one deployment."""

    started: datetime
    kept: dict[Query[Any], Any] = field(default_factory=dict, repr=False)  # values in the clear, secret ones too
    unsent: set[str] = field(default_factory=set)
    """Keys (FQDNs, tokens) whose intent this process wrote and whose change it has not sent."""
    names: dict[HostRef, str] = field(default_factory=dict)
    """FQDNs of the hosts whose creation this process has intended."""
    met: object = None
    """Since when our Foreman has been well (`Connection.met`), when it was last asked."""
    sent: dict[str, datetime] = field(default_factory=dict)
    """When this process last sent a change that is sent once, by its key; cancellings by the job's id, once answered."""
    secrets: dict[str, tuple[Json, ...]] = field(default_factory=dict, repr=False)
    """The secret values of the plans that this process has seen accepted."""
    accepted: set[str] = field(default_factory=set)
    """Plans that this process accepted: no earlier one can have posted hostgroups of them."""
    posting: dict[str, datetime] = field(default_factory=dict)
    """Titles of hostgroups that this process posted without an answer."""
    refused: dict[str, str] = field(default_factory=dict)
    """Why Foreman refused a key for good."""
    written: dict[tuple[str, int], tuple[int, datetime]] = field(default_factory=dict)
    """How often a write succeeded, and when the last time, by what it is and a hash of its body."""
    anchored: bool = False
    """Whether this process has seen our finalizer on the server: without it the server may go before its deployments."""
    request: str = ""
    """What a person asks for, and no pass has decided on yet."""
    rebuffed: bool = False
    """Whether Foreman refused something in the last pass."""
    missing: dict[str, datetime] = field(default_factory=dict)
    """Since when a host that was there cannot be seen."""
    sighted: set[str] = field(default_factory=set)
    """Hosts that a search has shown to this process."""
    building: dict[str, datetime] = field(default_factory=dict)
    """Since when this process has waited for a host's installation."""
    verified: set[str] = field(default_factory=set)
    """Roles whose ENC was seen to hold what it must."""
    plan: Plan | None = None
    plan_inputs: str = ""
    unplanned: tuple[str, Any] = ("", None)
    """Other inputs of which no plan could be made, and why: to find that out may take long."""
    resyncs: int = 0
    value_drift: tuple[str, ...] | None = None
    """What the last look at values found: they are not looked at in every resync. None: this process has not looked."""
    projected: dict[HostRef, object] = field(default_factory=dict)
    """What was last written of each DeployedHost."""
    shown: float = 0.0
    """When DeployedHosts were last written, by the monotonic clock."""
    ours: set[HostRef] = field(default_factory=set)
    """Hosts whose DeployedHost was looked at before its first write: it is not another deployment's."""

    def clock(self, now: datetime) -> None:
        """What happened in the future happened now: who waits for it would wait for as long as the clock was set back."""
        self.started = min(self.started, now)
        for times in (self.sent, self.posting, self.missing, self.building):
            times.update({key: now for key, time in times.items() if time > now})

    def learn(self, answers: Mapping[Query[Any], Any]) -> None:
        """Keep what stays true."""
        for query, answer in answers.items():
            if isinstance(query, _KEPT) and answer is not None:
                self.kept[query] = answer
            if isinstance(query, port.ReportsSince) and answer:
                self._reported(answer[-1].id)

    def _reported(self, newest: int) -> None:
        """A baseline need not be the newest report of all: it must be above those that our hosts had sent before."""
        known = self.kept.get(port.NewestReport())
        if known is not None:
            self.kept[port.NewestReport()] = max(known, newest)

    def sending(self, change: Change, now: datetime) -> None:
        """A change is about to be sent: from here on it may have been done."""
        if change.intent:
            self.unsent.discard(change.key)
            self.sent[change.key] = now
        if (change.verb, change.resource) == ("create", "hostgroup"):
            self.posting[change.key] = now
        for query in (*change.stales, *(() if change.answers is None else (change.answers,))):
            self.kept.pop(query, None)
        for query, _ in change.settles:
            self.kept.pop(query, None)

    def unanswered(self, change: Change, now: datetime) -> None:
        """No answer came, up to now: from now on it is waited for."""
        for sent in (self.sent, self.posting):
            if change.key in sent:
                sent[change.key] = now

    def never_sent(self, change: Change) -> None:
        """It was not done: no byte of it can have arrived, or Foreman said so. Or it does no harm to send it again."""
        self.posting.pop(change.key, None)
        if change.intent:
            self.unsent.add(change.key)

    def done(self, change: Change, row: Any, now: datetime) -> None:
        """A change succeeded."""
        self.posting.pop(change.key, None)
        content = _content(change)
        self.written[content] = (self.written.get(content, (0, now))[0] + 1, now)
        if change.resource == "override_value" or "lookup_values_attributes" in change.body:
            self.verified.clear()  # a value that the site shadows may have been equal to ours by chance
        self.kept.update(change.settles)
        if change.answers is not None and row is not None:
            self.kept[change.answers] = row

    def vain(self, change: Change, now: datetime) -> bool:
        """Whether just this was written often enough already: Foreman takes it and shows something else."""
        times, last = self.written.get(_content(change), (0, now))
        return times >= OFTEN and last <= now < last + VAIN_FOR

    def forgive(self) -> None:
        """A person has mended something: what was refused, in vain or too slow may be tried again."""
        self.refused.clear()
        self.written.clear()
        self.building.clear()

    def sight(self, names: Iterable[str]) -> None:
        """A search shows these hosts."""
        self.sighted.update(names)
        for name in names:
            self.missing.pop(f"unseen {name}", None)

    def may_appear(self, host: HostRef) -> bool:
        """Whether a host whose creation was intended may be on its way: but for what this process never sent, or knows."""
        name = self.names.get(host)
        known = name is not None and (name in self.unsent or name in self.refused or port.HostNamed(name) in self.kept)
        return not known

    def settled_at(self, key: str, since: datetime, timeout: float) -> datetime:
        """When a key that is not found can no longer appear: after the latest of intent, our start, and last send."""
        latest = max(since, self.started, self.sent.get(key, since))
        return latest + timedelta(seconds=timeout)

    def accept(self, before: str, plan: str) -> None:
        """This process has accepted a plan, instead of the one before, if there was any: Puppet is given other things now."""
        self.verified.clear()
        if not before or before in self.accepted:
            self.accepted.add(plan)

    def group_may_appear_until(self, plan: str, timeout: float, title: str = "") -> datetime | None:
        """Until when a hostgroup (any one, or this) may appear that was posted and not answered; None: none is on its way.

        Two posts of one title make two hostgroups (foreman-measured §1.9), and a process that is gone may have posted.
        """
        times = [time for name, time in self.posting.items() if title in {"", name}]
        if plan and plan not in self.accepted:
            times.append(self.started)
        return max(times) + timedelta(seconds=timeout) if times else None

    def meet(self, met: object) -> None:
        """Our Foreman is asked: one that was away meanwhile may have been restored, or be another one."""
        if met is not self.met and self.met is not None:
            self.doubt()
        self.met = met

    def doubt(self, *, hosts: bool = True) -> None:
        """Something went wrong: ask everything anew, but for what only this process can know.

        Rows of hosts are dear (foreman-measured §1.3): an outage is no reason to doubt them, a refusal is.
        """
        sure: tuple[type[Query[Any]], ...] = (port.Written,) if hosts else (port.Written, port.HostNamed)
        self.kept = {query: answer for query, answer in self.kept.items() if isinstance(query, sure)}
        self.verified.clear()

    def rest(self) -> None:
        """The deployment is settled: what brought it here is needed no more, and a resync looks anew at everything.

        There may be thousands of such deployments.
        """
        self.doubt()
        self.refused.clear()
        self.written.clear()
        self.secrets.clear()
        for known in (self.names, self.sent, self.unsent, self.missing, self.sighted, self.building):
            known.clear()
        self.projected.clear()
        self.ours.clear()
        if self.plan is not None:
            self.plan.memo.clear()
