"""The command `foreman-stacks`."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from foreman_stacks.api import crds, rbac
from foreman_stacks.api.parse import PARSERS
from foreman_stacks.errors import Problem
from foreman_stacks.model.words import counted
from foreman_stacks.plan.check import check_files, objects
from foreman_stacks.settings import Settings, explained

DESCRIPTION = "Deploys whole multi-host systems with Foreman and Puppet, in order, as a Kubernetes operator."
EXAMPLES = """examples:
  foreman-stacks check stack.yaml deployment.yaml     check files, without any cluster or Foreman
  foreman-stacks crds | kubectl apply -f -            install the API
  foreman-stacks rbac | kubectl apply -f -            install the operator's account and rights
  foreman-stacks run                                  run the operator on the cluster that kubectl speaks to
"""
RUN = """Run the operator until SIGTERM or Ctrl-C.

It works on the cluster of KUBECONFIG, else of ~/.kube/config, and in a Pod as the Pod's ServiceAccount. The CRDs and the
operator's own namespace must exist. All settings are environment variables; times are seconds:
"""
CHECK = """Compile the Stacks, StackDeployments and ForemanServers in YAML files as the operator would, without any server.

A deployment is checked together with its Stack, so give both. Values from Secrets and ConfigMaps are taken as given; what
only Foreman knows (classes, compute resources, free names) is not checked. Objects of other kinds are skipped,
DeployedHosts too.

Each problem is one line on standard error: file, object, path, what is wrong; what to do.
"""
CHECK_END = """exit status: 0 no problems, 1 there are problems

examples:
  foreman-stacks check stack.yaml deployment.yaml
  kustomize build overlays/prod | foreman-stacks check -
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the given command; return the exit code."""
    given = _parser().parse_args(arguments)
    if given.command == "run":
        return _run()
    try:
        code = _print(given)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output has seen enough
        nowhere = os.open(os.devnull, os.O_WRONLY)  # takes what is still buffered, which Python writes at exit
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        return 1
    return code


def _print(given: argparse.Namespace) -> int:
    match given.command:
        case "crds":
            print(crds.render(), end="")
        case "rbac":
            print(rbac.render(), end="")
        case "check":
            return _check(given.files)
    return 0


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="foreman-stacks", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=raw
    )
    parser.add_argument("--version", action="version", version=f"foreman-stacks {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    commands.add_parser("run", help="run the operator", description=f"{RUN}\n{_settings()}", formatter_class=raw)
    commands.add_parser(
        "crds",
        help="print the CustomResourceDefinitions",
        description="Print the CustomResourceDefinitions as YAML: foreman-stacks crds | kubectl apply -f -",
    )
    commands.add_parser(
        "rbac",
        help="print the operator's account and rights",
        description="Print the operator's ServiceAccount, roles and bindings, and roles for users, as YAML: "
        "foreman-stacks rbac | kubectl apply -f - (its namespace must exist; kubectl apply -k manifests installs everything)",
    )
    check = commands.add_parser(
        "check", help="check Stacks and deployments offline", description=CHECK, epilog=CHECK_END, formatter_class=raw
    )
    check.add_argument("files", nargs="+", metavar="FILE", help="a YAML file, or - for standard input")
    return parser


def _version() -> str:
    try:
        return version("foreman-stacks")
    except PackageNotFoundError:
        return "(not installed)"


def _settings() -> str:
    """Return all settings with their defaults, one below the other."""
    lines = []
    for name, default, said in explained():
        lines.append(f"  {name}" + (f" ({default})" if default else ""))
        lines += textwrap.wrap(said, 100, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines)


def _run() -> int:
    from foreman_stacks.app import main as run_operator  # noqa: PLC0415 - Kopf is slow to import, and only needed here

    try:
        settings = Settings.from_environment()
    except ValueError as error:
        print(f"foreman-stacks: {error}", file=sys.stderr)
        return 2
    return run_operator(settings)


def _check(files: Sequence[str]) -> int:
    documents: list[tuple[str, Any]] = []
    problems: list[Problem] = []
    for file in files:
        try:
            documents += [(file, document) for document in _documents(file)]
        except OSError as error:
            problems.append(Problem(file, f"cannot be read: {error.strerror}", "correct the name, or its permissions"))
        except UnicodeDecodeError:
            problems.append(Problem(file, "is not UTF-8 text", "give a YAML file"))
        except yaml.YAMLError as error:
            problems.append(Problem(file, f"is not valid YAML: {' '.join(str(error).split())}", "correct the syntax"))
        except RecursionError:
            problems.append(Problem(file, "is nested too deeply", "keep values flat"))
    problems += check_files(documents)
    found = Counter(str(item.get("kind")) for _, item in objects(documents))
    if not found and not problems:
        kinds = ", ".join(PARSERS)
        problems.append(Problem(", ".join(files), "contains nothing to check", f"give files with objects of {kinds}"))
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 1
    print("OK:", ", ".join(counted(count, kind) for kind, count in sorted(found.items())))
    return 0


def _documents(file: str) -> Iterator[object]:
    text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    yield from yaml.safe_load_all(text)


if __name__ == "__main__":
    sys.exit(main())
