"""Puppet runs under way on each smart proxy, of all deployments of a server together: `limits.puppetRunsPerProxy`.

Kept in this process, booked in the same instant in which a run is decided, and rebuilt from all statuses at the start:
a run is an intent in some status before it is started.
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
from foreman_stacks.model.progress import Progress
from foreman_stacks.reconcile import status
from foreman_stacks.steps import periodic_puppet, quiesce

Proxy: TypeAlias = int | None
"""The id of a smart proxy; None: not known."""
Who: TypeAlias = tuple[str, str]
"""A deployment: namespace and name."""


@dataclass
class Wish:
    """A deployment that got nothing, and since when. Who waits longer comes first, as long as it goes on asking."""

    since: datetime
    asked: datetime
    count: int


class Ledger:
    """All runs, and who waits for his turn. A wish that is not repeated within `patience` is over."""

    def __init__(self, patience: timedelta) -> None:
        self._patience = patience
        self._runs: dict[Who, tuple[str, Mapping[Proxy, int]]] = {}
        self._wishes: dict[tuple[str, Proxy], dict[Who, Wish]] = {}
        self._turn = asyncio.Lock()
        self._loaded = False

    async def load(self, cluster: Cluster) -> None:
        """Once in a process, before anything is granted: the runs of all statuses. Raises `ClusterError`."""
        async with self._turn:
            if self._loaded:
                return
            for body in await cluster.list("stackdeployments"):
                meta, spec = body["metadata"], body.get("spec") or {}
                server = str((spec.get("serverRef") or {}).get("name", ""))
                self.book((meta["namespace"], meta["name"]), server, under_way(status.parse(body.get("status"))))
            self._loaded = True

    def book(self, who: Who, server: str, runs: Mapping[Proxy, int]) -> None:
        """What a deployment has under way now, instead of what it had."""
        if runs:
            self._runs[who] = (server, dict(runs))
        else:
            self._runs.pop(who, None)

    def drop(self, who: Who) -> None:
        """A deployment is gone."""
        self._runs.pop(who, None)
        for waiting in self._wishes.values():
            waiting.pop(who, None)

    def grant(self, place: tuple[str, Proxy], who: Who, wanted: int, room: int, now: datetime) -> int:
        """How many of `wanted` runs may start on a server's proxy; `room` is the limit less what `who` runs there."""
        waiting = self._wishes.setdefault(place, {})
        for name in [name for name, wish in waiting.items() if now > wish.asked + self._patience]:
            del waiting[name]
        since = waiting[who].since if who in waiting else now
        ahead = sum(wish.count for name, wish in waiting.items() if name != who and wish.since < since)
        granted = max(0, min(wanted, room - self._others(who, *place) - ahead))
        if granted:
            waiting.pop(who, None)
        else:
            waiting[who] = Wish(since, now, min(wanted, room))
        return granted

    def _others(self, who: Who, server: str, proxy: Proxy) -> int:
        """Runs of other deployments there; those whose proxy is not known count everywhere."""
        return sum(
            count
            for name, (where, runs) in self._runs.items()
            if name != who and where == server
            for at, count in runs.items()
            if at is None or proxy is None or at == proxy
        )


@dataclass(frozen=True)
class Share:
    """What one deployment may take of a server's limit."""

    ledger: Ledger
    server: str
    who: Who
    limit: int

    def grant(self, proxy: Proxy, wanted: int, own: int, now: datetime) -> int:
        """How many of `wanted` runs may start on a proxy, where `own` ones are under way."""
        return self.ledger.grant((self.server, proxy), self.who, wanted, self.limit - own, now)


def under_way(
    progress: Progress, proxy_of: Callable[[str], Proxy] = lambda _: None, hosts: Collection[HostRef] | None = None
) -> Counter[Proxy]:
    """The Puppet runs that a deployment's progress holds, by the proxy of the host's role. Scripts are none.

    With `hosts` only those count: a status can name any.
    """
    found: Counter[Proxy] = Counter()
    for step in progress.steps.values():
        script = step.name == quiesce.NAME or (step.name == periodic_puppet.NAME and step.run and not step.run.baseline)
        if step.run is not None and not script:
            found.update(proxy_of(ref.role) for ref in step.run.hosts if hosts is None or ref in hosts)
    return found
