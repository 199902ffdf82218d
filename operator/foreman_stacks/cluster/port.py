"""What the operator asks of Kubernetes and tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

Object: TypeAlias = Mapping[str, Any]
"""An object as the apiserver gives it."""

GROUP = "stacks.theforeman.org"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

Plural = Literal["stacks", "stackdeployments", "foremanservers", "deployedhosts"]
WATCHED: tuple[Plural, ...] = ("foremanservers", "stacks", "stackdeployments")
"""The kinds whose objects are causes of work."""
CLUSTER_SCOPED: frozenset[str] = frozenset({"foremanservers"})


@dataclass(frozen=True, order=True)
class Key:
    """One object of ours; `namespace` is empty for a cluster-scoped one."""

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
        """The plurals of our group that the apiserver serves."""
        ...

    async def get(self, key: Key) -> Object | None:
        """An object of ours as it is now, None when it is gone."""
        ...

    async def list(self, plural: Plural, namespace: str = "", selector: str = "") -> Sequence[Object]:
        """All objects of a kind, in one namespace or in all."""
        ...

    async def versions(self, plural: Plural) -> Mapping[Key, str]:
        """The resource version of every object of a kind, without the objects."""
        ...

    async def patch_status(self, seen: Object, plural: Plural, status: Mapping[str, Any]) -> Object:
        """Replace the status of the object as it was seen; `ClusterConflict` when somebody wrote in between."""
        ...

    async def set_finalizers(self, seen: Object, plural: Plural, finalizers: Sequence[str]) -> Object:
        """Replace the finalizers of the object as it was seen."""
        ...

    async def apply(self, key: Key, body: Mapping[str, Any]) -> None:
        """Server-side apply of an object that only we write (DeployedHost)."""
        ...

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """The data of a Secret."""
        ...

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """The data of a ConfigMap."""
        ...

    async def namespace_labels(self, name: str) -> Mapping[str, str] | None:
        """The labels of a namespace."""
        ...

    async def create_secret(self, namespace: str, name: str, data: Mapping[str, bytes]) -> None:
        """Make a Secret; `ClusterConflict` when there is one, `ClusterNotFound` when its namespace is not there."""
        ...

    async def post_event(self, about: Object, event: Event) -> None:
        """Tell what happened to an object."""
        ...

    async def close(self) -> None:
        """End all connections."""
        ...
