"""One look at a step: targets, what is seen of its job, and what it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from foreman_stacks.foreman.port import (
    Job,
    JobCounts,
    JobHosts,
    JobOutput,
    Query,
    Report,
    ReportLog,
    ReportsSince,
    Snapshot,
)
from foreman_stacks.model.progress import Run, StepProgress, StepState
from foreman_stacks.settings import Settings
from foreman_stacks.steps.kind import Context, Target
from tests.unit.foreman_stacks.made import NOW, fqdn, later, refs

JOB = 7
BASELINE = 40
TOKEN = "t0"
Answers = Mapping[Query[Any], Any]


def target(index: int, *, role: str = "zk", leader: bool | None = None, digest: str = "d1") -> Target:
    """A host of a role; the first one leads."""
    (ref,) = refs(index, role=role)
    return Target(ref, fqdn(index, role), 100 + index, digest, index == 1 if leader is None else leader)


def targets(*indices: int, **fields: Any) -> list[Target]:
    return [target(index, **fields) for index in indices]


def context(seen: Answers | None = None, now: datetime = NOW, **fields: Any) -> Context:
    """What a step sees; a job that is not found may appear until five minutes after its intent."""
    known: dict[str, Any] = {
        "seen": Snapshot(dict(seen or {})),
        "now": now,
        "settings": Settings(retry_first=30, busy_retry=30, boot_retry=15, boot_timeout=900, report_grace=120),
        "token": "t1",
        "title": "foreman-stacks first ops/ring",
        "unsent": lambda _: False,
        "settled_at": lambda _: later(300),
        "room": list,
        "url": "https://foreman",
    }
    return Context(**(known | fields))


def running(*indices: int, job: int | None = JOB, role: str = "zk", **fields: Any) -> StepProgress:
    """A step whose job on these hosts is at work since NOW."""
    run = Run(TOKEN, dict.fromkeys(refs(*indices, role=role), "d1"), BASELINE, NOW, job=job, **fields.pop("run", {}))
    known: dict[str, Any] = {"state": StepState.RUNNING, "attempt": 1, "started_at": NOW, "run": run, "message": "runs"}
    return StepProgress("first", **(known | fields))


def a_job(status: str = "running", succeeded: int = 0, failed: int = 0, **fields: Any) -> Job:
    known: dict[str, Any] = {"pending": 0, "total": 3, "start_at": NOW, "task": "task"}
    return Job(JOB, f"foreman-stacks first ops/ring {TOKEN}", status, succeeded, failed, **(known | fields))


def seen_job(
    good: Iterable[int] = (), bad: Iterable[int] = (), cancelled: Iterable[int] = (), role: str = "zk", **fields: Any
) -> dict[Query[Any], Any]:
    """The job and its hosts by result, as the poller would have them."""
    names = {
        result: frozenset(fqdn(index, role) for index in found)
        for result, found in (("success", good), ("failed", bad), ("cancelled", cancelled))
    }
    job = a_job(succeeded=len(names["success"]), failed=len(names["failed"]) + len(names["cancelled"]), **fields)
    hosts: dict[Query[Any], Any] = {
        JobHosts(JOB, "success"): names["success"],
        JobHosts(JOB, "failed"): names["failed"],
        JobHosts(JOB, "cancelled"): names["cancelled"],
    }
    return {JobCounts(JOB): job} | hosts


def report(index: int, number: int = 50, *, failed: int = 0, restarts: int = 0, after: float = 5) -> Report:
    return Report(number, fqdn(index), later(after), failed, restarts)


def seen_reports(reports: Mapping[int, Iterable[Report]], baseline: int = BASELINE) -> dict[Query[Any], Any]:
    """Reports by host; the log of each failed one."""
    found: dict[Query[Any], Any] = {ReportsSince(100 + index, baseline): tuple(rows) for index, rows in reports.items()}
    logs = {
        ReportLog(row.id): ("File[/x]: no space left",) for rows in reports.values() for row in rows if not row.good
    }
    return found | logs


def seen_outputs(outputs: Mapping[int, str]) -> dict[Query[Any], Any]:
    return {JobOutput(JOB, 100 + index): text for index, text in outputs.items()}
