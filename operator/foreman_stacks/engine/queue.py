"""The work queue: each key at most once, one worker per key, delays, back-off with jitter, edits before resyncs."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable

from foreman_stacks.cluster.port import Key
from foreman_stacks.metrics import Metrics

JITTER = 0.2
CALM_TURN = 4
"""Of so many keys one is a calm one, however many edits there are: timers must not wait for the end of all other work."""
DOUBLINGS = 64
"""No pause is doubled more often: after a thousand failures the number would be none that a float can hold."""


class Queue:
    """Keys that are due, and keys that will be. Times are seconds of the given clock."""

    def __init__(self, clock: Callable[[], float], *, first: float, cap: float, metrics: Metrics) -> None:
        self._clock = clock
        self._first = first
        self._cap = cap
        self._metrics = metrics
        self._urgent: deque[Key] = deque()
        self._calm: deque[Key] = deque()
        self._due: set[Key] = set()
        self._working: set[Key] = set()
        self._again: dict[Key, tuple[float, bool]] = {}
        self._later: list[tuple[float, Key]] = []
        self._when: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._turn = 0
        self._changed = asyncio.Event()

    def add(self, key: Key, after: float = 0.0, *, calm: bool = False) -> None:
        """Make the key due after so many seconds; the earliest wish wins. `calm` work waits behind edits."""
        self._metrics.queue_adds.inc()
        if key in self._working:
            sooner, calmer = self._again.get(key, (after, calm))
            self._again[key] = min(after, sooner), calm and calmer
        elif key in self._due:
            return
        elif after <= 0.0:
            self._make_due(key, calm=calm)
        else:
            at = self._clock() + after
            if at < self._when.get(key, float("inf")):
                self._when[key] = at
                heapq.heappush(self._later, (at, key))
                self._changed.set()

    def retry(self, key: Key) -> None:
        """The pass failed: again after a pause that doubles each time, with ± 20 % jitter."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause = min(self._first * 2.0 ** min(failures - 1, DOUBLINGS), self._cap)
        self._metrics.queue_retries.inc()
        self.add(key, pause * random.uniform(1 - JITTER, 1 + JITTER), calm=True)  # noqa: S311 - jitter needs no secrecy

    def succeeded(self, key: Key) -> None:
        """The pass ended well: the next failure starts at the first pause."""
        self._failures.pop(key, None)

    def done(self, key: Key) -> None:
        """The worker has left the key; what came meanwhile is enqueued, calm as it was."""
        self._working.discard(key)
        if key in self._again:
            after, calm = self._again.pop(key)
            self.add(key, after, calm=calm)

    async def get(self) -> Key:
        """The next key that is due; it belongs to the caller until `done`."""
        while True:
            self._ripen()
            if self._due:
                key = self._next()
                self._due.discard(key)
                self._working.add(key)
                self._metrics.queue_depth.set(len(self._due))
                return key
            await self._wait()

    @property
    def overdue(self) -> int:
        """How many keys are due and nobody has taken."""
        return len(self._due)

    def _next(self) -> Key:
        self._turn += 1
        calm_first = not self._urgent or (self._turn % CALM_TURN == 0 and bool(self._calm))
        return (self._calm if calm_first else self._urgent).popleft()

    def _make_due(self, key: Key, *, calm: bool) -> None:
        self._when.pop(key, None)
        self._due.add(key)
        (self._calm if calm else self._urgent).append(key)
        self._metrics.queue_depth.set(len(self._due))
        self._changed.set()

    def _ripen(self) -> None:
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            at, key = heapq.heappop(self._later)
            if self._when.get(key) == at:
                del self._when[key]
                if key not in self._working:
                    self._make_due(key, calm=True)
                else:
                    self.add(key, calm=True)

    async def _wait(self) -> None:
        self._changed.clear()
        pause = max(0.0, self._later[0][0] - self._clock()) if self._later else None
        try:
            await asyncio.wait_for(self._changed.wait(), pause)
        except TimeoutError:
            return
