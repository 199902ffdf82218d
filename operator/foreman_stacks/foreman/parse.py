"""Turns the JSON of Foreman's answers into the port's records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from foreman_stacks.foreman import port
from foreman_stacks.model.values import ValueType


def moment(text: str | None) -> datetime | None:
    """Parse a time as Foreman writes it: `2026-11-23 03:40:59 UTC` or ISO 8601 (foreman-api §1.1)."""
    if not text:
        return None
    found = datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def server(status: Any, plugins: Any, user: Any, permissions: Any, features: Any) -> port.Server:
    """A server. An answer is None where its endpoint does not exist, as without the plugin, or is forbidden."""
    return port.Server(
        version=str(status["version"]),
        plugins=frozenset(row["id"] for row in (plugins or {}).get("results", ())),
        permissions=frozenset(row["name"] for row in (permissions or {}).get("results", ())),
        admin=bool((user or {}).get("admin")),
        features=frozenset(
            row["label"] for row in (features or {}).get("results", ()) if row.get("job_template_id") is not None
        ),
    )


def parameter(row: Any) -> port.Parameter:
    """A parameter of a host or hostgroup."""
    return port.Parameter(
        name=row["name"],
        value=row["value"],
        type=cast("ValueType", row.get("parameter_type") or "string"),
        hidden=bool(row.get("hidden_value?")),
    )


def hostgroup(row: Any) -> port.Hostgroup:
    """A hostgroup; only one with a Puppet facet has the keys of the environment."""
    own = row.get("environment_id")
    return port.Hostgroup(
        id=row["id"],
        title=row["title"],
        ancestors=tuple(int(part) for part in (row.get("ancestry") or "").split("/") if part),
        environment_id=own if own is not None else row.get("inherited_environment_id"),
        environment=row.get("environment_name"),
        domain=row.get("domain_name"),
        puppet_proxy_id=row.get("puppet_proxy_id") or row.get("inherited_puppet_proxy_id"),
        parameters=tuple(parameter(entry) for entry in row.get("parameters") or ()),
        classes=frozenset(entry["name"] for entry in row.get("puppetclasses") or ()),
        all_classes=frozenset(entry["name"] for entry in row.get("all_puppetclasses") or ()),
        organization_ids=frozenset(entry["id"] for entry in row.get("organizations") or ()),
        location_ids=frozenset(entry["id"] for entry in row.get("locations") or ()),
    )


def class_key(row: Any) -> port.ClassKey:
    """A class parameter."""
    return port.ClassKey(
        id=row["id"],
        puppet_class=row.get("puppetclass_name") or "",
        name=row["parameter"],
        type=row.get("parameter_type") or "string",
        override=bool(row.get("override")),
        hidden=bool(row.get("hidden_value?")),
    )


def host(row: Any) -> port.HostRow:
    """A host's full row; only the answer for a single host has its own parameters."""
    own = row.get("parameters")
    return port.HostRow(
        id=row["id"],
        name=row["name"],
        ip=row.get("ip"),
        mac=row.get("mac"),
        uuid=row.get("uuid"),
        hostgroup_id=row.get("hostgroup_id"),
        environment=row.get("environment_name"),
        compute_resource_id=row.get("compute_resource_id"),
        build_status=int(row.get("build_status") or 0),
        parameters=None if own is None else tuple(parameter(entry) for entry in own),
    )


def compute_resource(row: Any) -> port.ComputeResource:
    """A compute resource."""
    return port.ComputeResource(id=row["id"], name=row["name"])


def images(rows: Any, with_user_data: Any) -> tuple[port.Image, ...]:
    """Images. A row does not say whether its image takes user data: `with_user_data` has the rows of those that do."""
    able = {row["id"] for row in with_user_data}
    return tuple(port.Image(row["id"], row["name"], str(row.get("uuid")), row["id"] in able) for row in rows)


def compute_profile(row: Any) -> port.ComputeProfile:
    """A compute profile; it has attributes for a compute resource when that resource's set is not empty."""
    return port.ComputeProfile(
        id=row["id"],
        name=row["name"],
        compute_resources=frozenset(
            entry["compute_resource_id"] for entry in row.get("compute_attributes") or () if entry.get("vm_attrs")
        ),
    )


def job(row: Any) -> port.Job:
    """A job; its counts are the text `N/A` until its hosts are resolved (measured §5)."""
    total = row.get("total")
    task = row.get("task") or row.get("dynflow_task") or {}
    return port.Job(
        id=row["id"],
        description=row.get("description") or "",
        status=row.get("status_label") or "",
        succeeded=_count(row.get("succeeded")),
        failed=_count(row.get("failed")) + _count(row.get("cancelled")),
        pending=_count(row.get("pending")),
        total=total if isinstance(total, int) else None,
        start_at=moment(row.get("start_at")),
        task=task.get("id"),
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


def output(reply: Any) -> str:
    """What a job printed on one host, with the exit status as its last line (measured §5)."""
    lines = (reply or {}).get("output") or ()
    return "\n".join(str(line.get("output", "")).rstrip("\n") for line in lines if line.get("output"))


def report(row: Any) -> tuple[int, port.Report]:
    """A report and the id of its host."""
    status: Mapping[str, Any] = row.get("status") or {}
    created = moment(row["created_at"])
    assert created is not None
    return int(row["host_id"]), port.Report(
        id=int(row["id"]),
        host=row["host_name"],
        created_at=created,
        failed=int(status.get("failed") or 0),
        failed_restarts=int(status.get("failed_restarts") or 0),
        reported_at=moment(row.get("reported_at")),
    )


def report_log(row: Any) -> tuple[str, ...]:
    """The messages of a report at level err or above, in their order, each with its source."""
    bad = {"err", "alert", "emerg", "crit"}
    return tuple(
        f"{entry['source']['source']}: {entry['message']['message']}"
        for entry in (row or {}).get("logs") or ()
        if entry.get("level") in bad
    )


def report_version(row: Any) -> str | None:
    """The configuration version that a report's log names; only the log of a verbose run names one."""
    messages = (entry["message"]["message"] for entry in (row or {}).get("logs") or ())
    return next((found for message in messages if (found := port.applied_version(message))), None)


def enc(reply: Any) -> port.Enc:
    """What the ENC gives Puppet. Its global parameters are left out: they hold the site's password hash."""
    data = (reply or {}).get("data") or {}
    classes = data.get("classes") or {}
    return port.Enc(
        environment=data.get("environment"),
        classes={name: values or {} for name, values in classes.items()} if isinstance(classes, dict) else {},
    )
