"""One run of Kopf, which may end by itself and may hang while it ends (docs/decisions/0003)."""

from __future__ import annotations

import asyncio
import signal

import kopf

ENDING = 20.0
"""Seconds that Kopf has to end, 5 of them for its own tasks; then they are cancelled again, and not waited for."""


class Hung(Exception):
    """Kopf did not end in time."""


def stop_at_signals(stop: asyncio.Event) -> None:
    """Make SIGTERM and SIGINT set the event."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


async def watch(registry: kopf.OperatorRegistry, stop: asyncio.Event) -> None:
    """Run Kopf until the event is set or Kopf ends by itself. Raises the error that ended Kopf, or `Hung`.

    A watcher that asks for new credentials while Kopf stops waits for ever, and Kopf waits for it (seen with 1.45.2
    when a watch is answered with 410).
    """
    before = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(registry=registry, clusterwide=True, standalone=True, stop_flag=stop)
    stop_at_signals(stop)  # Kopf has installed its own handlers, which outlive this run
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    end = asyncio.create_task(kopf.run_tasks(tasks, ignored=before))
    await asyncio.wait({end}, timeout=ENDING)
    if not end.done():
        for task in asyncio.all_tasks() - before:
            task.cancel()  # again: the first cancellation was swallowed
        raise Hung(f"Kopf did not end within {ENDING:.0f} s")
    await end
