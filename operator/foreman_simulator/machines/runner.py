"""Run a job's script for real, against a model of the host.

The script runs under `sh` in an empty folder, with no environment but a PATH of its own: first the
fakes (`systemctl`, `crontab`, `puppet`, ...), which know only the model of that host, then a few
real commands for text and files. Nothing is guessed from a script's text.

This is not a sandbox. Absolute paths are those of the machine that the simulator runs on, also in a
test such as `[ -d /run/systemd/system ]`; so the simulator listens on loopback only. `kill` and
`pkill` end only the model's processes: the fakes merely remove files, and as the model's pids lie
above the kernel's highest, the shell's built-in `kill` finds no process under them either.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections import OrderedDict
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from foreman_simulator.machines import folder, toolbox
from foreman_simulator.machines.model import Machine

LIMIT = 10.0
"""Real seconds that a script may take; its `sleep`s take none."""

TIMED_OUT = 124
"""Exit status of a script that took longer, the same as that of `timeout`."""

MAX_OUTPUT = 1 << 20
REMEMBERED = 512
AT_ONCE = 4


@dataclass(frozen=True)
class ScriptResult:
    """The result of a script on one machine.

    The caller is to adopt `machine_after` when the script *starts*, so that what the script stops
    starts nothing meanwhile. A run that the script waited for keeps its `until` there, so it stays
    under way until then. The job ends on this host `seconds` after the start.
    """

    exit_status: int
    output: str
    """stderr, then stdout: a job's output joins the two without keeping their order
    (recording jobs-and-puppet-runs, "script that fails on one host")."""
    machine_after: Machine
    seconds: float
    """Simulated seconds that passed on the machine (`sleep` there takes no real time)."""


@dataclass(frozen=True)
class _Done:
    result: ScriptResult
    asked: frozenset[str]


_Key = tuple[Machine, str, str | None, float | None]


class Runner:
    """Runs scripts; the same script on machines in the same state runs only once.

    Machines that differ only in their name share a result unless the script asked for the name;
    the same goes for the time.
    """

    def __init__(self, limit: float = LIMIT) -> None:
        self.limit = limit
        self.real_runs = 0
        """How many scripts were really run: for tests and counters."""
        self._box = tempfile.TemporaryDirectory(prefix="machines-")
        self._tools = Path(self._box.name) / "tools"
        self._tools.mkdir()
        toolbox.build(self._tools)
        self._memory: OrderedDict[_Key, asyncio.Task[_Done]] = OrderedDict()
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self, machine: Machine, script: str, now: float) -> ScriptResult:
        """Run `script` on `machine` at `now`, a time of the simulator's clock."""
        done = await self._shared((_alike(machine, now), script, None, None), machine, now)
        if done.asked:
            name = machine.hostname if "hostname" in done.asked else None
            time = now if "now" in done.asked else None
            done = await self._shared((_alike(machine, now), script, name, time), machine, now)
        after = done.result.machine_after
        run = machine.run_under_way(now) if after.run is not None else None
        after = replace(after, hostname=machine.hostname, run=run)
        return replace(done.result, machine_after=after)

    async def _shared(self, key: _Key, machine: Machine, now: float) -> _Done:
        task = self._memory.get(key)
        if task is None or task.cancelled():
            task = asyncio.create_task(self._really_run(machine, key[1], now))
            self._memory[key] = task
            if len(self._memory) > REMEMBERED:
                self._memory.popitem(last=False)
        self._memory.move_to_end(key)
        try:
            return await asyncio.shield(task)  # other callers may wait for the same task
        except Exception:
            self._memory.pop(key, None)
            raise

    async def _really_run(self, machine: Machine, script: str, now: float) -> _Done:
        async with self._slots:
            self.real_runs += 1
            with tempfile.TemporaryDirectory(prefix="run-", dir=self._box.name) as name:
                return await self._in_folder(Path(name), machine, script, now)

    async def _in_folder(self, root: Path, machine: Machine, script: str, now: float) -> _Done:
        path = toolbox.install(root, self._tools, machine)
        folder.lay_out(root, machine, now)
        (root / "script").write_text(script, errors="surrogateescape")
        (root / "work").mkdir()
        status = await self._execute(root, path)
        left = folder.read_back(root, machine)
        output = _output(root, self._tools, machine, late=status == TIMED_OUT)
        return _Done(ScriptResult(status, output, left.machine, left.seconds), left.asked)

    async def _execute(self, root: Path, path: str) -> int:
        """Return the exit status; whatever the script left running is killed."""
        with (root / "stdout").open("wb") as out, (root / "stderr").open("wb") as err:
            process = await asyncio.create_subprocess_exec(
                str(root / "bin" / "sh"),
                str(root / "script"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={"PATH": path},
                cwd=root / "work",
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(self.limit):
                status = await process.wait()
        except TimeoutError:
            status = TIMED_OUT
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()  # also when cancelled: the loop must not end before its processes
        return status if status >= 0 else 128 - status

    async def idle(self) -> None:
        """Wait until no script is under way."""
        await asyncio.wait([asyncio.create_task(asyncio.sleep(0)), *self._memory.values()])

    async def stop(self) -> None:
        """End the scripts that still run, and wait until they have ended."""
        running = [task for task in self._memory.values() if not task.done()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self.close()

    def close(self) -> None:
        """Remove the runner's temporary folder."""
        self._box.cleanup()


def _alike(machine: Machine, now: float) -> Machine:
    """Return the machine without what makes no difference to most scripts: its name, and all time
    but the whole seconds that a run under way has left.
    """
    run = machine.run_under_way(now)
    if run is not None:
        run = replace(run, until=float(ceil(run.until - now)))
    return replace(machine, hostname="", run=run)


def _output(root: Path, tools: Path, machine: Machine, *, late: bool) -> str:
    """Return the script's output, with the model's paths in place of those of the runner's folder."""
    text = ""
    for name in ("stderr", "stdout"):
        with (root / name).open("rb") as file:
            text += file.read(MAX_OUTPUT).decode(errors="replace")
    known = {root / "state": machine.statedir, root / "bin": "/usr/bin", tools / "commands": "/usr/bin"}
    for path, shown in known.items():
        text = text.replace(str(path), shown)
    text = text.replace(f"{root}/", "")
    return text + ("the simulator ended this script: it took too long\n" if late else "")


async def run_script(machine: Machine, script: str, now: float) -> ScriptResult:
    """Run one script with a runner of its own, which shares no results."""
    runner = Runner()
    try:
        return await runner.run(machine, script, now)
    finally:
        runner.close()
