"""Whether a Foreman is one that we can work with, and what to do when it is not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from foreman_stacks.errors import (
    ForemanError,
    ForemanForbidden,
    ForemanNotFound,
    ForemanRefused,
    ForemanUnauthorized,
    ForemanUnreachable,
)
from foreman_stacks.foreman.port import Server
from foreman_stacks.model.outcome import Stalled, Wait
from foreman_stacks.model.reasons import Reason
from foreman_stacks.reconcile.judge import FEATURES, PERMISSIONS, PLUGINS, failure, judge
from foreman_stacks.reconcile.memory import Memory
from foreman_stacks.reconcile.trouble import trouble
from tests.unit.foreman_stacks.made import NOW

ROLE = (Path(__file__).parents[4] / "docs" / "foreman.md").read_text().split("## The user")[1].split("\n## ")[0]
MEASURED = {
    "Host": "view_hosts create_hosts edit_hosts destroy_hosts",
    "Hostgroup": "view_hostgroups create_hostgroups edit_hostgroups destroy_hostgroups",
    "Parameter": "view_params create_params edit_params destroy_params",
    "ComputeResource": "view_compute_resources view_compute_resources_vms create_compute_resources_vms "
    "destroy_compute_resources_vms",
    "ComputeProfile": "view_compute_profiles",
    "Organization": "view_organizations assign_organizations",
    "Location": "view_locations assign_locations",
    "Subnet": "view_subnets",
    "Domain": "view_domains",
    "Operatingsystem": "view_operatingsystems",
    "Architecture": "view_architectures",
    "Medium": "view_media",
    "Ptable": "view_ptables",
    "SmartProxy": "view_smart_proxies",
    "(none)": "view_plugins",
    "Setting": "view_settings",
    "ConfigReport": "view_config_reports",
    "ForemanPuppet::Puppetclass": "view_puppetclasses",
    "ForemanPuppet::Environment": "view_environments",
    "ForemanPuppet::PuppetclassLookupKey": "view_external_parameters create_external_parameters "
    "edit_external_parameters destroy_external_parameters",
    "ForemanPuppet::HostClass": "edit_classes",
    "JobInvocation": "view_job_invocations create_job_invocations cancel_job_invocations",
    "JobTemplate": "view_job_templates",
    "TemplateInvocation": "create_template_invocations",
    "RemoteExecutionFeature": "view_remote_execution_features",
    "ForemanTasks::Task": "view_foreman_tasks",
}
"""The permissions of foreman-measured §7, by the resource types that Foreman 3.12 gave them (role-and-filters)."""


def documented() -> dict[str, set[str]]:
    """The rows of the first table: a resource type and its permissions."""
    table = ROLE.split("\n\n| resource type | permissions |")[1].split("\n\n")[0]
    rows = [line.split(" | ") for line in table.splitlines()[2:]]
    return {kind.strip("| "): set(re.findall(r"`(\w+)`", names)) for kind, names, _ in rows}


def server(**fields: Any) -> Server:
    known: dict[str, Any] = {
        "version": "3.12.0",
        "plugins": frozenset(PLUGINS),
        "permissions": PERMISSIONS,
        "admin": False,
        "features": frozenset(FEATURES),
    }
    return Server(**(known | fields))


@pytest.mark.parametrize(
    "fields, reason, words",
    [
        ({}, Reason.CONNECTED, "3.12.0"),
        ({"version": "3.13.0-develop"}, Reason.CONNECTED, "3.13"),
        ({"version": "10.0"}, Reason.CONNECTED, "10.0"),
        ({"version": "3.11.9"}, Reason.VERSION_NOT_SUPPORTED, "3.12 or later"),
        ({"version": "2.50.1"}, Reason.VERSION_NOT_SUPPORTED, "2.50.1"),
        ({"version": "nightly"}, Reason.VERSION_NOT_SUPPORTED, "nightly"),
        ({"plugins": frozenset()}, Reason.PLUGIN_MISSING, "foreman_puppet, foreman_remote_execution"),
        ({"permissions": PERMISSIONS - {"create_hosts"}}, Reason.FORBIDDEN, "create_hosts"),
        ({"permissions": frozenset(), "admin": True}, Reason.CONNECTED, "3.12.0"),
        ({"permissions": PERMISSIONS - {"view_plugins"}, "plugins": frozenset()}, Reason.FORBIDDEN, "view_plugins"),
        ({"features": frozenset({"run_script"})}, Reason.FEATURE_MISSING, "puppet_run_host"),
    ],
)
def test_what_a_server_lacks_is_named(fields: dict[str, Any], reason: Reason, words: str) -> None:
    found = judge(server(**fields))
    assert found.reason is reason
    assert found.status == ("True" if reason is Reason.CONNECTED else "False")
    assert words in found.message


def test_the_documented_role_is_the_measured_one_with_one_filter_for_each_resource_type() -> None:
    """In the table and in the script: Foreman refuses a filter with permissions of several types."""
    measured = {kind: set(names.split()) for kind, names in MEASURED.items()}
    assert documented() == measured
    filters = re.findall(r"^filter (.+)$", ROLE, re.MULTILINE)
    assert sorted(sorted(names.split()) for names in filters) == sorted(map(sorted, measured.values()))


def test_a_server_is_asked_for_what_is_documented_and_our_calls_need() -> None:
    unused = {
        "view_settings": "what jobs go by is read by Foreman itself: no call of ours reads a setting",
        "view_foreman_tasks": "a job's answer has its task's state for whoever may see the job; we ask for no task",
    }
    names = set().union(*documented().values())
    assert names >= PERMISSIONS
    assert names - PERMISSIONS == unused.keys()


@pytest.mark.parametrize(
    "error, reason, words",
    [
        (ForemanUnauthorized("GET: 401 svc", status=401), Reason.UNAUTHORIZED, "correct the Secret"),
        (ForemanForbidden("GET: 403", ("view_hosts",)), Reason.FORBIDDEN, "view_hosts"),
        (ForemanForbidden("GET: 403 no"), Reason.FORBIDDEN, "role"),
        (ForemanNotFound("GET /api/v2/status: 404", status=404), Reason.NOT_FOREMAN, "spec.url"),
        (ForemanUnreachable("GET: 200, but the answer is not JSON", status=200), Reason.NOT_FOREMAN, "not JSON"),
        (ForemanUnreachable("GET: 302 Found", status=302), Reason.NOT_FOREMAN, "spec.url"),
        (ForemanUnreachable("https://x: ConnectError: certificate"), Reason.UNREACHABLE, "caBundle"),
        (ForemanUnreachable("GET: 502", status=502), Reason.UNREACHABLE, "502"),
        (ForemanRefused("GET: 500 oops", status=500), Reason.UNREACHABLE, "oops"),
    ],
)
def test_why_a_server_could_not_be_asked_and_what_to_do(error: ForemanError, reason: Reason, words: str) -> None:
    found = failure(error)
    assert (found.status, found.reason) == ("False", reason)
    assert words in found.message


def test_what_may_pass_by_itself_is_waited_for_and_only_the_rest_needs_a_person() -> None:
    memory = Memory(NOW)
    passing: list[tuple[ForemanError, Reason]] = [
        (ForemanUnauthorized("401", status=401), Reason.SERVER_NOT_READY),
        (ForemanUnreachable("gone"), Reason.FOREMAN_UNREACHABLE),
        (ForemanRefused("500", status=500), Reason.FOREMAN_UNREACHABLE),
    ]
    for error, reason in passing:
        told = trouble(error, memory)
        assert isinstance(told, Wait)
        assert told.reason is reason
    lacking = trouble(ForemanForbidden("403", ("create_hosts",)), memory)
    assert isinstance(lacking, Stalled)
    assert "create_hosts" in lacking.message


def test_a_refusal_is_looked_at_twice_before_a_person_is_asked() -> None:
    """A write of our own, sent before a crash, may have come first: then the second look sees it."""
    memory, error = Memory(NOW), ForemanRefused("422 taken", status=422)
    assert isinstance(trouble(error, memory), Wait)
    again = trouble(error, memory)
    assert isinstance(again, Stalled)
    assert again.reason is Reason.FOREMAN_REFUSED
