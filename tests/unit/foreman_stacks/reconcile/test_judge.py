"""Whether a Foreman is one that we can work with, and what to do when it is not."""

from __future__ import annotations

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


def test_we_ask_for_just_the_permissions_that_the_flow_needs() -> None:
    """foreman-measured §7, word for word; `power_hosts`, `view_settings` and tasks are not used."""
    assert len(PERMISSIONS) == 43
    assert {
        "assign_organizations",
        "edit_classes",
        "create_template_invocations",
        "cancel_job_invocations",
    } <= PERMISSIONS
    assert not PERMISSIONS & {"power_hosts", "destroy_puppetclasses", "create_users"}


@pytest.mark.parametrize(
    "error, reason, words",
    [
        (ForemanUnauthorized("GET: 401 svc", status=401), Reason.UNAUTHORIZED, "correct the Secret"),
        (ForemanForbidden("GET: 403", ("view_hosts",)), Reason.FORBIDDEN, "view_hosts"),
        (ForemanForbidden("GET: 403 no"), Reason.FORBIDDEN, "role"),
        (ForemanNotFound("GET /api/v2/status: 404", status=404), Reason.NOT_FOREMAN, "spec.url"),
        (ForemanUnreachable("GET: 200, but what came is not JSON", status=200), Reason.NOT_FOREMAN, "not JSON"),
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
