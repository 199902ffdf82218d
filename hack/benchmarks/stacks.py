"""The Stacks that are measured."""

from typing import Any

import yaml

from tests.e2e.stage import ROOT


def stack(*, overrides: bool) -> dict[str, Any]:
    """Return the ZooKeeper example without a limit on hosts; without `overrides`, no host's value needs its address."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "examples" / "zookeeper" / "stack.yaml").read_text())
    found["metadata"] = {"name": "bench"}
    role = found["spec"]["roles"][0]
    role["count"] = {"min": 0, "default": 4}
    if not overrides:
        role["overrides"] = [entry for entry in role["overrides"] if "host.ip" not in entry["expression"]]
    return found


def sleeping(hosts: int) -> dict[str, Any]:
    """Return a Stack whose hosts run Puppet for at least ten minutes, then end one by one over another ten minutes."""
    seconds = f"600 + host.index * 600 / {hosts}"
    override = {"class": "role_app", "name": "sleep", "type": "integer", "expression": seconds}
    return {
        "apiVersion": "stacks.theforeman.org/v1alpha1",
        "kind": "Stack",
        "metadata": {"name": "bench"},
        "spec": {
            "hostgroups": [{"name": "app", "puppetClasses": [{"name": "role_app"}]}],
            "roles": [{"name": "zk", "hostgroup": "app", "count": {"min": 0, "default": 4}, "overrides": [override]}],
            "steps": [{"name": "first", "puppetRun": {"roles": ["zk"]}}],
        },
    }
