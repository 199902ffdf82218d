"""DeployedHosts: names that never meet, and objects of others that stay as they are."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import pytest

from foreman_stacks.api.meta import DEPLOYMENT_LABEL
from foreman_stacks.cluster.port import Key
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.schema import DNS_LABEL, DNS_SUBDOMAIN, MAX_HOSTS, NAME
from foreman_stacks.reconcile.projection import name_of
from tests.unit.foreman_stacks.reconcile.desk import KEY, Desk, at_desk
from tests.unit.foreman_stacks.reconcile.lives import ONE_RUN, is_ready

FIRST = Key("deployedhosts", "ops", "ring-zk-1")
SECOND = Key("deployedhosts", "ops", "ring-zk-2")


def words(letters: str, pattern: str) -> list[str]:
    """All short names that are allowed."""
    found = ("".join(word) for length in range(1, 6) for word in product(letters, repeat=length))
    return [word for word in found if re.search(pattern, word)]


def test_no_two_hosts_of_a_namespace_have_one_name() -> None:
    hosts = [
        (deployment, HostRef(role, index))
        for deployment in words("a1-", DNS_LABEL)
        for role in words("a1_", NAME)
        for index in (1, 11)
    ]
    names = [name_of(*host) for host in hosts]
    assert len(set(names)) == len(hosts) > 10_000
    assert all(re.search(DNS_SUBDOMAIN, name) for name in names)
    assert len(name_of("a" * 40, HostRef("a_" * 31, MAX_HOSTS))) <= 253


def test_names_are_the_deployment_its_role_and_the_index() -> None:
    assert name_of("zk-a", HostRef("b", 1)) == "zk-a-b-1"
    assert name_of("zk", HostRef("a_b", 1)) == "zk.a-b-1"


def of(index: int, label: str | None, *owners: str) -> dict[str, Any]:
    """An object that bears the name of ours."""
    labels = {} if label is None else {DEPLOYMENT_LABEL: label}
    references = [{"kind": "StackDeployment", "name": name, "uid": f"uid of {name}"} for name in owners]
    meta = {"name": f"ring-zk-{index}", "namespace": "ops", "labels": labels, "ownerReferences": references}
    return {"metadata": meta, "spec": {"role": "zk", "index": index}, "status": {"state": "Theirs"}}


def test_objects_of_another_deployment_are_not_written_until_they_are_gone_and_ours_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    theirs = [of(1, "other", "other"), of(2, "other"), of(3, None, "other"), of(4, "ring", "ring", "other")]
    ours = [of(5, "ring", "ring"), of(6, None)]  # whose owner was made again

    async def story(desk: Desk) -> None:
        def shown(index: int) -> dict[str, Any]:
            return desk.kube.objects[Key("deployedhosts", "ops", f"ring-zk-{index}")]

        desk.stack(**ONE_RUN)
        desk.deployment(count=6)
        for found in (*theirs, *ours):
            desk.kube.objects[Key("deployedhosts", "ops", found["metadata"]["name"])] = found
        await desk.until(lambda: is_ready(desk))
        await desk.look()
        assert [shown(index) for index in (1, 2, 3, 4)] == theirs
        for index in (5, 6):
            assert shown(index)["status"]["state"] == "Ready"
            (owner,) = shown(index)["metadata"]["ownerReferences"]
            assert owner["uid"] == desk.kube.objects[KEY]["metadata"]["uid"]
        for index in (1, 2, 3, 4):
            assert f"deployedhosts/ops/ring-zk-{index} belongs to another deployment" in caplog.text
            del desk.kube.objects[Key("deployedhosts", "ops", f"ring-zk-{index}")]
        await desk.look()
        assert {shown(index)["status"]["state"] for index in (1, 2, 3, 4)} == {"Ready"}

    at_desk(story)


def test_an_object_is_looked_at_once_before_it_is_written_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(desk: Desk) -> None:
        desk.stack(**ONE_RUN)
        looked, get = [], desk.kube.get

        async def noted(key: Key) -> Any:
            looked.append(key)
            return await get(key)

        monkeypatch.setattr(desk.kube, "get", noted)
        await desk.until(lambda: is_ready(desk))
        writes = [entry.key for entry in desk.lab.entries if entry.what == "apply"]
        assert writes.count(str(FIRST)) > 1
        assert (looked.count(FIRST), looked.count(SECOND)) == (1, 1)

    at_desk(story)
