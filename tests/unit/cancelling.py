"""Whether a task ends when it is cancelled at the very moment at which what it waits for happens.

`asyncio.wait_for` loses such a cancellation in Python 3.11, and the task goes on for ever.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

TURNS = 6
"""Turns of the event loop within which a woken task is on its way; it is cancelled in each of them once."""


Begun = tuple[Coroutine[Any, Any, Any], Callable[[], object]]
"""What waits, and what wakes it."""


def outlived(begin: Callable[[], Begun]) -> list[int]:
    """Return the turns after the wake-up in which a cancellation was lost."""

    async def cancelled(turns: int) -> bool:
        waiting, wake = begin()
        task = asyncio.create_task(waiting)
        await asyncio.sleep(0)
        wake()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=1)
        return task.cancelled()

    return [turns for turns in range(TURNS) if not asyncio.run(cancelled(turns))]
