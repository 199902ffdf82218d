"""Prometheus metrics. Labels are kinds, verbs, codes, results and origins, never values, objects' or servers' names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

LAGS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

_ORIGIN: ContextVar[str] = ContextVar("origin", default="other")


@contextmanager
def polling() -> Iterator[None]:
    """Count requests to Foreman that are made in this context as the poller's (`origin`), not as work or probes."""
    token = _ORIGIN.set("poller")
    try:
        yield
    finally:
        _ORIGIN.reset(token)


class Metrics:
    """All metrics of one operator process, including those of the process and of Python, in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._foreman = Histogram(
            "foreman_stacks_foreman_request_seconds",
            "Requests to Foreman",
            ["method", "code", "origin"],
            registry=self.registry,
        )
        self._cluster = Counter(
            "foreman_stacks_cluster_requests",
            "Requests to the Kubernetes API",
            ["verb", "resource", "code"],
            registry=self.registry,
        )
        self._writes = Counter("foreman_stacks_writes", "Journal of writes", ["system", "what"], registry=self.registry)
        self._passes = Histogram(
            "foreman_stacks_pass_seconds", "Reconcile passes", ["kind", "result"], registry=self.registry
        )
        self.queue_depth = Gauge("foreman_stacks_queue_depth", "Keys that are due", registry=self.registry)
        self.queue_adds = Counter("foreman_stacks_queue_adds", "Keys enqueued", registry=self.registry)
        self.queue_retries = Counter(
            "foreman_stacks_queue_retries", "Passes put back after an error", registry=self.registry
        )
        self.polls = Counter("foreman_stacks_polls", "Polls of Foreman servers", registry=self.registry)
        self.missed_events = Counter(
            "foreman_stacks_missed_events", "Changes of which no watch event came", ["kind"], registry=self.registry
        )
        self.loop_lag = Histogram(
            "foreman_stacks_event_loop_lag_seconds",
            "How late the event loop comes to a turn, looked at each second",
            buckets=LAGS,
            registry=self.registry,
        )

    def foreman_request(self, method: str, code: str, seconds: float) -> None:
        """Record a request to Foreman, whether it was answered or not; `code` is its HTTP status, or `unreachable`."""
        self._foreman.labels(method, code, _ORIGIN.get()).observe(seconds)

    def cluster_request(self, verb: str, resource: str, code: str) -> None:
        """Count a request to the Kubernetes API, whether it was answered or not."""
        self._cluster.labels(verb, resource, code).inc()

    def write(self, system: str, what: str) -> None:
        """Count a write that was announced to the journal."""
        self._writes.labels(system, what).inc()

    def reconciled(self, kind: str, result: str, seconds: float) -> None:
        """Record a pass that ended."""
        self._passes.labels(kind, result).observe(seconds)
