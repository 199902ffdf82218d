"""Finds changes that no watch event reported: a stream can go silent without being closed, and an event can be lost.

Each watched kind is listed from time to time, by metadata only, and compared with what the engine has seen. An object
that differs, and still differs a while later, is read and passed to the engine as by an event.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from foreman_stacks.cluster.port import WATCHED, Cluster, Key, Object
from foreman_stacks.engine.store import Store
from foreman_stacks.errors import ClusterError, trace_of
from foreman_stacks.metrics import Metrics

PATIENCE = 0.2
"""The fraction of the interval for which an event may still be on its way."""

_log = logging.getLogger(__name__)


class Relist:
    """Compares lists with the store for ever, and calls `seen` and `gone` for missed changes."""

    def __init__(
        self, cluster: Cluster, store: Store, metrics: Metrics, *, every: float,
        seen: Callable[[Key, Object], None], gone: Callable[[Key], None],
    ) -> None:  # fmt: skip
        self._cluster = cluster
        self._store = store
        self._metrics = metrics
        self._every = every
        self._seen = seen
        self._gone = gone

    async def run(self) -> None:
        """List again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            try:
                await self.look()
            except ClusterError as error:
                _log.info("could not list the objects: %s", error)
            except Exception as error:  # noqa: BLE001 - a bug must not end the loop
                _log.error("the comparison with lists failed\n%s", trace_of(error))

    async def look(self) -> None:
        """Compare every kind once."""
        suspects: dict[Key, str | None] = {}
        for plural in WATCHED:
            listed = await self._cluster.versions(plural)
            known = self._store.versions(plural)
            suspects |= {
                key: known.get(key) for key in listed.keys() | known.keys() if listed.get(key) != known.get(key)
            }
        if suspects:
            await asyncio.sleep(self._every * PATIENCE)
        for key, version in suspects.items():
            if self._store.version(key) == version:
                await self._heal(key, version)

    async def _heal(self, key: Key, version: str | None) -> None:
        body = await self._cluster.get(key)
        now = None if body is None else body["metadata"]["resourceVersion"]
        if now == version or self._store.version(key) != version:
            return  # nothing was missed, or the event has come after all
        self._metrics.missed_events.labels(key.plural).inc()
        _log.warning("%s: no watch event came for its last change", key)
        if body is None:
            self._gone(key)
        else:
            self._seen(key, body)
