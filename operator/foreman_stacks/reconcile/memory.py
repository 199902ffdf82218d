"""What one process remembers of a deployment between passes: hints, never the truth. Losing it at a restart is safe."""

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
"""Queries whose answers are kept: true until the operator writes or an error raises doubt. None is not kept."""


OFTEN = 3
"""How many times the very same write succeeds before it counts as in vain."""
VAIN_FOR = timedelta(minutes=30)
"""How long a write then counts as in vain. After that it is tried again: the cause may have been fixed without a
request, and a value that a person changes back now and then is not written in vain.
"""


def _content(change: Change) -> tuple[str, int]:
    return str(change), hash(canonical(port.reveal(change.body)))


@dataclass
class Memory:
    """The memory of one deployment."""

    started: datetime
    kept: dict[Query[Any], Any] = field(default_factory=dict, repr=False)  # holds secrets in plain text
    unsent: set[str] = field(default_factory=set)
    """Keys (FQDNs, tokens) of intents that this process wrote and whose change it has not sent, or may send again."""
    names: dict[HostRef, str] = field(default_factory=dict)
    """FQDNs of the hosts whose creation this process intended."""
    met: object = None
    """The server's `Connection.met` when it was last asked."""
    sent: dict[str, datetime] = field(default_factory=dict)
    """When this process last sent the change of each intent, by its key. A cancellation that got no answer (its key is
    the job's id) is in `unsent`, too.
    """
    secrets: dict[str, tuple[Json, ...]] = field(default_factory=dict, repr=False)
    """The secret values of the plans that this process has seen accepted, by plan id."""
    accepted: set[str] = field(default_factory=set)
    """Plans that this process accepted, as all before them: no earlier process can have POSTed hostgroups for them."""
    posting: dict[str, datetime] = field(default_factory=dict)
    """When this process POSTed each hostgroup, by title, for which it has no answer."""
    refused: dict[str, str] = field(default_factory=dict)
    """Why Foreman refused a change for good, by its key."""
    written: dict[tuple[str, int], tuple[int, datetime]] = field(default_factory=dict)
    """How many times a write succeeded, and when it last did, by its text and a hash of its body."""
    anchored: bool = False
    """Whether this process has seen the operator's finalizer on the server, which must outlive its deployments."""
    request: str = ""
    """A person's request (the annotation's value) that no pass has acted upon yet."""
    rebuffed: bool = False
    """Whether Foreman refused a call in the last pass."""
    missing: dict[str, datetime] = field(default_factory=dict)
    """Since when a created host cannot be seen, by FQDN; with the prefix `unseen `, since when no search shows it."""
    sighted: set[str] = field(default_factory=set)
    """FQDNs of the hosts that a search has shown to this process."""
    building: dict[str, datetime] = field(default_factory=dict)
    """Since when this process has waited for a host's installation, by FQDN."""
    verified: set[str] = field(default_factory=set)
    """Roles whose ENC was seen to give Puppet what the plan says."""
    plan: Plan | None = None
    plan_inputs: str = ""
    unplanned: tuple[str, Any] = ("", None)
    """The last inputs that did not compile to a plan, and the result, since finding that out may take long."""
    resyncs: int = 0
    value_drift: tuple[str, ...] | None = None
    """Drift of values as last found, since not every resync compares them. None: this process has not compared them."""
    projected: dict[HostRef, object] = field(default_factory=dict)
    """What this process last wrote into each DeployedHost."""
    shown: float = 0.0
    """When DeployedHosts were last written, on the monotonic clock."""
    ours: set[HostRef] = field(default_factory=set)
    """Hosts whose DeployedHost was checked before its first write and does not belong to another deployment."""

    def clock(self, now: datetime) -> None:
        """Move times in the future to `now`: after the clock was set back, waits would take that much longer."""
        self.started = min(self.started, now)
        for times in (self.sent, self.posting, self.missing, self.building):
            times.update({key: now for key, time in times.items() if time > now})

    def learn(self, answers: Mapping[Query[Any], Any]) -> None:
        """Keep those of the answers that stay true."""
        for query, answer in answers.items():
            if isinstance(query, _KEPT) and answer is not None:
                self.kept[query] = answer
            if isinstance(query, port.ReportsSince) and answer:
                self._reported(answer[-1].id)

    def _reported(self, newest: int) -> None:
        """Raise the remembered newest report id to `newest`.

        A baseline need not be the newest report of the server, only no older than what the deployment's hosts had sent.
        """
        known = self.kept.get(port.NewestReport())
        if known is not None:
            self.kept[port.NewestReport()] = max(known, newest)

    def sending(self, change: Change, now: datetime) -> None:
        """Note that a change is about to be sent: from here on it may have been carried out."""
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
        """Note that no answer came, so that the wait for what may still appear begins `now`, not at the sending."""
        for sent in (self.sent, self.posting):
            if change.key in sent:
                sent[change.key] = now

    def never_sent(self, change: Change) -> None:
        """Note that a change was not carried out, since it cannot have arrived or Foreman said so.

        A change that can be sent again without harm is treated in the same way.
        """
        self.posting.pop(change.key, None)
        if change.intent:
            self.unsent.add(change.key)

    def done(self, change: Change, row: Any, now: datetime) -> None:
        """Note that a change succeeded; `row` is what Foreman answered."""
        self.posting.pop(change.key, None)
        content = _content(change)
        self.written[content] = (self.written.get(content, (0, now))[0] + 1, now)
        if change.resource == "override_value" or "lookup_values_attributes" in change.body:
            # A role may have been verified only because a stronger value of the site happened to equal the one before.
            self.verified.clear()
        self.kept.update(change.settles)
        if change.answers is not None and row is not None:
            self.kept[change.answers] = row

    def vain(self, change: Change, now: datetime) -> bool:
        """Whether this very write has succeeded too often: Foreman takes it and goes on showing something else."""
        times, last = self.written.get(_content(change), (0, now))
        return times >= OFTEN and last <= now < last + VAIN_FOR

    def forgive(self) -> None:
        """Forget what was refused, in vain or too slow, so that it is tried again: the cause may have been fixed."""
        self.refused.clear()
        self.written.clear()
        self.building.clear()

    def sight(self, names: Iterable[str]) -> None:
        """Note that a search shows these hosts."""
        self.sighted.update(names)
        for name in names:
            self.missing.pop(f"unseen {name}", None)

    def may_appear(self, host: HostRef) -> bool:
        """Whether a host whose creation was intended may still appear.

        It may unless this process knows that its POST was not sent or was refused, or that the host exists.
        """
        name = self.names.get(host)
        known = name is not None and (name in self.unsent or name in self.refused or port.HostNamed(name) in self.kept)
        return not known

    def settled_at(self, key: str, since: datetime, timeout: float) -> datetime:
        """Return when a key that is not found can no longer appear.

        That is `timeout` seconds after the latest of its intent (`since`), this process's start, and its last send.
        """
        latest = max(since, self.started, self.sent.get(key, since))
        return latest + timedelta(seconds=timeout)

    def accept(self, before: str, plan: str) -> None:
        """Note that this process accepted `plan` in place of the plan `before`, if there was one.

        Puppet is given other things from now on, so every role's ENC has to be verified again.
        """
        self.verified.clear()
        if not before or before in self.accepted:
            self.accepted.add(plan)

    def group_may_appear_until(self, plan: str, timeout: float, title: str = "") -> datetime | None:
        """Return until when a hostgroup that was POSTed without an answer may appear: any, or the one with this title.

        None means that none can. Two POSTs of one title make two hostgroups (foreman-measured §1.9), and an earlier
        process may have POSTed as well.
        """
        times = [time for name, time in self.posting.items() if title in {"", name}]
        if plan and plan not in self.accepted:
            times.append(self.started)
        return max(times) + timedelta(seconds=timeout) if times else None

    def meet(self, met: object) -> None:
        """Note which `Connection.met` the server has when it is asked, and doubt everything if it is another one.

        A Foreman that was away meanwhile may have been restored from a backup or replaced.
        """
        if met is not self.met and self.met is not None:
            self.doubt()
        self.met = met

    def doubt(self, *, hosts: bool = True) -> None:
        """Forget all answers except those that only this process can know, so that everything else is read anew.

        Rows of hosts are expensive to read (foreman-measured §1.3), so an outage keeps them (`hosts=False`).
        """
        sure: tuple[type[Query[Any]], ...] = (port.Written,) if hosts else (port.Written, port.HostNamed)
        self.kept = {query: answer for query, answer in self.kept.items() if isinstance(query, sure)}
        self.verified.clear()

    def rest(self) -> None:
        """Forget what a settled deployment no longer needs, since there may be thousands of them.

        A resync reads everything anew.
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
