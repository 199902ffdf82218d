"""Machines: the model of a host's periodic Puppet, and scripts that are really run on it."""

import asyncio
import gc
import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from foreman_simulator.machines import Machine, Process, Runner, ScriptResult, Unit, run_script

NAME = "app1.lab.example.com"


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.close()


def run(runner: Runner, machine: Machine, text: str, now: float = 0.0) -> ScriptResult:
    return asyncio.run(runner.run(machine, text, now))


def output(runner: Runner, text: str, machine: Machine | None = None, now: float = 0.0) -> str:
    return run(runner, machine or Machine.boot(NAME), text, now).output


# The model


def test_a_fresh_machine_runs_the_agent_by_itself_as_it_was_installed() -> None:
    assert Machine.boot(NAME).own_cause == "daemon"
    assert Machine.boot(NAME, "timer").own_cause == "timer"
    assert Machine.boot(NAME, "cron").own_cause == "cron"
    assert Machine.boot(NAME, init="sysv").daemon_running
    for quiet in (Machine.boot(NAME, "none"), Machine.boot(NAME, puppet=False), Machine.boot(NAME, init="none")):
        assert not quiet.daemon_running


def test_a_reboot_ends_every_process_and_starts_what_is_enabled() -> None:
    machine = replace(Machine.boot(NAME).run_started(until=50.0), processes=(Process(5_000_900, "x"),))
    assert machine.reboot() == Machine.boot(NAME)
    by_hand = Machine.boot(NAME, "none").daemon_started()
    assert by_hand.daemon_running
    assert not by_hand.reboot().daemon_running


def test_a_run_is_under_way_until_its_time() -> None:
    machine = Machine.boot(NAME).run_started(until=50.0)
    assert machine.run_under_way(49.0) is not None
    assert machine.run_under_way(50.0) is None
    assert machine.run_ended() == Machine.boot(NAME), "equal histories leave equal states"


def test_no_pid_of_the_model_is_one_of_a_real_process() -> None:
    machine = Machine.boot(NAME).run_started(until=1.0)
    assert machine.daemon is not None
    assert machine.run is not None
    assert min(machine.daemon.pid, machine.run.pid) > 1 << 22


# Scripts


def test_output_is_stderr_then_stdout_and_the_status_is_the_scripts(runner: Runner) -> None:
    text = 'echo out; echo err >&2; [ "$(hostname -s)" != app1 ] || exit 7'
    one, other = run(runner, Machine.boot(NAME), text), run(runner, Machine.boot("app2.lab.example.com"), text)
    assert (one.exit_status, one.output) == (7, "err\nout\n")
    assert (other.exit_status, other.output) == (0, "err\nout\n")


def test_a_script_starts_in_an_empty_folder_with_nothing_but_a_path(runner: Runner) -> None:
    assert output(runner, "ls -A; env | sed 's/=.*//' | grep -vx -e PWD -e OLDPWD -e SHLVL -e _") == "PATH\n"
    assert run(runner, Machine.boot(NAME), "nosuch").exit_status == 127
    assert output(runner, "id -u; command -v curl python3 ssh") == "0\n"


def test_sleep_takes_the_machines_time(runner: Runner) -> None:
    result = run(runner, Machine.boot(NAME), "date +%s; sleep 1h 90; sleep 0.25; date +%s", now=1000.0)
    assert (result.output, result.seconds) == ("1000\n4690\n", 3690.25)


def test_a_run_under_way_has_a_lock_and_ends_while_a_script_sleeps(runner: Runner) -> None:
    machine = Machine.boot(NAME).run_started(until=130.0, cause="daemon")
    lock = "lock=$(puppet config print agent_catalog_run_lockfile --section agent)"
    look = 'echo "$(cat "$lock") $(pgrep -fc "puppet agent")"'
    result = run(runner, machine, f"{lock}; echo $lock; {look}; sleep 29; {look}; sleep 1; {look} 2>&1", now=100.0)
    assert machine.run is not None
    pid = machine.run.pid
    assert result.output.splitlines()[1:4] == [machine.lockfile, f"{pid} 2", f"{pid} 2"]
    assert result.output.splitlines()[4] == " 1"
    assert result.machine_after == machine, "it is under way until its time, whenever it is looked at"


def test_stopping_the_service_ends_the_daemon_and_no_run(runner: Runner) -> None:
    machine = Machine.boot(NAME).run_started(until=50.0, cause="daemon")
    after = run(runner, machine, "systemctl stop puppet").machine_after
    assert (after.daemon, after.run) == (None, machine.run)
    assert after.units == (Unit("puppet.service", enabled="enabled"),)
    assert after.reboot().daemon_running


def test_disable_now_and_enable_now(runner: Runner) -> None:
    off = run(runner, Machine.boot(NAME), "systemctl disable --now puppet.service").machine_after
    assert not off.reboot().daemon_running
    on = run(runner, off, "systemctl enable --now puppet; systemctl is-active puppet; systemctl is-enabled puppet")
    assert on.output == "active\nenabled\n"
    assert on.machine_after.daemon_running


def test_what_systemctl_says_of_units_that_are_not_there(runner: Runner) -> None:
    for verb, status in (("is-active", 3), ("is-enabled", 1), ("status", 4), ("start", 5), ("stop", 5), ("cat", 1)):
        assert run(runner, Machine.boot(NAME), f"systemctl {verb} nosuch.service").exit_status == status
    assert run(runner, Machine.boot(NAME, init="sysv"), "systemctl is-active puppet").exit_status == 127


def test_a_timers_run_is_ended_by_stopping_its_service_and_not_by_its_timer(runner: Runner) -> None:
    machine = Machine.boot(NAME, "timer").run_started(until=50.0, cause="timer")
    after = run(runner, machine, "systemctl stop puppet-run.timer; systemctl is-active puppet-run.service")
    assert (after.output, after.machine_after.run) == ("activating\n", machine.run)
    assert run(runner, machine, "systemctl stop puppet-run.service").machine_after.run is None


def test_init_scripts_where_there_is_no_systemd(runner: Runner) -> None:
    machine = Machine.boot(NAME, init="sysv")
    off = run(runner, machine, "service puppet stop; update-rc.d puppet disable; service puppet status")
    assert off.exit_status == 3
    assert not off.machine_after.reboot().daemon_running
    assert run(runner, off.machine_after, "service puppet start; service puppet status").machine_after.daemon_running


@pytest.mark.parametrize(
    "text", ["kill {}", "kill -9 {}", "kill -s TERM {}", "sh -c 'kill {}'", "echo {} | xargs kill"]
)
def test_kill_ends_processes_of_the_model(runner: Runner, text: str) -> None:
    machine = Machine.boot(NAME)
    assert machine.daemon is not None
    after = run(runner, machine, text.format(machine.daemon.pid)).machine_after
    assert not after.daemon_running
    assert after.units[0] == Unit("puppet.service", enabled="enabled")


@pytest.mark.parametrize("text", ["kill", "kill -9", "sh -c 'kill \"$0\"'", "pkill -f pytest; echo"])
def test_no_real_process_can_be_killed(runner: Runner, text: str) -> None:
    run(runner, Machine.boot(NAME), f"sleep 0; {text} {os.getpid()}")
    assert run(runner, Machine.boot(NAME), f"kill -0 {os.getpid()}").exit_status == 1


def test_a_killed_run_leaves_its_lock_and_one_that_was_asked_to_end_does_not(runner: Runner) -> None:
    machine = Machine.boot(NAME).run_started(until=50.0)
    assert machine.run is not None
    killed = run(runner, machine, f"kill -9 {machine.run.pid}").machine_after
    assert (killed.run, dict(killed.files)) == (None, {"agent_catalog_run.lock": str(machine.run.pid)})
    assert run(runner, machine, f"kill {machine.run.pid}").machine_after.files == ()


def test_processes_are_found_by_command_line_or_by_name(runner: Runner) -> None:
    other = Process(5_000_900, "/usr/sbin/sshd -D")
    machine = replace(Machine.boot(NAME), processes=(other,))
    assert machine.daemon is not None
    pid, command = machine.daemon.pid, machine.daemon.command
    said = output(
        runner, "pgrep -f 'puppet agent'; pgrep -x puppet; pgrep -fa ssh; pgrep -fc .; pgrep x; echo $?", machine
    )
    assert said == f"{pid}\n{pid}\n{other.pid} {other.command}\n2\n1\n"
    said = output(runner, f"ps -p {pid} -o comm=; ps -eo pid,args | tail -n +2; ps -p 1 -o comm= || echo none", machine)
    assert said == f"puppet\n{pid} {command}\n{other.pid} {other.command}\nnone\n"
    assert run(runner, machine, "pkill -f sshd").machine_after == Machine.boot(NAME)


def test_crontab_of_root(runner: Runner) -> None:
    none = run(runner, Machine.boot(NAME), "crontab -l")
    assert (none.exit_status, none.output) == (1, "no crontab for root\n")
    made = run(runner, Machine.boot(NAME), "echo '@daily /usr/bin/puppet agent -t' | crontab -; crontab -l")
    assert made.machine_after.crontab == ("@daily /usr/bin/puppet agent -t",)
    assert made.output == "@daily /usr/bin/puppet agent -t\n"
    assert run(runner, made.machine_after, "crontab -r").machine_after.crontab is None


def test_the_agents_disabling_keeps_its_reason(runner: Runner) -> None:
    disabled = run(runner, Machine.boot(NAME), """puppet agent --disable 'by "me"'""").machine_after
    assert disabled.disabled == 'by "me"'
    assert disabled == Machine.boot(NAME).agent_disabled('by "me"')
    assert run(runner, disabled, "puppet agent --enable").machine_after == Machine.boot(NAME)


def test_files_in_statedir_stay_and_its_path_is_the_machines(runner: Runner) -> None:
    text = 'd=$(puppet config print statedir); echo "$d"; echo x >>"$d/mine"; cat "$d/mine"'
    first = run(runner, Machine.boot(NAME), text)
    assert first.output == "/var/cache/puppet/state\nx\n"
    assert run(runner, first.machine_after, text).output == "/var/cache/puppet/state\nx\nx\n"


def test_several_settings_come_with_their_names(runner: Runner) -> None:
    assert output(runner, "puppet config print statedir runinterval") == (
        "statedir = /var/cache/puppet/state\nruninterval = 1800\n"
    )


def test_without_puppet_there_is_no_command(runner: Runner) -> None:
    result = run(runner, Machine.boot(NAME, puppet=False), "command -v puppet")
    assert result.exit_status != 0
    assert result.output == ""


def test_a_script_that_takes_too_long_is_ended_with_all_it_started() -> None:
    runner = Runner(limit=0.2)
    try:
        result = run(runner, Machine.boot(NAME), "sh -c 'while :; do :; done' & while :; do :; done")
    finally:
        runner.close()
    assert (result.exit_status, result.output) == (124, "the simulator ended this script: it took too long\n")


def test_a_runner_that_is_stopped_ends_its_scripts_first() -> None:
    """Else they outlive the event loop, and whoever comes next hears of it."""

    async def story() -> None:
        runner = Runner()
        running = asyncio.create_task(runner.run(Machine.boot(NAME), "while :; do :; done", 0.0))
        while runner.real_runs == 0:
            await asyncio.sleep(0)
        await runner.stop()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(story(), debug=True)
    gc.collect()  # an unclosed process is told of by its end, and warnings are errors


# Equal script and equal state are run once


def test_a_hundred_hosts_in_the_same_state_cost_one_run() -> None:
    runner = Runner()
    machines = [Machine.boot(f"h{n}").run_started(until=70.0 + n / 1000) for n in range(100)]

    async def all_of_them() -> list[ScriptResult]:
        return list(await asyncio.gather(*(runner.run(m, "systemctl stop puppet", 0.9) for m in machines)))

    try:
        results = asyncio.run(all_of_them())
    finally:
        runner.close()
    assert runner.real_runs == 1
    assert [r.machine_after.hostname for r in results] == [m.hostname for m in machines]
    assert [r.machine_after.run for r in results] == [m.run for m in machines]
    assert not any(r.machine_after.units[0].active for r in results)


def test_a_script_that_asks_for_the_name_or_the_time_is_run_for_each(runner: Runner) -> None:
    before = runner.real_runs
    assert [output(runner, "hostname", Machine.boot(n)) for n in ("a.x", "b.x", "a.x")] == ["a.x\n", "b.x\n", "a.x\n"]
    assert [output(runner, "date +%s", now=t) for t in (5.0, 6.0)] == ["5\n", "6\n"]
    assert runner.real_runs - before <= 6


def test_another_state_is_another_run(runner: Runner) -> None:
    before = runner.real_runs
    for machine in (Machine.boot(NAME), Machine.boot(NAME, "cron"), Machine.boot(NAME).agent_disabled("x")):
        output(runner, "echo another", machine)
    assert runner.real_runs - before == 3


def test_one_run_without_a_memory() -> None:
    result = asyncio.run(run_script(Machine.boot(NAME), "exit 3", 0.0))
    assert (result.exit_status, result.machine_after, result.seconds) == (3, Machine.boot(NAME), 0.0)


def test_a_script_that_kills_idle_agents_and_waits_for_the_lock(runner: Runner) -> None:
    """The shape of a quiesce job of recording whole-flow-as-service-user, on a host whose agents run."""
    text = """set -u
systemctl disable --now puppet.service
daemons() { pgrep -f '[p]uppet agent( |$)' 2>/dev/null; pgrep -f '/[p]uppet agent' 2>/dev/null; }
lock=$(puppet config print agent_catalog_run_lockfile --section agent 2>/dev/null)
waited=0
while [ -n "$(daemons)" ] || { [ -n "$lock" ] && [ -s "$lock" ]; }; do
  for pid in $(daemons | sort -u); do
    [ -s "$lock" ] && [ "$(cat "$lock")" = "$pid" ] && continue
    kill "$pid" 2>/dev/null
  done
  sleep 2; waited=$((waited + 2))
done
echo "quiesce: done after $waited s" """
    assert output(runner, text) == "quiesce: done after 0 s\n"
    assert output(runner, text, Machine.boot(NAME, "none")) == "quiesce: done after 0 s\n"
    by_hand = Machine.boot(NAME, "none").daemon_started().run_started(until=9.0)
    assert output(runner, text, by_hand) == "quiesce: done after 10 s\n"
