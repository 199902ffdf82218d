"""The commands that a script finds: the fakes, and links to a few harmless real ones."""

from __future__ import annotations

import shutil
from pathlib import Path

from foreman_simulator.machines.model import Machine

FAKES = Path(__file__).with_name("fakes")

TEXT: tuple[str, ...] = (
    "awk",
    "comm",
    "cut",
    "egrep",
    "fgrep",
    "fold",
    "grep",
    "head",
    "join",
    "nl",
    "paste",
    "sed",
    "sort",
)
TEXT += ("tac", "tail", "tee", "tr", "uniq", "wc", "cat", "od", "base64", "cksum", "md5sum", "sha256sum")
FILES = ("chmod", "cmp", "cp", "diff", "find", "ln", "ls", "mkdir", "mktemp", "mv", "readlink", "rm", "rmdir", "stat")
OTHERS = ("[", "basename", "dirname", "echo", "env", "expr", "false", "printf", "pwd", "seq", "test", "timeout")
REAL = (*TEXT, *FILES, *OTHERS, "touch", "true", "xargs")
"""Commands that work on text and on files."""

ALWAYS = ("date", "hostname", "id", "kill", "pgrep", "pkill", "ps", "service", "sh", "sleep")
"""Fakes that every machine has."""

SAME = {"pkill": "pgrep"}
"""Commands that share a fake."""


def build(tools: Path) -> None:
    """Fill a folder that all runs share: copies of the fakes, links to the real commands."""
    shutil.copytree(FAKES, tools / "fakes")
    for path in (tools / "fakes").iterdir():
        path.chmod(0o755)  # installed package data may have lost the execute bits
    for name, folder in [(n, "commands") for n in REAL] + [(n, "real") for n in ("sh", "date")]:
        found = shutil.which(name)
        (tools / folder).mkdir(exist_ok=True)
        if found is not None:
            (tools / folder / name).symlink_to(found)


def install(root: Path, tools: Path, machine: Machine) -> str:
    """Give one run the commands that its machine has; return the PATH to find them."""
    (root / "tools").symlink_to(tools)
    (root / "bin").mkdir()
    for name in commands(machine):
        (root / "bin" / name).symlink_to(tools / "fakes" / SAME.get(name, name))
    return f"{root / 'bin'}:{tools / 'commands'}"


def commands(machine: Machine) -> tuple[str, ...]:
    """Return the fakes that this machine has: without systemd there is no `systemctl`, and so on."""
    by_init = {"systemd": ("systemctl",), "sysv": ("update-rc.d",), "none": ()}
    puppet = ("puppet",) if machine.puppet else ()
    return (*ALWAYS, "crontab", *puppet, *by_init[machine.init])
