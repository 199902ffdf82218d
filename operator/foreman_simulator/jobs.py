"""Job invocations (foreman-api §8.1; measured §5; recordings jobs-and-puppet-runs, raw/job-lost-by-proxy)."""

from __future__ import annotations

import re
from typing import Any

from . import host_views, hosts, job_life
from .call import Call, Route
from .replies import Row, error, message, not_found, truthy, utc
from .search import Field, Fields, select
from .world import World

BASE = "/api/v2/job_invocations"
LAG = 3.0  # simulated seconds by which a job's counts lag behind the searches (measured §1.4)
STATUS = {"succeeded": 0, "failed": 1, "queued": 2, "running": 3, "cancelled": 4}
KNOWN = (
    "feature", "job_template_id", "targeting_type", "search_query", "bookmark_id", "host_ids", "inputs", "ssh", "description_format",
    "concurrency_control", "execution_timeout_interval", "scheduling", "recurrence", "time_to_pickup", "randomized_ordering",
)  # fmt: skip

FIELDS = Fields(
    {
        "id": Field(lambda row: row["id"], "integer"),
        "description": Field(lambda row: row["description"]),
        "status": Field(lambda row: row["status"]),
        "started_at": Field(lambda row: row["start_at"], "date"),
        "user": Field(lambda row: row["login"]),
    },
    bare=("description",),
)


def parts(world: World, job: int) -> list[Row]:
    """Return the job's template invocations, one for each host on which it has begun, in the job's order."""
    return list(world.parts[job])


def counts(world: World, row: Row) -> Row:
    """Return the counts succeeded, failed, pending, cancelled and total; they lag while the job runs."""
    if row["status"] == "queued":
        return {"succeeded": 0, "failed": 0, "pending": 0, "cancelled": 0, "total": "N/A"}
    shown = {"succeeded": 0, "failed": 0, "cancelled": 0}
    names = {"success": "succeeded", "failed": "failed", "cancelled": "cancelled"}
    for part in parts(world, row["id"]):
        known = row["finished_at"] is not None or (part["ended_at"] or 1e18) + LAG <= world.now()
        if known and part["result"] in names:
            shown[names[part["result"]]] += 1
    total = len(row["host_ids"])
    if row["cancelled"] and row["finished_at"] is not None:
        shown["cancelled"] = total - shown["succeeded"] - shown["failed"]
    return {**shown, "pending": total - sum(shown.values()), "total": total}


def view(world: World, row: Row) -> Row:
    """A row of the list: counts without hosts (jobs-and-puppet-runs 29)."""
    template = world.table("job_templates")[row["template_id"]]
    counted = counts(world, row)
    return {
        "id": row["id"], "description": row["description"], "job_category": template["job_category"], "targeting_id": row["id"],
        "status": STATUS[row["status"]], "start_at": utc(row["start_at"]), "status_label": row["status"], "ssh_user": None,
        "time_to_pickup": None, "dynflow_task": _task(row), "template_id": template["id"], "template_name": template["name"],
        "effective_user": "root", **{key: counted[key] for key in ("succeeded", "failed", "pending", "cancelled", "total")},
        "missing": 0, "total_hosts": len(row["host_ids"]),
    }  # fmt: skip


def _task(row: Row) -> Row | None:
    return None if row["task"] is None else {"id": row["task"], "state": row["task_state"]}


def full(world: World, row: Row, host_status: bool = False) -> Row:
    """Return the document of create and show, with all hosts and the template invocations that have begun.

    Follows jobs-and-puppet-runs 24, 25, 30, 92.
    """
    begun = parts(world, row["id"])
    by_host = {part["host_id"]: part for part in begun}
    listed = []
    for ident in row["host_ids"]:
        host = world.get("hosts", ident)
        if host is not None:
            entry = {"name": host["name"], "id": ident, "display_name": host["name"]}
            listed.append(entry | ({"job_status": _job_status(by_host.get(ident))} if host_status else {}))
    targeting = {
        "bookmark_id": None, "search_query": row["search_query"], "targeting_type": "static_query", "user_id": row["user_id"],
        "randomized_ordering": None, "hosts": listed,
    }  # fmt: skip
    shown = {**view(world, row), "targeting": targeting, "task": _task(row)}
    if begun:
        shown["template_invocations"] = [_part_view(world, row, part) for part in begun]
    return shown


def _job_status(part: Row | None) -> str | None:
    if part is None:
        return None
    return {"success": "success", "failed": "error", "cancelled": "cancelled"}.get(part["result"], "running")


def _part_view(world: World, row: Row, part: Row) -> Row:
    template = world.table("job_templates")[row["template_id"]]
    values = [
        {"template_input_name": name, "template_input_id": template["inputs"][name], "value": str(value).strip()}
        for name, value in row["inputs"].items()
    ]
    return {
        "template_id": template["id"], "template_name": template["name"], "host_id": part["host_id"],
        "template_invocation_input_values": values,
    }  # fmt: skip


def find(call: Call) -> Row:
    """Return the job of the path; 404 if the caller may not see jobs."""
    wanted = call.args["id"]
    row = call.world.table("jobs").get(int(wanted)) if wanted.isdigit() else None
    if row is None or not call.may("view_job_invocations"):
        raise not_found("job_invocation", wanted)
    return row


async def index(call: Call) -> Any:
    """GET job_invocations: an empty list without the permission (authentication-and-permissions 17)."""
    world = call.world
    rows = world.rows("jobs") if call.may("view_job_invocations") else []
    return call.listing(rows, FIELDS, lambda row: view(world, row), lambda row: -row["id"], "job_invocations_thin")


async def show(call: Call) -> Any:
    """GET job_invocations/:id (measured §1.4: it is slow, and lags behind the searches)."""
    row = find(call)
    call.world.counts.rows["job_invocations"] += 1
    call.row_count["hosts"] = len(row["host_ids"])
    return full(call.world, row, truthy(call.query.get("host_status")))


async def create(call: Call) -> Any:
    """POST job_invocations (jobs-and-puppet-runs 24-91)."""
    world = call.world
    given = call.wrapped("job_invocation", KNOWN)
    template = _template(world, given)
    targets = _targets(call, given)
    inputs = given.get("inputs") or {}
    missing = [name for name in template["required"] if not str(inputs.get(name) or "").strip()]
    if missing:
        name = str(template["name"])
        raise error(500, f"Validation failed: Template {name[0].lower() + name[1:].lower()}: Not all required inputs have values. "
                    f"Missing inputs: {', '.join(missing)}")  # fmt: skip
    for name in inputs.keys() - template["inputs"].keys():
        world.drop(f"{call.route.name} job_invocation.inputs.{name}")
    inputs = {name: value for name, value in inputs.items() if name in template["inputs"] and value not in (None, "")}
    await call.commit()
    query = given.get("search_query") or f"name ^ ({', '.join(host['name'] for host in targets)})"
    stuck = world.faults.for_request("job_queued", "POST", call.path)
    row = world.insert("jobs", {
        "description": _description(given, template, inputs), "template_id": template["id"], "status": "queued" if stuck else "running",
        "start_at": world.now(), "finished_at": None, "cancelled": False, "task": None if stuck else world.uuid(), "task_state": "planned",
        "host_ids": [host["id"] for host in targets], "search_query": query, "inputs": inputs, "user_id": call.me["id"],
        "login": call.me["login"], "concurrency": int((given.get("concurrency_control") or {}).get("concurrency_level") or 0),
    })  # fmt: skip
    if stuck:
        raise error(500, "Dynflow world is not initialized yet")
    world.log(
        "job", "", "triggered", job=row["id"], description=row["description"], hosts=[host["name"] for host in targets]
    )
    job_life.begin(world, row)
    call.row_count["hosts"] = len(targets)
    return full(world, row)


def _template(world: World, given: Row) -> Row:
    """Return the template, by feature or id; an unknown feature is a 404 without an id (jobs-and-puppet-runs 88)."""
    ident = given.get("job_template_id")
    if given.get("feature"):
        feature = next((f for f in world.rows("remote_execution_features") if f["label"] == given["feature"]), None)
        ident = feature["job_template_id"] if feature else None
    template = world.get("job_templates", int(ident)) if ident else None
    if template is None:
        raise error(404, f"Template with id '{ident or ''}' was not found")
    return template


def _targets(call: Call, given: Row) -> list[Row]:
    """Return the hosts of ids, names or a search, by name; an unknown id is 422 (jobs-and-puppet-runs 86, 90)."""
    world, rows = call.world, hosts.visible(call)
    fields = host_views.search_fields(world)
    if given.get("search_query"):
        found = select(rows, given["search_query"], fields, world.now())
    elif isinstance(given.get("host_ids"), str):
        found = select(rows, given["host_ids"], fields, world.now())
    else:
        found, known = [], {str(row["id"]): row for row in rows} | {row["name"]: row for row in rows}
        for wanted in given.get("host_ids") or []:
            host = known.get(str(wanted))
            if host is None:
                raise error(422, f'Couldn\'t find Host::Managed with \'id\'={wanted} [WHERE "hosts"."type" = $1]')
            found.append(host)
    return sorted(found, key=lambda row: str(row["name"]))


def _description(given: Row, template: Row, inputs: Row) -> str:
    text = str(given.get("description_format") or template["description_format"])
    return re.sub(r"%\{(\w+)\}", lambda m: str(inputs.get(m[1], "")), text)


def output(world: World, row: Row, part: Row | None) -> Row:
    """Return one host's output, which is empty until it has ended (jobs-and-puppet-runs 26-95)."""
    if part is None:
        done = row["finished_at"] is not None
        return {"complete": done, "refresh": not done, "output": []}
    if part["lost"] and part["ended_at"] is None:
        text = "Error loading data from proxy: RestClient::NotFound - 404 Not Found"
        lines = [{"output_type": "debug", "output": text, "timestamp": world.now()}]
        return {"complete": False, "refresh": True, "output": lines}
    done = part["ended_at"] is not None
    return {"complete": done, "refresh": not done, "output": part["output"] if done else []}


async def outputs(call: Call) -> Any:
    """GET job_invocations/:id/outputs: all hosts (jobs-and-puppet-runs 26, 37)."""
    world, row = call.world, find(call)
    by_host = {part["host_id"]: part for part in parts(world, row["id"])}
    wanted = row["host_ids"]
    if call.query.get("search_query"):
        rows = [host for host in world.rows("hosts") if host["id"] in set(wanted)]
        found = select(rows, call.query["search_query"], host_views.search_fields(world), world.now())
        wanted = [host["id"] for host in sorted(found, key=lambda h: str(h["name"]))]
    world.counts.rows["outputs"] += len(wanted)
    return {"outputs": [{**output(world, row, by_host.get(i)), "host_id": i} for i in wanted]}


async def host_output(call: Call) -> Any:
    """GET job_invocations/:id/hosts/:host (jobs-and-puppet-runs 31)."""
    row, host = find(call), hosts.find(call, "host")
    part = next((p for p in parts(call.world, row["id"]) if p["host_id"] == host["id"]), None)
    return output(call.world, row, part)


async def template_invocations(call: Call) -> Any:
    """GET job_invocations/:id/template_invocations (jobs-and-puppet-runs 32)."""
    row = find(call)

    def shown(part: Row) -> Row:
        return {
            "id": part["id"], "template_id": row["template_id"], "job_invocation_id": row["id"], "effective_user": "root",
            "host_id": part["host_id"], "run_host_job_task_id": part["task"],
            "host_name": call.world.name_of("hosts", part["host_id"]),
        }  # fmt: skip

    return call.listing(parts(call.world, row["id"]), FIELDS, shown, lambda part: part["id"])


async def cancel(call: Call) -> Any:
    """POST job_invocations/:id/cancel (jobs-and-puppet-runs 93, 99)."""
    row = find(call)
    if row["finished_at"] is not None or row["cancelled"]:
        raise message(422, "The job could not be cancelled.")
    await call.commit()
    job_life.cancel(call.world, row)
    return {"cancelled": True, "id": row["id"]}


def routes() -> list[Route]:
    """Endpoints of this module. `GET …/:id/hosts` does not exist in this version (jobs-and-puppet-runs 33)."""
    see = ("view_job_invocations",)
    return [
        Route("GET", BASE, index),
        Route("POST", BASE, create, ("create_job_invocations",), created=True),
        Route("GET", f"{BASE}/:id", show, see),
        Route("GET", f"{BASE}/:id/outputs", outputs, see),
        Route("GET", f"{BASE}/:id/hosts/:host", host_output, see),
        Route("GET", f"{BASE}/:id/template_invocations", template_invocations, see),
        Route("POST", f"{BASE}/:id/cancel", cancel, ("cancel_job_invocations",)),
    ]
