"""What calls cost a real server (foreman-measured §8): seconds of its own time, by endpoint and number of rows."""

from __future__ import annotations

import itertools

from .call import Call

LOGIN = 0.25  # more without the session cookie: the password is hashed anew (measured §1.13)
#: endpoint -> seconds
FIXED = {
    "GET /api/v2/status": 0.013,
    "GET /api/v2/plugins": 0.013,
    "GET /api/v2/hosts/:id": 0.093,
    "GET /api/v2/hosts/:id/enc": 0.072,
    "GET /api/v2/hostgroups/:id": 0.059,
    "POST /api/v2/hostgroups": 0.34,
    "PUT /api/v2/hostgroups/:id": 0.2,
    "DELETE /api/v2/hostgroups/:id": 0.2,
    "POST /foreman_puppet/api/smart_class_parameters/:key/override_values": 0.11,
    "PUT /foreman_puppet/api/smart_class_parameters/:key/override_values/:id": 0.08,
    "POST /api/v2/hosts": 0.55,
    "PUT /api/v2/hosts/:id": 0.28,
    "DELETE /api/v2/hosts/:id": 0.36,
    "PUT /foreman_puppet/api/smart_class_parameters/:key": 0.075,
    "POST /api/v2/config_reports": 0.05,
}
PLAIN = 0.03
#: host POSTs in flight -> hosts per second (measured §1.10): more in parallel are not faster. All are from one series
#: of measurements: with the 0.55 s of §8, a best of three, one at a time would seem faster than two
RATES = ((1, 1.06), (2, 1.32), (4, 1.09), (8, 0.53), (16, 0.33))


def crowded(in_flight: int) -> float:
    """Return the seconds of a host's POST when this many are in flight, itself included."""
    for (few, slow), (many, fast) in itertools.pairwise(RATES):
        if in_flight <= many:
            share = (in_flight - few) / (many - few)
            return in_flight / (slow + (fast - slow) * share)
    return in_flight / RATES[-1][1]


def cost(call: Call) -> float:
    """Return the seconds of a call; its rows count only once it is answered, since they are not known before."""
    name, rows = call.route.name, call.row_count
    if name == "GET /api/v2/hosts":
        if "thin" in call.query:
            return 0.068 if "params." in call.query.get("search", "") else 0.035
        each = 0.032 if "all_parameters" in (call.query.get("include[]") or "") else 0.018
        return 0.035 + each * rows.get("hosts", 0)
    if name == "GET /api/v2/hostgroups":
        return 0.03 + 0.028 * rows.get("hostgroups", 0)
    if name == "GET /api/v2/config_reports":
        return 0.021 + 0.002 * rows.get("reports", 0)
    if name == "GET /api/v2/job_invocations/:id":
        return 0.03 + 0.015 * rows.get("hosts", 0)
    if name == "POST /api/v2/job_invocations":
        return 0.38 + 0.008 * _asked(call)
    if name in ("PUT /api/v2/hosts/bulk/reassign_hostgroup", "PUT /api/v2/hosts/bulk/build"):
        ids = (call.body.get("included") or {}).get("ids") or []
        return 0.03 + 0.033 * len(ids)
    return FIXED.get(name, PLAIN)


def _asked(call: Call) -> int:
    given = call.body.get("job_invocation")
    ids = given.get("host_ids") if isinstance(given, dict) else None
    return len(ids) if isinstance(ids, list) else 1
