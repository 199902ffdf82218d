"""Promises 1 and 2: values before they are used, steps in their order, and no Puppet before its turn.

All of it is read from the simulator's audit log: what each run really applied, with which parameters, started by whom.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.e2e.stage import Stage, until

Entry = dict[str, Any]
PERIOD = 30 * 60
"""Seconds between two runs that an agent makes by itself."""
LATE = 10 * PERIOD
"""How much later than the others one host is built: not before the clock is advanced, however slow the machine. Its build
token is good for six hours.
"""
SITE = "Base/Debian 12/Site"
LOCAL = {"name": "lab", "computeResource": {"name": "libvirt-test", "profile": "1-Small"}}
STACK: dict[str, Any] = {
    "hostgroups": [
        {
            "name": "upper",
            "puppetClasses": [{"name": "role_app", "overrides": [{"name": "workers", "type": "integer", "value": 7}]}],
        },
        {"name": "lower", "parent": "upper", "puppetClasses": [{"name": "zookeeper"}]},
    ],
    "roles": [
        {"name": "node", "hostgroup": "lower", "count": {"min": 3, "max": 3}},
        {"name": "tail", "hostgroup": "upper", "count": {"min": 1, "max": 1}},
    ],
    "steps": [
        {"name": "one", "puppetRun": {"roles": ["node"], "order": "Serial"}},
        {
            "name": "two",
            "after": ["one"],
            "retries": 0,
            "puppetRun": {"roles": ["tail"], "runs": 2, "mustSucceed": "Last"},
        },
    ],
    "outputs": [],
}
OURS = {"role_app", "zookeeper"}


class Audit:
    """The audit log as it is now."""

    def __init__(self, stage: Stage) -> None:
        self.entries: list[Entry] = stage.simulator.audit()

    def of(self, event: str, host: str = "", **more: Any) -> list[Entry]:
        """Entries of one kind, of one host (by the start of its name), with these values."""
        return [
            entry
            for entry in self.entries
            if entry["event"] == event and entry["host"].startswith(host) and more.items() <= entry.items()
        ]

    def applied(self, host: str, name: str, **more: Any) -> list[dict[str, Any]]:
        """The effective parameters of a class in each run that applied it."""
        return [entry["parameters"] for entry in self.of("applied", host, **{"class": name}, **more)]

    def jobs(self, step: str) -> list[Entry]:
        """The jobs of a step, in their order."""
        return [entry for entry in self.of("job") if f" {step} " in entry["description"]]

    def hosts_of(self, step: str) -> list[list[str]]:
        """The hosts of each job of a step, without their domain."""
        return [sorted(name.partition(".")[0] for name in job["hosts"]) for job in self.jobs(step)]

    def one_after_the_other(self, step: str) -> bool:
        """Whether each job of the step began only when all hosts of the one before had a result."""
        jobs = self.jobs(step)
        ends = [max(entry["time"] for entry in self.of("job_result", job=job["job"])) for job in jobs]
        return all(end <= job["time"] for end, job in zip(ends, jobs[1:], strict=False))


def test_each_host_has_its_own_id_and_the_second_run_sees_all_addresses(stage: Stage) -> None:
    stage.stack()
    stage.deployment()
    stage.ready()
    audit = Audit(stage)
    addresses = [f"198.18.1.{number}" for number in range(1, 5)]
    for index, address in enumerate(addresses, start=1):
        first, second = audit.applied(f"zookeeper-zk-{index}", "zookeeper", cause="triggered")
        assert (first["id"], first["client_ip"], first["servers"]) == (str(index), address, [])
        assert (second["id"], second["client_ip"], second["servers"]) == (str(index), address, addresses)
        assert first["install_java"] is True
    hosts = [f"zookeeper-zk-{index}" for index in range(1, 5)]
    assert audit.hosts_of("first") == [hosts]
    assert audit.hosts_of("second") == [hosts[:1], hosts[1:]]
    assert audit.one_after_the_other("second")


def test_no_class_is_applied_before_its_step_though_agents_run_by_themselves(stage: Stage) -> None:
    faults = _weather(stage)
    stage.stack(**STACK)
    roles = [{"name": name, "sources": [LOCAL]} for name in ("node", "tail")]
    stage.deployment(parentHostgroup=SITE, roles=roles)
    _agents_run_by_themselves(stage)
    until(lambda: _configured(stage, "tail") == "1", 60, "the host of role tail is in its hostgroup")
    stage.simulator.control("POST", "faults", {"kind": "run_fails", "host": "zookeeper-tail-1", "count": 1})
    stage.simulator.control("POST", "clock", {"advance": LATE})  # now the late one is built
    status = stage.ready()

    audit = Audit(stage)
    assert {fault["hits"] for fault in stage.simulator.control("GET", "faults") if fault["id"] in faults} == {1}
    assert not list(_too_early(audit))
    assert not list(_not_quiet(audit))
    _check_steps(audit, status)
    _check_periodic(stage)


def _weather(stage: Stage) -> set[int]:
    """Agents by service, timer and cron; one host is built five hours late; the site has a class for everybody."""
    facet = {"environment": "production", "puppetclasses": ["role_db"]}
    site = {"name": "Site", "parent": "Base/Debian 12", "puppet_attributes": facet}
    stage.simulator.control("POST", "plant", [{"resource": "hostgroups", "object": site}])
    faults = [
        {"kind": "build_late", "host": "zookeeper-node-1", "count": 1, "seconds": LATE},
        {"kind": "boots", "host": "zookeeper-node-2", "count": 1, "body": "timer"},
        {"kind": "boots", "host": "zookeeper-node-3", "count": 1, "body": "cron"},
    ]
    return {fault["id"] for fault in stage.simulator.control("POST", "faults", faults)}


def _agents_run_by_themselves(stage: Stage) -> None:
    """Two of the hosts are built, and their agents run twice: once at boot, once when their period is over."""

    def runs() -> int:
        audit = Audit(stage)
        return min(len(audit.of("applied", f"zookeeper-node-{index}", cause="daemon")) for index in (2, 3))

    until(lambda: runs() >= 1, 60, "agents run at boot")
    stage.simulator.control("POST", "clock", {"advance": PERIOD})
    until(lambda: runs() >= 2, 60, "agents run again")


def _configured(stage: Stage, role: str) -> str:
    return next((str(entry["configured"]) for entry in stage.status().get("roles", ()) if entry["name"] == role), "")


def _too_early(audit: Audit) -> Iterator[Entry]:
    """Every application of a class of ours to a host before the first job of a step on that host."""
    begun: dict[str, float] = {}
    for job in (*audit.jobs("one"), *audit.jobs("two")):
        for host in job["hosts"]:
            begun[host] = min(job["time"], begun.get(host, job["time"]))
    for entry in audit.of("applied"):
        if entry["class"] in OURS and entry["time"] < begun.get(entry["host"], float("inf")):
            yield entry


def _not_quiet(audit: Audit) -> Iterator[Entry]:
    """Every run that an agent began by itself between the proof that it is off and the moment it is on again."""
    off: dict[str, bool] = defaultdict(bool)
    for entry in audit.entries:
        if entry["event"] in {"agent_off", "agent_on"}:
            off[entry["host"]] = entry["event"] == "agent_off"
        elif entry["event"] == "run_started" and entry["cause"] == "daemon" and off[entry["host"]]:
            yield entry
    assert len(off) == 4, "every agent was switched off and on again"
    assert not any(off.values())


def _check_steps(audit: Audit, status: dict[str, Any]) -> None:
    nodes = [f"zookeeper-node-{index}" for index in (1, 2, 3)]
    for host in nodes[1:]:
        causes = [entry["cause"] for entry in audit.of("applied", host, **{"class": "role_db"})]
        assert causes[:2] == ["daemon", "daemon"], "the site's class shows that agents ran before they were stopped"
    assert audit.hosts_of("one") == [[node] for node in nodes]
    assert audit.one_after_the_other("one")
    for host in nodes:
        assert [values["workers"] for values in audit.applied(host, "role_app", cause="triggered")] == [7]
        assert len(audit.applied(host, "zookeeper", cause="triggered")) == 1
    assert audit.hosts_of("two") == [["zookeeper-tail-1"]] * 2, "a failed first run is followed by the last one"
    assert audit.one_after_the_other("two")
    assert not audit.applied("zookeeper-tail-1", "zookeeper")
    states = {step["name"]: (step["state"], step["attempt"]) for step in status["steps"]}
    assert states["two"] == ("Done", 1), "and costs no retry"


def _check_periodic(stage: Stage) -> None:
    """After Ready every agent runs by itself again, twice in two periods, with the classes of its place."""
    before = len(stage.simulator.audit())
    stage.simulator.control("POST", "clock", {"advance": 2 * PERIOD + 60})
    audit = Audit(stage)
    audit.entries = audit.entries[before:]
    for host in ("zookeeper-node-1", "zookeeper-node-2", "zookeeper-node-3", "zookeeper-tail-1"):
        assert len(audit.of("run_started", host, cause="daemon")) >= 2, host
        assert audit.applied(host, "role_app", cause="daemon")[-1]["workers"] == 7
