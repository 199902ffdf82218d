"""What is huge or hostile stalls itself only: somebody else's deployment becomes Ready meanwhile."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Kubectl
from tests.e2e.inputs import deploy, group, stack
from tests.e2e.stage import Stage, until
from tests.e2e.weather import SOURCE

pytestmark = pytest.mark.timeout(600)

LEVELS = 9_000
"""The apiserver takes 10 000 levels of nesting in an untyped field."""
MEMORY = 512
"""MiB: the limit in manifests/deployment.yaml."""
ONES = f"[{','.join(['1'] * 99)}]"
BUSY = f"string({ONES}.map(i, {ONES}.map(j, i + j).size()).size()) + string(host.index)"
BOMB = f"'{'x' * 900}'.replace('x', '{'x' * 900}').replace('x', '{'x' * 900}')"
MANY = [{"name": "app", "sources": [SOURCE]}]


def plant(stage: Stage, name: str, status: dict[str, Any]) -> None:
    """A deployment whose status somebody wrote."""
    deploy(stage, name, stack(name))
    path = f"{stage.path('stackdeployments', name)}/status"
    stage.api.call("PATCH", path, {"status": status}, "application/merge-patch+json")


def role(count: int, **more: Any) -> dict[str, Any]:
    """Of this many hosts; and the deployment's part of it."""
    return {"roles": [{"name": "app", "hostgroup": "app", "count": {"min": 1, "default": count}, **more}]}


def test_hostile_objects_stall_themselves_only(stage: Stage, admin: Kubectl) -> None:
    run = {"token": "t", "since": "2999-01-01T00:00:00Z", "hosts": [{"role": "no", "indices": "1-5000"}]}
    plant(stage, "runs", {"plan": "none", "steps": [{"name": "run", "state": "Running", "run": run}]})
    plant(stage, "ranges", {"roles": [{"name": "app", "created": "1-99999999999"}]})
    values = [{"name": f"p{number}", "expression": BOMB} for number in range(60)]
    deploy(stage, "bombs", stack("bombs", hostgroups=group(parameters=values)))
    loops = [{"name": f"p{number}", "expression": BUSY} for number in range(60)]
    deploy(stage, "loops", stack("loops", **role(5000, parameters=loops)), roles=MANY)
    own = [{"name": "id", "type": "string", "expression": "string(host.index)"}]
    deploy(stage, "huge", stack("huge", **role(5000, parameters=own)), roles=MANY)
    deep = stack("deep", hostgroups=group(parameters=[{"name": "p", "type": "array", "value": "DEEP"}]))
    text = json.dumps(deep).replace('"DEEP"', "[" * LEVELS + "]" * LEVELS)
    admin("create", "--namespace", stage.namespace, "-f", "-", stdin=text)
    deploy(stage, "deep")
    try:
        assert "is nested deeper than 32 levels" in stage.stalled("StackNotReady", "deep")
        deploy(stage, "calm", stack("calm"))
        stage.ready("calm", 120)

        assert "needs more than 128 MB" in stage.stalled("InvalidSpec", "bombs")
        assert "needs more than 768 MB with all other expressions" in stage.stalled("InvalidSpec", "loops")
        stage.ready("runs", 60)
        stage.ready("ranges", 60)
        until(lambda: _hosts(stage, "huge").endswith("/5000"), what="huge is no fault: it goes on")
        assert stage.operator.get("/livez") == "ok\n"
        assert _memory(stage) < MEMORY
        assert stage.operator.process is not None
        assert stage.operator.process.poll() is None
    finally:
        admin("delete", "stack", "deep", "--namespace", stage.namespace)  # nobody else here could read it


def _hosts(stage: Stage, name: str) -> str:
    return str(stage.status(name).get("summary", {}).get("hosts"))


def _memory(stage: Stage) -> int:
    """The most that the operator ever took, in MiB."""
    assert stage.operator.process is not None
    text = Path(f"/proc/{stage.operator.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) // 1024
