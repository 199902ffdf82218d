"""Small valid Stacks and deployments for tests of what users write; each test breaks them in one place."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.stage import Stage, until
from tests.e2e.weather import WORKERS, deployment, puppet_run

API = "stacks.theforeman.org/v1alpha1"


def stack(name: str, **changes: Any) -> dict[str, Any]:
    """Return a valid Stack with one hostgroup, one role and one run, and with changes to its spec."""
    spec: dict[str, Any] = {
        "hostgroups": [{"name": "app", "puppetClasses": [{"name": "role_app", "overrides": [WORKERS]}]}],
        "roles": [{"name": "app", "hostgroup": "app", "count": {"min": 1, "max": 5000}}],
        "steps": [puppet_run("run")],
    }
    return {"apiVersion": API, "kind": "Stack", "metadata": {"name": name}, "spec": spec | changes}


def group(**changes: Any) -> list[dict[str, Any]]:
    return [{"name": "app", **changes}]


def overriding(**value: Any) -> list[dict[str, Any]]:
    """Return a hostgroup that overrides one parameter of its class."""
    return group(puppetClasses=[{"name": "role_app", "overrides": [{"name": "workers", **value}]}])


def deploy(stage: Stage, name: str, body: dict[str, Any] | None = None, **spec: Any) -> None:
    """Apply a Stack, if given, and a deployment of one host, both of this name."""
    if body is not None:
        stage.apply(body)
    found = deployment(stage, name, app=1)
    found["spec"] |= spec
    stage.apply(found)


@contextmanager
def nothing_written(stage: Stage) -> Iterator[None]:
    before = stage.simulator.writes()
    yield
    assert stage.simulator.writes() == before


def stack_stalled(stage: Stage, name: str) -> str:
    """Wait until the Stack is Stalled as InvalidStack; return the message."""

    def look() -> dict[str, dict[str, Any]]:
        told = {entry["type"]: entry for entry in stage.status(name, "stacks").get("conditions") or ()}
        return told if told.get("Stalled", {}).get("reason") == "InvalidStack" else {}

    ready = until(look, 30, f"Stack {name} Stalled")["Ready"]
    assert (ready["status"], ready["reason"]) == ("False", "InvalidStack")
    return str(ready["message"])


def reconciling(stage: Stage, reason: str, name: str) -> str:
    """Wait until the deployment is Reconciling for this reason; return the message."""
    return stage.told("Reconciling", "True", reason, name, seconds=30)


def core(stage: Stage, kind: str, name: str, **content: Any) -> None:
    """Apply a Secret or ConfigMap in the stage's namespace."""
    plural = {"Secret": "secrets", "ConfigMap": "configmaps"}[kind]
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **content}
    stage.api.apply(f"/api/v1/namespaces/{stage.namespace}/{plural}/{name}", body)
