"""Hosts from an image that cloud-init sets up, with attributes of their own."""

from tests.e2e.stage import Stage


def test_hosts_from_an_image_become_ready(stage: Stage) -> None:
    stage.stack()
    source = {
        "name": "cloud",
        "computeResource": {
            "name": "cloud-test",
            "profile": "1-Small",
            "image": "debian-12-cloud-init",
            "attributes": {"cpus": 2},
        },
    }
    stage.deployment(roles=[{"name": "zk", "count": 3, "sources": [source]}])
    stage.ready()
    hosts = [row for row in stage.simulator.rows("hosts") if row["name"].startswith("zookeeper-zk-")]
    assert {row["provision_method"] for row in hosts} == {"image"}
    assert len({row["image_id"] for row in hosts}) == 1
    assert stage.simulator.counters()["dropped"] == []
    assert stage.simulator.counters()["unknown"] == []
