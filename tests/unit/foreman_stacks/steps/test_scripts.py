"""The two scripts that stop and start Puppet's periodic running, really run on modelled machines."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files

import pytest

from foreman_simulator.machines import Machine, Process, Runner, ScriptResult, Unit

RECORD = "foreman_stacks_quiesced"
NAME = "db1.lab.example.com"
CRON = "*/30 * * * * /usr/bin/puppet agent --onetime --no-daemonize"


def script(name: str, header: str = "") -> str:
    return header + files("foreman_stacks.steps").joinpath(name).read_text()


QUIESCE = script("quiesce.sh", "limit=120\n")
RESUME = script("resume.sh")


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.close()


def run(runner: Runner, machine: Machine, text: str, now: float = 0.0) -> ScriptResult:
    return asyncio.run(runner.run(machine, text, now))


def record(machine: Machine) -> str | None:
    return dict(machine.files).get(RECORD)


def stance(machine: Machine) -> Machine:
    """The machine but for pids: a daemon that was started again has another one."""
    daemon = replace(machine.daemon, pid=0) if machine.daemon else None
    return replace(machine, daemon=daemon, next_pid=0)


MACHINES = {
    "service": (Machine.boot(NAME), "enable puppet.service\n"),
    "timer": (Machine.boot(NAME, "timer"), "enable puppet-run.timer\n"),
    "cron": (Machine.boot(NAME, "cron"), f"cron {CRON}\n"),
    "sysv": (Machine.boot(NAME, init="sysv"), "service puppet\n"),
    "service and cron": (
        replace(
            Machine.boot(NAME),
            crontab=("MAILTO=root", CRON, f"# {CRON}", "5 4 * * * /usr/bin/puppet-agentx", r"1 2 * * * echo 'a\tb' %"),
        ),
        f"enable puppet.service\ncron {CRON}\n",
    ),
    "running but not enabled": (
        replace(Machine.boot(NAME, "none").started("puppet.service")),
        "start puppet.service\n",
    ),
    "of another name": (
        replace(Machine.boot(NAME, "none"), units=(Unit("openvox-agent.service", enabled="enabled"),)).reboot(),
        "enable openvox-agent.service\n",
    ),
}


@pytest.mark.parametrize("kind", MACHINES)
def test_quiesce_then_resume_gives_the_state_before(runner: Runner, kind: str) -> None:
    before, listed = MACHINES[kind]

    quiet = run(runner, before, QUIESCE)
    assert (quiet.exit_status, quiet.output) == (0, "quiesce: done after 0 s\n")
    assert not quiet.machine_after.daemon_running
    assert not quiet.machine_after.reboot().daemon_running
    assert record(quiet.machine_after) == listed

    back = run(runner, quiet.machine_after, RESUME)
    assert back.exit_status == 0, back.output
    assert back.machine_after.daemon_running
    assert record(back.machine_after) is None
    assert stance(back.machine_after) == stance(before)


@pytest.mark.parametrize("kind", MACHINES)
def test_each_may_be_run_twice(runner: Runner, kind: str) -> None:
    before, listed = MACHINES[kind]

    once = run(runner, before, QUIESCE).machine_after
    twice = run(runner, once, QUIESCE)
    assert (twice.exit_status, twice.machine_after) == (0, once)
    assert record(twice.machine_after) == listed

    on = run(runner, once, RESUME).machine_after
    again = run(runner, on, RESUME)
    assert (again.exit_status, again.output) == (0, "resume: nothing was disabled\n")
    assert again.machine_after == on


def before(act: str, happens: str, text: str) -> str:
    """The script on a host where something happens at each `systemctl ACT`."""
    return f'systemctl() {{ [ "$1" != {act} ] || {{ {happens}; }}; command systemctl "$@"; }}\n{text}'


def test_a_crash_before_or_between_the_acts_loses_and_doubles_nothing(runner: Runner) -> None:
    machine = Machine.boot(NAME)
    for act, enabled in (("disable", "enabled"), ("stop", "disabled")):
        crashed = run(runner, machine, before(act, "exit 9", QUIESCE))
        assert crashed.exit_status == 9
        assert crashed.machine_after.units[0].enabled == enabled
        assert record(crashed.machine_after) == "enable puppet.service\n"

        quiet = run(runner, crashed.machine_after, QUIESCE).machine_after
        assert not quiet.daemon_running
        assert record(quiet) == "enable puppet.service\n"
        assert stance(run(runner, quiet, RESUME).machine_after) == stance(machine)


def test_what_the_run_under_way_switches_on_again_is_switched_off_again(runner: Runner) -> None:
    machine = Machine.boot(NAME).run_started(until=10.0, cause="daemon")
    meddling = 'sleep() { command sleep "$@"; [ -n "$(lock_holder)" ] || systemctl enable --now puppet.service; }\n'
    result = run(runner, machine, QUIESCE.replace("limit=120\n", "limit=120\n" + meddling))
    assert result.exit_status == 0, result.output
    assert not result.machine_after.daemon_running
    assert record(result.machine_after) == "enable puppet.service\n"


def test_what_cannot_be_switched_off_is_named(runner: Runner) -> None:
    result = run(runner, Machine.boot(NAME), before("disable", "return 1", QUIESCE))
    assert result.exit_status == 1
    assert result.output == "quiesce: cannot be switched off: puppet.service\n"


def test_a_later_quiesce_adds_what_was_switched_on_meanwhile(runner: Runner) -> None:
    quiet = run(runner, Machine.boot(NAME), QUIESCE).machine_after
    meanwhile = replace(quiet, crontab=(CRON,))
    assert record(run(runner, meanwhile, QUIESCE).machine_after) == f"enable puppet.service\ncron {CRON}\n"


@pytest.mark.parametrize("cause", ["daemon", "timer", "cron", "triggered"])
def test_a_run_under_way_is_waited_for_and_not_ended(runner: Runner, cause: str) -> None:
    kind = cause if cause in ("timer", "cron") else "service"
    machine = MACHINES[kind][0].run_started(until=1035.0, cause=cause)  # type: ignore[arg-type]
    quiet = run(runner, machine, QUIESCE, now=1000.0)
    assert (quiet.exit_status, quiet.output) == (0, "quiesce: done after 36 s\n")
    assert quiet.machine_after.run == machine.run, "it ended by itself"
    assert quiet.seconds == 36.0
    assert not quiet.machine_after.daemon_running


def test_a_run_that_lasts_longer_than_the_limit_fails_with_the_cause(runner: Runner) -> None:
    machine = Machine.boot(NAME).run_started(until=1500.0, cause="daemon")
    result = run(runner, machine, script("quiesce.sh", "limit=20\n"), now=1000.0)
    assert result.exit_status == 1
    assert re.fullmatch(r"quiesce: a run is still under way after 20 s \(process \d+\)\n", result.output)
    assert result.machine_after.run == machine.run
    assert record(result.machine_after) == "enable puppet.service\n"


def test_a_daemon_started_by_hand_is_ended(runner: Runner) -> None:
    machine = Machine.boot(NAME, "none").daemon_started()
    result = run(runner, machine, QUIESCE)
    assert (result.exit_status, result.output) == (0, "quiesce: done after 12 s\n")
    assert result.machine_after.daemon is None
    assert record(result.machine_after) is None


def test_a_daemon_started_by_hand_is_ended_after_its_run(runner: Runner) -> None:
    machine = Machine.boot(NAME, "none").daemon_started().run_started(until=30.0, cause="daemon")
    result = run(runner, machine, QUIESCE)
    assert (result.exit_status, result.machine_after.run) == (0, machine.run)
    assert result.machine_after.daemon is None


def test_a_lock_whose_process_is_gone_is_no_run(runner: Runner) -> None:
    machine = replace(Machine.boot(NAME), files=(("agent_catalog_run.lock", "5999999"),))
    assert run(runner, machine, QUIESCE).output == "quiesce: done after 0 s\n"


def test_processes_that_only_have_to_do_with_puppet_are_left_alone(runner: Runner) -> None:
    server = Process(5_000_100, "/usr/bin/java -jar /usr/share/puppetserver/puppet-server.jar")
    machine = replace(
        Machine.boot(NAME),
        processes=(server,),
        units=(*Machine.boot(NAME).units, Unit("puppetserver.service", enabled="enabled", active=True)),
    )
    after = run(runner, machine, QUIESCE).machine_after
    assert after.processes == (server,)
    assert after.units[-1] == machine.units[-1]


@pytest.mark.parametrize("text", [QUIESCE, RESUME])
def test_an_agent_disabled_by_an_administrator_stays_disabled(runner: Runner, text: str) -> None:
    machine = Machine.boot(NAME).agent_disabled('by an administrator, see "notes"')
    if text == RESUME:
        machine = run(runner, machine, QUIESCE).machine_after
    result = run(runner, machine, text)
    assert result.exit_status == 0
    assert result.machine_after.disabled == machine.disabled


@pytest.mark.parametrize("text, who", [(QUIESCE, "quiesce"), (RESUME, "resume")])
def test_without_puppet_they_say_so_and_fail(runner: Runner, text: str, who: str) -> None:
    result = run(runner, Machine.boot(NAME, puppet=False), text)
    assert result.exit_status == 3
    assert result.output == f"{who}: Puppet is not installed on this host: there is no command puppet\n"


@pytest.mark.parametrize("init", ["systemd", "none"])
def test_where_nothing_runs_nothing_is_listed(runner: Runner, init: str) -> None:
    machine = Machine.boot(NAME, "none", init=init)  # type: ignore[arg-type]
    quiet = run(runner, machine, QUIESCE)
    assert (quiet.output, quiet.machine_after) == ("quiesce: done after 0 s\n", machine)
    assert run(runner, machine, RESUME).output == "resume: nothing was disabled\n"


def test_resume_names_what_it_cannot_prove_and_keeps_its_file(runner: Runner) -> None:
    quiet = run(runner, Machine.boot(NAME), QUIESCE).machine_after
    masked = replace(quiet, units=(Unit("puppet.service", enabled="masked"),), crontab=())
    result = run(runner, masked, RESUME)
    assert (result.exit_status, result.output) == (1, "resume: not proven to be on: enable puppet.service\n")
    assert record(result.machine_after) == "enable puppet.service\n"


def test_resume_does_not_double_a_cron_line_that_somebody_put_back(runner: Runner) -> None:
    quiet = run(runner, MACHINES["cron"][0], QUIESCE).machine_after
    assert quiet.crontab is not None
    result = run(runner, replace(quiet, crontab=(*quiet.crontab, CRON)), RESUME)
    assert result.exit_status == 0
    assert result.machine_after.crontab == ("# Puppet Name: puppet", CRON)


def test_resume_brings_back_a_cron_line_whose_place_is_gone(runner: Runner) -> None:
    quiet = run(runner, MACHINES["cron"][0], QUIESCE).machine_after
    result = run(runner, replace(quiet, crontab=None), RESUME)
    assert (result.exit_status, result.machine_after.crontab) == (0, (CRON,))


@pytest.mark.parametrize("text", [QUIESCE, RESUME])
def test_the_scripts_do_not_find_themselves_and_name_no_path(text: str) -> None:
    assert "puppet agent" not in text
    assert set(re.findall(r"[\s:>=]/[a-z]+/[\w/]+", text)) <= {">/dev/null", ":/opt/puppetlabs/bin"}
    assert "<%" not in text, "Foreman would evaluate it"
