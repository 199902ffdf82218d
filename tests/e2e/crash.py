"""Kill the operator at its writes, and describe what is there in the end.

The operator announces every write on a Unix socket, before and after it, and goes on when it gets a line back (setting
`audit_socket`). `Killer` listens there. Where its policy says so, it kills the process with SIGKILL and starts it
again:

- before: the write was never sent;
- in flight: the simulator has received the request, and commits it only after the new process has sent it again, or has
  looked for it several times;
- after: the reply has arrived, but the operator has not recorded it anywhere.
"""

from __future__ import annotations

import json
import re
import socket
import tempfile
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.e2e.stage import Simulator, Stage, until

DEADLINE = {"host_create_timeout": "2"}
"""While no POST is held: after so many seconds, the new process creates a host again that was never sent."""
PATIENCE = {"host_create_timeout": "60"}
"""While a POST is held: the new process must find what it creates, however slow this machine is."""
UNREPEATABLE = {"foreman create host", "foreman create hostgroup", "foreman start job"}
LOOKUPS = {
    " create host ": "/api/v2/hosts",
    " move host ": "/api/v2/hosts",
    " update host ": "/override_values",
    "class_key": "/smart_class_parameters",
    "override_value": "/override_values",
    "hostgroup": "/api/v2/hostgroups",
    "job": "/api/v2/job_invocations",
}
"""The path where the new process looks for a write, by words in its name; for other writes, any GET counts."""
LOOKS = 10
"""A held write is committed after the new process has looked for it that often, if it has not sent it again."""
PARTS = ("creating", "created", "built", "configured")
"""The parts of a role's status that show how far it is."""
PROBES = ("status", "plugins", "current_user", "current_permissions", "remote_execution_features")


class Kill(StrEnum):
    """When the operator is killed, relative to a write."""

    BEFORE = "before"
    IN_FLIGHT = "in flight"
    AFTER = "after"


@dataclass(frozen=True)
class Entry:
    """A line of the journal, without names that are particular to this run, so that runs can be compared."""

    moment: str
    write: str
    raw: str

    @classmethod
    def of(cls, line: str, namespace: str) -> Entry:
        """Parse a line as the operator sends it."""
        moment, _, raw = line.partition(" ")
        write = re.sub(r"(start job) \w+", r"\1", raw.replace(namespace, "NAMESPACE"))
        return cls(moment, write, raw)

    @property
    def kind(self) -> str:
        """System and action without the object: `foreman create host`."""
        return " ".join(self.write.partition("/")[0].split()[:3])

    @property
    def moments(self) -> tuple[Kill, ...]:
        """When the operator can be killed at this write: a write to Kubernetes cannot be held in flight."""
        return tuple(Kill) if self.write.startswith("foreman ") else (Kill.BEFORE, Kill.AFTER)


Policy = Callable[[Entry], Kill | None]


class Killer:
    """Listens to the journal of a stage's operator, and kills the operator where `policy` says so."""

    def __init__(self, stage: Stage, policy: Policy) -> None:
        self.journal: list[Entry] = []
        self.kills: list[tuple[Kill, Entry]] = []
        self.caught: set[str] = set()
        """Writes that were in flight when the operator was killed."""
        self.error = ""
        self._stage = stage
        self._policy = policy
        self._held = False
        self._open: dict[str, str] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="audit-")
        self._path = str(Path(self._folder.name) / "socket")  # short: a socket's path has at most 107 characters
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(self._path)
        self._server.listen()
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        self._stage.operator.start(audit_socket=self._path, **DEADLINE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stage.operator.stop()
        self._server.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)
        self._server.close()
        self._folder.cleanup()

    def times(self, write: str) -> int:
        """Return how often a write was announced."""
        return sum(entry.moment == "before" and entry.write == write for entry in self.journal)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        """Listen to the journal of one process until that process ends."""
        try:
            with connection, connection.makefile("rb") as lines:
                for line in lines:
                    if self._heard(Entry.of(line.decode().rstrip("\n"), self._stage.namespace), connection):
                        return
        except (ConnectionError, BrokenPipeError):
            return
        except BaseException:  # noqa: BLE001 - the test's own thread reports it
            self.error = traceback.format_exc()

    def _heard(self, entry: Entry, connection: socket.socket) -> bool:
        """Answer one line, or kill the process instead; return whether it was killed."""
        kill = self._policy(entry)
        self.journal.append(entry)
        if entry.moment == "before":
            self._open[entry.raw] = entry.write
        if kill is None:
            if entry.moment != "before":
                self._open.pop(entry.raw, None)
            connection.sendall(b"\n")
            return False
        self.caught |= set(self._open.values())
        self._open.clear()
        if kill is Kill.IN_FLIGHT:
            self._in_flight(entry, connection)
        else:
            self._stage.operator.kill()
            self._start()
        self.kills.append((kill, entry))
        return True

    def _start(self) -> None:
        self._stage.operator.start(**(PATIENCE if self._held else DEADLINE))

    def _in_flight(self, entry: Entry, connection: socket.socket) -> None:
        simulator = self._stage.simulator
        hold = {"kind": "hold", "count": 1, "seconds": 120.0, "host": _owner(entry), "path": self._path_of(entry)}
        fault = simulator.control("POST", "faults", hold)[0]["id"]
        connection.sendall(b"\n")
        until(lambda: _hits(simulator, fault), 30, f"{entry.write} arrives")
        self._stage.operator.kill()
        before = self._lookups(entry)
        self._held = entry.kind in UNREPEATABLE
        begin = len(self.journal)
        self._start()
        until(
            lambda: self._again(entry, begin) or self._lookups(entry) >= before + LOOKS or settled(self._stage),
            90,
            f"looks for {entry.write}",
        )
        simulator.control("DELETE", f"faults/{fault}")
        self._held = False

    def _path_of(self, entry: Entry) -> str:
        """Return the path of a write that is one of several at once and names no host or hostgroup; for others, `*`."""
        words = "foreman update class_key "
        if not entry.raw.startswith(words):
            return "*"
        name, _, parameter = entry.raw.removeprefix(words).rpartition("::")
        rows = self._stage.simulator.rows
        classes = {row["id"] for row in rows("puppetclasses") if row["name"] == name}
        mine = (row for row in rows("class_parameters") if row["parameter"] == parameter)
        return f"*/smart_class_parameters/{next(row['id'] for row in mine if row['puppetclass_id'] in classes)}"

    def _again(self, entry: Entry, begin: int) -> bool:
        """Whether the new process has sent the same write again, and has the answer."""
        return any(other.raw == entry.raw and other.moment != "before" for other in self.journal[begin:])

    def _lookups(self, entry: Entry) -> int:
        wanted = next((path for words, path in LOOKUPS.items() if words in entry.write), "")
        counted: dict[str, int] = self._stage.simulator.counters()["requests"]
        return sum(
            count
            for name, count in counted.items()
            if name.startswith("GET ") and wanted in name and not name.endswith(PROBES)
        )


def _hits(simulator: Simulator, fault: int) -> int:
    return sum(one["hits"] for one in simulator.control("GET", "faults") if one["id"] == fault)


def _owner(entry: Entry) -> str:
    """Return the host or hostgroup of a write that may be one of several at once; for others, `*`."""
    for words in ("foreman create host ", "foreman update host "):
        if entry.raw.startswith(words):
            return entry.raw.removeprefix(words)
    words = "foreman create hostgroup "
    return entry.raw.removeprefix(words).rpartition("/")[2] if entry.raw.startswith(words) else "*"


def spare(_: Entry) -> None:
    """Kill nowhere: the policy of the undisturbed run."""


# --- which points ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Point:
    """The n-th announcement of a write, and when the operator is killed there."""

    kill: Kill
    write: str
    nth: int

    def __str__(self) -> str:
        return f"{self.kill} {self.write} #{self.nth}"

    @property
    def on_foreman(self) -> bool:
        """Whether the write goes to Foreman, and not to Kubernetes."""
        return self.write.startswith("foreman ")


def points(journal: list[Entry]) -> list[Point]:
    """Return every point of a run: three for each write to Foreman, two for each to Kubernetes."""
    found: list[Point] = []
    counted: Counter[str] = Counter()
    for entry in journal:
        if entry.moment == "before":
            counted[entry.write] += 1
            found += [Point(kill, entry.write, counted[entry.write]) for kill in entry.moments]
    return found


class Once:
    """A policy that kills once, at one point."""

    def __init__(self, point: Point) -> None:
        self._point = point
        self._counted = 0
        self._over = False

    def __call__(self, entry: Entry) -> Kill | None:
        point = self._point
        if self._over or entry.write != point.write:
            return None
        if entry.moment == "before":
            self._counted += 1
        wanted = "after" if point.kill is Kill.AFTER else "before"
        if self._counted < point.nth or entry.moment != wanted:  # a failed write has no "after": the next one has
            return None
        self._over = True
        return point.kill


class EachOnce:
    """A policy that kills at every new write, and at others until each kind of write was killed at each of its moments.

    So the operator is killed many times in one run. A write of the deployment's status is new when the deployment has
    come further.
    """

    def __init__(self, stage: Stage) -> None:
        self.milestones: set[str] = set()
        """What the deployment had reached whenever the operator was killed at a write of its status."""
        self._stage = stage
        self._known: set[str] = set()
        self._deaths: Counter[tuple[str, Kill]] = Counter()
        self._due: dict[str, str] = {}
        """Writes in flight after which the operator is to be killed, with their names in `_known`."""

    def __call__(self, entry: Entry) -> Kill | None:
        kill = self._choose(entry)
        if kill is not None:  # this comes before the kills that are due: their writes are new again
            self._known -= set(self._due.values())
            self._due.clear()
            self._deaths[entry.kind, kill] += 1
            if _is_progress(entry):
                self.milestones |= milestones(self._stage.status())
        return kill

    def _choose(self, entry: Entry) -> Kill | None:
        if entry.moment != "before":
            due = self._due.pop(entry.raw, None)
            if due and entry.moment == "failed":
                self._known.discard(due)
            return Kill.AFTER if due and entry.moment == "after" else None
        name = f"{entry.raw} {self._state()}" if _is_progress(entry) else entry.raw
        if name in self._known and all(self._deaths[entry.kind, kill] for kill in entry.moments):
            return None
        self._known.add(name)
        seldom = min(entry.moments, key=lambda kill: self._deaths[entry.kind, kill])
        if self._due or seldom is Kill.AFTER:  # killing now would forestall one that is due
            self._due[entry.raw] = name
            return None
        return seldom

    def _state(self) -> str:
        """Return how far the deployment is, without what merely describes it."""
        status = self._stage.status()
        roles = [
            [role.get("created"), role.get("built"), role.get("configured"), bool(role.get("creating"))]
            for role in status.get("roles") or ()
        ]
        steps = [
            [step["name"], step["state"], bool(step.get("run")), [done["indices"] for done in step.get("done") or ()]]
            for step in status.get("steps") or ()
        ]
        return json.dumps([bool(status.get("plan")), bool(status.get("settledPlan")), roles, steps])


def _is_progress(entry: Entry) -> bool:
    return " status stackdeployments/" in entry.write


def milestones(status: dict[str, Any]) -> set[str]:
    """Return how far a deployment is, in words: which parts of each role there are, and the state of each step."""
    roles = {f"{role['name']} {word}" for role in status.get("roles") or () for word in PARTS if role.get(word)}
    return roles | {f"{step['name']} {step['state']}" for step in status.get("steps") or ()}


def all_milestones(status: dict[str, Any]) -> set[str]:
    """Return the milestones that a Ready deployment has passed."""
    roles = {f"{role['name']} {word}" for role in status["roles"] for word in PARTS}
    return roles | {f"{step['name']} {state}" for step in status["steps"] for state in ("Pending", "Running", "Done")}


# --- the end --------------------------------------------------------------------------------------------------


def settled(stage: Stage) -> bool:
    """Whether all is written: the deployment and all DeployedHosts are Ready, and no finalizer of ours is left."""
    found = stage.get() or {}
    status = found.get("status") or {}
    ready = any(entry["type"] == "Ready" and entry["status"] == "True" for entry in status.get("conditions") or ())
    if not ready or found["metadata"].get("finalizers"):
        return False
    if stage.get(stage.server, "foremanservers")["metadata"].get("finalizers"):
        return False
    hosts = stage.api.call("GET", stage.path("deployedhosts"))["items"]
    desired = sum(role["desired"] for role in status["roles"])
    return len(hosts) == desired and all(host["status"]["state"] == "Ready" for host in hosts)


def outcome(stage: Stage) -> dict[str, Any]:
    """Return what is there in the end, from the simulator's rows and audit log; equal ends compare equal.

    Duplicates are kept: two hosts of one name are two rows, and a second POST counts even if it was refused. An address
    is replaced by the name of its host, since addresses depend on the order in which hosts were created.
    """
    simulator = stage.simulator
    hosts, audit, counters = simulator.rows("hosts"), simulator.audit(), simulator.counters()
    found = {
        **_rows(stage, hosts),
        "jobs": _jobs(audit),
        "runs": _runs(audit),
        "posts": [[path, counters["requests"].get(f"POST /api/v2/{path}")] for path in ("hosts", "hostgroups")],
        "unknown": counters["unknown"] + counters["dropped"],
        "status": _status(stage),
    }
    text = json.dumps({name: sorted(rows, key=json.dumps) for name, rows in found.items()})
    for row in hosts:
        text = re.sub(rf'"{re.escape(row["ip"])}(?=[":])', f'"<{row["name"]}>', text)
    told: dict[str, Any] = json.loads(text.replace(stage.namespace, "NAMESPACE"))
    return told


def _rows(stage: Stage, hosts: list[dict[str, Any]]) -> dict[str, list[Any]]:
    simulator = stage.simulator
    groups, vms = simulator.rows("hostgroups"), simulator.rows("vms")
    titles = {row["id"]: row["title"] for row in groups}
    owners = {("host", row["id"]): row["name"] for row in hosts}
    owners |= {("hostgroup", number): title for number, title in titles.items()}
    keys = {row["id"]: row["parameter"] for row in simulator.rows("class_parameters")}
    return {
        "hosts": [[row["name"], titles.get(row["hostgroup_id"]), row["build"], *_facet(row)] for row in hosts],
        "machines": [[row["name"], row["periodic"], row["disabled"]] for row in simulator.rows("machines")],
        "vms": [[vm["name"], sum(row["uuid"] == vm["uuid"] for row in hosts)] for vm in vms],
        "hostgroups": [[row["title"], *_facet(row)] for row in groups],
        "parameters": [
            [owners.get((row["owner_type"], row["owner_id"])), row["name"], _parameter(row)]
            for row in simulator.rows("parameters")
        ],
        "values": [[keys[row["key_id"]], row["match"], row["value"]] for row in simulator.rows("override_values")],
        "keys": [[row["parameter"], row["override"]] for row in simulator.rows("class_parameters")],
    }


def _facet(row: dict[str, Any]) -> list[Any]:
    facet = row["facet"] or {}
    return [facet.get("environment_id"), facet.get("puppetclass_ids")]


def _parameter(row: dict[str, Any]) -> Any:
    """Return a parameter's value; that of the record without counts of attempts and keyed digests."""
    if row["name"] != "foreman_stacks_record":
        return row["value"]
    record = json.loads(row["value"])
    steps = {name: [entry[:2] for entry in done] for name, done in record["steps"].items()}
    return [record["roles"], steps, bool(record["settledPlan"])]


def _jobs(audit: list[dict[str, Any]]) -> list[Any]:
    """Return jobs that were started twice under one token, and how often each step's job succeeded on each host."""
    jobs = {line["job"]: line["description"].split() for line in audit if line["event"] == "job"}
    tokens = Counter(words[-1] for words in jobs.values())
    doubles = [["started", count, " ".join(words)] for words in jobs.values() if (count := tokens[words[-1]]) > 1]
    ended = Counter(
        (jobs[line["job"]][1], line["host"])
        for line in audit
        if line["event"] == "job_result" and line["result"] == "success"
    )
    return doubles + [[step, host, count] for (step, host), count in ended.items()]


def _runs(audit: list[dict[str, Any]]) -> list[Any]:
    """Return what triggered runs applied on each host, and the reports they sent, in order."""
    found: dict[str, list[Any]] = {}
    for line in audit:
        if line["cause"] == "triggered" and line["event"] in {"applied", "report"}:
            found.setdefault(line["host"], []).append([line.get("class", "report"), line.get("parameters")])
    return list(found.items())


def _status(stage: Stage) -> list[Any]:
    """Return what a user sees, without `Drifted` that is InSync: it is there only from the first resync on."""
    status = stage.status()
    roles = [
        [role.get(name) for name in ("name", "created", "built", "configured", "creating")] for role in status["roles"]
    ]
    steps = [
        [
            step["name"],
            step["state"],
            [[done["role"], done["indices"]] for done in step.get("done") or ()],
            step.get("run"),
        ]
        for step in status["steps"]
    ]
    conditions = [[entry["type"], entry["status"], entry["reason"]] for entry in status["conditions"]]
    told = [entry for entry in conditions if entry != ["Drifted", "False", "InSync"]]
    summary = {name: text for name, text in status["summary"].items() if name != "plan"}
    return [summary, status["outputs"], *roles, *steps, *told]


def difference(end: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Return how an outcome differs from the wanted one: rows that are too many, and rows that are missing."""
    lines = []
    for name in wanted:
        there, meant = (Counter(json.dumps(row) for row in found[name]) for found in (end, wanted))
        lines += [f"{name}: too much: {row}" for row in (there - meant).elements()]
        lines += [f"{name}: missing: {row}" for row in (meant - there).elements()]
    return "\n".join(lines)
