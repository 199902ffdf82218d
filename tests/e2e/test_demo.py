"""`make demo` as a newcomer runs it: it ends Ready, shows what was made, and leaves nothing running but what is kept."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Kubectl

HOSTS = [f"zookeeper-zk-{index}.lab.example.com" for index in range(1, 5)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where no other demo is: what it keeps, and its lock, are in the folder that its program seems to be in."""
    for name in ("hack", "examples", "crds", "manifests"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def processes_in(folder: Path) -> list[str]:
    """The processes that work in a folder, by number."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve(strict=True).is_relative_to(folder):
                found.append(process.name)
        except OSError:  # ended meanwhile, or another user's
            continue
    return found


def demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT / "operator"), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, str(folder / "hack" / "demo.py"), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.usefixtures("own_cluster")
def test_the_demo_ends_ready_shows_what_was_made_and_leaves_nothing_running(folder: Path) -> None:
    done = demo(folder, "up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert processes_in(folder) == []
    assert not (folder / ".demo" / "demo.json").exists()
    assert re.search(r"^zookeeper is Ready after \d+ s: 4 hosts in the Foreman hostgroup ", done.stdout, re.MULTILINE)
    ids = re.findall(r"^  (zookeeper-zk-\S+) .*\bzookeeper::id = \"?(\d+)", done.stdout, re.MULTILINE)
    assert ids == [(name, str(index)) for index, name in enumerate(HOSTS, 1)]
    for command in ("make demo KEEP=1", "describe stackdeployment zookeeper", "get deployedhosts", "make demo-down"):
        assert command in done.stdout


@pytest.mark.usefixtures("own_cluster")
def test_a_demo_that_is_kept_answers_by_its_kubeconfig_until_it_is_ended(folder: Path) -> None:
    try:
        kept = demo(folder, "up", "--keep")
        assert kept.returncode == 0, kept.stdout + kept.stderr
        named = re.search(r"^  export KUBECONFIG=(\S+)$", kept.stdout, re.MULTILINE)
        assert named, kept.stdout
        ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
        assert Kubectl(folder / named[1])("get", "stackdeployment", "zookeeper", "-o", ready) == "True"
        assert processes_in(folder) != []
    finally:
        ended = demo(folder, "down")
    assert (ended.returncode, ended.stdout) == (0, "The demo is stopped.\n"), ended.stderr
    assert processes_in(folder) == []
    assert not (folder / ".demo" / "demo.json").exists()
