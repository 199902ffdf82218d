"""The port to Kubernetes: what the operator reads and writes there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

Object: TypeAlias = Mapping[str, Any]
"""An object as the apiserver returns it."""

GROUP = "stacks.theforeman.org"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

Plural = Literal["stacks", "stackdeployments", "foremanservers", "deployedhosts"]
WATCHED: tuple[Plural, ...] = ("foremanservers", "stacks", "stackdeployments")
"""The kinds that the operator watches: their changes cause passes."""
CLUSTER_SCOPED: frozenset[str] = frozenset({"foremanservers"})


@dataclass(frozen=True, order=True)
class Key:
    """The key of an object of the operator's kinds; `namespace` is empty for a cluster-scoped one."""

    plural: Plural
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.plural}/{self.namespace}/{self.name}" if self.namespace else f"{self.plural}/{self.name}"


@dataclass(frozen=True)
class Event:
    """One thing that happened to an object, for `kubectl describe`."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


class Cluster(Protocol):
    """The Kubernetes API, as far as the operator needs it. Every method raises `ClusterError`."""

    async def served(self) -> frozenset[str]:
        """The plurals of the operator's API group that the apiserver serves."""
        ...

    async def get(self, key: Key) -> Object | None:
        """An object of the operator's kinds as it is now, None when it does not exist."""
        ...

    async def list(self, plural: Plural, namespace: str = "", selector: str = "") -> Sequence[Object]:
        """All objects of a kind with labels that match the selector, in one namespace or in all."""
        ...

    async def versions(self, plural: Plural) -> Mapping[Key, str]:
        """The resource version of every object of a kind, without the objects."""
        ...

    async def patch_status(self, seen: Object, plural: Plural, status: Mapping[str, Any]) -> Object:
        """Replace the object's status and return the object; `ClusterConflict` when it has changed since `seen`."""
        ...

    async def set_finalizers(self, seen: Object, plural: Plural, finalizers: Sequence[str]) -> Object:
        """Replace the object's finalizers and return the object; `ClusterConflict` when it has changed since `seen`."""
        ...

    async def apply(self, key: Key, body: Mapping[str, Any]) -> None:
        """Apply, server-side, an object that only the operator writes (DeployedHost)."""
        ...

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """The data of a Secret, None when it does not exist."""
        ...

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """The data of a ConfigMap, None when it does not exist."""
        ...

    async def namespace_labels(self, name: str) -> Mapping[str, str] | None:
        """The labels of a namespace, None when it does not exist."""
        ...

    async def create_secret(self, namespace: str, name: str, data: Mapping[str, bytes]) -> None:
        """Create a Secret. Raises `ClusterConflict` when it exists, `ClusterNotFound` when its namespace does not."""
        ...

    async def post_event(self, about: Object, event: Event) -> None:
        """Create an Event that says what happened to an object."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
