"""Each numbered point of foreman-measured.md §1 that a server can show, by its number."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from foreman_simulator.world import Settings
from tests.unit.foreman_simulator.conftest import Background, Sim

PUPPET = "/foreman_puppet/api"
VERBOSE = {"puppet_options": "--verbose --color=false --no-splay"}


def test_measured_1_01_native_arrays_and_hashes_are_dropped(sim: Sim) -> None:
    group = sim.group()
    path = f"/api/v2/hostgroups/{group['id']}/parameters"
    made = sim.post(path, {"parameter": {"name": "servers", "value": ["a"], "parameter_type": "array"}})
    assert made["value"] is None
    assert sim.put(f"{path}/servers", {"parameter": {"value": '["a"]'}})["value"] == ["a"]
    assert sim.put(f"{path}/servers", {"parameter": {"value": ["b"]}})["value"] == ["a"]
    native = sim.post(path, {"parameter": {"name": "limits", "value": {"a": 1}, "parameter_type": "hash"}})
    assert native["value"] is None
    assert len(sim.get("/_simulator/counters")["dropped"]) == 3


def test_measured_1_02_no_environment_without_a_facet(sim: Sim) -> None:
    bare = sim.post("/api/v2/hostgroups", {"hostgroup": {"name": "bare", "parent_id": sim.base()}})
    role = sim.group("role", ("role_db",))
    assert "environment_id" not in bare
    host = sim.host("a", bare["id"])
    assert "environment_id" not in host
    assert sim.get(f"/api/v2/hosts/{host['id']}/enc")["data"]["classes"] == []
    move = {"organization_id": 1, "included": {"ids": [host["id"]]}, "hostgroup_id": role["id"]}
    told = sim.put("/api/v2/hosts/bulk/reassign_hostgroup", move)
    assert told == {"message": "Reassigned 1 host to hostgroup role"}
    assert sim.names(f"hostgroup_id = {role['id']} and environment = production") == []
    assert sim.names(f"hostgroup_id = {role['id']} and null? environment") == ["a.lab.example.com"]
    sim.put(f"/api/v2/hosts/{host['id']}", {"host": {"hostgroup_id": role["id"]}})
    assert sim.names(f"hostgroup_id = {role['id']} and environment = production") == ["a.lab.example.com"]
    enc = sim.get(f"/api/v2/hosts/{host['id']}/enc")["data"]
    assert (enc["classes"], enc["environment"]) == ({"role_db": None}, "production")


def test_measured_1_03_thin_searches_answer_every_question(sim: Sim) -> None:
    group = sim.group()
    sim.control("faults", {"kind": "boots", "body": "none"})  # agents that do not report by themselves
    one, two = sim.host("a", group["id"]), sim.host("b", group["id"])
    here = f"hostgroup_id ^ ({group['id']})"
    both = ["a.lab.example.com", "b.lab.example.com"]
    assert sim.names(f"{here} and build_status = pending") == both
    assert sim.names(f"{here} and build_status = built and set? installed_at") == []
    sim.control("faults", {"kind": "build_fails", "host": "b.*"})
    sim.advance(200)
    assert sim.names(f"{here} and build_status = built and set? installed_at") == both[:1]
    assert sim.names(f"{here} and build_status = build_failed") == both[1:]
    assert sim.names(f"{here} and build = false and set? installed_at") == both
    assert sim.names(f"{here} and null? uuid") == []
    assert sim.names(f'{here} and last_report > "2020-01-01 00:00:00"') == []
    sim.control("agent", {"host": "a", "do": "run"})
    since = f'{here} and last_report > "2020-01-01 00:00:00"'
    sim.until(lambda: sim.names(since) == both[:1])
    assert sim.names(f'{here} and last_report > "2100-01-01 00:00:00"') == []
    failed = sim.get(f"/api/v2/hosts/{two['id']}")
    assert (failed["build"], failed["build_status"], failed["build_status_label"]) == (False, 3, "Installation error")
    assert failed["installed_at"] is not None
    assert sim.get(f"/api/v2/hosts/{one['id']}")["build_status"] == 0
    counted = sim.get("/api/v2/hosts", search=here, thin="true", per_page="1")
    assert (counted["subtotal"], len(counted["results"])) == (2, 1)
    assert sim.get("/_simulator/counters")["rows"] == {"hostgroups": 1, "hosts": 2}
    ids = [f"id ^ ({','.join(str(i) for i in range(count))})" for count in (1_000, 2_000)]
    assert sim.names(ids[0]) == both
    assert sim.call("GET", "/api/v2/hosts", search=ids[1], thin="true").status_code == 400


def test_measured_1_03_thin_lists_come_by_name_whatever_order_is_asked(sim: Sim) -> None:
    group = sim.group()
    for name in ("b", "a"):
        sim.host(name, group["id"])
    thin = sim.get("/api/v2/hosts", search=f"hostgroup_id = {group['id']}", thin="true", order="id ASC")
    full = sim.get("/api/v2/hosts", search=f"hostgroup_id = {group['id']}", order="id ASC")
    assert [row["name"][0] for row in thin["results"]] == ["a", "b"]
    assert [row["name"][0] for row in full["results"]] == ["b", "a"]


def test_measured_1_04_results_per_host_are_ahead_of_the_job(sim: Sim) -> None:
    host = sim.ready_host("a", sim.group()["id"])
    job = sim.job("run_script", [host["id"]], {"command": "exit 0"})
    search = f"job_invocation.id = {job['id']} and job_invocation.result = success"
    sim.until(lambda: sim.names(search), step=0.5)
    document = sim.get(f"/api/v2/job_invocations/{job['id']}")
    assert (document["status_label"], document["succeeded"], document["pending"]) == ("running", 0, 1)
    done = sim.finished(job)
    assert (done["status_label"], done["succeeded"], done["failed"], done["total"]) == ("succeeded", 1, 0, 1)


def test_measured_1_05_everything_of_a_hostgroup_in_one_post(sim: Sim) -> None:
    key = sim.switch_on("role_db", "replicas", "array")
    values = {"0": {"lookup_key_id": key, "value": '["x"]'}}
    mark = [{"name": "foreman_stacks", "value": "v1 lab/ns/dep Created role=zk"}]
    group = sim.group("all", ("role_db",), group_parameters_attributes=mark, lookup_values_attributes=values)
    assert [p["value"] for p in group["parameters"]] == ["v1 lab/ns/dep Created role=zk"]
    listed = sim.get(f"{PUPPET}/smart_class_parameters/{key}/override_values")["results"]
    assert [(v["match"], v["value"]) for v in listed] == [("hostgroup=Base/Debian 12/all", ["x"])]
    path = f"/api/v2/hostgroups/{group['id']}"
    taken = sim.put(path, {"hostgroup": {"lookup_values_attributes": values}}, status=422)
    assert taken["error"]["errors"] == {"lookup_values.match": ["has already been taken"] * 2}
    again = {"0": {"id": listed[0]["id"], "lookup_key_id": key, "value": '["y"]'}}
    sim.put(path, {"hostgroup": {"lookup_values_attributes": again}})
    match = "hostgroup%3DBase%2FDebian%2012%2Fall"
    assert sim.get(f"{PUPPET}/smart_class_parameters/{key}/override_values/{match}")["value"] == ["y"]
    as_array = {"hostgroup": {"name": "b", "lookup_values_attributes": [values["0"]]}}
    sim.post("/api/v2/hostgroups", as_array, status=500)
    unknown = {"hostgroup": {"name": "b", "lookup_values_attributes": {"0": {"lookup_key_id": 999, "value": "1"}}}}
    sim.post("/api/v2/hostgroups", unknown, status=500)
    off = sim.key("role_db", "port")
    sim.host("a", group["id"], lookup_values_attributes={"0": {"lookup_key_id": off, "value": "1"}})
    assert sim.get(f"{PUPPET}/smart_class_parameters/{off}")["override"] is False
    wrong = sim.host_body("b", group["id"], lookup_values_attributes={"0": {"lookup_key_id": off, "value": "x"}})
    refused = sim.post("/api/v2/hosts", wrong, status=422)
    assert refused["error"]["errors"] == {"lookup_values.value": ["is invalid integer"]}


def test_measured_1_06_profile_without_attributes(sim: Sim) -> None:
    group = sim.group()["id"]
    large = sim.get("/api/v2/compute_profiles", search='name = "3-Large"')["results"][0]["id"]
    assert sim.get(f"/api/v2/compute_profiles/{large}")["compute_attributes"] == []
    refused = sim.post("/api/v2/hosts", sim.host_body("a", group, compute_profile_id=large), status=422)
    assert refused["error"]["errors"]["base"][0].startswith(
        "Could not find virtual machine network interface matching 198.18."
    )
    made = sim.host("a", group, compute_profile_id=large, compute_attributes=None)
    assert (made["uuid"], made["mac"]) == (None, None)
    assert sim.names("null? uuid") == ["a.lab.example.com"]
    sim.advance(3600)
    assert sim.names("build_status = pending") == ["a.lab.example.com"]


def test_measured_1_07_start_one(sim: Sim) -> None:
    group = sim.group()["id"]
    on, off = sim.host("a", group), sim.host("b", group, compute_attributes={})
    assert sim.get(f"/api/v2/hosts/{on['id']}/power")["state"] == "on"
    assert sim.get(f"/api/v2/hosts/{off['id']}/power")["state"] == "off"
    sim.advance(3600)
    assert sim.names("build_status = built and set? installed_at") == ["a.lab.example.com"]
    sim.put(f"/api/v2/hosts/{off['id']}/power", {"power_action": "start"})
    sim.advance(200)
    assert sim.names("build = true") == []


def test_measured_1_08_puppet_tells_nothing_without_verbose(sim: Sim) -> None:
    host = sim.ready_host("a", sim.group("g", ("role_db",))["id"])
    sim.control("agent", {"host": "a", "do": "disable"})
    loud = sim.job("puppet_run_host", [host["id"]], VERBOSE)
    assert sim.finished(loud)["failed"] == 1
    notice = "Notice: Skipping run of Puppet configuration client; administratively disabled (Reason: 'by an administrator');"
    end = "Exit status: 1StandardError: Job execution failed"
    assert sim.text(loud) == f"{notice}\nUse 'puppet agent --enable' to re-enable.\n{end}"
    quiet = sim.job("puppet_run_host", [host["id"]], {})
    sim.finished(quiet)
    assert sim.text(quiet) == end
    sim.control("agent", {"host": "a", "do": "enable"})
    sim.control("faults", {"kind": "in_progress", "host": "a.*", "count": 1})
    busy = sim.job("puppet_run_host", [host["id"]], VERBOSE)
    sim.finished(busy)
    skipping = "Notice: Run of Puppet configuration client already in progress; skipping  ("
    assert sim.text(busy).startswith(
        f"{skipping}/var/cache/puppet/state/agent_catalog_run.lock exists)\nExit status: 1"
    )
    assert sim.get("/api/v2/config_reports")["subtotal"] == 0


def test_measured_1_08_failed_resources_exit_zero(sim: Sim) -> None:
    host = sim.ready_host("a", sim.group("g", ("role_db",))["id"])
    sim.plant("smart_class_parameters", **{"class": "role_db"}, parameter="fail", parameter_type="boolean", omit=True)
    sim.plant("override_values", **{"class": "role_db"}, parameter="fail", match="fqdn=a.lab.example.com", value=True)
    job = sim.job("puppet_run_host", [host["id"]], VERBOSE)
    done = sim.finished(job)
    assert (done["status_label"], done["succeeded"]) == ("succeeded", 1)
    report = sim.get("/api/v2/config_reports", search=f"host_id ^ ({host['id']})")["results"][0]
    assert report["status"] == {
        "applied": 1,
        "restarted": 0,
        "failed": 3,
        "failed_restarts": 0,
        "skipped": 1,
        "pending": 0,
    }
    logs = sim.get(f"/api/v2/config_reports/{report['id']}")["logs"]
    assert [line["level"] for line in logs].count("err") == 2
    assert sim.get(f"/api/v2/hosts/{host['id']}")["configuration_status_label"] == "Error"


def _at_once(url: str, bodies: list[dict[str, Any]], path: str) -> list[int]:
    def one(body: dict[str, Any]) -> int:
        return httpx.post(url + path, json=body, auth=("admin", "changeme"), verify=False).status_code

    with ThreadPoolExecutor(len(bodies)) as pool:
        return sorted(pool.map(one, bodies))


def test_measured_1_09_the_name_race_is_real(sim: Sim) -> None:
    group = sim.group()["id"]
    sim.control("faults", {"kind": "hold", "method": "POST", "seconds": 0.3})
    metal = sim.host_body("metal", group, compute_resource_id=None, compute_profile_id=None, mac="00:16:3e:00:00:01")
    assert _at_once(sim.url, [metal, metal, metal], "/api/v2/hosts") == [201, 201, 201]
    assert len(sim.names("name = metal.lab.example.com")) == 3
    assert _at_once(sim.url, [sim.host_body("vm", group)] * 3, "/api/v2/hosts") == [201, 422, 422]
    assert len([vm for vm in sim.rows("vms") if vm["name"] == "vm.lab.example.com"]) == 1
    twice = {"hostgroup": {"name": "twice", "parent_id": group}}
    assert _at_once(sim.url, [twice, twice], "/api/v2/hostgroups") == [201, 201]
    mark = {"parameter": {"name": "foreman_stacks", "value": "mine"}}
    assert _at_once(sim.url, [mark, mark], f"/api/v2/hostgroups/{group}/parameters") == [201, 500]


def test_measured_1_09_a_row_without_a_type_is_404_ever_after(sim: Sim) -> None:
    group = sim.group()["id"]
    sim.control("faults", {"kind": "no_type", "host": "a", "count": 1})
    made = sim.host("a", group)
    assert [vm["uuid"] for vm in sim.rows("vms")] == [made["uuid"]]
    sim.advance(3600)
    assert sim.call("GET", f"/api/v2/hosts/{made['id']}").status_code == 404
    assert sim.names("name = a.lab.example.com") == []
    taken = sim.post("/api/v2/hosts", sim.host_body("a", group), status=422)
    assert taken["error"]["errors"]["name"] == ["has already been taken"]
    assert len(sim.rows("vms")) == 1


def test_of_two_values_for_one_match_at_once_one_is_rolled_back(sim: Sim) -> None:
    key = sim.switch_on("role_db", "port", "integer")
    host = sim.host("a", sim.group("g", ("role_db",))["id"])
    value = {"host": {"comment": "mine", "lookup_values_attributes": {"0": {"lookup_key_id": key, "value": "6001"}}}}
    sim.control("faults", {"kind": "hold", "method": "PUT", "seconds": 0.3})
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda _: sim.call("PUT", f"/api/v2/hosts/{host['id']}", value).status_code, range(2))
        assert sorted(answers) == [200, 500]
    assert len(sim.rows("override_values")) == 1


def test_measured_1_09_a_row_is_invisible_until_its_post_commits(sim: Sim) -> None:
    group = sim.group()["id"]
    fault = sim.control("faults", {"kind": "hold", "method": "POST", "path": "/api/v2/hosts"})[0]
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(sim.host, "a", group)
        sim.until(lambda: sim.rows("vms"), step=0)
        assert sim.names("name = a.lab.example.com") == []
        sim.delete(f"/_simulator/faults/{fault['id']}")
        assert answer.result()["name"] == "a.lab.example.com"
    assert sim.names("name = a.lab.example.com") == ["a.lab.example.com"]


@pytest.fixture
def background(request: pytest.FixtureRequest) -> Iterator[Background]:
    """A server of its own, with a latency."""
    started = Background(Settings(latency=request.param))
    yield started
    started.stop()


@pytest.mark.parametrize("background", ["measured"], indirect=True)
def test_measured_1_10_more_posts_at_once_are_not_faster(
    background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen at once: how long the nth is made to wait, and so how many come in a second."""
    sixteen, waits = asyncio.Barrier(16), []

    async def spend(seconds: float) -> None:
        waits.append(seconds)
        await sixteen.wait()

    monkeypatch.setattr(background.world, "spend", spend)
    group = next(row["id"] for row in background.world.rows("hostgroups") if row["name"] == "Debian 12")
    bodies = [{"host": {"name": f"h{n}", "hostgroup_id": group, "compute_attributes": {}}} for n in range(16)]
    assert _at_once(background.url, bodies, "/api/v2/hosts") == [201] * 16
    rates = {n: round(n / sorted(waits)[n - 1], 2) for n in (1, 2, 4, 8, 16)}
    assert rates == {1: 1.06, 2: 1.32, 4: 1.09, 8: 0.53, 16: 0.33}


@pytest.mark.parametrize("background", ["measured"], indirect=True)
def test_what_a_call_costs_is_waited_for(background: Background, monkeypatch: pytest.MonkeyPatch) -> None:
    """measured §8, §1.13; a refused host costs what one costs alone."""
    waits = []

    async def spend(seconds: float) -> None:
        waits.append(round(seconds, 3))

    monkeypatch.setattr(background.world, "spend", spend)
    sim = Sim(background.url)
    sim.get("/api/v2/status")
    group = sim.group()["id"]
    assert sim.call("POST", "/api/v2/hosts", sim.host_body("a.b", group)).status_code == 422
    sim.get("/api/v2/hosts", thin="true")
    sim.http.close()
    assert (waits[0], waits[-3:]) == (0.263, [0.34, 0.55, 0.035]), "the first with its login"


@pytest.mark.parametrize("background", ["100"], indirect=True)
def test_a_latency_in_milliseconds_is_of_each_call_and_once(
    background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim, really = Sim(background.url), background.world.spend
    took, waits = [], []

    async def spend(seconds: float) -> None:
        waits.append(seconds)
        await really(seconds)

    monkeypatch.setattr(background.world, "spend", spend)
    for method, path, body in (
        ("GET", "/api/v2/status", None),
        ("POST", "/api/v2/hostgroups", {"hostgroup": {"name": "a"}}),
        ("POST", "/api/v2/hostgroups", {"hostgroup": {"name": "a"}}),
    ):
        began = time.monotonic()
        sim.call(method, path, body)
        took.append(time.monotonic() - began)
    sim.http.close()
    assert waits == [0.1] * 3
    assert min(took) >= 0.1


def test_measured_1_11_a_stronger_override_shadows_ours(sim: Sim) -> None:
    key = sim.switch_on("role_db", "port", "integer")
    group = sim.group("g", ("role_db",), lookup_values_attributes={"0": {"lookup_key_id": key, "value": "6001"}})
    host = sim.host("a", group["id"])
    path = f"/api/v2/hosts/{host['id']}/enc"
    assert sim.get(path)["data"]["classes"] == {"role_db": {"port": 6001}}
    values = f"{PUPPET}/smart_class_parameters/{key}/override_values"
    sim.post(values, {"override_value": {"match": "fqdn=a.lab.example.com", "value": "1"}})
    assert sim.get(path)["data"]["classes"] == {"role_db": {"port": 1}}


def test_measured_1_12_erb_is_evaluated_in_hidden_values_too(sim: Sim) -> None:
    mark = [{"name": "motd", "value": "I am <%= @host.shortname %>", "hidden_value": True}]
    group = sim.group(group_parameters_attributes=mark)
    host = sim.host("a", group["id"])
    assert sim.get(f"/api/v2/hosts/{host['id']}/enc")["data"]["parameters"]["motd"] == "I am a"
    assert group["parameters"][0]["value"] == "*****"


def test_measured_1_13_the_session_cookie_saves_the_login(sim: Sim) -> None:
    sim.get("/api/v2/status")
    cookie = sim.http.cookies["_session_id"]
    with httpx.Client(base_url=sim.url, cookies={"_session_id": cookie}, verify=False) as without_password:
        assert without_password.get("/api/v2/status").status_code == 200
    before = sim.get("/_simulator/counters")["seconds"]["GET /api/v2/status"]
    assert sim.get("/api/v2/status")["version"] == "3.12.0"
    kept = sim.get("/_simulator/counters")["seconds"]["GET /api/v2/status"] - before
    httpx.get(f"{sim.url}/api/v2/status", auth=("admin", "changeme"), verify=False)
    anew = sim.get("/_simulator/counters")["seconds"]["GET /api/v2/status"] - before - kept
    assert round(anew - kept, 3) == 0.25


def test_measured_1_13_a_session_ends_after_an_hour_idle(sim: Sim) -> None:
    sim.get("/api/v2/status")
    cookie = sim.http.cookies["_session_id"]
    with httpx.Client(base_url=sim.url, cookies={"_session_id": cookie}, verify=False) as without_password:
        for _ in range(2):  # each use makes it last
            sim.advance(3500)
            assert without_password.get("/api/v2/status").status_code == 200
        sim.advance(3600)
        assert without_password.get("/api/v2/status").status_code == 401
    sim.get("/api/v2/status")
    assert sim.http.cookies["_session_id"] != cookie


def test_measured_1_14_the_report_is_there_before_the_result(sim: Sim) -> None:
    host = sim.ready_host("a", sim.group("g", ("role_db",))["id"])
    job = sim.job("puppet_run_host", [host["id"]], VERBOSE)
    search = f"job_invocation.id = {job['id']} and job_invocation.result = success"
    sim.until(lambda: sim.names(search), step=0.5)
    report = sim.audit("report")[0]
    result = sim.audit("job_result")[0]
    assert 0 <= result["time"] - report["time"] <= 3
    row = sim.get("/api/v2/config_reports", search=f"id > 0 and host_id ^ ({host['id']})", order="id ASC")["results"][0]
    assert row["created_at"] >= sim.get(f"/api/v2/job_invocations/{job['id']}")["start_at"]


def test_measured_1_15_job_ids_in_a_list_break_the_query(sim: Sim) -> None:
    host = sim.ready_host("a", sim.group()["id"])
    jobs = [sim.job("run_script", [host["id"]], {"command": "exit 0"}) for _ in range(2)]
    for job in jobs:
        sim.finished(job)
    one, two = (job["id"] for job in jobs)
    broken = sim.call("GET", "/api/v2/hosts", search=f"job_invocation.id ^ ({one},{two})", thin="true")
    assert broken.status_code == 500
    assert "PG::SyntaxError" in broken.json()["error"]["message"]
    each = [f"(job_invocation.id = {i} and job_invocation.result = success)" for i in (one, two)]
    assert sim.names(" or ".join(each)) == ["a.lab.example.com", "a.lab.example.com"]
    listed = sim.get("/api/v2/job_invocations", search=f"id ^ ({one},{two})")["results"]
    assert [(row["succeeded"], row["total"]) for row in listed] == [(1, 1), (1, 1)]
    assert "targeting" not in listed[0]
