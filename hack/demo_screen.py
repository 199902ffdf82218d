"""What the demo shows: live progress in a terminal, plain lines elsewhere, and what was made."""

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from control_plane import ControlPlane, kubectl
from demo_watch import condition
from foreman_api import Foreman

PHASES = (
    ("Configured", "hostgroups in Foreman"),
    ("HostsProvisioned", "hosts built"),
    ("StepsCompleted", "steps in order"),
    ("PeriodicPuppetEnabled", "Puppet by itself again"),
    ("Ready", "ready"),
)
NOTHING_YET = frozenset(f"· {text}" for _, text in PHASES)
STEP_SIGNS = {"Done": "✔", "Running": "▶", "Failed": "✘", "Waiting": "…", "Pending": "·"}


def count(indices: str) -> int:
    """Return how many indices a text like "1-5,7" stands for."""
    ends = [part.split("-") for part in indices.split(",") if part]
    return sum(int(end[-1]) - int(end[0]) + 1 for end in ends)


def lines(seen: Mapping[str, Any]) -> list[str]:
    """Return the state of a deployment as lines for people; the last one is its reason."""
    status = seen.get("status", {})
    roles = status.get("roles", [])
    wanted = sum(role.get("desired", 0) for role in roles)
    made, built = (sum(count(role.get(key, "")) for role in roles) for key in ("created", "built"))
    shown = []
    for kind, text in PHASES:
        state = condition(dict(seen), kind)
        detail = ""
        if kind == "HostsProvisioned" and wanted:
            detail = f"{'█' * built}{'▒' * (made - built)}{'░' * (wanted - made)}  {built}/{wanted}"
        shown.append(f"  {'✔' if state == 'True' else '·'} {text:<24}{detail}".rstrip())
        if kind == "StepsCompleted" and (steps := status.get("steps")):
            shown.append(f"      {'  '.join(_step(step) for step in steps)}")
    ready: Mapping[str, Any] = next((each for each in status.get("conditions", []) if each["type"] == "Ready"), {})
    message = " ".join(ready.get("message", "for the operator").split())  # `_draw` would not count a line break
    return [*shown, f"    {ready.get('reason', 'Waiting')}: {message}".rstrip(": ")]


def _step(step: Mapping[str, Any]) -> str:
    state = step.get("state", "Pending")
    done = sum(count(part.get("indices", "")) for part in step.get("done", []))
    running = sum(count(part.get("indices", "")) for part in (step.get("run") or {}).get("hosts", []))
    progress = f" {done}/{done + running}" if state == "Running" and running else ""
    return f"{STEP_SIGNS.get(state, '·')} {step['name']}{progress}"


class Screen:
    """In a terminal, a block that is redrawn in place; elsewhere, one line for each change."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._drawn = 0
        self._last: Sequence[str] = ()

    def show(self, seen: Mapping[str, Any]) -> None:
        if self._live:
            self._draw([*lines(seen), f"    {time.monotonic() - self._began:.0f} s"])
            return
        now = [line.strip() for line in lines(seen)]
        reasons = {line.partition(":")[0] for line in self._last[-1:]}
        for line in now:
            told = line in self._last or line in NOTHING_YET or (line is now[-1] and line.partition(":")[0] in reasons)
            if not told:
                print(f"{time.monotonic() - self._began:5.1f} s  {line}", flush=True)
        self._last = now

    def _draw(self, block: Sequence[str]) -> None:
        width = shutil.get_terminal_size().columns - 1
        up = f"\x1b[{self._drawn}F" if self._drawn else ""
        sys.stdout.write(up + "".join(f"{line[:width]}\x1b[K\n" for line in block))
        sys.stdout.flush()
        self._drawn = len(block)

    def close(self) -> None:
        print(flush=True)


def finale(cluster: ControlPlane, foreman: Foreman, deployment: Mapping[str, Any], seconds: float) -> str:
    """Return a summary of what was made, and which values differ by host."""
    name, namespace = deployment["metadata"]["name"], deployment["metadata"].get("namespace", "default")

    def get(*arguments: str) -> str:
        return kubectl("get", *arguments, "--namespace", namespace, kubeconfig=cluster.kubeconfig).rstrip()

    hosts = [
        each for each in json.loads(get("deployedhosts", "-o", "json"))["items"] if each["spec"]["deployment"] == name
    ]
    told = {fqdn: _flat(foreman.classes(fqdn)) for fqdn in sorted(each["status"]["fqdn"] for each in hosts)}
    groups = sorted({foreman.get(f"/api/v2/hosts/{fqdn}")["hostgroup_title"] for fqdn in told})
    outputs = json.loads(get("stackdeployment", name, "-o", "json"))["status"].get("outputs", [])
    shown = [
        f"{name} is Ready after {seconds:.0f} s: {len(told)} hosts in the Foreman hostgroup {', '.join(groups)}.",
        "",
        get("deployedhosts"),
        "",
        "What Foreman tells Puppet:",
        *_values(told),
        "",
        *(f"Output {output['name']}: {json.dumps(output.get('value'))}" for output in outputs),
        "",
    ]
    return "\n".join(shown)


def _flat(classes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{name}::{key}": value for name, values in classes.items() for key, value in values.items()}


def _values(told: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return lines with the values that all hosts share, and then, host by host, those that differ."""
    keys = sorted({key for values in told.values() for key in values})
    texts = {key: {host: json.dumps(values.get(key)) for host, values in told.items()} for key in keys}
    same = {key: next(iter(by_host.values())) for key, by_host in texts.items() if len(set(by_host.values())) == 1}
    everywhere = "on every host"
    width = max(map(len, [everywhere, *told]))
    shown = [f"  {everywhere:<{width}}  {key} = {text}" for key, text in same.items()]
    for host in told:
        differing = ", ".join(f"{key} = {by_host[host]}" for key, by_host in texts.items() if key not in same)
        shown.append(f"  {host:<{width}}  {differing}")
    return shown


def how_to_look(kubectl_shown: str, folder: str, deployment: str, running: Foreman | None) -> str:
    """Return the commands to look around; if everything has ended (`running` is None), also one that keeps it up."""
    commands = [
        (f"export KUBECONFIG={folder}/kubeconfig", ""),
        (f"{kubectl_shown} get foreman --all-namespaces", "all objects of the operator"),
        (f"{kubectl_shown} describe stackdeployment {deployment}", "conditions, steps, events"),
        (f"{kubectl_shown} get deployedhosts -o wide", "host by host"),
        (f"{kubectl_shown} explain stack.spec.steps", "what may be written"),
        (f"less {folder}/operator.log", ""),
    ]
    head = "Everything keeps running. To look around:"
    if running is None:  # the next simulated Foreman listens on another port
        commands.insert(0, ("make demo KEEP=1", "the same again, left running"))
        head = "Everything is stopped again. To look around:"
    else:
        login = f"{running.user}:{running.password}"
        commands.insert(-1, (f"curl -su {login} {running.url}/api/v2/hosts", "what Foreman says"))
    commands.append(("make demo-down", "stops what was left running"))
    shown = [f"  {command:<58}{'  # ' + what if what else ''}".rstrip() for command, what in commands]
    return "\n".join([head, "", *shown])
