"""One request as its handler sees it: parts, caller, permissions, commit; and paged lists (foreman-api §1.3)."""

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
    """An endpoint. `:name` parts of `pattern` are arguments; the caller needs one of `permissions`, if any."""

    method: str
    pattern: str
    handler: Handler
    permissions: tuple[str, ...] = ()
    login: bool = True
    created: bool = False

    @property
    def name(self) -> str:
        """The endpoint's name in the counters."""
        return f"{self.method} {self.pattern}"


@dataclass
class Call:
    """A request, as its handler gets it."""

    world: World
    route: Route
    path: str
    args: dict[str, str]
    query: dict[str, str]
    body: Row
    user: Row | None = None
    status: int | None = None
    cost: float = 0.0  # real seconds that this call takes (latency.py)
    committed: bool = False
    generation: int = 0  # the world's when the request came: after a reset it writes nothing
    row_count: dict[str, int] = field(default_factory=dict)

    @property
    def me(self) -> Row:
        """The caller."""
        assert self.user is not None
        return self.user

    def may(self, permission: str) -> bool:
        """Whether the caller has this permission."""
        return bool(self.me["admin"]) or permission in self.me["permissions"]

    def need(self, *names: str) -> None:
        """Answer 403 unless the caller has one of these permissions (authentication-and-permissions 10-19)."""
        if names and not any(self.may(name) for name in names):
            details = f"Missing one of the required permissions: {', '.join(names)}"
            raise error(403, "Access denied", details=details, missing_permissions=list(names))

    def wrapped(self, key: str, known: Iterable[str]) -> Row:
        """Return the attributes inside the wrapper; those that Foreman does not permit are dropped and counted."""
        given = self.body.get(key)
        attributes = given if isinstance(given, dict) else {}
        kept = {name: value for name, value in attributes.items() if name in set(known)}
        for name in attributes.keys() - kept.keys():
            self.world.drop(f"{self.route.method} {self.route.pattern} {key}.{name}")
        return kept

    async def commit(self, host: str | None = None) -> None:
        """Wait until the write may be committed: the fault `hold`, then the call's latency; once per call.

        Answers 503 if the simulator was reset meanwhile.
        """
        if self.committed:
            return
        self.committed = True
        held = self.world.faults.for_request("hold", self.route.method, self.path, host)
        if held is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(held.seconds):
                    await held.over.wait()
        await self.world.spend(self.cost)
        if self.generation != self.world.generation:
            raise error(503, "The simulator was reset meanwhile")

    def check_taxonomies(self) -> None:
        """Answer 404 if the request names an unknown organization or location (authentication-and-permissions 23)."""
        for table, key in (("organizations", "organization_id"), ("locations", "location_id")):
            given = self.query.get(key) or self.body.get(key)
            if given not in (None, "") and self.world.table(table).get(_int(given)) is None:
                raise message(404, f"{key.removesuffix('_id').capitalize()} with id {given} not found")

    def in_taxonomies(self, rows: Iterable[Row]) -> list[Row]:
        """Return the rows in the organization and location asked for, and in the caller's own (administrators: all)."""
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
        """Return one page in the envelope of lists.

        `all_is_none`: this controller answers per_page=all without rows (class-parameters 65). `fixed`: rows come in
        the order of `default`, whatever the query asks for. `counted` names the counter of rows sent.
        """
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
        """Return what `given` has under `key`.

        On create, Foreman fills in an absent organization or location if there is exactly one
        (core base_controller.rb:260-281).
        """
        rows = list(self.world.table("organizations" if key.startswith("organization") else "locations"))
        if key not in given and len(rows) == 1:
            return rows if key.endswith("s") else rows[0]
        return given.get(key)


def _shape(name: str, query: dict[str, str]) -> str:
    """Return a request for a list without its names, numbers and lists, so that similar ones are counted together."""
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
