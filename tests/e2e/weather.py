"""Small deployments for tests of bad weather: many side by side on one stage, each with faults by its host names."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.e2e.stage import Stage, until

DOMAIN = "lab.example.com"
REQUEST = "stacks.theforeman.org/reconcile-requested-at"
SOURCE = {"name": "libvirt", "computeResource": {"name": "libvirt-test", "profile": "1-Small"}}
JOBS, HOSTS, HOSTGROUPS = "/api/v2/job_invocations", "/api/v2/hosts", "/api/v2/hostgroups"


def fqdn(deployment: str, index: int = 1, role: str = "app") -> str:
    """Return the full name of a host of a deployment."""
    return f"{deployment}-{role}-{index}.{DOMAIN}"


def puppet_run(name: str, role: str = "app", after: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """Return a puppetRun step; `retries` and `timeoutSeconds` belong to the step, the rest to its puppetRun."""
    own: dict[str, Any] = {key: more.pop(key) for key in ("retries", "timeoutSeconds") if key in more}
    return {"name": name, "after": list(after), **own, "puppetRun": {"roles": [role], **more}}


def deploy(stage: Stage, name: str, *steps: Mapping[str, Any], **roles: int) -> None:
    """Apply a Stack and a deployment of one name.

    Hosts are given by role (default: one of role `app`); the default step is one run.
    """
    stack(stage, name, *steps, roles=tuple(roles or {"app": 1}))
    stage.apply(deployment(stage, name, **(roles or {"app": 1})))


def stack(
    stage: Stage,
    name: str,
    *steps: Mapping[str, Any],
    roles: tuple[str, ...] = ("app",),
    overrides: Sequence[Mapping[str, Any]] = (),
    **spec: Any,
) -> None:
    """Apply a Stack in which every role has class role_app, with these overrides besides `workers`."""
    group = {"puppetClasses": [{"name": "role_app", "overrides": [WORKERS, *overrides]}]}
    body = {
        "hostgroups": [{"name": role, **group} for role in roles],
        "roles": [{"name": role, "hostgroup": role, "count": {"min": 1, "max": 9}} for role in roles],
        "steps": list(steps) or [puppet_run("run", role=roles[0])],
    }
    kind = {"apiVersion": "stacks.theforeman.org/v1alpha1", "kind": "Stack"}
    stage.apply({**kind, "metadata": {"name": name}, "spec": body | spec})


WORKERS = {"name": "workers", "type": "integer", "value": 3}


def deployment(stage: Stage, name: str, **counts: int) -> dict[str, Any]:
    """Return the deployment that `deploy` applies."""
    return {
        "apiVersion": "stacks.theforeman.org/v1alpha1",
        "kind": "StackDeployment",
        "metadata": {"name": name},
        "spec": {
            "stackRef": {"name": name},
            "serverRef": {"name": stage.server},
            "parentHostgroup": "Base/Debian 12",
            "roles": [{"name": role, "count": count, "sources": [SOURCE]} for role, count in counts.items()],
        },
    }


def fault(stage: Stage, kind: str, **more: Any) -> int:
    """Set a fault; return its id, for `clear` and `hits`."""
    ident: int = stage.simulator.control("POST", "faults", {"kind": kind, **more})[0]["id"]
    return ident


def clear(stage: Stage, ident: int) -> None:
    """Delete a fault."""
    stage.simulator.control("DELETE", f"faults/{ident}")


def count(stage: Stage, path: str, host: str) -> int:
    """Count the POSTs for a host, by a fault that does nothing else; return its id, for `hits`."""
    return fault(stage, "latency", seconds=0, method="POST", path=path, host=host)


def hits(stage: Stage, ident: int) -> int:
    """Return how often a fault has happened."""
    return next(int(one["hits"]) for one in stage.simulator.control("GET", "faults") if one["id"] == ident)


def request(stage: Stage, name: str) -> None:
    """Request a reconcile, as a person would, and wait until the operator has handled it."""
    stamp = f"{time.time_ns()}"
    body = {"metadata": {"annotations": {REQUEST: stamp}}}
    stage.api.call("PATCH", stage.path("stackdeployments", name), body, "application/merge-patch+json")
    until(lambda: stage.status(name).get("lastHandledReconcileAt") == stamp, 30, f"{name} took the request")


def edit(stage: Stage, name: str, **changes: Any) -> None:
    """Change the spec, and wait until the operator has looked at the new generation."""
    path = stage.path("stackdeployments", name)
    made = stage.api.call("PATCH", path, {"spec": changes}, "application/merge-patch+json")["metadata"]["generation"]
    until(lambda: stage.status(name).get("observedGeneration") == made, 30, f"{name} generation {made} was seen")


def failed(stage: Stage, name: str) -> dict[str, dict[str, Any]]:
    """Return failedHosts by host name."""
    return {entry["name"]: entry for entry in stage.status(name).get("failedHosts", ())}


def was_ready(stage: Stage, name: str) -> bool:
    """Whether the deployment was Ready at any time: every transition makes an event."""
    listed = stage.api.find(f"/apis/events.k8s.io/v1/namespaces/{stage.namespace}/events")
    return any(event["reason"] == "Ready" and event["regarding"]["name"] == name for event in listed["items"])


def step(stage: Stage, name: str, which: str) -> dict[str, Any]:
    """Return one step of the status, an empty map if there is none."""
    return next((entry for entry in stage.status(name).get("steps", ()) if entry["name"] == which), {})


def hosts(stage: Stage, deployment_name: str) -> list[str]:
    """Return the names of a deployment's hosts in Foreman, duplicates included."""
    return sorted(row["name"] for row in stage.simulator.rows("hosts") if row["name"].startswith(f"{deployment_name}-"))


def machines(stage: Stage, deployment_name: str) -> list[str]:
    """Return the names of a deployment's virtual machines, duplicates included."""
    return sorted(row["name"] for row in stage.simulator.rows("vms") if row["name"].startswith(f"{deployment_name}-"))


def jobs(stage: Stage, deployment_name: str, which: str = "") -> list[dict[str, Any]]:
    """Return a deployment's jobs, or those of one step, in the order in which they were started."""
    text = f"foreman-stacks {which}"
    about = f"{stage.namespace}/{deployment_name} "
    found = [
        row
        for row in stage.simulator.rows("jobs")
        if row["description"].startswith(text) and about in row["description"]
    ]
    return sorted(found, key=lambda row: int(row["id"]))


def succeeded(stage: Stage, deployment_name: str, which: str) -> list[str]:
    """Return the hosts on which a job of this step succeeded, one entry for each time."""
    mine = {row["id"] for row in jobs(stage, deployment_name, which)}
    parts = [row for row in stage.simulator.rows("template_invocations") if row["job_id"] in mine]
    return sorted(row["name"] for row in parts if row["result"] == "success")
