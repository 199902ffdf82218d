"""One table of host names per Foreman: two deployments that want one name are told apart before either writes.

Foreman's own check of a host's name is a race (foreman-measured §1.9).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Claimant:
    """Who wants a name. What has been accepted keeps its names; else the older object wins, then namespace and name."""

    pending: bool
    created: str
    namespace: str
    name: str


class Claims:
    """The table, rebuilt from all compiled plans at start."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], dict[tuple[str, str], Claimant]] = {}
        self._held: dict[tuple[str, str], set[tuple[str, str]]] = {}

    def claim(self, foreman: str, names: Iterable[str], who: Claimant) -> Mapping[str, Claimant]:
        """Claim these names on the Foreman of this URL instead of what `who` claimed before; the ones that somebody else
        comes first to.
        """
        self.drop(who.namespace, who.name)
        key = (who.namespace, who.name)
        lost: dict[str, Claimant] = {}
        for name in names:
            claimants = self._names.setdefault((foreman, name), {})
            claimants[key] = who
            self._held.setdefault(key, set()).add((foreman, name))
            first = min(claimants.values())
            if first != who:
                lost[name] = first
        return lost

    def drop(self, namespace: str, name: str) -> None:
        """A deployment is gone, or claims anew."""
        for place in self._held.pop((namespace, name), ()):
            claimants = self._names.get(place, {})
            claimants.pop((namespace, name), None)
            if not claimants:
                self._names.pop(place, None)
