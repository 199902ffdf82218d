"""A real kube-apiserver for the tests: one per test process, with our CRDs in it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import control_plane as local
from control_plane import ControlPlane, ControlPlaneError, kubectl
from kubeconfig import served
from tests.e2e.lab import Lab
from tests.e2e.leaks import search
from tests.e2e.stage import Stage, staged, until

ROOT = Path(__file__).parents[2]
INSTALLED = [
    word for path in ("crds", "manifests/namespace.yaml", "manifests/rbac.yaml") for word in ("-f", str(ROOT / path))
]
"""All of `manifests` but the operator's Pod, which would act on the tests' objects if the cluster has nodes."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl with one kubeconfig; a call returns its output, `refused` the message of a call that must fail."""

    kubeconfig: Path

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        return kubectl(*arguments, kubeconfig=self.kubeconfig, stdin=stdin)

    def refused(self, *arguments: str, stdin: str | None = None) -> str:
        with pytest.raises(ControlPlaneError) as caught:
            self(*arguments, stdin=stdin)
        return str(caught.value)


@pytest.fixture(scope="session", autouse=True)
def no_secret_anywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """At the end of each test process, check that no output of the operators that ran holds a secret."""
    yield
    files, found = search(tmp_path_factory.getbasetemp())
    assert not found, f"secrets in {len(found)} of {files} files:\n" + "\n".join(found)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with local.start(tmp_path_factory.mktemp("control-plane"), shared=True) as plane:
        if plane.own:
            yield plane
            return
        there = ("get", "crd", "stackdeployments.stacks.theforeman.org", "--ignore-not-found", "-o", "name")
        if kubectl(*there, kubeconfig=plane.kubeconfig):
            raise ControlPlaneError(
                "our kinds are on this cluster already: an operator is installed there, or a run of the tests was broken "
                f"off. Use another cluster, or take them away: kubectl delete {' '.join(INSTALLED)}"
            )
        yield plane
        kubectl("delete", "--ignore-not-found", "--timeout=120s", *INSTALLED, kubeconfig=plane.kubeconfig)


@pytest.fixture
def own_cluster(control_plane: ControlPlane) -> None:
    """Skip the test on a cluster of others: it installs all of `manifests`, or starts a control plane itself."""
    if not control_plane.own:
        pytest.skip("not on a cluster of others (E2E_CLUSTER): it might run the operator's Pod beside ours")


@pytest.fixture(scope="session")
def admin(control_plane: ControlPlane) -> Kubectl:
    """kubectl as an administrator."""
    return Kubectl(control_plane.kubeconfig)


@pytest.fixture(scope="session")
def crds(admin: Kubectl) -> None:
    """Install our CRDs, and wait until they are served."""
    admin("apply", "-k", str(ROOT / "crds"))
    admin("wait", "--for=condition=Established", "-f", str(ROOT / "crds"), "--timeout=60s")
    until(lambda: served(admin.kubeconfig), 30, "our kinds are served")


@contextmanager
def fresh_namespace(admin: Kubectl) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    admin("create", "namespace", name)
    yield name
    admin("delete", "namespace", name, "--wait=false")


@pytest.fixture
def namespace(admin: Kubectl) -> Iterator[str]:
    """A namespace of the test's own."""
    with fresh_namespace(admin) as name:
        yield name


@pytest.fixture(scope="session")
def installed(admin: Kubectl, crds: None) -> None:
    """Namespace, ServiceAccount and rights of the operator, as `kubectl apply -k manifests` makes them."""
    admin("apply", *INSTALLED)


@pytest.fixture
def stage(control_plane: ControlPlane, installed: None, namespace: str, tmp_path: Path) -> Iterator[Stage]:
    """A simulated Foreman and a running operator; nothing is deployed yet."""
    with staged(control_plane, tmp_path, namespace) as found:
        found.operator.start()
        yield found


@pytest.fixture(scope="module")
def shared_stage(
    control_plane: ControlPlane, installed: None, admin: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """One stage for all tests of a module; the module starts the operator, with the settings that it needs."""
    with fresh_namespace(admin) as name, staged(control_plane, tmp_path_factory.mktemp("stage"), name) as found:
        yield found


@pytest.fixture
def lab(
    control_plane: ControlPlane,
    installed: None,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    worker_id: str,
) -> Lab:
    """A lab for runs of the example that are compared; all test processes share the undisturbed run."""
    base = tmp_path_factory.getbasetemp()
    return Lab(control_plane, tmp_path, base if worker_id == "master" else base.parent)
