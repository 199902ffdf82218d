"""Every refusal that a client branches on: status and text exactly as a real Foreman 3.12 gave them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.unit.foreman_simulator.conftest import Sim

PUPPET = "/foreman_puppet/api"
INTERNAL = "Internal Server Error: the server was unable to finish the request. "
BAD_NAME = (
    "hostname can contain only lowercase letters, numbers, dashes and dots according to RFC921, RFC952 and RFC1123"
)


def test_logins(sim: Sim) -> None:
    def refused(auth: tuple[str, str] | None) -> str:
        answer = httpx.get(f"{sim.url}/api/v2/status", auth=auth, verify=False)
        assert answer.status_code == 401
        return str(answer.json()["error"]["message"])

    assert refused(("admin", "wrong")) == "Unable to authenticate user admin"
    assert refused(("nobody", "x")) == "Unable to authenticate user nobody"
    assert refused(None) == "Unable to authenticate user "
    assert httpx.get(f"{sim.url}/api/v2/ping", verify=False).status_code == 200


def test_unknown_path_is_404_and_counted(sim: Sim) -> None:
    answer = sim.call("GET", "/api/v2/nonsense")
    assert (answer.status_code, answer.json()) == (404, {"status": 404, "error": "Not Found"})
    assert sim.get("/_simulator/counters")["unknown"] == ["GET /api/v2/nonsense"]


def test_missing_permission_is_named(sim: Sim) -> None:
    sim.plant("users", login="poor", password="poor-password1", permissions=["view_hosts"])
    answer = httpx.get(f"{sim.url}/api/v2/plugins", auth=("poor", "poor-password1"), verify=False)
    assert answer.status_code == 403
    details = "Missing one of the required permissions: view_plugins"
    assert answer.json() == {
        "error": {"message": "Access denied", "details": details, "missing_permissions": ["view_plugins"]}
    }
    jobs = httpx.get(f"{sim.url}/api/v2/job_invocations", auth=("poor", "poor-password1"), verify=False)
    assert jobs.json()["results"] == []


def test_permissions_of_the_service_user(service: Sim) -> None:
    found = service.get("/api/v2/permissions/current_permissions", per_page="200")
    assert found["total"] == 47
    assert {"view_hosts", "create_job_invocations", "edit_external_parameters"} <= {p["name"] for p in found["results"]}


def test_unknown_taxonomy(sim: Sim) -> None:
    answer = sim.call("GET", "/api/v2/hosts", organization_id="99")
    assert (answer.status_code, answer.json()) == (404, {"message": "Organization with id 99 not found"})


def test_body_that_is_no_json(sim: Sim) -> None:
    headers = {"Content-Type": "application/json"}
    broken = sim.http.post("/api/v2/hostgroups", content=b'{"hostgroup":', headers=headers)
    problem = "There was a problem in the JSON you submitted: unexpected end of input at line 1 column 14"
    assert (broken.status_code, broken.json()) == (400, {"status": 400, "error": problem})
    text = sim.http.post("/api/v2/hosts", content=b"{}", headers={"Content-Type": "text/plain"})
    assert text.status_code == 500
    assert text.json()["error"]["message"].startswith(INTERNAL)


@pytest.mark.parametrize(
    "search,message",
    [
        ("nonsense = 1", "Field 'nonsense' not recognized for searching!"),
        ("class = x", "Field 'class' not recognized for searching!"),
        ("name === 1", "Value expected but found :eq"),
        ("hostgroup_id = abc", "Value 'abc' is not valid for field 'id'"),
        (
            "build_status = nonsense",
            "'status' should be one of 'built, pending, token_expired, build_failed', but the query was 'nonsense'",
        ),
    ],
)
def test_bad_searches(sim: Sim, search: str, message: str) -> None:
    answer = sim.call("GET", "/api/v2/hosts", search=search, thin="true")
    assert answer.status_code == 400
    assert answer.json() == {"error": {"message": message, "class": "ScopedSearch::QueryNotSupported"}}


def test_bad_order_and_broken_quote(sim: Sim) -> None:
    answer = sim.call("GET", "/api/v2/hosts", order="nonsense ASC")
    assert (
        answer.json()["error"]["message"] == "the field 'nonsense' in the order statement is not valid field for search"
    )
    assert sim.get("/api/v2/hosts", search='name = "x')["results"] == []


def test_paging(sim: Sim) -> None:
    group = sim.group()["id"]
    for name in "abc":
        sim.host(name, group)
    assert sim.get("/api/v2/hosts", per_page="0")["results"] == []
    assert len(sim.get("/api/v2/hosts", per_page="all")["results"]) == 3
    assert sim.get("/api/v2/hosts", page="9")["results"] == []
    keys = sim.get(f"{PUPPET}/smart_class_parameters", per_page="all")
    assert (keys["results"], keys["total"]) == ([], 31)
    assert len(sim.get("/api/v2/hosts", thin="false")["results"][0]) == 2


@pytest.mark.parametrize(
    "name,errors",
    [
        ("taken", {"name": ["has already been taken"]}),
        ("TAKEN", {"name": ["has already been taken"]}),
        ("taken.lab.example.com", {"name": ["has already been taken"]}),
        ("a_b", {"interfaces.name": [BAD_NAME], "name": [BAD_NAME]}),
        ("a.b", {"interfaces.name": ["must not include periods"], "name": ["must not include periods"]}),
        ("", {"name": ["can't be blank", BAD_NAME]}),
    ],
)
def test_host_names(sim: Sim, name: str, errors: dict[str, list[str]]) -> None:
    group = sim.group()["id"]
    sim.host("taken", group)
    refused = sim.post("/api/v2/hosts", sim.host_body(name, group), status=422)
    assert refused["error"]["errors"] == errors
    if name == "taken":
        assert refused["error"]["full_messages"] == ["Name has already been taken"]


def test_name_of_an_invisible_host_is_taken_too(sim: Sim, service: Sim) -> None:
    other = sim.plant("organizations", name="Other")
    sim.plant("hosts", name="a.lab.example.com", organization_id=other["id"])
    assert service.names("name = a.lab.example.com") == []
    group = sim.group(organization_ids=[1], location_ids=[2])["id"]
    refused = service.post("/api/v2/hosts", service.host_body("a", group), status=422)
    assert refused["error"]["errors"] == {"name": ["has already been taken"]}


def test_host_references(sim: Sim) -> None:
    group = sim.group()["id"]
    unknown = sim.post("/api/v2/hosts", sim.host_body("a", 999999), status=404)
    assert unknown == {"error": {"message": "Resource host not found by id ''"}}
    resource = sim.post("/api/v2/hosts", sim.host_body("a", group, compute_resource_id=99), status=422)
    text = "with id 99 doesn't exist or is not assigned to proper organization and/or location"
    assert resource["error"]["errors"] == {"compute_resource_id": [text]}
    organization = sim.post("/api/v2/hosts", sim.host_body("a", group, organization_id=99), status=500)
    assert organization["error"]["message"].startswith(
        'PG::ForeignKeyViolation: ERROR:  insert or update on table "hosts"'
    )
    outside = sim.post("/api/v2/hosts", sim.host_body("a", group, ip="203.0.113.4"), status=422)
    assert outside["error"]["errors"] == {"interfaces.ip": ["does not match selected subnet"]}
    volume = {"start": "1", "volumes_attributes": {"0": {"capacity": "bogus"}}}
    refused = sim.post("/api/v2/hosts", sim.host_body("a", group, compute_attributes=volume), status=422)
    assert refused["error"]["errors"]["base"][0].startswith(
        "Failed to create a compute libvirt-test (Libvirt) instance a.lab."
    )
    assert sim.rows("vms") == []
    bad = [{"name": "n", "value": "abc", "parameter_type": "integer"}]
    typed = sim.post("/api/v2/hosts", sim.host_body("a", group, host_parameters_attributes=bad), status=422)
    assert typed["error"]["errors"] == {"host_parameters.value": ["is invalid integer"]}


def test_refused_posts_burn_addresses_for_half_an_hour(sim: Sim) -> None:
    group = sim.group()["id"]
    bad = {"start": "1", "volumes_attributes": {"0": {"capacity": "bogus"}}}
    sim.post("/api/v2/hosts", sim.host_body("a", group, compute_attributes=bad), status=422)
    assert sim.host("a", group)["ip"] == "198.18.1.2"
    sim.advance(1801)
    assert sim.host("b", group)["ip"] == "198.18.1.1"


def test_host_parameters_are_replaced_by_a_put(sim: Sim) -> None:
    host = sim.host("a", sim.group()["id"], host_parameters_attributes=[{"name": "foreman_stacks", "value": "mine"}])
    path = f"/api/v2/hosts/{host['id']}"
    changed = sim.put(path, {"host": {"host_parameters_attributes": [{"name": "other", "value": "1"}]}})
    assert [p["name"] for p in changed["parameters"]] == ["other"]
    assert sim.names('params.foreman_stacks ~ "mine"') == []


def test_vm_and_host_go_separately(sim: Sim) -> None:
    one, two = (sim.host(name, sim.base()) for name in "ab")
    vms = f"/api/v2/compute_resources/{one['compute_resource_id']}/available_virtual_machines"
    sim.delete(f"/api/v2/hosts/{one['id']}")
    assert [vm["name"] for vm in sim.rows("vms")] == ["a.lab.example.com", "b.lab.example.com"]
    sim.delete(f"{vms}/{two['uuid']}")
    sim.delete(f"{vms}/{two['uuid']}")
    gone = sim.put(f"/api/v2/hosts/{two['id']}", {"host": {"comment": "x"}}, status=422)
    text = "Failed to find compute attributes, please check if VM b.lab.example.com was deleted"
    assert gone["error"]["errors"] == {"base": [text]}
    sim.delete(f"/api/v2/hosts/{two['id']}")
    again = sim.delete(f"/api/v2/hosts/{two['id']}", status=404)
    assert again == {"error": {"message": f"Resource host not found by id '{two['id']}'"}}


def test_hostgroups(sim: Sim) -> None:
    parent = sim.group("parent")
    child = sim.post("/api/v2/hostgroups", {"hostgroup": {"name": "child", "parent_id": parent["id"]}})
    taken = sim.post("/api/v2/hostgroups", {"hostgroup": {"name": "PARENT", "parent_id": sim.base()}}, status=422)
    assert taken["error"]["full_messages"] == ["Name has already been taken"]
    unknown = sim.post("/api/v2/hostgroups", {"hostgroup": {"name": "x", "parent_id": 99}}, status=404)
    assert unknown == {"error": {"message": "Resource hostgroup not found by id ''"}}
    nested = sim.delete(f"/api/v2/hostgroups/{parent['id']}", status=409)
    title = "Base/Debian 12/parent"
    assert nested == {"message": f"Cannot delete group {title} because it has nested host groups."}
    sim.host("a", child["id"])
    used = sim.delete(f"/api/v2/hostgroups/{child['id']}", status=422)
    assert used["error"]["errors"] == {"base": [f"{title}/child is used by a.lab.example.com"]}
    twice = [{"name": "n", "value": "1"}, {"name": "n", "value": "2"}]
    body = {"hostgroup": {"name": "y", "group_parameters_attributes": twice}}
    unique = sim.post("/api/v2/hostgroups", body, status=422)
    assert unique["error"]["errors"] == {"group_parameters": ["Please ensure the following parameters name are unique"]}


def test_a_class_of_the_parent_is_dropped(sim: Sim) -> None:
    parent = sim.group("parent", ("role_app",))
    facet = {
        "environment_id": sim.environment(),
        "puppetclass_ids": [sim.puppetclass("role_app"), sim.puppetclass("role_db")],
    }
    body = {"name": "child", "parent_id": parent["id"], "puppet_attributes": facet}
    child = sim.post("/api/v2/hostgroups", {"hostgroup": body})
    assert [c["name"] for c in child["puppetclasses"]] == ["role_db"]
    assert [c["name"] for c in child["all_puppetclasses"]] == ["role_app", "role_db"]


def test_override_values(sim: Sim) -> None:
    key = sim.switch_on("role_app", "limits", "hash")
    sim.group("g", ("role_app",))
    path = f"{PUPPET}/smart_class_parameters/{key}/override_values"

    def refused(match: str, value: object) -> str:
        return str(sim.post(path, {"override_value": {"match": match, "value": value}}, status=500)["error"]["message"])

    ours = "hostgroup=Base/Debian 12/g"
    assert refused(ours, {"cpu": 2}) == "Validation failed: Value is invalid hash"
    assert refused("fqdn=nobody", "{}") == "Validation failed: Match fqdn=nobody does not match an existing host"
    assert (
        refused("hostgroup=no", "{}") == "Validation failed: Match hostgroup=no does not match an existing host group"
    )
    assert refused("foo=x", "{}") == "Validation failed: Match foo does not exist in order field"
    assert sim.post(path, {"override_value": {"match": ours, "value": '{"cpu": 2}'}})["value"] == {"cpu": 2}
    assert refused(ours, "{}") == "Validation failed: Match has already been taken, Match has already been taken"
    missing = sim.call("GET", f"{path}/nosuch")
    assert missing.json() == {"error": {"message": "Resource override_value not found by id 'nosuch'"}}
    unknown = sim.call("GET", f"{PUPPET}/smart_class_parameters/999")
    assert unknown.json() == {"message": "Smart class parameter not found by id '999''"}


def test_imported_defaults_and_strangers(sim: Sim) -> None:
    keys = {
        k["parameter"]: k
        for k in sim.get(f"{PUPPET}/smart_class_parameters", search="puppetclass = zookeeper", per_page="50")["results"]
    }
    assert (keys["install_java"]["parameter_type"], keys["install_java"]["default_value"]) == ("string", "false")
    assert (keys["client_ip"]["parameter_type"], keys["client_ip"]["default_value"]) == ("string", "undef")
    assert (keys["servers"]["parameter_type"], keys["servers"]["default_value"]) == ("array", [])
    ours, theirs = sim.group("ours", ("zookeeper",)), sim.group("theirs", ("zookeeper",))
    stranger = sim.host("b", theirs["id"])
    path = f"{PUPPET}/smart_class_parameters/{keys['client_port']['id']}/override_values"
    sim.post(path, {"override_value": {"match": f"hostgroup={ours['title']}", "value": "1"}})
    assert sim.get(f"/api/v2/hosts/{stranger['id']}/enc")["data"]["classes"] == {"zookeeper": {"client_port": 2181}}
    sim.switch_on("zookeeper", "client_port", "integer")
    assert sim.get(f"/api/v2/hosts/{stranger['id']}/enc")["data"]["classes"] == {"zookeeper": None}
    bad = {"smart_class_parameter": {"override": True, "omit": False, "parameter_type": "hash"}}
    refused = sim.put(f"{PUPPET}/smart_class_parameters/{keys['client_port']['id']}", bad, status=500)
    assert refused == {"error": {"message": "Validation failed: Default value is invalid"}}


def test_bulk_moves(sim: Sim) -> None:
    old, new = sim.group("old"), sim.group("new")
    host = sim.host("a", old["id"])
    path = "/api/v2/hosts/bulk/reassign_hostgroup"

    def move(included: dict[str, object], group: int, status: int = 200) -> object:
        return sim.put(path, {"organization_id": 1, "included": included, "hostgroup_id": group}, status=status)

    nobody = {"error": {"message": "No hosts matched search, or action unauthorized for selected hosts."}}
    assert move({"ids": [999]}, new["id"], 403) == nobody
    assert move({}, new["id"], 400) == {"error": {"message": "No hosts have been specified"}}
    assert move({"ids": [host["id"]]}, 999, 500) == {"status": 500, "error": "Internal Server Error"}
    assert move({"ids": [host["id"], 999]}, new["id"]) == {"message": "Reassigned 1 host to hostgroup new"}
    assert move({"search": f"hostgroup_id = {new['id']}"}, old["id"]) == {
        "message": "Reassigned 0 hosts to hostgroup old"
    }
    assert sim.names(f"hostgroup_id = {old['id']}") == ["a.lab.example.com"]


def test_job_refusals(sim: Sim) -> None:
    host = sim.ready_host("a", sim.base())["id"]

    def refused(status: int, **body: object) -> object:
        return sim.post("/api/v2/job_invocations", {"job_invocation": body}, status=status)["error"]["message"]

    assert refused(404, feature="nosuch", host_ids=[host]) == "Template with id '' was not found"
    text = "Validation failed: Template run command - script default: Not all required inputs have values. Missing inputs: command"
    assert refused(500, feature="run_script", host_ids=[host]) == text
    missing = 'Couldn\'t find Host::Managed with \'id\'=99 [WHERE "hosts"."type" = $1]'
    assert refused(422, feature="run_script", host_ids=[99], inputs={"command": "true"}) == missing
    body = {
        "feature": "run_script",
        "targeting_type": "static_query",
        "search_query": "name = nobody",
        "inputs": {"command": "true"},
    }
    none = sim.post("/api/v2/job_invocations", {"job_invocation": body})
    assert (none["total"], none["description"]) == (0, "Run true")
