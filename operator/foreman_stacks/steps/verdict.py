"""What a job's result on a host means: the words in which kinds of steps judge it."""

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
"""What remote execution says of a job that its smart proxy forgot (foreman-measured §5)."""
_OWN = frozenset({"Timeout", "JobCancelled", "ReportMissing"})
"""Reasons whose causes are words of ours."""
_ADDED = re.compile(r"Exit status: |StandardError: Job execution failed")
"""Lines that remote execution adds to what the host said."""


class Result(StrEnum):
    """What became of a job on one host."""

    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    TIMEOUT = "timeout"


@dataclass(frozen=True)
class Good:
    """The host has done it."""


@dataclass(frozen=True)
class Again:
    """To be asked again after some seconds; costs no retry."""

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
    """A result without the proof that belongs to it, yet: what would show it, and how long it is waited for."""

    cause: str
    polls: tuple[Query[Any], ...]
    patience: float


Verdict = Good | Again | Bad | Undecided


def unheard(result: Result) -> Bad | None:
    """The verdict on results that no host gave."""
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
    """The verdict without what the host said."""
    if not isinstance(verdict, Bad) or verdict.reason in _OWN:
        return verdict
    return replace(verdict, cause="what it printed is not shown: it may hold secrets from before the last edit")


def cause_in(output: str) -> str:
    """What a person needs of an output, as one line of at most 500 characters: its errors, else how it ends."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("Error")]
    return " | ".join(errors[:3])[:500] if errors else _end(lines)


def _end(lines: Sequence[str]) -> str:
    own = [line for line in lines if not _ADDED.match(line)] or lines
    return " | ".join(own[-3:])[-500:]


def unreachable(output: str) -> Bad | None:
    """The verdict when remote execution itself failed on the host: it was not reached, or its job was forgotten."""
    if UNREACHABLE not in output:
        return None
    lines = [line.strip() for line in output.splitlines() if line.strip()]  # its last one is ssh's own
    return Bad("JobLost" if _GONE.search(output) else "HostUnreachable", _end(lines))
