"""Translates messages of the CEL runtime for people who write Stacks: what is wrong, and what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection

_UNDECLARED = re.compile(r"<input>:(\d+):(\d+): undeclared reference to '([^']*)'")
_FIELD = re.compile(r"undefined field '([^']*)' not found in struct 'foreman_stacks\.Host'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']*)' applied to '([^']*)'")
_SYNTAX = re.compile(r"<input>:(\d+):(\d+): Syntax error: (.*?)(?: expecting .*)?(?:\n|$)")
_SELECT = re.compile(r"expression of type '([^']*)' cannot be the operand of a select operation")
_HEAD = re.compile(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$|ERROR: <input>:")
_PER_HOST = ("host", "peers")
NEEDS = "needs more than"
"""How the problem of every expression that costs too much begins."""
BUDGET = f"{NEEDS} 10 000 iterations"

_MACROS = ("map", "filter", "all", "exists", "exists_one")
_FUNCTIONS = (
    *_MACROS,
    *("size", "string", "int", "double", "bool", "contains", "startsWith", "endsWith", "matches", "charAt", "indexOf"),
    *("join", "lastIndexOf", "lowerAscii", "replace", "split", "substring", "trim", "upperAscii", "format", "reverse"),
)
_CONVERT = "convert one side with string(), int() or double()"
_UNCOUNTED = ("bytes", "json", "yaml", "null")
_MOST = 8
_CLOSE = 0.7
"""How similar a name must be to a known one to be taken for a typo of it; 1.0 means equal."""


def explain(message: str, names: Collection[str]) -> tuple[str, str]:
    """Return what is wrong and what to do, from a compiler's or evaluation's message; `names` are those in scope."""
    if unknown := [match[3] for match in _UNDECLARED.finditer(message)]:
        called = [name for name in unknown if re.search(rf"\b{re.escape(name)}\(", message)]
        return _no_function(called[0]) if called else _undeclared(unknown[0], names)
    if (found := _FIELD.search(message)) is not None:
        return f"a host has no field `{found[1]}`", "use name, fqdn, ip or index"
    if (found := _OVERLOAD.search(message)) is not None:
        return f"`{_operator(found[1])}` cannot be applied to {found[2]}", _CONVERT
    if (found := _SYNTAX.search(message)) is not None:
        mend = (
            "write the bare expression, without ${…}"
            if "'$" in found[3]
            else "correct the syntax; texts are written in quotes"
        )
        return f"is not valid CEL: {found[3]} (line {found[1]}, column {found[2]})", mend
    if (found := _SELECT.search(message)) is not None:
        return f"{_article(found[1])} has no fields", "remove the part after the last dot"
    return _runtime(message)


def _no_function(name: str) -> tuple[str, str]:
    if name in _MACROS:
        return f"`{name}` is used wrongly", f"write list.{name}(item, …): a name, and an expression that uses it"
    close = difflib.get_close_matches(name, _FUNCTIONS, n=1, cutoff=_CLOSE)
    mend = f"did you mean `{close[0]}`?" if close else "use the functions of CEL and of its strings extension"
    return f"there is no function `{name}`", mend


def _undeclared(name: str, names: Collection[str]) -> tuple[str, str]:
    what = f"`{name}` is not known here"
    if name.split(".", maxsplit=1)[0] in _PER_HOST and not any(known.split(".")[0] in _PER_HOST for known in names):
        return what, "host and peers are known in a role's parameters and overrides only"
    close = difflib.get_close_matches(name, [known for known in names if _alike(name, known)], n=1, cutoff=_CLOSE)
    if close:
        return what, f"did you mean `{close[0]}`?"
    known = sorted(names)
    more = f" and {len(known) - _MOST} more" if len(known) > _MOST else ""
    listed = ", ".join(known[:_MOST]) + more
    return what, f"known here: {listed}" if known else "no name is known here: declare a parameter, or write the value"


def _alike(name: str, known: str) -> bool:
    """Whether all parts of two dotted names are similar, compared from the last one: common prefixes say nothing."""
    parts = zip(reversed(name.split(".")), reversed(known.split(".")), strict=False)
    return all(difflib.SequenceMatcher(None, one, other).ratio() >= _CLOSE for one, other in parts)


def _operator(name: str) -> str:
    """Return an operator as people write it: `+` for `_+_`."""
    if name == "_?_:_":
        return "? :"
    return name.strip("_").replace("_[", "[") if name.startswith(("_", "!", "-")) else name


def _runtime(message: str) -> tuple[str, str]:
    text = _HEAD.sub("", message.strip().splitlines()[0] if message.strip() else "no reason given")
    text = _HEAD.sub("", text)
    if "recursion" in text:
        return "is nested too deeply (the limit is 32 levels)", "split it: move parts of it into hostgroup parameters"
    if "teration budget" in text:
        return BUDGET, "do not nest lists of all hosts in one another; `peers` has the other hosts of a role"
    if "No matching overloads" in text:
        return f"cannot be evaluated: {text}", _CONVERT
    return f"cannot be evaluated: {text}", "correct the expression, or the values that it refers to"


def misfit(kind: str | None, found: str) -> tuple[str, str]:
    """Return what is wrong with a result that does not fit the declared type, or is not JSON, and what to do."""
    wanted = f" where {_article(kind)} is declared" if kind else ""
    if "foreman_stacks.Host" in found:
        shape = "a list of hosts" if found.startswith("LIST") else "a host"
        return f"gives {shape}{wanted}", "take a field of it: name, fqdn, ip or index (hosts.map(h, h.ip))"
    if "MAP" in found:
        return f"gives a hash whose keys are not strings{wanted}", "write string(…) around the keys"
    if found == "NULL":
        return f"gives null{wanted}", "leave the whole entry out: null is not a value"
    mend = {
        "string": "write string(…) around it",
        "integer": "write int(…) around it",
        "real": "write double(…) around it",
    }.get(kind or "", "change the expression, or the declared type")
    return f"gives {_article(found)}{wanted}", mend


def _article(noun: str) -> str:
    word = noun.lower() if noun.isupper() else noun
    if word in _UNCOUNTED or word.startswith("the "):
        return word
    return f"{'an' if word[:1] in 'aeiou' else 'a'} {word}"
