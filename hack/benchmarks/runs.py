"""The runs that figures are taken from; each is made once per call, however many figures need it."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import httpx

from benchmarks import path
from benchmarks.stacks import sleeping
from benchmarks.stand import Bench, Counts, Stand, Usage, wait
from foreman_stacks.settings import Settings

T = TypeVar("T")
PROBES = (
    "GET /api/v2/status",
    "GET /api/v2/plugins",
    "GET /api/v2/current_user",
    "GET /api/v2/permissions/current_permissions",
    "GET /api/v2/remote_execution_features",
)
"""The operator's requests when it looks at a server: every minute, whatever deployments it has, and in no resync."""
VALUES = "GET /foreman_puppet/api/smart_class_parameters/:key/override_values"
"""Only a resync that compares values sends it."""
OUTPUT = "GET /api/v2/job_invocations/:id/hosts/:host"
SETTLE = 5.0
"""Seconds after which nothing follows any more from a start of the operator, or from deployments becoming Ready."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured; `quick` shows in a few minutes that everything works, but its figures mean little."""

    few: int = 10
    some: int = 100
    many: int = 1000
    crowd: int = 100
    idle: int = 1000
    idle_seconds: float = 60.0
    edits: int = 100

    @classmethod
    def quick(cls) -> "Sizes":
        """Return small sizes."""
        return cls(few=4, some=12, many=40, crowd=6, idle=12, idle_seconds=10.0, edits=10)


@dataclass(frozen=True)
class Look:
    """What one look of the operator at a settled deployment cost."""

    requests: Counts = field(default_factory=Counts)
    rows: Counts = field(default_factory=Counts)

    @property
    def compares(self) -> bool:
        """Whether the look also compared values."""
        return self.requests[VALUES] > 0


@dataclass
class Rollout:
    """One deployment from `kubectl apply` to Ready."""

    hosts: int
    requests: Counts = field(default_factory=Counts)
    rows: Counts = field(default_factory=Counts)
    searches: Counts = field(default_factory=Counts)
    server_seconds: float = 0.0
    seconds: float = 0.0
    simulated: float = 0.0
    api_writes: int = 0
    usage: Usage = field(default_factory=lambda: Usage(0, 0, 0))
    lag: float = 0.0
    polls: int = 0
    """Requests of the operator's poller, as the operator counts them: to Foreman they look like all others."""
    failed: int = 0
    """Failed results of jobs, counted by host; without faults, these are hosts that do not listen yet."""
    looks: list[Look] = field(default_factory=list)

    @property
    def acting(self) -> int:
        """All requests but the poller's."""
        return self.requests.total() - self.polls

    @property
    def outputs(self) -> int:
        """The outputs of jobs that were read, counted by host."""
        return self.rows["outputs"] + self.requests[OUTPUT]

    @property
    def resync(self) -> Look:
        """The most expensive look that did not compare values."""
        return _dearest(look for look in self.looks if not look.compares)

    @property
    def value_resync(self) -> Look:
        """The most expensive look that also compared values."""
        return _dearest(look for look in self.looks if look.compares)


def _dearest(looks: Iterable[Look]) -> Look:
    found = max(looks, key=lambda look: look.requests.total(), default=None)
    if found is None:
        raise Unfinished("no such resync was seen")
    return found


@dataclass(frozen=True)
class Pace:
    """Requests per simulated minute while waiting for builds, for runs, and while runs end one by one (`ends`).

    `rows` counts the full rows of hosts that were read during all three measurements.
    """

    builds: float
    runs: float
    ends: float
    rows: int


@dataclass(frozen=True)
class Crowd:
    """Many deployments at once."""

    deployments: int
    hosts: int
    seconds: float
    api_writes: int
    usage: Usage
    lag: float
    first: list[float]


@dataclass(frozen=True)
class Idle:
    """Many settled deployments, and nothing to do but resyncs."""

    deployments: int
    made: float
    memory: float
    cpu: float
    writes: int
    memory_after_restart: float
    cpu_after_restart: float
    writes_after_restart: int


class Laboratory:
    """All runs, each made when it is first asked for; a run that fails is not repeated."""

    def __init__(self, stand: Stand, sizes: Sizes, say: Callable[[str], None]) -> None:
        self.stand = stand
        self.sizes = sizes
        self._say = say
        self._made: dict[str, Any] = {}

    def _once(self, what: str, make: Callable[[], T]) -> T:
        if what not in self._made:
            self._say(what)
            try:
                self._made[what] = make()
            except (AssertionError, httpx.HTTPError) as error:
                self._say(f"{what}: {error}")
                self._made[what] = Unfinished(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
        found = self._made[what]
        if isinstance(found, Unfinished):
            raise found
        return cast("T", found)

    @property
    def rollouts(self) -> dict[str, Rollout]:
        """The rollouts that were made, by description."""
        return {what: found for what, found in self._made.items() if isinstance(found, Rollout)}

    def rollout(self, hosts: int, *, overrides: bool, latency: str = "0") -> Rollout:
        """Deploy the Stack on that many hosts."""
        words = "with" if overrides else "without"

        def make() -> Rollout:
            with self.stand.stage(speed=30, latency=latency, overrides=overrides) as bench:
                return _roll_out(bench, hosts)

        return self._once(f"{hosts} hosts, {words} values that need the address, latency {latency}", make)

    def pace(self, hosts: int) -> Pace:
        """Measure how often Foreman is asked while that many hosts are waited for."""

        def make() -> Pace:
            with self.stand.stage(speed=20) as bench:
                return _pace(bench, hosts)

        return self._once(f"waiting for {hosts} hosts", make)

    def critical(self) -> path.Path:
        """Measure makespan and critical path of one deployment."""
        hosts = min(40, self.sizes.some)

        def make() -> path.Path:
            with self.stand.stage(speed=path.SPEED, latency=str(1000 * path.LATENCY / path.SPEED)) as bench:
                began = bench.now()
                bench.deploy(hosts)
                bench.ready("bench", seconds=900)
                return path.of(bench, began)

        return self._once(f"the critical path of {hosts} hosts, {path.LATENCY} s a request", make)

    def crowd(self) -> Crowd:
        """Apply many deployments of 10 hosts at once."""

        def make() -> Crowd:
            with self.stand.stage(speed=30) as bench:
                return _crowd(bench, self.sizes.crowd, 10)

        return self._once(f"{self.sizes.crowd} deployments of 10 hosts at once", make)

    def idle(self) -> Idle:
        """Measure many settled deployments of one host."""

        def make() -> Idle:
            with self.stand.stage(speed=30) as bench:
                return _idle(bench, self.sizes)

        return self._once(f"{self.sizes.idle} deployments of 1 host, then nothing", make)

    def edits(self) -> list[float]:
        """Return the seconds from writing a spec to its first status, for one deployment after the other."""

        def make() -> list[float]:
            with self.stand.stage(speed=30) as bench:
                return _edits(bench, self.sizes.edits)

        return self._once(f"{self.sizes.edits} deployments one after the other", make)


class Unfinished(Exception):
    """A run that failed or did not end in time."""


def _roll_out(bench: Bench, hosts: int) -> Rollout:
    found = Rollout(hosts)
    before, began, simulated = bench.counters(), time.monotonic(), bench.now()
    spent, writes, polls = bench.seconds(), bench.api_writes(), bench.polls()
    bench.deploy(hosts)
    bench.ready("bench", seconds=60 + hosts * 3)
    found.seconds, found.simulated = time.monotonic() - began, bench.now() - simulated
    found.polls = bench.polls() - polls  # read first: requests between this and the other counters count as work
    after = bench.counters()
    found.requests, found.rows, found.searches = (Counts(new - old) for new, old in zip(after, before, strict=True))
    found.server_seconds = bench.seconds() - spent
    found.api_writes = bench.api_writes() - writes
    found.usage, found.lag = bench.usage(), bench.lag()
    found.failed = failures(bench.stage.simulator.audit())
    bench.settled()
    found.looks = [_look(bench) for _ in range(Settings().override_resync_every)]
    return found


def failures(audit: Iterable[Mapping[str, Any]]) -> int:
    """Count the failed results of jobs, host by host."""
    return sum(entry["event"] == "job_result" and entry["result"] == "failed" for entry in audit)


def _look(bench: Bench) -> Look:
    """Measure one look at a settled deployment in which nothing has changed, without the looks at its server."""
    before = bench.counters()
    bench.resync("bench")
    after = bench.counters()
    requests = Counts({name: count for name, count in (after[0] - before[0]).items() if name not in PROBES})
    return Look(requests, Counts(after[1] - before[1]))


def _pace(bench: Bench, hosts: int) -> Pace:
    simulator = bench.stage.simulator
    bench.stage.apply(sleeping(hosts))
    bench.limit(puppetRunsPerProxy=max(50, hosts))
    simulator.control("POST", "faults", {"kind": "build_late", "seconds": 7200})
    bench.deploy(hosts)
    bench.until(lambda: bench.created() == hosts, 60 + hosts)
    bench.until(lambda: bench.reason().startswith("hosts are being built"), 60)
    builds, rows = _rate(bench, minutes=8)
    simulator.control("POST", "clock", {"advance": 7800})
    bench.until(lambda: bench.step("first") == "Running", 120 + hosts)
    wait(60 / bench.speed)
    runs, more = _rate(bench, minutes=8)
    wait(2 * 60 / bench.speed)
    ends, most = _rate(bench, minutes=8)
    return Pace(builds, runs, ends, rows + more + most)


def _rate(bench: Bench, minutes: float) -> tuple[float, int]:
    """Return the requests of all kinds per simulated minute, and the full rows of hosts that were read."""
    before, began = bench.counters(), bench.now()
    wait(minutes * 60 / bench.speed)
    after, ended = bench.counters(), bench.now()
    return (after[0] - before[0]).total() * 60 / (ended - began), (after[1] - before[1])["hosts"]


def _crowd(bench: Bench, deployments: int, hosts: int) -> Crowd:
    names = [f"d{number}" for number in range(1, deployments + 1)]
    writes, began = bench.api_writes(), time.monotonic()
    written = bench.deploy_all(names, hosts)
    bench.ready(*names, seconds=120 + 6 * deployments)
    seconds = time.monotonic() - began
    first = [bench.watch.first[name] - written[name] for name in names]
    return Crowd(deployments, hosts, seconds, bench.api_writes() - writes, bench.usage(), bench.lag(), first)


def _idle(bench: Bench, sizes: Sizes) -> Idle:
    names = [f"d{number}" for number in range(1, sizes.idle + 1)]
    began = time.monotonic()
    bench.limit(provisioning=16)
    bench.deploy_all(names, 1)
    bench.ready(*names, seconds=120 + 3 * sizes.idle)
    made = time.monotonic() - began
    wait(SETTLE)
    first = _quiet(bench, sizes.idle_seconds)
    bench.stage.operator.stop()
    bench.started()
    wait(SETTLE)
    second = _quiet(bench, sizes.idle_seconds)
    return Idle(sizes.idle, made, *first, *second)


def _quiet(bench: Bench, seconds: float) -> tuple[float, float, int]:
    """Return memory, share of one core, and writes to Foreman and Kubernetes while nothing happens."""
    before, cpu = bench.writes(), bench.usage().cpu
    wait(seconds)
    usage = bench.usage()
    return usage.memory, (usage.cpu - cpu) / seconds, bench.writes() - before


def _edits(bench: Bench, count: int) -> list[float]:
    names = [f"d{number}" for number in range(1, count + 1)]
    found = []
    for name in names:
        written = bench.deploy_all([name], 1)[name]
        bench.until(lambda name=name: name in bench.watch.first, 30)  # type: ignore[misc]  # a default binds the name
        found.append(bench.watch.first[name] - written)
    return found
