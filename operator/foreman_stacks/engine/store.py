"""What the engine remembers of every object it has seen: just enough to tell whether a change needs a pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from foreman_stacks.api.meta import ABANDON_ANNOTATION, FINALIZER, RECONCILE_ANNOTATION
from foreman_stacks.cluster.port import Key, Object, Plural


@dataclass(frozen=True)
class Seen:
    """What can make a change of an object need a pass. Labels and other annotations cannot."""

    uid: str
    generation: int
    deleting: bool
    request: str
    abandoned: bool = False
    stack: str = ""
    server: str = ""
    observed: bool = False
    settled: bool = False
    ready: bool = False
    held: bool = False
    kept: bool = False
    version: str = ""

    @property
    def at_rest(self) -> bool:
        """Whether nothing is left to do: the deployment is Ready at its current generation, and the operator's
        finalizer is off, unless `deletionPolicy: Delete` keeps it on.
        """
        return self.settled and self.ready and self.observed and (self.kept or not self.held)

    @property
    def cause(self) -> tuple[str, int, bool, str, bool]:
        """The values of which one must change for a change of the object to need a pass."""
        return (self.uid, self.generation, self.deleting, self.request, self.abandoned)

    @classmethod
    def of(cls, body: Object) -> Seen:
        """Extract these from an object as a watch delivers it."""
        meta, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
        deleting = "deletionTimestamp" in meta
        ready = {entry.get("type"): entry.get("status") for entry in status.get("conditions") or ()}
        return cls(
            uid=meta["uid"],
            generation=meta.get("generation", 0),
            deleting=deleting,
            request=(meta.get("annotations") or {}).get(RECONCILE_ANNOTATION, ""),
            abandoned=(meta.get("annotations") or {}).get(ABANDON_ANNOTATION) == "true",
            stack=_name(spec, "stackRef"),
            server=_name(spec, "serverRef"),
            observed=status.get("observedGeneration") == meta.get("generation"),
            settled=bool(status.get("settledPlan")) and not deleting,
            ready=ready.get("Ready") == "True",
            held=FINALIZER in (meta.get("finalizers") or ()),
            kept=spec.get("deletionPolicy") == "Delete",
            version=meta.get("resourceVersion", ""),
        )


def _name(spec: Object, ref: str) -> str:
    found = spec.get(ref)
    name = found.get("name") if isinstance(found, dict) else ""
    return name if isinstance(name, str) else ""


class Store:
    """All existing objects, by key."""

    def __init__(self) -> None:
        self._objects: dict[Key, Seen] = {}

    def put(self, key: Key, seen: Seen) -> Seen | None:
        """Remember the object; return what was remembered before, None for a new one."""
        before = self._objects.get(key)
        self._objects[key] = seen
        return before

    def remove(self, key: Key) -> Seen | None:
        """Forget an object that is gone; return what was remembered of it."""
        return self._objects.pop(key, None)

    def versions(self, plural: Plural) -> dict[Key, str]:
        """The resource version of every object of a kind, as it was last seen."""
        return {key: seen.version for key, seen in self._objects.items() if key.plural == plural}

    def version(self, key: Key) -> str | None:
        """The resource version of an object, None when it is not known."""
        found = self._objects.get(key)
        return found.version if found else None

    def server_of(self, key: Key) -> str:
        """The server of a deployment; empty for other kinds and for unknown objects."""
        found = self._objects.get(key)
        return found.server if found and key.plural == "stackdeployments" else ""

    def users_of_stack(self, namespace: str, name: str) -> Iterator[Key]:
        """Deployments of a Stack that still follow its edits."""
        for key, seen in self._deployments():
            if key.namespace == namespace and seen.stack == name and not (seen.settled and seen.ready):
                yield key

    def users_of_server(self, name: str, *, settled: bool = True) -> Iterator[Key]:
        """Deployments on a server; `settled=False` leaves out settled, unedited ones: they wait for nothing."""
        for key, seen in self._deployments():
            if seen.server == name and (settled or not (seen.settled and seen.observed)):
                yield key

    def disturbed_on_server(self, name: str) -> Iterator[Key]:
        """Settled deployments that are not Ready, mostly because their server could not be used."""
        for key, seen in self._deployments():
            if seen.server == name and seen.settled and seen.observed and not seen.ready:
                yield key

    def holds(self, server: str) -> bool:
        """Whether some deployment on this server bears the operator's finalizer."""
        return any(seen.held for _, seen in self._deployments() if seen.server == server)

    def _deployments(self) -> Iterator[tuple[Key, Seen]]:
        return ((key, seen) for key, seen in list(self._objects.items()) if key.plural == "stackdeployments")
