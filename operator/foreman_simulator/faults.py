"""Faults on request ("bad weather"): `/_simulator/faults`. README.md lists the kinds."""

from __future__ import annotations

import asyncio
import fnmatch
from dataclasses import dataclass, field
from typing import Any

from .replies import Row, error

#: kinds that concern a request, in the order in which they act
REQUEST_KINDS = ("latency", "status", "hold", "reply_lost")
#: kinds that concern a host or its jobs
HOST_KINDS = (
    "build_fails", "build_late", "run_fails", "in_progress", "report_late", "report_missing", "job_lost", "proxy_503",
    "catalog_fails", "boots",
    "no_vm", "no_address", "no_type", "unreachable", "job_queued",
)  # fmt: skip
KINDS = REQUEST_KINDS + HOST_KINDS


@dataclass
class Fault:
    """One fault: its kind, for which requests or hosts, and how often (`count`; None: until it is deleted)."""

    ident: int
    kind: str
    method: str = "*"
    path: str = "*"
    host: str = "*"
    count: int | None = None
    seconds: float | None = None
    status: int = 503
    body: Any = None
    limit: int = 0
    hits: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def view(self) -> Row:
        """Return the fault as `GET faults` lists it."""
        names = ("kind", "method", "path", "host", "count", "seconds", "status", "body", "limit", "hits")
        return {"id": self.ident, **{name: getattr(self, name) for name in names}}

    def spent(self) -> bool:
        """Whether it has happened `count` times."""
        return self.count is not None and self.hits >= self.count


class Faults:
    """All faults that are set."""

    def __init__(self) -> None:
        self.all: list[Fault] = []
        self._last = 0

    def add(self, body: Row) -> Fault:
        """Set a fault; unknown kinds and keys are 422, so that a typo cannot let a test pass."""
        known = {"kind", "method", "path", "host", "count", "seconds", "status", "body", "limit"}
        if body.get("kind") not in KINDS or set(body) - known:
            raise error(422, f"kind is one of {', '.join(KINDS)}; keys are {', '.join(sorted(known))}")
        self._last += 1
        fault = Fault(ident=self._last, **body)
        self.all.append(fault)
        return fault

    def clear(self, ident: int | None = None) -> None:
        """Delete one fault or all; requests that they hold go on."""
        for fault in self.all:
            if ident in (None, fault.ident):
                fault.over.set()
        self.all = [fault for fault in self.all if ident is not None and fault.ident != ident]

    def for_request(self, kind: str, method: str, path: str, host: str | None = None) -> Fault | None:
        """Return the first fault of that kind that fits a request, and count it as happened."""
        for fault in self.all:
            if fault.kind == kind and not fault.spent() and _fits(fault, method, path, host):
                fault.hits += 1
                return fault
        return None

    def for_host(self, kind: str, host: str, count: bool = True) -> Fault | None:
        """Return the first fault of that kind that fits a host's name; with `count`, it counts as happened."""
        for fault in self.all:
            if fault.kind == kind and not fault.spent() and _named(fault, host):
                fault.hits += 1 if count else 0
                return fault
        return None


def _fits(fault: Fault, method: str, path: str, host: str | None) -> bool:
    if fault.method not in ("*", method) or not fnmatch.fnmatchcase(path, fault.path):
        return False
    return fault.host == "*" or (host is not None and _named(fault, host))


def _named(fault: Fault, host: str) -> bool:
    """Whether the fault's pattern fits the whole name or its first part: bodies may hold either."""
    return fnmatch.fnmatchcase(host, fault.host) or fnmatch.fnmatchcase(host.split(".", maxsplit=1)[0], fault.host)
