"""The stand: a control plane, and on it one stage for each run: a simulator, the operator, a namespace.

Time on a stage runs `speed` times as fast as in reality, for machines, agents and jobs of the simulator and for those
intervals and time-outs of the operator that concern Foreman and its hosts (`TIMES`). What the operator and the
apiserver compute is not sped up, nor is the latency of requests, so a figure in simulated time is never better than in
reality.
"""

import json
import os
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

import control_plane
from benchmarks.stacks import stack
from benchmarks.watch import Watch
from control_plane import ControlPlane, kubectl
from foreman_stacks.settings import Settings
from kubeconfig import served
from processes import free_ports
from tests.e2e.stage import ROOT, Simulator, Stage, staged, until

TIMES = (
    "poll_jobs", "poll_builds", "server_probe", "lookup_every", "boot_retry", "retry_first", "busy_retry", "report_grace",
    "host_create_timeout", "boot_timeout", "job_lost_after", "show_every", "claim_grace",
)  # fmt: skip
"""Settings that are times of Foreman and its hosts; they are divided by the speed."""
QUIET = 2.0
"""Seconds without a pass after which the operator counts as calm."""
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What a process has used so far: CPU seconds, memory now and at its peak in MiB."""

    cpu: float
    memory: float
    peak: float

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """Read the usage of a process from /proc."""
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        lines = (
            line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Vm")
        )
        sizes = {name: int(size.split()[0]) / 1024 for name, size in lines}
        return cls((int(stat[11]) + int(stat[12])) / TICK, sizes["VmRSS"], sizes["VmHWM"])


class Counts(Counter[str]):
    """Counts by the names that the simulator or the operator's metrics give them."""

    def of(self, *names: str) -> int:
        """Return the sum of the counts of these names."""
        return sum(self[name] for name in names)

    def like(self, begin: str) -> int:
        """Return the sum of the counts whose names begin with `begin`."""
        return sum(count for name, count in self.items() if name.startswith(begin))


class Bench:
    """One stage, with the calls that a measurement needs."""

    def __init__(self, stage: Stage, speed: float, port: int) -> None:
        self.stage = stage
        self.speed = speed
        self._port = port
        self.watch = Watch(stage.api, stage.path("stackdeployments"))

    # --- looking ----------------------------------------------------------------------------------------------

    def counters(self) -> tuple[Counts, Counts, Counts]:
        """Return what was counted so far: requests by endpoint, full rows by resource, searches by their shape."""
        found = self.stage.simulator.counters()
        assert not found["unknown"], found["unknown"]
        assert not found["dropped"], found["dropped"]
        return Counts(found["requests"]), Counts(found["rows"]), Counts(found["searches"])

    def seconds(self) -> float:
        """Return the seconds that all requests so far would have cost a real server."""
        return float(sum(self.stage.simulator.counters()["seconds"].values()))

    def metrics(self) -> Counts:
        """Return the operator's metrics by name with labels, as in `name{a=b,c=d}`."""
        return parsed(httpx.get(f"http://127.0.0.1:{self._port}/metrics", timeout=30).text)

    def api_writes(self) -> int:
        """Return the writes to the Kubernetes API so far, as the operator's journal counts them."""
        return int(self.metrics().like("foreman_stacks_writes_total{system=cluster"))

    def polls(self) -> int:
        """Return the requests to Foreman that the operator's poller has sent so far."""
        return polled(self.metrics())

    def usage(self) -> Usage:
        """Return what the operator's process has used."""
        assert self.stage.operator.process is not None
        return Usage.of(self.stage.operator.process.pid)

    def now(self) -> float:
        """Return the simulated time."""
        return float(self.stage.simulator.control("GET", "clock")["now"])

    def writes(self) -> int:
        """Return the writes to Foreman and to the Kubernetes API so far."""
        return self.stage.simulator.writes() + self.api_writes()

    def passes(self) -> int:
        """Return how many passes over deployments have ended so far."""
        return int(self.metrics().like("foreman_stacks_pass_seconds_count{kind=stackdeployments"))

    def lag(self) -> float:
        """Return an upper bound, in seconds, of the event loop's lag in 99 % of its samples."""
        found = self.metrics()
        name = "foreman_stacks_event_loop_lag_seconds"
        total = found[f"{name}_count{{}}"]
        bounds = (
            (float(key.partition("le=")[2].rstrip("}")), found[key])
            for key in found
            if key.startswith(f"{name}_bucket")
        )
        return next(bound for bound, count in sorted(bounds) if count >= 0.99 * total)

    def created(self) -> int:
        """Return how many hosts are in Foreman."""
        return len(self.stage.simulator.rows("hosts"))

    def step(self, name: str) -> str:
        """Return the state of a step of deployment `bench`, empty if there is none."""
        steps = self.stage.status("bench").get("steps") or []
        return next((str(step["state"]) for step in steps if step["name"] == name), "")

    def reason(self) -> str:
        """Return what deployment `bench` waits for."""
        return str(self.stage.condition("Reconciling", "bench").get("message", ""))

    def until(self, look: Callable[[], bool], seconds: float) -> None:
        """Wait until `look` returns True."""
        until(look, seconds)

    def settled(self) -> None:
        """Wait until the operator has made no pass over a deployment for QUIET seconds."""
        quiet = [(self.passes(), time.monotonic())]

        def look() -> bool:
            now = self.passes()
            if now != quiet[0][0]:
                quiet[0] = (now, time.monotonic())
            return time.monotonic() - quiet[0][1] > QUIET

        until(look, 120)

    # --- doing ------------------------------------------------------------------------------------------------

    def started(self) -> None:
        """Start the operator and wait until its server is Ready."""
        self.stage.operator.start(http_port=str(self._port))
        until(self._answers, 60, "the operator answers")
        server = self.stage.server
        until(
            lambda: self.stage.condition("Ready", server, "foremanservers").get("status") == "True", 60, "server Ready"
        )

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}/readyz", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def deploy(self, hosts: int, name: str = "bench", **changes: Any) -> None:
        """Apply a deployment of the Stack `bench` with that many hosts."""
        role = {
            "name": "zk",
            "count": hosts,
            "sources": [{"name": "vm", "computeResource": {"name": "libvirt-test", "profile": "1-Small"}}],
        }
        self.stage.deployment(name, roles=[role], stackRef={"name": "bench"}, **changes)

    def deploy_all(self, names: Sequence[str], hosts: int) -> dict[str, float]:
        """Apply several deployments, one right after the other; return when the writing of each began."""
        written = {}
        for name in names:
            written[name] = time.monotonic()
            self.deploy(hosts, name)
        return written

    def resync(self, name: str) -> None:
        """Request a reconcile, and wait until the operator has handled it and makes no more passes."""
        now = str(time.time())
        metadata = {"annotations": {"stacks.theforeman.org/reconcile-requested-at": now}}
        path = self.stage.path("stackdeployments", name)
        self.stage.api.call("PATCH", path, {"metadata": metadata}, "application/merge-patch+json")
        until(lambda: self.stage.status(name).get("lastHandledReconcileAt") == now, 30, "the request is handled")
        self.settled()

    def ready(self, *names: str, seconds: float) -> None:
        """Wait until all of these are Ready."""
        try:
            until(lambda: self.watch.ready.keys() >= set(names), seconds, f"{len(names)} deployments Ready")
        except AssertionError as error:
            late = next(name for name in names if name not in self.watch.ready)
            told = json.dumps(self.stage.status(late), indent=1)
            said = "\n".join(self.stage.operator.log.read_text(errors="replace").splitlines()[-20:])
            raise AssertionError(f"{error}\n{late}: {told}\nThe operator said last:\n{said}") from None

    def limit(self, **limits: int) -> None:
        """Set limits of the server other than the defaults."""
        path = self.stage.path("foremanservers", self.stage.server)
        self.stage.api.call("PATCH", path, {"spec": {"limits": limits}}, "application/merge-patch+json")


class Stand:
    """A control plane with our CRDs; stages come and go on it."""

    def __init__(self, plane: ControlPlane, directory: Path) -> None:
        self.plane = plane
        self._directory = directory
        kubectl("apply", "-k", str(ROOT / "crds"), kubeconfig=plane.kubeconfig)
        kubectl(
            "wait",
            "--for=condition=Established",
            "-f",
            str(ROOT / "crds"),
            "--timeout=60s",
            kubeconfig=plane.kubeconfig,
        )
        kubectl("apply", "-k", str(ROOT / "manifests"), kubeconfig=plane.kubeconfig)
        until(lambda: served(plane.kubeconfig), 30, "our kinds are served")

    @contextmanager
    def stage(self, *, speed: float, latency: str = "0", overrides: bool = True, **settings: str) -> Iterator[Bench]:
        """A stage with the Stack `bench`.

        The operator has its default settings, with `TIMES` divided by the speed, and then `settings`.
        """
        name = f"bench-{uuid.uuid4().hex[:8]}"
        directory = self._directory / name
        directory.mkdir()
        kubectl("create", "namespace", name, kubeconfig=self.plane.kubeconfig)
        simulator = Simulator(directory, "--latency", latency, speed=speed)
        with staged(self.plane, directory, name, simulator=simulator) as stage:
            stage.operator.environment |= _environment(speed)
            stage.operator.environment |= {f"FOREMAN_STACKS_{key.upper()}": value for key, value in settings.items()}
            stage.apply(stack(overrides=overrides))
            bench = Bench(stage, speed, free_ports(1)[0])
            bench.started()
            try:
                yield bench
            finally:
                bench.watch.stop()


def parsed(text: str) -> Counts:
    """Parse the text of `/metrics` into values by name with labels, as in `name{a=b,c=d}`."""
    found = Counts()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value  # type: ignore[assignment]  # floats count as well
    return found


def polled(metrics: Counts) -> int:
    """Return the requests to Foreman that the poller sent, from the operator's metrics."""
    name = "foreman_stacks_foreman_request_seconds_count{"
    return int(sum(count for key, count in metrics.items() if key.startswith(name) and "origin=poller" in key))


@contextmanager
def stand() -> Iterator[Stand]:
    """A stand for one call of `make bench`, with a control plane of its own."""
    with tempfile.TemporaryDirectory(prefix="foreman-stacks-bench-") as name:
        directory = Path(name)
        with control_plane.start(directory / "control-plane") as plane:
            yield Stand(plane, directory)


def _environment(speed: float) -> Mapping[str, str]:
    defaults = Settings()
    found = {entry.name: getattr(defaults, entry.name) for entry in fields(Settings)}
    scaled = {name: str(found[name] / speed) for name in TIMES}
    plain = {name: str(found[name]) for name in ("backoff_first", "backoff_cap", "resync")}
    return {
        f"FOREMAN_STACKS_{name.upper()}": value for name, value in (scaled | plain | {"log_level": "WARNING"}).items()
    }


def wait(seconds: float) -> None:
    """Let time pass: for rates only, never for a condition."""
    time.sleep(seconds)
