"""Events for people. They are a courtesy: nothing fails when Kubernetes rejects one, as in a terminating namespace."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from foreman_stacks.cluster.port import Cluster, Event, Object
from foreman_stacks.errors import ClusterError
from foreman_stacks.reconcile import conditions

_log = logging.getLogger(__name__)


async def post(cluster: Cluster, about: Object, *events: Event) -> None:
    """Post these events; those that Kubernetes rejects are only logged."""
    for event in events:
        try:
            await cluster.post_event(about, event)
        except ClusterError as error:
            _log.info("no event %s: %s", event.reason, error)


async def transitions(
    cluster: Cluster, about: Object, old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> None:
    """Post the events that follow from the change of conditions from `old` to `new`."""
    await post(cluster, about, *conditions.events(old, new))
