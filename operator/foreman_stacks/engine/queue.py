"""The work queue: each key at most once, one worker per key, delays, back-off with jitter, edits before resyncs.

Keys may belong to a crowd, such as the deployments of one server: a crowd never occupies more than `most` workers,
however slow it is.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from contextlib import suppress

from foreman_stacks.cluster.port import Key
from foreman_stacks.metrics import Metrics

JITTER = 0.2
CALM_TURN = 4
"""One in so many keys is calm work, however many edits there are, so that timers do not wait for all edits."""
DOUBLINGS = 64
"""The most times that a pause is doubled: after a thousand failures the number would overflow a float."""


class Line:
    """Keys that are due, in their order: edits first, except when it is the turn of calm work."""

    def __init__(self) -> None:
        self._urgent: deque[Key] = deque()
        self._calm: deque[Key] = deque()
        self._turn = 0

    def __len__(self) -> int:
        return len(self._urgent) + len(self._calm)

    def put(self, key: Key, *, calm: bool) -> None:
        """Append a key."""
        (self._calm if calm else self._urgent).append(key)

    def take(self) -> tuple[Key, bool]:
        """Remove and return the next key, and whether it is calm."""
        self._turn += 1
        calm = not self._urgent or (self._turn % CALM_TURN == 0 and bool(self._calm))
        return (self._calm if calm else self._urgent).popleft(), calm


class Queue:
    """Keys that are due now or later. Times are in seconds of the given clock."""

    def __init__(
        self, clock: Callable[[], float], *, first: float, cap: float, metrics: Metrics,
        crowd: Callable[[Key], str] = lambda _: "", most: int = 1,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._first = first
        self._cap = cap
        self._metrics = metrics
        self._crowd = crowd
        self._most = most
        self._line = Line()
        self._held_back: defaultdict[str, Line] = defaultdict(Line)
        self._places: Counter[str] = Counter()
        self._promised: dict[Key, str] = {}
        self._due: set[Key] = set()
        self._working: dict[Key, str] = {}
        self._again: dict[Key, tuple[float, bool]] = {}
        self._later: list[tuple[float, Key]] = []
        self._when: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._changed = asyncio.Event()

    def add(self, key: Key, after: float = 0.0, *, calm: bool = False) -> None:
        """Make the key due after so many seconds; the earliest time wins. `calm` work waits behind edits."""
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
        """Make the key of a failed pass due again, after a pause that doubles each time, with ± 20 % jitter."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause = min(self._first * 2.0 ** min(failures - 1, DOUBLINGS), self._cap)
        self._metrics.queue_retries.inc()
        self.add(key, pause * random.uniform(1 - JITTER, 1 + JITTER), calm=True)  # noqa: S311 - jitter needs no secrecy

    def succeeded(self, key: Key) -> None:
        """Reset the key's back-off: its next failure starts at the first pause."""
        self._failures.pop(key, None)

    def done(self, key: Key) -> None:
        """Release the key from its worker; if it was added meanwhile, enqueue it now."""
        self._leave(self._working.pop(key, ""))
        if key in self._again:
            after, calm = self._again.pop(key)
            self.add(key, after, calm=calm)

    async def get(self) -> Key:
        """Wait for the next key that is due; it belongs to the caller until `done`."""
        while True:
            self._ripen()
            key = self._next()
            if key is not None:
                self._due.discard(key)
                self._metrics.queue_depth.set(len(self._due))
                return key
            await self._wait()

    @property
    def overdue(self) -> int:
        """The number of keys that are due and that no worker has taken."""
        return len(self._due)

    def _next(self) -> Key | None:
        """Return the next key whose crowd has a place for a worker, else None; keys before it are held back."""
        while self._line:
            key, calm = self._line.take()
            crowd = self._promised.pop(key, None)
            if crowd is None:
                crowd = self._crowd(key)
                if crowd and self._places[crowd] >= self._most:
                    self._held_back[crowd].put(key, calm=calm)
                    continue
                self._places[crowd] += 1
            self._working[key] = crowd
            return key
        return None

    def _leave(self, crowd: str) -> None:
        """Free a place of a crowd: promise it to the next key that was held back, which lines up like any other key."""
        if self._held_back.get(crowd):
            key, calm = self._held_back[crowd].take()
            self._promised[key] = crowd
            self._line.put(key, calm=calm)
            self._changed.set()
        else:
            self._places[crowd] -= 1

    def _make_due(self, key: Key, *, calm: bool) -> None:
        self._when.pop(key, None)
        self._due.add(key)
        self._line.put(key, calm=calm)
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
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._changed.wait()
