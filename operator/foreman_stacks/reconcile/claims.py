"""The table of host names per Foreman: decides which of two deployments gets a name before either writes.

Foreman's own check that a host's name is free is a race (foreman-measured §1.9).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from foreman_stacks.errors import Problem
from foreman_stacks.model.outcome import Stalled, Wait
from foreman_stacks.model.reasons import Reason

_MOST = 5
"""The most names that a message lists."""


@dataclass(frozen=True, order=True)
class Claimant:
    """A deployment that wants a name; the least one gets it.

    Accepted deployments come before pending ones, then older objects before newer ones, then namespace and name decide.
    """

    pending: bool
    created: str
    namespace: str
    name: str


class Claims:
    """The table; after a start of the operator (`started`) it fills up again as plans are compiled.

    Until `grace` has passed since the start, and since a deployment's own creation, another one that comes before it
    may still appear.
    """

    def __init__(self, started: datetime, grace: timedelta) -> None:
        self._started = started
        self._grace = grace
        self._names: dict[tuple[str, str], dict[tuple[str, str], Claimant]] = {}
        self._held: dict[tuple[str, str], set[tuple[str, str]]] = {}
        self._waiting: dict[tuple[str, str], datetime] = {}
        """When the grace period of each pending deployment began, by namespace and name."""

    def check(self, url: str, names: Mapping[str, str], who: Claimant, now: datetime) -> Stalled | Wait | None:
        """Claim `names`, each with its role, and return why `who` must not go on, or None when it may.

        A deployment that is not accepted yet waits until every deployment that comes before it must have been seen.

        Claims need nothing from the server: accepted deployments have claimed their names before it is found Ready. Two
        ForemanServers with the same URL are one Foreman. Names have no domain, which only Foreman knows.
        """
        lost = self.claim(url.rstrip("/").lower(), names, who)
        if lost:
            roles: dict[str, list[str]] = {}
            for name in lost:
                roles.setdefault(names[name], []).append(name)
            return Stalled(Reason.NAME_CONFLICT, tuple(_conflict(role, found) for role, found in roles.items()))
        if not who.pending:
            self._waiting.pop((who.namespace, who.name), None)
            return None
        left = (self._since(who, now) + self._grace - now).total_seconds()
        return Wait(Reason.ACCEPTED, "is accepted in a moment", after=left) if left > 0 else None

    def _since(self, who: Claimant, now: datetime) -> datetime:
        """Return when the grace period began. A time in the future counts as now: the clock may have been set back."""
        key = (who.namespace, who.name)
        begin = self._waiting.get(key, max(datetime.fromisoformat(who.created), self._started))
        self._waiting[key] = min(begin, now)
        return self._waiting[key]

    def claim(self, foreman: str, names: Iterable[str], who: Claimant) -> Mapping[str, Claimant]:
        """Replace the names that `who` claims by these, on the Foreman of this URL.

        Return the names that another deployment gets, with that deployment.
        """
        key = (who.namespace, who.name)
        self._release(key)
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
        """Forget a deployment that is gone."""
        self._waiting.pop((namespace, name), None)
        self._release((namespace, name))

    def _release(self, key: tuple[str, str]) -> None:
        """Remove all claims of a deployment."""
        for place in self._held.pop(key, ()):
            claimants = self._names.get(place, {})
            claimants.pop(key, None)
            if not claimants:
                self._names.pop(place, None)


def _conflict(role: str, names: Sequence[str]) -> Problem:
    """Return the problem without naming the other deployment: the reader may have no access to its namespace."""
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    told = f"the name {names[0]} is" if len(names) == 1 else f"the names {', '.join(names[:_MOST])}{more} are"
    return Problem(
        f"spec.roles[{role}].hostname",
        f"{told} wanted by another deployment that came first",
        "put {namespace} and {deployment} into hostname; if it has both, rename the deployment",
    )
