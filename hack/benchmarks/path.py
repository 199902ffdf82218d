"""Makespan and critical path: how long a deployment took, and how long it would have taken at best.

The critical path is the slowest build + the slowest host of each run + the time that a server needs at least for the
creating requests: hosts times latency ÷ `provisioning`. It is what the simulator's hosts really did, in simulated seconds.
"""

from dataclasses import dataclass
from typing import Any

from benchmarks.stand import Bench

SPEED = 5.0
LATENCY = 0.3
PROVISIONING = 4


@dataclass(frozen=True)
class Path:
    """Simulated seconds."""

    hosts: int
    makespan: float
    create: float
    build: float
    runs: tuple[float, ...]

    @property
    def critical(self) -> float:
        """The sum of what had to be waited for."""
        return self.create + self.build + sum(self.runs)

    @property
    def ratio(self) -> float:
        """What the operator added."""
        return self.makespan / self.critical


def of(bench: Bench, hosts: int, began: float) -> Path:
    """From the audit log and the machines of the simulator."""
    simulator = bench.stage.simulator
    made = {row["name"]: row["created_at"] for row in simulator.rows("hosts")}
    ready = {row["name"]: row["ready_at"] for row in simulator.rows("machines")}
    build = max(ready[name] - made[name] for name in made if name in ready)
    return Path(hosts, bench.now() - began, hosts * LATENCY / PROVISIONING, build, tuple(_runs(simulator.audit())))


def _runs(audit: list[dict[str, Any]]) -> list[float]:
    """For each job that succeeded on some host: how long its slowest host took."""
    started = {entry["job"]: entry["time"] for entry in audit if entry["event"] == "job"}
    ended: dict[int, list[float]] = {}
    for entry in audit:
        if entry["event"] == "job_result" and entry["result"] == "success":
            ended.setdefault(entry["job"], []).append(entry["time"])
    return [max(times) - started[job] for job, times in sorted(ended.items())]
