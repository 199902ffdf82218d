from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

import pytest

from foreman_stacks.cluster.port import Cluster
from foreman_stacks.errors import ClusterConflict, ClusterNotFound
from foreman_stacks.reconcile.digest_key import DigestKey, NoDigestKey


class Secrets:
    """A cluster with the Secrets of one namespace; `namespace_missing` is what is wrong with a new installation."""

    def __init__(self, *, namespace_missing: bool = False, raced: bool = False) -> None:
        self.found: dict[tuple[str, str], Mapping[str, bytes]] = {}
        self.namespace_missing = namespace_missing
        self._raced = raced

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        return self.found.get((namespace, name))

    async def create_secret(self, namespace: str, name: str, data: Mapping[str, bytes]) -> None:
        if self.namespace_missing:
            raise ClusterNotFound(f'POST create_secret: 404 namespaces "{namespace}" not found', status=404)
        if self._raced:
            self.found[namespace, name] = {"key": b"theirs"}
            raise ClusterConflict("there is one", status=409)
        self.found[namespace, name] = data


def key(cluster: Secrets) -> DigestKey:
    return DigestKey(cast("Cluster", cluster), "ours")


def test_the_key_is_made_once() -> None:
    cluster = Secrets()
    made = asyncio.run(key(cluster)())
    assert len(made) == 32
    assert asyncio.run(key(cluster)()) == made
    assert list(cluster.found) == [("ours", "foreman-stacks-key")]


def test_a_key_that_another_process_made_meanwhile_is_taken() -> None:
    assert asyncio.run(key(Secrets(raced=True))()) == b"theirs"


def test_a_missing_namespace_is_named_with_what_to_do_and_the_key_is_made_once_it_is_there() -> None:
    cluster = Secrets(namespace_missing=True)
    wanted = key(cluster)
    with pytest.raises(NoDigestKey, match="namespace ours does not exist: create it, or set FOREMAN_STACKS_NAMESPACE"):
        asyncio.run(wanted())
    cluster.namespace_missing = False
    assert len(asyncio.run(wanted())) == 32


@pytest.mark.parametrize("data", [{}, {"key": b""}, {"other": b"x"}])
def test_a_secret_without_the_key_is_named_and_stays_as_it_is(data: dict[str, bytes]) -> None:
    cluster, place = Secrets(), ("ours", "foreman-stacks-key")
    cluster.found[place] = data
    wanted = key(cluster)
    with pytest.raises(NoDigestKey, match="Secret foreman-stacks-key in namespace ours has no entry 'key'"):
        asyncio.run(wanted())
    assert cluster.found == {place: data}
    cluster.found[place] = {"key": b"saved"}
    assert asyncio.run(wanted()) == b"saved"
