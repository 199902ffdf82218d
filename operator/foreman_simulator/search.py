"""The one search parser: the part of scoped_search that Foreman's clients use.

Source of the grammar: wvanbergen/scoped_search lib/scoped_search/query_language/{tokenizer,parser}.rb (foreman-api §2); of the
messages and quirks: recordings hosts 42-74, class-parameters 66, foreman-measured §1.3, §1.15 and §2.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .replies import Row, error, not_searchable, parse_time

KEYWORDS = {
    "and": "and", "or": "or", "not": "not", "set?": "notnull", "has": "notnull", "null?": "null",
    "before": "lt", "after": "gt", "at": "eq",
}  # fmt: skip
OPERATORS = {
    "&": "and", "|": "or", "&&": "and", "||": "or", "-": "not", "!": "not", "~": "like", "!~": "unlike", "=": "eq",
    "==": "eq", "!=": "ne", "<>": "ne", ">": "gt", "<": "lt", ">=": "gte", "<=": "lte", "^": "in", "!^": "notin",
}  # fmt: skip
COMPARISONS = {"eq", "ne", "like", "unlike", "gt", "lt", "gte", "lte", "in", "notin"}


class Word(str):
    """A value or a field's name, in contrast to an operator (plain str)."""

    __slots__ = ()


Predicate = Callable[[Row], bool]


@dataclass(frozen=True)
class Field:
    """A search field: how to read it from a row, and how its values are checked."""

    get: Callable[[Row], Any]
    kind: str = "string"  # string | integer | boolean | date | enum
    values: dict[str, Any] = field(default_factory=dict)
    called: str = ""  # the name that error messages use, where it is not the field's


@dataclass
class Fields:
    """The fields of one resource; `prefixed` are those with a free second part, such as params.X."""

    plain: dict[str, Field]
    prefixed: dict[str, Callable[[str], Field]] = field(default_factory=dict)
    bare: tuple[str, ...] = ("name",)
    no_list: frozenset[str] = frozenset()  # fields where `^` breaks the server's SQL (measured §1.15)

    def find(self, name: str) -> Field:
        """Return the field of that name; an unknown one is 400."""
        if name.lower() in self.plain:
            return self.plain[name.lower()]
        prefix, dot, rest = name.partition(".")
        if dot and prefix.lower() in self.prefixed:
            return self.prefixed[prefix.lower()](rest.rpartition(".")[2])
        raise not_searchable(f"Field '{name}' not recognized for searching!")


def tokenize(text: str) -> list[str]:
    """Split a query into words and operators; a quote that is not closed runs to the end (hosts 73)."""
    tokens: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char.isspace():
            at += 1
        elif char in "(),":
            tokens.append({"(": "lparen", ")": "rparen", ",": "comma"}[char])
            at += 1
        elif char in "&|=<>^!~-":
            two = text[at : at + 2]
            tokens.append(OPERATORS[two] if len(two) == 2 and two in OPERATORS else OPERATORS[char])
            at += 2 if len(two) == 2 and two in OPERATORS else 1
        elif char == '"':
            at, word = _quoted(text, at + 1)
            tokens.append(Word(word))
        else:
            end = at + 1
            while end < len(text) and not re.match(r"[=~<>\s&|)(,]", text[end]):
                end += 1
            word = text[at:end]
            tokens.append(KEYWORDS[word.lower()] if word.lower() in KEYWORDS else Word(word))
            at = end
    return tokens


def _quoted(text: str, at: int) -> tuple[int, str]:
    word = ""
    while at < len(text) and text[at] != '"':
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
        word += text[at]
        at += 1
    return at + 1, word


class Parser:
    """Turns a query into a predicate over rows; `and` and `or` have no precedence and bind to the right."""

    def __init__(self, text: str, fields: Fields, now: float) -> None:
        self.tokens = tokenize(text)
        while self.tokens and not isinstance(self.tokens[-1], Word) and self.tokens[-1] != "rparen":
            self.tokens.pop()
        self.fields = fields
        self.now = now

    def parse(self) -> Predicate:
        """Return the predicate of the whole query."""
        return self._sequence(root=True)

    def _peek(self) -> str | None:
        """Return the next operator; None if a word is next, or nothing."""
        return self.tokens[0] if self.tokens and not isinstance(self.tokens[0], Word) else None

    def _sequence(self, root: bool = False) -> Predicate:
        if not root:
            self.tokens.pop(0)
        parts: list[Predicate] = []
        while self.tokens and self._peek() != "rparen":
            parts.append(self._logical())
        if self.tokens:
            self.tokens.pop(0)
            if root and self.tokens:
                parts.append(self._sequence(root=True))
        return lambda row: all(part(row) for part in parts)

    def _logical(self) -> Predicate:
        peek = self._peek()
        left: Predicate
        if peek == "lparen":
            left = self._sequence()
        elif peek == "not":
            left = self._negation()
        elif peek in ("null", "notnull"):
            left = self._null()
        else:
            left = self._comparison()
        if self._peek() in ("and", "or"):
            operator = self.tokens.pop(0)
            if not self.tokens:
                return left
            right = self._logical()
            if operator == "and":
                return lambda row: left(row) and right(row)
            return lambda row: left(row) or right(row)
        return left

    def _negation(self) -> Predicate:
        self.tokens.pop(0)
        peek = self._peek()
        inner = self._negation() if peek == "not" else self._sequence() if peek == "lparen" else self._comparison()
        return lambda row: not inner(row)

    def _null(self) -> Predicate:
        wanted = self.tokens.pop(0) == "notnull"
        got = self.fields.find(self._value()).get
        return lambda row: (got(row) not in (None, [])) == wanted

    def _value(self) -> str:
        if self.tokens and isinstance(self.tokens[0], Word):
            return self.tokens.pop(0)
        found = f":{self.tokens[0]}" if self.tokens else "nil"
        raise not_searchable(f"Value expected but found {found}")

    def _comparison(self) -> Predicate:
        if self._peek() == "comma":
            self.tokens.pop(0)
        name = self._value()
        if self._peek() not in COMPARISONS:
            return self._bare(name)
        operator = self.tokens.pop(0)
        wanted = self.fields.find(name)
        if operator in ("in", "notin"):
            values = self._values()
            if name.lower() in self.fields.no_list:
                raise error(500, 'PG::SyntaxError: ERROR:  syntax error at or near ","')
            return compare(wanted, name, operator, values, self.now)
        return compare(wanted, name, operator, [self._value()], self.now)

    def _values(self) -> list[str]:
        if self._peek() != "lparen":
            values = [self._value()]
            while self._peek() == "comma":
                self.tokens.pop(0)
                values.append(self._value())
            return values
        self.tokens.pop(0)
        values = []
        while self.tokens and self._peek() != "rparen":
            if self._peek() == "comma":
                self.tokens.pop(0)
            else:
                values.append(self._value())
        if self.tokens:
            self.tokens.pop(0)
        return values

    def _bare(self, text: str) -> Predicate:
        gets = [self.fields.plain[name].get for name in self.fields.bare]
        return lambda row: any(like(text, get(row)) for get in gets)


def like(pattern: str, value: object) -> bool:
    """Whether a value matches as in SQL's ILIKE '%pattern%', with `*` as the wildcard."""
    if value is None:
        return False
    safe = re.sub(r"([?\[])", r"[\1]", pattern.lower())
    return fnmatch.fnmatchcase(str(value).lower(), f"*{safe}*" if "*" not in pattern else safe)


def convert(wanted: Field, name: str, text: str, now: float) -> Any:
    """Return a comparison's value in the type of its field; one that does not fit is 400 (hosts 70, 72)."""
    if wanted.kind == "integer":
        if not re.fullmatch(r"-?\d+", text):
            raise not_searchable(f"Value '{text}' is not valid for field '{wanted.called or name}'")
        return int(text)
    if wanted.kind == "enum":
        if text not in wanted.values:
            allowed = ", ".join(wanted.values)
            raise not_searchable(f"'{wanted.called or name}' should be one of '{allowed}', but the query was '{text}'")
        return wanted.values[text]
    if wanted.kind == "boolean":
        return text.lower() in ("true", "1", "yes", "on")
    if wanted.kind == "date":
        return _date(text, now)
    return text


def _date(text: str, now: float) -> float | None:
    ago = re.fullmatch(r"(\d+)\s+(second|minute|hour|day|week)s?\s+ago", text.strip())
    if ago:
        return now - int(ago[1]) * {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}[ago[2]]
    return parse_time(text)


def compare(wanted: Field, name: str, operator: str, texts: Iterable[str], now: float) -> Predicate:
    """Return the predicate of one comparison; a field with several values (classes) matches if one of them does."""
    get = wanted.get
    if operator in ("like", "unlike"):
        text = next(iter(texts))
        return lambda row: any(like(text, v) for v in _many(get(row))) == (operator == "like")
    values = [convert(wanted, name, text, now) for text in texts]
    if operator in ("eq", "in"):
        return lambda row: any(v == w for v in _many(get(row)) for w in values)
    if operator in ("ne", "notin"):
        return lambda row: not any(v == w for v in _many(get(row)) for w in values)
    limit = values[0]

    def ordered(row: Row) -> bool:
        value = get(row)
        if value is None or limit is None:
            return False
        if operator in ("gt", "gte"):
            return bool(value > limit or (operator == "gte" and value == limit))
        return bool(value < limit or (operator == "lte" and value == limit))

    return ordered


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def select(rows: Iterable[Row], text: str | None, fields: Fields, now: float) -> list[Row]:
    """Return the rows that a query finds."""
    if not text or not text.strip():
        return list(rows)
    predicate = Parser(text, fields, now).parse()
    return [row for row in rows if predicate(row)]


def ordered(rows: list[Row], order: str | None, fields: Fields, default: Callable[[Row], Any]) -> list[Row]:
    """Return the rows sorted as `order=name ASC` says; an unknown field is 400 (hosts 74)."""
    if not order:
        return sorted(rows, key=default)
    name, _, direction = order.partition(" ")
    if name.lower() not in fields.plain:
        raise not_searchable(f"the field '{name}' in the order statement is not valid field for search")
    get = fields.plain[name.lower()].get
    return sorted(rows, key=lambda row: (get(row) is None, get(row)), reverse=direction.upper() == "DESC")
