"""One table of host names per Foreman: two deployments that want one name are told apart before either writes.

Foreman's own check of a host's name is a race (foreman-measured §1.9).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from foreman_stacks.errors import Problem
from foreman_stacks.model.outcome import Stalled, Wait
from foreman_stacks.model.reasons import Reason

_MOST = 5
"""Names that a message lists."""


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
        self._waiting: dict[tuple[str, str], datetime] = {}
        """Since when those wait that are not accepted yet."""

    def check(self, url: str, names: Mapping[str, str], who: Claimant, now: datetime) -> Stalled | Wait | None:
        """Claim names and say why `who` must not go on; it must not before everybody who comes first must have been seen.

        Nothing of the server is needed for it: whoever was accepted has claimed before the server is found well. Two
        ForemanServers of one URL are one Foreman. Names are claimed without their domain, which only Foreman knows; they
        come with their roles.
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
        """From when on the grace counts. What is told of the future counts from the first look on: clocks are set back."""
        key = (who.namespace, who.name)
        begin = self._waiting.get(key, max(datetime.fromisoformat(who.created), self._started))
        self._waiting[key] = min(begin, now)
        return self._waiting[key]

    def claim(self, foreman: str, names: Iterable[str], who: Claimant) -> Mapping[str, Claimant]:
        """Claim these names on the Foreman of this URL instead of what `who` claimed before; the ones that somebody else
        comes first to.
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
        """A deployment is gone."""
        self._waiting.pop((namespace, name), None)
        self._release((namespace, name))

    def _release(self, key: tuple[str, str]) -> None:
        """Nothing is claimed by it."""
        for place in self._held.pop(key, ()):
            claimants = self._names.get(place, {})
            claimants.pop(key, None)
            if not claimants:
                self._names.pop(place, None)


def _conflict(role: str, names: Sequence[str]) -> Problem:
    """Says nothing of the other deployment: it may be one of a namespace that the reader knows nothing of."""
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    told = f"the name {names[0]} is" if len(names) == 1 else f"the names {', '.join(names[:_MOST])}{more} are"
    return Problem(
        f"spec.roles[{role}].hostname",
        f"{told} wanted by another deployment that came first",
        "put {namespace} and {deployment} into hostname; where both are there, rename the deployment",
    )
