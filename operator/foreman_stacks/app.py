"""The composition root: settings → clients → engine → Kopf. Only this module builds adapters."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime

import kopf

from foreman_stacks.api.foremanserver import ForemanServer
from foreman_stacks.cluster import shallow
from foreman_stacks.cluster.adapter import ClusterAdapter, connect
from foreman_stacks.cluster.port import Key
from foreman_stacks.engine.audit import Audit
from foreman_stacks.engine.engine import Engine
from foreman_stacks.errors import ClusterError
from foreman_stacks.foreman.adapter import ForemanAdapter
from foreman_stacks.foreman.client import ForemanClient
from foreman_stacks.foreman.port import Foreman
from foreman_stacks.handlers.informer import stop_at_signals, watch
from foreman_stacks.handlers.probes import serve
from foreman_stacks.handlers.registry import build_registry
from foreman_stacks.metrics import Metrics
from foreman_stacks.reconcile.defect import tell
from foreman_stacks.reconcile.deployment import Deployments
from foreman_stacks.reconcile.servers import Servers
from foreman_stacks.reconcile.stack import Stacks
from foreman_stacks.settings import Settings

KINDS = frozenset({"stacks", "stackdeployments", "foremanservers", "deployedhosts"})
"""The kinds that must be served: Kopf only warns about a missing one and then does nothing (docs/decisions/0003)."""
RESTART_FIRST, RESTART_CAP = 1.0, 30.0
"""The shortest and the longest pause between two runs of Kopf, in seconds.

A watch error other than 410 ends a run (docs/decisions/0003).
"""

LIBRARIES = {
    "kubernetes": logging.INFO,
    "kopf": logging.INFO,
    "kopf.objects": logging.WARNING,
    "aiohttp": logging.INFO,
    "asyncio": logging.INFO,
    "httpx": logging.WARNING,
    "httpcore": logging.INFO,
}
"""The lowest log level of libraries: below it they log whole requests, with their bodies."""

_log = logging.getLogger("foreman_stacks")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class App:
    """The process: what outlives a single run of Kopf."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.engine: Engine | None = None
        self._journal = Audit(self.metrics, settings.audit_socket)

    async def build(self) -> Engine:
        """Build the engine with all its adapters. Raises `ClusterError`, and RuntimeError when CRDs are missing."""
        api = await connect(os.environ.get("KUBECONFIG"))
        cluster = ClusterAdapter(api, self._journal, self.metrics)
        try:
            await _check_served(cluster)
        except Exception:
            await cluster.close()
            raise
        servers = Servers(cluster, self.settings, self._connect, _now)
        deployments = Deployments(cluster, servers, self.settings, _now)

        async def close() -> None:
            await servers.close()
            await cluster.close()

        async def defect(key: Key, error: Exception) -> None:
            await tell(cluster, key, error, _now())

        passes = (Stacks(cluster, _now), servers, deployments)
        self.engine = Engine(self.settings, self.metrics, passes, close, defect, cluster=cluster)
        return self.engine

    def _connect(self, server: ForemanServer, auth: tuple[str, str]) -> Foreman:
        client = ForemanClient(
            server.spec.url,
            auth,
            ca=server.spec.ca_bundle,
            requests=server.spec.limits.requests,
            lockout=self.settings.lockout,
            metrics=self.metrics,
            patience=(self.settings.foreman_read_timeout, self.settings.foreman_write_timeout),
        )
        return ForemanAdapter(client, self._journal, server.spec.limits.provisioning)

    async def run(self) -> None:
        """Run Kopf again and again until a signal ends the process. Raises `ClusterError` when no cluster is configured."""
        await (await connect(os.environ.get("KUBECONFIG"))).close()  # type: ignore[no-untyped-call]
        probes = await serve(self.settings.http_host, self.settings.http_port, self.metrics, self.alive, self.ready)
        stop = asyncio.Event()
        stop_at_signals(stop)
        pause = RESTART_FIRST / 2
        try:
            while not stop.is_set():
                began = time.monotonic()
                try:
                    await watch(build_registry(self.build, login), stop)
                except Exception as error:  # noqa: BLE001 - crash-only: start again
                    _log.error("the watches ended: %s: %s", type(error).__name__, error)
                if self.engine is not None:
                    await self.engine.stop()
                pause = RESTART_FIRST if time.monotonic() - began > RESTART_CAP else min(pause * 2, RESTART_CAP)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause * random.uniform(0.8, 1.2)):  # noqa: S311 - jitter needs no secrecy
                        await stop.wait()
        finally:
            await probes.cleanup()

    def ready(self) -> bool:
        """Whether the operator is at work: not while the cluster cannot be watched, lacks the CRDs or denies access."""
        return self.engine is not None and self.engine.running

    def alive(self) -> bool:
        """False when the process is stuck and must be restarted."""
        return self.engine is None or self.engine.alive


async def _check_served(cluster: ClusterAdapter) -> None:
    """Raise RuntimeError when the cluster does not serve the operator's kinds."""
    missing = KINDS - await cluster.served()
    if missing:
        names = ", ".join(sorted(missing))
        raise RuntimeError(f"the cluster does not serve {names}: install the CRDs first (kubectl apply -k crds)")


def login(settings: kopf.OperatorSettings) -> kopf.ConnectionInfo:
    """Return Kopf's connection by the rules of `connect`: the kubeconfig, else the Pod's ServiceAccount."""
    if os.environ.get("KUBECONFIG") or not os.environ.get("KUBERNETES_SERVICE_HOST"):
        found = kopf.login_with_kubeconfig(settings=settings)
    else:
        found = kopf.login_with_service_account(settings=settings)
    if not isinstance(found, kopf.ConnectionInfo):
        message = "no cluster: set KUBECONFIG, or run in a Pod with a ServiceAccount"
        raise kopf.LoginError(message)
    return found


def quiet_libraries(level: str) -> None:
    """Set up the log, and keep libraries from logging whole bodies at DEBUG, which may be Secrets."""
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name, least in LIBRARIES.items():
        logging.getLogger(name).setLevel(max(least, logging.getLogger().level))


def main(settings: Settings) -> int:
    """Run the operator until SIGTERM or SIGINT; return the exit code."""
    quiet_libraries(settings.log_level)
    shallow.install()
    try:
        asyncio.run(App(settings).run())
    except ClusterError as error:
        _log.error("%s", error)
        return 1
    return 0
