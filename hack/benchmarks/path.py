"""Makespan and critical path: how long a deployment took, and how long it would have taken at best.

The critical path is the least time that a server needs for the creating requests (hosts * latency ÷ `provisioning`) +
the slowest build + the slowest host of each run. It comes from what the simulator's hosts really did, in simulated
seconds. No moment counts twice, so the critical path is never longer than the makespan:

- Creating and building end when the last host becomes reachable. Where some hosts were being created while others were
  being built, the two together count only up to that moment.
- Of a run, only the part after that moment counts, and of runs side by side only the time that they cover together: a
  Quiesce job of the first hosts, or a run of another role, costs nothing while the slowest host is being built.
- Of the Quiesce jobs, only the one counts that succeeded on the last host to become reachable. The others are attempts
  at hosts that do not listen yet, or concern hosts that were kept waiting. Such waiting is the operator's doing, as is
  every pause between two jobs.
- Each job of a puppetRun counts, and so does the job that lets Puppet run periodically again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.stand import Bench

SPEED = 5.0
LATENCY = 0.3
PROVISIONING = 4
QUIESCE = "foreman-stacks Quiesce "
"""The beginning of the description of every Quiesce job."""

Audit = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Path:
    """Times in simulated seconds; `reached` is from the start until the last host became reachable."""

    hosts: int
    makespan: float
    create: float
    build: float
    reached: float
    runs: tuple[float, ...]

    @property
    def critical(self) -> float:
        """The sum of all times that had to be waited for."""
        return min(self.create + self.build, self.reached) + sum(self.runs)

    @property
    def ratio(self) -> float:
        """Makespan ÷ critical path: how much the operator added."""
        return self.makespan / self.critical


def of(bench: Bench, began: float) -> Path:
    """Measure by the simulator's audit log and machines; call it right after the deployment has become Ready."""
    ended, simulator = bench.now(), bench.stage.simulator
    made = {row["name"]: row["created_at"] for row in simulator.rows("hosts")}
    ready = {row["name"]: row["ready_at"] for row in simulator.rows("machines")}
    return measured(simulator.audit(), made, ready, began, ended)


def measured(audit: Audit, made: Mapping[str, float], ready: Mapping[str, float], began: float, ended: float) -> Path:
    """Measure by what the simulator says: when each host was created, when it became reachable, what its jobs did."""
    last = max(made, key=lambda name: ready[name])
    create, build = len(made) * LATENCY / PROVISIONING, max(ready[name] - made[name] for name in made)
    runs = _runs(audit, last, ready[last])
    return Path(len(made), ended - began, create, build, ready[last] - began, runs)


def _runs(audit: Audit, last: str, reached: float) -> tuple[float, ...]:
    """For each job that counts, return how long its slowest host took, without time that is already counted."""
    started = {entry["job"]: entry for entry in audit if entry["event"] == "job"}
    good = [entry for entry in audit if entry["event"] == "job_result" and entry["result"] == "success"]
    ended: dict[int, float] = {}
    for entry in good:
        ended[entry["job"]] = max(entry["time"], ended.get(entry["job"], 0.0))
    quieted = {entry["job"] for entry in good if entry["host"] == last}
    counted = [
        (entry["time"], ended[job])
        for job, entry in started.items()
        if job in ended and (job in quieted or not entry["description"].startswith(QUIESCE))
    ]
    found, covered = [], reached
    for start, end in sorted(counted):
        found.append(end - max(start, covered))
        covered = max(end, covered)
    return tuple(time for time in found if time > 0)
