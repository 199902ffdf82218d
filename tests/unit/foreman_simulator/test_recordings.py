"""The scenario `recordings` holds what our recordings of a real Foreman need before their first exchange."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from foreman_simulator.world import Settings
from tests.unit.foreman_simulator.conftest import OPTIONS, Background, Sim

PUPPET = "/foreman_puppet/api"
#: what the service user's role grants (foreman-measured.md §7)
GRANTED = """
    view_hosts create_hosts edit_hosts destroy_hosts view_hostgroups create_hostgroups edit_hostgroups destroy_hostgroups
    view_params create_params edit_params destroy_params view_compute_resources view_compute_profiles
    view_compute_resources_vms create_compute_resources_vms destroy_compute_resources_vms
    view_organizations assign_organizations view_locations assign_locations
    view_subnets view_domains view_operatingsystems view_architectures view_media view_ptables
    view_smart_proxies view_plugins view_settings view_config_reports view_puppetclasses view_environments edit_classes
    view_external_parameters create_external_parameters edit_external_parameters destroy_external_parameters
    view_job_invocations create_job_invocations cancel_job_invocations create_template_invocations view_job_templates
    view_remote_execution_features view_foreman_tasks
"""
#: type and default of each class parameter: an import takes Boolean and undef for strings (foreman-measured.md §4)
IMPORTED = {
    ("role_db", "port"): ("integer", 5432),
    ("role_db", "db_name"): ("string", "app"),
    ("role_db", "replicas"): ("array", []),
    ("role_db", "fail"): ("string", "false"),
    ("role_db", "sleep"): ("integer", 0),
    ("role_app", "db_url"): ("string", "undef"),
    ("role_app", "workers"): ("integer", 2),
    ("role_app", "debug"): ("string", "false"),
    ("role_app", "limits"): ("hash", {}),
    ("role_app", "fail"): ("string", "false"),
    ("role_app", "sleep"): ("integer", 0),
}


@pytest.fixture
def recorded() -> Iterator[Sim]:
    background = Background(Settings(scenario="recordings"))
    client = Sim(background.url)
    yield client
    client.http.close()
    background.stop()


def listed(sim: Sim, path: str, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sim.get(path, per_page="100", **query)["results"]
    return found


def names(sim: Sim, path: str, **query: str) -> list[str]:
    return sorted(row["name"] for row in listed(sim, path, **query))


def test_users_and_where_they_belong(recorded: Sim) -> None:
    assert names(recorded, "/api/v2/organizations") == ["Default Organization"]
    assert names(recorded, "/api/v2/locations") == ["Default Location"]
    service = Sim(recorded.url, ("svc", "svc-password1"))
    for client, login, admin in ((recorded, "admin", True), (service, "svc", False)):
        user = client.get("/api/v2/current_user")
        assert (user["login"], user["admin"]) == (login, admin)
        assert (user["auth_source_id"], user["auth_source_name"]) == (1, "Internal")
        assert [row["name"] for row in user["organizations"]] == ["Default Organization"]
        assert [row["name"] for row in user["locations"]] == ["Default Location"]
    assert set(names(service, "/api/v2/permissions/current_permissions")) == set(GRANTED.split())
    service.http.close()


def test_base_has_all_that_a_host_needs_but_a_puppet_facet(recorded: Sim) -> None:
    (base,) = listed(recorded, "/api/v2/hostgroups")
    shown = recorded.get(f"/api/v2/hostgroups/{base['id']}")
    assert (shown["title"], shown["parameters"]) == ("Base", [])
    expected = {
        "operatingsystem": "Debian 12", "architecture": "x86_64", "medium": "Debian lab", "ptable": "Preseed default",
        "domain": "lab.example.com", "subnet": "lab", "compute_resource": "libvirt-test", "compute_profile": "1-Small",
    }  # fmt: skip
    assert {key: shown[f"{key}_name"] for key in expected} == expected
    assert not {"environment_id", "environment_name", "puppetclasses"} & shown.keys()
    (subnet,) = recorded.rows("subnets")  # nothing that is recorded reads subnets
    assert (subnet["network"], subnet["mask"]) == ("198.18.0.0", "255.255.0.0")
    assert (subnet["from"], subnet["to"]) == ("198.18.1.1", "198.18.200.250")
    assert (subnet["ipam"], subnet["boot_mode"]) == ("Internal DB", "Static")


def test_compute_resource_and_profiles(recorded: Sim) -> None:
    (resource,) = listed(recorded, "/api/v2/compute_resources")
    assert (resource["name"], resource["provider"]) == ("libvirt-test", "Libvirt")
    attributes = {
        row["name"]: recorded.get(f"/api/v2/compute_profiles/{row['id']}")["compute_attributes"]
        for row in listed(recorded, "/api/v2/compute_profiles")
    }
    found = {profile: [each["compute_resource_name"] for each in rows] for profile, rows in attributes.items()}
    assert found == {"1-Small": ["libvirt-test"], "2-Medium": [], "3-Large": []}


def test_smart_proxy_and_features_of_remote_execution(recorded: Sim) -> None:
    (proxy,) = listed(recorded, "/api/v2/smart_proxies")
    assert proxy["name"] == "proxy1"
    assert {feature["name"] for feature in proxy["features"]} == {"Dynflow", "Script", "Puppet", "Logs"}
    features = listed(recorded, "/api/v2/remote_execution_features")
    assert {row["label"]: row["job_template_name"] for row in features} == {
        "run_script": "Run Command - Script Default", "puppet_run_host": "Puppet Run Once - Script Default",
    }  # fmt: skip


def test_classes_and_their_keys_as_imported(recorded: Sim) -> None:
    assert names(recorded, f"{PUPPET}/environments") == ["production", "staging"]
    for row in listed(recorded, f"{PUPPET}/environments"):
        path = f"{PUPPET}/environments/{row['id']}/puppetclasses"
        assert names(recorded, path, style="list") == ["role_app", "role_db"]
    keys = listed(recorded, f"{PUPPET}/smart_class_parameters")
    found = {(key["puppetclass_name"], key["parameter"]): (key["parameter_type"], key["default_value"]) for key in keys}
    assert found == IMPORTED
    untouched = {(key["override"], key["omit"], key["hidden_value?"], key["override_values_count"]) for key in keys}
    assert untouched == {(False, None, False, 0)}


def test_hosts_are_unmanaged_and_run_puppet_only_when_told_to(recorded: Sim) -> None:
    hosts = listed(recorded, "/api/v2/hosts")
    assert {row["name"]: (row["ip"], row["managed"]) for row in hosts} == {
        "db1.lab.example.com": ("127.0.0.11", False),
        "app1.lab.example.com": ("127.0.0.12", False),
        "app2.lab.example.com": ("127.0.0.13", False),
    }
    assert {row["domain_name"] for row in hosts} == {"lab.example.com"}
    reports = recorded.get("/api/v2/config_reports")["subtotal"]
    recorded.advance(2 * 3600)
    assert recorded.get("/api/v2/config_reports")["subtotal"] == reports
    job = recorded.job("puppet_run_host", [row["id"] for row in hosts], OPTIONS)
    assert recorded.finished(job)["succeeded"] == 3
    assert recorded.get("/api/v2/config_reports")["subtotal"] == reports + 3


def test_a_host_on_libvirt_gets_an_address_and_a_mac(recorded: Sim) -> None:
    (base,) = listed(recorded, "/api/v2/hostgroups")
    host = recorded.host("new", base["id"])
    assert host["ip"] == "198.18.1.1"
    assert host["mac"]
    assert host["uuid"]
