"""The endpoints for tests and scripts beside Foreman's API: under `/_simulator/`, without login (README.md)."""

from __future__ import annotations

from typing import Any

from . import agents, scenarios
from .call import Call, Route
from .plant import plant
from .replies import Row, error

BASE = "/_simulator"


def _given(call: Call) -> Any:
    return call.body["given"]


def _dict(call: Call) -> Row:
    given = _given(call)
    if not isinstance(given, dict):
        raise error(422, "a JSON object is expected")
    return given


async def reset(call: Call) -> Any:
    """POST reset: the scenario as at the start; counters, faults and audit log are empty."""
    call.world.faults.clear()
    call.world.reset()
    scenarios.load(call.world)
    return {"scenario": call.world.settings.scenario}


async def counters(call: Call) -> Any:
    """GET counters; `DELETE counters` starts counting anew."""
    counts = call.world.counts
    return {
        "requests": dict(sorted(counts.requests.items())),
        "rows": dict(sorted(counts.rows.items())),
        "searches": dict(sorted(counts.searches.items())),
        "seconds": {name: round(spent, 3) for name, spent in sorted(counts.seconds.items())},
        "unknown": list(counts.unknown),
        "dropped": list(counts.dropped),
    }


async def forget_counters(call: Call) -> Any:
    """DELETE counters."""
    call.world.counts = type(call.world.counts)()
    return {}


async def audit(call: Call) -> Any:
    """GET audit: what happened on hosts, and what caused it."""
    return list(call.world.audit)


async def clock(call: Call) -> Any:
    """GET and POST clock: `{"speed": X}` and `{"advance": SECONDS}`."""
    time = call.world.clock
    if call.route.method == "POST":
        given = _dict(call)
        if "speed" in given:
            time.set_speed(float(given["speed"]))
        if "advance" in given:
            time.advance(float(given["advance"]))
    return {"now": time.now(), "speed": time.speed}


async def agent(call: Call) -> Any:
    """POST agent: `{host, do: disable | enable | run | daemon | tamper}`."""
    given = _dict(call)
    if not agents.by_hand(call.world, str(given.get("host")), str(given.get("do"))):
        raise error(422, "no such machine, or not something that can be done to it")
    return {}


async def add_faults(call: Call) -> Any:
    """POST faults: one or a list of them; the kinds are in README.md."""
    given = _given(call)
    added = [call.world.faults.add(one) for one in (given if isinstance(given, list) else [given])]
    return [fault.view() for fault in added]


async def faults(call: Call) -> Any:
    """GET faults, with how often each has happened."""
    return [fault.view() for fault in call.world.faults.all]


async def clear_faults(call: Call) -> Any:
    """DELETE faults, or one of them; requests that they hold go on."""
    call.world.faults.clear(int(call.args["id"]) if "id" in call.args else None)
    return {}


async def planting(call: Call) -> Any:
    """POST plant: a JSON list of {resource, object}."""
    given = _given(call)
    if not isinstance(given, list):
        raise error(422, "a JSON list of {resource, object} is expected")
    return plant(call.world, given)


async def rows(call: Call) -> Any:
    """GET rows/:resource: the internal rows of a table, or of `vms` or `machines`; not counted."""
    world, name = call.world, call.args["resource"]
    if name == "vms":
        return list(world.vms.values())
    if name == "machines":
        return [
            {"name": a.name, "ready_at": a.ready_at if a.ready_at < 1e300 else None, "periodic": a.machine.daemon_running,
             "disabled": a.machine.disabled, "running": a.run is not None, "applied": a.applied}
            for a in world.machines.values()
        ]  # fmt: skip
    return [_json(row) for row in world.rows(name)]


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _json(inner) for key, inner in value.items() if key != "password"}
    if isinstance(value, (list, tuple, set)):
        return [_json(inner) for inner in value]
    return value


def routes() -> list[Route]:
    """Endpoints of this module."""
    table = (
        ("POST", "reset", reset), ("GET", "counters", counters), ("DELETE", "counters", forget_counters), ("GET", "audit", audit),
        ("GET", "clock", clock), ("POST", "clock", clock), ("POST", "agent", agent), ("POST", "faults", add_faults),
        ("GET", "faults", faults), ("DELETE", "faults", clear_faults), ("DELETE", "faults/:id", clear_faults),
        ("POST", "plant", planting), ("GET", "rows/:resource", rows),
    )  # fmt: skip
    return [Route(method, f"{BASE}/{path}", handler, login=False) for method, path, handler in table]
