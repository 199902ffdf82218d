"""Foreman's answers in shapes that were recorded, and the odd ones among them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from foreman_stacks.foreman import parse
from foreman_stacks.model.identity import Mark

GROUP: dict[str, Any] = {"id": 5, "title": "Base/Debian 12", "ancestry": "1/4", "domain_name": "example.com"}
HOST: dict[str, Any] = {"id": 7, "name": "a.example.com", "build_status": 0}
JOB: dict[str, Any] = {"id": 13, "description": "x", "status_label": "running"}
REPORT: dict[str, Any] = {
    "id": 50,
    "host_id": 7,
    "host_name": "a.example.com",
    "created_at": "2026-11-23 03:40:59 UTC",
    "status": {"applied": 1, "failed": 2, "failed_restarts": 3},
}


@pytest.mark.parametrize(
    "text, found",
    [
        ("2026-11-23 03:40:59 UTC", datetime(2026, 11, 23, 3, 40, 59, tzinfo=UTC)),
        ("2026-11-23T03:40:59.123Z", datetime(2026, 11, 23, 3, 40, 59, 123000, tzinfo=UTC)),
        ("2026-11-23T05:40:59+02:00", datetime(2026, 11, 23, 3, 40, 59, tzinfo=UTC)),
        ("2026-11-23 03:40:59", datetime(2026, 11, 23, 3, 40, 59, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_times(text: str | None, found: datetime | None) -> None:
    assert parse.moment(text) == found


def test_what_is_not_installed_or_not_shown_is_absent() -> None:
    found = parse.server({"version": "3.12.0"}, None, None, None, None)
    assert (found.version, found.plugins, found.permissions, found.admin, found.features) == (
        "3.12.0",
        frozenset(),
        frozenset(),
        False,
        frozenset(),
    )


def test_a_feature_without_a_template_is_none() -> None:
    rows = [{"label": "run_script", "job_template_id": 3}, {"label": "puppet_run_host", "job_template_id": None}]
    assert parse.server({"version": "3"}, None, None, None, {"results": rows}).features == {"run_script"}


def test_a_group_without_a_puppet_facet_has_no_environment() -> None:
    found = parse.hostgroup(GROUP)
    assert (found.environment_id, found.environment, found.classes, found.ancestors) == (
        None,
        None,
        frozenset(),
        (1, 4),
    )
    assert found.mark is None
    assert found.record is None


@pytest.mark.parametrize(
    "keys, environment",
    [
        ({"environment_id": 3, "inherited_environment_id": None}, 3),
        ({"environment_id": None, "inherited_environment_id": 2}, 2),
        ({"environment_id": None}, None),
    ],
)
def test_a_groups_environment_is_its_own_or_the_inherited_one(keys: dict[str, Any], environment: int | None) -> None:
    assert parse.hostgroup({**GROUP, **keys}).environment_id == environment


def test_own_and_all_classes_are_told_apart() -> None:
    row = {
        **GROUP,
        "puppetclasses": [{"id": 1, "name": "zk"}],
        "all_puppetclasses": [{"id": 1, "name": "zk"}, {"id": 2, "name": "ntp"}],
    }
    found = parse.hostgroup(row)
    assert found.classes == {"zk"}
    assert found.all_classes == {"zk", "ntp"}


def test_parameters_with_mark_and_hidden_value() -> None:
    rows = [
        {"name": "foreman_stacks", "value": "v1 i/ops/ring Created group=zk", "parameter_type": "string"},
        {"name": "old", "value": "x", "parameter_type": None, "hidden_value?": True},
    ]
    found = parse.hostgroup({**GROUP, "parameters": rows})
    assert found.mark == Mark("i/ops/ring", group="zk")
    assert [(entry.type, entry.hidden) for entry in found.parameters] == [("string", False), ("string", True)]


def test_the_row_of_a_list_tells_nothing_of_parameters() -> None:
    assert parse.host(HOST).parameters is None
    assert parse.host(HOST).mark is None
    single = parse.host({**HOST, "parameters": []})
    assert single.parameters == ()


@pytest.mark.parametrize(
    "fields, complete",
    [
        ({"ip": "10.0.0.1", "mac": "52:54", "uuid": "u", "compute_resource_id": 1}, True),
        ({"ip": "10.0.0.1", "mac": "52:54", "uuid": None, "compute_resource_id": 1}, False),
        ({"ip": None, "mac": "52:54", "uuid": "u", "compute_resource_id": 1}, False),
        ({"ip": "10.0.0.1", "mac": None, "uuid": "u", "compute_resource_id": 1}, False),
        ({"ip": "10.0.0.1", "mac": "52:54", "uuid": None, "compute_resource_id": None}, True),
    ],
)
def test_a_host_is_complete_with_machine_and_address(fields: dict[str, Any], complete: bool) -> None:
    assert parse.host({**HOST, **fields}).complete == complete


def test_a_profile_has_attributes_only_where_there_are_some() -> None:
    rows = [{"compute_resource_id": 1, "vm_attrs": {"cpus": 1}}, {"compute_resource_id": 2, "vm_attrs": {}}]
    assert parse.compute_profile({"id": 1, "name": "small", "compute_attributes": rows}).compute_resources == {1}


def test_counts_that_are_not_there_yet() -> None:
    found = parse.job({**JOB, "status_label": "queued", "total": "N/A", "succeeded": "N/A", "task": None})
    assert (found.total, found.succeeded, found.failed, found.task, found.ended) == (None, 0, 0, None, False)


def test_cancelled_hosts_count_as_failed() -> None:
    found = parse.job(
        {**JOB, "succeeded": 1, "failed": 2, "cancelled": 3, "pending": 4, "total": 10, "dynflow_task": {"id": "t"}}
    )
    assert (found.succeeded, found.failed, found.pending, found.total, found.task) == (1, 5, 4, 10, "t")


@pytest.mark.parametrize(
    "status, ended", [("queued", False), ("running", False), ("succeeded", True), ("failed", True), ("cancelled", True)]
)
def test_when_a_job_has_ended(status: str, ended: bool) -> None:
    assert parse.job({**JOB, "status_label": status}).ended == ended


@pytest.mark.parametrize("reply", [None, {}, {"output": None}, {"output": []}])
def test_no_output_is_an_empty_text(reply: Any) -> None:
    assert parse.output(reply) == ""


def test_output_is_put_together_from_its_lines() -> None:
    lines = [{"output": "one\n"}, {"output": None}, {"output": "two\n\n"}, {"output": "Exit status: 0"}]
    assert parse.output({"output": lines}) == "one\ntwo\nExit status: 0"


def test_a_report_and_its_host() -> None:
    host_id, found = parse.report(REPORT)
    assert host_id == 7
    assert (found.id, found.failed, found.failed_restarts, found.good) == (50, 2, 3, False)
    assert parse.report({**REPORT, "status": {}})[1].good
    assert parse.report({**REPORT, "status": None})[1].good


def test_of_a_reports_log_only_what_went_wrong() -> None:
    def entry(level: str, text: str) -> dict[str, Any]:
        return {"level": level, "source": {"source": "File[/x]"}, "message": {"message": text}}

    row = {"logs": [entry("notice", "fine"), entry("err", "bad"), entry("warning", "hm"), entry("crit", "worse")]}
    assert parse.report_log(row) == ("File[/x]: bad", "File[/x]: worse")
    assert parse.report_log(None) == ()


@pytest.mark.parametrize("classes", [[], None, {}])
def test_an_enc_without_classes(classes: Any) -> None:
    """Ruby makes a list of nothing (foreman-measured §1.2)."""
    assert parse.enc({"data": {"classes": classes, "environment": None}}).classes == {}


def test_an_enc_holds_classes_and_no_password() -> None:
    reply = {
        "data": {
            "classes": {"zk": {"id": 1}, "ntp": None},
            "environment": "production",
            "parameters": {"root_pw": "$5$x"},
        }
    }
    found = parse.enc(reply)
    assert (found.environment, found.classes) == ("production", {"zk": {"id": 1}, "ntp": {}})
    assert "$5$x" not in repr(found)
