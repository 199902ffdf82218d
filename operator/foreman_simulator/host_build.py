"""The life of the build flag (foreman-api §9; recordings build-life): tokens, built, failed, bulk build."""

from __future__ import annotations

from typing import Any

from . import agents
from .call import Call, Route
from .replies import Failure, Row, error
from .world import World

TOKEN_HOURS = 6  # setting token_duration


def start(world: World, host: Row) -> None:
    """Enter build mode: set a token, delete reports and status; `installed_at` keeps its old value (build-life 36)."""
    host |= {
        "build": True, "build_failed": False, "token": world.uuid(), "token_expires": world.now() + TOKEN_HOURS * 3600, "last_report": None,
        "last_compile": None, "configuration_status": 0, "stored_build_status": 1,
    }  # fmt: skip
    for report in [r for r in world.rows("reports") if r["host_id"] == host["id"]]:
        del world.table("reports")[report["id"]]


def set_build(world: World, host: Row, wanted: bool) -> None:
    """Enter or leave build mode; a host that leaves it looks installed whatever happened before (build-life 40-42)."""
    if wanted and not host["build"]:
        start(world, host)
        world.touch(host)
        agents.vm_power(world, host)
    elif not wanted and host["build"]:
        host |= {
            "build": False,
            "build_failed": False,
            "last_token": host["token"],
            "token": None,
            "token_expires": None,
        }
        host["stored_build_status"] = 0
        world.touch(host)


def built(world: World, host: Row, failed: bool = False) -> None:
    """End build mode after the installer's success or failure; both set a fresh `installed_at` (build-life 15-25)."""
    host |= {
        "build": False, "build_failed": failed, "last_token": host["token"], "token": None, "token_expires": None,
        "installed_at": world.now(), "stored_build_status": 3 if failed else 0,
    }  # fmt: skip
    world.touch(host)
    world.log("build_failed" if failed else "built", host["name"], "daemon")
    if not failed:
        agents.installed(world, host)


def _by_token(call: Call) -> Row:
    token = call.query.get("token")
    for host in call.world.rows("hosts"):
        if token and host["token"] == token:
            return host
    raise Failure(404, "unattended: unable to find a host that matches the request from 127.0.0.1\n")


async def unattended_template(call: Call) -> Any:
    """GET unattended/:kind: the installer fetches its template (build-life 14)."""
    _by_token(call)
    return "# simulated template\n"


async def unattended_built(call: Call) -> Any:
    """GET or POST unattended/built (build-life 15, 16, 18, 39)."""
    built(call.world, _by_token(call))
    call.status = 201
    return ""


async def unattended_failed(call: Call) -> Any:
    """POST unattended/failed (build-life 17)."""
    built(call.world, _by_token(call), failed=True)
    call.status = 201
    return ""


def pick_hosts(call: Call) -> list[Row]:
    """Return the visible hosts that a bulk action names, by ids or by a search (environment-move-enc 47-51)."""
    from . import hosts  # imported here: the two modules need each other

    included = call.body.get("included") or {}
    rows = hosts.visible(call)
    if included.get("ids"):
        wanted = {int(i) for i in included["ids"]}
        found = [row for row in rows if row["id"] in wanted]
    elif "search" in included:
        from .host_views import search_fields
        from .search import select

        found = select(rows, included["search"], search_fields(call.world), call.world.now())
    else:
        raise error(400, "No hosts have been specified")
    excluded = {int(i) for i in (call.body.get("excluded") or {}).get("ids") or []}
    found = [row for row in found if row["id"] not in excluded]
    if not found:
        raise error(403, "No hosts matched search, or action unauthorized for selected hosts.")
    return found


def amount(number: int) -> str:
    """`1 host`, `2 hosts`."""
    return f"{number} host" if number == 1 else f"{number} hosts"


async def bulk_build(call: Call) -> Any:
    """PUT hosts/bulk/build: sets initiated_at (build-life 43, 49)."""
    found = pick_hosts(call)
    await call.commit()
    for host in found:
        if host["build"]:
            host["build"] = False
        start(call.world, host)
        host["initiated_at"] = call.world.now()
        call.world.touch(host)
        agents.vm_power(call.world, host)
    return {"message": f"Built {amount(len(found))}"}


async def reassign_hostgroup(call: Call) -> Any:
    """PUT hosts/bulk/reassign_hostgroup: no validation, no inheritance.

    Follows environment-move-enc 33, 47-53; measured §3.
    """
    world = call.world
    found = pick_hosts(call)
    wanted = call.body.get("hostgroup_id")
    group = world.get("hostgroups", int(wanted)) if wanted not in (None, "") else None
    if wanted not in (None, "") and group is None:
        raise Failure(500, {"status": 500, "error": "Internal Server Error"})
    await call.commit()
    for host in found:
        if host["id"] in world.table("hosts"):
            host["hostgroup_id"] = group["id"] if group else None
            world.touch(host)
    # Foreman counts for the message after the move: a search on the old hostgroup finds none by then
    told = len(found) if (call.body.get("included") or {}).get("ids") else len(_again(call))
    return {"message": f"Reassigned {amount(told)} to hostgroup {group['name'] if group else ''}".rstrip()}


def _again(call: Call) -> list[Row]:
    try:
        return pick_hosts(call)
    except Failure:
        return []


async def power_state(call: Call) -> Any:
    """GET hosts/:id/power (hosts 8, 10)."""
    from . import hosts

    host = hosts.find(call)
    vm = call.world.vms.get(host["uuid"] or "")
    if vm is None:
        return {
            "id": host["id"],
            "state": "na",
            "title": "N/A",
            "statusText": "Power operations are not enabled on this host.",
        }
    return {"id": host["id"], "state": "on" if vm["on"] else "off", "title": "On" if vm["on"] else "Off"}


ACTIONS = "start, stop, poweroff, reboot, reset, soft, cycle, state, on, off, status, ready?"


async def power(call: Call) -> Any:
    """PUT hosts/:id/power (hosts 38-41)."""
    from . import hosts

    host, action = hosts.find(call), str(call.body.get("power_action"))
    if action not in ACTIONS.split(", "):
        raise Failure(422, {"error": f"Unknown power action: available methods are {ACTIONS}"})
    vm = call.world.vms.get(host["uuid"] or "")
    if vm is None:
        raise Failure(422, {"error": "Power operations are not enabled on this host."})
    await call.commit(host["name"])
    if action in ("state", "status", "ready?"):
        return {"power": "running" if vm["on"] else "shutoff"}
    vm["on"] = action not in ("stop", "off", "poweroff", "soft")
    agents.vm_power(call.world, host)
    return {"power": True}


async def status(call: Call) -> Any:
    """GET hosts/:id/status/:type (hosts 86-89)."""
    from . import host_views, hosts

    world, host = call.world, hosts.find(call)
    built_now, whole = host_views.build_status(world, host), host_views.global_status(world, host)
    known = {
        "build": (built_now, host_views.BUILD[built_now]),
        "configuration": (host["configuration_status"], host_views.configuration_label(world, host)),
        "execution": (host["execution_status"], host_views.EXECUTION[host["execution_status"]]),
        "global": (whole, host_views.GLOBAL[whole]),
    }
    kind = call.args["type"]
    if kind not in known:
        raise Failure(422, {"error": f"Status {kind} does not exist."})
    return {"status": known[kind][0], "status_label": known[kind][1]}


def routes() -> list[Route]:
    """Endpoints of this module; those of `unattended` need no login."""
    base = "/api/v2/hosts"
    return [
        Route("PUT", f"{base}/bulk/build", bulk_build, ("edit_hosts",)),
        Route("PUT", f"{base}/bulk/reassign_hostgroup", reassign_hostgroup, ("edit_hosts",)),
        Route("GET", f"{base}/:id/power", power_state, ("power_hosts",)),
        Route("PUT", f"{base}/:id/power", power, ("power_hosts",)),
        Route("GET", f"{base}/:id/status/:type", status, ("view_hosts",)),
        Route("GET", "/unattended/built", unattended_built, login=False),
        Route("POST", "/unattended/built", unattended_built, login=False),
        Route("POST", "/unattended/failed", unattended_failed, login=False),
        Route("GET", "/unattended/:kind", unattended_template, login=False),
    ]
