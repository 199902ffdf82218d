"""The key of digests: values may be secret, and a plain digest of a short secret gives it away."""

from __future__ import annotations

import logging
import secrets

from foreman_stacks.cluster.port import Cluster
from foreman_stacks.errors import ClusterConflict, ClusterError, ClusterNotFound

KEY_SECRET = "foreman-stacks-key"  # noqa: S105 - the name of a Secret

_log = logging.getLogger(__name__)


class NoDigestKey(ClusterError):
    """There is no key, and the operator cannot create one: an administrator must act."""


class DigestKey:
    """The key, from a Secret in the operator's namespace that is created once per installation.

    When the Secret is lost, another one is created, and earlier digests can no longer be compared.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._known = b""

    async def __call__(self) -> bytes:
        """Return the key, and create its Secret if there is none.

        Raises `NoDigestKey`, or another `ClusterError` when Kubernetes cannot be asked.
        """
        if not self._known:
            place = (self._namespace, KEY_SECRET)
            found = await self._cluster.secret(*place)
            if found is None:
                try:
                    await self._cluster.create_secret(*place, {"key": secrets.token_bytes(32)})
                except ClusterConflict:
                    _log.info("another process created the key")
                except ClusterNotFound as error:
                    message = f"namespace {self._namespace} does not exist: create it, or set FOREMAN_STACKS_NAMESPACE"
                    raise NoDigestKey(message, status=error.status) from error
                found = await self._cluster.secret(*place)
            self._known = (found or {}).get("key", b"")
        if not self._known:
            what = f"Secret {KEY_SECRET} in namespace {self._namespace} has no entry 'key', or an empty one"
            raise NoDigestKey(
                f"{what}: put back the key that was there, or delete the Secret to have another one created"
            )
        return self._known
