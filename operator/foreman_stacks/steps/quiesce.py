"""Quiesce, a built-in step: stops and disables periodic Puppet on new hosts, and proves that nothing is left running.

Stock provisioning templates enable the agent, and hosts must not run Puppet by themselves until their turn has come. So
until this is proven, a host stays in its staging hostgroup, where it gets none of the Stack's classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from importlib.resources import files

from foreman_stacks.foreman.port import Job
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.progress import Run, StepProgress
from foreman_stacks.model.values import Json
from foreman_stacks.steps import job as jobs
from foreman_stacks.steps import verdict
from foreman_stacks.steps.kind import Advance, Context, Target, pending

NAME = "Quiesce"


@cache
def script(name: str) -> str:
    """One of the shell scripts beside this module."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Script:
    """`jobs.JobKind` of a shell script; a host that cannot be reached is tried again while it may still be booting."""

    name: str
    since: StepProgress
    tolerated: frozenset[HostRef] = frozenset()
    needs_baseline: bool = False
    runs: int = 1

    def batch(self, waiting: Sequence[Target], targets: Sequence[Target]) -> Sequence[Target]:
        """All at once: a job costs 10 s in any case (foreman-measured §5)."""
        return waiting

    def job(self, context: Context) -> Mapping[str, Json]:
        """Foreman's own feature for scripts."""
        text = f"limit={context.settings.quiesce_limit}\n{script(self.name)}"
        return {"feature": "run_script", "inputs": {"command": text}}

    def judge(self, target: Target, result: verdict.Result, run: Run, job: Job, context: Context) -> verdict.Verdict:
        """The script exits 0 only when it has proven what it did."""
        if result is verdict.Result.SUCCESS:
            return verdict.Good()
        lost = verdict.unheard(result)
        if lost is not None:
            return lost
        output = jobs.output_of(target, job, context)
        unreachable = verdict.unreachable(output)
        if unreachable is None:
            return verdict.Bad("ScriptFailed", verdict.cause_in(output) or "the script failed without output")
        began = self.since.started_at or run.since
        if unreachable.reason == "HostUnreachable" and context.now < began + timedelta(
            seconds=context.settings.boot_timeout
        ):
            return verdict.Again(f"{target.fqdn} cannot be reached yet", context.settings.boot_retry)
        return unreachable

    def tolerates(self, failed: Sequence[Target]) -> bool:
        """Only the given hosts may fail: a host that may run Puppet by itself breaks the order."""
        return {target.ref for target in failed} <= self.tolerated

    def stops(self, failed: Sequence[Target]) -> bool:
        """Never: other roles go on, and it is better to run the script on a host than not."""
        return False


def advance(progress: StepProgress, targets: Sequence[Target], context: Context) -> Advance:
    """Look at the step once.

    Hosts that are built while others wait for a retry make all start afresh, with the full time to boot and all
    attempts.
    """
    if progress.retry_at is not None and not {target.ref for target in pending(progress, targets)} <= progress.retrying:
        progress = replace(progress, retry_at=None)
    return jobs.advance(Script("quiesce.sh", progress), progress, targets, context)
