"""What users write wrongly is told by path, with what to do; nothing is written to Foreman, and it heals by itself."""

import json
from typing import Any

import pytest

from tests.e2e.inputs import API, core, deploy, group, nothing_written, overriding, reconciling, stack, stack_stalled
from tests.e2e.stage import Stage, until
from tests.e2e.weather import SOURCE, edit, fault, fqdn, puppet_run


@pytest.fixture(scope="module")
def stage(shared_stage: Stage) -> Stage:
    """One stage for all: what is stalled is looked at again each second."""
    shared_stage.operator.start(recheck="1")
    until(
        lambda: shared_stage.condition("Ready", shared_stage.server, "foremanservers").get("status") == "True",
        30,
        "the server",
    )
    return shared_stage


UPDATED = group(parameters=[{"name": "peers", "type": "array", "value": []}])
UPDATE = {"hostgroup": "app", "parameter": "peers", "value": ["a"]}
OVERRIDE = "spec.hostgroups[app].puppetClasses[role_app].overrides[workers]"
QUOTE = "quote it: YAML changes what is not quoted (0644 becomes 420, 1.0 becomes 1, yes becomes true)"
ERB = "contains `<%`, which Foreman would evaluate as ERB; write it without `<%`"
BAD_STACKS: dict[str, tuple[dict[str, Any], str]] = {
    "reference": (
        {"roles": [{"name": "app", "hostgroup": "web", "count": {"min": 1}}]},
        "spec.roles[app].hostgroup: there is no hostgroup `web`; this Stack has app",
    ),
    "typo": (
        {
            "hostgroups": overriding(type="integer", expression="parameters.worker"),
            "parameters": [{"name": "workers", "type": "integer"}],
        },
        f"{OVERRIDE}.expression: `parameters.worker` is not known here; did you mean `parameters.workers`?",
    ),
    "type": (
        {"hostgroups": overriding(type="integer", expression="'seven'")},
        f"{OVERRIDE}.expression: gives a string where an integer is declared; write int(…) around it",
    ),
    "cycle": (
        {"steps": [puppet_run("a", after=("b",)), puppet_run("b", after=("a",))]},
        "spec.steps[a].after: the steps wait for one another: a → b → a; take one of these names out of `after`",
    ),
    "unordered": (
        {
            "hostgroups": UPDATED,
            "steps": [{"name": "a", "parameterUpdate": UPDATE}, {"name": "b", "parameterUpdate": UPDATE}],
        },
        (
            "spec.steps[b].after: updates the same parameter as step `a`, and neither comes after the other; "
            "add a to `after`, directly or through other steps"
        ),
    ),
    "mode": (
        {"hostgroups": overriding(type="string", value=0o644)},
        f"{OVERRIDE}.value: is an integer 420 where string is declared; {QUOTE}",
    ),
    "null": (
        {"hostgroups": overriding(type="array", value=["a", None])},
        f"{OVERRIDE}.value[1]: null is not a value; leave the key or entry out",
    ),
}


def test_broken_stacks_are_refused_by_path_and_their_deployments_wait(stage: Stage) -> None:
    with nothing_written(stage):
        for name, (changes, _) in BAD_STACKS.items():
            deploy(stage, f"stack-{name}", stack(f"stack-{name}", **changes))
        for name, (_, problem) in BAD_STACKS.items():
            assert stack_stalled(stage, f"stack-{name}") == problem
            message = stage.stalled("StackNotReady", f"stack-{name}")
            assert message == f"spec.stackRef.name: Stack 'stack-{name}' has 1 problem: {problem}; see its conditions"


def test_a_stack_that_is_mended_heals_its_deployment(stage: Stage) -> None:
    bad = stack(
        "healed",
        hostgroups=overriding(type="integer", expression="parameters.x"),
        steps=[puppet_run("run", after=("no",))],
    )
    with nothing_written(stage):
        deploy(stage, "healed", bad)
        assert len(stack_stalled(stage, "healed").splitlines()) == 2, "all problems at once"
        stage.stalled("StackNotReady", "healed")
    stage.apply(stack("healed"))
    stage.ready("healed")
    assert not stage.condition("Stalled", "healed", "stacks")


def test_parameters_that_are_missing_or_wrong_are_told_all_at_once(stage: Stage) -> None:
    wanted = [
        {"name": "workers", "type": "integer", "constraints": {"maximum": 9}},
        {"name": "mode", "type": "string"},
        {"name": "token", "type": "string", "sensitive": True, "description": "Who we are"},
        {"name": "limits", "type": "hash"},
    ]
    given = [
        {"name": "workers", "value": 12},
        {"name": "mode", "value": 0o644},
        {"name": "limits", "value": {"open": "<% 1 %>"}},
        {"name": "wokers", "value": 1},
    ]
    with nothing_written(stage):
        deploy(stage, "parameters", stack("parameters", parameters=wanted), parameters=given)
        message = stage.stalled("MissingParameters", "parameters")
        assert message.splitlines() == [
            "spec.parameters[wokers]: is not a parameter of the Stack; did you mean workers?",
            "spec.parameters[workers].value: is too big: 12; the maximum is 9",
            f"spec.parameters[mode].value: is an integer 420 where string is declared; {QUOTE}",
            "spec.parameters[token]: is missing, and has no default; give it a value (string) by valueFrom",
            f"spec.parameters[limits].value.open: {ERB}",
        ]
        missing = [{"name": "token", "type": "string", "sensitive": True, "description": "Who we are"}]
        assert stage.status("parameters")["missingParameters"] == missing
        source = {"secretKeyRef": {"name": "none", "key": "token"}}
        edit(stage, "parameters", parameters=[*given, {"name": "token", "valueFrom": source}])
        assert "Secret 'none'" in stage.stalled("InvalidSpec", "parameters")
        assert stage.status("parameters")["missingParameters"] == []
        sound = [
            {"name": "workers", "value": 3},
            {"name": "mode", "value": "0644"},
            {"name": "limits", "value": {"open": 1}},
        ]
        edit(stage, "parameters", parameters=[*sound, {"name": "token", "valueFrom": source}])
        assert "Secret 'none'" in reconciling(stage, "WaitingForSecret", "parameters"), "it is all that is left"


def test_a_secret_that_is_missing_is_waited_for(stage: Stage) -> None:
    parameters = [{"name": "token", "type": "string", "sensitive": True}, {"name": "motd", "type": "string"}]
    given = [
        {"name": "token", "valueFrom": {"secretKeyRef": {"name": "late", "key": "token"}}},
        {"name": "motd", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "motd"}}},
    ]
    with nothing_written(stage):
        deploy(stage, "late", stack("late", parameters=parameters), parameters=given)
        message = reconciling(stage, "WaitingForSecret", "late")
        assert "spec.parameters[token].valueFrom: Secret 'late'" in message
        assert "spec.parameters[motd].valueFrom: ConfigMap 'late'" in message
        ready = stage.condition("Ready", "late")
        assert (ready["status"], ready["reason"]) == ("Unknown", "WaitingForSecret")
        assert not stage.condition("Stalled", "late")
        core(stage, "Secret", "late", stringData={"other": "x"})
        until(lambda: "key 'token' of Secret 'late'" in stage.condition("Ready", "late")["message"], 30, "the key")
        assert stage.condition("Ready", "late")["reason"] == "WaitingForSecret"
        core(stage, "ConfigMap", "late", data={"motd": "<%= 7 %>"})
        message = stage.stalled("InvalidSpec", "late")
        assert "key 'token' of Secret 'late'" in message
        assert f"spec.parameters[motd].valueFrom: {ERB}" in message
        core(stage, "Secret", "late", stringData={"token": "t0ken"})
        assert stage.stalled("PreflightFailed", "late") == f"spec.parameters[motd].valueFrom: {ERB}"
    core(stage, "ConfigMap", "late", data={"motd": "hello"})
    stage.ready("late")


def test_a_stack_with_a_value_that_foreman_would_evaluate_says_so_and_its_deployments_with_all_else(
    stage: Stage,
) -> None:
    with nothing_written(stage):
        body = stack("erb", hostgroups=overriding(type="string", value="<%= @host.name %>"))
        deploy(stage, "erb", body, parentHostgroup="Base/No Such")
        assert stack_stalled(stage, "erb") == f"{OVERRIDE}.value: {ERB}"
        value, parent = stage.stalled("PreflightFailed", "erb").splitlines()
        assert value == f"Stack {OVERRIDE}.value: {ERB}"
        assert parent.startswith(
            "spec.parentHostgroup: there is no hostgroup 'Base/No Such' that the Foreman user can see"
        )


def test_a_namespace_that_is_no_tenant_learns_nothing_of_the_server(stage: Stage) -> None:
    server = f"closed-{stage.namespace}"
    tenants = [{"namespaceSelector": {"matchLabels": {"team": "other"}}, "organization": "Secret Organization"}]
    spec = {
        "url": "http://127.0.0.1:9/hidden",
        "credentialsSecretRef": {"name": "hidden-credentials"},
        "tenants": tenants,
    }
    stage.apply({"apiVersion": API, "kind": "ForemanServer", "metadata": {"name": server}, "spec": spec})
    try:
        with nothing_written(stage):
            deploy(stage, "stranger", stack("stranger"), serverRef={"name": server})
            message = stage.stalled("NotPermitted", "stranger")
            assert message == (
                f"spec.serverRef.name: namespace '{stage.namespace}' may not use ForemanServer '{server}'; "
                "ask an administrator to add it to the server's tenants"
            )
            until(
                lambda: stage.condition("Ready", server, "foremanservers").get("reason") == "CredentialsMissing",
                30,
                "the probe",
            )
            edit(stage, "stranger", paused=True)
            shown = json.dumps([stage.get("stranger"), *stage.seen()[3:4]])
            assert not [
                word
                for word in ("127.0.0.1:9", "hidden", "Secret Organization", "CredentialsMissing", "team")
                if word in shown
            ]
            tenants[0]["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": stage.namespace}}
            stage.apply({"apiVersion": API, "kind": "ForemanServer", "metadata": {"name": server}, "spec": spec})
            assert server in reconciling(stage, "ServerNotReady", "stranger"), "permitted, and it goes on"
    finally:
        stage.api.call("DELETE", stage.path("foremanservers", server))


def test_a_stack_or_server_that_is_not_there_is_named_and_waited_for(stage: Stage) -> None:
    with nothing_written(stage):
        deploy(stage, "lonely", serverRef={"name": "nowhere"})
        assert "there is no ForemanServer 'nowhere'" in stage.stalled("ServerNotFound", "lonely")
        edit(stage, "lonely", serverRef={"name": stage.server})
        message = stage.stalled("StackNotFound", "lonely")
        assert message == (
            f"spec.stackRef.name: there is no Stack 'lonely' in namespace '{stage.namespace}'; create it, or correct the name"
        )
    stage.apply(stack("lonely"))
    stage.ready("lonely")


def test_preflight_tells_everything_at_once_and_nothing_is_half_made(stage: Stage) -> None:
    """Two hostgroups under parents that will not do, one under a good one with classes that will not do; a name is taken."""
    taken = fqdn("preflight")
    bare = {"name": "Bare", "domain": "lab.example.com", "compute_resource": "libvirt-test"}
    shared = [
        {"class": "role_db", "parameter": "port", "override": True},
        {"class": "role_db", "parameter": "db_name", "override": True},
    ]
    planted = [{"resource": "smart_class_parameters", "object": key} for key in shared]
    planted += [{"resource": "hostgroups", "object": bare}, {"resource": "hosts", "object": {"name": taken}}]
    stage.simulator.control("POST", "plant", planted)
    overrides = [
        {"name": "port", "type": "string", "value": "5432"},
        {"name": "db_name", "type": "string", "sensitive": True, "value": "s3cret-name"},
        {"name": "no_such", "type": "string", "value": "x"},
    ]
    body = stack(
        "preflight",
        hostgroups=[
            {"name": "app", "puppetClasses": [{"name": "role_db", "overrides": overrides}, {"name": "no::such"}]},
            {"name": "lost"},
            {"name": "bare"},
        ],
        roles=[{"name": name, "hostgroup": name, "count": {"min": 1, "max": 9}} for name in ("app", "lost", "bare")],
        steps=[],
        parameters=[{"name": "motd", "type": "array", "hostgroups": ["app"]}],
    )
    sources = [
        {"name": "none", "max": 1, "computeResource": {"name": "no-such-cloud", "attributes": {"note": "<%"}}},
        {"name": "profile", "max": 1, "computeResource": {"name": "libvirt-test", "profile": "No Such"}},
        {"name": "empty", "max": 1, "computeResource": {"name": "libvirt-test", "profile": "3-Large"}},
        {"name": "ssh", "computeResource": {"name": "cloud-test", "image": "debian-12-ssh"}},
    ]
    roles = [
        {"name": "app", "count": 4, "sources": sources},
        {"name": "lost", "sources": [SOURCE]},
        {"name": "bare", "sources": [SOURCE]},
    ]
    with nothing_written(stage):
        parents = [{"name": "lost", "parent": "Base/No Such"}, {"name": "bare", "parent": "Bare"}]
        organization = "No Such Organization"
        given = [{"name": "motd", "value": ["welcome", "<%= 7 * 6 %>"]}]
        deploy(stage, "preflight", body, roles=roles, hostgroups=parents, organization=organization, parameters=given)
        message = stage.stalled("PreflightFailed", "preflight")
        source = "spec.roles[app].sources"
        for start in (
            "spec.parameters[motd].value[1]: contains `<%`, which Foreman would evaluate as ERB",
            f"{source}[none].computeResource.attributes.note: contains `<%`, which Foreman would evaluate as ERB",
            "spec.hostgroups[lost].parent: there is no hostgroup 'Base/No Such' that the Foreman user can see",
            "spec.organization: there is no organization 'No Such Organization' that the Foreman user can see",
            "spec.environment: is missing, and hostgroup 'Bare' has no Puppet environment",
            f"{source}[none].computeResource.name: there is no compute resource 'no-such-cloud' that the Foreman user can see",
            f"{source}[profile].computeResource.profile: there is no compute profile 'No Such'",
            f"{source}[empty].computeResource.profile: profile '3-Large' has no attributes for 'libvirt-test'",
            f"{source}[ssh].computeResource.image: image 'debian-12-ssh' needs an SSH finish script, which is not supported",
            "Stack spec.hostgroups[app].puppetClasses[no::such]: environment 'production' has no class 'no::such'",
            "override role_db::no_such: class 'role_db' has no parameter 'no_such' in 'production'",
            "override role_db::port: has type integer on the whole server, not string",
            "override role_db::db_name: is not hidden on this server, but its value here is a secret",
            f"spec.roles[app].hostname: host {taken} already exists and was not created by this deployment",
        ):
            (line,) = [line for line in message.splitlines() if line.startswith(start)]
            assert line.removeprefix(start).startswith("; "), "it says what to do"
        assert len(message.splitlines()) == 14
        assert not [row for row in stage.simulator.rows("hostgroups") if "preflight" in row["name"]]


def test_what_preflight_misses_is_looked_for_again_when_it_is_mended_in_foreman(stage: Stage) -> None:
    with nothing_written(stage):
        deploy(stage, "mended", stack("mended"), parentHostgroup="Later")
        stage.stalled("PreflightFailed", "mended")
    base = next(row for row in stage.simulator.rows("hostgroups") if row["name"] == "Debian 12")
    later = {key: base[key] for key in base if key.endswith("_id") and key != "parent_id"}
    later |= {
        "name": "Later",
        "root_pass": "x",
        "pxe_loader": base["pxe_loader"],
        "puppet_attributes": {"environment": "production"},
    }
    stage.simulator.control("POST", "plant", [{"resource": "hostgroups", "object": later}])
    stage.ready("mended")


def test_a_defect_of_ours_shows_in_the_object_and_goes_away(stage: Stage) -> None:
    """An answer that no Foreman gives breaks the pass off; here it is met by one deployment alone."""
    odd = {"total": 1, "subtotal": 1, "results": [{"name": "t0p-secret"}]}
    ident = fault(stage, "status", method="GET", path="/foreman_puppet/api/environments", status=200, body=odd)
    with nothing_written(stage):
        deploy(stage, "defect", stack("defect"), environment="t0p-secret")
        message = reconciling(stage, "InternalError", "defect")
        assert message.startswith("a bug in the operator: KeyError in ")
        ready = stage.condition("Ready", "defect")
        assert (ready["status"], ready["reason"]) == ("Unknown", "InternalError")
        assert stage.status("defect")["summary"]["reason"] == "InternalError"
    stage.simulator.control("DELETE", f"faults/{ident}")
    edit(stage, "defect", environment="production")
    stage.ready("defect")
    assert not stage.condition("Reconciling", "defect")
