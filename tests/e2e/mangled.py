"""The operator with events lost, doubled, or late and so out of order between Kopf and the engine.

    python mangled.py SEED LOST

LOST is the share of events that never arrive. Everything else is as in production: watches, engine and lists.
"""  # fmt: skip

from __future__ import annotations

import asyncio
import copy
import random
import sys
from typing import Any

from foreman_stacks import app
from foreman_stacks.cluster.port import Plural
from foreman_stacks.engine.engine import Engine
from foreman_stacks.handlers import registry
from foreman_stacks.settings import Settings

DOUBLED = 0.3
LATE = 0.5
LATEST = 2.0
"""The longest delay, in seconds."""

translate = registry.translate


def mangler(seed: int, lost: float) -> Any:
    """Return a `registry.translate` that loses, doubles and delays events."""
    chance = random.Random(seed)

    def mangled(engine: Engine, plural: Plural, kind: str | None, body: Any) -> None:
        if chance.random() < lost:
            return
        as_it_was = copy.deepcopy(dict(body))
        for _ in range(2 if chance.random() < DOUBLED else 1):
            delay = chance.uniform(0.0, LATEST) if chance.random() < LATE else 0.0
            asyncio.get_running_loop().call_later(delay, translate, engine, plural, kind, as_it_was)

    return mangled


if __name__ == "__main__":
    registry.translate = mangler(int(sys.argv[1]), float(sys.argv[2]))
    sys.exit(app.main(Settings.from_environment()))
