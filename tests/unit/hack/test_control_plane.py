"""The local control plane, as far as it needs no cluster."""

import base64
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import control_plane
import control_plane_binaries as binaries
import kubeconfig
import processes


def _program(path: Path) -> None:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def test_given_binaries_are_used_and_a_missing_controller_manager_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("etcd", "kube-apiserver"):
        _program(tmp_path / name)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    said: list[str] = []
    assets = control_plane.build(said.append)
    assert assets == binaries.Assets(tmp_path / "etcd", tmp_path / "kube-apiserver", None)
    assert "no kube-controller-manager" in said[0]


def test_given_binaries_that_are_not_there_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path / "etcd")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(
        control_plane.ControlPlaneError, match="holds no kube-apiserver: point it at a folder that does"
    ):
        control_plane.build()


def test_two_callers_at_once_build_once_and_are_told_how_long_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    built: list[str] = []
    said: list[str] = []
    both_asked = threading.Barrier(2)

    def fake(_go: Path, binary: binaries.Binary, target: Path, _say: binaries.Say) -> None:
        built.append(binary.name)
        _program(target / binary.name)

    monkeypatch.setattr(binaries, "_go", lambda _say: Path("go"))
    monkeypatch.setattr(binaries, "_go_build", fake)

    def ask() -> None:
        both_asked.wait()
        binaries.build(said.append)

    callers = [threading.Thread(target=ask) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert built == ["etcd", "kube-apiserver", "kube-controller-manager"]
    told = "\n".join(said)
    assert told.count("Building the local control plane") == told.count("This takes about 6 minutes on 2 cores") == 1


def test_a_build_that_fails_leaves_nothing_that_looks_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fails(_go: Path, binary: binaries.Binary, target: Path, _say: binaries.Say) -> None:
        if binary.name == "kube-apiserver":
            raise binaries.ControlPlaneError("no disk")
        _program(target / binary.name)

    monkeypatch.setattr(binaries, "_go", lambda _say: Path("go"))
    monkeypatch.setattr(binaries, "_go_build", fails)
    with pytest.raises(binaries.ControlPlaneError):
        binaries.build(lambda _text: None)
    assert [path.name for path in binaries.cache().iterdir() if path.suffix != ".lock"] == []


def test_versions_come_from_go_mod() -> None:
    assert binaries._version("k8s.io/kubernetes").startswith("v1.")
    assert binaries._numbers("go1.26.8") == (1, 26, 8)
    assert binaries._numbers("go1.9.1") < binaries._numbers("1.26.0")


@pytest.mark.parametrize("value", ["kind", "minikube"])
def test_a_cluster_that_cannot_be_had_says_what_to_do(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("E2E_CLUSTER", value)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(control_plane.ControlPlaneError, match="unset"):
        control_plane.start(tmp_path, shared=True)


def test_a_cluster_of_others_is_for_tests_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo and the benchmarks would leave objects on it."""
    monkeypatch.setenv("E2E_CLUSTER", "current-context")
    with pytest.raises(control_plane.ControlPlaneError, match="is for `make e2e` only: unset it"):
        control_plane.start(tmp_path)


def test_the_key_of_service_accounts_has_the_length_that_its_header_says() -> None:
    begin, *body, end = control_plane._ec_private_key().splitlines()
    der = base64.b64decode("".join(body))
    assert (begin, end) == ("-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----")
    assert der[1] == len(der) - 2


def test_a_kubeconfig_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = kubeconfig.write_kubeconfig(tmp_path / "config", server="https://127.0.0.1:1", ca=b"pem", token="t")
    assert path.stat().st_mode & 0o077 == 0


def test_only_the_process_that_was_started_is_ended(tmp_path: Path) -> None:
    child, process = processes.launch([sys.executable, "-c", "input()"], tmp_path, name="stub", outlive=False)
    stranger = processes.Process("stranger", process.pid, "another start time")
    try:
        processes.end(stranger)
        assert process.alive()
        processes.end(process)
        assert child.wait() != 0
    finally:
        child.kill()
        child.wait()


def test_a_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    text = (
        "import sys, os; from pathlib import Path; import processes; "
        "print(processes.launch(['sleep', '60'], Path(sys.argv[1]), outlive=False)[1].pid, flush=True); os.kill(os.getpid(), 9)"
    )
    hack = str(Path(processes.__file__).parent)
    answer = subprocess.run(
        [sys.executable, "-c", text, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": hack},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        handle = os.pidfd_open(int(answer.stdout))
    except ProcessLookupError:
        return
    assert processes._ended(handle, 10)
    os.close(handle)
