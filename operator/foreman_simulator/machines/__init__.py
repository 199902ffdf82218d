"""Machines: a model of a host's operating system, as far as it decides when Puppet runs.

A `Machine` is a value. Every method that changes something returns another machine, so the
caller keeps the current one: ``host.machine = host.machine.run_started(pid, until)``.

`Runner.run` runs the script of a remote-execution job for real; see `runner`.
"""

from foreman_simulator.machines.model import Daemon, Machine, Process, Run, Unit
from foreman_simulator.machines.runner import Runner, ScriptResult, run_script

__all__ = ["Daemon", "Machine", "Process", "Run", "Runner", "ScriptResult", "Unit", "run_script"]
