"""Writes what is made from the models: the CRDs, the operator's rights, the API reference.

`python -m foreman_stacks.api.generate` writes the files of the project in the current folder; with `--check` it writes
nothing and ends with 1 when one of them differs from what it should be.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from foreman_stacks.api import crds, rbac, reference

_NOTE = "# Generated from the models by `make generate`; edits here are lost.\n"


@cache
def files() -> dict[str, str]:
    """Every generated file, by its path in the project."""
    definitions = {f"crds/{name}": _NOTE + crds.to_yaml(body) for name, body in crds.documents().items()}
    return {
        **definitions,
        "crds/Kustomization": _NOTE + crds.to_yaml(_kustomization()),
        "manifests/rbac.yaml": _NOTE + rbac.render(),
        "docs/api.md": reference.render(),
    }


def _kustomization() -> dict[str, object]:
    """The kustomization; its file has no `.yaml`, so that `kubectl apply -f crds` works as well as `-k crds`."""
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": list(crds.documents()),
    }


def stale(root: Path) -> list[str]:
    """The generated files under `root` that are out of date, and files in `crds/` that are not generated."""
    wanted = files()
    wrong = [path for path, text in wanted.items() if not _same(root / path, text)]
    strangers = {f"crds/{file.name}" for file in (root / "crds").glob("*")} - set(wanted)
    return wrong + sorted(strangers)


def write(root: Path) -> list[str]:
    """Bring the generated files under `root` up to date; return the paths that were changed."""
    changed = stale(root)
    wanted = files()
    for path in changed:
        target = root / path
        if path not in wanted:
            target.unlink()
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(wanted[path], encoding="utf-8")
    return changed


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m foreman_stacks.api.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, end with 1 when a file is out of date")
    parser.add_argument("--root", type=Path, default=Path(), help="folder of the project (default: the current one)")
    options = parser.parse_args(arguments)
    changed = stale(options.root) if options.check else write(options.root)
    for path in changed:
        sys.stdout.write(f"{path} is out of date: run `make generate`\n" if options.check else f"{path} written\n")
    return 1 if options.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
