"""Foreman or the Kubernetes API slow, ill, or gone for long: no doubles, growing pauses, the reason told, and then on."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import inputs
from tests.e2e.gate import Gate
from tests.e2e.stage import Operator, Stage, until
from tests.e2e.weather import (
    HOSTGROUPS,
    HOSTS,
    JOBS,
    clear,
    count,
    deploy,
    failed,
    fault,
    fqdn,
    hits,
    hosts,
    jobs,
    machines,
    succeeded,
)

pytestmark = pytest.mark.timeout(600)

CAP = 0.2
"""Of the back-off, in seconds."""
LONG = 50 * CAP
"""An outage that outlasts every pause of the back-off by far."""


@dataclass
class Between:
    """A stage whose operator speaks to Foreman and to Kubernetes through gates."""

    stage: Stage
    foreman: Gate
    cluster: Gate

    def whole(self, name: str, count: int = 2) -> None:
        """The deployment becomes Ready, and nothing of it was made or run twice."""
        self.stage.ready(name)
        expected = [fqdn(name, index) for index in range(1, count + 1)]
        assert hosts(self.stage, name) == machines(self.stage, name) == expected
        for which in ("Quiesce", "run", "PeriodicPuppet"):
            assert succeeded(self.stage, name, which) == expected, which
        titles = [row["title"] for row in self.stage.simulator.rows("hostgroups")]
        assert len(titles) == len(set(titles))
        tokens = [job["description"] for job in jobs(self.stage, name)]
        assert len(tokens) == len(set(tokens))
        assert failed(self.stage, name) == {}


@pytest.fixture(scope="module")
def between(shared_stage: Stage) -> Iterator[Between]:
    stage = shared_stage
    kubeconfig = json.loads(stage.operator.kubeconfig.read_text())
    cluster = kubeconfig["clusters"][0]["cluster"]
    ca = base64.b64decode(cluster.pop("certificate-authority-data")).decode()
    with Gate(stage.simulator.url) as foreman, Gate(cluster["server"], ca=ca) as kubernetes:
        cluster["server"] = kubernetes.url
        stage.operator.kubeconfig.write_text(json.dumps(kubeconfig))
        stage.change_server(url=foreman.url)
        stage.operator.start(
            backoff_first="0.05", backoff_cap=f"{CAP}", recheck="1", server_probe="1", host_create_timeout="5",
            foreman_write_timeout="1", foreman_read_timeout="2",
        )  # fmt: skip
        yield Between(stage, foreman, kubernetes)
        assert stage.operator.process is not None
        assert stage.operator.process.poll() is None, "the operator ended"


@pytest.fixture(autouse=True)
def calm_in_the_end(between: Between) -> Iterator[None]:
    """A test that fails leaves no bad weather to the next one."""
    yield
    for gate in (between.foreman, between.cluster):
        gate.calm()
    between.stage.simulator.control("DELETE", "faults")


# --- Foreman ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind,seconds", [("refused", LONG), ("cut", 0), ("bad-gateway", 0)])
def test_foreman_that_is_gone(between: Between, kind: str, seconds: float) -> None:
    """The first one for long."""
    stage, name = between.stage, f"gone-{kind}"
    deploy(stage, name, app=2)
    until(lambda: len(hosts(stage, name)) == 2, 60, "its hosts")
    over, began = _gone(between.foreman, kind), time.monotonic()
    until(lambda: stage.condition("Ready", stage.server, "foremanservers").get("reason") == "Unreachable", 30, "told")
    until(lambda: stage.condition("Ready", name).get("reason") in {"ForemanUnreachable", "ServerNotReady"}, 30, "told")
    until(lambda: time.monotonic() > began + seconds, 30, "a long outage")
    assert stage.condition("Ready", name)["status"] in {"False", "Unknown"}
    assert stage.condition("Stalled", name) == {}, "an outage needs no person"
    over()
    between.whole(name)


def test_foreman_that_fails_one_call_is_asked_with_pauses(between: Between) -> None:
    stage, gate = between.stage, between.foreman
    rule = gate.answer(503, "<html>Service Unavailable</html>", path=HOSTGROUPS)
    deploy(stage, "partly", app=2)
    until(lambda: rule.hits >= 8, 30, "some tries")  # the pauses have grown to their cap
    tried, began = rule.hits, time.monotonic()
    until(lambda: rule.hits >= tried + 15, 60, "more tries")
    assert (time.monotonic() - began) / 15 > CAP * 0.6, "it was asked without a pause"
    told = stage.condition("Ready", "partly")
    assert told["reason"] == "ForemanUnreachable"
    assert "503" in told["message"]
    gate.drop(rule)
    between.whole("partly")


def _gone(gate: Gate, kind: str) -> Callable[[], None]:
    if kind == "refused":
        gate.shut()
        return gate.open
    if kind == "cut":
        gate.cut = True
        return lambda: setattr(gate, "cut", False)
    rule = gate.answer(502, "<html>Bad Gateway</html>")
    return lambda: gate.drop(rule)


def test_foreman_that_is_slow(between: Between) -> None:
    between.foreman.delay = 0.2
    deploy(between.stage, "slow", app=2)
    between.whole("slow")
    between.foreman.delay = 0.0


def test_foreman_that_answers_too_late_but_does_what_it_was_told(between: Between) -> None:
    """The client has given up each time before the write is committed."""
    stage = between.stage
    held = [
        fault(stage, "hold", method="POST", path=path, host=host, seconds=1.5, count=1)
        for path, host in ((HOSTS, "patient-app-1"), (HOSTGROUPS, "*.patient)"), (JOBS, "*"))
    ]
    posted = count(stage, HOSTS, "patient-app-1")
    deploy(stage, "patient", app=2)
    between.whole("patient")
    assert [hits(stage, ident) for ident in held] == [1, 1, 1]
    assert hits(stage, posted) == 1


def test_foreman_with_errors_of_its_own(between: Between) -> None:
    """500 in JSON, as Foreman's own failures are, on reads and on writes; nothing was done."""
    stage = between.stage
    body = {"error": {"message": "PG::ConnectionBad: the database is away"}}
    calls = [(method, path) for path in (HOSTGROUPS, HOSTS, JOBS) for method in ("GET", "POST")]
    rules = [fault(stage, "status", status=500, body=body, method=method, path=path, count=2) for method, path in calls]
    deploy(stage, "ill", app=2)
    between.whole("ill")
    assert [hits(stage, ident) for ident in rules] == [2] * 6
    for ident in rules:
        clear(stage, ident)


# --- Kubernetes ------------------------------------------------------------------------------------------------

OURS = "/apis/stacks.theforeman.org/v1alpha1/*"
STATUS = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}


def test_kubernetes_gone_for_a_while(between: Between) -> None:
    stage, gate = between.stage, between.cluster
    deploy(stage, "alone", app=2)
    until(lambda: len(hosts(stage, "alone")) == 2, 60, "its hosts")
    gate.shut()
    began = time.monotonic()
    until(lambda: _built(stage, "alone") == 2, 60, "builds go on")
    until(lambda: time.monotonic() > began + LONG, 30, "a long outage")
    assert stage.operator.get("/livez").startswith("ok")
    gate.open()
    between.whole("alone")


@pytest.mark.parametrize(
    "name,status,rule",
    [
        ("conflict", 409, {"method": "PATCH", "path": f"{OURS}/status", "count": 8}),
        ("too-many", 429, {"path": OURS, "count": 12, "headers": {"Retry-After": "1"}}),
        ("expired", 410, {"method": "GET", "path": OURS, "query": "watch=true", "count": 6}),
        ("broken", 500, {"path": OURS, "count": 12}),
        ("forbidden", 403, {"method": "PATCH", "path": f"{OURS}/status", "count": 4}),
    ],
)
def test_kubernetes_with_errors(between: Between, name: str, status: int, rule: dict[str, Any]) -> None:
    told = between.cluster.answer(
        status, {**STATUS, "code": status, "reason": name, "message": f"told to say {status}"}, **rule
    )
    deploy(between.stage, name)
    if status == 410:
        between.cluster.shut()  # all watches end, and begin anew
        between.cluster.open()
    until(lambda: told.hits == rule["count"], 60, f"all {rule['count']} errors")
    between.whole(name, 1)
    assert between.stage.operator.get("/livez").startswith("ok")
    between.cluster.drop(told)


def test_a_secret_that_the_operator_may_not_read_is_waited_for(between: Between) -> None:
    stage, gate = between.stage, between.cluster
    inputs.core(stage, "Secret", "closed", stringData={"token": "t0ken"})
    path = f"/api/v1/namespaces/{stage.namespace}/secrets/closed"
    rule = gate.answer(403, {**STATUS, "code": 403, "reason": "Forbidden", "message": "no"}, path=path)
    source = {"secretKeyRef": {"name": "closed", "key": "token"}}
    wanted = [{"name": "token", "type": "string", "sensitive": True}]
    given = [{"name": "token", "valueFrom": source}]
    inputs.deploy(stage, "closed", inputs.stack("closed", parameters=wanted), parameters=given)
    until(
        lambda: "permission to read Secret 'closed'" in stage.condition("Ready", "closed").get("message", ""),
        30,
        "told",
    )
    assert stage.condition("Ready", "closed")["reason"] == "WaitingForSecret"
    gate.drop(rule)
    between.whole("closed", 1)


def test_kubernetes_gone_when_the_operator_starts(between: Between) -> None:
    between.stage.operator.stop()
    between.cluster.shut()
    deploy(between.stage, "early")
    before = _unavailable(between.stage)
    between.stage.operator.start()
    until(lambda: _unavailable(between.stage) > before, 30, "it has tried")
    between.cluster.open()
    between.whole("early", 1)


def test_a_signal_ends_an_operator_whose_cluster_never_answered(tmp_path: Path) -> None:
    """Not before it has tried twice: what the first try left behind must not swallow the signal."""
    config = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    operator = Operator(kubeconfig, tmp_path, {"FOREMAN_STACKS_HTTP_PORT": "0"}).start()
    try:
        until(lambda: operator.log.read_text().count("the watches ended") >= 2, 60, "two tries")
    finally:
        operator.stop()
    assert operator.process is not None
    assert operator.process.returncode == 0


def _unavailable(stage: Stage) -> int:
    return stage.operator.log.read_text().count("ClusterUnavailable")


def _built(stage: Stage, name: str) -> int:
    return sum(1 for row in stage.simulator.rows("hosts") if row["name"].startswith(f"{name}-") and row["installed_at"])
