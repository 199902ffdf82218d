"""PeriodicPuppet, a built-in step: hosts run Puppet by themselves again, once all other steps are done.

Usually a script switches on exactly what Quiesce switched off. Where a site's own class `puppet` manages the agent, the
operator removes its override of `runmode` instead, and one last Puppet run, judged by its reports, lets that class
start the agent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.outcome import Wait
from foreman_stacks.model.progress import StepProgress, StepState
from foreman_stacks.model.reasons import Reason
from foreman_stacks.steps import job as jobs
from foreman_stacks.steps.kind import Advance, Context, Target
from foreman_stacks.steps.puppet_run import PuppetRun, PuppetRunJob
from foreman_stacks.steps.quiesce import Script

NAME = "PeriodicPuppet"


def begun(progress: StepProgress) -> bool:
    """Whether hosts may run Puppet by themselves again: as soon as the step has any progress, whatever its state.

    A step that has failed and is tried again is `Pending`, and may have switched hosts on.
    """
    return progress != StepProgress(NAME)


def advance(
    progress: StepProgress,
    targets: Sequence[Target],
    context: Context,
    *,
    managed: bool,
    tolerated: frozenset[HostRef] = frozenset(),
) -> Advance:
    """Look at the step once.

    `managed`: class `puppet` manages the agent. From `Running` on, the override of `runmode` is no longer wanted.
    `tolerated`: hosts that may fail here too, since a step tolerated their failure.
    """
    if not managed:
        return jobs.advance(Script("resume.sh", progress, tolerated), progress, targets, context)
    if progress.state is StepState.PENDING:
        started = replace(progress, state=StepState.RUNNING, started_at=context.now, attempt=1)
        return Advance(started, Wait(Reason.RESUMING_PUPPET, "removes the override of puppet::runmode", after=0.0))
    roles = tuple(sorted({target.ref.role for target in targets}))
    return jobs.advance(PuppetRunJob(PuppetRun(roles=roles), tolerated), progress, targets, context)
