"""Read from Foreman until a decision can be made, then carry out its changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from datetime import datetime
from typing import Any

from foreman_stacks.errors import (
    ForemanError,
    ForemanForbidden,
    ForemanNotFound,
    ForemanRefused,
    ForemanStale,
    ForemanUnauthorized,
    ForemanUnreachable,
)
from foreman_stacks.foreman.port import Change, Foreman, Query, Snapshot, Unread
from foreman_stacks.reconcile.memory import Memory
from foreman_stacks.reconcile.world import Draft

MAX_ROUNDS = 100
"""Rounds of reading in one pass. A decision that needs more asks in circles, which is a bug in the operator."""

NOT_DONE = frozenset({404, 422})
"""HTTP statuses that prove that a write was not done; a 500 may follow the commit (foreman-measured §5)."""
_FINAL: Mapping[tuple[str, str], frozenset[int]] = {
    ("create", "host"): NOT_DONE,
    ("delete", "hostgroup"): frozenset({409, 422}),  # it contains hosts or hostgroups of others (foreman-measured §3)
    ("cancel", "job"): NOT_DONE,  # it has ended in the meantime, or is gone
}
"""HTTP statuses of final refusals, by verb and resource: the same request would be refused again."""

Decide = Callable[[Snapshot], Draft]


async def decided(decide: Decide, foreman: Foreman, memory: Memory, polled: MutableMapping[Query[Any], Any]) -> Draft:
    """Decide with what is known; read all that the decision lacks in one go, and decide again until nothing is lacking.

    Answers read here to queries that the decision wants polled are added to `polled`: the poller continues from them,
    and the next pass does not read them again.

    Raises `ForemanError` from reading, and RuntimeError when the decision still lacks something after `MAX_ROUNDS`.
    """
    answers: dict[Query[Any], Any] = {}
    for _ in range(MAX_ROUNDS):
        try:
            draft = decide(Snapshot({**polled, **memory.kept, **answers}))
            for query in draft.polls:
                if query in answers:
                    polled.setdefault(query, answers[query])
            return draft
        except Unread as unread:
            found = await foreman.read(unread.queries)
            answers.update(found)
            memory.learn(found)
    message = "a decision did not come to an end"
    raise RuntimeError(message)


async def do(waves: Sequence[Sequence[Change]], foreman: Foreman, memory: Memory, now: Callable[[], datetime]) -> None:
    """Write the waves one after the other, the changes of each concurrently.

    Raises the first error of a wave once the whole wave is answered; the waves after it are not written.
    """
    for wave in waves:
        results = await asyncio.gather(*(_one(change, foreman, memory, now) for change in wave), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result


async def _one(change: Change, foreman: Foreman, memory: Memory, now: Callable[[], datetime]) -> None:
    if not change.intent and memory.vain(change, now()):
        message = (
            f"{change}: was written several times, and each time Foreman accepted it, but showed something else "
            "afterwards: look there for the cause"
        )
        raise ForemanRefused(message, status=200)
    repeatable = change.verb == "cancel"  # counts as not sent until it is answered: cancelling twice does no harm
    memory.sending(change, now())
    try:
        row = await foreman.write(change)
    except ForemanUnreachable as error:
        if error.sent and not repeatable:
            memory.unanswered(change, now())
        else:
            memory.never_sent(change)
        raise
    except (ForemanUnauthorized, ForemanForbidden, ForemanStale):
        memory.never_sent(change)
        raise
    except (ForemanRefused, ForemanNotFound) as error:
        if error.status not in _FINAL.get((change.verb, change.resource), ()):
            if repeatable or error.status in NOT_DONE:
                memory.never_sent(change)
            raise
        if not repeatable:
            memory.refused[change.key] = _words(error)
            return
        row = None
    memory.done(change, row, now())


def _words(error: ForemanError) -> str:
    """Return Foreman's own message, without the request that the error's text begins with."""
    return str(error).partition(": ")[2] or str(error)
