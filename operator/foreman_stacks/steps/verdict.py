"""Verdicts: what a job's result on a host means for the step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from foreman_stacks.foreman.port import Query

UNREACHABLE = "EXCEPTION"
"""The exit status that remote execution shows for a host that it could not reach (foreman-measured §5)."""
_GONE = re.compile(r"task gone missing")
"""What remote execution prints for a job that its smart proxy has forgotten (foreman-measured §5)."""
_OWN = frozenset({"Timeout", "JobCancelled", "ReportMissing"})
"""Reasons whose causes are the operator's own words, without output of the host."""
_ADDED = re.compile(r"Exit status: |StandardError: Job execution failed")
"""Lines that remote execution adds to what the host printed."""


class Result(StrEnum):
    """What became of a job on one host."""

    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    TIMEOUT = "timeout"


@dataclass(frozen=True)
class Good:
    """The host is done."""


@dataclass(frozen=True)
class Again:
    """Ask the host again after some seconds; costs no retry."""

    cause: str
    after: float


@dataclass(frozen=True)
class Bad:
    """It failed on the host; costs a retry."""

    reason: str
    cause: str
    report: int | None = None


@dataclass(frozen=True)
class Undecided:
    """The proof of a result is still missing: `polls` would show it, and it is waited for `patience` seconds."""

    cause: str
    polls: tuple[Query[Any], ...]
    patience: float


Verdict = Good | Again | Bad | Undecided


def unheard(result: Result) -> Bad | None:
    """The verdict on a result that did not come from the host, None for one that did."""
    match result:
        case Result.TIMEOUT:
            return Bad("Timeout", "no result within the step's timeoutSeconds")
        case Result.LOST:
            return Bad("JobLost", "the job ended without a result for this host")
        case Result.CANCELLED:
            return Bad("JobCancelled", "the job was cancelled")
        case _:
            return None


def silent(verdict: Verdict) -> Verdict:
    """The same verdict without anything that the host printed."""
    if not isinstance(verdict, Bad) or verdict.reason in _OWN:
        return verdict
    return replace(verdict, cause="what it printed is not shown: it may hold secrets from before the last edit")


def cause_in(output: str) -> str:
    """What a person needs of an output, as one line of at most 500 characters: its errors, else its last lines."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("Error")]
    return " | ".join(errors[:3])[:500] if errors else _end(lines)


def _end(lines: Sequence[str]) -> str:
    own = [line for line in lines if not _ADDED.match(line)] or lines
    return " | ".join(own[-3:])[-500:]


def unreachable(output: str) -> Bad | None:
    """The verdict when remote execution did not reach the host, or forgot its job; else None."""
    if UNREACHABLE not in output:
        return None
    lines = [line.strip() for line in output.splitlines() if line.strip()]  # the last one is ssh's own
    return Bad("JobLost" if _GONE.search(output) else "HostUnreachable", _end(lines))
