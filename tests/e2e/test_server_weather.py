"""A Foreman that cannot be used says why and what to do; deployments wait meanwhile, and go on by themselves."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.gate import CERTIFICATE, Gate, Rule
from tests.e2e.leaks import PASSWORD
from tests.e2e.stage import SYSTEM, Stage, until
from tests.e2e.weather import HOSTGROUPS, HOSTS, deployment, hosts, stack

pytestmark = pytest.mark.timeout(600)

STATUS, PLUGINS = "/api/v2/status", "/api/v2/plugins"
FEATURES, PERMISSIONS = "/api/v2/remote_execution_features", "/api/v2/permissions/current_permissions"
SERVICE = {"username": "svc", "password": "svc-password1"}


@dataclasses.dataclass
class Servers:
    """Several ForemanServers on one stage, each behind a gate of its own."""

    stage: Stage
    calm: Gate
    made: list[str] = dataclasses.field(default_factory=list)

    def secret(self, name: str, **data: str) -> None:
        """The credentials of a server; keys that are not given go away."""
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
        path = f"/api/v1/namespaces/{SYSTEM}/secrets/{name}"
        if self.stage.api.find(path) is not None:
            self.stage.api.call("DELETE", path)
        self.stage.api.apply(path, body)

    def add(self, short: str, url: str, secret: dict[str, str] | None = None, **spec: Any) -> str:
        """A ForemanServer, and a paused deployment on it."""
        name = f"{self.stage.server}-{short}"
        self.made.append(name)
        if secret is not None:
            self.secret(name, **secret)
        spec = {"url": url, "credentialsSecretRef": {"name": name}, "tenants": [{"namespaceSelector": {}}]} | spec
        self.stage.apply(
            {
                "apiVersion": "stacks.theforeman.org/v1alpha1",
                "kind": "ForemanServer",
                "metadata": {"name": name},
                "spec": spec,
            }
        )
        body = deployment(self.stage, short, app=1)
        body["spec"] |= {"serverRef": {"name": name}, "stackRef": {"name": "web"}, "paused": True}
        self.stage.apply(body)
        return name

    def unready(self, name: str, reason: str) -> str:
        """Wait until the server is not Ready for this reason, and its deployment waits; the message."""
        message = self.stage.told("Ready", "False", reason, name, "foremanservers", seconds=30)
        short = name.removeprefix(f"{self.stage.server}-")
        until(
            lambda: self.stage.condition("Ready", short).get("reason") == "ServerNotReady",
            30,
            f"{short} ServerNotReady",
        )
        return message

    def recovers(self, name: str) -> None:
        """Wait until the server is Ready, and its deployment no longer waits for it."""
        until(lambda: self._ready(name).get("status") == "True", 30, f"{name} Ready: {self._ready(name)}")
        assert self.stage.condition("Stalled", name, "foremanservers") == {}
        short = name.removeprefix(f"{self.stage.server}-")
        until(
            lambda: self.stage.condition("Ready", short).get("reason") not in {"ServerNotReady", None},
            30,
            f"{short} goes on",
        )

    def _ready(self, name: str) -> dict[str, Any]:
        return self.stage.condition("Ready", name, "foremanservers")

    def some_probes(self, count: int = 4) -> None:
        """Wait until a server that is well was probed a few times more: so would have been any other."""
        seen = self.calm.requests(STATUS)
        until(lambda: self.calm.requests(STATUS) >= seen + count, 60, "some probes")


@pytest.fixture(scope="module")
def servers(shared_stage: Stage) -> Iterator[Servers]:
    stage = shared_stage
    stage.operator.start(server_probe="1", recheck="1")
    stack(stage, "web")
    with Gate(stage.simulator.url) as calm:
        found = Servers(stage, calm)
        found.recovers(found.add("calm", calm.url, account()))
        yield found
        for name in found.made:
            stage.delete(name.removeprefix(f"{stage.server}-"))
            stage.api.call(
                "PATCH",
                stage.path("foremanservers", name),
                {"metadata": {"finalizers": None}},
                "application/merge-patch+json",
            )
            stage.delete(name, "foremanservers")


@pytest.fixture
def gate(servers: Servers) -> Iterator[Gate]:
    with Gate(servers.stage.simulator.url) as found:
        yield found


def account() -> dict[str, str]:
    return {"username": "admin", "password": PASSWORD}


def test_401_is_asked_once_until_the_secret_changes(servers: Servers, gate: Gate) -> None:
    name = servers.add("wrong-password", gate.url, {"username": "admin", "password": "not the password"})
    message = servers.unready(name, "Unauthorized")
    assert message.startswith(f"spec.credentialsSecretRef: Secret '{name}' in namespace '{SYSTEM}': ")
    servers.some_probes()
    assert len(gate.seen) == 1
    servers.secret(name, **account())
    servers.recovers(name)


def test_401_in_the_middle_is_not_tried_again_either(servers: Servers, gate: Gate) -> None:
    name = servers.add("rotated", gate.url, account(), limits={"requests": 1})
    servers.recovers(name)
    rule = gate.answer(401, {"error": {"message": "Unable to authenticate user admin"}})
    servers.unready(name, "Unauthorized")
    servers.some_probes()
    assert rule.hits == 1
    gate.rules.clear()
    servers.secret(name, **SERVICE)
    servers.recovers(name)


def test_credentials_that_are_missing_or_lack_a_key_are_named(servers: Servers, gate: Gate) -> None:
    name = servers.add("no-secret", gate.url)
    message = servers.unready(name, "CredentialsMissing")
    assert name in message
    assert SYSTEM in message
    servers.secret(name, username="admin")

    def lacks() -> str:
        message = servers.unready(name, "CredentialsMissing")
        return message if "lacks" in message else ""

    assert "password" in until(lacks, 30, "the missing key")
    assert gate.seen == []
    servers.secret(name, username="svc", token=SERVICE["password"])
    servers.recovers(name)


def test_missing_permissions_are_named_all_at_once(servers: Servers, gate: Gate) -> None:
    lacking = {"create_hosts", "cancel_job_invocations", "view_plugins"}
    gate.answer(200, _permissions(servers, without=lacking), path=PERMISSIONS)
    gate.answer(403, _denied("view_plugins"), path=PLUGINS)
    name = servers.add("weak", gate.url, SERVICE)
    message = servers.unready(name, "Forbidden")
    assert all(permission in message for permission in lacking)
    assert "view_hosts" not in message
    gate.rules.clear()
    servers.recovers(name)


def test_permission_that_is_taken_away_later_is_named_by_the_server(servers: Servers, gate: Gate) -> None:
    """Not by its next full look: by the deployment that was refused."""
    name = servers.add("demoted", gate.url, SERVICE)
    servers.recovers(name)
    gate.answer(200, _permissions(servers, without={"view_hostgroups"}), path=PERMISSIONS)
    gate.answer(403, _denied("view_hostgroups"), path=HOSTGROUPS)
    body = deployment(servers.stage, "demoted", app=1)
    body["spec"] |= {"serverRef": {"name": name}, "stackRef": {"name": "web"}}
    servers.stage.apply(body)
    assert "view_hostgroups" in servers.unready(name, "Forbidden")
    gate.rules.clear()
    servers.recovers(name)
    servers.stage.ready("demoted")


def test_permission_that_is_missing_for_one_call_is_named_and_not_asked_for_without_end(
    servers: Servers, gate: Gate
) -> None:
    stage = servers.stage
    rule = gate.answer(403, _denied("create_hosts"), path=HOSTS, method="POST")
    name = servers.add("filtered", gate.url, SERVICE)
    body = deployment(stage, "filtered", app=1)
    body["spec"] |= {"serverRef": {"name": name}, "stackRef": {"name": "web"}}
    stage.apply(body)
    assert "create_hosts" in stage.stalled("Forbidden", "filtered")
    tried = rule.hits
    servers.some_probes(6)
    assert 1 <= rule.hits - tried <= 12
    assert hosts(stage, "filtered") == []
    gate.rules.clear()
    stage.ready("filtered")


@dataclasses.dataclass(frozen=True)
class Lack:
    """A server that lacks something: which answer shows it, and what the operator must say."""

    path: str
    change: Callable[[Any], Any]
    reason: str
    words: tuple[str, ...]


LACKS = {
    "old": Lack(STATUS, lambda found: {**found, "version": "3.11.5"}, "VersionNotSupported", ("3.11.5", "3.12")),
    "bare": Lack(
        PLUGINS, lambda found: _without(found, "foreman_puppet"), "PluginMissing", ("foreman_puppet", "install")
    ),
    "templateless": Lack(
        FEATURES, lambda found: _untemplated(found, "puppet_run_host"), "FeatureMissing", ("puppet_run_host", "assign")
    ),
}


@pytest.mark.parametrize("short", LACKS)
def test_server_that_lacks_something_says_what(servers: Servers, gate: Gate, short: str) -> None:
    lack = LACKS[short]
    gate.answer(200, lack.change(servers.stage.simulator.get(lack.path, per_page=500)), path=lack.path)
    name = servers.add(short, gate.url, account())
    message = servers.unready(name, lack.reason)
    assert all(word in message for word in lack.words)
    gate.rules.clear()
    servers.recovers(name)


@pytest.mark.parametrize(
    "short,rule",
    [
        ("html", Rule(200, "<html><body>It works!</body></html>")),
        ("login", Rule(302, "", {"Location": "https://sso.example.com/login"})),
        ("other", Rule(200, {"hello": "world"})),
        ("not-here", Rule(404, "<html>not here</html>")),
    ],
)
def test_what_is_no_foreman_is_called_so(servers: Servers, gate: Gate, short: str, rule: Rule) -> None:
    gate.rules.append(rule)
    name = servers.add(short, gate.url, account())
    assert "url" in servers.unready(name, "NotForeman").lower()
    gate.rules.clear()
    servers.recovers(name)


def test_path_below_foreman_is_not_foreman(servers: Servers, gate: Gate) -> None:
    gate.answer(404, "<html>nothing here</html>", path="/nothing/*")  # of the simulator nobody may ask this
    name = servers.add("path", f"{gate.url}/nothing", account())
    servers.unready(name, "NotForeman")
    _change(servers, name, url=gate.url)
    servers.recovers(name)


def test_name_that_does_not_resolve_and_port_where_nobody_listens(servers: Servers, gate: Gate) -> None:
    name = servers.add("nowhere", "http://foreman.invalid", account())
    message = servers.unready(name, "Unreachable")
    assert "foreman.invalid" in message
    assert "DNS" in message
    gate.shut()
    _change(servers, name, url=gate.url)
    until(lambda: "127.0.0.1" in servers.unready(name, "Unreachable"), 30, "nobody listens")
    gate.open()
    servers.recovers(name)


def test_certificate_that_nobody_trusts_needs_its_bundle(servers: Servers) -> None:
    with Gate(servers.stage.simulator.url, tls=True) as gate:
        name = servers.add("tls", gate.url, account())
        message = servers.unready(name, "Unreachable")
        assert "CERTIFICATE_VERIFY_FAILED" in message
        assert "caBundle" in message
        assert gate.seen == []
        _change(servers, name, caBundle=CERTIFICATE)
        servers.recovers(name)


def test_server_that_goes_and_comes_wakes_what_waits_for_it(servers: Servers, gate: Gate) -> None:
    """From Ready to unreachable and back: the deployment needs no touch of a person."""
    name = servers.add("blinking", gate.url, account())
    servers.recovers(name)
    gate.shut()
    servers.unready(name, "Unreachable")
    gate.open()
    servers.recovers(name)


def _change(servers: Servers, name: str, **spec: Any) -> None:
    servers.stage.api.call(
        "PATCH", servers.stage.path("foremanservers", name), {"spec": spec}, "application/merge-patch+json"
    )


def _denied(permission: str) -> dict[str, Any]:
    details = f"Missing one of the required permissions: {permission}"
    return {"error": {"message": "Access denied", "details": details, "missing_permissions": [permission]}}


def _permissions(servers: Servers, without: set[str]) -> dict[str, Any]:
    found = servers.stage.simulator.get(PERMISSIONS, per_page=500)
    return {**found, "results": [row for row in found["results"] if row["name"] not in without]}


def _without(found: dict[str, Any], plugin: str) -> dict[str, Any]:
    return {**found, "results": [row for row in found["results"] if row["id"] != plugin]}


def _untemplated(found: dict[str, Any], label: str) -> dict[str, Any]:
    rows = [{**row, "job_template_id": None} if row["label"] == label else row for row in found["results"]]
    return {**found, "results": rows}
