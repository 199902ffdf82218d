"""Makespan and critical path: how long a deployment took, and how long it would have taken at best.

The critical path is the time that a server needs at least for the creating requests (hosts times latency ÷
`provisioning`) + the slowest build + the slowest host of each run. It is what the simulator's hosts really did, in
simulated seconds. A moment counts once, so that it is never longer than the makespan:

- Creating and building end when the last host can be reached. Where hosts were created while others were built already,
  the two together count no longer than until then.
- Of a run counts what is after that moment, and of runs side by side what they cover together: a Quiesce job of the first
  hosts, or a run of another role, passes while the slowest host is being built.
- Of all Quiesce jobs the one counts in which the last host to be reached succeeded. The others are tries at hosts that do
  not listen yet, or hosts that were kept waiting: that is the operator's doing, as every pause between two jobs is.
- Each job of a puppetRun counts, and the one that lets Puppet run periodically again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.stand import Bench

SPEED = 5.0
LATENCY = 0.3
PROVISIONING = 4
QUIESCE = "foreman-stacks Quiesce "
"""How the descriptions of its jobs begin."""

Audit = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Path:
    """Simulated seconds. `reached`: from the beginning until the last host could be reached."""

    hosts: int
    makespan: float
    create: float
    build: float
    reached: float
    runs: tuple[float, ...]

    @property
    def critical(self) -> float:
        """The sum of what had to be waited for."""
        return min(self.create + self.build, self.reached) + sum(self.runs)

    @property
    def ratio(self) -> float:
        """What the operator added."""
        return self.makespan / self.critical


def of(bench: Bench, began: float) -> Path:
    """From the audit log and the machines of the simulator, right after the deployment has become Ready."""
    ended, simulator = bench.now(), bench.stage.simulator
    made = {row["name"]: row["created_at"] for row in simulator.rows("hosts")}
    ready = {row["name"]: row["ready_at"] for row in simulator.rows("machines")}
    return measured(simulator.audit(), made, ready, began, ended)


def measured(audit: Audit, made: Mapping[str, float], ready: Mapping[str, float], began: float, ended: float) -> Path:
    """From what the simulator tells: when each host was created and could be reached, and what its jobs did."""
    last = max(made, key=lambda name: ready[name])
    create, build = len(made) * LATENCY / PROVISIONING, max(ready[name] - made[name] for name in made)
    runs = _runs(audit, last, ready[last])
    return Path(len(made), ended - began, create, build, ready[last] - began, runs)


def _runs(audit: Audit, last: str, reached: float) -> tuple[float, ...]:
    """For each job that counts: how long its slowest host took, as far as nothing else that counts covers it."""
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
