"""How the operator recognizes its own objects in Foreman: identities of deployments, marks, and references to hosts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

MARK_PARAMETER = "foreman_stacks"
RECORD_PARAMETER = "foreman_stacks_record"
_MARK = re.compile(r"^v1 (?P<identity>[^ /]+/[^ /]+/[^ /]+) (?P<origin>Created|Adopted)(?P<rest>( [a-z]+=[^ ]*)*)$")

MOST = 100_000
"""The most indices that one range may have: the text may come from the record in Foreman, where others can edit it."""

Origin = Literal["Created", "Adopted"]


@dataclass(frozen=True, order=True)
class Identity:
    """A deployment, independent of its uid: a restored cluster or a re-created object has the same identity."""

    installation: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.installation}/{self.namespace}/{self.name}"

    @property
    def search(self) -> str:
        """The text by which marks are searched; its final blank keeps deployment `a` from finding those of `ab`."""
        return f"v1 {self} "

    @property
    def suffix(self) -> str:
        """The suffix of the names of this deployment's hostgroups in Foreman."""
        return f"({self.namespace}.{self.name})"


@dataclass(frozen=True, order=True)
class HostRef:
    """One host of a role; its index counts from 1 and never changes."""

    role: str
    index: int

    def __str__(self) -> str:
        return f"{self.role}/{self.index}"


@dataclass(frozen=True)
class Mark:
    """The value of the parameter `foreman_stacks` of a host or hostgroup, which says to which deployment it belongs.

    The operator deletes only what bears the mark `Created` itself; an inherited mark does not count.
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
        """The host of the deployment that bears this mark."""
        return HostRef(self.role, self.index)

    @classmethod
    def parse(cls, text: object) -> Mark | None:
        """Parse a parameter's value; None when it is not a mark of this version."""
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
    """Return indices as ranges, as the status shows them: `1-5,7`."""
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
    """Parse the output of `ranges`; an empty text gives no index. Raises ValueError for any other text."""
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
