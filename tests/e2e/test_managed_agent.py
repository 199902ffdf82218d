"""Where a site's own class `puppet` manages the agent, it stays quiet until the end all the same."""

from tests.e2e.stage import Stage, until
from tests.e2e.weather import DOMAIN


def plant_managed_parent(stage: Stage) -> str:
    """A parent hostgroup that brings class `puppet`, as theforeman-puppet users have it; its title."""
    group = next(row for row in stage.simulator.rows("hostgroups") if row["title"] == "Base/Debian 12")
    puppet = next(row for row in stage.simulator.rows("puppetclasses") if row["name"] == "puppet")
    base = f"/foreman_puppet/api/hostgroups/{group['id']}/puppetclass_ids"
    stage.simulator.send("POST", base, {"puppetclass_id": puppet["id"]})
    return str(group["title"])


def test_class_puppet_is_held_at_none_and_freed_at_the_end(stage: Stage) -> None:
    parent = plant_managed_parent(stage)
    stage.stack()
    stage.deployment(parentHostgroup=parent, roles=_roles(3))
    assert until(lambda: _runmodes(stage), what="our override of puppet::runmode") == {"none"}
    stage.ready()
    assert _runmodes(stage) == set()
    triggered = [
        entry for entry in stage.simulator.audit() if entry.get("class") == "puppet" and entry["cause"] == "triggered"
    ]
    modes = [entry["parameters"].get("runmode", "service") for entry in triggered]
    assert modes[:6] == ["none"] * 6, "no run of ours may start the service before the end"
    assert modes[-3:] == ["service"] * 3, "one last checked run of every host starts it again"
    before = len(_by_itself(stage))
    stage.simulator.control("POST", "clock", {"advance": 3600})
    until(lambda: len(_by_itself(stage)) > before, what="agents run by themselves again")


def test_a_runmode_of_the_site_that_would_win_is_named_before_any_run(stage: Stage) -> None:
    parent = plant_managed_parent(stage)
    about = {"class": "puppet", "parameter": "runmode"}
    order = {**about, "override": True, "override_value_order": "domain\nhostgroup"}
    value = {**about, "match": f"domain={DOMAIN}", "value": "service"}
    planted = [
        {"resource": "smart_class_parameters", "object": order},
        {"resource": "override_values", "object": value},
    ]
    stage.simulator.control("POST", "plant", planted)
    stage.stack()
    stage.deployment(parentHostgroup=parent, roles=_roles(3))
    message = stage.stalled("Shadowed")
    assert "puppet::runmode on " in message
    assert f"is shadowed by domain={DOMAIN}: 'service' instead of 'none'" in message
    runs = [entry for entry in stage.simulator.audit() if entry["event"] == "run_started"]
    assert {entry["cause"] for entry in runs} <= {"daemon"}, "no run of ours before it is told"
    row = next(row for row in stage.simulator.rows("override_values") if row["match"] == value["match"])
    place = f"/foreman_puppet/api/smart_class_parameters/{row['key_id']}/override_values/{row['id']}"
    stage.simulator.send("DELETE", place)
    stage.ready()


def _roles(count: int) -> list[dict[str, object]]:
    source = {"name": "libvirt", "computeResource": {"name": "libvirt-test", "profile": "1-Small"}}
    return [{"name": "zk", "count": count, "sources": [source]}]


def _runmodes(stage: Stage) -> set[str]:
    keys = {row["id"] for row in stage.simulator.rows("class_parameters") if row["parameter"] == "runmode"}
    values = stage.simulator.rows("override_values")
    return {str(row["value"]) for row in values if row["key_id"] in keys}


def _by_itself(stage: Stage) -> list[dict[str, object]]:
    return [
        entry for entry in stage.simulator.audit() if entry["event"] == "run_started" and entry["cause"] == "daemon"
    ]
