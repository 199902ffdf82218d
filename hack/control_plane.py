"""A local Kubernetes control plane: real etcd, kube-apiserver and kube-controller-manager as processes of this machine.

    python hack/control_plane.py build         build the binaries, once per version, into the user's cache
    python hack/control_plane.py start DIR     start a control plane whose data, logs and kubeconfig are in DIR
    python hack/control_plane.py stop DIR      end it

Tests use it as a library: `with control_plane.start(directory) as cluster: …`.

KUBEBUILDER_ASSETS=<folder> takes etcd and kube-apiserver from there instead of building them. For the e2e tests,
E2E_CLUSTER=kind takes a cluster made by `kind`, and E2E_CLUSTER=current-context the one that kubectl currently uses.
"""

import argparse
import base64
import json
import os
import secrets
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from control_plane_binaries import Assets, ControlPlaneError, Say, build, cache, locked, say
from kubeconfig import cluster_of, kubectl, kubectl_path, private, run, serviceaccount_kubeconfig, write_kubeconfig
from processes import Process, end, free_ports, launch, tail

__all__ = [
    "ControlPlane",
    "ControlPlaneError",
    "build",
    "kubectl",
    "kubectl_path",
    "serviceaccount_kubeconfig",
    "start",
    "stop",
    "write_kubeconfig",
]

STATE = "control-plane.json"
KIND_CLUSTER = "foreman-stacks"
START_SECONDS = 90.0  # a start takes 3 s on an idle machine; the rest is for busy ones

# These remove deleted namespaces and owned objects, create ServiceAccounts and the CA's ConfigMap, and aggregate
# ClusterRoles. There are no nodes, so no controller that makes Pods is needed.
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
)

GIVEN = "given.kubeconfig"
_TESTS = {"kind": "ServiceAccount", "name": "foreman-stacks-tests", "namespace": "kube-system"}
_ADMIN = "\n---\n".join(
    json.dumps(body)
    for body in (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {key: _TESTS[key] for key in ("name", "namespace")}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": _TESTS["name"]},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [_TESTS],
        },
    )
)
"""The tests' account on a cluster that is not ours.

A ServiceAccount's token works in the same way everywhere, the login of the cluster's administrator may not.
"""


@dataclass
class ControlPlane:
    """A cluster, with an administrator's kubeconfig."""

    directory: Path
    kubeconfig: Path
    url: str
    ca: Path
    processes: tuple[Process, ...] = ()
    controllers: bool = True  # deleted namespaces end, garbage is collected
    own: bool = True  # made for this caller alone; False: it lives on, and may have nodes on which Pods run
    _children: list[subprocess.Popen[bytes]] = field(default_factory=list, repr=False)

    def stop(self) -> None:
        """End the processes of this control plane, etcd last; leave a cluster that is not ours as it was."""
        if not self.own:
            kubectl("delete", "--ignore-not-found", "-f", "-", kubeconfig=self.directory / GIVEN, stdin=_ADMIN)
        for process in reversed(self.processes):
            end(process)
        for child in self._children:
            child.wait()
        (self.directory / STATE).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(directory: Path, say: Say = say, *, outlive: bool = False, shared: bool = False) -> ControlPlane:
    """
    Start a control plane with its data, logs and kubeconfig in `directory`.

    Its processes end with the calling process, however that ends, unless `outlive`. A caller for which a cluster that
    lives on will do (`shared`) gets the one that E2E_CLUSTER names, if any.
    """
    directory.mkdir(parents=True, exist_ok=True)
    directory = directory.resolve()
    match os.environ.get("E2E_CLUSTER", ""):
        case "" | "local":
            return _start_local(directory, build(say), say, outlive=outlive)
        case other if not shared:
            message = f"E2E_CLUSTER={other} is for `make e2e` only: unset it, then a local control plane is started"
            raise ControlPlaneError(message)
        case "kind":
            return _use_kind(directory, say)
        case "current-context":
            return _use_current_context(directory)
        case other:
            raise ControlPlaneError(f"E2E_CLUSTER={other} is not known: use kind, current-context, or unset it")


def stop(directory: Path) -> bool:
    """End the control plane that was started in `directory`; False when there is none."""
    path = directory / STATE
    if not path.exists():
        return False
    state = json.loads(path.read_text())
    processes = tuple(Process(**process) for process in state["processes"])
    ControlPlane(directory, directory / "kubeconfig", state["url"], Path(state["ca"]), processes).stop()
    return True


def _start_local(directory: Path, assets: Assets, say: Say, *, outlive: bool) -> ControlPlane:
    if (directory / STATE).exists():
        stop(directory)
    for attempt in range(3):
        try:
            return _start_once(directory, assets, outlive=outlive)
        except PortTakenError:  # another program took a port between our look and the bind
            say(f"A port was taken by another program, trying others ({attempt + 1}/3) …")
    raise ControlPlaneError("no free loopback ports for the control plane")


class PortTakenError(ControlPlaneError):
    """Another program has bound a port that we chose."""


def _start_once(directory: Path, assets: Assets, *, outlive: bool) -> ControlPlane:
    shutil.rmtree(directory / "etcd", ignore_errors=True)
    client, peer, api = free_ports(3)
    url, token = f"https://127.0.0.1:{api}", secrets.token_hex(16)
    ca = directory / "certificates" / "apiserver.crt"  # the apiserver writes it: its own certificate and the CA's
    private(directory / "service-accounts.key", _ec_private_key())
    private(directory / "tokens.csv", f'{token},admin,admin,"system:masters"\n')
    plane = ControlPlane(
        directory, directory / "kubeconfig", url, ca, controllers=assets.controller_manager is not None
    )
    try:
        _launch(plane, [str(assets.etcd), *_etcd_flags(directory, client, peer)], outlive=outlive)
        _launch(plane, [str(assets.apiserver), *_apiserver_flags(directory, client, api)], outlive=outlive)
        _until(plane, lambda: ca.exists() and _get(url, "/readyz", ca, token), "kube-apiserver is not ready")
        write_kubeconfig(plane.kubeconfig, server=url, ca=ca.read_bytes(), token=token)
        if assets.controller_manager:
            _launch(plane, [str(assets.controller_manager), *_controller_manager_flags(plane)], outlive=outlive)
            account = "/api/v1/namespaces/default/serviceaccounts/default"
            _until(plane, lambda: _get(url, account, ca, token), "kube-controller-manager does not work")
    except BaseException:
        plane.stop()
        raise
    return plane


def _etcd_flags(directory: Path, client: int, peer: int) -> Sequence[str]:
    clients, peers = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    return (
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",  # the data need not survive the machine
        "--log-level=warn",
    )


def _apiserver_flags(directory: Path, etcd: int, port: int) -> Sequence[str]:
    key = directory / "service-accounts.key"
    return (
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        f"--cert-dir={directory / 'certificates'}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--authorization-mode=RBAC",
        f"--token-auth-file={directory / 'tokens.csv'}",
        "--profiling=false",
    )


def _controller_manager_flags(plane: ControlPlane) -> Sequence[str]:
    return (
        f"--kubeconfig={plane.kubeconfig}",
        f"--service-account-private-key-file={plane.directory / 'service-accounts.key'}",
        f"--root-ca-file={plane.ca}",
        f"--controllers={','.join(CONTROLLERS)}",
        "--leader-elect=false",
        "--secure-port=0",
        "--profiling=false",
    )


def _launch(plane: ControlPlane, command: Sequence[str], *, outlive: bool) -> None:
    child, process = launch(command, plane.directory, outlive=outlive)
    plane._children.append(child)  # noqa: SLF001 - the class is this module's
    plane.processes += (process,)
    state = {"url": plane.url, "ca": str(plane.ca), "processes": [asdict(each) for each in plane.processes]}
    (plane.directory / STATE).write_text(json.dumps(state))


def _until(plane: ControlPlane, condition: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        for child, process in zip(plane._children, plane.processes, strict=True):  # noqa: SLF001 - as above
            if child.poll() is not None:
                _explain_end(plane.directory, process.name, child.returncode)
        if time.monotonic() > deadline:
            tails = "\n".join(tail(plane.directory, process.name, 10) for process in plane.processes)
            raise ControlPlaneError(
                f"{complaint} after {START_SECONDS:.0f} s; the logs in {plane.directory} end with:\n{tails}"
            )
        time.sleep(0.05)


def _explain_end(directory: Path, name: str, code: int) -> None:
    said = tail(directory, name, 20)
    if "address already in use" in said:
        raise PortTakenError(said)
    raise ControlPlaneError(f"{name} ended with code {code}; its log, {directory / name}.log, ends with:\n{said}")


def _get(url: str, path: str, ca: Path, token: str) -> bool:
    try:
        context = ssl.create_default_context(cafile=str(ca))
        request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=5, context=context) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):  # not listening, not ready (HTTP 500), certificate half written
        return False


def _ec_private_key() -> str:
    """Return a P-256 key in PEM; SEC 1 allows the public key to be left out, so only 32 random bytes are needed."""
    number = secrets.randbelow(2**256 - 2**225) + 1  # below the order of the curve, which is above 2**256 - 2**225
    der = bytes.fromhex("303102010104 20") + number.to_bytes(32, "big") + bytes.fromhex("a00a06082a8648ce3d030107")
    return f"-----BEGIN EC PRIVATE KEY-----\n{base64.encodebytes(der).decode()}-----END EC PRIVATE KEY-----\n"


def _use_kind(directory: Path, say: Say) -> ControlPlane:
    kind = shutil.which("kind")
    if not kind:
        message = (
            "E2E_CLUSTER=kind needs the program kind (and Docker or Podman) on PATH: install it, or unset E2E_CLUSTER"
        )
        raise ControlPlaneError(message)
    given = directory / GIVEN
    with locked(cache() / "kind.lock", say):
        clusters = run([kind, "get", "clusters"]).split()
        if KIND_CLUSTER in clusters:
            run([kind, "export", "kubeconfig", "--name", KIND_CLUSTER, "--kubeconfig", str(given)])
        else:
            say(f"Creating a kind cluster, which stays: `kind delete cluster --name {KIND_CLUSTER}` ends it")
            command = [kind, "create", "cluster", "--name", KIND_CLUSTER, "--wait", "180s"]
            run([*command, "--kubeconfig", str(given)])
    return _of_others(directory)


def _use_current_context(directory: Path) -> ControlPlane:
    private(directory / GIVEN, run([kubectl_path(), "config", "view", "--minify", "--flatten", "--raw", "-o", "json"]))
    return _of_others(directory)


def _of_others(directory: Path) -> ControlPlane:
    given, ca = directory / GIVEN, directory / "ca.crt"
    cluster = cluster_of(given)
    ca.write_bytes(base64.b64decode(cluster.get("certificate-authority-data", "")))
    kubectl("apply", "-f", "-", kubeconfig=given, stdin=_ADMIN)
    kubeconfig = serviceaccount_kubeconfig(given, _TESTS["namespace"], _TESTS["name"], directory / "kubeconfig")
    return ControlPlane(directory, kubeconfig, cluster["server"], ca, own=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build the binaries into the user's cache, if they are not there yet")
    for name, text in (
        ("start", "start a control plane in DIR, which goes on running"),
        ("stop", "end the one in DIR"),
    ):
        commands.add_parser(name, help=text).add_argument("directory", type=Path, metavar="DIR")
    arguments = parser.parse_args()
    try:
        match arguments.command:
            case "build":
                if os.environ.get("E2E_CLUSTER", "") in {"", "local"}:
                    say(f"Control plane: {build().etcd.parent}")
            case "start":
                plane = start(arguments.directory, outlive=True)
                say(f"{plane.url} is ready: kubectl --kubeconfig {plane.kubeconfig} get namespaces")
            case "stop":
                say("stopped" if stop(arguments.directory) else f"nothing runs in {arguments.directory}")
    except ControlPlaneError as error:
        print(f"control plane: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
