"""The figures: one function each, which returns one row of the table."""

from collections.abc import Callable

from benchmarks.rows import Row, at_most, exactly, percentile, plain
from benchmarks.runs import Laboratory
from foreman_stacks.settings import Settings

Figure = Callable[[Laboratory], Row]


def requests_some(lab: Laboratory) -> Row:
    return _requests(lab, lab.sizes.some, 1.2, overrides=False)


def requests_many(lab: Laboratory) -> Row:
    return _requests(lab, lab.sizes.many, 1.2, overrides=False)


def requests_some_overrides(lab: Laboratory) -> Row:
    return _requests(lab, lab.sizes.some, 2.2, overrides=True)


def requests_many_overrides(lab: Laboratory) -> Row:
    return _requests(lab, lab.sizes.many, 2.2, overrides=True)


def _requests(lab: Laboratory, hosts: int, goal: float, *, overrides: bool) -> Row:
    words = "with" if overrides else "without"
    found = lab.rollout(hosts, overrides=overrides)
    waiting = f"{found.polls} requests of the poller apart"
    name = f"requests per created host, {hosts} hosts, {words} values that need the address ({waiting})"
    return at_most(name, found.acting / hosts, goal)


def full_rows(lab: Laboratory) -> Row:
    found = lab.rollout(lab.sizes.many, overrides=True)
    return at_most(f"full rows of hosts read per host, {found.hosts} hosts", found.rows["hosts"] / found.hosts, 1)


def job_documents(lab: Laboratory) -> Row:
    found = lab.rollout(lab.sizes.many, overrides=True)
    return exactly("`GET job_invocations/:id`", found.requests["GET /api/v2/job_invocations/:id"], 0)


def outputs(lab: Laboratory) -> Row:
    found = lab.rollout(lab.sizes.many, overrides=True)
    name = f"outputs read beyond those of the hosts on which a job failed ({found.outputs} read, {found.failed} failed)"
    return exactly(name, found.outputs - found.failed, 0)


def waiting_builds_few(lab: Laboratory) -> Row:
    return _waiting(lab.sizes.few, "builds are waited for", lab.pace(lab.sizes.few).builds)


def waiting_builds_many(lab: Laboratory) -> Row:
    return _waiting(lab.sizes.many, "builds are waited for", lab.pace(lab.sizes.many).builds)


def waiting_runs_few(lab: Laboratory) -> Row:
    return _waiting(lab.sizes.few, "runs are waited for", lab.pace(lab.sizes.few).runs)


def waiting_runs_many(lab: Laboratory) -> Row:
    return _waiting(lab.sizes.many, "runs are waited for", lab.pace(lab.sizes.many).runs)


def waiting_ends_many(lab: Laboratory) -> Row:
    return _waiting(lab.sizes.many, "runs end one after the other", lab.pace(lab.sizes.many).ends)


def _waiting(hosts: int, what: str, value: float) -> Row:
    return at_most(f"requests a minute while {hosts} {what}", value, 40, digits=1)


def waiting_rows(lab: Laboratory) -> Row:
    return exactly("full rows of hosts read while waiting", lab.pace(lab.sizes.many).rows, 0)


def server_time(lab: Laboratory) -> Row:
    found = lab.rollout(lab.sizes.some, overrides=True, latency="measured")
    name = f"the server's own time per host, {found.hosts} hosts, measured latencies"
    return plain(name, found.server_seconds / found.hosts, " s")


def resync(lab: Laboratory) -> Row:
    found = lab.rollout(lab.sizes.some, overrides=True)
    name = f"requests of a resync of {found.hosts} hosts without a change (looks at the server apart)"
    return at_most(name, found.resync.requests.total(), 6)


def resync_rows(lab: Laboratory) -> Row:
    found = lab.rollout(lab.sizes.some, overrides=True)
    return exactly("full rows of hosts read by that resync", found.resync.rows["hosts"], 0)


def resync_values(lab: Laboratory) -> Row:
    found, every = lab.rollout(lab.sizes.some, overrides=True), Settings().override_resync_every
    look = found.value_resync
    name = f"a resync of {found.hosts} hosts that also compares values (every {every}th): requests, full rows of hosts"
    return Row(name, f"{look.requests.total()}, {look.rows['hosts']}")


def makespan(lab: Laboratory) -> Row:
    found = lab.critical()
    name = f"makespan ÷ critical path, {found.hosts} hosts ({found.makespan:.0f} s ÷ {found.critical:.0f} s)"
    return at_most(name, found.ratio, 1.15)


def crowd_time(lab: Laboratory) -> Row:
    crowd = lab.crowd()
    return plain(f"{crowd.deployments} deployments of {crowd.hosts} hosts: until all are Ready", crowd.seconds, " s", 0)


def crowd_writes(lab: Laboratory) -> Row:
    crowd = lab.crowd()
    return plain("… writes to the Kubernetes API per deployment", crowd.api_writes / crowd.deployments, digits=1)


def crowd_memory(lab: Laboratory) -> Row:
    return plain("… peak memory of the operator", lab.crowd().usage.peak, " MiB", 0)


def crowd_lag(lab: Laboratory) -> Row:
    return plain("… 99 % of event loop turns were late by at most", lab.crowd().lag, " s", 3)


def crowd_first(lab: Laboratory) -> Row:
    return plain("… spec to first status, p99 of all at once", percentile(lab.crowd().first, 0.99), " s")


def idle_memory(lab: Laboratory) -> Row:
    idle = lab.idle()
    name = f"{idle.deployments} settled deployments: memory, after the work ÷ after a restart"
    return Row(name, f"{idle.memory:.0f} ÷ {idle.memory_after_restart:.0f} MiB")


def idle_cpu(lab: Laboratory) -> Row:
    name = "… processor, share of one core, after the work ÷ after a restart"
    return Row(name, f"{100 * lab.idle().cpu:.1f} ÷ {100 * lab.idle().cpu_after_restart:.1f} %")


def idle_writes(lab: Laboratory) -> Row:
    name = f"… writes to Foreman and Kubernetes in twice {lab.sizes.idle_seconds:.0f} s"
    return exactly(name, lab.idle().writes + lab.idle().writes_after_restart, 0)


def first_status_median(lab: Laboratory) -> Row:
    return plain(f"spec to first status, p50 of {len(lab.edits())}", 1000 * percentile(lab.edits(), 0.5), " ms", 0)


def first_status_worst(lab: Laboratory) -> Row:
    return plain(f"spec to first status, p99 of {len(lab.edits())}", 1000 * percentile(lab.edits(), 0.99), " ms", 0)


FIGURES: tuple[Figure, ...] = (
    requests_some, requests_many, requests_some_overrides, requests_many_overrides, full_rows, job_documents, outputs,
    waiting_builds_few, waiting_builds_many, waiting_runs_few, waiting_runs_many, waiting_ends_many, waiting_rows, server_time,
    resync, resync_rows, resync_values, makespan, crowd_time, crowd_writes, crowd_memory, crowd_lag, crowd_first,
    idle_memory, idle_cpu, idle_writes, first_status_median, first_status_worst,
)  # fmt: skip
"""In the order of the table."""
