"""What a job does on its hosts, and when (measured §1.4, §5; raw/job-on-100-hosts, raw/job-lost-by-proxy)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from . import agents, puppet_run
from .machines import Runner, ScriptResult
from .replies import Row

if TYPE_CHECKING:
    from .world import World

LOST_AFTER = 600.0  # simulated seconds until a job that its proxy forgot fails (measured §5)
GONE = "Proxy task gone missing from the smart proxy\n"
DISABLED = "Notice: Skipping run of Puppet configuration client; administratively disabled (Reason: '{reason}');\nUse 'puppet agent --enable' to re-enable.\n"
IN_PROGRESS = "Notice: Run of Puppet configuration client already in progress; skipping  ({lock} exists)\n"
NO_SSH = (
    "Error initializing command: RuntimeError - Could not establish connection to remote host using any available authentication "
    "method, tried publickey\n\nAuthentication method 'publickey' failed with:\nssh: connect to host {name} port 22: Connection refused\r\n"
)


def begin(world: World, job: Row) -> None:
    """Start a job: it is planned at once, and runs on its hosts a moment later."""

    def dispatch() -> None:
        if job["cancelled"]:
            return
        job["task_state"] = "running"
        _next(world, job)
        _finish_when_done(world, job)

    world.clock.after(0, dispatch)


def _next(world: World, job: Row) -> None:
    """Start the job on as many more hosts as its concurrency level allows, in the job's order."""
    begun = world.parts[job["id"]]
    busy = sum(1 for part in begun if part["ended_at"] is None)
    waiting = job["host_ids"][len(begun) :]
    for host_id in waiting[: max(0, job["concurrency"] - busy)] if job["concurrency"] else waiting:
        _start(world, job, host_id)


def _start(world: World, job: Row, host_id: int) -> None:
    host = world.get("hosts", host_id)
    name = host["name"] if host else ""
    part = world.insert("template_invocations", {
        "job_id": job["id"], "host_id": host_id, "name": name, "result": None, "ended_at": None, "output": [], "lost": False,
        "task": world.uuid(), "generation": world.generation,
    })  # fmt: skip

    def act() -> None:
        if part["ended_at"] is not None:
            return
        if world.faults.for_host("job_lost", name):
            part["lost"] = True
            world.clock.after(LOST_AFTER, lambda: _end(world, job, part, GONE, "EXCEPTION", "debug"))
        elif host is None or not agents.reachable(world, name):
            text = NO_SSH.format(name=name)
            world.clock.after(world.random.uniform(3, 10), lambda: _end(world, job, part, text, "EXCEPTION", "debug"))
        elif world.table("job_templates")[job["template_id"]]["runs"] == "puppet":
            _puppet(world, job, part, name)
        else:
            _script(world, job, part, name)

    world.clock.after(world.random.uniform(1.5, 4), act)


def _puppet(world: World, job: Row, part: Row, name: str) -> None:
    """Start a triggered run, or refuse it: exit status 1, and no output without --verbose (measured §1.8)."""
    agent = agents.find(world, name)
    assert agent is not None
    options = str(job["inputs"].get("puppet_options") or "")
    refusal = None
    if agent.machine.disabled is not None:
        refusal = DISABLED.format(reason=agent.machine.disabled)
    elif agent.machine.run_under_way(world.now()) or world.faults.for_host("in_progress", name):
        refusal = IN_PROGRESS.format(lock=agent.machine.lockfile)
    if refusal is not None:
        world.log("skipped", name, "triggered", job=job["id"])
        text = refusal if "--verbose" in options.split() else ""
        world.clock.after(world.random.uniform(1, 3), lambda: _end(world, job, part, text, "1"))
        return
    part["agent_run"] = True
    puppet_run.start(
        world, agent, "triggered", options, lambda run: _end(world, job, part, run.text(), str(run.exit_status))
    )


def _script(world: World, job: Row, part: Row, name: str) -> None:
    """Run the script for real (machines/).

    The machine changes when the script starts; the job ends on this host the result's `seconds` later.
    """
    agent = agents.find(world, name)
    assert agent is not None
    began, generation = world.now(), world.generation

    async def run() -> None:
        result: ScriptResult = await runner(world).run(agent.machine, str(job["inputs"]["command"]), began)
        if world.generation != generation or part["ended_at"] is not None:
            return
        agents.take_over(world, agent, result.machine_after)
        world.log("script", name, "triggered", job=job["id"], exit_status=result.exit_status)
        text = result.output
        when = max(began + result.seconds + 0.5, world.now())
        world.clock.at(when, lambda: _end(world, job, part, text, str(result.exit_status)))

    task = asyncio.get_running_loop().create_task(run())
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


_tasks: set[asyncio.Task[None]] = set()


def runner(world: World) -> Runner:
    """Return this world's only script runner."""
    if world.runner is None:
        world.runner = Runner()
    return world.runner


def _end(world: World, job: Row, part: Row, text: str, exit_status: str, kind: str = "stdout") -> None:
    """End the job on one host; its result can be searched for at once."""
    if part["ended_at"] is not None or part["generation"] != world.generation:
        return
    success = exit_status == "0"
    part["result"], part["ended_at"] = "success" if success else "failed", world.now()
    if text:
        part["output"].append(_line(world, part, kind, text))
    part["output"].append({"output_type": "stdout", "output": f"Exit status: {exit_status}", "timestamp": world.now()})
    if not success:
        part["output"].append(_line(world, part, "debug", "StandardError: Job execution failed"))
    host = world.get("hosts", part["host_id"])
    if host is not None:
        host["execution_status"] = 0 if success else 1
    world.log("job_result", part["name"], "triggered", job=job["id"], result=part["result"], exit_status=exit_status)
    if job["concurrency"]:
        _next(world, job)
    _finish_when_done(world, job)


def _line(world: World, part: Row, kind: str, text: str) -> Row:
    return {
        "id": world.next_id("outputs"), "template_invocation_id": part["id"], "timestamp": world.now(), "meta": None,
        "sequence_id": len(part["output"]), "output_type": kind, "output": text,
    }  # fmt: skip


def _finish_when_done(world: World, job: Row) -> None:
    """End the job itself 5-15 s after its last host (measured §1.4)."""
    ended = sum(1 for part in world.parts[job["id"]] if part["ended_at"] is not None)
    if ended == len(job["host_ids"]) and not job["cancelled"]:
        world.clock.after(world.random.uniform(5, 15), lambda: _finish(world, job))


def _finish(world: World, job: Row) -> None:
    if job["finished_at"] is not None:
        return
    results = {part["result"] for part in world.parts[job["id"]]}
    job["status"] = "failed" if job["cancelled"] or results - {"success"} else "succeeded"
    job["finished_at"], job["task_state"] = world.now(), "stopped"


def cancel(world: World, job: Row) -> None:
    """Cancel a job: what runs is ended, what waits never starts, the job fails (jobs-and-puppet-runs 93-98)."""
    job["cancelled"] = True
    text = "ForemanTasks::Task::TaskCancelledException: ERF22-3835 [ForemanTasks::Task::TaskCancelledException]: Task cancelled"
    for part in world.parts[job["id"]]:
        if part["ended_at"] is not None:
            continue
        part["result"], part["ended_at"] = "cancelled", world.now()
        part["output"].append({"output_type": "stdout", "output": "Exit status: 255", "timestamp": world.now()})
        part["output"].append(_line(world, part, "debug", text))
        agent = agents.find(world, part["name"])
        if part.get("agent_run") and agent is not None and agent.run is not None:
            agent.run.cancelled = True
            agent.run = None
            agent.machine = agent.machine.run_ended()
    world.clock.after(world.random.uniform(1, 4), lambda: _finish(world, job))
