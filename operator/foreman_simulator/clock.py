"""Simulated time: one clock that can be sped up or advanced, and one heap of events."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import time
import traceback
from collections.abc import Callable


class Clock:
    """Simulated seconds since 1970. It starts at the real time and runs `speed` times as fast."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._real = time.monotonic()
        self._base = time.time()
        self._at: float | None = None
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._changed = asyncio.Event()

    @property
    def speed(self) -> float:
        """How many simulated seconds pass in a real one."""
        return self._speed

    def now(self) -> float:
        """The simulated time; inside an event, the time for which it was planned."""
        if self._at is not None:
            return self._at
        return self._base + (time.monotonic() - self._real) * self._speed

    def set_speed(self, speed: float) -> None:
        """Go on from now at another speed."""
        self._base, self._real, self._speed = self.now(), time.monotonic(), speed
        self._changed.set()

    def advance(self, seconds: float) -> None:
        """Jump ahead; events that were due in between happen in order, each at its own time."""
        self._base += seconds
        self.run_due()

    def at(self, when: float, event: Callable[[], None]) -> None:
        """Plan an event."""
        heapq.heappush(self._heap, (when, next(self._order), event))
        self._changed.set()

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        """Plan an event that many simulated seconds from now."""
        self.at(self.now() + seconds, event)

    def run_due(self) -> None:
        """Run all events that are due."""
        if self._at is not None:
            return
        while self._heap and self._heap[0][0] <= self.now():
            when, _, event = heapq.heappop(self._heap)
            self._at = when
            try:
                event()
            except Exception:  # noqa: BLE001 - one failing event must not stop the clock
                traceback.print_exc()
            finally:
                self._at = None

    def clear(self) -> None:
        """Forget all planned events."""
        self._heap.clear()

    async def sleep(self, seconds: float) -> None:
        """Wait in simulated time."""
        done = asyncio.Event()
        self.after(seconds, done.set)
        await done.wait()

    async def run(self) -> None:
        """Run each event when it is due, for ever; to be run as a task."""
        while True:
            self.run_due()
            self._changed.clear()
            wait = 3600.0
            if self._heap:
                wait = max(0.0, (self._heap[0][0] - self.now()) / max(self._speed, 1e-9))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait, 3600.0)):
                    await self._changed.wait()
