"""What machines do over time: install, reboot, answer SSH, and run the agent by themselves every 30 minutes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .machines import Machine
from .replies import Row

if TYPE_CHECKING:
    from .world import World

PERIOD = 30 * 60  # Puppet's runinterval
INSTALL = (60.0, 180.0)  # simulated seconds from power-on to `built`
REBOOT = (20.0, 180.0)  # simulated seconds from `built` until SSH answers


@dataclass
class Agent:
    """A machine and its schedule. When `epoch` changes, everything planned before is void."""

    name: str
    machine: Machine
    ready_at: float
    epoch: int = 0
    run: Any = None  # the PuppetRun under way
    applied: dict[str, Row] = field(default_factory=dict)  # class -> parameters as last applied
    tampered: bool = False


def find(world: World, name: str) -> Agent | None:
    """Return the machine behind a host's name; None while it is being installed, or if it was never made."""
    found: Agent | None = world.machines.get(name)
    return found


def reachable(world: World, name: str) -> bool:
    """Whether the host answers SSH now."""
    agent = find(world, name)
    return agent is not None and world.now() >= agent.ready_at and not world.faults.for_host("unreachable", name)


def vm_power(world: World, host: Row) -> None:
    """Follow a VM that was made or switched: if on, it boots the installer of a host in build, else its own system."""
    vm = world.vms.get(host["uuid"] or "")
    if vm is None or not world.settings.builds:
        return
    agent = find(world, host["name"])
    if not vm["on"]:
        if agent is not None:
            agent.epoch += 1
            agent.ready_at, agent.run = float("inf"), None
            agent.machine = agent.machine.reboot()
    elif host["build"]:
        world.machines.pop(host["name"], None)
        _install(world, host, vm)
    elif agent is not None:
        boot(world, agent)


def _install(world: World, host: Row, vm: Row) -> None:
    """Run the installer; it reports success or failure at its end if host, token and VM are still the same by then."""
    from . import host_build  # imported here: the two modules need each other

    token, name = host["token"], host["name"]
    late = world.faults.for_host("build_late", name)
    seconds = world.random.uniform(*INSTALL) + (late.seconds or 0 if late else 0)

    def done() -> None:
        same = host["id"] in world.table("hosts") and host["token"] == token and world.vms.get(vm["uuid"]) is vm
        if same and vm["on"]:
            host_build.built(world, host, failed=world.faults.for_host("build_fails", name) is not None)

    if host["provision_method"] == "image" and not _calls_back(world, host):
        seconds = 0.0  # SSH finish script: Foreman itself ends the build, within the request (foreman-api §9.7)
    world.clock.after(seconds, done)


def _calls_back(world: World, host: Row) -> bool:
    image = world.get("images", host["image_id"])
    return bool(image and image["user_data"])


def installed(world: World, host: Row) -> None:
    """Reboot the machine into its newly installed system, in which the agent is enabled (snippet puppet_setup)."""
    if world.settings.builds and host["uuid"]:
        other = world.faults.for_host("boots", host["name"])
        machine = Machine.boot(host["name"], other.body if other else "service")
        agent = Agent(host["name"], machine, float("inf"))
        world.machines[host["name"]] = agent
        boot(world, agent)


def boot(world: World, agent: Agent) -> None:
    """Boot the machine: it refuses SSH until it is up, and the agent starts with the system."""
    agent.epoch += 1
    agent.run = None
    agent.machine = agent.machine.reboot()
    agent.ready_at = world.now() + world.random.uniform(*REBOOT)
    first = agent.ready_at + world.random.uniform(0, 3)
    plan(world, agent, first)


def plan(world: World, agent: Agent, when: float) -> None:
    """Plan the agent's own runs: the next at `when`, then one every 30 minutes."""
    epoch = agent.epoch

    def due() -> None:
        if agent.epoch != epoch or find(world, agent.name) is not agent:
            return
        own_run(world, agent)
        plan(world, agent, world.now() + PERIOD)

    world.clock.at(when, due)


def own_run(world: World, agent: Agent) -> None:
    """Start a run of the agent's own, unless it no longer runs by itself, is disabled, or another run is under way."""
    from . import puppet_run

    if not agent.machine.daemon_running:
        return
    if agent.machine.disabled is not None or agent.machine.run_under_way(world.now()):
        world.log("skipped", agent.name, "daemon")
        return
    puppet_run.start(world, agent, agent.machine.own_cause, "", None)


def take_over(world: World, agent: Agent, after: Machine) -> None:
    """Adopt the machine as a script left it; a run that the script killed ends with exit status 143."""
    if after.run is None and agent.run is not None:
        killed, agent.run = agent.run, None
        killed.end(143)
        world.log("killed", agent.name, "triggered")
    changed(world, agent, after)


def changed(world: World, agent: Agent, after: Machine) -> None:
    """Adopt the machine; where a script or class `puppet` switched the agent's own runs, they end or begin at once."""
    before, agent.machine = agent.machine, after
    if before.daemon_running != after.daemon_running:
        agent.epoch += 1
        world.log("agent_on" if after.daemon_running else "agent_off", agent.name, "triggered")
        if after.daemon_running:
            plan(world, agent, world.now() + world.random.uniform(1, 3))


def renamed(world: World, old: str, new: str) -> None:
    """Follow a host that was renamed in Foreman."""
    if old in world.machines:
        agent = world.machines.pop(old)
        agent.name = new
        world.machines[new] = agent


def by_hand(world: World, name: str, what: str) -> bool:
    """Do what an administrator does on the machine itself (the `lab` words of the recordings).

    Return False if the machine or `what` is unknown.
    """
    from . import puppet_run

    agent = find(world, name) or next((a for n, a in world.machines.items() if n.split(".")[0] == name), None)
    if agent is None:
        return False
    acts: dict[str, Callable[[], None]] = {
        "disable": lambda: _set(agent, agent.machine.agent_disabled("by an administrator")),
        "enable": lambda: _set(agent, agent.machine.agent_enabled()),
        "daemon": lambda: _daemon(world, agent),
        "tamper": lambda: setattr(agent, "tampered", True),
        "run": lambda: puppet_run.by_somebody(world, agent),
    }
    if what not in acts:
        return False
    acts[what]()
    world.log(f"by_hand_{what}", agent.name, "triggered")
    return True


def _set(agent: Agent, machine: Machine) -> None:
    agent.machine = machine


def _daemon(world: World, agent: Agent) -> None:
    """Start the agent as a daemon by hand; it runs every 30 minutes, first in 30 minutes."""
    agent.machine = agent.machine.daemon_started()
    agent.epoch += 1
    plan(world, agent, world.now() + PERIOD)
