"""Conversion of a machine's state to a folder of small files, which the fakes use, and back."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import cast

from foreman_simulator.machines.model import (
    LOCK,
    Daemon,
    Enabled,
    Kind,
    Machine,
    Process,
    Run,
    Unit,
)

DISABLED = "agent_disabled.lock"
"""Puppet's setting `agent_disabled_lockfile`: JSON with the administrator's reason."""


@dataclass(frozen=True)
class Left:
    """What a script left behind: the machine, the simulated seconds that passed, and what it asked for."""

    machine: Machine
    seconds: float
    asked: frozenset[str]
    """`hostname` or `now`, where the script read it: the result holds only for machines that are equal in these."""


def lay_out(root: Path, machine: Machine, now: float) -> None:
    """Write the machine's state into an empty folder."""
    host, state = root / "host", root / "state"
    for folder in (host, host / "units", host / "procs", host / "asked", state):
        folder.mkdir()
    facts = {
        "hostname": machine.hostname,
        "now": str(int(now)),
        "elapsed": "0",
        "next_pid": str(machine.next_pid),
    }
    if machine.crontab is not None:
        facts["crontab"] = "\n".join(machine.crontab)
    for unit in machine.units:
        activity = "active" if unit.active else "inactive"
        facts[f"units/{unit.name}"] = f"{unit.kind} {unit.enabled} {activity}"
    for process in machine.processes:
        facts[f"procs/{process.pid}"] = process.command
    if machine.daemon is not None:
        facts["daemon"] = f"{machine.daemon.pid} {machine.daemon.unit}"
        facts[f"procs/{machine.daemon.pid}"] = machine.daemon.command
    run = machine.run_under_way(now)
    if run is not None:
        facts["run"] = f"{run.pid} {ceil((run.until - now) * 1000)} {run.cause}"
        facts[f"procs/{run.pid}"] = run.command
    for name, text in facts.items():
        (host / name).write_text(text + "\n" if text else "")
    _write_state(state, machine, run)


def _write_state(state: Path, machine: Machine, run: Run | None) -> None:
    for name, text in machine.files:
        path = state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, errors="surrogateescape")
    if run is not None:
        (state / LOCK).write_text(str(run.pid))
    if machine.disabled is not None:
        (state / DISABLED).write_text(json.dumps({"disabled_message": machine.disabled}))


def read_back(root: Path, before: Machine) -> Left:
    """Return the machine as the folder now describes it.

    A run that ended by itself while the script waited is kept: by its `until` the caller can tell
    at any time whether it is still under way. A run that was killed is gone.
    """
    host = root / "host"
    run = before.run if (host / "run").exists() or (host / "ended").exists() else None
    after = replace(
        before,
        units=tuple(_unit(host, unit.name) for unit in before.units),
        crontab=_crontab(host / "crontab"),
        daemon=_daemon(host),
        run=run,
        processes=tuple(p for p in before.processes if _lives(host, p)),
        files=_files(root / "state", run),
        disabled=_disabled(root / "state" / DISABLED),
        next_pid=int((host / "next_pid").read_text()),
    )
    seconds = int((host / "elapsed").read_text()) / 1000
    asked = frozenset(path.name for path in (host / "asked").iterdir())
    return Left(after, seconds, asked)


def _unit(host: Path, name: str) -> Unit:
    kind, enabled, activity = (host / "units" / name).read_text().split()
    return Unit(name, cast("Kind", kind), cast("Enabled", enabled), activity == "active")


def _crontab(path: Path) -> tuple[str, ...] | None:
    return tuple(path.read_text().splitlines()) if path.exists() else None


def _daemon(host: Path) -> Daemon | None:
    path = host / "daemon"
    if not path.exists():
        return None
    pid, _, unit = path.read_text().rstrip("\n").partition(" ")
    return Daemon(int(pid), unit)


def _lives(host: Path, process: Process) -> bool:
    return (host / "procs" / str(process.pid)).exists()


def _disabled(path: Path) -> str | None:
    if not path.exists():
        return None
    try:
        return str(json.loads(path.read_text())["disabled_message"])
    except (ValueError, KeyError, TypeError):
        return ""


def _files(state: Path, run: Run | None) -> tuple[tuple[str, str], ...]:
    """Return the files in `statedir` without those that the model holds elsewhere; a killed run's lock is a file."""
    found = []
    for path in sorted(p for p in state.rglob("*") if p.is_file() and not p.is_symlink()):
        name = str(path.relative_to(state))
        if name == DISABLED or (name == LOCK and run is not None):
            continue
        found.append((name, path.read_text(errors="surrogateescape")))
    return tuple(found)
