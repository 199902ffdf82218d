"""The state of a simulated Foreman: tables of plain dicts, clock, random numbers, counters, audit log, faults."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from .clock import Clock
from .faults import Faults
from .machines import Runner
from .replies import Row, not_found

TAXONOMIES = ("organizations", "locations")


@dataclass
class Settings:
    """How the program was started."""

    seed: int = 1
    speed: float = 1.0
    scenario: str = "lab"
    latency: str = "0"
    user: str = "admin"
    password: str = "changeme"
    builds: bool = True  # VMs boot and hosts run their agent; off for recordings with libvirt's test driver


@dataclass
class Counts:
    """Counters for tests: calls by endpoint, full rows sent, paths and keys that this server does not know."""

    requests: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    searches: Counter[str] = field(default_factory=Counter)  # list requests by their shape, see call.py
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    unknown: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


class World:
    """The state of one simulated server."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = Clock(settings.speed)
        self.runner: Runner | None = None
        self.reset()

    def reset(self) -> None:
        """Start again with nothing but the settings; `scenarios.load` fills the world."""
        self.clock.clear()
        self.random = random.Random(self.settings.seed)
        self.tables: dict[str, dict[int, Row]] = defaultdict(dict)
        self.owned: defaultdict[tuple[str, int | None], dict[int, Row]] = defaultdict(dict)  # parameters by owner
        self.parts: defaultdict[int, list[Row]] = defaultdict(list)  # template invocations by job
        self.ids: Counter[str] = Counter()
        self.vms: dict[str, Row] = {}
        self.machines: dict[str, Any] = {}
        self.blocked: dict[str, float] = {}
        self.sessions: dict[str, tuple[int, float]] = {}  # user and time of last use
        self.counts = Counts()
        self.audit: list[Row] = []
        self.faults = Faults()
        self.generation = getattr(self, "generation", 0) + 1

    def now(self) -> float:
        """The simulated time."""
        return self.clock.now()

    async def spend(self, seconds: float) -> None:
        """Let the real seconds pass that a call costs (`--latency`)."""
        await asyncio.sleep(seconds)

    def table(self, name: str) -> dict[int, Row]:
        """Rows of one resource by id."""
        return self.tables[name]

    def rows(self, name: str) -> list[Row]:
        """Rows of one resource."""
        return list(self.tables[name].values())

    def next_id(self, name: str) -> int:
        """Return a new id, never used before; organizations and locations share one table in Foreman."""
        sequence = "taxonomies" if name in TAXONOMIES else name
        self.ids[sequence] += 1
        return self.ids[sequence]

    def insert(self, name: str, row: Row) -> Row:
        """Commit a new row."""
        ident = row.get("id") or self.next_id(name)
        now = self.now()
        full = {"created_at": now, "updated_at": now, **row, "id": ident}
        sequence = "taxonomies" if name in TAXONOMIES else name
        self.ids[sequence] = max(self.ids[sequence], ident)
        self.tables[name][ident] = full
        if name == "template_invocations":
            self.parts[full["job_id"]].append(full)
        if name == "parameters":
            self.owned[full["owner_type"], full["owner_id"]][ident] = full
        return full

    def touch(self, row: Row) -> None:
        """Note that the row was saved with a change."""
        row["updated_at"] = self.now()

    def find(self, name: str, ident: object, resource: str | None = None, by: str = "name") -> Row:
        """Return a row by id or name (foreman-api §1.6); 404 if there is none."""
        text = str(ident)
        if text.isdigit():
            row = self.tables[name].get(int(text))
        else:
            row = next((r for r in self.rows(name) if str(r.get(by)) == text), None)
        if row is None:
            raise not_found(resource or name.rstrip("s"), text)
        return row

    def get(self, name: str, ident: int | None) -> Row | None:
        """Return the row that a foreign key points to, if any."""
        return None if ident is None else self.tables[name].get(ident)

    def name_of(self, name: str, ident: int | None, attribute: str = "name") -> Any:
        """Return the name of the row that a foreign key points to, if any."""
        row = self.get(name, ident)
        return None if row is None else row.get(attribute)

    def uuid(self) -> str:
        """Return a UUID from the seeded random numbers."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def log(self, event: str, host: str, cause: str, **more: Any) -> None:
        """Add a line to the audit log, which tests read."""
        self.audit.append({"time": self.now(), "event": event, "host": host, **more, "cause": cause})

    def setting(self, name: str) -> Any:
        """Return the value of a Foreman setting, None if it is unknown."""
        row = next((r for r in self.rows("settings") if r["name"] == name), None)
        return None if row is None else row["value"]

    def drop(self, what: str) -> None:
        """Note a key that Foreman drops silently (foreman-api §1.1)."""
        self.counts.dropped.append(what)
