"""What a decision says: values, so that `match` and `assert_never` keep every caller complete."""

from __future__ import annotations

from dataclasses import dataclass

from foreman_stacks.errors import Problem
from foreman_stacks.model.reasons import Reason


@dataclass(frozen=True)
class Done:
    """Nothing is left to do."""


@dataclass(frozen=True)
class Wait:
    """In progress: look again when a polled answer changes, or after `after` seconds (None: only by poll)."""

    reason: Reason
    message: str
    after: float | None = None


@dataclass(frozen=True)
class Failed:
    """It went wrong for some hosts and will not be tried again unasked."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Stalled:
    """Only a person can help; every problem at once."""

    reason: Reason
    problems: tuple[Problem, ...]

    @property
    def message(self) -> str:
        """All problems as text, one a line."""
        return "\n".join(map(str, self.problems))
