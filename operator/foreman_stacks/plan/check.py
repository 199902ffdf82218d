"""Checks files offline, as the operator would before it asks Foreman; for use in pipelines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from foreman_stacks.api.deployedhost import DeployedHost
from foreman_stacks.api.parse import PARSERS, parse_deployment, parse_stack
from foreman_stacks.api.stack import Stack
from foreman_stacks.api.stackdeployment import StackDeployment
from foreman_stacks.cluster.port import GROUP
from foreman_stacks.errors import InvalidSpec, Problem
from foreman_stacks.model.identity import Identity
from foreman_stacks.plan.compile import compile_plan
from foreman_stacks.plan.inputs import Unread
from foreman_stacks.plan.stack import check_stack

Document = Mapping[str, Any]


@dataclass
class _Found:
    """What the files contain.

    `stacks` are by namespace and name (None for one that cannot be parsed), `deployments` have their place, and `files`
    has the file of each object by kind, namespace and name.
    """

    stacks: dict[tuple[str, str], Stack | None] = field(default_factory=dict)
    deployments: list[tuple[str, StackDeployment]] = field(default_factory=list)
    files: dict[tuple[str, str, str], str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def check_files(documents: Iterable[tuple[str, Document]]) -> list[Problem]:
    """Return all problems of the Stacks, deployments and servers in these documents, pairs of a file and an object.

    Paths begin with file, kind and name. Values from Secrets and ConfigMaps are assumed to exist and to be valid;
    objects of other API groups and DeployedHosts are skipped; a deployment whose Stack is not among the files is a
    problem.
    """
    found = _Found()
    for file, item in objects(documents):
        _read(file, item, found)
    for place, deployment in found.deployments:
        found.problems += _placed(place, _check_deployment(deployment, found.stacks))
    return found.problems


def objects(documents: Iterable[tuple[str, Document]]) -> Iterator[tuple[str, Document]]:
    """Yield the objects of the operator's API group that people write, each with its file, including those in Lists."""
    for file, document in documents:
        for item in _flat(document):
            ours = str(item.get("apiVersion", "")).partition("/")[0] == GROUP
            if ours and item.get("kind") != DeployedHost.__name__:
                yield file, item


def _flat(document: object) -> Iterator[Document]:
    """Yield the object, or the objects in a List; nothing for an empty document."""
    if not isinstance(document, Mapping):
        return
    items = document.get("items")
    if document.get("kind") == "List" and isinstance(items, list):
        for item in items:
            yield from _flat(item)
    else:
        yield document


def _read(file: str, document: Document, found: _Found) -> None:
    kind = document.get("kind")
    name, namespace = _metadata(document)
    place = f"{file}: {kind}/{name}"
    if not isinstance(kind, str) or kind not in PARSERS:
        mend = f"write one of {', '.join(PARSERS)}"
        found.problems.append(Problem(f"{place} kind", "is not a known kind", mend))
        return
    try:
        if kind == "Stack":
            found.stacks[namespace, name] = None
            stack = found.stacks[namespace, name] = parse_stack(document)
            found.problems += _placed(place, check_stack(stack))
        elif kind == "StackDeployment":
            found.deployments.append((place, parse_deployment(document)))
        else:
            PARSERS[kind](document)
    except InvalidSpec as invalid:
        found.problems += _placed(place, invalid.problems)
        return
    key = (kind, namespace, name)
    if key in found.files:
        what = f"is used twice: {found.files[key]} has it, too"
        found.problems.append(Problem(f"{place} metadata.name", what, "keep one of the two objects, or rename one"))
    found.files.setdefault(key, file)


def _metadata(document: Document) -> tuple[str, str]:
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping):
        return "?", ""
    return str(metadata.get("name", "?")), str(metadata.get("namespace", ""))


def _placed(place: str, problems: Iterable[Problem]) -> Iterator[Problem]:
    for problem in problems:
        yield Problem(f"{place} {problem.path}".rstrip(), problem.what, problem.mend)


def _check_deployment(deployment: StackDeployment, stacks: Mapping[tuple[str, str], Stack | None]) -> list[Problem]:
    name, namespace = deployment.spec.stack_ref.name, deployment.metadata.namespace
    keys = [key for key in stacks if key[1] == name and (key[0] == namespace or not key[0] or not namespace)]
    if not keys:
        what = f"there is no Stack `{name}` in the files"
        return [
            Problem("spec.stackRef.name", what, "check it together with the file of the Stack, or correct the name")
        ]
    stack = stacks[keys[0]]
    if stack is None or check_stack(stack):
        return []  # reported for the Stack already
    given = {entry.name: Unread() for entry in deployment.spec.parameters if entry.value_from is not None}
    identity = Identity("offline", namespace or "default", deployment.metadata.name)
    try:
        plan = compile_plan(stack, deployment, identity, given)
    except InvalidSpec as invalid:
        return invalid.problems
    return list(plan.evaluated)
