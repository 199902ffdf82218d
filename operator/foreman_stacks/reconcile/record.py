"""The record: what is done, kept in Foreman beside the hosts, for the day on which the status is lost.

A parameter `foreman_stacks_record` on the deployment's first hostgroup; written before each puppetRun job and before
Ready, nowhere else. What it says is done counts as done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from foreman_stacks.foreman.port import Change, Hostgroup, HostgroupNamed, Parameter
from foreman_stacks.model.identity import RECORD_PARAMETER, HostRef, indices, ranges
from foreman_stacks.model.progress import Progress, RoleProgress, StepProgress, StepState


def text(progress: Progress) -> str:
    """The record of this progress."""
    return json.dumps(
        {
            "epoch": progress.epoch,
            "settledPlan": progress.settled_plan,
            "roles": {name: ranges(role.configured) for name, role in progress.roles.items() if role.configured},
            "steps": {
                name: [[role, ranges(found), digest] for role, digest, found in grouped(step.done)]
                for name, step in progress.steps.items()
                if step.done or step.state is StepState.DONE
            },
        },
        sort_keys=True,
        separators=(",", ":"),
    )


def grouped(done: Mapping[HostRef, str]) -> list[tuple[str, str, list[int]]]:
    """Hosts by role and digest, as status and record write them."""
    found: dict[tuple[str, str], list[int]] = {}
    for ref, digest in sorted(done.items()):
        found.setdefault((ref.role, digest), []).append(ref.index)
    return [(role, digest, numbers) for (role, digest), numbers in found.items()]


def spread(entries: Iterable[tuple[str, str, str]]) -> dict[HostRef, str]:
    """The inverse: role, index ranges, digest."""
    return {HostRef(role, index): digest for role, found, digest in entries for index in indices(found)}


def change(root: Hostgroup, progress: Progress) -> Change:
    """The write of the record."""
    body: dict[str, Any] = {"value": text(progress), "parameter_type": "string"}
    key, settles = f"{root.title} {RECORD_PARAMETER}", ((HostgroupNamed(root.title), _with(root, body["value"])),)
    if root.record is None:
        body = {"name": RECORD_PARAMETER, **body}
        return Change("create", "hostgroup_parameter", key, body, (root.id,), settles=settles)
    return Change("update", "hostgroup_parameter", key, body, (root.id, RECORD_PARAMETER), settles=settles)


def _with(root: Hostgroup, value: str) -> Hostgroup:
    """The hostgroup as it is once the record is written: it need not be read again."""
    others = tuple(entry for entry in root.parameters if entry.name != RECORD_PARAMETER)
    return replace(root, parameters=(*others, Parameter(RECORD_PARAMETER, value, "string")))


def read(root: Hostgroup) -> Mapping[str, Any]:
    """What the record says; empty when there is none, or none that we understand."""
    try:
        found = json.loads(root.record) if isinstance(root.record, str) else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def restore(progress: Progress, root: Hostgroup) -> Progress:
    """Progress as the record has it, for a status that knows of nothing."""
    found = read(root)
    roles = {}
    for name, text_ in dict(found.get("roles") or {}).items():
        there = indices(str(text_))
        roles[name] = RoleProgress(created=there, built=there, configured=there)
    steps = {
        name: StepProgress(name, state=StepState.DONE, done=spread((row[0], row[1], row[2]) for row in rows))
        for name, rows in dict(found.get("steps") or {}).items()
    }
    return replace(
        progress,
        epoch=int(found.get("epoch") or 0),
        recorded=int(found.get("epoch") or 0),
        settled_plan=str(found.get("settledPlan") or ""),
        roles=roles,
        steps=steps,
    )
