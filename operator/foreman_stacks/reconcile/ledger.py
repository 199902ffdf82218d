"""Puppet runs under way on each smart proxy, of all deployments of a server together: `limits.puppetRunsPerProxy`.

Kept in this process, booked in the same instant in which a run is decided, and rebuilt from all statuses at the start:
a run is an intent in some status before it is started. Whether anybody follows it or not, its room comes back at the
latest when it must be over.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from foreman_stacks.cluster.port import Cluster
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.progress import Progress, Run
from foreman_stacks.reconcile import status
from foreman_stacks.steps import periodic_puppet, quiesce

Proxy: TypeAlias = int | None
"""The id of a smart proxy; None: not known."""
Place: TypeAlias = tuple[str, Proxy]
"""A server's smart proxy."""
Who: TypeAlias = tuple[str, str]
"""A deployment: namespace and name."""
Ends: TypeAlias = Callable[[str, Run], datetime]
"""When a run of a step must be over."""

TIMEOUT = 7200
"""Seconds: the time-out of a run whose step is not known."""


@dataclass
class Wish:
    """A deployment that wants to run Puppet, since when, and when it said so last. Who waits longer comes first."""

    since: datetime
    asked: datetime
    count: int


class Ledger:
    """All runs, and who waits for a turn: `wake` is called for whoever may find room now.

    A wish that is not repeated within `patience` is over: its deployment cannot be looked at.
    """

    def __init__(self, patience: timedelta, lost_after: float = 0.0) -> None:
        self.wake: Callable[[Who], None] = lambda _: None
        self._patience = patience
        self._ends = ends({}, lost_after)
        self._runs: dict[Who, tuple[str, Mapping[Proxy, int], datetime | None]] = {}
        self._wishes: dict[Place, dict[Who, Wish]] = {}
        self._turn = asyncio.Lock()
        self._loaded = False

    async def load(self, cluster: Cluster, now: datetime) -> None:
        """Once in a process, before anything is granted: the runs of all statuses. Raises `ClusterError`."""
        async with self._turn:
            if self._loaded:
                return
            for body in await cluster.list("stackdeployments"):
                meta, spec = body["metadata"], body.get("spec") or {}
                server = str((spec.get("serverRef") or {}).get("name", ""))
                runs, until = under_way(status.parse(body.get("status"), now), self._ends, now)
                self.book((meta["namespace"], meta["name"]), server, runs, until=until)
            self._loaded = True

    def book(
        self, who: Who, server: str, runs: Mapping[Proxy, int], now: datetime | None = None,
        until: datetime | None = None,
    ) -> None:  # fmt: skip
        """What a deployment has under way after a look at it, instead of what it had; what it did not wish in that look,
        at `now`, it does not wish any more. `until`: when all of it must be over, though nobody should look again.
        """
        where, before, _ = self._runs.pop(who, (server, {}, None))
        if runs:
            self._runs[who] = (server, dict(runs), until)
        for place, waiting in self._wishes.items():
            begun = place[0] == server and runs.get(place[1], 0) > before.get(place[1], 0)
            if who in waiting and (begun or waiting[who].asked != now):
                del waiting[who]
        for proxy, count in before.items():
            left = 0 if where != server else runs.get(proxy, 0)
            if left < count:
                self._freed(where, proxy, count - left)

    def drop(self, who: Who) -> None:
        """A deployment is gone, or cannot be looked at: it wishes nothing, and its jobs may run until they must be over."""
        server, runs, until = self._runs.get(who, ("", {}, None))
        self.book(who, server, {} if until is None else runs, until=until)

    def free(self, who: Who) -> None:
        """No job of a deployment runs any more."""
        self.book(who, "", {})

    def _freed(self, server: str, proxy: Proxy, count: int) -> None:
        """Wake those whose turn it is, for so many runs."""
        for (where, at), waiting in self._wishes.items():
            if where != server or not _may_be_one(at, proxy):
                continue
            room = count
            for who, wish in sorted(waiting.items(), key=lambda pair: pair[1].since):
                if room <= 0:
                    break
                room -= wish.count
                self.wake(who)

    def left(self, place: Place, who: Who, wanted: int, room: int, now: datetime) -> int:
        """How many of `wanted` runs may start on a server's proxy; `room` is the limit less what `who` runs there."""
        waiting = self._wishes.setdefault(place, {})
        for name in [name for name, wish in waiting.items() if now > wish.asked + self._patience]:
            del waiting[name]
        for name in [name for name, (_, _, until) in self._runs.items() if until is not None and now >= until]:
            del self._runs[name]
        since = _since(waiting, who, now)
        ahead = sum(wish.count for name, wish in waiting.items() if name != who and wish.since < since)
        return max(0, min(wanted, room - self._others(who, *place) - ahead))

    def grant(self, place: Place, who: Who, wanted: int, room: int, now: datetime) -> int:
        """So many runs are kept for `who` until its next `book`; if there are none, it has its place in the queue."""
        granted = self.left(place, who, wanted, room, now)
        waiting = self._wishes[place]
        waiting[who] = Wish(_since(waiting, who, now), now, max(0, min(wanted, room)))
        return granted

    def _others(self, who: Who, server: str, proxy: Proxy) -> int:
        """Runs of other deployments there; those whose proxy is not known count everywhere."""
        return sum(
            count
            for name, (where, runs, _) in self._runs.items()
            if name != who and where == server
            for at, count in runs.items()
            if _may_be_one(at, proxy)
        )


def _since(waiting: Mapping[Who, Wish], who: Who, now: datetime) -> datetime:
    """Since when a deployment waits; from now on, if it has not waited."""
    return waiting[who].since if who in waiting else now


def _may_be_one(one: Proxy, other: Proxy) -> bool:
    """Whether these are the same proxy, as far as it is known."""
    return one is None or other is None or one == other


@dataclass(frozen=True)
class Share:
    """What one deployment may take of a server's limit."""

    ledger: Ledger
    server: str
    who: Who
    limit: int

    def left(self, proxy: Proxy, wanted: int, own: int, now: datetime) -> int:
        """How many of `wanted` runs may start on a proxy, where `own` ones are under way."""
        return self.ledger.left((self.server, proxy), self.who, wanted, self.limit - own, now)

    def grant(self, proxy: Proxy, wanted: int, own: int, now: datetime) -> int:
        """The same, and they are kept until they start."""
        return self.ledger.grant((self.server, proxy), self.who, wanted, self.limit - own, now)


def ends(timeouts: Mapping[str, float], lost_after: float) -> Ends:
    """By the time-outs of steps: at its time-out a run is cancelled, and some time later it is given up."""
    return lambda step, run: run.since + timedelta(seconds=timeouts.get(step, TIMEOUT) + lost_after)


def under_way(
    progress: Progress,
    over: Ends,
    now: datetime,
    proxy_of: Callable[[str], Proxy] = lambda _: None,
    hosts: Collection[HostRef] | None = None,
) -> tuple[Counter[Proxy], datetime | None]:
    """The Puppet runs that a deployment's progress holds, by the proxy of the host's role, and when all of them must be
    over. Scripts are none, nor is what must be over by now.

    With `hosts` only those count: a status can name any.
    """
    found: Counter[Proxy] = Counter()
    until: datetime | None = None
    for step in progress.steps.values():
        script = step.name == quiesce.NAME or (step.name == periodic_puppet.NAME and step.run and not step.run.baseline)
        if step.run is None or script or (end := over(step.name, step.run)) <= now:
            continue
        found.update(proxy_of(ref.role) for ref in step.run.hosts if hosts is None or ref in hosts)
        until = end if until is None else max(until, end)
    return found, until
