"""The port on the official client (`kubernetes.aio`): plain JSON in and out, one place for errors and the journal."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode
from urllib.request import getproxies_environment

import aiohttp
from kubernetes.aio import client, config

from foreman_stacks.cluster.port import API_VERSION, CLUSTER_SCOPED, GROUP, Event, Key, Object, Plural
from foreman_stacks.errors import ClusterConflict, ClusterError, ClusterForbidden, ClusterNotFound, ClusterUnavailable
from foreman_stacks.metrics import Metrics
from foreman_stacks.model.journal import Entry, Journal

ROOT = f"/apis/{API_VERSION}"
FIELD_MANAGER = "foreman-stacks"
REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=30)
PAGE = 500
JSON = "application/json"
METADATA = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""The media type of a list without specs and statuses."""

_FORBIDDEN, _NOT_FOUND, _CONFLICT, _GONE, _TOO_MANY, _SERVER = 403, 404, 409, 410, 429, 500


async def connect(kubeconfig: str | None) -> client.ApiClient:
    """Return a client for the kubeconfig (default: ~/.kube/config), or in a Pod without one for its ServiceAccount.

    The client reads the ServiceAccount's token anew every minute. Raises `ClusterError` when there is neither.
    """
    configuration = client.Configuration()
    try:
        if kubeconfig or not os.environ.get("KUBERNETES_SERVICE_HOST"):
            await config.load_kube_config(  # type: ignore[no-untyped-call]  # the client has no types here
                config_file=kubeconfig, client_configuration=configuration
            )
        else:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as error:
        raise ClusterError(f"no cluster: {error}; set KUBECONFIG, or run in a Pod with a ServiceAccount") from None
    # With `trust_env` each request reads ~/.netrc in a thread, a third of this process's time: only a proxy needs it.
    configuration.client_session_kwargs = {"trust_env": bool(getproxies_environment())}
    return client.ApiClient(configuration=configuration)


class ClusterAdapter:
    """`port.Cluster` on an `ApiClient`."""

    def __init__(self, api: client.ApiClient, journal: Journal, metrics: Metrics) -> None:
        self._api = api
        self._journal = journal
        self._metrics = metrics

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()  # type: ignore[no-untyped-call]

    async def served(self) -> frozenset[str]:
        """See the port."""
        found = await self._find(ROOT, "discovery")
        return frozenset(entry["name"] for entry in (found or {}).get("resources", ()))

    async def get(self, key: Key) -> Object | None:
        """See the port."""
        return await self._find(_path(key), key.plural)

    async def list(self, plural: Plural, namespace: str = "", selector: str = "") -> Sequence[Object]:
        """See the port."""
        within = f"/namespaces/{namespace}" if namespace else ""
        wanted = {"labelSelector": selector} if selector else {}
        return [item async for item in self._pages(f"{ROOT}{within}/{plural}", plural, wanted)]

    async def versions(self, plural: Plural) -> Mapping[Key, str]:
        """See the port."""
        items = self._pages(f"{ROOT}/{plural}", plural, {}, METADATA)
        return {_key(item, plural): item["metadata"]["resourceVersion"] async for item in items}

    async def _pages(
        self, path: str, resource: str, wanted: Mapping[str, str], accept: str = JSON
    ) -> AsyncIterator[Object]:
        more: dict[str, str] = {}
        while True:
            query = urlencode({"limit": str(PAGE), **wanted, **more})
            reply = await self._send("GET", f"{path}?{query}", resource, accept=accept)
            for item in reply["items"] or ():  # an empty list of metadata is null
                yield item
            rest = reply.get("metadata", {}).get("continue")
            if not rest:
                return
            more = {"continue": rest}

    async def patch_status(self, seen: Object, plural: Plural, status: Mapping[str, Any]) -> Object:
        """See the port. In a merge patch, null removes a field."""
        gone = {name: None for name in seen.get("status") or {} if name not in status}
        body = {"metadata": {"resourceVersion": seen["metadata"]["resourceVersion"]}, "status": {**gone, **status}}
        key = _key(seen, plural)
        what = ("update status", key)
        reply: Object = await self._write("PATCH", _path(key) + "/status", what, body, "application/merge-patch+json")
        return reply

    async def set_finalizers(self, seen: Object, plural: Plural, finalizers: Sequence[str]) -> Object:
        """See the port."""
        meta = {"resourceVersion": seen["metadata"]["resourceVersion"], "finalizers": list(finalizers)}
        key = _key(seen, plural)
        what = ("update finalizers", key)
        reply: Object = await self._write("PATCH", _path(key), what, {"metadata": meta}, "application/merge-patch+json")
        return reply

    async def apply(self, key: Key, body: Mapping[str, Any]) -> None:
        """See the port."""
        path = f"{_path(key)}?fieldManager={FIELD_MANAGER}&force=true"
        await self._write("PATCH", path, ("apply", key), body, "application/apply-patch+yaml")

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """See the port."""
        found = await self._find(f"/api/v1/namespaces/{namespace}/secrets/{name}", "secrets")
        return (
            None if found is None else {key: base64.b64decode(text) for key, text in (found.get("data") or {}).items()}
        )

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """See the port."""
        found = await self._find(f"/api/v1/namespaces/{namespace}/configmaps/{name}", "configmaps")
        return None if found is None else dict(found.get("data") or {})

    async def namespace_labels(self, name: str) -> Mapping[str, str] | None:
        """See the port."""
        found = await self._find(f"/api/v1/namespaces/{name}", "namespaces")
        return None if found is None else dict(found["metadata"].get("labels") or {})

    async def create_secret(self, namespace: str, name: str, data: Mapping[str, bytes]) -> None:
        """See the port."""
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace},
            "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        }
        await self._write("POST", f"/api/v1/namespaces/{namespace}/secrets", ("create secret", name), body)

    async def post_event(self, about: Object, event: Event) -> None:
        """See the port. The name is a digest of the content: a transition repeated after a crash is no second Event."""
        meta = about["metadata"]
        namespace = meta.get("namespace") or "default"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        told = f"{meta['uid']} {meta.get('resourceVersion')} {event.reason} {event.message}"
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "name": f"{meta['name']}.{hashlib.sha256(told.encode()).hexdigest()[:16]}",
                "namespace": namespace,
            },
            "type": event.type,
            "reason": event.reason,
            "note": event.message[:1024],
            "action": "Reconcile",
            "eventTime": now,
            "reportingController": f"{GROUP}/operator",
            "reportingInstance": os.environ.get("HOSTNAME", "foreman-stacks")[:128],
            "regarding": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": meta["name"],
                "namespace": meta.get("namespace"),
                "uid": meta["uid"],
            },
        }
        try:
            path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
            await self._write("POST", path, ("create event", f"{event.reason} {namespace}/{meta['name']}"), body)
        except ClusterConflict:
            return

    # --- one request ----------------------------------------------------------------------------------------

    async def _find(self, path: str, resource: str) -> Object | None:
        try:
            found: Object = await self._send("GET", path, resource)
        except ClusterNotFound:
            return None
        return found

    async def _write(
        self, method: str, path: str, what: tuple[str, Key | str], body: Any, content: str = "application/json"
    ) -> Any:
        verb, key = what
        await self._journal(Entry("before", "cluster", verb, str(key)))
        try:
            reply = await self._send(method, path, verb.replace(" ", "_"), body, content)
        except ClusterError:
            await self._journal(Entry("failed", "cluster", verb, str(key)))
            raise
        await self._journal(Entry("after", "cluster", verb, str(key)))
        return reply

    async def _send(
        self, method: str, path: str, resource: str, body: Any = None, content: str = JSON, *, accept: str = JSON
    ) -> Any:
        headers = {"Accept": accept, "Content-Type": content}
        try:
            made = await self._api.param_serialize(method, path, header_params=headers, auth_settings=["BearerToken"])
            reply = await self._api.call_api(
                method, made[1], header_params=made[2], body=body, _request_timeout=REQUEST_TIMEOUT
            )
            data = await reply.read()  # type: ignore[no-untyped-call]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._metrics.cluster_request(method, resource, "unreachable")
            raise ClusterUnavailable(f"{method} {resource}: {type(error).__name__}: {error}") from error
        self._metrics.cluster_request(method, resource, str(reply.status))
        if reply.status < 300:
            return json.loads(data)
        raise _error(method, resource, reply.status, data)


def _error(method: str, resource: str, status: int, data: bytes) -> ClusterError:
    try:
        message = json.loads(data).get("message", "")
    except ValueError:
        message = ""
    text = f"{method} {resource}: {status} {message}"
    if status == _NOT_FOUND:
        return ClusterNotFound(text, status=status)
    if status == _FORBIDDEN:
        return ClusterForbidden(text, status=status)
    if status in {_CONFLICT, _GONE}:
        return ClusterConflict(text, status=status)
    if status == _TOO_MANY or status >= _SERVER:
        return ClusterUnavailable(text, status=status)
    return ClusterError(text, status=status)


def _key(seen: Object, plural: Plural) -> Key:
    meta = seen["metadata"]
    return Key(plural, "" if plural in CLUSTER_SCOPED else meta["namespace"], meta["name"])


def _path(key: Key) -> str:
    within = f"/namespaces/{key.namespace}" if key.namespace else ""
    return f"{ROOT}{within}/{key.plural}/{quote(key.name, safe='')}"
