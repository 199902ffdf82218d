"""Runs a job's script for real, against a model of the host."""

from __future__ import annotations

from dataclasses import dataclass

from foreman_simulator.machines.model import Machine


@dataclass(frozen=True)
class ScriptResult:
    """What became of a script on one machine.

    `machine_after` is to be taken over when the script *starts* (what it stops does not start
    anything meanwhile); a run that it waited for keeps its `until` there, so it is still under
    way until then. The job ends on this host `seconds` later.
    """

    exit_status: int
    output: str
    """stderr, then stdout: a job's output has both as one, without their order
    (recording jobs-and-puppet-runs, "script that fails on one host")."""
    machine_after: Machine
    seconds: float
    """Simulated seconds that passed on the machine (`sleep` there takes no real time)."""


class Runner:
    """Runs scripts; equal script and equal state of a machine are run once."""

    async def run(self, machine: Machine, script: str, now: float) -> ScriptResult:
        """Run `script` on `machine`, which is at time `now` of the simulator's clock."""
        raise NotImplementedError

    def close(self) -> None:
        """Remove the runner's temporary folder."""


async def run_script(machine: Machine, script: str, now: float) -> ScriptResult:
    """One run, without a memory."""
    raise NotImplementedError
