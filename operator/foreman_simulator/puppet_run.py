"""One run of Puppet: a catalog from the ENC of that moment, resources, report (foreman-api §6, measured §1.8, §1.14).

Every class follows one rule: it manages a file made of its parameters (changed when they change); `fail` makes an exec
fail, so that what depends on it is skipped; `sleep` makes an exec last that many seconds (the recordings' README;
jobs-and-puppet-runs 37-83).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import enc, reports
from .agents import Agent, changed
from .hostgroup_views import inherited
from .replies import Row

if TYPE_CHECKING:
    from .world import World

Done = Callable[["PuppetRun"], None]


@dataclass
class PuppetRun:
    """A run of Puppet, under way or ended, and its result."""

    ident: int
    cause: str
    options: str
    started: float
    exit_status: int = 0
    cancelled: bool = False
    logs: list[tuple[str, str, str]] = field(default_factory=list)  # level, source, message
    counters: Row = field(default_factory=dict)
    resources: int = 9
    seconds: float = 0.0
    done: Callable[[PuppetRun], None] | None = None

    def end(self, exit_status: int | None = None) -> None:
        """Tell the job, if there is one, that the run has ended.

        `exit_status` is only for a run that was killed or whose machine is gone.
        """
        if exit_status is not None:
            self.cancelled, self.exit_status = True, exit_status
        if self.done is not None:
            self.done(self)

    def say(self, level: str, text: str, source: str = "Puppet") -> None:
        """Add a line to the log."""
        self.logs.append((level, source, text))

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter of the report."""
        self.counters[name] = self.counters.get(name, 0) + number

    @property
    def noop(self) -> bool:
        """Whether the run changes nothing."""
        return "--noop" in self.options.split()

    def text(self) -> str:
        """Return what the terminal shows: nothing without --verbose (measured §1.8)."""
        if "--verbose" not in self.options.split():
            return ""
        names = {"info": "Info", "notice": "Notice", "warning": "Warning", "err": "Error"}
        return "".join(f"{names[lv]}: {src + ': ' if src != 'Puppet' else ''}{msg}\n" for lv, src, msg in self.logs)


def start(world: World, agent: Agent, cause: str, options: str, done: Done | None) -> None:
    """Begin a run; the caller has made sure that none is under way and the agent is enabled."""
    run = PuppetRun(world.next_id("runs"), "daemon" if cause != "triggered" else cause, options, world.now(), done=done)
    compiled = world.random.uniform(2, 5)
    after_report = world.random.uniform(0, 3)
    until = world.now() + compiled + _sleeps(world, agent) + 1 + after_report
    agent.run = run
    agent.machine = agent.machine.run_started(until=until, cause=cause)  # type: ignore[arg-type]
    world.log("run_started", agent.name, run.cause, run=run.ident)

    def catalog() -> None:
        if not _alive(world, agent, run):
            return
        run.seconds = _apply(world, agent, run) + 1
        world.clock.after(run.seconds, report)

    def report() -> None:
        if not _alive(world, agent, run):
            return
        _report(world, agent, run)
        world.clock.after(after_report, end)

    def end() -> None:
        if _alive(world, agent, run):
            agent.run = None
            agent.machine = agent.machine.run_ended()
            run.end()

    world.clock.after(compiled, catalog)


def _alive(world: World, agent: Agent, run: PuppetRun) -> bool:
    """Whether the run is still under way; if its machine is gone, end it as a lost connection (exit status 255)."""
    if not run.cancelled and world.machines.get(agent.name) is not agent:
        run.end(255)
    return not run.cancelled and agent.run is run


def by_somebody(world: World, agent: Agent) -> None:
    """Start somebody else's run on the machine (`run` of the recordings' lab), unless Puppet would refuse it."""
    if agent.machine.disabled is None and not agent.machine.run_under_way(world.now()):
        start(world, agent, "triggered", "", None)


def _overloaded(world: World, agent: Agent, run: PuppetRun) -> bool:
    """Whether fault `proxy_503` strikes this run, and count it if so.

    It does when `limit` runs of jobs on hosts of the same Puppet proxy began before this one and still run.
    """
    busy = world.faults.for_host("proxy_503", agent.name, count=False)
    if busy is None or run.done is None:
        return False
    proxy = _proxy(world, agent)
    others = (other for other in world.machines.values() if other.run is not None and other.run.done is not None)
    if sum(other.run.ident < run.ident and _proxy(world, other) == proxy for other in others) < busy.limit:
        return False
    busy.hits += 1
    return True


def _proxy(world: World, agent: Agent) -> Any:
    """Return the Puppet proxy of the host's hostgroup; hosts without one share None."""
    host = _host(world, agent)
    return inherited(world, world.get("hostgroups", host["hostgroup_id"] if host else None), "puppet_proxy_id")


def _host(world: World, agent: Agent) -> Row | None:
    return next((host for host in world.rows("hosts") if host["name"] == agent.name), None)


def _classes(world: World, agent: Agent) -> tuple[str, dict[str, Row]]:
    """Return the environment, and the classes with the parameters that the ENC gives."""
    host = _host(world, agent)
    if host is None:
        return "production", {}
    sent = enc.enc(world, host)
    classes = sent["classes"] or {}
    return sent.get("environment") or "production", {name: values or {} for name, values in classes.items()}


def _sleeps(world: World, agent: Agent) -> float:
    return float(sum(_number(values.get("sleep")) for values in _classes(world, agent)[1].values()))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0


def _apply(world: World, agent: Agent, run: PuppetRun) -> float:
    """Compile and apply the catalog; return the simulated seconds that applying takes."""
    if _overloaded(world, agent, run):
        run.exit_status = 1
        run.say("err", "Could not retrieve catalog from remote server: Error 503 on SERVER: Service Unavailable")
        run.say("err", "Could not retrieve catalog; skipping run")
        run.say("err", "Could not send report: Error 503 on SERVER: Service Unavailable")
        return 0.0
    environment, classes = _classes(world, agent)
    run.say("info", f"Using environment '{environment}'")
    run.say("info", "Retrieving pluginfacts")
    run.say("info", "Retrieving plugin")
    told = world.faults.for_host("catalog_fails", agent.name)
    wrong = str(told.body or "told to fail by the simulator") if told else _type_problem(world, classes)
    if wrong:
        run.exit_status = 1
        run.count("failed")
        run.say(
            "err",
            f"Could not retrieve catalog from remote server: Error 500 on SERVER: Server Error: Evaluation Error: {wrong}",
        )
        run.say("err", "Could not retrieve catalog; skipping run")
        return 0.0
    if not run.noop:  # a noop run does not cache its catalog (jobs-and-puppet-runs 84)
        run.say("info", f"Caching catalog for {agent.name}")
    run.say("info", f"Applying configuration version '{int(world.now())}'")
    seconds = 0.0
    for name, values in classes.items():
        if not run.noop:
            world.log("applied", agent.name, run.cause, **{"class": name, "parameters": values, "run": run.ident})
        seconds += _class(world, agent, run, name, values)
    if not run.noop:
        agent.tampered = False
        if "puppet" in classes:
            changed(world, agent, agent.machine.with_runmode(str(classes["puppet"].get("runmode", "service"))))
    fails = world.faults.for_host("run_fails", agent.name)
    if fails:
        run.count("failed")
        run.say(
            "err",
            f"change from 'notrun' to ['0'] failed: {fails.body or 'told to fail by the simulator'}",
            "/Stage[main]/Main/Exec[fault]/returns",
        )
    run.say("notice", f"Applied catalog in {seconds + 0.1:.2f} seconds")
    return seconds


def _class(world: World, agent: Agent, run: PuppetRun, name: str, values: Row) -> float:
    """Apply one class: its file, then what `sleep` and `fail` ask for; return the simulated seconds."""
    title = "::".join(part.capitalize() for part in name.split("::"))
    base = f"/Stage[main]/{title}"
    path = f"/var/tmp/lab/{agent.name}/{name.replace('::', '_')}"
    run.resources += 1
    old = None if agent.tampered else agent.applied.get(name)
    if old != values:
        source = f"{base}/File[{path}.txt]"
        if run.noop:
            run.count("pending")
            run.say("notice", "current_value 'absent', should be 'file' (noop)", f"{source}/ensure")
            run.say("notice", "Would have triggered 'refresh' from 1 event", f"Class[{title}]")
            run.say("notice", "Would have triggered 'refresh' from 1 event", "Stage[main]")
            return 0.0
        run.count("applied")
        if old is None:
            run.say("notice", f"defined content as '{_digest(values)}'", f"{source}/ensure")
        else:
            run.say("notice", f"content changed '{_digest(old)}' to '{_digest(values)}'", f"{source}/content")
        agent.applied[name] = dict(values)
    if run.noop:
        return 0.0
    seconds = _number(values.get("sleep"))
    if seconds:
        run.count("applied")
        run.resources += 1
        run.say("notice", "executed successfully", f"{base}/Exec[{name} sleep]/returns")
    if values.get("fail") is True:
        _fail(run, name, title, path)
    return seconds


def _fail(run: PuppetRun, name: str, title: str, path: str) -> None:
    """Let an exec fail.

    It counts three times in `failed`, and what depends on it once in `skipped` (jobs-and-puppet-runs 51, 54).
    """
    command = f"'/bin/sh -c \"echo {name} was told to fail >&2; exit 3\"' returned 3 instead of one of [0]"
    source = f"/Stage[main]/{title}/Exec[{name} fail]/returns"
    after = f"/Stage[main]/{title}/File[{path}.after]"
    run.count("failed", 3)
    run.count("skipped")
    run.resources += 2
    run.say("notice", f"{name} was told to fail", source)
    run.say("err", command)
    run.say("err", f"change from 'notrun' to ['0'] failed: {command}", source)
    run.say("notice", f"Dependency Exec[{name} fail] has failures: true", after)
    run.say("warning", "Skipping because of failed dependencies", after)
    run.say("info", f"Unscheduling all events on Class[{title}]", f"Class[{title}]")


def _digest(values: Row) -> str:
    return "{sha256}" + hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


PUPPET_TYPES: dict[str, Callable[[Any], bool]] = {
    "Boolean": lambda v: isinstance(v, bool),
    "Integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "Numeric": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "String": lambda v: isinstance(v, str),
    "Array": lambda v: isinstance(v, list),
    "Hash": lambda v: isinstance(v, dict),
}


def _type_problem(world: World, classes: dict[str, Row]) -> str | None:
    """Return why the catalog does not compile: a value that the class's manifest does not accept; None if it does.

    For example, a Boolean may arrive as 'true' (measured §4).
    """
    by_class = {row["name"]: row["id"] for row in world.rows("puppetclasses")}
    for key in world.rows("class_parameters"):
        for name, values in classes.items():
            if by_class.get(name) != key["puppetclass_id"] or key["parameter"] not in values:
                continue
            declared = str(key.get("puppet_type") or "Any")
            wanted = re.sub(r"^Optional\[(.*)\]$", r"\1", declared).split("[")[0]
            value = values[key["parameter"]]
            if wanted in PUPPET_TYPES and not PUPPET_TYPES[wanted](value):
                got = next((k for k, fits in PUPPET_TYPES.items() if fits(value)), "Undef")
                title = name.capitalize()
                return f"Class[{title}]: parameter '{key['parameter']}' expects a {wanted} value, got {got}"
    return None


def _report(world: World, agent: Agent, run: PuppetRun) -> None:
    """Upload the report, on time, late, or never."""
    if run.exit_status and not run.counters:
        return
    if world.faults.for_host("report_missing", agent.name):
        return
    changed, failed = run.counters.get("applied", 0), 1 if run.counters.get("failed") else 0
    pending = run.counters.get("pending", 0)
    events = {
        "failure": failed,
        "success": changed,
        "total": changed + failed + pending,
        **({"noop": pending} if pending else {}),
    }
    metrics = {
        "resources": {
            "changed": changed, "corrective_change": 0, "failed": failed, "failed_to_restart": 0, "out_of_sync": changed + failed + pending,
            "restarted": 0, "scheduled": 0, "skipped": run.counters.get("skipped", 0), "total": run.resources,
        },
        "time": {"config_retrieval": 1.5, "total": world.now() - run.started},
        "changes": {"total": changed},
        "events": events,
    }  # fmt: skip
    body = {"status": run.counters, "metrics": metrics, "logs": list(run.logs), "origin": "Puppet"}
    late = world.faults.for_host("report_late", agent.name)

    def upload() -> None:
        reports.import_report(world, agent.name, run.started, body, cause=run.cause, run=run.ident)

    if late is None:
        upload()
    else:
        world.clock.after(late.seconds or 60.0, upload)
