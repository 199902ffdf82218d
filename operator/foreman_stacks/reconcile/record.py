"""The record: what is done, kept in Foreman beside the hosts, for the day on which the status is lost.

A parameter `foreman_stacks_record` on the deployment's first hostgroup; written before each puppetRun job and before
Ready, nowhere else. What it says is done counts as done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from foreman_stacks.foreman.port import Change, Hostgroup, HostgroupNamed, Parameter
from foreman_stacks.model.identity import RECORD_PARAMETER, HostRef, indices, ranges
from foreman_stacks.model.progress import Progress, RoleProgress, Run, StepProgress, StepState


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
            "runs": {name: _intent(step.run) for name, step in progress.steps.items() if step.run is not None},
        },
        sort_keys=True,
        separators=(",", ":"),
    )


def _intent(run: Run) -> dict[str, Any]:
    """The intent of the run that is about to start: whoever comes after us finds it by its token, done or not."""
    hosts = [[role, ranges(found), digest] for role, digest, found in grouped(run.hosts)]
    since = run.since.isoformat()
    return {"token": run.token, "hosts": hosts, "baseline": run.baseline, "since": since, "number": run.number}


def _run(found: Mapping[str, Any]) -> Run:
    return Run(
        token=str(found["token"]),
        hosts=_hosts(found["hosts"]),
        baseline=int(found["baseline"]),
        since=datetime.fromisoformat(found["since"]),
        number=int(found["number"]),
    )


def _hosts(rows: Iterable[Sequence[str]]) -> dict[HostRef, str]:
    return spread((role, found, digest) for role, found, digest in rows)


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
        name: StepProgress(name, state=StepState.DONE, done=_hosts(rows))
        for name, rows in dict(found.get("steps") or {}).items()
    }
    for name, intent in dict(found.get("runs") or {}).items():
        run = _run(intent)
        steps[name] = replace(
            steps.get(name, StepProgress(name)), state=StepState.RUNNING, run=run, attempt=1, started_at=run.since
        )
    return replace(
        progress,
        epoch=int(found.get("epoch") or 0),
        recorded=int(found.get("epoch") or 0),
        settled_plan=str(found.get("settledPlan") or ""),
        roles=roles,
        steps=steps,
    )
