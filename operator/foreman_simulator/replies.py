"""The form of answers: errors, times, parts of rows (foreman-api §1.2, §1.3, §1.5)."""

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
    """Return a failure of the usual form, `{"error": {"message": …}}`."""
    return Failure(status, {"error": {"message": message, **more}})


def message(status: int, text: str) -> Failure:
    """Return an unwrapped failure, `{"message": …}`: 409 of hostgroups, 404 of taxonomies and class parameters."""
    return Failure(status, {"message": text})


def unknown_path() -> Failure:
    """Return the answer to a path that does not exist (authentication-and-permissions 7, 8)."""
    return Failure(404, {"status": 404, "error": "Not Found"})


def not_found(resource: str, ident: object = "") -> Failure:
    """Return the 404 of a row (hosts 84); its id is empty where a foreign key points nowhere (hosts 17)."""
    return error(404, f"Resource {resource} not found by id '{ident}'")


def not_searchable(text: str) -> Failure:
    """Return the 400 of an invalid search (hosts 68-72, 74)."""
    return error(400, text, **{"class": "ScopedSearch::QueryNotSupported"})


class Invalid:
    """Collects the messages of a 422 (`errors` by attribute, `full_messages` in the same order)."""

    def __init__(self, ident: int | None = None) -> None:
        self.ident = ident
        self.errors: dict[str, list[str]] = {}
        self.full: list[str] = []

    def add(self, attribute: str, text: str, human: str | None = None) -> None:
        """Add a message; `human` is the attribute's name in the full message, where `base` has none."""
        self.errors.setdefault(attribute, []).append(text)
        if human is None:
            human = "" if attribute == "base" else attribute.rsplit(".", maxsplit=1)[-1].replace("_", " ").capitalize()
        self.full.append(f"{human} {text}".strip() if human else text)

    def raise_if_any(self) -> None:
        """Answer 422 if anything was added."""
        if self.errors:
            body = {"id": self.ident, "errors": self.errors, "full_messages": self.full}
            raise Failure(422, {"error": body})


def invalid(attribute: str, text: str, ident: int | None = None, human: str | None = None) -> Failure:
    """Return a 422 with one message."""
    collected = Invalid(ident)
    collected.add(attribute, text, human)
    try:
        collected.raise_if_any()
    except Failure as failure:
        return failure
    raise AssertionError("unreachable")


def utc(when: float | None) -> str | None:
    """Return a time as RABL shows it, in whole seconds (foreman-api §1.1)."""
    return None if when is None else datetime.fromtimestamp(int(when), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(when: float | None) -> str | None:
    """Return a time as raw ActiveRecord JSON shows it in the answer to a DELETE."""
    if when is None:
        return None
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(when * 1000) % 1000:03d}Z"


def parse_time(text: str) -> float | None:
    """Parse a time as clients write it; None if it is not one."""
    cleaned = text.strip().replace(" UTC", "+00:00").replace("Z", "+00:00")
    try:
        parsed = datetime.fromisoformat(cleaned)
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def stamps(row: Row) -> Row:
    """Return `created_at` and `updated_at` of a row."""
    return {"created_at": utc(row["created_at"]), "updated_at": utc(row["updated_at"])}


def pick(row: Row, names: Iterable[str]) -> Row:
    """Return some keys of a row, None for those that it lacks."""
    return {name: row.get(name) for name in names}


def truthy(value: object) -> bool:
    """Whether Rails takes the value of a boolean attribute for true."""
    return value not in (None, "", False, 0, "0", "false", "f", "off", "no")
