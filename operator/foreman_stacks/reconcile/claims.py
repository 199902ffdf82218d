"""One table of host names per Foreman: two deployments that want one name are told apart before either writes.

Foreman's own check of a host's name is a race (foreman-measured §1.9).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from foreman_stacks.errors import Problem
from foreman_stacks.model.outcome import Stalled, Wait
from foreman_stacks.model.reasons import Reason


@dataclass(frozen=True, order=True)
class Claimant:
    """Who wants a name. What has been accepted keeps its names; else the older object wins, then namespace and name."""

    pending: bool
    created: str
    namespace: str
    name: str


class Claims:
    """The table, rebuilt from all compiled plans after `started`. For so long as `grace` from then on, and from a
    deployment's creation on, somebody may still come who comes first.
    """

    def __init__(self, started: datetime, grace: timedelta) -> None:
        self._started = started
        self._grace = grace
        self._names: dict[tuple[str, str], dict[tuple[str, str], Claimant]] = {}
        self._held: dict[tuple[str, str], set[tuple[str, str]]] = {}

    def check(self, url: str, names: Iterable[str], who: Claimant, now: datetime) -> Stalled | Wait | None:
        """Claim names and say why `who` must not go on; it must not before everybody who comes first must have been seen.

        Nothing of the server is needed for it: whoever was accepted has claimed before the server is found well. Two
        ForemanServers of one URL are one Foreman. Names are claimed without their domain, which only Foreman knows.
        """
        lost = self.claim(url.rstrip("/").lower(), names, who)
        if lost:
            text = ", ".join(sorted(lost)[:5])
            problem = Problem(
                "spec.roles[].hostname",
                f"the names {text} are wanted by another deployment that came first",
                "use {namespace} in hostname, or another deployment name",
            )
            return Stalled(Reason.NAME_CONFLICT, (problem,))
        left = (max(datetime.fromisoformat(who.created), self._started) + self._grace - now).total_seconds()
        return Wait(Reason.ACCEPTED, "is accepted in a moment", after=left) if who.pending and left > 0 else None

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
