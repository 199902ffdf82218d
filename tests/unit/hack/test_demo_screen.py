"""What the demo shows of a status."""

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
