"""A simulator in this process, on a free loopback port, and a client that knows the lab."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from aiohttp import web

from foreman_simulator import scenarios
from foreman_simulator.app import Server
from foreman_simulator.world import Settings, World

Json = dict[str, Any]
PUPPET = "/foreman_puppet/api"
OPTIONS = {"puppet_options": "--verbose --color=false --no-splay"}


class Background:
    """The server in a thread with a loop of its own."""

    def __init__(self, settings: Settings) -> None:
        self.world = World(settings)
        scenarios.load(self.world)
        self.loop = asyncio.new_event_loop()
        self.url = ""
        ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait(10)

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)
        self.runner = web.AppRunner(Server(self.world).app(), access_log=None, shutdown_timeout=0.1)
        self.loop.run_until_complete(self.runner.setup())
        self.loop.run_until_complete(web.TCPSite(self.runner, "127.0.0.1", 0).start())
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"
        ready.set()
        self.loop.run_forever()
        self.loop.run_until_complete(self.runner.cleanup())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)


class Sim:
    """What the tests say."""

    def __init__(self, url: str, auth: tuple[str, str] = ("admin", "changeme")) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, auth=auth, timeout=20, verify=False)

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        return self.http.request(method, path, params=query or None, json=body)

    def get(self, path: str, **query: Any) -> Any:
        answer = self.call("GET", path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any, status: int = 201) -> Any:
        answer = self.call("POST", path, body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def put(self, path: str, body: Any, status: int = 200) -> Any:
        answer = self.call("PUT", path, body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def delete(self, path: str, status: int = 200) -> Any:
        answer = self.call("DELETE", path)
        assert answer.status_code == status, answer.text
        return answer.json()

    def control(self, path: str, body: Any) -> Any:
        return self.post(f"/_simulator/{path}", body, status=200)

    def plant(self, resource: str, **obj: Any) -> Json:
        made: Json = self.control("plant", [{"resource": resource, "object": obj}])[0]
        return made

    def advance(self, seconds: float) -> None:
        self.control("clock", {"advance": seconds})

    def until(self, happened: Callable[[], object], step: float = 5, times: int = 200) -> None:
        """Let simulated time pass until something is so; scripts need a moment of real time as well."""
        for _ in range(times):
            if happened():
                return
            self.advance(step)
            time.sleep(0.005)
        pytest.fail("it did not happen in time")

    def names(self, search: str) -> list[str]:
        found = self.get("/api/v2/hosts", search=search, thin="true", per_page="500")
        return [row["name"] for row in found["results"]]

    def rows(self, resource: str) -> list[Json]:
        found: list[Json] = self.get(f"/_simulator/rows/{resource}")
        return found

    def audit(self, event: str | None = None, **fits: Any) -> list[Json]:
        lines: list[Json] = self.get("/_simulator/audit")
        return [e for e in lines if event in (None, e["event"]) and all(e.get(k) == v for k, v in fits.items())]

    def base(self) -> int:
        return int(self.get("/api/v2/hostgroups", search='title = "Base/Debian 12"')["results"][0]["id"])

    def environment(self) -> int:
        return int(self.get(f"{PUPPET}/environments", search="name = production")["results"][0]["id"])

    def puppetclass(self, name: str) -> int:
        found = self.get(f"{PUPPET}/puppetclasses", search=f"name = {name}", style="list")
        return int(found["results"][0]["id"])

    def key(self, puppetclass: str, parameter: str) -> int:
        search = f"puppetclass_name = {puppetclass} and parameter = {parameter}"
        return int(self.get(f"{PUPPET}/smart_class_parameters", search=search)["results"][0]["id"])

    def switch_on(self, puppetclass: str, parameter: str, kind: str) -> int:
        ident = self.key(puppetclass, parameter)
        body = {"smart_class_parameter": {"override": True, "omit": True, "parameter_type": kind}}
        self.put(f"{PUPPET}/smart_class_parameters/{ident}", body)
        return ident

    def group(self, name: str = "zk (ns.dep)", classes: tuple[str, ...] = (), **more: Any) -> Json:
        facet = {"environment_id": self.environment(), "puppetclass_ids": [self.puppetclass(c) for c in classes]}
        body = {"name": name, "parent_id": self.base(), "puppet_attributes": facet, **more}
        made: Json = self.post("/api/v2/hostgroups", {"hostgroup": body})
        return made

    def host_body(self, name: str, group: int, **more: Any) -> Json:
        given = {"name": name, "hostgroup_id": group, "organization_id": 1, "location_id": 2, "build": True}
        return {"host": {**given, "compute_attributes": {"start": "1"}, **more}}

    def host(self, name: str, group: int, **more: Any) -> Json:
        made: Json = self.post("/api/v2/hosts", self.host_body(name, group, **more))
        return made

    def ready_host(self, name: str, group: int) -> Json:
        """A host that runs, with an agent that does nothing by itself."""
        body = {"name": f"{name}.lab.example.com", "machine": "none", "hostgroup_id": group, "ip": "198.18.9.9"}
        return self.plant("hosts", **body, puppet_attributes={"environment": "production"})

    def job(self, feature: str, hosts: list[int], inputs: Json, **more: Any) -> Json:
        body = {"feature": feature, "host_ids": hosts, "inputs": inputs, **more}
        made: Json = self.post("/api/v2/job_invocations", {"job_invocation": body})
        return made

    def finished(self, job: Json) -> Json:
        """The job's document once it has ended."""
        path = f"/api/v2/job_invocations/{job['id']}"
        self.until(lambda: self.get(path)["status_label"] not in ("running", "queued"))
        found: Json = self.get(path)
        return found

    def text(self, job: Json) -> str:
        outputs = self.get(f"/api/v2/job_invocations/{job['id']}/outputs")["outputs"]
        return "".join(line["output"] for line in outputs[0]["output"])


@pytest.fixture(scope="session")
def server() -> Iterator[Background]:
    background = Background(Settings(scenario="lab"))
    yield background
    background.stop()


@pytest.fixture
def sim(server: Background) -> Iterator[Sim]:
    client = Sim(server.url)
    client.control("clock", {"speed": 1})
    client.control("reset", None)
    yield client
    client.call("DELETE", "/_simulator/faults")
    client.http.close()


@pytest.fixture
def service(sim: Sim) -> Iterator[Sim]:
    """The same server, asked as the service user."""
    client = Sim(sim.url, ("svc", "svc-password1"))
    yield client
    client.http.close()
