"""Settings: every time-out, interval and limit of the operator, read from the environment.

Each field is read from the variable `FOREMAN_STACKS_<NAME>`; times are in seconds.
"""

from __future__ import annotations

import ast
import inspect
import logging
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import get_type_hints

PREFIX = "FOREMAN_STACKS_"

_WORDS = {int: "a whole number", float: "a number of seconds"}
_POSITIVE = frozenset(
    {
        "workers", "override_resync_every", "backoff_first", "backoff_cap", "resync", "recheck", "poll_jobs", "poll_builds",
        "server_probe", "lookup_every", "quiesce_limit", "foreman_read_timeout", "foreman_write_timeout",
    }
)  # fmt: skip
"""Settings that must not be 0: the operator would do nothing at all, or would do one thing without a pause."""
_FOR_TESTS = frozenset({"audit_socket"})
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_MAX_PORT = 65_535


@dataclass(frozen=True)
class Settings:
    """The operator's behaviour as far as no Kubernetes object configures it.

    `explained` takes the string under each field as the setting's documentation.
    """

    namespace: str = "foreman-stacks-system"
    """The operator's own namespace: Secrets of ForemanServers and the digest key are there."""
    installation: str = "default"
    """This installation's name in the marks on Foreman's objects: two clusters on one Foreman need two names."""
    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""
    http_port: int = 8080
    """Port of /livez, /readyz and /metrics; 0 takes a free one."""
    http_host: str = "0.0.0.0"  # noqa: S104 - probes come from the kubelet, metrics from Prometheus
    """Address on which they are served."""
    workers: int = 32
    """How many objects are worked on at once; deployments of one server are at most half of them."""
    backoff_first: float = 1.0
    """The pause before an object is looked at again after an error; doubled each time, ± 20 %."""
    backoff_cap: float = 300.0
    """The longest such pause, and the longest before a step is tried again."""
    resync: float = 600.0
    """A settled deployment is looked at this often, ± 20 %."""
    relist: float = 300.0
    """Each kind is listed this often, by metadata only, for changes of which no watch event came; found within 1.2 times this."""
    override_resync_every: int = 6
    """Override values are compared only every so many resyncs: each costs Foreman a request."""
    recheck: float = 60.0
    """What is stalled is looked at again this often, ± 20 %: most causes are fixed outside of Kubernetes."""
    poll_jobs: float = 3.0
    """Between two polls of a Foreman server while a job runs there."""
    poll_builds: float = 15.0
    """Between two polls while only builds are waited for."""
    server_probe: float = 60.0
    """Between two probes of a Foreman server; while it is Ready, only every tenth looks at plugins and permissions too."""
    foreman_read_timeout: float = 30.0
    """How long a GET may take."""
    foreman_write_timeout: float = 300.0
    """How long a write may take: Foreman answers the creation of a host only after its whole orchestration."""
    host_create_timeout: float = 300.0
    """If a request to create a hostgroup, host or job got no reply and the object still does not exist after this time, it is
    created again."""
    lookup_every: float = 2.0
    """Between two looks for something whose create request got no reply, or that is not yet known to be done."""
    build_timeout: float = 7200.0
    """How long the installation of a host may take."""
    boot_timeout: float = 900.0
    """A built host still reboots: for this long an unreachable one is tried again without counting it as a retry."""
    boot_retry: float = 5.0
    """Between two such attempts."""
    retry_first: float = 30.0
    """Before a step is tried again for the hosts that failed; doubled each time, up to `backoff_cap`."""
    quiesce_limit: int = 120
    """How long the scripts that switch periodic Puppet off and on wait for a run in progress."""
    show_every: float = 5.0
    """The DeployedHosts of a deployment that is worked on are written this often at most; failures are shown at once."""
    claim_grace: float = 2.0
    """A new deployment is accepted no earlier than this after its creation: creation times are whole seconds, and of two
    that were applied in one call the one that comes first must have been seen."""
    report_grace: float = 120.0
    """How long the report of a Puppet run that ended well may take to come."""
    busy_retry: float = 30.0
    """Before a host whose Puppet run was "already in progress" is asked again."""
    job_lost_after: float = 900.0
    """A job that is not even queued in a task after this is failed."""
    lockout: float = 300.0
    """After a 401 Foreman is not asked for this long: 30 failures in 5 minutes lock out the operator's address for everybody."""
    audit_socket: str = ""
    """For the crash-safety test alone, which kills the operator at single writes: path of a Unix socket to which every
    write is announced, before and after; each waits for the answering line. Nothing for users: `explained` passes it over."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings from the environment. Raises ValueError, which names the variable and what it must be."""
        hints = get_type_hints(cls)
        given: dict[str, object] = {}
        for entry in fields(cls):
            name = PREFIX + entry.name.upper()
            if name not in environment:
                continue
            text, kind = environment[name], hints[entry.name]
            try:
                given[entry.name] = kind(text)
            except ValueError:
                raise ValueError(f"{name} must be {_WORDS[kind]}, not {text!r}") from None
            problem = _problem(entry.name, given[entry.name])
            if problem:
                raise ValueError(f"{name} must be {problem}, not {text!r}")
        return cls(**given)  # type: ignore[arg-type]  # each value was converted by its field's own type


def explained() -> Iterator[tuple[str, str, str]]:
    """Yield each setting that is meant for users: variable, default and description (the string under the field)."""
    (body,) = (node.body for node in ast.parse(inspect.getsource(Settings)).body if isinstance(node, ast.ClassDef))
    for entry, below in pairwise(body):
        if isinstance(entry, ast.AnnAssign) and isinstance(entry.target, ast.Name):
            name = entry.target.id
            if name in _FOR_TESTS:
                continue
            said = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else ""
            yield PREFIX + name.upper(), f"{getattr(Settings, name)}", " ".join(str(said).split())


def _problem(name: str, value: object) -> str:
    """Return what the value should be, for an error message; empty when the value is valid."""
    if isinstance(value, int | float) and (not math.isfinite(value) or value < 0):
        return "0 or more"
    if name in _POSITIVE and value == 0:
        return "more than 0"
    if name == "http_port" and isinstance(value, int) and value > _MAX_PORT:
        return "a port"
    if name in {"installation", "namespace"} and not _LABEL.fullmatch(str(value)):
        return "lower-case letters, digits and '-'"
    if name == "log_level" and value not in logging.getLevelNamesMapping():
        return "one of DEBUG, INFO, WARNING, ERROR"
    return ""
