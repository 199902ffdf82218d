"""Config reports (foreman-api §6; recordings build-life 28-38, jobs-and-puppet-runs 34-84)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import host_views
from .call import Call, Route
from .replies import Row, error, invalid, not_found, parse_time, stamps, utc
from .search import Field, Fields

if TYPE_CHECKING:
    from .world import World

BASE = "/api/v2/config_reports"


def fields(world: World) -> Fields:
    """Search fields."""

    def host(row: Row, key: str) -> Any:
        found = world.get("hosts", row["host_id"])
        return found[key] if found else None

    def count(name: str) -> Field:
        return Field(lambda row: row["status"][name], "integer")

    reported = Field(lambda row: row["reported_at"], "date")
    return Fields(
        {
            "host": Field(lambda row: host(row, "name")),
            "host_id": Field(lambda row: row["host_id"], "integer"),
            "hostgroup": Field(lambda row: world.name_of("hostgroups", host(row, "hostgroup_id"))),
            "hostgroup_title": Field(lambda row: world.name_of("hostgroups", host(row, "hostgroup_id"), "title")),
            "id": Field(lambda row: row["id"], "integer"),
            "reported": reported,
            "last_report": reported,
            "origin": Field(lambda row: row["origin"]),
            "eventful": Field(lambda row: any(row["status"].values()), "boolean"),
            **{name: count(name) for name in host_views.COUNTERS},
        },
        bare=("host",),
    )


def view(world: World, row: Row) -> Row:
    """A row of the list."""
    return {
        "metrics": row["metrics"],
        **stamps(row),
        "id": row["id"],
        "host_id": row["host_id"],
        "host_name": world.name_of("hosts", row["host_id"]),
        "reported_at": utc(row["reported_at"]),
        "status": row["status"],
        "origin": row["origin"],
    }


def full(world: World, row: Row) -> Row:
    """Return the document of show, which adds the log lines and a summary (build-life 33, jobs-and-puppet-runs 84)."""
    logs = [
        {"level": level, "source": {"source": source}, "message": {"message": text}}
        for level, source, text in row["logs"]
    ]
    status = row["status"]
    failed, changed = status["failed"] or status["failed_restarts"], status["applied"] or status["restarted"]
    summary = "Failed" if failed else "Modified" if changed else "Success"
    return {**view(world, row), "logs": logs, "summary": summary}


def import_report(
    world: World, name: str, reported: float, body: Row, cause: str = "triggered", run: int | None = None
) -> Row:
    """Store an uploaded report; an unknown name makes an unmanaged host without organization or group (measured §6)."""
    host = next((h for h in world.rows("hosts") if h["name"] == name.lower()), None)
    if host is None:
        if not world.setting("create_new_host_when_report_is_uploaded"):
            raise not_found("host", name)
        host = _strange_host(world, name.lower())
    taken = {r["reported_at"] for r in world.rows("reports") if r["host_id"] == host["id"]}
    second = float(int(reported))
    if second in taken:
        if run is None:
            raise invalid("reported_at", "has already been taken")
        second = max(taken) + 1  # two runs of one host never start in the same second, so neither do ours
    status = {name: int((body.get("status") or {}).get(name) or 0) for name in host_views.COUNTERS}
    row = {
        "host_id": host["id"], "reported_at": second, "status": status, "metrics": body.get("metrics") or {}, "logs": body["logs"],
        "origin": body.get("origin"),
    }  # fmt: skip
    row = world.insert("reports", row)
    if not host["last_report"] or second > host["last_report"]:
        host["last_report"] = second
        host["configuration_status"] = host_views.configuration_number(status)
        if body.get("origin") == "Puppet":
            host["last_compile"] = world.now()
    host["global_status"] = host_views.global_status(world, host)
    world.log("report", name, cause, run=run, status=dict(status), id=row["id"])
    return row


def _strange_host(world: World, name: str) -> Row:
    from . import host_rows  # imported here: the two modules need each other

    keys = (*host_rows.FILLED, *host_rows.REINHERITED)
    row: Row = dict.fromkeys(key for key in keys if key != "subnet_id")
    row |= {
        "name": name, "managed": False, "build": False, "comment": "", "hostgroup_id": None, "organization_id": None, "location_id": None,
        "provision_method": "build", "image_id": None, "enabled": True, "mac": None, "ip": None, "uuid": None, "owner_id": None,
        "creator_id": None,
    }  # fmt: skip
    return world.insert("hosts", {**row, **host_rows.blank(world)})


def _visible(call: Call) -> list[Row]:
    if call.me["admin"]:
        return call.world.rows("reports")
    seen = {host["id"] for host in call.in_taxonomies(call.world.rows("hosts"))}
    return [row for row in call.world.rows("reports") if row["host_id"] in seen]


async def index(call: Call) -> Any:
    """GET config_reports (build-life 30, 34)."""
    world = call.world
    return call.listing(
        _visible(call), fields(world), lambda row: view(world, row), lambda row: -row["id"], "reports", empty_search=""
    )


async def show(call: Call) -> Any:
    """GET config_reports/:id (foreman-api §6.1)."""
    row = call.world.table("reports").get(int(call.args["id"])) if call.args["id"].isdigit() else None
    if row is None:
        raise not_found("config_report", call.args["id"])
    return full(call.world, row)


async def create(call: Call) -> Any:
    """POST config_reports (build-life 28, 29)."""
    given = call.body.get("config_report")
    if not isinstance(given, dict) or not given.get("host"):
        raise error(500)
    reported = parse_time(str(given.get("reported_at") or ""))
    if reported is None:
        raise invalid("reported_at", "can't be blank")
    logs = [
        (str(e.get("level")), str(e.get("sources", {}).get("source")), str(e.get("messages", {}).get("message")))
        for e in (entry.get("log", {}) for entry in given.get("logs") or [])
    ]
    await call.commit(given["host"])
    row = import_report(
        call.world, str(given["host"]), reported, {**given, "logs": logs, "origin": given.get("reporter")}
    )
    return view(call.world, row)


async def of_host(call: Call) -> Any:
    """GET hosts/:id/config_reports: the text in the path is compared with the host's *name* (build-life 31, 32)."""
    world, text = call.world, f" host = {call.args['id']}"
    if "search" in call.query:
        text = call.query["search"] + " and" + text
    return call.listing(
        _visible(call), fields(world), lambda row: view(world, row), lambda row: -row["id"], "reports", search=text
    )


async def last(call: Call) -> Any:
    """GET hosts/:id/config_reports/last: the report with the highest id; the host by id or name (build-life 33, 38)."""
    wanted, world = call.args["id"], call.world
    rows = [r for r in _visible(call) if wanted in (str(r["host_id"]), world.name_of("hosts", r["host_id"]))]
    if not rows:
        raise not_found("config_report")
    return full(world, max(rows, key=lambda row: int(row["id"])))


def routes() -> list[Route]:
    """Endpoints of this module."""
    see = ("view_config_reports",)
    return [
        Route("GET", BASE, index, see),
        Route("POST", BASE, create, ("upload_config_reports",), created=True),
        Route("GET", f"{BASE}/:id", show, see),
        Route("GET", "/api/v2/hosts/:id/config_reports", of_host, see),
        Route("GET", "/api/v2/hosts/:id/config_reports/last", last, see),
    ]
