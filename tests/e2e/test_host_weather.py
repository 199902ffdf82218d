"""Bad weather while hosts are made: what went wrong is named by host, and no host is ever POSTed twice."""

from dataclasses import dataclass

import pytest

from tests.e2e.stage import Stage, until
from tests.e2e.weather import (
    HOSTGROUPS,
    HOSTS,
    JOBS,
    clear,
    count,
    deploy,
    edit,
    failed,
    fault,
    fqdn,
    hits,
    hosts,
    machines,
    puppet_run,
    request,
    step,
    succeeded,
    was_ready,
)

pytestmark = pytest.mark.timeout(600)

REFUSED = {
    "errors": {"base": ["Failed to create a compute resource: quota exceeded"]},
    "full_messages": ["quota exceeded"],
}


@dataclass
class Weather:
    """All deployments of this module: they run side by side, each in weather of its own."""

    stage: Stage
    posts: dict[str, int]
    faults: dict[str, int]

    def posted(self, name: str, index: int = 1, role: str = "app") -> int:
        """How often a host was POSTed."""
        return hits(self.stage, self.posts[fqdn(name, index, role)])

    def stalled(self, reason: str, name: str) -> str:
        return self.stage.stalled(reason, name)


@pytest.fixture(scope="module")
def weather(shared_stage: Stage) -> Weather:
    stage = shared_stage
    made = Weather(stage, {}, {})
    for kind, name in (
        ("no_vm", "no-vm"),
        ("no_address", "no-address"),
        ("no_type", "no-type"),
        ("build_fails", "unbuilt"),
    ):
        made.faults[name] = fault(stage, kind, host=fqdn(name), count=1)
    made.faults["endless"] = fault(stage, "build_late", host="endless-*", seconds=1e9)
    fault(stage, "build_late", host="called-off-*", seconds=1e9)
    made.faults["gone"] = fault(stage, "build_late", host="gone-*", seconds=1e9)
    made.faults["refused"] = fault(
        stage, "status", method="POST", path=HOSTS, host="refused-app-1", status=422, body={"error": REFUSED}
    )
    made.faults["lost"] = fault(stage, "reply_lost", method="POST", path=HOSTS, host="lost-app-1", count=1)
    fault(stage, "reply_lost", method="POST", path=HOSTGROUPS, host="*.lost)", count=1)
    fault(stage, "reply_lost", method="POST", path=JOBS, count=1)
    names = ("no-vm", "no-address", "no-type", "unbuilt", "refused", "endless", "called-off", "gone", "lost")
    made.posts = {fqdn(name): count(stage, HOSTS, f"{name}-app-1") for name in names}
    stage.operator.start(build_timeout="20", host_create_timeout="2", recheck="1")
    stage.change_server(limits={"provisioning": 2})
    for name in names:
        if name in {"unbuilt", "refused"}:  # of two roles, the second one in a batch of its own
            deploy(stage, name, puppet_run("run"), puppet_run("other", role="web"), app=2, web=1)
        else:
            deploy(stage, name, app=2 if name in {"no-vm", "no-address", "no-type", "lost"} else 1)
    return made


@pytest.mark.parametrize(
    "name,reason,cause",
    [
        ("no-vm", "HostIncomplete", "without machine"),
        ("no-address", "HostIncomplete", "without address"),
        ("no-type", "HostUnseen", "shows no such host"),
    ],
)
def test_host_that_was_answered_but_is_not_whole_is_named(weather: Weather, name: str, reason: str, cause: str) -> None:
    message = weather.stalled("ProvisioningFailed", name)
    assert fqdn(name) in message
    entry = failed(weather.stage, name)[fqdn(name)]
    assert entry["reason"] == reason
    assert cause in entry["cause"]
    assert fqdn(name, 2) not in failed(weather.stage, name)
    edit(weather.stage, name, deletionPolicy="Delete")
    weather.stalled("HostMissing" if name == "no-type" else "ProvisioningFailed", name)
    assert weather.posted(name) == 1


def test_build_flag_that_somebody_took_off_is_no_build(weather: Weather) -> None:
    """`build: false` alone looks installed in Foreman, whatever happened before."""
    until(lambda: hosts(weather.stage, "called-off"), 60, "the host")
    weather.stage.simulator.send("PUT", f"{HOSTS}/{fqdn('called-off')}", {"host": {"build": False}})
    weather.stalled("ProvisioningFailed", "called-off")
    assert failed(weather.stage, "called-off")[fqdn("called-off")]["reason"] == "BuildTimeout"
    assert weather.stage.status("called-off")["summary"]["hosts"] == "0/1"
    assert not was_ready(weather.stage, "called-off")


def test_host_without_a_machine_is_made_again_once_it_was_removed(weather: Weather) -> None:
    weather.stalled("ProvisioningFailed", "no-vm")
    assert not was_ready(weather.stage, "no-vm")
    weather.stage.simulator.send("DELETE", f"{HOSTS}/{fqdn('no-vm')}")
    request(weather.stage, "no-vm")
    weather.stage.ready("no-vm")
    assert weather.posted("no-vm") == 2
    assert hosts(weather.stage, "no-vm") == [fqdn("no-vm"), fqdn("no-vm", 2)]


@pytest.mark.parametrize("name,reason", [("unbuilt", "BuildFailed"), ("refused", "CreateRefused")])
def test_host_that_failed_is_named_and_other_roles_go_on(weather: Weather, name: str, reason: str) -> None:
    assert fqdn(name) in weather.stalled("ProvisioningFailed", name)
    assert failed(weather.stage, name)[fqdn(name)]["reason"] == reason
    until(lambda: step(weather.stage, name, "other").get("state") == "Done", 60, "the other role's step")
    assert step(weather.stage, name, "run")["state"] == "Pending"


def test_failed_build_that_is_built_again_goes_on_by_itself(weather: Weather) -> None:
    weather.stalled("ProvisioningFailed", "unbuilt")
    weather.stage.simulator.send("PUT", f"{HOSTS}/{fqdn('unbuilt')}", {"host": {"build": True}})
    weather.stage.ready("unbuilt")
    assert failed(weather.stage, "unbuilt") == {}
    assert weather.posted("unbuilt") == 1


def test_refused_host_is_named_with_the_provider_s_words_and_waits_for_a_person(weather: Weather) -> None:
    assert "quota exceeded" in weather.stalled("ProvisioningFailed", "refused")
    assert "quota exceeded" in failed(weather.stage, "refused")[fqdn("refused")]["cause"]
    assert fqdn("refused") not in hosts(weather.stage, "refused")
    assert weather.posted("refused") == 1
    clear(weather.stage, weather.faults["refused"])
    request(weather.stage, "refused")
    weather.stage.ready("refused")
    assert weather.posted("refused") == 2


def test_lost_replies_make_no_doubles(weather: Weather) -> None:
    stage = weather.stage
    stage.ready("lost")
    assert hits(stage, weather.faults["lost"]) == 1
    assert weather.posted("lost") == 1
    expected = [fqdn("lost"), fqdn("lost", 2)]
    assert hosts(stage, "lost") == machines(stage, "lost") == expected
    groups = [row["title"] for row in stage.simulator.rows("hostgroups")]
    assert len(groups) == len(set(groups))
    lost = [one for one in stage.simulator.control("GET", "faults") if one["kind"] == "reply_lost"]
    assert [one["hits"] for one in lost] == [1, 1, 1]
    tokens = [row["description"] for row in stage.simulator.rows("jobs")]
    assert len(tokens) == len(set(tokens))
    for which in ("Quiesce", "run", "PeriodicPuppet"):
        assert succeeded(stage, "lost", which) == expected, which


def test_build_that_never_ends_is_named(weather: Weather) -> None:
    assert fqdn("endless") in weather.stalled("ProvisioningFailed", "endless")
    assert failed(weather.stage, "endless")[fqdn("endless")]["reason"] == "BuildTimeout"


def test_host_that_is_gone_behind_our_back_is_never_made_again_unasked(weather: Weather) -> None:
    stage = weather.stage
    created = ["1"]  # the operator has seen it in a search, and knows that it was there
    until(lambda: [role["created"] for role in stage.status("gone").get("roles", ())] == created, 60, "the host")
    stage.simulator.send("DELETE", f"{HOSTS}/{fqdn('gone')}")
    assert fqdn("gone") in weather.stalled("HostMissing", "gone")
    assert failed(stage, "gone")[fqdn("gone")]["reason"] == "HostMissing"
    stage.operator.kill()
    stage.operator.start()
    edit(stage, "gone", deletionPolicy="Delete")
    weather.stalled("HostMissing", "gone")
    assert weather.posted("gone") == 1
    for row in stage.simulator.rows("vms"):
        if row["name"] == fqdn("gone"):
            stage.simulator.send("DELETE", f"/api/v2/compute_resources/1/available_virtual_machines/{row['uuid']}")
    clear(stage, weather.faults["gone"])
    request(stage, "gone")
    stage.ready("gone")
    assert weather.posted("gone") == 2
