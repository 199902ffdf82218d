"""Who we are in Foreman: identities, the mark on everything that we make, and the hosts of a role."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

MARK_PARAMETER = "foreman_stacks"
RECORD_PARAMETER = "foreman_stacks_record"
_MARK = re.compile(r"^v1 (?P<identity>[^ /]+/[^ /]+/[^ /]+) (?P<origin>Created|Adopted)(?P<rest>( [a-z]+=[^ ]*)*)$")

MOST = 100_000
"""Indices in one range: the text may come from a record that others can write to."""

Origin = Literal["Created", "Adopted"]


@dataclass(frozen=True, order=True)
class Identity:
    """A deployment for all time: no uid in it, so that it survives a restored cluster and a re-created object."""

    installation: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.installation}/{self.namespace}/{self.name}"

    @property
    def search(self) -> str:
        """The text to search marks for; the blank ends the name, so that `a` does not find `ab`."""
        return f"v1 {self} "

    @property
    def suffix(self) -> str:
        """How names of our hostgroups end."""
        return f"({self.namespace}.{self.name})"


@dataclass(frozen=True, order=True)
class HostRef:
    """One host of a role; the index counts from 1 and belongs to the host for life."""

    role: str
    index: int

    def __str__(self) -> str:
        return f"{self.role}/{self.index}"


@dataclass(frozen=True)
class Mark:
    """The value of our own parameter `foreman_stacks` on a host or hostgroup: proof of whose it is.

    Only the *own*, not inherited, mark `Created` permits a delete.
    """

    identity: str
    origin: Origin = "Created"
    role: str = ""
    index: int = 0
    source: str = ""
    group: str = ""
    staging: bool = False

    def __str__(self) -> str:
        words = [f"v1 {self.identity} {self.origin}"]
        words += [f"role={self.role}"] if self.role else []
        words += [f"index={self.index}"] if self.index else []
        words += [f"source={self.source}"] if self.source else []
        words += [f"group={self.group}"] if self.group else []
        words += ["staging=true"] if self.staging else []
        return " ".join(words)

    @property
    def ref(self) -> HostRef:
        """Which host of the deployment it marks."""
        return HostRef(self.role, self.index)

    @classmethod
    def parse(cls, text: object) -> Mark | None:
        """The mark in a parameter's value, or None when it is no mark of this version."""
        found = _MARK.match(text) if isinstance(text, str) else None
        if found is None:
            return None
        words = dict(word.split("=", 1) for word in found["rest"].split())
        index = words.get("index", "0")
        return cls(
            identity=found["identity"],
            origin="Created" if found["origin"] == "Created" else "Adopted",
            role=words.get("role", ""),
            index=int(index) if index.isdecimal() else 0,
            source=words.get("source", ""),
            group=words.get("group", ""),
            staging=words.get("staging") == "true",
        )


def ranges(indices: Iterable[int]) -> str:
    """Index ranges as status shows them: `1-5,7`."""
    text: list[str] = []
    ordered = sorted(set(indices))
    start = 0
    for position, index in enumerate(ordered):
        if position + 1 < len(ordered) and ordered[position + 1] == index + 1:
            continue
        first = ordered[start]
        text.append(str(first) if first == index else f"{first}-{index}")
        start = position + 1
    return ",".join(text)


def indices(text: str) -> frozenset[int]:
    """The inverse of `ranges`; the empty text is no index. Raises ValueError for what is no such text."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers = range(int(first), int(last or first) + 1)
        if not numbers or numbers[0] < 1:
            raise ValueError(f"no range of indices: {part}")
        if len(numbers) > MOST:
            raise ValueError(f"more than {MOST} indices")
        found.update(numbers)
    return frozenset(found)
