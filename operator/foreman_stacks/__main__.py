"""The command `foreman-stacks`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from foreman_stacks.api import crds, rbac
from foreman_stacks.plan.check import check_files
from foreman_stacks.settings import PREFIX, Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and do what it says; the exit code."""
    parser = argparse.ArgumentParser(
        prog="foreman-stacks",
        description="Deploys whole multi-host systems with Foreman and Puppet, in order, as a Kubernetes operator.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "run",
        help="run the operator",
        description="Run the operator against the cluster of KUBECONFIG, or of the Pod it runs in. Settings are "
        f"environment variables: {', '.join(sorted(PREFIX + name.upper() for name in Settings.__dataclass_fields__))}.",
    )
    commands.add_parser("crds", help="print the CustomResourceDefinitions as YAML")
    commands.add_parser("rbac", help="print the operator's ServiceAccount, roles and bindings as YAML")
    check = commands.add_parser(
        "check",
        help="check Stacks and deployments offline",
        description="Compile the Stacks, StackDeployments and ForemanServers in YAML files as the operator would, without "
        "any server. Every problem is a line: path, what is wrong, what to do. The exit code is 1 when there are any.",
    )
    check.add_argument("files", nargs="+", metavar="FILE", help="a YAML file, or - for standard input")
    given = parser.parse_args(arguments)
    match given.command:
        case "run":
            return _run()
        case "crds":
            print(crds.render(), end="")
        case "rbac":
            print(rbac.render(), end="")
        case "check":
            return _check(given.files)
    return 0


def _run() -> int:
    from foreman_stacks.app import main as run_operator  # noqa: PLC0415 - Kopf is slow to import, and only needed here

    try:
        settings = Settings.from_environment()
    except ValueError as error:
        print(f"foreman-stacks: {error}", file=sys.stderr)
        return 2
    return run_operator(settings)


def _check(files: Sequence[str]) -> int:
    try:
        documents = [document for file in files for document in _documents(file)]
    except (OSError, yaml.YAMLError) as error:
        print(f"foreman-stacks: {error}", file=sys.stderr)
        return 1
    problems = check_files(documents)
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"{len(documents)} documents are sound")
    return 1 if problems else 0


def _documents(file: str) -> Iterator[tuple[str, dict[str, Any]]]:
    text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    for document in yaml.safe_load_all(text):
        if isinstance(document, dict):
            yield file, document


if __name__ == "__main__":
    sys.exit(main())
