"""Counts Puppet runs in progress per smart proxy, over all deployments of a server, for `limits.puppetRunsPerProxy`.

The ledger lives in this process. A run is booked the moment it is decided, and a new process loads all runs from the
statuses, since each run is an intent in a status before it starts. Even if no pass follows a run any more, it stops
counting when it must be over.
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
"""The id of a smart proxy; None if it is not known."""
Place: TypeAlias = tuple[str, Proxy]
"""A server's smart proxy."""
Who: TypeAlias = tuple[str, str]
"""A deployment: namespace and name."""
Ends: TypeAlias = Callable[[str, Run], datetime]
"""Returns when a run of the named step must be over."""

TIMEOUT = 7200
"""The time-out of a run whose step is not known, in seconds."""


@dataclass
class Wish:
    """A deployment's wish to run Puppet on `count` hosts. The deployment that waits longest comes first."""

    since: datetime
    asked: datetime
    """When the deployment last repeated the wish."""
    count: int


class Ledger:
    """All runs, and the deployments that wait for a turn. `wake` is called for a deployment that may find room now.

    A wish that is not repeated within `patience` lapses: its deployment is apparently stuck.
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
        """Book the runs of all statuses, once per process, before anything is granted. Raises `ClusterError`."""
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
        """Book the runs that a deployment has in progress after the pass at `now`, in place of those booked before.

        Its wishes end where runs have begun, and where this pass did not repeat them. `until` is when all these runs
        must be over, even if no pass books them again.
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
        """Drop the wishes of a deployment that is gone or not followed; its runs count until they must be over."""
        server, runs, until = self._runs.get(who, ("", {}, None))
        self.book(who, server, {} if until is None else runs, until=until)

    def free(self, who: Who) -> None:
        """Drop the wishes and runs of a deployment of which no job runs any more."""
        self.book(who, "", {})

    def _freed(self, server: str, proxy: Proxy, count: int) -> None:
        """Wake the deployments that are next in line for `count` runs."""
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
        """Return how many of `wanted` runs may start at `place`; `room` is the limit minus what `who` runs there."""
        waiting = self._wishes.setdefault(place, {})
        for name in [name for name, wish in waiting.items() if now > wish.asked + self._patience]:
            del waiting[name]
        for name in [name for name, (_, _, until) in self._runs.items() if until is not None and now >= until]:
            del self._runs[name]
        since = _since(waiting, who, now)
        ahead = sum(wish.count for name, wish in waiting.items() if name != who and wish.since < since)
        return max(0, min(wanted, room - self._others(who, *place) - ahead))

    def grant(self, place: Place, who: Who, wanted: int, room: int, now: datetime) -> int:
        """Return what `left` returns and reserve it for `who` until its next `book`.

        If nothing is left, `who` has its place in the queue.
        """
        granted = self.left(place, who, wanted, room, now)
        waiting = self._wishes[place]
        waiting[who] = Wish(_since(waiting, who, now), now, max(0, min(wanted, room)))
        return granted

    def _others(self, who: Who, server: str, proxy: Proxy) -> int:
        """Return the number of other deployments' runs there. Runs whose proxy is not known count for every proxy."""
        return sum(
            count
            for name, (where, runs, _) in self._runs.items()
            if name != who and where == server
            for at, count in runs.items()
            if _may_be_one(at, proxy)
        )


def _since(waiting: Mapping[Who, Wish], who: Who, now: datetime) -> datetime:
    """Return since when a deployment has been waiting: `now` if it has only just begun to."""
    return waiting[who].since if who in waiting else now


def _may_be_one(one: Proxy, other: Proxy) -> bool:
    """Whether these may be the same proxy; one that is not known may be any."""
    return one is None or other is None or one == other


@dataclass(frozen=True)
class Share:
    """One deployment's access to the limit of a server."""

    ledger: Ledger
    server: str
    who: Who
    limit: int

    def left(self, proxy: Proxy, wanted: int, own: int, now: datetime) -> int:
        """Return how many of `wanted` runs may start on a proxy where this deployment has `own` runs in progress."""
        return self.ledger.left((self.server, proxy), self.who, wanted, self.limit - own, now)

    def grant(self, proxy: Proxy, wanted: int, own: int, now: datetime) -> int:
        """Return the same and reserve these runs until the deployment's next `book`."""
        return self.ledger.grant((self.server, proxy), self.who, wanted, self.limit - own, now)


def ends(timeouts: Mapping[str, float], lost_after: float) -> Ends:
    """Return when runs must be over, from the time-outs of steps by name.

    A run is cancelled at its time-out, and given up `lost_after` seconds later.
    """
    return lambda step, run: run.since + timedelta(seconds=timeouts.get(step, TIMEOUT) + lost_after)


def under_way(
    progress: Progress,
    over: Ends,
    now: datetime,
    proxy_of: Callable[[str], Proxy] = lambda _: None,
    hosts: Collection[HostRef] | None = None,
) -> tuple[Counter[Proxy], datetime | None]:
    """Return the Puppet runs in a deployment's progress, counted by smart proxy, and when all of them must be over.

    Scripts do not count, nor do runs that must be over by now. With `hosts`, only these count: a status may name any.
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
