"""Hosts and agents in time: install, reboot, runs by themselves, scripts, jobs, and the bad weather on request."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from foreman_simulator.__main__ import options, serve, world
from foreman_simulator.clock import Clock
from tests.unit.cancelling import Begun, outlived
from tests.unit.foreman_simulator.conftest import Background

if TYPE_CHECKING:
    from tests.unit.foreman_simulator.conftest import Json, Sim

PUPPET = "/foreman_puppet/api"
VERBOSE = {"puppet_options": "--verbose --color=false --no-splay"}
QUIESCE = """
systemctl disable --now puppet.service >/dev/null 2>&1
lock=$(puppet config print agent_catalog_run_lockfile --section agent)
waited=0
while [ -s "$lock" ]; do
  [ "$waited" -ge 120 ] && exit 1
  sleep 2; waited=$((waited + 2))
done
echo "quiet after $waited s"
"""


def built(sim: Sim, name: str, group: int) -> int:
    """A host that the simulator has installed; it still reboots."""
    host = int(sim.host(name, group)["id"])
    sim.until(lambda: sim.audit("built", host=f"{name}.lab.example.com"))
    return host


def slow(sim: Sim, name: str = "g", **more: object) -> Json:
    """A hostgroup whose Puppet runs last 60 s and longer."""
    of: Json = {"class": "role_db", "parameter": "sleep"}
    sim.plant("smart_class_parameters", **of, parameter_type="integer", omit=True)
    group = sim.group(name, ("role_db",), **more)
    sim.plant("override_values", **of, match=f"hostgroup={group['title']}", value=60)
    return group


def logged_in(sim: Sim, name: str) -> float:
    return next(float(m["ready_at"]) for m in sim.rows("machines") if m["name"] == f"{name}.lab.example.com")


def test_install_and_reboot_take_their_seeded_time(sim: Sim) -> None:
    created = sim.get("/_simulator/clock")["now"]
    built(sim, "a", sim.base())
    at = sim.audit("built")[0]["time"]
    assert 60 <= at - created <= 181
    assert 20 <= logged_in(sim, "a") - at <= 180


def test_a_rebooting_host_refuses_the_job(sim: Sim) -> None:
    host = built(sim, "a", sim.base())
    job = sim.job("run_script", [host], {"command": "true"})
    done = sim.finished(job)
    assert (done["status_label"], done["failed"]) == ("failed", 1)
    assert "port 22: Connection refused" in sim.text(job)
    assert "Exit status: EXCEPTION" in sim.text(job)
    assert sim.names(f"job_invocation.id = {job['id']} and job_invocation.result = failed") == ["a.lab.example.com"]


def test_agents_run_by_themselves_from_first_boot_until_they_are_quiet(sim: Sim) -> None:
    host = built(sim, "a", sim.group("g", ("role_db",))["id"])
    sim.until(lambda: sim.audit("applied"))
    applied = sim.audit("applied")[0]
    assert (applied["cause"], applied["class"], applied["host"]) == ("daemon", "role_db", "a.lab.example.com")
    assert 0 <= applied["time"] - logged_in(sim, "a") <= 10
    sim.advance(3700)
    assert len(sim.audit("applied")) == 3
    assert sim.get("/api/v2/config_reports", search=f"host_id = {host}")["subtotal"] == 3
    done = sim.finished(sim.job("run_script", [host], {"command": QUIESCE}))
    assert done["succeeded"] == 1
    before = len(sim.audit("applied"))
    sim.advance(7200)
    assert len(sim.audit("applied")) == before
    sim.finished(sim.job("run_script", [host], {"command": "systemctl enable --now puppet.service"}))
    sim.advance(2000)
    assert len(sim.audit("applied")) == before + 2
    assert {line["cause"] for line in sim.audit("applied")} == {"daemon"}


def test_a_stop_does_not_end_a_run_under_way(sim: Sim) -> None:
    group = slow(sim)
    host = built(sim, "a", group["id"])
    sim.until(lambda: sim.audit("run_started"), step=10)
    job = sim.job("run_script", [host], {"command": QUIESCE})
    assert sim.finished(job)["succeeded"] == 1
    waited = int(sim.text(job).split("quiet after ")[1].split(" s")[0])
    assert waited >= 20
    assert len(sim.audit("report")) == 1


def test_a_run_uses_the_values_of_its_time(sim: Sim) -> None:
    key = sim.switch_on("zookeeper", "servers", "array")
    group = sim.group("g", ("zookeeper",), lookup_values_attributes={"0": {"lookup_key_id": key, "value": "[]"}})
    host = sim.ready_host("a", group["id"])["id"]
    sim.finished(sim.job("puppet_run_host", [host], VERBOSE))
    value = sim.get(f"{PUPPET}/smart_class_parameters/{key}/override_values")["results"][0]["id"]
    body = {"override_value": {"value": '["198.18.1.1"]'}}
    sim.put(f"{PUPPET}/smart_class_parameters/{key}/override_values/{value}", body)
    sim.finished(sim.job("puppet_run_host", [host], VERBOSE))
    sim.finished(sim.job("puppet_run_host", [host], VERBOSE))
    assert [line["parameters"]["servers"] for line in sim.audit("applied")] == [[], ["198.18.1.1"], ["198.18.1.1"]]
    reports = sim.get("/api/v2/config_reports", search=f"host_id = {host}", order="id ASC")["results"]
    assert [report["status"]["applied"] for report in reports] == [1, 1, 0]


def test_a_value_of_the_wrong_type_breaks_the_catalog(sim: Sim) -> None:
    group = sim.group("g", ("zookeeper",))
    key = sim.key("zookeeper", "install_java")
    body = {"override_value": {"match": f"hostgroup={group['title']}", "value": True}}
    sim.post(f"{PUPPET}/smart_class_parameters/{key}/override_values", body)
    host = sim.ready_host("a", group["id"])["id"]
    job = sim.job("puppet_run_host", [host], VERBOSE)
    assert sim.finished(job)["failed"] == 1
    assert "parameter 'install_java' expects a Boolean value, got String" in sim.text(job)
    assert sim.get("/api/v2/config_reports", search=f"host_id = {host}")["results"][0]["status"]["failed"] == 1
    sim.switch_on("zookeeper", "install_java", "boolean")
    assert sim.finished(sim.job("puppet_run_host", [host], VERBOSE))["succeeded"] == 1


def test_build_tokens_and_reports_that_vanish(sim: Sim) -> None:
    host = sim.host("a", sim.base(), compute_attributes={})
    path = f"/api/v2/hosts/{host['id']}"
    unattended = f"{sim.url}/unattended/built"
    assert httpx.get(unattended, params={"token": host["token"]}, verify=False).status_code == 201
    again = httpx.get(unattended, params={"token": host["token"]}, verify=False)
    assert (again.status_code, again.text) == (
        404,
        "unattended: unable to find a host that matches the request from 127.0.0.1\n",
    )
    report = {"host": host["name"], "reported_at": "2026-11-23 02:55:00 UTC", "status": {"applied": 1}}
    first = sim.post("/api/v2/config_reports", {"config_report": report})
    taken = sim.post("/api/v2/config_reports", {"config_report": report}, status=422)
    assert taken["error"]["errors"] == {"reported_at": ["has already been taken"]}
    installed = sim.get(path)["installed_at"]
    rebuilt = sim.put(path, {"host": {"build": True}})
    assert (rebuilt["installed_at"], rebuilt["last_report"], rebuilt["build_status"]) == (installed, None, 1)
    assert sim.get("/api/v2/config_reports", search=f"host_id = {host['id']}")["subtotal"] == 0
    report["reported_at"] = "2026-11-23 02:56:00 UTC"
    assert sim.post("/api/v2/config_reports", {"config_report": report})["id"] == first["id"] + 1
    sim.advance(7 * 3600)
    assert sim.get(path)["build_status_label"] == "Token expired"
    assert sim.names("build_status = token_expired") == []
    assert sim.names("build_status = pending") == ["a.lab.example.com"]


def test_a_report_of_a_strange_name_makes_a_host(sim: Sim) -> None:
    sim.post(
        "/api/v2/config_reports",
        {"config_report": {"host": "ghost.lab.example.com", "reported_at": "2026-11-23 02:55:00"}},
    )
    ghost = sim.get("/api/v2/hosts/ghost.lab.example.com")
    assert (ghost["managed"], ghost["organization_id"], ghost["hostgroup_id"]) == (False, None, None)


def test_an_image_with_user_data_builds_by_itself(sim: Sim) -> None:
    cloud = sim.get("/api/v2/compute_resources", search="name = cloud-test")["results"][0]["id"]
    images = f"/api/v2/compute_resources/{cloud}/images"
    image = sim.get(images, search="user_data = true")["results"][0]
    assert "user_data" not in image
    assert sim.get(images, search="user_data = false")["results"][0]["name"] == "debian-12-ssh"
    attributes = {"start": "1", "image_id": image["uuid"]}
    more = {"provision_method": "image", "image_id": image["id"], "compute_resource_id": cloud}
    sim.host("a", sim.base(), **more | {"compute_attributes": attributes})
    bad = sim.host_body("b", sim.base(), **more | {"compute_attributes": {"image_id": "nosuch"}})
    assert "Unable to find template nosuch" in sim.post("/api/v2/hosts", bad, status=422)["error"]["errors"]["base"][0]
    sim.advance(200)
    assert sim.names("build_status = built and set? installed_at") == ["a.lab.example.com"]


def test_cancel(sim: Sim) -> None:
    hosts = [sim.ready_host(name, sim.base())["id"] for name in "abc"]
    job = sim.job("run_script", hosts, {"command": "sleep 60"}, concurrency_control={"concurrency_level": 1})
    sim.advance(6)
    shown = sim.get(f"/api/v2/job_invocations/{job['id']}", host_status="true")
    assert [host["job_status"] for host in shown["targeting"]["hosts"]] == ["running", None, None]
    path = f"/api/v2/job_invocations/{job['id']}/cancel"
    assert sim.post(path, {}, status=200) == {"cancelled": True, "id": job["id"]}
    done = sim.finished(job)
    assert (done["status_label"], done["cancelled"]) == ("failed", 3)
    assert sim.names(f"job_invocation.id = {job['id']} and job_invocation.result = cancelled") == ["a.lab.example.com"]
    assert sim.post(path, {}, status=422) == {"message": "The job could not be cancelled."}


def test_fault_latency_and_status(sim: Sim) -> None:
    sim.control("faults", [{"kind": "status", "status": 502, "method": "GET", "path": "/api/v2/status", "count": 2}])
    assert [sim.call("GET", "/api/v2/status").status_code for _ in range(3)] == [502, 502, 200]
    sim.control("faults", {"kind": "latency", "seconds": 0.15, "path": "/api/v2/plugins"})
    began = time.monotonic()
    sim.get("/api/v2/plugins")
    assert time.monotonic() - began >= 0.15
    assert [fault["hits"] for fault in sim.get("/_simulator/faults")] == [2, 1]
    assert sim.call("POST", "/_simulator/faults", {"kind": "nosuch"}).status_code == 422


def test_fault_reply_lost_after_the_write(sim: Sim) -> None:
    group = sim.group()["id"]
    sim.control("faults", {"kind": "reply_lost", "method": "POST", "path": "/api/v2/hosts", "host": "a*", "count": 1})
    with pytest.raises(httpx.TransportError):
        sim.host("a", group)
    assert sim.names("name = a.lab.example.com") == ["a.lab.example.com"]


def hang_up(sim: Sim, path: str, given: Json) -> None:
    """POST, and close the connection as soon as the only fault, a `hold`, has the request."""
    body = json.dumps(given)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    login = "Authorization: Basic YWRtaW46Y2hhbmdlbWU=\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(sim.url.rpartition(":")[2]))) as connection:
        connection.sendall(f"{head}{login}{body}".encode())
        while not sim.get("/_simulator/faults")[0]["hits"]:
            time.sleep(0.01)


def test_fault_hold_commits_though_the_client_is_gone(sim: Sim) -> None:
    body = sim.host_body("a", sim.base())
    fault = sim.control("faults", {"kind": "hold", "method": "POST", "path": "/api/v2/hosts", "host": "a"})[0]
    hang_up(sim, "/api/v2/hosts", body)
    assert sim.names("name = a.lab.example.com") == []
    assert [vm["name"] for vm in sim.rows("vms")] == ["a.lab.example.com"]
    sim.delete(f"/_simulator/faults/{fault['id']}")
    sim.until(lambda: sim.names("name = a.lab.example.com"), step=0)


def test_faults_of_hosts(sim: Sim) -> None:
    group = sim.group("g", ("role_db",))["id"]
    sim.control("faults", [{"kind": "no_vm", "host": "a*"}, {"kind": "no_address", "host": "b*"}])
    one, two = sim.host("a", group), sim.host("b", group)
    assert (one["uuid"], one["mac"], two["ip"]) == (None, None, None)
    host = sim.ready_host("c", group)["id"]
    sim.control("faults", {"kind": "run_fails", "host": "c*", "count": 1})
    assert sim.finished(sim.job("puppet_run_host", [host], VERBOSE))["succeeded"] == 1
    assert sim.get("/api/v2/config_reports", search=f"host_id = {host}")["results"][0]["status"]["failed"] == 1
    sim.control("faults", {"kind": "report_late", "host": "c*", "seconds": 300, "count": 1})
    sim.finished(sim.job("puppet_run_host", [host], VERBOSE))
    assert sim.get("/api/v2/config_reports", search=f"host_id = {host}")["subtotal"] == 1
    sim.advance(300)
    assert sim.get("/api/v2/config_reports", search=f"host_id = {host}")["subtotal"] == 2
    sim.control("faults", {"kind": "report_missing", "host": "c*", "count": 1})
    sim.finished(sim.job("puppet_run_host", [host], VERBOSE))
    sim.advance(3600)
    assert sim.get("/api/v2/config_reports", search=f"host_id = {host}")["subtotal"] == 2


def test_fault_job_lost_by_its_proxy(sim: Sim) -> None:
    host = sim.ready_host("a", sim.base())["id"]
    sim.control("faults", {"kind": "job_lost", "host": "a*", "count": 1})
    job = sim.job("run_script", [host], {"command": "true"})
    sim.advance(60)
    path = f"/api/v2/job_invocations/{job['id']}"
    assert sim.get(path)["status_label"] == "running"
    output = sim.get(f"{path}/outputs")["outputs"][0]
    text = "Error loading data from proxy: RestClient::NotFound - 404 Not Found"
    assert (output["complete"], output["output"][0]["output"]) == (False, text)
    sim.advance(620)
    assert sim.get(path)["status_label"] == "failed"
    output = sim.get(f"{path}/outputs")["outputs"][0]
    lines = [(line["output_type"], line["output"]) for line in output["output"]]
    assert (output["complete"], lines) == (True, [
        ("debug", "Proxy task gone missing from the smart proxy\n"), ("stdout", "Exit status: EXCEPTION"),
        ("debug", "StandardError: Job execution failed"),
    ])  # fmt: skip


def test_fault_job_queued_for_ever_though_its_post_failed(sim: Sim) -> None:
    host = sim.ready_host("a", sim.base())["id"]
    sim.control("faults", {"kind": "job_queued", "count": 1})
    body = {"feature": "run_script", "host_ids": [host], "inputs": {"command": "true"}, "description_format": "token-1"}
    sim.post("/api/v2/job_invocations", {"job_invocation": body}, status=500)
    found = sim.get("/api/v2/job_invocations", search='description ~ "token-1"')["results"]
    assert [(j["status_label"], j["total"], j["dynflow_task"]) for j in found] == [("queued", "N/A", None)]


def test_fault_proxy_503_above_n_runs(sim: Sim) -> None:
    group = slow(sim)["id"]
    hosts = [sim.ready_host(name, group)["id"] for name in "abc"]
    sim.control("faults", {"kind": "proxy_503", "limit": 2})
    job = sim.job("puppet_run_host", hosts, VERBOSE)
    done = sim.finished(job)
    assert (done["succeeded"], done["failed"]) == (2, 1)
    assert sim.get("/api/v2/config_reports")["subtotal"] == 2


def test_fault_proxy_503_counts_what_jobs_run_on_hosts_of_one_proxy(sim: Sim) -> None:
    other = sim.plant("smart_proxies", name="proxy2")["id"]
    near, far = slow(sim), slow(sim, "far", puppet_proxy_id=other)
    sim.control("faults", {"kind": "proxy_503", "limit": 1})
    one, two = (sim.ready_host(name, group["id"])["id"] for name, group in (("a", near), ("b", far)))
    sim.ready_host("c", near["id"])
    sim.control("agent", {"host": "c", "do": "daemon"})
    sim.advance(1801)
    assert sim.audit("run_started", host="c.lab.example.com", cause="daemon")
    assert sim.finished(sim.job("puppet_run_host", [one, two], VERBOSE))["succeeded"] == 2
    (fault,) = sim.get("/_simulator/faults")
    assert fault["hits"] == 0
    sim.delete(f"/_simulator/faults/{fault['id']}")
    sim.control("faults", {"kind": "proxy_503", "limit": 0})
    sim.advance(1900)
    reports = sim.audit("report", host="c.lab.example.com", cause="daemon")
    assert len(reports) == 2, "an agent's own runs are let alone"


def test_equal_scripts_on_equal_machines_run_once(sim: Sim, server: object) -> None:
    hosts = [sim.ready_host(name, sim.base())["id"] for name in "abcd"]
    runner = server.world.runner  # type: ignore[attr-defined]
    before = runner.real_runs if runner else 0
    sim.finished(sim.job("run_script", hosts, {"command": "echo once; true"}))
    assert server.world.runner.real_runs == before + 1  # type: ignore[attr-defined]


def test_plant_and_reset(sim: Sim) -> None:
    sim.plant(
        "hostgroups",
        name="theirs",
        parent="Base/Debian 12",
        parameters=[{"name": "a", "value": "[1]", "parameter_type": "array"}],
    )
    sim.plant("vms", name="stray.lab.example.com")
    host = sim.plant(
        "hosts", name="by-hand.lab.example.com", hostgroup="Base/Debian 12/theirs", comment="mine", machine=True
    )
    assert sim.get(f"/api/v2/hosts/{host['id']}")["comment"] == "mine"
    sim.plant("puppetclasses", name="extra", parameters={"size": {"default": 1, "type": "Integer"}})
    assert (
        sim.get(f"{PUPPET}/smart_class_parameters", search="puppetclass = extra")["results"][0]["parameter_type"]
        == "integer"
    )
    large = sim.plant("compute_profiles", name="3-Large", attributes={"libvirt-test": {"cpus": "4"}})
    (attributes,) = sim.get(f"/api/v2/compute_profiles/{large['id']}")["compute_attributes"]
    assert (attributes["compute_profile_name"], attributes["vm_attrs"]) == ("3-Large", {"cpus": "4"})
    assert len(sim.get("/api/v2/compute_profiles")["results"]) == 3, "one that is there gets attributes"
    assert sim.call("POST", "/_simulator/plant", [{"resource": "nosuch"}]).status_code == 422
    sim.control("reset", None)
    assert (sim.rows("vms"), sim.names("name ~ by-hand")) == ([], [])
    assert sim.get("/_simulator/counters")["requests"] == {"GET /api/v2/hosts": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        *("--port=70000", "--port=-1", "--port=http", "--host=0.0.0.0", "--host=nonsense", "--speed=0", "--speed=-1"),
        *("--speed=nan", "--speed=inf", "--latency=-5", "--latency=nan", "--latency=inf", "--latency=slow"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_by_its_name(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        options(["--port=0", wrong])
    assert ended.value.code == 2
    option, _, value = wrong.partition("=")
    assert f"argument {option}: '{value}' is not a " in capsys.readouterr().err


def test_options_at_their_bounds_are_taken() -> None:
    given = options(["--port=65535", "--host=127.0.0.2", "--speed=0.5", "--latency=0"])
    assert (given.port, given.host, given.speed, given.latency) == (65_535, "127.0.0.2", 0.5, "0")
    assert options(["--port=0", "--latency=measured"]).latency == "measured"


def test_one_seed_is_one_chance() -> None:
    def chance(*arguments: str) -> str:
        return world(options(["--port=0", *arguments])).uuid()

    assert chance("--seed=3") == chance("--seed=3")
    assert len({chance("--seed=3"), chance("--seed=4"), chance()}) == 3
    assert chance() == chance("--seed=1")


def test_the_options_are_what_the_server_goes_by() -> None:
    made = world(options(["--port=0", "--speed=2", "--scenario=recordings", "--latency=5"]))
    assert (made.clock.speed, made.settings.scenario, made.settings.latency) == (2, "recordings", "5")


def test_a_login_from_the_environment_is_the_only_administrator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREMAN_USER", "ops")
    monkeypatch.setenv("FOREMAN_PASSWORD", "secret")
    background = Background(world(options(["--port=0"])).settings)
    answers = [
        httpx.get(f"{background.url}/api/v2/status", auth=login, verify=False).status_code
        for login in (("ops", "secret"), ("ops", "changeme"), ("admin", "changeme"))
    ]
    background.stop()
    assert answers == [200, 401, 401]


def test_help_says_how_to_log_in(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(["--help"])
    out = capsys.readouterr().out
    assert "curl -u admin:changeme http://127.0.0.1:3000/" in out
    assert all(name in out for name in ("FOREMAN_USER", "FOREMAN_PASSWORD"))


def test_a_port_in_use_is_told_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert asyncio.run(serve(options([f"--port={port}"]))) == 1
    told = f"foreman-simulator: cannot listen on 127.0.0.1, port {port}: Address already in use\n"
    assert capfd.readouterr() == ("", told)


def test_a_clock_that_is_cancelled_ends_even_if_an_event_is_planned_at_that_moment() -> None:
    def begin() -> Begun:
        clock = Clock()
        return clock.run(), lambda: clock.after(30.0, lambda: None)

    assert outlived(begin) == []


def test_the_program_says_where_it_listens_and_ends_at_once() -> None:
    program = Path(sys.executable)
    source = Path(__file__).parents[3] / "operator"
    command = [str(program), "-m", "foreman_simulator", "--port", "0", "--speed", "10"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=source) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.removeprefix("foreman-simulator listening on ").strip()
        answer = httpx.get(f"{url}/api/v2/status", auth=("admin", "changeme"), verify=False)
        assert answer.headers["Foreman_version"] == "3.12.0"
        process.terminate()
        assert process.wait(20) == 0, "it waits for nobody, as aiohttp does by itself for a minute"


def test_a_client_that_hangs_up_does_not_stop_the_write(sim: Sim) -> None:
    sim.control("faults", {"kind": "hold", "method": "POST", "path": "/api/v2/hostgroups", "seconds": 0.2})
    hang_up(sim, "/api/v2/hostgroups", {"hostgroup": {"name": "left behind"}})
    sim.until(lambda: sim.get("/api/v2/hostgroups", search='name = "left behind"')["results"], step=0)


def test_a_run_that_is_killed_or_loses_its_machine_ends_its_job(sim: Sim) -> None:
    group = slow(sim)
    one, two = sim.ready_host("a", group["id"])["id"], built(sim, "b", group["id"])
    sim.until(lambda: sim.audit("report", host="b.lab.example.com"))
    job = sim.job("puppet_run_host", [one, two], VERBOSE)
    sim.until(lambda: len(sim.audit("run_started", cause="triggered")) == 2, step=1)
    sim.finished(sim.job("run_script", [one], {"command": "kill $(pgrep -f 'puppet agent')"}))
    uuid = sim.get(f"/api/v2/hosts/{two}")["uuid"]
    sim.delete(f"/api/v2/compute_resources/1/available_virtual_machines/{uuid}")
    done = sim.finished(job)
    assert (done["status_label"], done["failed"]) == ("failed", 2)
    assert sim.audit("report", cause="triggered") == []


def test_a_slow_write_keeps_what_happened_meanwhile(sim: Sim) -> None:
    host = sim.host("a", sim.base())
    fault = sim.control("faults", {"kind": "hold", "method": "PUT", "path": "/api/v2/hosts/*"})[0]
    path = f"/api/v2/hosts/{host['id']}"
    writer = threading.Thread(target=lambda: sim.put(path, {"host": {"comment": "slow"}}))
    writer.start()
    reader = httpx.Client(base_url=sim.url, auth=("admin", "changeme"), verify=False)
    while not reader.get("/_simulator/faults").json()[0]["hits"]:
        time.sleep(0.01)
    reader.post("/_simulator/clock", json={"advance": 200})
    reader.delete(f"/_simulator/faults/{fault['id']}")
    writer.join(10)
    reader.close()
    shown = sim.get(path)
    assert (shown["comment"], shown["build"], shown["installed_at"] is not None) == ("slow", False, True)


def test_a_reset_is_not_overtaken_by_writes_that_were_held(sim: Sim) -> None:
    sim.control("faults", {"kind": "hold", "method": "POST", "path": "/api/v2/hostgroups"})
    hang_up(sim, "/api/v2/hostgroups", {"hostgroup": {"name": "late"}})
    sim.control("reset", None)
    time.sleep(0.05)
    assert sim.get("/api/v2/hostgroups", search="name = late")["results"] == []


def test_a_daemon_that_is_started_by_hand_runs_half_an_hour_later(sim: Sim) -> None:
    sim.ready_host("a", sim.group("g", ("role_db",))["id"])
    sim.advance(4000)
    assert sim.audit("run_started") == []
    sim.control("agent", {"host": "a", "do": "daemon"})
    (started,) = sim.audit("by_hand_daemon")
    sim.advance(3700)
    runs = sim.audit("run_started", host="a.lab.example.com", cause="daemon")
    assert [round(run["time"] - started["time"]) for run in runs] == [1800, 3600]


def test_a_managed_file_that_is_gone_is_made_again_by_the_next_run(sim: Sim) -> None:
    host = sim.ready_host("a", sim.group("g", ("role_db",))["id"])["id"]

    def run() -> int:
        sim.finished(sim.job("puppet_run_host", [host], VERBOSE))
        newest = sim.get("/api/v2/config_reports", search=f"host_id = {host}", order="id DESC")["results"][0]
        return int(newest["status"]["applied"])

    assert [run(), run()] == [1, 0]
    sim.control("agent", {"host": "a", "do": "tamper"})
    assert [run(), run()] == [1, 0]


def test_class_puppet_switches_the_agents_own_runs(sim: Sim) -> None:
    group = sim.group("g", ("puppet",))
    key = sim.switch_on("puppet", "runmode", "string")
    path = f"{PUPPET}/smart_class_parameters/{key}/override_values"
    ours = sim.post(path, {"override_value": {"match": f"hostgroup={group['title']}", "value": "none"}})["id"]
    host = built(sim, "a", group["id"])
    sim.until(lambda: sim.audit("agent_off"))
    runs = len(sim.audit("applied"))
    sim.advance(7200)
    assert len(sim.audit("applied")) == runs == 1
    sim.delete(f"{path}/{ours}")
    sim.finished(sim.job("puppet_run_host", [host], VERBOSE))
    sim.advance(3700)
    causes = [line["cause"] for line in sim.audit("applied")]
    assert causes[:2] == ["daemon", "triggered"]
    assert causes[2:] in (["daemon"] * 2, ["daemon"] * 3), "the first may come while the triggered run is under way"
