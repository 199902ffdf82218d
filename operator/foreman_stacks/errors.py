"""The exception tree. A decision is a value (`model.outcome`); an exception means "could not ask" or "cannot read".

StacksError
├── InvalidSpec            what a user wrote, with the path of each problem
├── ForemanError           Foreman could not be asked, or refused
│   ├── ForemanUnreachable     no answer, or one that is no answer of Foreman's (502, HTML): outcome unknown
│   ├── ForemanUnauthorized    401: for a while nothing is asked
│   ├── ForemanForbidden       403, with the missing permissions
│   ├── ForemanNotFound        404
│   ├── ForemanRefused         any other answer that is no success; 422 and 500 with Foreman's own messages
│   └── ForemanStale           not sent: the object is not what it was when the write was decided
└── ClusterError           the Kubernetes API could not be asked, or refused
    ├── ClusterNotFound        404
    ├── ClusterForbidden       403: RBAC does not let us
    ├── ClusterConflict        409: somebody wrote in between
    └── ClusterUnavailable     no answer, 429 or 5xx
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


class StacksError(Exception):
    """Root of all errors of this project."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in what a user wrote: where, what, and what to do about it."""

    path: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}; {self.mend}" if self.path else f"{self.what}; {self.mend}"


class InvalidSpec(StacksError):
    """What a user wrote cannot be used; `problems` has every reason found."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class ForemanError(StacksError):
    """Foreman could not be asked, or refused. The message never holds a request's body."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class ForemanUnreachable(ForemanError):
    """No answer of Foreman's: whether a write was done is unknown. `sent` is False when nothing can have arrived."""

    def __init__(self, message: str, *, status: int = 0, sent: bool = True) -> None:
        super().__init__(message, status=status)
        self.sent = sent


class ForemanUnauthorized(ForemanError):
    """401. Nothing is asked until the credentials change or 5 minutes have passed: 30 failures in these lock us out."""


class ForemanForbidden(ForemanError):
    """403, with the names of the missing permissions where Foreman tells them."""

    def __init__(self, message: str, permissions: tuple[str, ...] = ()) -> None:
        super().__init__(message, status=403)
        self.permissions = permissions


class ForemanNotFound(ForemanError):
    """404: gone, invisible to us, or the wrong address."""


class ForemanRefused(ForemanError):
    """Any other refusal; `errors` has Foreman's messages by attribute (422), `{"base": […]}` otherwise."""

    def __init__(self, message: str, *, status: int, errors: dict[str, list[str]] | None = None) -> None:
        super().__init__(message, status=status)
        self.errors = errors or {}


class ForemanStale(ForemanError):
    """Nothing was sent: read again and decide anew."""


class ClusterError(StacksError):
    """The Kubernetes API could not be asked, or refused."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class ClusterNotFound(ClusterError):
    """404."""


class ClusterForbidden(ClusterError):
    """403: RBAC does not let us; somebody has taken a right from us, or the apiserver has not read its roles yet."""


class ClusterConflict(ClusterError):
    """409: somebody wrote in between; read again and decide anew."""


class ClusterUnavailable(ClusterError):
    """No answer, 429 or 5xx."""


# --- defects: errors that nobody foresaw ----------------------------------------------------------------------
# Their messages may quote any value, a secret too (a KeyError its key, pydantic its input): only types and places are told.


def place_of(error: BaseException) -> str:
    """One line: what was raised, and where in our code."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(__file__).parent in Path(frame.filename).parents]
    last = (ours or frames)[-1:]
    where = "".join(f" in {Path(frame.filename).stem}.{frame.name}, line {frame.lineno}" for frame in last)
    return f"{type(error).__name__}{where}"


def trace_of(error: BaseException) -> str:
    """The traceback for a log, without messages; causes first, as Python prints them."""
    return "".join(_traces(error)).rstrip()


def _traces(error: BaseException) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _traces(before)
        yield "and then:\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__name__}\n"
