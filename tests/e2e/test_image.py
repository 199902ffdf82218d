"""Hosts from an image that cloud-init sets up, with a compute profile and attributes of their own."""

from tests.e2e.life import plant
from tests.e2e.stage import Stage


def test_hosts_from_an_image_become_ready(stage: Stage) -> None:
    tables = {table: stage.simulator.rows(table) for table in ("compute_profiles", "compute_attributes", "images")}
    (medium,) = (row["id"] for row in tables["compute_profiles"] if row["name"] == "2-Medium")
    (attributes,) = (row["vm_attrs"] for row in tables["compute_attributes"] if row["compute_profile_id"] == medium)
    plant(stage.simulator, "compute_profiles", name="2-Medium", attributes={"cloud-test": attributes})
    stage.stack()
    source = {
        "name": "cloud",
        "computeResource": {
            "name": "cloud-test",
            "profile": "2-Medium",
            "image": "debian-12-cloud-init",
            "attributes": {"cpus": 3},
        },
    }
    stage.deployment(roles=[{"name": "zk", "count": 3, "sources": [source]}])
    stage.ready()
    hosts = [row for row in stage.simulator.rows("hosts") if row["name"].startswith("zookeeper-zk-")]
    assert len(hosts) == 3
    (image,) = (row for row in tables["images"] if row["name"] == "debian-12-cloud-init")
    made = {(row["provision_method"], row["image_id"], row["compute_profile_id"]) for row in hosts}
    assert made == {("image", image["id"], medium)}, "the hostgroup's own profile is another one"
    machines = [vm["attrs"] for vm in stage.simulator.rows("vms")]
    assert [vm["cpus"] for vm in machines] == [3, 3, 3], "the attribute differs from the profile's"
    assert {(vm["memory"], vm["image_id"]) for vm in machines} == {(attributes["memory"], image["uuid"])}
