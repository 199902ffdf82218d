"""Programs that run in the background: started with a log, ended by pid and nothing broader."""

import contextlib
import ctypes
import os
import select
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STOP_SECONDS = 15.0


@dataclass(frozen=True)
class Process:
    """A process of ours, identified by pid and start time, so that a reused pid is never mistaken for it."""

    name: str
    pid: int
    started: str

    def alive(self) -> bool:
        stat = _stat(self.pid)
        return stat is not None and stat[1] == self.started and stat[0] != "Z"


def _stat(pid: int) -> tuple[str, str] | None:
    """Return state and start time of a process, None if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], fields[19]


def launch(
    command: Sequence[str],
    directory: Path,
    environment: Mapping[str, str] | None = None,
    *,
    name: str = "",
    outlive: bool,
) -> tuple[subprocess.Popen[bytes], Process]:
    """Start a program with its output in `<name>.log` in `directory`; it ends with this process unless `outlive`."""
    name = name or Path(command[0]).name
    with (directory / f"{name}.log").open("wb") as log:
        child = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is for our caller, which ends programs in order
            preexec_fn=None if outlive else _end_with_parent,  # noqa: PLW1509 - one prctl call, no Python locks
        )
    stat = _stat(child.pid)
    return child, Process(name, child.pid, stat[1] if stat else "")


def _end_with_parent() -> None:
    """Runs in the child: have Linux kill it when the parent ends, however that happens."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def end(process: Process) -> None:
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if not process.alive():  # checked while we hold the handle, which cannot come to mean another process
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
            if _ended(handle, STOP_SECONDS):
                return
    finally:
        os.close(handle)


def _ended(handle: int, seconds: float) -> bool:
    return bool(select.select([handle], [], [], seconds)[0])


def tail(directory: Path, name: str, lines: int) -> str:
    return "\n".join((directory / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
