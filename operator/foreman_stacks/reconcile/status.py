"""Converts a deployment's progress to its status and back. A status that cannot be parsed counts as "nothing known"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from foreman_stacks.api import deploymentstatus as api
from foreman_stacks.api.meta import body
from foreman_stacks.model.identity import HostRef, indices, ranges
from foreman_stacks.model.progress import (
    Creating,
    FailedHost,
    Progress,
    RoleProgress,
    Run,
    StepProgress,
    StepState,
    refs,
)
from foreman_stacks.model.scope import Place
from foreman_stacks.reconcile.record import grouped, spread

LONGEST_PAUSE = timedelta(hours=1)


def parse(status: Mapping[str, Any] | None, now: datetime | None = None) -> Progress:
    """Return progress from the status of an object.

    Times in the future become `now`, and a retry is at most `LONGEST_PAUSE` after it: the clock may have been set back.
    """
    progress = _parsed(status)
    if now is None:
        return progress
    steps = {name: _until(now, step) for name, step in progress.steps.items()}
    roles = {name: _intended(now, role) for name, role in progress.roles.items()}
    return replace(progress, steps=steps, roles=roles)


def _until(now: datetime, step: StepProgress) -> StepProgress:
    run = replace(step.run, since=min(step.run.since, now), ended=_past(now, step.run.ended)) if step.run else None
    retry = min(step.retry_at, now + LONGEST_PAUSE) if step.retry_at else None
    return replace(step, run=run, retry_at=retry, started_at=_past(now, step.started_at))


def _past(now: datetime, time: datetime | None) -> datetime | None:
    return min(time, now) if time else None


def _intended(now: datetime, role: RoleProgress) -> RoleProgress:
    creating = replace(role.creating, since=min(role.creating.since, now)) if role.creating else None
    return replace(role, creating=creating)


def _parsed(status: Mapping[str, Any] | None) -> Progress:
    try:
        return _progress(api.StackDeploymentStatus.model_validate(status or {}))
    except ValueError:
        return Progress()


def _progress(found: api.StackDeploymentStatus) -> Progress:
    return Progress(
        epoch=found.epoch,
        recorded=found.recorded,
        plan=found.plan or "",
        settled_plan=found.settled_plan or "",
        settled_generation=found.settled_generation,
        handled=found.last_handled_reconcile_at or "",
        roles={role.name: _role(role) for role in found.roles},
        steps={step.name: _step(step) for step in found.steps},
        failed_hosts=tuple(
            FailedHost(host.name, host.reason, host.cause, host.job_url, host.report_url, host.step)
            for host in found.failed_hosts
        ),
        places=frozenset(place for owner in found.values for place in _places(owner)),
    )


def _places(owner: api.OwnedValues) -> Iterator[Place]:
    kind: Literal["hostgroup", "role"] = "role" if owner.role else "hostgroup"
    name = owner.role or owner.hostgroup or ""
    yield from (Place(kind, name, parameter) for parameter in owner.parameters)
    for override in owner.overrides:
        puppet_class, _, parameter = override.rpartition("::")
        yield Place(kind, name, parameter, puppet_class)


def _role(role: api.RoleStatus) -> RoleProgress:
    creating = role.creating
    return RoleProgress(
        created=indices(role.created),
        creating=Creating(indices(creating.indices), creating.since) if creating else None,
        built=indices(role.built),
        configured=indices(role.configured),
        values=role.values,
    )


def _step(step: api.StepStatus) -> StepProgress:
    return StepProgress(
        name=step.name,
        state=StepState(step.state),
        attempt=step.attempt,
        started_at=step.started_at,
        run=_run(step.run) if step.run else None,
        done=_hosts(step.done),
        failed=refs((entry.role, indices(entry.indices)) for entry in step.failed),
        retry_at=step.retry_at,
        retrying=refs((entry.role, indices(entry.indices)) for entry in step.retrying),
        message=step.message,
    )


def _run(run: api.Run) -> Run:
    return Run(
        token=run.token,
        hosts=_hosts(run.hosts),
        baseline=run.baseline,
        since=run.since,
        number=run.number,
        job=run.job,
        ended=run.ended,
    )


def _hosts(entries: Iterable[api.DoneHosts]) -> dict[HostRef, str]:
    return spread((entry.role, entry.indices, entry.digest) for entry in entries)


def render(progress: Progress, desired: Mapping[str, int], order: Iterable[str]) -> dict[str, Any]:
    """Return the part of the status that holds progress; steps are in the order of the plan (`order`)."""
    names = _named(desired, [name for name, role in progress.roles.items() if role != RoleProgress()], api.MAX_ROLES)
    steps = _named(order, [name for name, step in progress.steps.items() if step != StepProgress(name)], api.MAX_STEPS)
    status = api.StackDeploymentStatus(
        plan=progress.plan or None,
        settled_plan=progress.settled_plan or None,
        settled_generation=progress.settled_generation,
        last_handled_reconcile_at=progress.handled or None,
        epoch=progress.epoch,
        recorded=progress.recorded,
        roles=tuple(_role_status(name, progress.role(name), desired.get(name, 0)) for name in names),
        steps=tuple(_step_status(progress.step(name)) for name in steps),
        failed_hosts=tuple(
            api.FailedHost(
                name=host.name,
                step=host.step,
                reason=host.reason,
                cause=host.cause[:1024],
                job_url=host.job,
                report_url=host.report,
            )
            for host in progress.failed_hosts[: api.MAX_FAILED_HOSTS]
        ),
        values=_owned(progress.places),
    )
    found = body(status)
    for name in ("observedGeneration", "conditions", "summary", "missingParameters", "outputs"):
        found.pop(name, None)
    return found


def _named(wanted: Iterable[str], telling: Sequence[str], room: int) -> list[str]:
    """Return the names of the plan (`wanted`), then others with progress (`telling`).

    Names of a plan that was never accepted thus leave no trace. Where there is no room for all, names without progress
    are left out.
    """
    names = list(dict.fromkeys([*wanted, *telling]))
    silent = [name for name in names if name not in telling]
    spared = silent[max(0, room - len(telling)) :]
    return [name for name in names if name not in spared]


def _role_status(name: str, role: RoleProgress, desired: int) -> api.RoleStatus:
    return api.RoleStatus(
        name=name,
        desired=desired,
        created=ranges(role.created),
        creating=api.Creating(indices=ranges(role.creating.indices), since=role.creating.since)
        if role.creating
        else None,
        built=ranges(role.built),
        configured=ranges(role.configured),
        values=role.values,
        leader=min(role.created, default=None),
    )


def _owned(places: Iterable[Place]) -> tuple[api.OwnedValues, ...]:
    owners: dict[tuple[str, str], list[Place]] = {}
    for place in sorted(places):
        owners.setdefault((place.kind, place.owner), []).append(place)
    found = (
        api.OwnedValues(
            hostgroup=name if kind == "hostgroup" else None,
            role=name if kind == "role" else None,
            parameters=tuple(place.name for place in owned if not place.puppet_class)[: api.MAX_NAMES],
            overrides=tuple(f"{place.puppet_class}::{place.name}" for place in owned if place.puppet_class)[
                : api.MAX_NAMES
            ],
        )
        for (kind, name), owned in owners.items()
    )
    return tuple(found)[: api.MAX_OWNERS]


def _step_status(step: StepProgress) -> api.StepStatus:
    run = step.run
    return api.StepStatus(
        name=step.name,
        state=step.state.value,
        attempt=step.attempt,
        started_at=step.started_at,
        run=api.Run(
            token=run.token,
            hosts=_done(run.hosts),
            baseline=run.baseline,
            since=run.since,
            number=run.number,
            job=run.job,
            ended=run.ended,
        )
        if run
        else None,
        done=_done(step.done),
        failed=_sets(step.failed),
        retry_at=step.retry_at,
        retrying=_sets(step.retrying),
        message=step.message[:1024],
    )


def _sets(hosts: Iterable[HostRef]) -> tuple[api.HostSet, ...]:
    found = grouped(dict.fromkeys(hosts, ""))
    return tuple(api.HostSet(role=role, indices=ranges(numbers)) for role, _, numbers in found)


def _done(hosts: Mapping[HostRef, str]) -> tuple[api.DoneHosts, ...]:
    return tuple(
        api.DoneHosts(role=role, indices=ranges(found), digest=digest) for role, digest, found in grouped(hosts)
    )
