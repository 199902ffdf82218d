"""The record: what is done, kept in Foreman beside the hosts in case the status is lost.

It is the parameter `foreman_stacks_record` of the deployment's first hostgroup. It is written only before each job that
may let hosts run Puppet (a puppetRun's, PeriodicPuppet's) and before Ready. What it says is done counts as done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field, NonNegativeInt, PositiveInt

from foreman_stacks.foreman.port import Change, Hostgroup, HostgroupNamed, Parameter
from foreman_stacks.model.identity import RECORD_PARAMETER, HostRef, indices, ranges
from foreman_stacks.model.progress import Progress, RoleProgress, Run, StepProgress, StepState
from foreman_stacks.model.schema import Reported


def _sound(text: str) -> str:
    indices(text)
    return text


Indices = Annotated[str, AfterValidator(_sound)]
Rows = tuple[tuple[str, Indices, str], ...]


class Intent(Reported):
    """A run that is about to start."""

    token: str
    hosts: Rows
    baseline: NonNegativeInt
    since: AwareDatetime
    number: PositiveInt

    def run(self) -> Run:
        """Return the run as progress has it."""
        return Run(self.token, spread(self.hosts), self.baseline, self.since, self.number)


class Record(Reported):
    """The content of the record: placed hosts by role, the hosts that each step is done for by digest, and runs."""

    epoch: NonNegativeInt
    settled_plan: str = ""
    roles: dict[str, Indices] = Field(default_factory=dict)
    steps: dict[str, Rows] = Field(default_factory=dict)
    runs: dict[str, Intent] = Field(default_factory=dict)


def text(progress: Progress) -> str:
    """Return the text of the record for this progress."""
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
    """Return a run that is about to start as JSON. A later process finds its job by the token, if it was started."""
    hosts = [[role, ranges(found), digest] for role, digest, found in grouped(run.hosts)]
    since = run.since.isoformat()
    return {"token": run.token, "hosts": hosts, "baseline": run.baseline, "since": since, "number": run.number}


def grouped(done: Mapping[HostRef, str]) -> list[tuple[str, str, list[int]]]:
    """Return hosts grouped by role and digest, as status and record write them."""
    found: dict[tuple[str, str], list[int]] = {}
    for ref, digest in sorted(done.items()):
        found.setdefault((ref.role, digest), []).append(ref.index)
    return [(role, digest, numbers) for (role, digest), numbers in found.items()]


def spread(entries: Iterable[tuple[str, str, str]]) -> dict[HostRef, str]:
    """Return the digest of each host from entries of role, index ranges and digest: the inverse of `grouped`."""
    return {HostRef(role, index): digest for role, found, digest in entries for index in indices(found)}


def change(root: Hostgroup, progress: Progress) -> Change:
    """Return the change that writes the record."""
    body: dict[str, Any] = {"value": text(progress), "parameter_type": "string"}
    key, settles = f"{root.title} {RECORD_PARAMETER}", ((HostgroupNamed(root.title), _with(root, body["value"])),)
    if root.record is None:
        body = {"name": RECORD_PARAMETER, **body}
        return Change("create", "hostgroup_parameter", key, body, (root.id,), settles=settles)
    return Change("update", "hostgroup_parameter", key, body, (root.id, RECORD_PARAMETER), settles=settles)


def before(root: Hostgroup | None, progress: Progress, waves: Iterable[Sequence[Change]]) -> tuple[Change, ...]:
    """Return the change to make before a run starts: none if the record is up to date, or will be after these waves.

    A pass may start several runs. All of them were intended in an earlier pass, so one record has them all.
    """
    if root is None:
        return ()
    found = change(root, progress)
    said = root.record == found.body["value"] or any(found.key == other.key for wave in waves for other in wave)
    return () if said else (found,)


def _with(root: Hostgroup, value: str) -> Hostgroup:
    """Return the hostgroup as it will be once the record is written, so that it need not be read again."""
    others = tuple(entry for entry in root.parameters if entry.name != RECORD_PARAMETER)
    return replace(root, parameters=(*others, Parameter(RECORD_PARAMETER, value, "string")))


def read(root: Hostgroup) -> Record | None:
    """Return the record; None if there is none, or if it cannot be parsed: others can write to the parameter."""
    try:
        return Record.model_validate_json(root.record) if isinstance(root.record, str) else None
    except ValueError:
        return None


def restore(progress: Progress, found: Record) -> Progress:
    """Return progress as the record has it, for a status that was lost or is older."""
    there = {name: indices(text) for name, text in found.roles.items()}
    steps = {name: StepProgress(name, state=StepState.DONE, done=spread(rows)) for name, rows in found.steps.items()}
    for name, intent in found.runs.items():
        step = steps.get(name, StepProgress(name))
        steps[name] = replace(step, state=StepState.RUNNING, run=intent.run(), attempt=1, started_at=intent.since)
    return replace(
        progress,
        epoch=found.epoch,
        recorded=found.epoch,
        settled_plan=found.settled_plan,
        roles={name: RoleProgress(created=hosts, built=hosts, configured=hosts) for name, hosts in there.items()},
        steps=steps,
    )
