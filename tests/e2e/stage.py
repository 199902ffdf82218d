"""A stage for one test: a simulated Foreman, the operator as a real process, and the apiserver to look at both.

The operator runs with a token of its ServiceAccount and no other right, as in production. Nothing here sleeps for a
fixed time: `until` looks again and again until a condition holds.
"""

import base64
import json
import os
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import yaml

from control_plane import ControlPlane
from kubeconfig import cluster_of, serviceaccount_kubeconfig
from tests.e2e.leaks import PASSWORD

ROOT = Path(__file__).parents[2]
SYSTEM = "foreman-stacks-system"
GROUP = "/apis/stacks.theforeman.org/v1alpha1"
SPEED = 200
GRACE = 30.0
"""Seconds from SIGTERM to SIGKILL: terminationGracePeriodSeconds in manifests/deployment.yaml."""
SETTINGS = {
    "NAMESPACE": SYSTEM,
    "HTTP_HOST": "127.0.0.1",
    "HTTP_PORT": "0",
    "POLL_JOBS": "0.2",
    "POLL_BUILDS": "0.2",
    "SERVER_PROBE": "2",
    "BACKOFF_FIRST": "0.2",
    "BACKOFF_CAP": "1",
    "LOOKUP_EVERY": "0.2",
    "BOOT_RETRY": "0.3",
    "RETRY_FIRST": "0.2",
    "BUSY_RETRY": "0.3",
    "CLAIM_GRACE": "0.1",
    "SHOW_EVERY": "0",
    "HOST_CREATE_TIMEOUT": "3",
    "REPORT_GRACE": "2",
    "LOG_LEVEL": "DEBUG",
}
SLOWNESS = 3
"""How much slower a busy machine may be than an idle one; longer limits cost time only where a test fails."""
T = TypeVar("T")


def until(look: Callable[[], T], seconds: float = 60, what: str = "") -> T:
    """Call `look` until it returns something true, and return that; raises AssertionError with the last answer.

    `seconds` are those of an idle machine; the limit is SLOWNESS times as long.
    """
    end = time.monotonic() + seconds * SLOWNESS
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what or look.__name__}; last: {found!r}")
        time.sleep(0.05)


class Api:
    """The apiserver, as an administrator."""

    def __init__(self, plane: ControlPlane) -> None:
        entry = cluster_of(plane.kubeconfig)
        token = yaml.safe_load(plane.kubeconfig.read_text())["users"][0]["user"]["token"]
        ca = base64.b64decode(entry["certificate-authority-data"]).decode()
        self._http = httpx.Client(
            base_url=entry["server"], headers={"Authorization": f"Bearer {token}"}, verify=_trust(ca)
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """Send one request; raises httpx.HTTPStatusError."""
        content = None if body is None else json.dumps(body)
        reply = self._http.request(method, path, content=content, headers={"Content-Type": kind}, timeout=30)
        reply.raise_for_status()
        return reply.json()

    def find(self, path: str) -> Any:
        """Return the object at a path, None if there is none."""
        try:
            return self.call("GET", path)
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                return None
            raise

    def watch(self, path: str, version: str, seconds: int = 5) -> Iterator[dict[str, Any]]:
        """Yield the changes of objects since a version, for so many seconds; raises httpx.HTTPError."""
        query: dict[str, str | int] = {"watch": "true", "resourceVersion": version, "timeoutSeconds": seconds}
        with self._http.stream("GET", path, params=query, timeout=seconds + 10) as reply:
            reply.raise_for_status()
            yield from (json.loads(line) for line in reply.iter_lines() if line)

    def apply(self, path: str, body: Any) -> Any:
        """Server-side apply."""
        return self.call("PATCH", f"{path}?fieldManager=test&force=true", body, "application/apply-patch+yaml")


def _trust(ca: str) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ca)


class Simulator:
    """The simulator as a process of its own."""

    def __init__(
        self, directory: Path, *arguments: str, speed: float = SPEED, environment: Mapping[str, str] | None = None
    ) -> None:
        self.log = directory / "simulator.log"
        command = [sys.executable, "-m", "foreman_simulator", "--port", "0", "--speed", str(speed), *arguments]
        env = {**os.environ, "PYTHONPATH": str(ROOT / "operator"), "FOREMAN_PASSWORD": PASSWORD, **(environment or {})}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=env, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "listening on" in line, f"the simulator did not start: {line!r}; see {self.log}"
        self.url = line.split()[-1]
        self._http = httpx.Client(base_url=self.url, auth=("admin", PASSWORD), timeout=60)

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """Send one GET as administrator; the simulator counts it like any other."""
        reply = self._http.get(path, params=query)
        reply.raise_for_status()
        return reply.json()

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Send one write as administrator, as somebody else would."""
        reply = self._http.request(method, path, json=body)
        reply.raise_for_status()
        return reply.json() if reply.content else None

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request to a path below /_simulator/."""
        reply = self._http.request(method, f"/_simulator/{path}", json=body)
        reply.raise_for_status()
        return reply.json() if reply.content else None

    def rows(self, resource: str) -> list[dict[str, Any]]:
        """Return all internal rows of a resource; not counted."""
        found = self.control("GET", f"rows/{resource}")
        return list(found.values()) if isinstance(found, dict) else list(found)

    def counters(self) -> dict[str, Any]:
        """Return the counters: requests, rows, unknown, dropped and others."""
        found: dict[str, Any] = self.control("GET", "counters")
        return found

    def writes(self) -> int:
        """Return how many requests were not GETs."""
        return sum(count for name, count in self.counters()["requests"].items() if not name.startswith("GET "))

    def audit(self) -> list[dict[str, Any]]:
        """Return the audit log: what happened on which host when, and what caused it."""
        found: list[dict[str, Any]] = self.control("GET", "audit")
        return found


@dataclass
class Operator:
    """The operator as a process; it can be killed and started again."""

    kubeconfig: Path
    directory: Path
    environment: dict[str, str]
    program: tuple[str, ...] = ("-m", "foreman_stacks", "run")
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def log(self) -> Path:
        return self.directory / "operator.log"

    def start(self, **settings: str) -> Self:
        """Start the operator; settings are for this and all later starts."""
        self.environment |= {f"FOREMAN_STACKS_{name.upper()}": value for name, value in settings.items()}
        env = {
            **os.environ,
            **self.environment,
            "KUBECONFIG": str(self.kubeconfig),
            "PYTHONPATH": str(ROOT / "operator"),
        }
        env.pop("KUBERNETES_SERVICE_HOST", None)
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([sys.executable, *self.program], stdout=log, stderr=log, env=env)
        return self

    def get(self, path: str) -> str:
        """Return the answer of /metrics, /livez or /readyz, empty if there is none."""
        ports = re.findall(r"/metrics on port (\d+)", self.log.read_text()) if self.log.exists() else []
        try:
            return httpx.get(f"http://127.0.0.1:{ports[-1]}{path}", timeout=10, trust_env=False).text if ports else ""
        except httpx.TransportError:
            return ""

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        """Send SIGTERM, and wait as long as a Pod is given to end.

        Raises subprocess.TimeoutExpired, after SIGKILL, if the operator takes longer: that is a defect.
        """
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self.kill()
                raise


@dataclass
class Stage:
    """The whole stage: its objects are in `namespace`, and `server` is its ForemanServer."""

    api: Api
    simulator: Simulator
    operator: Operator
    namespace: str
    server: str
    plane: ControlPlane
    more: list[str] = field(default_factory=list)

    # --- objects ----------------------------------------------------------------------------------------------

    def path(self, plural: str, name: str = "", namespace: str = "") -> str:
        """Return the path of an object of ours."""
        within = "" if plural == "foremanservers" else f"/namespaces/{namespace or self.namespace}"
        return f"{GROUP}{within}/{plural}" + (f"/{name}" if name else "")

    def apply(self, body: Mapping[str, Any], namespace: str = "") -> Any:
        """Apply one object of ours."""
        plural = {"Stack": "stacks", "StackDeployment": "stackdeployments", "ForemanServer": "foremanservers"}[
            body["kind"]
        ]
        return self.api.apply(self.path(plural, body["metadata"]["name"], namespace), body)

    def stack(self, file: str = "zookeeper", namespace: str = "", **changes: Any) -> dict[str, Any]:
        """Apply the Stack of an example, with changes to its spec."""
        body = example(file, "stack.yaml", "Stack")
        body["spec"] |= changes
        self.apply(body, namespace)
        return body

    def deployment(
        self, name: str = "zookeeper", file: str = "zookeeper", namespace: str = "", **changes: Any
    ) -> dict[str, Any]:
        """Apply the deployment of an example on this stage's server, with changes to its spec."""
        body = example(file, "deployment.yaml", "StackDeployment")
        body["metadata"]["name"] = name
        body["spec"] |= {"serverRef": {"name": self.server}} | changes
        self.apply(body, namespace)
        return body

    def change_server(self, **spec: Any) -> None:
        """Change the server's spec, and wait until a running operator follows it."""
        path = self.path("foremanservers", self.server)
        edited = self.api.call("PATCH", path, {"spec": spec}, "application/merge-patch+json")

        def look() -> bool:
            ready = self.condition("Ready", self.server, "foremanservers")
            followed = ("True", edited["metadata"]["generation"])
            return (ready.get("status"), ready.get("observedGeneration")) == followed

        if self.operator.process is not None:
            until(look, what=f"the server is Ready with {spec}")

    def get(self, name: str = "zookeeper", plural: str = "stackdeployments", namespace: str = "") -> Any:
        """Return an object of ours, None if there is none."""
        return self.api.find(self.path(plural, name, namespace))

    def status(self, name: str = "zookeeper", plural: str = "stackdeployments", namespace: str = "") -> dict[str, Any]:
        """Return the status of an object, an empty map if there is none."""
        found = self.get(name, plural, namespace)
        return (found or {}).get("status") or {}

    def condition(
        self, kind: str, name: str = "zookeeper", plural: str = "stackdeployments", namespace: str = ""
    ) -> dict[str, Any]:
        """Return a condition, an empty map if there is none."""
        conditions = self.status(name, plural, namespace).get("conditions") or []
        return next((entry for entry in conditions if entry["type"] == kind), {})

    def delete(self, name: str = "zookeeper", plural: str = "stackdeployments", namespace: str = "") -> None:
        """Ask for deletion."""
        self.api.call("DELETE", self.path(plural, name, namespace))

    def seen(self) -> list[Any]:
        """Return all that the operator shows to users in objects: the server, deployments, hosts and events."""
        found = [self.api.find(self.path("foremanservers", self.server))]
        for namespace in (self.namespace, *self.more, "default"):
            found += [
                self.api.find(self.path(plural, namespace=namespace))
                for plural in ("stackdeployments", "deployedhosts")
            ]
            found.append(self.api.find(f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"))
        return found

    def keep(self) -> None:
        """Append what can be seen now to files beside the operator's log; all are searched for secrets (`leaks`).

        Call it before anything is deleted.
        """
        for name, text in (("objects", json.dumps(self.seen(), indent=1)), ("metrics", self.operator.get("/metrics"))):
            with (self.operator.directory / f"{name}-{self.namespace}.txt").open("a") as file:
                file.write(f"{text}\n")

    # --- waiting ----------------------------------------------------------------------------------------------

    def ready(self, name: str = "zookeeper", seconds: float = 90, namespace: str = "") -> dict[str, Any]:
        """Wait until the deployment is Ready for its newest generation; return its status."""

        def look() -> dict[str, Any]:
            found = self.get(name, namespace=namespace) or {}
            status: dict[str, Any] = found.get("status", {})
            ready: dict[str, Any] = next((e for e in status.get("conditions", []) if e["type"] == "Ready"), {})
            told = (ready.get("status"), ready.get("observedGeneration"))
            return status if found and told == ("True", found["metadata"]["generation"]) else {}

        try:
            return until(look, seconds, f"{name} Ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{json.dumps(self.status(name, namespace=namespace), indent=1)}") from None

    def stalled(self, reason: str, name: str = "zookeeper", seconds: float = 60, namespace: str = "") -> str:
        """Wait until the deployment is Stalled for this reason; return the message."""
        return self.told("Stalled", "True", reason, name, seconds=seconds, namespace=namespace)

    def told(
        self,
        kind: str,
        status: str,
        reason: str,
        name: str = "zookeeper",
        plural: str = "stackdeployments",
        *,
        seconds: float = 60,
        namespace: str = "",
    ) -> str:
        """Wait until a condition has this status and reason; return the message that it has then."""

        def look() -> str:
            found = self.condition(kind, name, plural, namespace)
            return str(found["message"]) if (found.get("status"), found.get("reason")) == (status, reason) else ""

        try:
            return until(look, seconds, f"{name} {kind}={status}/{reason}")
        except AssertionError as error:
            shown = json.dumps(self.status(name, plural, namespace), indent=1)
            raise AssertionError(f"{error}\n{shown}") from None

    def gone(self, name: str = "zookeeper", seconds: float = 60, namespace: str = "") -> None:
        """Wait until the deployment is gone."""
        until(lambda: self.get(name, namespace=namespace) is None, seconds, f"{name} gone")


def example(folder: str, file: str, kind: str) -> dict[str, Any]:
    """Return an object of an example, without its namespace."""
    documents = yaml.safe_load_all((ROOT / "examples" / folder / file).read_text())
    found: dict[str, Any] = next(document for document in documents if document["kind"] == kind)
    found["metadata"].pop("namespace", None)
    return found


@contextmanager
def staged(
    plane: ControlPlane, directory: Path, namespace: str, *, simulator: Simulator | None = None, speed: float = SPEED
) -> Iterator[Stage]:
    """A stage whose simulator runs; the operator is not started yet. Everything is cleaned up at the end."""
    api = Api(plane)
    server = namespace
    own = simulator or Simulator(directory, speed=speed)
    kubeconfig = serviceaccount_kubeconfig(
        plane.kubeconfig, SYSTEM, "foreman-stacks", directory / "operator.kubeconfig"
    )
    environment = {f"FOREMAN_STACKS_{name}": value for name, value in SETTINGS.items()}
    environment["FOREMAN_STACKS_INSTALLATION"] = namespace
    operator = Operator(kubeconfig, directory, environment)
    stage = Stage(api, own, operator, namespace, server, plane)
    account = {"username": "admin", "password": PASSWORD}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": server}, "stringData": account}
    api.apply(f"/api/v1/namespaces/{SYSTEM}/secrets/{server}", secret)
    stage.apply(
        {
            "apiVersion": "stacks.theforeman.org/v1alpha1",
            "kind": "ForemanServer",
            "metadata": {"name": server},
            "spec": {
                "url": own.url,
                "credentialsSecretRef": {"name": server},
                "tenants": [
                    {"namespaceSelector": {}, "organization": "Default Organization", "location": "Default Location"}
                ],
            },
        }
    )
    try:
        yield stage
        counters = own.counters()
        assert (counters["unknown"], counters["dropped"]) == ([], []), "asked for what Foreman does not know"
    finally:
        with suppress(httpx.HTTPError):
            stage.keep()
        operator.stop()
        own.stop()
        sweep(stage)
        api.close()


def sweep(stage: Stage) -> None:
    """Delete all objects of this stage: the next stage's operator would act on them."""
    for namespace in (stage.namespace, *stage.more):
        listed = stage.api.find(stage.path("stackdeployments", namespace=namespace)) or {"items": []}
        for item in listed["items"]:
            _free(stage, stage.path("stackdeployments", item["metadata"]["name"], namespace))
        for item in (stage.api.find(stage.path("stacks", namespace=namespace)) or {"items": []})["items"]:
            _free(stage, stage.path("stacks", item["metadata"]["name"], namespace))
    _free(stage, stage.path("foremanservers", stage.server))


def _free(stage: Stage, path: str) -> None:
    try:
        stage.api.call("PATCH", path, {"metadata": {"finalizers": None}}, "application/merge-patch+json")
        stage.api.call("DELETE", path)
    except httpx.HTTPStatusError as error:
        if error.response.status_code != httpx.codes.NOT_FOUND:
            raise
