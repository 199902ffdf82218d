"""The demo: a local cluster, a simulated Foreman, the operator, and a ZooKeeper ensemble deployed in order.

python hack/demo.py up           run it to the end, show it, and clean up; exit 0 when the ensemble is Ready
python hack/demo.py up --keep    the same, but leave everything running
python hack/demo.py down         end what was left running
"""

import argparse
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

import control_plane
from control_plane import ControlPlane, ControlPlaneError, kubectl
from demo_screen import Screen, finale, how_to_look
from demo_watch import Watch, condition
from foreman_api import Foreman
from kubeconfig import served
from processes import Process, end, launch, tail

ROOT = Path(__file__).parent.parent
DEMO = ROOT / ".demo"
STATE = DEMO / "demo.json"
EXAMPLE = ROOT / "examples" / "zookeeper"
NAMESPACE = "foreman-stacks-system"
ACCOUNT = "foreman-stacks"
SPEED = 30  # simulated seconds per second: installing takes minutes, too long to watch
LIMIT_SECONDS = 600.0
STALLED_SECONDS = 20.0  # objects are Stalled briefly at the start, waiting for each other; longer means trouble
ENV = {
    # The simulator's clock runs fast, so the operator looks more often than it would at a real Foreman.
    "FOREMAN_STACKS_POLL_JOBS": "0.5",
    "FOREMAN_STACKS_POLL_BUILDS": "0.5",
    "FOREMAN_STACKS_BOOT_RETRY": "1",
    "FOREMAN_STACKS_RETRY_FIRST": "2",
    "FOREMAN_STACKS_BUSY_RETRY": "2",
    "FOREMAN_STACKS_NAMESPACE": NAMESPACE,
    "FOREMAN_STACKS_INSTALLATION": "demo",
    "FOREMAN_STACKS_HTTP_HOST": "127.0.0.1",
    "FOREMAN_STACKS_HTTP_PORT": "0",
}


class DemoError(RuntimeError):
    """The demo cannot go on; the message says why."""


@dataclass
class Demo:
    """The programs that the demo runs."""

    keep: bool
    foreman: Foreman = field(init=False)
    cluster: ControlPlane = field(init=False)
    processes: list[Process] = field(default_factory=list)
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def run(self, command: list[str], name: str, environment: Mapping[str, str]) -> None:
        whole = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
        child, process = launch(command, DEMO, whole, name=name, outlive=self.keep)
        self.children.append(child)
        self.processes.append(process)
        STATE.write_text(json.dumps([asdict(each) for each in self.processes]))

    def check(self) -> None:
        """Raise DemoError if a program that should run has ended."""
        for child, process in zip(self.children, self.processes, strict=True):
            if child.poll() is not None:
                said = tail(DEMO, process.name, 20)
                raise DemoError(f"the {process.name} ended with code {child.returncode}; its last lines:\n{said}")

    def until(self, what: str, condition: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise DemoError(f"{what} did not appear within {seconds:.0f} s; logs are in {DEMO.name}/")
            time.sleep(0.1)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Let only one demo at a time run in this folder; raises DemoError if another one does."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"another demo is running in {ROOT}: wait for it, or stop it") from None
        yield
    finally:
        os.close(folder)


def up(*, keep: bool) -> int:
    if STATE.exists():
        print("The demo that was left running is stopped, and a new one started.", flush=True)
        down()
    shutil.rmtree(DEMO, ignore_errors=True)
    DEMO.mkdir()
    demo = Demo(keep)
    stay = False
    try:
        _set_up(demo)
        deployment = _apply_example(demo)
        _watch(demo, deployment)
        stay = keep
        print(finale(demo.cluster, demo.foreman, deployment, time.monotonic() - demo.began))
        print(_how_to_look(demo, deployment))
    except (DemoError, ControlPlaneError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    finally:
        if not stay:
            _end_processes(demo.processes)
            control_plane.stop(DEMO / "cluster")
            STATE.unlink(missing_ok=True)
    return 0


def down() -> None:
    if not STATE.exists():
        print("No demo is running.")
        return
    _end_processes([Process(**process) for process in json.loads(STATE.read_text())])
    control_plane.stop(DEMO / "cluster")
    STATE.unlink(missing_ok=True)
    print("The demo is stopped.")


def _end_processes(processes: list[Process]) -> None:
    for process in reversed(processes):
        end(process)


# --- setting up ------------------------------------------------------------------------------------------------------


def _set_up(demo: Demo) -> None:
    with _line("A simulated Foreman"):
        simulator = [sys.executable, "-m", "foreman_simulator", "--port", "0", "--speed", str(SPEED)]
        demo.run(simulator, "simulator", {"FOREMAN_USER": "admin", "FOREMAN_PASSWORD": "changeme"})
        demo.until("the simulator's address", lambda: bool(_address()))
        demo.foreman = Foreman(_address(), "admin", "changeme")
        demo.until("the simulator's answer", demo.foreman.answers)
    with _line("A Kubernetes cluster with the operator's kinds"):
        demo.cluster = control_plane.start(DEMO / "cluster", outlive=demo.keep)
        kubeconfig = demo.cluster.kubeconfig
        shutil.copy(kubeconfig, DEMO / "kubeconfig")
        manifests = ROOT / "manifests"
        crds = ["-f", str(ROOT / "crds")]
        kubectl("apply", *crds, kubeconfig=kubeconfig)
        rights = ["-f", str(manifests / "namespace.yaml"), "-f", str(manifests / "rbac.yaml")]
        kubectl("apply", *rights, kubeconfig=kubeconfig)
        kubectl("wait", "--for=condition=Established", "--timeout=60s", *crds, kubeconfig=kubeconfig)
        demo.until("the operator's kinds", lambda: served(kubeconfig))
    with _line("The operator, with the rights of its ServiceAccount and no other"):
        mine = control_plane.serviceaccount_kubeconfig(kubeconfig, NAMESPACE, ACCOUNT, DEMO / "operator.kubeconfig")
        demo.run([sys.executable, "-m", "foreman_stacks", "run"], "operator", {**ENV, "KUBECONFIG": str(mine)})


def _address() -> str:
    """Return the simulator's address, empty until it has printed it: it picks a free port itself."""
    found = re.search(r"listening on (\S+)\n", (DEMO / "simulator.log").read_text())
    return found[1] if found else ""


@contextlib.contextmanager
def _line(text: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"✔ {text} ({time.monotonic() - began:.1f} s)", flush=True)


def _apply_example(demo: Demo) -> dict[str, Any]:
    objects = [_fitted(body, demo.foreman) for path in sorted(EXAMPLE.glob("*.yaml")) for body in _documents(path)]
    kubectl("apply", "-f", "-", kubeconfig=demo.cluster.kubeconfig, stdin=yaml.safe_dump_all(objects))
    deployment = next(body for body in objects if body["kind"] == "StackDeployment")
    print(f"✔ kubectl apply -f {EXAMPLE.relative_to(ROOT)}\n", flush=True)
    return deployment


def _documents(path: Path) -> list[dict[str, Any]]:
    return [body for body in yaml.safe_load_all(path.read_text()) if body]


def _fitted(body: dict[str, Any], foreman: Foreman) -> dict[str, Any]:
    """Return an object of the example, changed only to the address and account of the Foreman that runs here."""
    match body["kind"]:
        case "ForemanServer":
            body["spec"]["url"] = foreman.url
        case "Secret":
            body["stringData"] = {"username": foreman.user, "password": foreman.password}
    return body


# --- watching --------------------------------------------------------------------------------------------------------


def _watch(demo: Demo, deployment: dict[str, Any]) -> None:
    """Show the deployment's status until it is Ready; raises DemoError if it stays Stalled or takes too long."""
    screen = Screen(demo.began)
    stalled_since: float | None = None
    with Watch(demo.cluster.kubeconfig, deployment) as watch:
        while True:
            seen = watch.newest(seconds=0.25)
            screen.show(seen)
            if condition(seen, "Ready") == "True":
                screen.close()
                return
            demo.check()
            now = time.monotonic()
            stalled_since = (stalled_since or now) if condition(seen, "Stalled") == "True" else None
            if stalled_since and now - stalled_since > STALLED_SECONDS:
                raise DemoError(f"the deployment is stalled\n{_evidence(seen)}")
            if now - demo.began > LIMIT_SECONDS:
                raise DemoError(f"the deployment is not Ready after {LIMIT_SECONDS:.0f} s\n{_evidence(seen)}")


def _evidence(seen: dict[str, Any]) -> str:
    conditions = [
        f"  {each['type']}={each['status']} {each.get('reason', '')}: {each.get('message', '')}"
        for each in seen.get("status", {}).get("conditions", [])
    ]
    return "\n".join(
        [*conditions, f"The last lines of the operator ({DEMO.name}/operator.log):", tail(DEMO, "operator", 20)]
    )


def _how_to_look(demo: Demo, deployment: dict[str, Any]) -> str:
    binary = Path(control_plane.kubectl_path())
    shown = str(binary.relative_to(ROOT)) if binary.is_relative_to(ROOT) else "kubectl"
    running = demo.foreman if demo.keep else None
    return how_to_look(shown, DEMO.name, deployment["metadata"]["name"], running)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="run the demo").add_argument(
        "--keep", action="store_true", help="leave everything running, with a kubeconfig in .demo/"
    )
    commands.add_parser("down", help="end what `up --keep` left running")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _alone():
            if arguments.command == "up":
                return up(keep=arguments.keep)
            down()
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
