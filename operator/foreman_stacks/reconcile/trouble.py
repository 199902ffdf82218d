"""What a deployment reports when Foreman could not be asked, or refused."""

from __future__ import annotations

from foreman_stacks.errors import (
    ForemanError,
    ForemanForbidden,
    ForemanStale,
    ForemanUnauthorized,
    ForemanUnreachable,
    Problem,
)
from foreman_stacks.model.outcome import Stalled, Wait
from foreman_stacks.model.reasons import Reason
from foreman_stacks.reconcile.memory import Memory

_SERVER_ERROR = 500


def trouble(error: ForemanError, memory: Memory) -> Wait | Stalled:
    """Return a `Wait` if the error may pass by itself, a `Stalled` if a person must act.

    In either case the pass is tried again with growing pauses.
    """
    text = str(error)
    match error:
        case ForemanUnauthorized():
            return Wait(Reason.SERVER_NOT_READY, text)
        case ForemanForbidden():  # perhaps for one object only: the server's probe tells whether for all
            return Stalled(Reason.FORBIDDEN, (Problem("", text, permit(error)),))
        case ForemanUnreachable():
            return Wait(Reason.FOREMAN_UNREACHABLE, text)
        case ForemanStale():
            return Wait(Reason.RETRYING, text)
    if error.status >= _SERVER_ERROR:
        return Wait(Reason.FOREMAN_UNREACHABLE, text)
    if not memory.rebuffed:  # an earlier write of the operator, sent before a crash, may be the cause: look once more
        memory.rebuffed = True
        return Wait(Reason.RETRYING, text)
    mend = "correct in Foreman what it names; it is tried again with growing pauses"
    return Stalled(Reason.FOREMAN_REFUSED, (Problem("", text, mend),))


def permit(error: ForemanForbidden) -> str:
    """Return what a person has to do about a 403."""
    needs = ", ".join(error.permissions) or "what this call needs"
    return f"give the Foreman user {needs} (docs/foreman.md)"
