"""The state of one machine, as a value: machines in the same state compare equal and hash alike.

The model covers what decides whether and when Puppet's agent runs: units of the service
manager, root's crontab, the agent as a daemon, a run under way with its lock, the agent's
administrative disabling, and the files in Puppet's `statedir`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Init = Literal["systemd", "sysv", "none"]
Periodic = Literal["service", "timer", "cron", "none"]
Cause = Literal["daemon", "timer", "cron", "triggered"]
Kind = Literal["service", "timer", "oneshot", "sysv"]
Enabled = Literal["enabled", "disabled", "static", "masked"]

FIRST_PID = 5_000_000
"""Above Linux's `PID_MAX_LIMIT` (4 194 304), so no pid of a model is ever that of a real process."""

LOCK = "agent_catalog_run.lock"
"""Puppet's setting `agent_catalog_run_lockfile`: exists while a run is under way, holds its pid."""

CRON_LINE = "*/30 * * * * /usr/bin/puppet agent --onetime --no-daemonize"
CRON_COMMENT = "# Puppet Name: puppet"

ONETIME = "/usr/bin/ruby /usr/bin/puppet agent --onetime --no-daemonize"
TITLES: dict[Cause, str] = {
    # A daemon forks for a run and gives the child this title (Puppet's `run_in_fork`);
    # a one-time agent does not fork.
    "daemon": "puppet agent: applying configuration",
    "timer": ONETIME,
    "cron": ONETIME,
    "triggered": ONETIME + " --no-usecacheonfailure",
}


@dataclass(frozen=True)
class Unit:
    """A unit of the service manager: `oneshot` is a timer's service, `sysv` an init script."""

    name: str
    kind: Kind = "service"
    enabled: Enabled = "disabled"
    active: bool = False


@dataclass(frozen=True)
class Process:
    """A process that has nothing to do with Puppet's agent unless its command says so."""

    pid: int
    command: str


@dataclass(frozen=True)
class Daemon:
    """The agent as a daemon; `unit` is empty when somebody started it by hand."""

    pid: int
    unit: str = ""

    @property
    def command(self) -> str:
        """Its command line, as `pgrep -f` sees it."""
        return "/usr/bin/ruby /usr/bin/puppet agent" + (" --no-daemonize" if self.unit else "")


@dataclass(frozen=True)
class Run:
    """A run of the agent; it ends by itself at `until` (time of the simulator's clock)."""

    pid: int
    until: float
    cause: Cause = "triggered"

    @property
    def command(self) -> str:
        """Its command line, as `pgrep -f` sees it."""
        return TITLES[self.cause]


@dataclass(frozen=True)
class Machine:
    """One host's operating system. Make one with `Machine.boot`."""

    hostname: str
    init: Init = "systemd"
    puppet: bool = True
    """Whether the command `puppet` is there at all."""
    units: tuple[Unit, ...] = ()
    crontab: tuple[str, ...] | None = None
    """The lines of root's crontab; None is "no crontab for root"."""
    daemon: Daemon | None = None
    run: Run | None = None
    disabled: str | None = None
    """The reason given to `puppet agent --disable`; None when the agent is enabled."""
    processes: tuple[Process, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    """Name and content of each file in `statedir`, but for the lock of the run under way."""
    statedir: str = "/var/cache/puppet/state"
    next_pid: int = FIRST_PID

    @classmethod
    def boot(
        cls,
        hostname: str,
        periodic: Periodic = "service",
        *,
        init: Init = "systemd",
        puppet: bool = True,
    ) -> Machine:
        """A freshly installed machine after its first boot.

        The stock provisioning template enables service `puppet`, so the daemon runs from the
        first boot on (Foreman's snippet `puppet_setup`); `timer` and `cron` are what module
        theforeman-puppet makes of `runmode` `systemd.timer` and `cron`; with `none`, Puppet is
        installed but nothing starts it.
        """
        if not puppet:
            return cls(hostname, init=init, puppet=False)
        kind: Kind = "service" if init == "systemd" else "sysv"
        name = "puppet.service" if init == "systemd" else "puppet"
        wanted: Enabled = "enabled" if periodic == "service" else "disabled"
        units: tuple[Unit, ...] = () if init == "none" else (Unit(name, kind, wanted),)
        if periodic == "timer":
            units += (
                Unit("puppet-run.timer", "timer", "enabled"),
                Unit("puppet-run.service", "oneshot", "static"),
            )
        crontab = (CRON_COMMENT, CRON_LINE) if periodic == "cron" else None
        return cls(hostname, init=init, units=units, crontab=crontab).reboot()

    def reboot(self) -> Machine:
        """End every process, a run under way included; enabled units start again."""
        units = tuple(replace(u, active=False) for u in self.units)
        after = replace(self, units=units, daemon=None, run=None, processes=(), next_pid=FIRST_PID)
        for unit in units:
            if unit.enabled == "enabled":
                after = after.started(unit.name)
        return after

    def started(self, name: str) -> Machine:
        """Activate a unit; a service also starts the daemon, unless one runs already."""
        units = tuple(replace(u, active=True) if u.name == name else u for u in self.units)
        unit = next(u for u in self.units if u.name == name)
        after = replace(self, units=units)
        if unit.kind in ("timer", "oneshot") or self.daemon is not None:
            return after
        return replace(after, daemon=Daemon(self.next_pid, name), next_pid=self.next_pid + 1)

    def daemon_started(self) -> Machine:
        """Start the agent as a daemon by hand (`puppet agent`), unless one runs already."""
        if self.daemon is not None:
            return self
        return replace(self, daemon=Daemon(self.next_pid), next_pid=self.next_pid + 1)

    def with_runmode(self, mode: str) -> Machine:
        """Apply `runmode` to the agent's service as class `puppet` of theforeman-puppet does.

        `service` enables and starts it, any other mode stops and disables it; a run under way goes on
        (its manifests/agent/service/daemon.pp).
        """
        service = next((u for u in self.units if u.name.startswith("puppet") and u.kind in ("service", "sysv")), None)
        if service is None:
            return self
        wanted: Enabled = "enabled" if mode == "service" else "disabled"
        units = tuple(replace(u, enabled=wanted, active=False) if u is service else u for u in self.units)
        after = replace(self, units=units, daemon=self.daemon if mode == "service" else None)
        return after.started(service.name) if mode == "service" else after

    @property
    def daemon_running(self) -> bool:
        """Whether the agent would run by itself: as a daemon, by a timer or by cron.

        An agent that is `disabled` still tries, and its runs are skipped.
        """
        return (
            self.daemon is not None
            or any(u.kind == "timer" and u.active for u in self.units)
            or any(runs_agent(line) for line in self.crontab or ())
        )

    @property
    def own_cause(self) -> Cause:
        """What starts the agent's own runs; meaningful only if `daemon_running`."""
        if self.daemon is not None:
            return "daemon"
        return "timer" if any(u.kind == "timer" and u.active for u in self.units) else "cron"

    @property
    def lockfile(self) -> str:
        """Puppet's setting `agent_catalog_run_lockfile`, which a refused run names."""
        return f"{self.statedir}/{LOCK}"

    def run_under_way(self, now: float) -> Run | None:
        """Return the run under way at that time, if any; while there is one, Puppet refuses another."""
        return self.run if self.run is not None and self.run.until > now else None

    def run_started(self, pid: int | None = None, until: float = 0.0, cause: Cause = "triggered") -> Machine:
        """Begin a run, which ends by itself at `until`; without `pid` it gets the next one."""
        run = Run(self.next_pid if pid is None else pid, until, cause)
        return replace(self, run=run, next_pid=max(self.next_pid, run.pid + 1))

    def run_ended(self) -> Machine:
        """End the run under way.

        Pids are reused as far as possible, so that machines do not differ by how many runs they have had.
        """
        pids = [p.pid for p in self.processes] + ([self.daemon.pid] if self.daemon else [])
        return replace(self, run=None, next_pid=max(pids, default=FIRST_PID - 1) + 1)

    def agent_disabled(self, reason: str) -> Machine:
        """As `puppet agent --disable REASON`: triggered runs are skipped as well."""
        return replace(self, disabled=reason)

    def agent_enabled(self) -> Machine:
        """As `puppet agent --enable`."""
        return replace(self, disabled=None)


def runs_agent(line: str) -> bool:
    """Whether cron would start Puppet's agent by this line."""
    return not line.lstrip().startswith("#") and "puppet agent" in line
