"""The exception hierarchy. Decisions are values (`model.outcome`); exceptions mean "could not ask" or "cannot read".

StacksError
├── InvalidSpec            what a user wrote cannot be used; has the path of each problem
├── ForemanError           Foreman could not be asked, or refused
│   ├── ForemanUnreachable     no answer from Foreman itself (connection lost, 502, HTML): a write may have been done
│   ├── ForemanUnauthorized    401: the client sends nothing for a while
│   ├── ForemanForbidden       403, with the missing permissions
│   ├── ForemanNotFound        404
│   ├── ForemanRefused         any other error that Foreman answers, with its own messages (422, 500)
│   └── ForemanStale           not sent: the object has changed since the write was decided
└── ClusterError           the Kubernetes API could not be asked, or refused
    ├── ClusterNotFound        404
    ├── ClusterForbidden       403: RBAC denies the request
    ├── ClusterConflict        409: the object was changed in the meantime
    └── ClusterUnavailable     no answer, 429 or 5xx
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


class StacksError(Exception):
    """Base class of all exceptions of this project."""


@dataclass(frozen=True)
class Problem:
    """One problem, for people to read: where it is (`path`, may be empty), what is wrong, and what to do about it."""

    path: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}; {self.mend}" if self.path else f"{self.what}; {self.mend}"


class InvalidSpec(StacksError):
    """What a user wrote cannot be used; `problems` holds every reason that was found."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class ForemanError(StacksError):
    """Foreman could not be asked, or refused. The message never contains the body of the request.

    `status` is the HTTP status of the answer, 0 when there was none.
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class ForemanUnreachable(ForemanError):
    """No answer came from Foreman itself, so a write may or may not have been done.

    `sent` is False when the request cannot have reached Foreman.
    """

    def __init__(self, message: str, *, status: int = 0, sent: bool = True) -> None:
        super().__init__(message, status=status)
        self.sent = sent


class ForemanUnauthorized(ForemanError):
    """401. The client sends nothing until the credentials change or `Settings.lockout` has passed: Foreman locks out an
    address after 30 failed logins within 5 minutes.
    """


class ForemanForbidden(ForemanError):
    """403, with the names of the missing permissions if Foreman gives them."""

    def __init__(self, message: str, permissions: tuple[str, ...] = ()) -> None:
        super().__init__(message, status=403)
        self.permissions = permissions


class ForemanNotFound(ForemanError):
    """404: the object is gone, the Foreman user may not see it, or the URL is wrong."""


class ForemanRefused(ForemanError):
    """Any other error that Foreman answers. `errors` holds its messages by attribute (422), otherwise under `base`."""

    def __init__(self, message: str, *, status: int, errors: dict[str, list[str]] | None = None) -> None:
        super().__init__(message, status=status)
        self.errors = errors or {}


class ForemanStale(ForemanError):
    """The write was not sent because its object has changed since the decision: read again and decide anew."""


class ClusterError(StacksError):
    """The Kubernetes API could not be asked, or refused."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class ClusterNotFound(ClusterError):
    """404."""


class ClusterForbidden(ClusterError):
    """403: RBAC denies the request; a right was taken away, or the apiserver has not loaded its roles yet."""


class ClusterConflict(ClusterError):
    """409: the object was changed in the meantime; read again and decide anew."""


class ClusterUnavailable(ClusterError):
    """No answer, 429 or 5xx."""


# --- defects: exceptions that only a bug in the operator raises -----------------------------------------------
# Their messages may quote any value, even a secret (KeyError quotes the key, pydantic the input), so these functions
# report only exception types and places in the code.


def place_of(error: BaseException) -> str:
    """Return one line: the type of the exception, and the innermost place in the operator's code that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(__file__).parent in Path(frame.filename).parents]
    last = (ours or frames)[-1:]
    where = "".join(f" in {Path(frame.filename).stem}.{frame.name}, line {frame.lineno}" for frame in last)
    return f"{type(error).__name__}{where}"


def trace_of(error: BaseException) -> str:
    """Return the traceback for the log, without the exceptions' messages; causes come first, as Python prints them."""
    return "".join(_traces(error)).rstrip()


def _traces(error: BaseException) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _traces(before)
        yield "and then:\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__name__}\n"
