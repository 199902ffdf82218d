"""The examples, as they are written: kubectl takes them, the operator brings them to Ready, and they never differ."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from control_plane import ControlPlaneError
from tests.e2e.conftest import ROOT, Kubectl
from tests.e2e.life import fault, freeze, mend, plant, thaw
from tests.e2e.stage import Simulator, Stage, until

EXAMPLES = ROOT / "examples"
DEPLOYMENTS = {"zookeeper": ("first", 4), "shop": ("database", 6)}
"""Those of the examples: their first step, and how many hosts they have."""
MODES = {"client-side": (), "server-side": ("--server-side",)}


def site(simulator: Simulator) -> None:
    """What the two-tier example expects of a Foreman, beside what the lab has; and the account of the credentials."""
    account = yaml.safe_load((EXAMPLES / "zookeeper" / "credentials.yaml").read_text())["stringData"]
    plant(simulator, "users", login=account["username"], password=account["password"], permissions="service")
    plant(simulator, "hostgroups", name="Large disks", parent="Base/Debian 12")
    plant(simulator, "compute_resources", name="libvirt-spare")
    image = {"operatingsystem": "Debian 12", "architecture": "x86_64", "compute_resource": "libvirt-spare"}
    plant(simulator, "images", name="Debian 12", uuid="/images/debian-12.img", **image)
    (small,) = (row["id"] for row in simulator.rows("compute_profiles") if row["name"] == "1-Small")
    attributes = next(row for row in simulator.rows("compute_attributes") if row["compute_profile_id"] == small)
    plant(simulator, "compute_profiles", name="1-Small", attributes={"libvirt-spare": attributes["vm_attrs"]})
    for name, parameters in {
        "postgresql::globals": ("version",),
        "postgresql::server": ("port", "listen_addresses", "postgres_password"),
        "java": (),
        "tomcat": ("manage_user",),
    }.items():
        plant(simulator, "puppetclasses", name=name, parameters={parameter: {} for parameter in parameters})


@pytest.fixture
def files(stage: Stage, admin: Kubectl, tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """All files of the examples but one, which is for the operator's namespace; of the server's the address is put in."""
    site(stage.simulator)
    found = [path for path in sorted(EXAMPLES.glob("*/*.yaml")) if path.parent.name != "kustomize"]
    (server,) = (path for path in found if path.name == "foremanserver.yaml")
    text = server.read_text()
    sample = yaml.safe_load(text)["spec"]["url"]
    own = tmp_path / server.name
    own.write_text(text.replace(sample, stage.simulator.url))
    rest = [path for path in found if path not in {server, EXAMPLES / "zookeeper" / "credentials.yaml"}]
    named = ("-n", stage.namespace, *(f"--filename={path}" for path in [own, *rest]))
    yield named
    thaw(stage.simulator)
    mend(stage.simulator)
    admin("delete", "--ignore-not-found", "--wait=false", "-k", str(EXAMPLES / "kustomize"), "-n", stage.namespace)
    admin("delete", "--ignore-not-found", "--wait=false", *named)
    until(lambda: stage.get("foreman", "foremanservers") is None, what="the server is gone")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", MODES)
def test_examples_become_ready_and_never_differ(
    stage: Stage, admin: Kubectl, files: tuple[str, ...], mode: str
) -> None:
    how = MODES[mode]
    secret = ("-f", str(EXAMPLES / "zookeeper" / "credentials.yaml"))
    freeze(stage.simulator)
    admin("apply", *how, *secret)
    admin("apply", *how, *files)
    for name, (_, hosts) in DEPLOYMENTS.items():
        installing(stage, name, hosts)
    never_differs(admin, *how, *files)
    # no deployment comes further than its first run while we look: the record is written again before all that follows
    held = fault(stage.simulator, "hold", method="PUT", path="*/parameters/foreman_stacks_record")
    thaw(stage.simulator)
    for name, (step, _) in DEPLOYMENTS.items():
        begun(stage, name, step)
        freeze(stage.simulator)
        never_differs(admin, *how, *files)
        assert stage.condition("Ready", name)["status"] != "True"
        thaw(stage.simulator)
    mend(stage.simulator, held)
    for name in DEPLOYMENTS:
        assert stage.ready(name)["observedGeneration"] == 1
    never_differs(admin, *how, *secret)
    never_differs(admin, *how, *files)
    assert "created" not in admin("apply", *how, *files)
    titles = {row["id"]: row["title"] for row in stage.simulator.rows("hostgroups")}
    places = Counter(titles[row["hostgroup_id"]].rpartition("/")[0] for row in stage.simulator.rows("hosts"))
    assert places["Base/Debian 12/Large disks"] == 2, "the database servers stand under another hostgroup"
    images = [row["image_id"] for row in stage.simulator.rows("hosts") if row["image_id"]]
    assert len(images) == 2, "two application servers are made from an image, on the other compute resource"
    outputs = {entry["name"]: entry["value"] for entry in stage.status("shop")["outputs"]}
    assert outputs["database_url"].endswith(":5433/shop")
    assert outputs["applications"] == [f"{stage.namespace}-shop-app{index}.lab.example.com" for index in (1, 2, 3, 4)]
    kustomized(stage, admin, *how)


def kustomized(stage: Stage, admin: Kubectl, *how: str) -> None:
    """The two-tier example once more, beside the first, with a prefix to all its names: it runs as well."""
    rendered = ("-k", str(EXAMPLES / "kustomize"), "-n", stage.namespace)
    freeze(stage.simulator)
    made = admin("apply", *how, *rendered)
    assert made.count("/test-") == len(made.splitlines()) == 4
    installing(stage, "test-shop", 6)
    never_differs(admin, *how, *rendered)
    thaw(stage.simulator)
    assert stage.ready("test-shop")["observedGeneration"] == 1
    never_differs(admin, *how, *rendered)


def never_differs(admin: Kubectl, *files: str) -> None:
    """`kubectl diff` shows nothing. It reads each object twice: a status that is written in between is no difference."""
    told = ""

    def same() -> bool:
        nonlocal told
        try:
            told = admin("diff", *files)
        except ControlPlaneError as error:
            told = str(error)
        return not told

    try:
        until(same, 20)
    except AssertionError:
        raise AssertionError(told) from None


def installing(stage: Stage, name: str, hosts: int) -> None:
    """Wait until all hosts of a deployment are being installed; their names tell whose they are."""

    def rows() -> list[Any]:
        return [row for row in stage.simulator.rows("hosts") if f"{name}-" in row["name"] and row["build"]]

    until(lambda: len(rows()) == hosts, what=f"the hosts of {name} are being installed")


def begun(stage: Stage, name: str, step: str) -> None:
    """Wait until a step has begun."""

    def states() -> dict[str, str]:
        return {entry["name"]: entry["state"] for entry in stage.status(name).get("steps") or ()}

    until(lambda: states().get(step, "Pending") != "Pending", what=f"{step} of {name} has begun")


def test_kustomize_renames_references_too(admin: Kubectl) -> None:
    text = admin("kustomize", str(EXAMPLES / "kustomize"))
    objects = {document["kind"]: document for document in yaml.safe_load_all(text)}
    spec = objects["StackDeployment"]["spec"]
    sources = {entry["name"]: entry.get("valueFrom", {}) for entry in spec["parameters"]}
    assert spec["stackRef"]["name"] == objects["Stack"]["metadata"]["name"] == "test-two-tier"
    assert sources["db_password"]["secretKeyRef"]["name"] == objects["Secret"]["metadata"]["name"]
    assert sources["settings"]["configMapKeyRef"]["name"] == objects["ConfigMap"]["metadata"]["name"]
