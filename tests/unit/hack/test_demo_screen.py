"""What the demo shows of a status."""

import io
import re
import sys
import time
from typing import Any

import pytest

import demo_screen
from foreman_api import Foreman


@pytest.mark.parametrize("indices,number", [("", 0), ("3", 1), ("1-4", 4), ("1-5,7", 6)])
def test_ranges_are_counted(indices: str, number: int) -> None:
    assert demo_screen.count(indices) == number


def test_a_deployment_under_way() -> None:
    seen: dict[str, Any] = {
        "metadata": {"generation": 2},
        "status": {
            "conditions": [
                {"type": "Configured", "status": "True", "observedGeneration": 2},
                {"type": "StepsCompleted", "status": "True", "observedGeneration": 1},
                {
                    "type": "Ready",
                    "status": "False",
                    "reason": "Provisioning",
                    "message": "builds",
                    "observedGeneration": 2,
                },
            ],
            "roles": [{"name": "zk", "desired": 4, "created": "1-3", "built": "2"}],
            "steps": [
                {
                    "name": "first",
                    "state": "Running",
                    "done": [{"indices": "1"}],
                    "run": {"hosts": [{"indices": "2-4"}]},
                },
                {"name": "second"},
            ],
        },
    }
    assert demo_screen.lines(seen) == [
        "  ✔ hostgroups in Foreman",
        "  · hosts built             █▒▒░  1/4",
        "  · steps in order",
        "      ▶ first 1/4  · second",
        "  · Puppet by itself again",
        "  · ready",
        "    Provisioning: builds",
    ]


def test_nothing_is_known_yet() -> None:
    assert demo_screen.lines({"metadata": {"generation": 1}})[-1] == "    Waiting: for the operator"


def deployment(reason: str, message: str, configured: str = "False") -> dict[str, Any]:
    conditions = [("Configured", configured, "", ""), ("Ready", "False", reason, message)]
    keys = ("type", "status", "reason", "message", "observedGeneration")
    shown = [dict(zip(keys, (*each, 1), strict=True)) for each in conditions]
    return {"metadata": {"generation": 1}, "status": {"conditions": shown}}


def test_a_message_of_several_lines_is_one_line() -> None:
    shown = demo_screen.lines(deployment("InvalidSpec", "spec.a: is wrong\nspec.b:\r\n  is too\n"))
    assert shown[-1] == "    InvalidSpec: spec.a: is wrong spec.b: is too"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def rows(self) -> list[str]:
        """What stands on it in the end, by the sequences that are known here: lines up, and clear to the line's end."""
        rows: list[str] = []
        row = 0
        for up, text in re.findall(r"(?:\x1b\[(\d+)F)?([^\n]*)\n", self.getvalue()):
            row -= int(up or 0)
            assert row >= 0, "above what was drawn is the user's own"
            assert text.endswith("\x1b[K"), "the rest of an older line would stay"
            rows[row : row + 1] = [text.removesuffix("\x1b[K")]
            row += 1
        return rows


def show(patch: pytest.MonkeyPatch, output: io.StringIO, *states: dict[str, Any], term: str = "xterm") -> None:
    """All states one after the other, 7 seconds after the demo began."""
    patch.setattr(sys, "stdout", output)  # not in a fixture: pytest sets it anew before the test
    patch.setattr(time, "monotonic", lambda: 100.0)
    patch.setenv("TERM", term)
    patch.setenv("COLUMNS", "40")
    screen = demo_screen.Screen(began=93.0)
    for seen in states:
        screen.show(seen)


def test_a_terminal_shows_the_newest_state_in_place_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, newest = Terminal(), deployment("Stalled", "first\nsecond")
    before = (deployment("Configuring", "hostgroups"), deployment("Stalled", "one\ntwo\nthree"))
    show(monkeypatch, terminal, *before, newest)
    assert terminal.rows() == [*demo_screen.lines(newest), "    7 s"]


def test_a_line_too_long_for_the_terminal_is_cut_so_that_it_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    show(monkeypatch, terminal, *[deployment("Stalled", "x" * 100)] * 2)
    assert terminal.rows()[-2] == "    Stalled: " + "x" * 26
    assert max(map(len, terminal.rows())) == 39


@pytest.mark.parametrize("output,term", [(io.StringIO(), "xterm"), (Terminal(), "dumb")], ids=["a file", "dumb"])
def test_elsewhere_each_change_is_a_line_and_a_reason_is_told_once(
    monkeypatch: pytest.MonkeyPatch, output: io.StringIO, term: str
) -> None:
    under_way = [deployment("Configuring", f"{number} of 2\nhostgroups") for number in (1, 2)]
    configured = [deployment("Provisioning", "hosts", configured="True")] * 2
    show(monkeypatch, output, *under_way, *configured, term=term)
    assert output.getvalue().splitlines() == [
        "  7.0 s  Configuring: 1 of 2 hostgroups",
        "  7.0 s  ✔ hostgroups in Foreman",
        "  7.0 s  Provisioning: hosts",
    ]


def test_values_that_differ_are_told_host_by_host() -> None:
    told = {"a": {"zk::id": "1", "zk::port": 1}, "bb": {"zk::id": "2", "zk::port": 1}}
    assert demo_screen._values(told) == [
        "  on every host  zk::port = 1",
        '  a              zk::id = "1"',
        '  bb             zk::id = "2"',
    ]


def test_how_to_look_around_is_told_whether_it_goes_on_running_or_not() -> None:
    kept = demo_screen.how_to_look("kubectl", ".demo", "zk", Foreman("http://127.0.0.1:1234", "admin", "changeme"))
    ended = demo_screen.how_to_look("kubectl", ".demo", "zk", None)
    commands = ["export KUBECONFIG=.demo/kubeconfig", "kubectl describe stackdeployment zk", "less .demo/operator.log"]
    for text in (kept, ended):
        assert all(f"  {command}" in text for command in commands)
        assert text.splitlines()[-1].split("#")[0].strip() == "make demo-down"
    assert "curl -su admin:changeme http://127.0.0.1:1234/api/v2/hosts" in kept
    assert "KEEP" not in kept
    assert ended.index("make demo KEEP=1") < ended.index(commands[0])
    assert "127.0.0.1" not in ended, "what listened there has ended"
