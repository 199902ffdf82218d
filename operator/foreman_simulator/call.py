"""One request being answered: its parts, its caller, its permissions, its commit; and lists (foreman-api §1.3)."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .replies import Row, error, message
from .search import Fields, ordered, select
from .world import World

Handler = Callable[["Call"], Awaitable[Any]]


@dataclass(frozen=True)
class Route:
    """An endpoint: `:name` parts of the pattern are arguments; `permissions`: one of them is needed (none: login only)."""

    method: str
    pattern: str
    handler: Handler
    permissions: tuple[str, ...] = ()
    login: bool = True
    created: bool = False

    @property
    def name(self) -> str:
        """As the counters name it."""
        return f"{self.method} {self.pattern}"


@dataclass
class Call:
    """What a handler gets."""

    world: World
    route: Route
    path: str
    args: dict[str, str]
    query: dict[str, str]
    body: Row
    user: Row | None = None
    status: int | None = None
    cost: float = 0.0  # wall seconds that this call shall take (latency.py)
    committed: bool = False
    generation: int = 0  # the world's when the request came: what a reset overtakes is not written
    row_count: dict[str, int] = field(default_factory=dict)

    @property
    def me(self) -> Row:
        """The user who asks."""
        assert self.user is not None
        return self.user

    def may(self, permission: str) -> bool:
        """Has the user this permission?"""
        return bool(self.me["admin"]) or permission in self.me["permissions"]

    def need(self, *names: str) -> None:
        """403 naming what is missing (authentication-and-permissions 10-19)."""
        if names and not any(self.may(name) for name in names):
            details = f"Missing one of the required permissions: {', '.join(names)}"
            raise error(403, "Access denied", details=details, missing_permissions=list(names))

    def wrapped(self, key: str, known: Iterable[str]) -> Row:
        """The attributes inside the wrapper; keys that Foreman does not permit are dropped and counted."""
        given = self.body.get(key)
        attributes = given if isinstance(given, dict) else {}
        kept = {name: value for name, value in attributes.items() if name in set(known)}
        for name in attributes.keys() - kept.keys():
            self.world.drop(f"{self.route.method} {self.route.pattern} {key}.{name}")
        return kept

    async def commit(self, host: str | None = None) -> None:
        """The time until the write is committed: the call's latency, and the fault `hold`. Once per call."""
        if self.committed:
            return
        self.committed = True
        held = self.world.faults.for_request("hold", self.route.method, self.path, host)
        if held is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(held.over.wait(), held.seconds)
        await self.world.spend(self.cost)
        if self.generation != self.world.generation:
            raise error(503, "The simulator was reset meanwhile")

    def check_taxonomies(self) -> None:
        """A top-level organization or location that does not exist is 404 (authentication-and-permissions 23)."""
        for table, key in (("organizations", "organization_id"), ("locations", "location_id")):
            given = self.query.get(key) or self.body.get(key)
            if given not in (None, "") and self.world.table(table).get(_int(given)) is None:
                raise message(404, f"{key.removesuffix('_id').capitalize()} with id {given} not found")

    def in_taxonomies(self, rows: Iterable[Row]) -> list[Row]:
        """The rows that the caller may see: of his own organizations and locations, and of the one asked for."""
        kept = list(rows)
        for one, many in (("organization_id", "organization_ids"), ("location_id", "location_ids")):
            asked = self.query.get(one) or self.body.get(one)
            if asked not in (None, ""):
                kept = [row for row in kept if _int(asked) in _of(row, one, many)]
            if not self.me["admin"]:
                kept = [row for row in kept if set(_of(row, one, many)) & set(self.me[many])]
        return kept

    def listing(
        self,
        rows: Iterable[Row],
        fields: Fields,
        view: Callable[[Row], Any],
        default: Callable[[Row], Any] = lambda row: row["name"],
        counted: str | None = None,
        empty_search: str | None = None,
        all_is_none: bool = False,
        search: str | None = None,
        fixed: bool = False,
    ) -> Row:
        """The envelope with one page; `all_is_none`: this controller answers per_page=all without rows (class-parameters 65)."""
        world, query = self.world, self.query
        everything = list(rows)
        text = search if search is not None else query.get("search")
        world.counts.searches[_shape(self.route.name, query)] += 1
        found = select(everything, text, fields, world.now())
        found = ordered(found, query.get("order"), fields, default)
        if fixed:
            found = sorted(found, key=default)
        asked = query.get("per_page", "")
        size = len(found) if asked == "all" else int(asked) if asked.isdigit() else 20
        number = max(1, int(query["page"])) if query.get("page", "").isdigit() else 1
        page = [] if asked == "all" and all_is_none else found[(number - 1) * size : number * size]
        if counted and page:
            world.counts.rows[counted] += len(page)
        if counted:
            self.row_count[counted] = len(page)
        by, _, direction = query.get("order", "").partition(" ")
        return {
            "total": len(everything),
            "subtotal": len(found),
            "page": number,
            "per_page": size,
            "search": text if text is not None else empty_search,
            "sort": {"by": by or None, "order": (direction or None) if by else None},
            "results": [view(row) for row in page],
        }

    def lone(self, given: Row, key: str) -> Any:
        """An absent organization or location is filled in on create when there is exactly one (core base_controller.rb:260-281)."""
        rows = list(self.world.table("organizations" if key.startswith("organization") else "locations"))
        if key not in given and len(rows) == 1:
            return rows if key.endswith("s") else rows[0]
        return given.get(key)


def _shape(name: str, query: dict[str, str]) -> str:
    """A list's question without its names, numbers and lists: equal ones are counted together."""
    text = re.sub(r"\^ \([^)]*\)", "^ (…)", query.get("search") or "")
    text = re.sub(r"\b\d+\b", "N", re.sub(r'"[^"]*"', '"…"', text))
    parts = dict.fromkeys(part.strip() for part in text.split(" or "))
    return f"{name}{' thin' if 'thin' in query else ''}{' ' if text else ''}{' or '.join(parts)}"


def _int(value: object) -> int:
    text = str(value)
    return int(text) if text.lstrip("-").isdigit() else -1


def _of(row: Row, one: str, many: str) -> list[int]:
    if many in row:
        return list(row[many])
    return [row[one]] if row.get(one) is not None else []
