"""Settings: every time-out, interval and limit of the operator, from the environment.

Each field is read from `FOREMAN_STACKS_<NAME>`; times are seconds.
"""

from __future__ import annotations

import os
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import get_type_hints

PREFIX = "FOREMAN_STACKS_"


@dataclass(frozen=True)
class Settings:
    """How the operator behaves where no object says so."""

    namespace: str = "foreman-stacks-system"
    """The operator's own namespace: Secrets of ForemanServers and the digest key are there."""
    installation: str = "default"
    """This installation's name in the marks on Foreman's objects: two clusters on one Foreman need two names."""
    log_level: str = "INFO"
    http_port: int = 8080
    """Port of /livez, /readyz and /metrics; 0 takes a free one."""
    http_host: str = "0.0.0.0"  # noqa: S104 - probes come from the kubelet, metrics from Prometheus
    workers: int = 8
    """How many objects are worked on at once."""
    backoff_first: float = 1.0
    backoff_cap: float = 300.0
    resync: float = 600.0
    """A settled deployment is looked at this often, ± 20 %."""
    override_resync_every: int = 6
    recheck: float = 60.0
    """What is stalled is looked at again this often: most causes are mended outside of Kubernetes."""
    poll_jobs: float = 5.0
    """Between two polls of a Foreman server while a job runs there."""
    poll_builds: float = 15.0
    """Between two polls while only builds are waited for."""
    server_probe: float = 60.0
    host_create_timeout: float = 300.0
    """After this a host (or job) whose creation was not answered, and that is not there, is created again."""
    lookup_every: float = 2.0
    """Between two looks for something whose creation was not answered, or whose proof has not come yet."""
    build_timeout: float = 7200.0
    boot_timeout: float = 900.0
    """A built host still reboots: for so long an unreachable one is asked again, at no cost of retries."""
    boot_retry: float = 15.0
    retry_first: float = 30.0
    """Before a step is tried again for the hosts that failed; doubled each time, up to `backoff_cap`."""
    quiesce_limit: int = 120
    report_grace: float = 120.0
    busy_retry: float = 30.0
    """Before a host whose Puppet run was "already in progress" is asked again."""
    job_lost_after: float = 900.0
    """A job that is not even queued in a task after this is failed."""
    lockout: float = 300.0
    """After a 401 Foreman is not asked for so long: 30 failures in 5 minutes lock our address out for everybody."""
    audit_socket: str = ""
    """Path of a Unix socket to which every write is announced, before and after; each waits for the answering line."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the environment; raises ValueError that names the variable and what it must be."""
        hints = get_type_hints(cls)
        given: dict[str, object] = {}
        for entry in fields(cls):
            name = PREFIX + entry.name.upper()
            if name not in environment:
                continue
            kind = hints[entry.name]
            if isinstance(kind, types.UnionType):
                raise TypeError(entry.name)
            try:
                given[entry.name] = kind(environment[name])
            except ValueError:
                message = f"{name} must be of type {kind.__name__}, not {environment[name]!r}"
                raise ValueError(message) from None
        return cls(**given)  # type: ignore[arg-type]  # each value was just made by its field's own type
