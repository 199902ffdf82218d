"""What an answer looks like: errors, times, the envelope of lists (foreman-api §1.2, §1.3, §1.5)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]

INTERNAL = (
    "Internal Server Error: the server was unable to finish the request. This may be caused by unavailability of some "
    "required service, incorrect API call or a server-side bug. There may be more information in the server's logs."
)


class Failure(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


def error(status: int, message: str = INTERNAL, **more: Any) -> Failure:
    """`{"error": {"message": …}}`, the usual form."""
    return Failure(status, {"error": {"message": message, **more}})


def message(status: int, text: str) -> Failure:
    """`{"message": …}`, unwrapped: 409 of hostgroups, 404 of taxonomies and class parameters."""
    return Failure(status, {"message": text})


def unknown_path() -> Failure:
    """What a path that does not exist answers (authentication-and-permissions 7, 8)."""
    return Failure(404, {"status": 404, "error": "Not Found"})


def not_found(resource: str, ident: object = "") -> Failure:
    """404 of a row (hosts 84); with an empty id where a foreign key pointed nowhere (hosts 17)."""
    return error(404, f"Resource {resource} not found by id '{ident}'")


def not_searchable(text: str) -> Failure:
    """400 of a search (hosts 68-72, 74)."""
    return error(400, text, **{"class": "ScopedSearch::QueryNotSupported"})


class Invalid:
    """Collects the messages of a 422 (`errors` by attribute, `full_messages` in the same order)."""

    def __init__(self, ident: int | None = None) -> None:
        self.ident = ident
        self.errors: dict[str, list[str]] = {}
        self.full: list[str] = []

    def add(self, attribute: str, text: str, human: str | None = None) -> None:
        """`human` is the attribute's name in the full message; `base` has none."""
        self.errors.setdefault(attribute, []).append(text)
        if human is None:
            human = "" if attribute == "base" else attribute.rsplit(".", maxsplit=1)[-1].replace("_", " ").capitalize()
        self.full.append(f"{human} {text}".strip() if human else text)

    def raise_if_any(self) -> None:
        """Answer 422 when something was added."""
        if self.errors:
            body = {"id": self.ident, "errors": self.errors, "full_messages": self.full}
            raise Failure(422, {"error": body})


def invalid(attribute: str, text: str, ident: int | None = None, human: str | None = None) -> Failure:
    """A 422 with one message."""
    collected = Invalid(ident)
    collected.add(attribute, text, human)
    try:
        collected.raise_if_any()
    except Failure as failure:
        return failure
    raise AssertionError("unreachable")


def utc(when: float | None) -> str | None:
    """A time as RABL shows it: whole seconds (foreman-api §1.1)."""
    return None if when is None else datetime.fromtimestamp(int(when), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(when: float | None) -> str | None:
    """A time as raw ActiveRecord JSON shows it, in the answer to a DELETE."""
    if when is None:
        return None
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(when * 1000) % 1000:03d}Z"


def parse_time(text: str) -> float | None:
    """A time as clients write it; None when it is none."""
    cleaned = text.strip().replace(" UTC", "+00:00").replace("Z", "+00:00")
    try:
        parsed = datetime.fromisoformat(cleaned)
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def stamps(row: Row) -> Row:
    """`created_at` and `updated_at` of a row."""
    return {"created_at": utc(row["created_at"]), "updated_at": utc(row["updated_at"])}


def pick(row: Row, names: Iterable[str]) -> Row:
    """Some keys of a row; null where it has none."""
    return {name: row.get(name) for name in names}


def truthy(value: object) -> bool:
    """Rails' idea of a boolean attribute."""
    return value not in (None, "", False, 0, "0", "false", "f", "off", "no")
