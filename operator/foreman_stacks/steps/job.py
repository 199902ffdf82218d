"""How a step runs and follows remote-execution jobs: intent, start, results per host, verdicts, retries.

A step waits for the hosts' results, never for the job itself: thin searches show them seconds before the job ends
(foreman-measured §1.4). The three kinds that run jobs say which hosts, with which inputs, and what a result means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from foreman_stacks.foreman.port import (
    Change,
    Job,
    JobCounts,
    JobHosts,
    JobOutput,
    JobWithToken,
    NewestReport,
    Query,
    together,
)
from foreman_stacks.model.identity import HostRef, ranges
from foreman_stacks.model.outcome import Done, Failed, Wait
from foreman_stacks.model.progress import FailedHost, Run, StepProgress, StepState
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.values import Json
from foreman_stacks.model.words import counted
from foreman_stacks.steps.kind import Advance, Context, Target, pending
from foreman_stacks.steps.verdict import Again, Bad, Good, Result, Undecided, Verdict, silent


class JobKind(Protocol):
    """What differs between the kinds of steps that run jobs."""

    @property
    def needs_baseline(self) -> bool:
        """Whether the jobs run Puppet: then reports newer than the baseline prove their results."""
        ...

    @property
    def runs(self) -> int:
        """How many jobs, one after the other, a host must do."""
        ...

    def batch(self, waiting: Sequence[Target], targets: Sequence[Target]) -> Sequence[Target]:
        """Choose the hosts of the next job."""
        ...

    def job(self, context: Context) -> Mapping[str, Json]:
        """The feature and the inputs of the job."""
        ...

    def judge(self, target: Target, result: Result, run: Run, job: Job, context: Context) -> Verdict:
        """The verdict on a host's result."""
        ...

    def tolerates(self, failed: Sequence[Target]) -> bool:
        """Whether the step may be done although these hosts failed for good."""
        ...

    def stops(self, failed: Sequence[Target]) -> bool:
        """Whether the step leaves alone the hosts that are still to come, since these failed for good."""
        ...


def advance(kind: JobKind, progress: StepProgress, targets: Sequence[Target], context: Context) -> Advance:
    """Look at the step once: follow its job, or decide what is next."""
    if progress.run is not None:
        return _follow(kind, progress, progress.run, targets, context)
    waiting = pending(progress, targets)
    given_up = [target for target in targets if target.ref in progress.failed]
    if not waiting or (given_up and kind.stops(given_up)):
        return _end(kind, progress, given_up)
    if progress.retry_at is not None and context.now < progress.retry_at:
        wait = (progress.retry_at - context.now).total_seconds()
        return Advance(progress, Wait(Reason.RETRYING, progress.message, after=wait))
    batch = kind.batch(waiting, targets)
    if kind.needs_baseline:
        batch = context.room(batch)
    if not batch:
        turn = Wait(Reason.WAITING, "waits for other Puppet runs on this server", after=context.settings.recheck)
        return Advance(progress, turn)
    return _intend(kind, progress, batch, context)


def _intend(
    kind: JobKind, progress: StepProgress, batch: Sequence[Target], context: Context, number: int = 1
) -> Advance:
    run = Run(
        token=context.token,
        hosts={target.ref: target.digest for target in batch},
        baseline=context.seen[NewestReport()] if kind.needs_baseline else 0,
        since=context.now,
        number=number,
    )
    goes_on = number > 1 or progress.retry_at is not None
    moved = replace(
        progress,
        state=StepState.RUNNING,
        run=run,
        retry_at=None,
        retrying=frozenset(),
        attempt=max(1, progress.attempt) if goes_on else 1,
        started_at=(progress.started_at if goes_on else None) or context.now,
        message=f"{counted(len(batch), 'host')}: {_names(run.hosts)}",
    )
    return Advance(moved, Wait(Reason.RUNNING_STEPS, moved.message), intends=True)


def _follow(kind: JobKind, progress: StepProgress, run: Run, targets: Sequence[Target], context: Context) -> Advance:
    wait = Wait(Reason.RUNNING_STEPS, progress.message)
    job = _find(run, context)
    if job is None:
        if context.unsent(run) or context.now >= context.settled_at(run):
            return Advance(progress, wait, changes=(*context.before_run, _start(kind, run, targets, context)))
        return Advance(
            progress, Wait(Reason.WAITING, f"looks for the job {run.token}", after=context.settings.lookup_every)
        )
    if run.job != job.id:
        run = replace(run, job=job.id)
        progress = replace(progress, run=run)
    mine = [target for target in targets if target.ref in run.hosts]
    results, polls = _results(run, job, mine, context)
    if context.now >= run.since + timedelta(seconds=context.timeout):
        lost = undying(context.sent(str(job.id)), context.now, _patience(context))
        if len(results) < len(mine) and not lost:
            return _time_out(progress, job, polls, context)
        results = {target.ref: _in_time(results.get(target.ref)) for target in mine}
    if len(results) < len(mine):
        return Advance(progress, wait, polls=polls)
    over = context.now >= (progress.started_at or run.since) + timedelta(seconds=context.timeout)
    verdicts = _judge(kind, mine, results, (run, job), context, over=over)
    open_ = [verdict for verdict in verdicts.values() if isinstance(verdict, Undecided)]
    if open_:
        noted = progress if run.ended else replace(progress, run=replace(run, ended=context.now))
        patience = Wait(Reason.RUNNING_STEPS, open_[0].cause, after=min(verdict.patience for verdict in open_))
        return Advance(noted, patience, polls=(*polls, *(query for verdict in open_ for query in verdict.polls)))
    return _conclude(kind, progress, run, (mine, verdicts), context)


def _time_out(progress: StepProgress, job: Job, polls: tuple[Query[Any], ...], context: Context) -> Advance:
    """Cancel the job and follow it to its end: what still runs of it would collide with the next attempt."""
    sent = context.sent(str(job.id))
    changes = () if sent else (cancel(job),)
    told = "is cancelled" if sent else "is to be cancelled"  # a paused deployment may stay so for long
    wait = Wait(Reason.RUNNING_STEPS, f"no result within {context.timeout} s: job {job.id} {told}")
    return Advance(progress, wait, changes=changes, polls=polls)


def _in_time(result: Result | None) -> Result:
    return result if result in {Result.SUCCESS, Result.FAILED} else Result.TIMEOUT


def _judge(
    kind: JobKind,
    mine: Sequence[Target],
    results: Mapping[HostRef, Result],
    of: tuple[Run, Job],
    context: Context,
    *,
    over: bool,
) -> dict[HostRef, Verdict]:
    """Return the verdict on every host; what all the verdicts lack is read together.

    `over`: the time-out has passed since the first attempt. Then hosts that would be asked again at no cost of retries
    fail.
    """
    found = together(lambda target: kind.judge(target, results[target.ref], *of, context), mine)
    if not context.secrets_known:
        found = [silent(verdict) for verdict in found]
    return {
        target.ref: Bad("Timeout", verdict.cause) if over and isinstance(verdict, Again) else verdict
        for target, verdict in zip(mine, found, strict=True)
    }


def _find(run: Run, context: Context) -> Job | None:
    if run.job is not None:
        found = context.seen[JobCounts(run.job)]
        if found is not None:
            return found
    if context.unsent(run):
        return None
    return context.seen[JobWithToken(run.token)]


def _start(kind: JobKind, run: Run, targets: Sequence[Target], context: Context) -> Change:
    ids = [target.host_id for target in sorted(targets, key=lambda target: target.ref) if target.ref in run.hosts]
    body = {**kind.job(context), "host_ids": ids, "description_format": f"{context.title} {run.token}"}
    query = JobWithToken(run.token)
    return Change("start", "job", run.token, body, intent=True, answers=query)


def cancel(job: Job) -> Change:
    """The change that cancels a job."""
    return Change("cancel", "job", str(job.id), address=(job.id,), intent=True, stales=(JobCounts(job.id),))


def orphaned(run: Run, job: Job, now: datetime, patience: timedelta) -> bool:
    """Whether a job is still queued without a task after `patience`: no host will ever answer it."""
    return job.status == "queued" and job.task is None and now >= run.since + patience


def undying(cancelled: datetime | None, now: datetime, patience: timedelta) -> bool:
    """Whether a job that was cancelled at this time need not be waited for any longer, though it has not ended."""
    return cancelled is not None and now >= cancelled + patience


def _patience(context: Context) -> timedelta:
    return timedelta(seconds=context.settings.job_lost_after)


def _results(
    run: Run, job: Job, mine: Sequence[Target], context: Context
) -> tuple[dict[HostRef, Result], tuple[Query[Any], ...]]:
    """Return the results so far, and the queries to poll for more."""
    counts = JobCounts(job.id)
    asked = [JobHosts(job.id, "success"), JobHosts(job.id, "failed")]
    if job.ended:
        asked.append(JobHosts(job.id, "cancelled"))
    polls: tuple[Query[Any], ...] = (counts, *asked)
    if orphaned(run, job, context.now, _patience(context)):
        return {target.ref: Result.LOST for target in mine}, polls
    if not job.ended and job.succeeded + job.failed == 0:
        return {}, polls
    context.seen.need(asked)
    found: dict[HostRef, Result] = {}
    for query in asked:
        names = context.seen[query]
        found |= {target.ref: Result(query.result) for target in mine if target.fqdn in names}
    if job.ended:
        found = {target.ref: found.get(target.ref, Result.LOST) for target in mine}
    return found, polls


def _conclude(
    kind: JobKind,
    progress: StepProgress,
    run: Run,
    judged: tuple[Sequence[Target], Mapping[HostRef, Verdict]],
    context: Context,
) -> Advance:
    """Record the verdicts on all hosts of the run, and go on with the next run, a retry, or the end."""
    mine, verdicts = judged
    good = [target for target in mine if isinstance(verdicts[target.ref], Good)]
    if run.number < kind.runs and good:
        return _intend(kind, replace(progress, run=None), good, context, run.number + 1)
    done = {**progress.done, **{target.ref: run.hosts[target.ref] for target in good}}
    open_ = frozenset(target.ref for target in mine if target not in good)
    progress = replace(progress, run=None, done=done, retrying=open_, message="")
    bad = {target: verdict for target in mine if isinstance(verdict := verdicts[target.ref], Bad)}
    if bad:
        return _failed(progress, run, bad, context)
    again = [verdict for verdict in verdicts.values() if isinstance(verdict, Again)]
    if not again:
        return Advance(replace(progress, attempt=1), Wait(Reason.RUNNING_STEPS, "", after=0.0))
    progress = replace(
        progress, retry_at=context.after(again[0].after), message=again[0].cause, state=StepState.WAITING
    )
    return Advance(progress, Wait(Reason.WAITING, again[0].cause, after=again[0].after))


def _failed(progress: StepProgress, run: Run, bad: Mapping[Target, Bad], context: Context) -> Advance:
    """Try the failed hosts again after a pause that doubles, or give up on them."""
    if progress.attempt <= context.retries:
        delay = min(context.settings.retry_first * 2 ** (progress.attempt - 1), context.settings.backoff_cap)
        names = _names(target.ref for target in bad)
        message = f"attempt {progress.attempt} failed on {names}: {next(iter(bad.values())).cause}"
        progress = replace(
            progress,
            attempt=progress.attempt + 1,
            retry_at=context.after(delay),
            message=message,
            state=StepState.WAITING,
        )
        return Advance(progress, Wait(Reason.RETRYING, message, after=delay))
    failures = {
        target.ref: FailedHost(
            target.fqdn,
            verdict.reason,
            verdict.cause,
            context.job_url(run.job) if run.job else None,
            context.report_url(verdict.report) if verdict.report else None,
            progress.name,
        )
        for target, verdict in bad.items()
    }
    progress = replace(progress, failed=progress.failed | failures.keys(), retrying=frozenset(), attempt=1)
    return Advance(progress, Wait(Reason.RUNNING_STEPS, "", after=0.0), failures=failures)


def _end(kind: JobKind, progress: StepProgress, given_up: Sequence[Target]) -> Advance:
    if given_up and not kind.tolerates(given_up):
        message = f"failed on {_names(target.ref for target in given_up)}"
        return Advance(replace(progress, state=StepState.FAILED, message=message), Failed(Reason.STEP_FAILED, message))
    message = f"{counted(len(given_up), 'failed host')} tolerated" if given_up else ""
    ended = replace(progress, state=StepState.DONE, message=message, retry_at=None, retrying=frozenset())
    return Advance(ended, Done())


def _names(hosts: Any) -> str:
    by_role: dict[str, list[int]] = {}
    for ref in hosts:
        by_role.setdefault(ref.role, []).append(ref.index)
    return ", ".join(f"{role}/{ranges(found)}" for role, found in sorted(by_role.items()))


def output_of(target: Target, job: Job, context: Context) -> str:
    """What the job printed on a host, with secrets blotted out."""
    return context.redact(context.seen[JobOutput(job.id, target.host_id)])
