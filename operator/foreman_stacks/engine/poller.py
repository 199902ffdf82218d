"""One poller per Foreman server, in place of a watch: a fixed set of thin searches for all that deployments wait for.

Each deployment names the polled queries that it waits for and its own hosts; it is woken when an answer changes for
these hosts. There is no request per host, and none at all while no deployment waits (foreman-measured §1.3). Builds,
jobs and reports are separate groups: when one fails, the others go on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from foreman_stacks.cluster.port import Key
from foreman_stacks.errors import ForemanError, trace_of
from foreman_stacks.foreman.port import JobCounts, JobHosts, Query, ReportsSince
from foreman_stacks.metrics import Metrics, polling
from foreman_stacks.reconcile.servers import Connection

_FAST = (JobCounts, JobHosts, ReportsSince)
"""Queries whose answers change within seconds; all others, above all builds, take minutes."""
BLIND = 2
"""After so many failures of a group in a row, its deployments are woken to read, and report the error, themselves."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Interest:
    """The queries that one deployment waits for, and the FQDNs of its own hosts."""

    queries: tuple[Query[Any], ...]
    names: frozenset[str]


class Poller:
    """Polls one server while deployments wait for it."""

    def __init__(
        self,
        connection: Callable[[], Connection | None],
        wake: Callable[[Key], None],
        *,
        jobs: float,
        builds: float,
        metrics: Metrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connection = connection
        self._wake = wake
        self._jobs = jobs
        self._builds = builds
        self._metrics = metrics
        self._now = now
        self._interests: dict[Key, Interest] = {}
        self._changed = asyncio.Event()
        self._calm_polled = 0.0
        self._failures: Counter[str] = Counter()

    def watch(self, key: Key, interest: Interest) -> None:
        """Replace what this key waits for; without queries, it no longer waits."""
        if interest.queries:
            self._interests[key] = interest
            self._changed.set()
        else:
            self._interests.pop(key, None)
        connection = self._connection()
        if connection is not None:
            wanted = self._wanted()
            for query in [query for query in connection.answers if query not in wanted]:
                del connection.answers[query]

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            while not self._interests:
                self._changed.clear()
                await self._changed.wait()
            await self._rest()
            connection = self._connection()
            if connection is None or not connection.ready or not self._interests:
                continue
            try:
                await self._poll(connection)
            except Exception as error:  # noqa: BLE001 - a bug must not end the poller of all deployments
                _log.error("poll of %s failed\n%s", connection.server.metadata.name, trace_of(error))

    async def _rest(self) -> None:
        """Wait until the next poll is due; a job that starts meanwhile makes it due sooner."""
        began = time.monotonic()
        while (left := began + self._pause() - time.monotonic()) > 0:
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()

    def _pause(self) -> float:
        busy = any(isinstance(query, _FAST) for query in self._wanted())
        return self._jobs if busy else self._builds

    def _wanted(self) -> set[Query[Any]]:
        return {query for interest in self._interests.values() for query in interest.queries}

    async def _poll(self, connection: Connection) -> None:
        self._metrics.polls.inc()
        wanted, old = self._wanted(), connection.answers
        calm = {query for query in wanted if not isinstance(query, _FAST)}
        groups: defaultdict[str, set[Query[Any]]] = defaultdict(set)
        for query in wanted - self._not_due(wanted, calm, old):
            groups[_group(query)].add(query)
        fresh: dict[Query[Any], Any] = {}
        for found in await asyncio.gather(*(self._attempt(connection, *group) for group in groups.items())):
            fresh |= found
        if fresh:
            connection.answered = self._now()
        for key, interest in list(self._interests.items()):
            if any(
                _differs(connection.answers.get(query), fresh[query], interest.names)
                for query in interest.queries
                if query in fresh
            ):
                self._wake(key)
        still = self._wanted()  # an answer that no deployment waits for must not stay and get old
        connection.answers.update({query: answer for query, answer in fresh.items() if query in still})

    async def _attempt(self, connection: Connection, group: str, queries: set[Query[Any]]) -> Mapping[Query[Any], Any]:
        """Return the answers of one group, none if it fails: a failure must not keep answers from the other groups."""
        where = f"poll of {connection.server.metadata.name} for {group}"
        try:
            with polling():
                found = await self._read(connection, queries)
        except ForemanError as error:
            _log.info("%s: %s", where, error)
        except Exception as error:  # noqa: BLE001 - a bug must not blind all deployments
            _log.error("%s failed\n%s", where, trace_of(error))
        else:
            del self._failures[group]
            return found
        self._failures[group] += 1
        if self._failures[group] >= BLIND:
            self._give_up(connection, group)
        return {}

    async def _read(self, connection: Connection, queries: set[Query[Any]]) -> Mapping[Query[Any], Any]:
        hosts = {query for query in queries if isinstance(query, JobHosts)}
        fresh = dict(await connection.foreman.read(queries - hosts))
        due = {query for query in hosts if query not in connection.answers or _moved(query, connection.answers, fresh)}
        return fresh | dict(await connection.foreman.read(due)) if due else fresh

    def _give_up(self, connection: Connection, group: str) -> None:
        """Drop the group's old answers, and wake the deployments that wait for them to read for themselves."""
        del self._failures[group]
        for query in [query for query in connection.answers if _group(query) == group]:
            del connection.answers[query]
        for key, interest in list(self._interests.items()):
            if any(_group(query) == group for query in interest.queries):
                self._wake(key)

    def _not_due(
        self, wanted: set[Query[Any]], calm: set[Query[Any]], old: Mapping[Query[Any], Any]
    ) -> set[Query[Any]]:
        """Return the queries to leave out of this poll: builds keep their own pace while jobs are polled more often."""
        now = time.monotonic()
        if wanted == calm or now - self._calm_polled > self._builds - self._jobs / 2:
            self._calm_polled = now
            return set()
        return {query for query in calm if query in old}


def _group(query: Query[Any]) -> str:
    """Return the group of queries that fails or succeeds as a whole; a job's counts and hosts belong together."""
    match query:
        case JobCounts() | JobHosts():
            return "jobs"
        case ReportsSince():
            return "reports"
        case _:
            return "builds"


def _moved(query: JobHosts, old: Mapping[Query[Any], Any], fresh: Mapping[Query[Any], Any]) -> bool:
    """Whether the job's hosts with this result may have changed: their count has, or the job's status."""
    before, now = old.get(JobCounts(query.id)), fresh.get(JobCounts(query.id))
    if before is None or now is None or before.status != now.status:
        return before is not now
    match query.result:
        case "success":
            return bool(before.succeeded != now.succeeded)
        case _:
            return bool(before.failed != now.failed)


def _differs(old: Any, new: Any, names: frozenset[str]) -> bool:
    """Whether an answer has changed for these hosts."""
    if isinstance(new, frozenset) and isinstance(old, frozenset | None):
        return (old or frozenset()) & names != new & names
    return bool(old != new)
