"""Promise 7: a secret flows from a Secret through a parameter to the hosts, and is seen nowhere on its way."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.leaks import CANARY, CANARY_HALVES, PASSWORD, leaks, search
from tests.e2e.stage import Stage
from tests.e2e.weather import SOURCE, failed, fault

URL = "'postgres://app:' + parameters.password + '@db'"
STACK: dict[str, Any] = {
    "parameters": [{"name": "password", "type": "string", "sensitive": True, "hostgroups": ["app"]}],
    "hostgroups": [
        {
            "name": "app",
            "parameters": [
                {"name": "login", "type": "hash", "expression": "{'user': 'app', 'password': parameters.password}"}
            ],
            "puppetClasses": [
                {"name": "role_app", "overrides": [{"name": "db_url", "type": "string", "expression": URL}]}
            ],
        }
    ],
    "roles": [
        {
            "name": "app",
            "hostgroup": "app",
            "count": {"min": 1, "max": 1},
            "parameters": [{"name": "own", "type": "string", "expression": "parameters.password + host.name"}],
            "overrides": [
                {"class": "role_app", "name": "limits", "type": "hash", "expression": "{host.ip: parameters.password}"}
            ],
        }
    ],
    "steps": [{"name": "run", "retries": 0, "puppetRun": {"roles": ["app"]}}],
    "outputs": [{"name": "url", "type": "string", "expression": URL}],
}


@pytest.fixture(scope="module")
def stage(shared_stage: Stage) -> Stage:
    shared_stage.operator.start()
    return shared_stage


def deploy(stage: Stage, name: str) -> None:
    """A deployment whose only parameter comes from a Secret that holds the canary."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "app"}, "stringData": {"password": CANARY}}
    stage.api.apply(f"/api/v1/namespaces/{stage.namespace}/secrets/app", secret)
    stage.stack(**STACK)
    source = {"secretKeyRef": {"name": "app", "key": "password"}}
    stage.deployment(
        name, parameters=[{"name": "password", "valueFrom": source}], roles=[{"name": "app", "sources": [SOURCE]}]
    )


def told(stage: Stage) -> list[str]:
    """The secrets in all that the operator has said so far."""
    said = json.dumps(stage.seen()) + stage.operator.log.read_text() + stage.operator.get("/metrics")
    assert "foreman_stacks_pass_seconds_count" in said
    return leaks(said.encode())


def test_a_secret_reaches_the_host_hidden_and_is_seen_nowhere(stage: Stage) -> None:
    deploy(stage, "shop")
    status = stage.ready("shop")

    host = next(row for row in stage.simulator.rows("hosts") if row["name"].startswith("shop-app-1."))
    (applied,) = [
        entry["parameters"]
        for entry in stage.simulator.audit()
        if entry["event"] == "applied" and entry["host"] == host["name"] and entry["cause"] == "triggered"
    ]
    assert applied["db_url"] == f"postgres://app:{CANARY}@db"
    assert applied["limits"] == {host["ip"]: CANARY}
    assert CANARY not in json.dumps(_as_foreman_shows_it(stage, host))
    assert status["outputs"] == [{"name": "url", "type": "string", "sensitive": True}]
    assert not told(stage)


def _as_foreman_shows_it(stage: Stage, host: dict[str, Any]) -> list[Any]:
    """Everything in which Foreman could show the secret to its own users: all values are there, as stars."""
    get = stage.simulator.get
    group = get(f"/api/v2/hostgroups/{host['hostgroup_id']}")
    hidden = {
        entry["name"]: entry["value"]
        for entry in (*group["parameters"], *get(f"/api/v2/hosts/{host['id']}")["parameters"])
    }
    assert {name: hidden[name] for name in ("password", "login", "own")} == dict.fromkeys(
        ("password", "login", "own"), "*****"
    )
    keys = get("/foreman_puppet/api/smart_class_parameters", search="puppetclass_name = role_app", per_page=50)
    named = {row["parameter"]: row for row in keys["results"]}
    values = [get(f"/foreman_puppet/api/smart_class_parameters/{named[name]['id']}") for name in ("db_url", "limits")]
    assert [[value["value"] for value in key["override_values"]] for key in values] == [["*****"], ["*****"]]
    return [group, hidden, values]


def test_a_secret_that_others_repeat_is_blotted_out(stage: Stage) -> None:
    """Foreman in an error, Puppet in a report, a job in its output: cut to length in the middle of it, too."""
    long = f"cannot connect, xxx {CANARY * 40}"
    refusal = {
        "error": {
            "errors": {"lookup_values.value": [f"is invalid: {CANARY}"]},
            "full_messages": [f"Value {CANARY} is invalid"],
        }
    }
    fault(stage, "status", method="POST", path="/api/v2/hosts", host="refused-app-1*", status=422, body=refusal)
    fault(stage, "run_fails", host="report-app-1*", body=long)
    fault(stage, "catalog_fails", host="output-app-1*", body=long)
    for name in ("refused", "report", "output"):
        deploy(stage, name)
    assert "***" in stage.stalled("ProvisioningFailed", "refused")
    for name, reason in (("report", "ResourcesFailed"), ("output", "RunFailed")):
        stage.stalled("StepFailed", name)
        (entry,) = failed(stage, name).values()
        assert entry["reason"] == reason
        assert "xxx" in entry["cause"], "it is the text that holds the secret"
    assert not told(stage)


@pytest.mark.parametrize(
    "text",
    [
        f"a {CANARY} b",
        f"cut {CANARY_HALVES[0]}",
        b64encode(f"x{CANARY}".encode()).decode(),
        b64encode(f"admin:{PASSWORD}".encode()).decode(),
    ],
    ids=["whole", "half", "base64", "basic-auth"],
)
def test_the_search_at_the_end_finds_secrets(tmp_path: Path, text: str) -> None:
    (tmp_path / "fine.log").write_text("all is well")
    (tmp_path / "simulator.log").write_text(text)
    assert search(tmp_path)[1] == []
    (tmp_path / "operator.log").write_text(text)
    files, found = search(tmp_path)
    (tmp_path / "operator.log").unlink()
    assert files == 2
    assert len(found) == 1
