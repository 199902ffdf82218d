"""What stories of a deployment say again and again."""

from __future__ import annotations

from collections import Counter

from foreman_stacks.foreman.port import Change
from foreman_stacks.model.identity import indices
from tests.unit.foreman_stacks.reconcile.desk import Desk

ROOT = "Base/Debian 12/zk (ops.ring)"
STAGING = "Base/Debian 12/zk staging (ops.ring)"
ONE_RUN = {"steps": [{"name": "first", "puppetRun": {"roles": ["zk"]}}], "periodicPuppet": "Disabled"}
"""A shorter life: one run, and periodic Puppet stays off."""


def is_ready(desk: Desk) -> bool:
    return desk.ready == "True/Ready"


def hosts(desk: Desk) -> list[str]:
    return sorted(row["name"] for row in desk.lab.rows("hosts"))


def posts(desk: Desk) -> Counter[str]:
    """How often each host was POSTed and each job started."""
    return Counter(text for text in desk.wrote if text.startswith(("create host ", "start job ")))


def intended(desk: Desk, change: Change) -> bool:
    """Whether the status, as it is stored, holds the intent of a host or a job."""
    if change.resource == "job":
        return any((step.get("run") or {}).get("token") == change.key for step in desk.status["steps"])
    (role,) = desk.status["roles"]
    index = int(change.key.partition(".")[0].rpartition("-")[2])
    return index in indices((role.get("creating") or {}).get("indices", ""))
