"""puppetRun: runs the Puppet agent on hosts of some roles, and waits for their reports."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar, Literal, assert_never

from pydantic import Field

from foreman_stacks.foreman.port import (
    Job,
    JobOutput,
    Report,
    ReportLog,
    ReportsSince,
    ReportVersion,
    applied_version,
)
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.progress import Run, StepProgress
from foreman_stacks.model.schema import Count, Name, unique
from foreman_stacks.model.values import Json
from foreman_stacks.steps import job as jobs
from foreman_stacks.steps import verdict
from foreman_stacks.steps.kind import Advance, Context, Reference, StepKind, Target

OPTIONS = "--verbose --color=false --no-splay"
"""Without `--verbose` a refused run prints nothing (foreman-measured §1.8); a site's splay delays one-time runs too."""

CLOCKS = timedelta(seconds=60)
"""How much the operator's clock and Foreman's may differ."""

_BUSY = re.compile(r"already in progress")
_DISABLED = re.compile(r"administratively disabled(?: \(Reason: '(?P<reason>[^']*)'\))?")


class PuppetRun(StepKind):
    """One or more runs of the Puppet agent. A host is done when its report says so, not when the job ended well."""

    runs_puppet: ClassVar[bool] = True
    undigested: ClassVar[frozenset[str]] = frozenset({"roles", "max_failed_hosts"})

    roles: Annotated[tuple[Name, ...], unique(32, minimum=1)] = Field(
        description="The roles whose hosts run Puppet, at least one."
    )
    hosts: Literal["All", "Leader", "Followers"] = Field(
        default="All",
        description="Which hosts of each role: All, only the Leader (the one with the lowest index), or the Followers "
        "(all others).",
    )
    order: Literal["Parallel", "Serial", "LeaderFirst"] = Field(
        default="Parallel",
        description="Parallel runs all at once within the limits of the server, Serial one host after the other by "
        "index, LeaderFirst the leaders before all others.",
    )
    runs: Annotated[int, Field(ge=1, le=10)] = Field(
        default=1, description="How many times Puppet runs on each host, one run after the other."
    )
    must_succeed: Literal["Every", "Last"] = Field(
        default="Every",
        description="With several runs: whether Every run must be without failures, or only the Last.",
    )
    max_failed_hosts: Count = Field(
        default=0,
        description="How many hosts may fail without failing the step. A failed leader fails it whatever this says.",
    )

    def references(self) -> tuple[Reference, ...]:
        """Its roles."""
        return tuple(Reference("roles", "role", name) for name in self.roles)

    def chosen(self, targets: Sequence[Target]) -> tuple[Target, ...]:
        """All hosts of its roles, only their leaders, or only the others."""
        wanted = super().chosen(targets)
        match self.hosts:
            case "Leader":
                return tuple(target for target in wanted if target.leader)
            case "Followers":
                return tuple(target for target in wanted if not target.leader)
            case "All":
                return wanted
            case other:
                assert_never(other)

    def advance(self, progress: StepProgress, targets: Sequence[Target], context: Context) -> Advance:
        """Look at the step once."""
        return jobs.advance(PuppetRunJob(self), progress, targets, context)


@dataclass(frozen=True)
class PuppetRunJob:
    """`jobs.JobKind` of a puppetRun."""

    spec: PuppetRun
    tolerated: frozenset[HostRef] = frozenset()
    """Hosts that may fail in addition to those that the step allows."""
    needs_baseline: bool = True

    @property
    def runs(self) -> int:
        """The number of runs that the Stack asks for."""
        return self.spec.runs

    def batch(self, waiting: Sequence[Target], targets: Sequence[Target]) -> Sequence[Target]:
        """Choose hosts in the step's order: all, one by one, or leaders first."""
        ordered = sorted(waiting, key=lambda target: target.ref)
        if self.spec.order == "Serial":
            return ordered[:1]
        leaders = [target for target in ordered if target.leader]
        return leaders if self.spec.order == "LeaderFirst" and leaders else ordered

    def job(self, context: Context) -> Mapping[str, Json]:
        """Foreman's own feature for Puppet runs."""
        return {"feature": "puppet_run_host", "inputs": {"puppet_options": OPTIONS}}

    def judge(self, target: Target, result: verdict.Result, run: Run, job: Job, context: Context) -> verdict.Verdict:
        """The host's report decides. With `mustSucceed: Last`, failures of earlier runs do not count."""
        found = self._judge(target, result, run, job, context)
        lenient = self.spec.must_succeed == "Last" and run.number < self.runs
        return verdict.Good() if lenient and isinstance(found, verdict.Bad) else found

    def _judge(self, target: Target, result: verdict.Result, run: Run, job: Job, context: Context) -> verdict.Verdict:
        if result is not verdict.Result.SUCCESS:
            return verdict.unheard(result) or _refused(jobs.output_of(target, job, context), context)
        query = ReportsSince(target.host_id, run.baseline)
        recent = [report for report in context.seen[query] if job.start_at is None or report.created_at >= job.start_at]
        reports = [report for report in recent if _ours(report, target, (run, job), context)]
        bad = next((report for report in reports if not report.good), None)
        if bad is not None:
            log = [context.redact(line) for line in context.seen[ReportLog(bad.id)][:3]]
            cause = " | ".join(log)[:500] or f"{bad.failed} failed, {bad.failed_restarts} failed to restart"
            return verdict.Bad("ResourcesFailed", cause, bad.id)
        if reports:
            return verdict.Good()
        patience = (run.ended or context.now) + timedelta(seconds=context.settings.report_grace) - context.now
        if patience <= timedelta(0):
            return verdict.Bad("ReportMissing", "the run succeeded, but no report of it has arrived")
        return verdict.Undecided(f"waits for the report of {target.fqdn}", (query,), patience.total_seconds())

    def tolerates(self, failed: Sequence[Target]) -> bool:
        """A failed leader fails the step whatever `maxFailedHosts` says."""
        others = [target for target in failed if target.ref not in self.tolerated]
        return len(others) <= self.spec.max_failed_hosts and not any(target.leader for target in others)

    def stops(self, failed: Sequence[Target]) -> bool:
        """Once the step can no longer succeed, no further host is touched: that is the purpose of an order."""
        return not self.tolerates(failed)


def _ours(report: Report, target: Target, of: tuple[Run, Job], context: Context) -> bool:
    """Whether a report is of this run.

    It may be of another run if its run began before the job, or if it came only after the job's result. Then its log
    must name the configuration version that the job printed on the host, if it printed one.
    """
    run, job = of
    early = report.reported_at is not None and job.start_at is not None and report.reported_at < job.start_at
    late = run.ended is not None and report.created_at >= run.ended - CLOCKS
    if not (early or late):
        return True
    told = applied_version(context.seen[JobOutput(job.id, target.host_id)])
    return told is None or context.seen[ReportVersion(report.id)] == told


def _refused(output: str, context: Context) -> verdict.Verdict:
    """The verdict on a run that did not happen, from its verbose output."""
    if _BUSY.search(output):
        return verdict.Again("a Puppet run is already in progress", context.settings.busy_retry)
    disabled = _DISABLED.search(output)
    if disabled:
        return verdict.Bad(
            "PuppetDisabled", f"Puppet is administratively disabled: {disabled['reason'] or 'no reason given'}"
        )
    return verdict.unreachable(output) or verdict.Bad(
        "RunFailed", verdict.cause_in(output) or "the run failed without output"
    )
