"""Helpers for tests of a deployment's life: a small Stack, moments at which time stands still, what is in Foreman."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import httpx

from tests.e2e.stage import SPEED, Simulator, Stage, example, sweep, until

JOBS = "POST /api/v2/job_invocations"
HOSTS = "POST /api/v2/hosts"
MOVE = "PUT /api/v2/hosts/bulk/reassign_hostgroup"
VALUES = "PUT /api/v2/hosts/:id"
"""The endpoint that writes one host's own values."""
ONE_HOST = "/api/v2/hosts/[0-9]*"
DOMAIN = "lab.example.com"
OURS = {f"zookeeper-zk-{index}.{DOMAIN}" for index in (1, 2)}
"""The hosts of `deploy`."""
FIRST = {"name": "first", "puppetRun": {"roles": ["zk"]}}
RING = {
    "name": "ring",
    "after": ["first"],
    "parameterUpdate": {"hostgroup": "zk", "parameter": "servers", "expression": "roles.zk.hosts.map(h, h.ip)"},
}
SECOND = {"name": "second", "after": ["ring"], "puppetRun": {"roles": ["zk"]}}


def small(stage: Stage, *steps: Mapping[str, Any], namespace: str = "") -> None:
    """Apply the example's Stack with other steps (default: one run) and with one host or more."""
    roles = example("zookeeper", "stack.yaml", "Stack")["spec"]["roles"]
    roles[0]["count"] = {"min": 1, "max": 7, "default": 2}
    stage.stack(namespace=namespace, roles=roles, steps=list(steps or (FIRST,)), outputs=[])


def deploy(
    stage: Stage, name: str = "zookeeper", count: int = 2, namespace: str = "", **changes: Any
) -> dict[str, Any]:
    """Apply a deployment of that many hosts."""
    roles = example("zookeeper", "deployment.yaml", "StackDeployment")["spec"]["roles"]
    roles[0]["count"] = count
    return stage.deployment(name, namespace=namespace, **{"roles": roles, **changes})


def delete_everything(stage: Stage) -> None:
    """Delete deployment, server, Stack and namespace at the same time."""
    stage.delete()
    stage.delete(stage.server, "foremanservers")
    stage.delete(plural="stacks")
    stage.api.call("DELETE", f"/api/v1/namespaces/{stage.namespace}")


def server_gone(stage: Stage) -> None:
    """Wait until the ForemanServer is gone."""
    until(lambda: stage.get(stage.server, "foremanservers") is None, what="the server is gone")


def refused(stage: Stage, **changes: Any) -> None:
    """Make a deployment that an edit has stalled while its hosts are being installed; time stands still."""
    freeze(stage.simulator)
    deploy(stage, **changes)
    until(lambda: [role["created"] for role in stage.status().get("roles", [])] == ["1-2"], what="hosts are created")
    deploy(stage, environment="mars", **changes)
    stage.stalled("PreflightFailed")


def annotate(stage: Stage, key: str, value: str | None, name: str = "zookeeper") -> None:
    """Set one of our annotations on a deployment."""
    patch = {"metadata": {"annotations": {f"stacks.theforeman.org/{key}": value}}}
    stage.api.call("PATCH", stage.path("stackdeployments", name), patch, "application/merge-patch+json")


def events(stage: Stage, reason: str) -> list[str]:
    """Return the texts of all events with this reason."""
    found = stage.api.call("GET", f"/apis/events.k8s.io/v1/namespaces/{stage.namespace}/events")["items"]
    return [event["note"] for event in found if event["reason"] == reason]


# --- moments --------------------------------------------------------------------------------------------------


def freeze(simulator: Simulator) -> None:
    """Let time stand still on the simulated server, so that builds and jobs stay under way."""
    simulator.control("POST", "clock", {"speed": 0})


def thaw(simulator: Simulator, speed: float = SPEED) -> None:
    """Let time go on."""
    simulator.control("POST", "clock", {"speed": speed})


def fault(simulator: Simulator, kind: str, **what: Any) -> int:
    """Set a fault; return its id."""
    ident: int = simulator.control("POST", "faults", {"kind": kind, **what})[0]["id"]
    return ident


def mend(simulator: Simulator, *idents: int) -> None:
    """Delete faults (all of them if none is named); requests that they hold go on."""
    for path in [f"faults/{ident}" for ident in idents] or ["faults"]:
        simulator.control("DELETE", path)


def plant(simulator: Simulator, resource: str, **what: Any) -> Any:
    """Make an object as if somebody else had; return its id."""
    return simulator.control("POST", "plant", [{"resource": resource, "object": what}])[0]["id"]


def sent(simulator: Simulator, endpoint: str) -> int:
    """Return how often an endpoint was called."""
    count: int = simulator.counters()["requests"].get(endpoint, 0)
    return count


@dataclass
class Held:
    """Requests to one endpoint that the simulator has received but not committed; each waits until it may go on."""

    simulator: Simulator
    endpoint: str
    faults: list[int]
    passed: int = 0

    def here(self, number: int = 1) -> None:
        """Wait until that many of them have come."""
        until(lambda: self.hits() >= number, what=f"{self.endpoint} number {number}")

    def hits(self) -> int:
        """Return how many of them have come."""
        found = self.simulator.control("GET", "faults")
        return self.passed + sum(int(fault["hits"]) for fault in found if fault["id"] in self.faults)

    def go_on(self) -> None:
        """Let the next one be committed."""
        mend(self.simulator, self.faults[self.passed])
        self.passed += 1


def hold(simulator: Simulator, endpoint: str, count: int = 1, path: str = "") -> Held:
    """Hold back the next requests to an endpoint ("POST /api/v2/hosts"), each until it is told to go on.

    If the endpoint has arguments, `path` says which ones (a pattern as in a shell).
    """
    method, plain = endpoint.split()
    faults = [fault(simulator, "hold", method=method, path=path or plain, count=1) for _ in range(count)]
    return Held(simulator, endpoint, faults)


def before_job(simulator: Simulator, step: str) -> Held:
    """Hold back the write that comes right before the first job of a step of this module; for Quiesce, the job's POST.

    Call it before that write comes.
    """
    match step:
        case "Quiesce":
            return hold(simulator, JOBS)
        case "first":
            return hold(simulator, "POST /api/v2/hostgroups/:id/parameters", path="*/parameters")
        case "second":
            return hold(
                simulator, "PUT /api/v2/hostgroups/:id/parameters/:pid", path="*/parameters/foreman_stacks_record"
            )
        case _:
            raise ValueError(step)


def freeze_in_job(held: Held, step: str) -> None:
    """Let time stand still while the first job of the step is under way; `held` comes from `before_job`."""
    held.here()
    freeze(held.simulator)
    held.go_on()
    until(lambda: jobs_of(held.simulator, step), what=f"the job of {step} is under way")


# --- what is in Foreman ---------------------------------------------------------------------------------------


def names(simulator: Simulator, resource: str) -> set[str]:
    """Return the names of hosts or VMs, or the titles of hostgroups."""
    return {row.get("title") or row["name"] for row in simulator.rows(resource)}


def marks(simulator: Simulator) -> dict[tuple[str, str], str]:
    """Return the marks in Foreman, by kind and name of what bears them."""
    tables = {"host": simulator.rows("hosts"), "hostgroup": simulator.rows("hostgroups")}
    owners = {(kind, row["id"]): row.get("title") or row["name"] for kind, rows in tables.items() for row in rows}
    return {
        (row["owner_type"], owners[row["owner_type"], row["owner_id"]]): row["value"]
        for row in simulator.rows("parameters")
        if row["name"] == "foreman_stacks"
    }


def runs(simulator: Simulator) -> list[tuple[str, dict[str, Any]]]:
    """Return host and parameters for every time that class zookeeper was applied, in order."""
    lines = [line for line in simulator.audit() if line["event"] == "applied" and line["class"] == "zookeeper"]
    return [(line["host"].partition(".")[0], line["parameters"]) for line in lines]


def jobs_of(simulator: Simulator, step: str) -> list[dict[str, Any]]:
    """Return the jobs of a step."""
    return [row for row in simulator.rows("jobs") if f" {step} " in row["description"]]


def fair(simulator: Simulator) -> None:
    """Assert that Foreman was asked for nothing that it does not have, and was sent nothing that it drops."""
    counters = simulator.counters()
    assert (counters["unknown"], counters["dropped"]) == ([], [])


# --- several namespaces ---------------------------------------------------------------------------------------


@contextmanager
def side(stage: Stage) -> Iterator[Stage]:
    """The same simulator and operator seen from another, new namespace, with a ForemanServer of its own."""
    place = f"{stage.namespace}-{uuid.uuid4().hex[:6]}"
    stage.more.append(place)
    meta = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place}}
    stage.api.call("POST", "/api/v1/namespaces", meta)
    server = stage.get(stage.server, "foremanservers")
    other = replace(stage, namespace=place, server=place, more=[])
    other.apply(
        {
            **{key: server[key] for key in ("apiVersion", "kind")},
            "metadata": {"name": place},
            "spec": server["spec"],
        }
    )
    try:
        yield other
    finally:
        with suppress(httpx.HTTPError):
            other.keep()
        sweep(other)
        with suppress(httpx.HTTPStatusError):
            stage.api.call("DELETE", f"/api/v1/namespaces/{place}")


@contextmanager
def fresh(ground: Stage, **settings: str) -> Iterator[Stage]:
    """A shared stage as if it were new: Foreman is reset, and the test has a namespace and a server of its own.

    At the end it calls `fair`, since the reset before the next test clears the counters.
    """
    if ground.operator.process is None:
        ground.operator.start(**settings)
    ground.simulator.control("POST", "reset")
    thaw(ground.simulator)
    with side(ground) as found:
        yield found
    fair(ground.simulator)


def is_said(stage: Stage, kind: str, status: str, reason: str, name: str = "zookeeper") -> None:
    """Wait until a condition has this status and reason for the newest generation."""

    def look() -> bool:
        found = stage.condition(kind, name)
        generation = stage.get(name)["metadata"]["generation"]
        return (found.get("status"), found.get("reason"), found.get("observedGeneration")) == (
            status,
            reason,
            generation,
        )

    until(look, what=f"{kind}={status}/{reason}; {stage.status(name).get('conditions')}")
