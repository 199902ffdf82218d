"""Outcomes of a decision. They are values, so that `match` with `assert_never` makes callers handle each of them."""

from __future__ import annotations

from dataclasses import dataclass

from foreman_stacks.errors import Problem
from foreman_stacks.model.reasons import Reason


@dataclass(frozen=True)
class Done:
    """Nothing is left to do."""


@dataclass(frozen=True)
class Wait:
    """In progress: decide again when a polled answer changes, and after `after` seconds unless that is None."""

    reason: Reason
    message: str
    after: float | None = None


@dataclass(frozen=True)
class Failed:
    """Some hosts failed, and are tried again only on request or after an edit."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Stalled:
    """A person must act; `problems` lists everything that is wrong."""

    reason: Reason
    problems: tuple[Problem, ...]

    @property
    def message(self) -> str:
        """All problems as text, one per line."""
        return "\n".join(map(str, self.problems))
