"""What a job's result on a host means: the words in which kinds of steps judge it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from foreman_stacks.foreman.port import Query

UNREACHABLE = "EXCEPTION"
"""The exit status that remote execution shows for a host that it could not reach (foreman-measured §5)."""


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


def last_lines(text: str, count: int = 3) -> str:
    """The end of an output, as one line of at most 500 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-count:])[-500:]
