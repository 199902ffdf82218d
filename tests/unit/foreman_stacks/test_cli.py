"""The command line as a person and a pipeline meet it."""

from __future__ import annotations

import copy
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from foreman_stacks.__main__ import main
from foreman_stacks.settings import explained

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "zookeeper"
STACK: dict[str, Any] = yaml.safe_load((EXAMPLES / "stack.yaml").read_text())
DEPLOYMENT: dict[str, Any] = yaml.safe_load((EXAMPLES / "deployment.yaml").read_text())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of a test are named as they are in the messages."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, *documents: dict[str, Any]) -> str:
    Path(name).write_text(yaml.safe_dump_all(documents))
    return name


def spoilt(document: dict[str, Any], **spec: Any) -> dict[str, Any]:
    found = copy.deepcopy(document)
    found["spec"] |= spec
    return found


def test_what_is_right_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    assert main(["check", write("all.yaml", STACK, DEPLOYMENT, secret)]) == 0
    assert capsys.readouterr() == ("OK: 1 Stack, 1 StackDeployment\n", "")


def test_all_examples_are_right() -> None:
    files = [str(path) for path in sorted((ROOT / "examples").glob("*/*.yaml"))]
    assert len(files) > 5
    assert main(["check", *files]) == 0


def test_every_problem_of_every_file_is_a_line_with_place_what_and_mend(capsys: pytest.CaptureFixture[str]) -> None:
    stack = write(
        "stack.yaml", spoilt(STACK, outputs=[{"name": "x", "type": "integer", "expression": "roles.zk.hosts"}])
    )
    wrong = spoilt(DEPLOYMENT, stackRef={"name": "zookeper"}, deletionPolicy="Keep")
    deployment = write("deployment.yaml", wrong)
    assert main(["check", stack, deployment, "missing.yaml"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert sorted(err.splitlines()) == [
        (
            "deployment.yaml: StackDeployment/zookeeper spec.deletionPolicy: is not one of the allowed values; "
            "write 'Retain' or 'Delete'"
        ),
        "missing.yaml: cannot be read: No such file or directory; correct the name, or its permissions",
        (
            "stack.yaml: Stack/zookeeper spec.outputs[x].expression: gives a list of hosts where an integer is declared; "
            "take a field of it: name, fqdn, ip or index (hosts.map(h, h.ip))"
        ),
    ]


@pytest.mark.parametrize("field", ["annotations", "labels"])
def test_what_yaml_reads_as_no_text_is_told_before_the_apiserver_refuses_it(
    capsys: pytest.CaptureFixture[str], field: str
) -> None:
    stack = spoilt(STACK)
    stack["metadata"][field] = {"stacks.theforeman.org/abandon": True}
    assert main(["check", write("f.yaml", stack)]) == 1
    place = f"f.yaml: Stack/zookeeper metadata.{field}.stacks.theforeman.org/abandon: "
    assert capsys.readouterr().err.startswith(f"{place}has the wrong type; write text")


def test_standard_input_is_a_file_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(yaml.safe_dump_all([DEPLOYMENT, STACK])))
    assert main(["check", "-"]) == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO(yaml.safe_dump(DEPLOYMENT)))
    assert main(["check", "-"]) == 1
    assert capsys.readouterr().err == (
        "-: StackDeployment/zookeeper spec.stackRef.name: there is no Stack `zookeeper` in the files; "
        "check it together with the file of the Stack, or correct the name\n"
    )


@pytest.mark.parametrize(
    "content, said",
    [
        (b"a: [", "f.yaml: is not valid YAML: while parsing a flow node"),
        (b"a: &x [*x]\n---\n\xff\xfe", "f.yaml: is not UTF-8 text; give a YAML file"),
        (b"a: " + b"[" * 5_000 + b"]" * 5_000, "f.yaml: is nested too deeply; keep values flat"),
        (b"", "f.yaml: contains nothing to check; give files with objects of Stack, StackDeployment, ForemanServer"),
        (b"kind: ConfigMap\napiVersion: v1\n---\njust text\n", "f.yaml: contains nothing to check;"),
    ],
    ids=["syntax", "binary", "deep", "empty", "of-others"],
)
def test_a_file_that_cannot_be_checked_is_a_problem(
    capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    Path("f.yaml").write_bytes(content)
    assert main(["check", "f.yaml"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(said)


@pytest.mark.parametrize("command", ["crds", "rbac"])
def test_what_is_printed_is_what_is_installed(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command]) == 0
    printed = list(yaml.safe_load_all(capsys.readouterr().out))
    folder = ROOT / ("crds" if command == "crds" else "manifests")
    there = [document for path in folder.glob("*.yaml") for document in yaml.safe_load_all(path.read_text())]
    assert printed
    assert all(document in there for document in printed)


def test_hosts_are_nothing_to_check(capsys: pytest.CaptureFixture[str]) -> None:
    host = {"apiVersion": STACK["apiVersion"], "kind": "DeployedHost", "metadata": {"name": "zookeeper-zk-1"}}
    assert main(["check", write("all.yaml", STACK, host)]) == 0
    assert capsys.readouterr() == ("OK: 1 Stack\n", "")
    assert main(["check", write("hosts.yaml", host)]) == 1
    assert "hosts.yaml: contains nothing to check" in capsys.readouterr().err


@pytest.mark.parametrize("arguments, stream", [(["crds"], "stdout"), (["rbac"], "stdout"), (["check", "no"], "stderr")])
def test_a_reader_that_has_seen_enough_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], stream: str
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with (
        os.fdopen(writer, "w", buffering=1 if stream == "stderr" else -1) as broken,
        Path(os.devnull).open("w") as other,
    ):
        monkeypatch.setattr(sys, "stdout", other)
        monkeypatch.setattr(sys, "stderr", other)
        monkeypatch.setattr(sys, stream, broken)
        assert main(arguments) == 1
        monkeypatch.undo()


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_help_says_what_a_newcomer_needs(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--help")
    assert all(f"\n    {command} " in text for command in ("run", "crds", "rbac", "check"))
    assert "foreman-stacks crds | kubectl apply -f -" in text
    text = shown(capsys, "run", "--help")
    assert all(f"\n  {name}" in text for name, _, _ in explained())
    assert "KUBECONFIG" in text
    text = shown(capsys, "check", "--help")
    assert "exit status: 0 no problems, 1 there are problems" in text
    for command in ("crds", "rbac"):
        assert "kubectl apply" in " ".join(shown(capsys, command, "--help").split())
    assert shown(capsys, "--version").startswith("foreman-stacks ")


@pytest.mark.parametrize(
    "arguments", [[], ["chek"], ["check"], ["run", "--fast"]], ids=["none", "unknown", "no-file", "option"]
)
def test_a_wrong_call_says_how_it_is_called(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: foreman-stacks" in capsys.readouterr().err


def test_a_setting_that_makes_no_sense_is_told_by_its_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREMAN_STACKS_WORKERS", "many")
    assert main(["run"]) == 2
    assert capsys.readouterr().err == "foreman-stacks: FOREMAN_STACKS_WORKERS must be a whole number, not 'many'\n"


def start(kubeconfig: Path) -> subprocess.Popen[str]:
    env = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "PYTHONPATH": str(ROOT / "operator"),
        "FOREMAN_STACKS_HTTP_PORT": "0",
    }
    env.pop("KUBERNETES_SERVICE_HOST", None)
    command = [sys.executable, "-m", "foreman_stacks", "run"]
    return subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)


def test_without_a_cluster_it_says_so_and_ends(folder: Path) -> None:
    with start(folder / "none") as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "no cluster: " in err
    assert "Traceback" not in err
