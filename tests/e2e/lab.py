"""Runs of the example that are compared with an undisturbed run."""

from __future__ import annotations

import fcntl
import json
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from control_plane import ControlPlane
from tests.e2e.crash import Entry, Killer, outcome, settled, spare
from tests.e2e.stage import SYSTEM, Stage, staged, until

KEY = f"/api/v1/namespaces/{SYSTEM}/secrets/foreman-stacks-key"


@dataclass(frozen=True)
class Reference:
    """The undisturbed run: its journal and outcome."""

    journal: list[Entry]
    outcome: dict[str, Any]


@dataclass(frozen=True)
class Lab:
    """The place for such runs, each in a namespace of its own; `shared` is one folder for all test processes."""

    plane: ControlPlane
    folder: Path
    shared: Path

    @contextmanager
    def stage(self) -> Iterator[Stage]:
        """A stage whose operator is not started."""
        directory = Path(tempfile.mkdtemp(dir=self.folder))
        with staged(self.plane, directory, f"lab-{uuid.uuid4().hex[:8]}") as stage:
            stage.api.call("POST", "/api/v1/namespaces", {"metadata": {"name": stage.namespace}})
            if stage.api.find(KEY):  # the operator creates it again, so that this is one of its writes
                stage.api.call("DELETE", KEY)
            yield stage
            stage.keep()
            stage.api.call("DELETE", f"/api/v1/namespaces/{stage.namespace}")

    def reference(self, hosts: int) -> Reference:
        """Return the undisturbed run with that many hosts, which is made once for all test processes."""
        path = self.shared / f"reference-{hosts}.json"
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                with self.stage() as stage:
                    deploy(stage, hosts)
                    with Killer(stage, spare) as killer:
                        ended(stage, killer)
                        path.write_text(json.dumps([[asdict(entry) for entry in killer.journal], outcome(stage)]))
        journal, end = json.loads(path.read_text())
        return Reference([Entry(**entry) for entry in journal], end)

    def note(self, wrong: str) -> None:
        """Note what went wrong in one file for all test processes, to be looked at while a long run goes on."""
        with (self.shared / "wrong.txt").open("a") as file:
            file.write(f"{wrong}\n\n")


def deploy(stage: Stage, hosts: int) -> None:
    """Apply the ZooKeeper example with that many hosts."""
    stack = stage.stack()
    stack["spec"]["roles"][0]["count"] |= {"min": min(hosts, 3), "default": hosts}
    stage.apply(stack)
    deployment = stage.deployment()
    deployment["spec"]["roles"][0]["count"] = hosts
    stage.apply(deployment)


def ended(stage: Stage, killer: Killer, seconds: float = 240) -> None:
    """Wait until everything is written; fails if the killer had an error."""
    until(
        lambda: killer.error or settled(stage),
        seconds,
        f"the end after {[(str(kill), entry.write) for kill, entry in killer.kills]}",
    )
    assert not killer.error, killer.error
