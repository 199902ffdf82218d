"""The main job: `kubectl apply` of a Stack and a deployment, hosts provisioned, Puppet in order, Ready."""

from tests.e2e.stage import Stage


def test_zookeeper_becomes_ready(stage: Stage) -> None:
    stage.stack()
    stage.deployment()
    status = stage.ready()
    assert status["summary"]["hosts"] == "4/4"
    assert status["summary"]["step"] == "3/3"
    assert [entry["value"] for entry in status["outputs"]] == [[f"198.18.1.{n}:2181" for n in range(1, 5)]]
