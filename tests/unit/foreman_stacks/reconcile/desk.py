"""Passes over one deployment, one by one, on a made-up apiserver and the simulated Foreman; time goes as it is told to."""

from __future__ import annotations

import copy
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, cast

from foreman_stacks.cluster.port import Cluster, Event, Key, Object, Plural
from foreman_stacks.errors import ClusterConflict, ForemanError
from foreman_stacks.foreman.port import Change, Query
from foreman_stacks.model.identity import indices
from foreman_stacks.model.journal import Entry
from foreman_stacks.reconcile.deployment import Deployments
from foreman_stacks.reconcile.passes import Next
from foreman_stacks.reconcile.servers import Connection, Servers
from foreman_stacks.settings import Settings
from tests.unit.foreman_stacks.lab import Lab, in_lab
from tests.unit.foreman_stacks.made import a_server, later
from tests.unit.foreman_stacks.plan.conftest import ZOOKEEPER

KEY = Key("stackdeployments", "ops", "ring")
STACK = Key("stacks", "ops", "s")
SERVER = Key("foremanservers", "", "f")
QUICK = 9
"""A seed under which few hosts refuse SSH for long: most stories are of something else."""
SOURCE: dict[str, Any] = {"name": "lab", "computeResource": {"name": "libvirt-test", "profile": "1-Small"}}


_Copied = TypeVar("_Copied")


def _copied(found: _Copied) -> _Copied:
    """As it comes over the wire; quicker than a deep copy, and there are many."""
    return cast("_Copied", json.loads(json.dumps(found)))


class Kube:
    """As much of an apiserver as passes need: versions, conflicts, finalizers, and a journal of writes."""

    def __init__(self, entries: list[Entry]) -> None:
        self.objects: dict[Key, dict[str, Any]] = {}
        self.secrets: dict[tuple[str, str], dict[str, bytes]] = {}
        self.config_maps: dict[tuple[str, str], dict[str, str]] = {}
        self.events: list[Event] = []
        self._entries = entries
        self._version = 0

    def put(self, key: Key, **fields: Any) -> dict[str, Any]:
        """An object as a user applies it: another spec is another generation."""
        self._version += 1
        old = self.objects.get(key, {})
        meta: dict[str, Any] = {
            "name": key.name,
            "uid": f"uid-{self._version}",
            "generation": 0,
            "creationTimestamp": "2026-11-23T11:00:00Z",
        }
        meta |= {"namespace": key.namespace} if key.namespace else {}
        meta |= old.get("metadata", {}) | fields.pop("metadata", {})
        if fields.get("spec", old.get("spec")) != old.get("spec"):
            meta["generation"] += 1
        meta["resourceVersion"] = str(self._version)
        kind = {"stacks": "Stack", "stackdeployments": "StackDeployment", "foremanservers": "ForemanServer"}[key.plural]
        shown = {"apiVersion": "stacks.theforeman.org/v1alpha1", "kind": kind, **old, **fields, "metadata": meta}
        self.objects[key] = shown
        return shown

    def remove(self, key: Key) -> None:
        """A user deletes it."""
        if self.objects[key]["metadata"].get("finalizers"):
            self.put(key, metadata={"deletionTimestamp": "2026-11-23T12:00:00Z"})
        else:
            del self.objects[key]

    def _note(self, what: str, key: object) -> None:
        self._entries.append(Entry("after", "cluster", what, str(key)))

    def _replace(self, seen: Object, plural: Plural) -> Key:
        key = Key(plural, seen["metadata"].get("namespace", ""), seen["metadata"]["name"])
        if self.objects[key]["metadata"]["resourceVersion"] != seen["metadata"]["resourceVersion"]:
            raise ClusterConflict("somebody wrote in between", status=409)
        return key

    async def served(self) -> frozenset[str]:
        return frozenset()

    async def get(self, key: Key) -> Object | None:
        return _copied(self.objects.get(key))

    async def list(self, plural: Plural, namespace: str = "", selector: str = "") -> Sequence[Object]:
        return [_copied(body) for key, body in self.objects.items() if key.plural == plural]

    async def patch_status(self, seen: Object, plural: Plural, status: Mapping[str, Any]) -> Object:
        key = self._replace(seen, plural)
        self._note("update status", key)
        self.put(key, status=_copied(dict(status)))
        return _copied(self.objects[key])

    async def set_finalizers(self, seen: Object, plural: Plural, finalizers: Sequence[str]) -> Object:
        key = self._replace(seen, plural)
        self._note("update finalizers", key)
        shown = _copied(self.put(key, metadata={"finalizers": list(finalizers)}))
        if not finalizers and shown["metadata"].get("deletionTimestamp"):
            del self.objects[key]
        return shown

    async def apply(self, key: Key, body: Mapping[str, Any]) -> None:
        self._note("apply", key)
        self.objects[key] = _copied(dict(body))

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        return self.secrets.get((namespace, name))

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str] | None:
        return self.config_maps.get((namespace, name))

    async def namespace_labels(self, name: str) -> Mapping[str, str] | None:
        return {"kubernetes.io/metadata.name": name}

    async def create_secret(self, namespace: str, name: str, data: Mapping[str, bytes]) -> None:
        self.secrets[namespace, name] = dict(data)

    async def post_event(self, about: Object, event: Event) -> None:
        self.events.append(event)

    async def close(self) -> None:
        return


@dataclass
class Desk:
    """The deployment `ring` of the ZooKeeper Stack, and whoever makes passes over it."""

    lab: Lab
    settings: Settings
    kube: Kube = field(init=False)
    seconds: float = 0.0
    fails: Callable[[Change], ForemanError | None] = lambda _: None
    """What becomes of a write instead of being done."""
    after: Callable[[Change], Awaitable[None]] | None = None
    """What somebody else does right after a write."""

    def __post_init__(self) -> None:
        self.kube = Kube(self.lab.entries)
        self.kube.put(SERVER, spec=a_server().spec.model_dump(by_alias=True, exclude_none=True))
        self.stack()
        self.deployment()
        self.restart()

    def stack(self, **changes: Any) -> None:
        """Apply the Stack, with changes to its spec."""
        spec = copy.deepcopy(ZOOKEEPER)
        spec["roles"][0]["count"]["min"] = 1
        self.kube.put(STACK, spec={**spec, **changes})

    def deployment(self, count: int = 2, **changes: Any) -> None:
        """Apply the deployment, with changes to its spec."""
        roles = [{"name": "zk", "count": count, "sources": [SOURCE]}]
        spec = {
            "stackRef": {"name": "s"},
            "serverRef": {"name": "f"},
            "parentHostgroup": "Base/Debian 12",
            "roles": roles,
        }
        self.kube.put(KEY, spec={**spec, **changes})

    def restart(self) -> None:
        """Another process: it knows what Foreman and Kubernetes know."""
        self.lab.entries.append(Entry("after", "cluster", "restart", ""))
        cluster = cast("Cluster", self.kube)
        servers = Servers(cluster, self.settings, lambda _, __: self.lab.foreman, self.now)
        self.connection = Connection(a_server(), cast("Any", _Failing(self)), "", ready=True)
        servers.connections["f"] = self.connection
        self.deployments = Deployments(cluster, servers, self.settings, self.now)

    def now(self) -> datetime:
        return later(self.seconds)

    def wait(self, seconds: float) -> None:
        """Time goes on, here and in Foreman."""
        self.seconds += seconds
        self.lab.world.clock.advance(seconds)

    async def look(self, *, key: Key = KEY) -> Next:
        """One pass; what a poller would have seen is read anew."""
        self.connection.answers.clear()
        return await self.deployments.reconcile(key)

    async def until(self, happened: Callable[[], object], passes: int = 1000) -> int:
        """Pass after pass, each when the one before wants it, until something is so; how many it took.

        The scripts of jobs are really run: they take none of the time that goes on here, and are waited for.
        """
        for number in range(passes):
            if happened():
                return number
            found = await self.look()
            if happened():
                return number + 1
            most = 15.0 if found.polls else 60.0  # what is polled is seen about as soon as the poller would
            self.wait(1.0 if found.error else min(found.after or 0.0, most))
            if self.lab.world.runner is not None:
                await self.lab.world.runner.idle()
        raise AssertionError(f"it does not happen: {self.ready}; {self.status}")

    # --- what a user sees ---------------------------------------------------------------------------------------

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.kube.objects[KEY].get("status") or {}
        return found

    @property
    def conditions(self) -> dict[str, str]:
        """Each condition that there is, as `True/Reason`."""
        return {entry["type"]: f"{entry['status']}/{entry['reason']}" for entry in self.status.get("conditions", ())}

    @property
    def ready(self) -> str:
        return self.conditions.get("Ready", "")

    def message(self, kind: str = "Ready") -> str:
        return next(str(entry["message"]) for entry in self.status["conditions"] if entry["type"] == kind)

    def role(self, what: str, name: str = "zk") -> frozenset[int]:
        """Indices of a role: created, built or configured."""
        return indices(next((role.get(what, "") for role in self.status.get("roles", ()) if role["name"] == name), ""))

    def step(self, name: str) -> dict[str, Any]:
        return next((step for step in self.status.get("steps", ()) if step["name"] == name), {"state": "Pending"})

    def done(self, *names: str) -> bool:
        return all(self.step(name)["state"] == "Done" for name in names)

    @property
    def wrote(self) -> list[str]:
        """What was written to Foreman, in order."""
        return [f"{e.what} {e.key}" for e in self.lab.entries if e.system == "foreman" and e.moment == "after"]


class _Failing:
    """Foreman, some of whose writes come to nothing."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def read(self, queries: Any) -> Mapping[Query[Any], Any]:
        return await self._desk.lab.foreman.read(queries)

    async def write(self, change: Change) -> Any:
        error = self._desk.fails(change)
        if error is not None:
            raise error
        row = await self._desk.lab.foreman.write(change)
        if self._desk.after is not None:
            await self._desk.after(change)
        return row

    async def close(self) -> None:
        return


def at_desk(story: Callable[[Desk], Awaitable[None]], **settings: Any) -> None:
    """Tell a story of one deployment."""
    given = {"claim_grace": 0.0, "lookup_every": 2.0, "quiesce_limit": 5, "show_every": 0.0}  # told by the real clock

    async def told(lab: Lab) -> None:
        await story(Desk(lab, Settings(**(given | settings))))

    in_lab(told, seed=QUICK, direct=True)
