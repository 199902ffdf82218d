"""Reading until a decision can be made, and doing what it says."""

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
"""Rounds of reading in one pass; a decision that asks for more asks in a circle, which is a defect of ours."""

NOT_DONE = frozenset({404, 422})
"""Answers by which we know that a write was not done: a 500 may come after the commit (foreman-measured §5)."""
_FINAL: Mapping[tuple[str, str], frozenset[int]] = {
    ("create", "host"): NOT_DONE,
    ("delete", "hostgroup"): frozenset({409, 422}),  # hosts or hostgroups of others are in it (foreman-measured §3)
    ("cancel", "job"): NOT_DONE,  # it has ended meanwhile, or is gone
}
"""Refusals that are an answer: asking again would be refused again."""

Decide = Callable[[Snapshot], Draft]


async def decided(decide: Decide, foreman: Foreman, memory: Memory, polled: MutableMapping[Query[Any], Any]) -> Draft:
    """Decide with what is known; read what a decision lacks, all of it together, and decide again.

    What was read here and is polled from now on is where the poller goes on from: it is not read again before.
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
    """Do wave after wave, each at once; the first error ends it after its wave."""
    for wave in waves:
        results = await asyncio.gather(*(_one(change, foreman, memory, now) for change in wave), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result


async def _one(change: Change, foreman: Foreman, memory: Memory, now: Callable[[], datetime]) -> None:
    if not change.intent and memory.vain(change, now()):
        message = f"{change}: was written several times, and Foreman takes it and shows it otherwise: see there why"
        raise ForemanRefused(message, status=200)
    repeatable = change.verb == "cancel"  # until it is answered it counts as not sent: a second one does no harm
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
    """Foreman's own words, without the request."""
    return str(error).partition(": ")[2] or str(error)
