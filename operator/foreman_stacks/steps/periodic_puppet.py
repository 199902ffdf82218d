"""PeriodicPuppet, a built-in step: switches on again exactly what Quiesce switched off, once all other steps are done."""

from __future__ import annotations

from collections.abc import Sequence

from foreman_stacks.model.progress import StepProgress
from foreman_stacks.steps import job as jobs
from foreman_stacks.steps.kind import Advance, Context, Target
from foreman_stacks.steps.quiesce import Script

NAME = "PeriodicPuppet"


def advance(progress: StepProgress, targets: Sequence[Target], context: Context) -> Advance:
    """One look at the step."""
    return jobs.advance(Script("resume.sh", progress), progress, targets, context)
