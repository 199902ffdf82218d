"""The engine: events make keys due, workers run passes, and the result of a pass says when to look again."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable

from foreman_stacks.cluster.port import Cluster, Key, Object
from foreman_stacks.engine.poller import Interest, Poller
from foreman_stacks.engine.queue import Queue
from foreman_stacks.engine.relist import Relist
from foreman_stacks.engine.store import Seen, Store
from foreman_stacks.errors import ClusterError, trace_of
from foreman_stacks.metrics import Metrics
from foreman_stacks.reconcile.deployment import Deployments
from foreman_stacks.reconcile.servers import Servers
from foreman_stacks.reconcile.stack import Stacks
from foreman_stacks.settings import Settings

LAG_LIMIT = 30.0
"""Age of the last heart-beat, in seconds, from which on the event loop counts as stuck."""
STUCK_LIMIT = 900.0
"""Seconds without a pass beginning or ending, while keys are due, after which the workers count as stuck."""

_log = logging.getLogger(__name__)


class Engine:
    """Queue, workers and pollers of one process."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        passes: tuple[Stacks, Servers, Deployments],
        close: Callable[[], Awaitable[None]],
        tell: Callable[[Key, Exception], Awaitable[None]],
        *,
        cluster: Cluster,
    ) -> None:
        self.store = Store()
        self._settings = settings
        self._metrics = metrics
        self._stacks, self._servers, self._deployments = passes
        self._close = close
        self._tell = tell
        self._relist = Relist(cluster, self.store, metrics, every=settings.relist, seen=self.seen, gone=self.gone)
        self._queue = Queue(
            time.monotonic, first=settings.backoff_first, cap=settings.backoff_cap, metrics=metrics,
            crowd=self.store.server_of, most=max(1, settings.workers // 2),
        )  # fmt: skip
        self._deployments.ledger.wake = lambda who: self._queue.add(Key("stackdeployments", *who))
        self._pollers: dict[str, tuple[Poller, asyncio.Task[None]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._progress = time.monotonic()
        self._beat = time.monotonic()

    # --- life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the workers, the heart-beat and the relisting."""
        self._progress = self._beat = time.monotonic()
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._settings.workers)]
        self._tasks += [asyncio.create_task(self._heart()), asyncio.create_task(self._relist.run())]

    async def stop(self) -> None:
        """Stop at once: a pass may be cut off at any point. Does nothing when the engine is already stopped."""
        if not self._tasks:
            return
        tasks = [*self._tasks, *(task for _, task in self._pollers.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        self._pollers.clear()
        await self._close()

    @property
    def running(self) -> bool:
        """Whether the engine is at work: False before its start, and while Kopf is between two runs."""
        return bool(self._tasks)

    @property
    def alive(self) -> bool:
        """False when the event loop or the workers are stuck, or a task has ended.

        True for an idle engine, and for a stopped one: Kopf is between two runs.
        """
        if not self.running:
            return True
        now = time.monotonic()
        stuck = self._queue.overdue > 0 and now - self._progress > STUCK_LIMIT
        return not stuck and now - self._beat < LAG_LIMIT and not any(task.done() for task in self._tasks)

    async def _heart(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(1.0)
            self._beat = time.monotonic()
            self._metrics.loop_lag.observe(max(0.0, self._beat - before - 1.0))

    # --- events -----------------------------------------------------------------------------------------------

    def seen(self, key: Key, body: Object) -> None:
        """Take note of an object that was added or changed. Never waits."""
        now = Seen.of(body)
        before = self.store.put(key, now)
        if before is not None and before.cause == now.cause:
            if key.plural == "stackdeployments" and before.held != now.held:
                self._queue.add(Key("foremanservers", "", now.server))
            return
        if before is None and key.plural == "stackdeployments" and now.at_rest:
            pause = random.uniform(0.05, 1.0) * self._settings.resync  # noqa: S311 - spreads the first looks
            self._queue.add(key, pause, calm=True)
            return
        self._queue.add(key)
        if key.plural == "stacks":
            self._wake_all(self.store.users_of_stack(key.namespace, key.name))
        elif key.plural == "foremanservers" and before is not None:
            self._wake_all(self.store.users_of_server(key.name))  # its tenants may have changed

    def gone(self, key: Key) -> None:
        """Take note that an object is gone."""
        before = self.store.remove(key)
        self._queue.add(key)
        if key.plural == "stacks":
            self._wake_all(self.store.users_of_stack(key.namespace, key.name))
        if key.plural == "stackdeployments":
            self._unwatch(key)
            if before is not None and before.held:
                self._queue.add(Key("foremanservers", "", before.server))

    def _unwatch(self, key: Key) -> None:
        for poller, _ in self._pollers.values():
            poller.watch(key, Interest((), frozenset()))

    def _wake_all(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._queue.add(key)

    # --- work -------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            began = self._progress = time.monotonic()
            result = "done"
            try:
                await self._pass(key)
                self._queue.succeeded(key)
            except _Again:
                result = "retry"
                self._queue.retry(key)
            except ClusterError as error:
                result = "cluster"
                _log.warning("%s: %s", key, error)
                self._queue.retry(key)
            except Exception as error:  # noqa: BLE001 - a bug: this object reports it, the others go on
                result = "defect"
                _log.error("%s: pass failed\n%s", key, trace_of(error))
                await self._defect(key, error)
                self._queue.retry(key)
            finally:
                self._progress = time.monotonic()
                self._metrics.reconciled(key.plural, result, self._progress - began)
                self._queue.done(key)

    async def _defect(self, key: Key, error: Exception) -> None:
        try:
            await self._tell(key, error)
        except Exception as again:  # noqa: BLE001 - nothing may end a worker
            _log.error("%s: its status could not be written\n%s", key, trace_of(again))

    async def _pass(self, key: Key) -> None:
        match key.plural:
            case "stacks":
                await self._stacks.reconcile(key)
            case "foremanservers":
                await self._server(key)
            case "stackdeployments":
                await self._deployment(key)
            case _:
                _log.error("no pass for %s", key)

    async def _server(self, key: Key) -> None:
        before, known = self._servers.ready(key.name), self._servers.known(key.name)
        after = await self._servers.reconcile(key, self.store.holds(key.name))
        if self._servers.ready(key.name) is not before or not known:
            self._wake_all(self.store.users_of_server(key.name, settled=False))
            for disturbed in self.store.disturbed_on_server(key.name):  # not at once: there may be many
                self._queue.add(disturbed, random.random() * self._settings.recheck, calm=True)  # noqa: S311 - a spread
        if after is not None:
            self._queue.add(key, after, calm=True)

    async def _deployment(self, key: Key) -> None:
        next_ = await self._deployments.reconcile(key)
        if not next_.polls:
            self._unwatch(key)
        else:
            self._poller(next_.server).watch(key, Interest(next_.polls, next_.names))
        if next_.probe:
            self._queue.add(Key("foremanservers", "", next_.server))
        if next_.error:
            raise _Again
        if next_.after is not None:
            self._queue.add(key, next_.after, calm=True)

    def _poller(self, name: str) -> Poller:
        if name not in self._pollers:
            poller = Poller(
                lambda: self._servers.connections.get(name),
                self._queue.add,
                jobs=self._settings.poll_jobs,
                builds=self._settings.poll_builds,
                metrics=self._metrics,
            )
            self._pollers[name] = (poller, asyncio.create_task(poller.run()))
        return self._pollers[name][0]


class _Again(Exception):
    """The pass asks to be repeated with the queue's back-off."""
