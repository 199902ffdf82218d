"""A kind of step that judges as it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from foreman_stacks.foreman.port import Job, Query
from foreman_stacks.model.progress import Run, StepProgress
from foreman_stacks.model.values import Json
from foreman_stacks.steps.kind import Context, Target
from foreman_stacks.steps.verdict import Bad, Good, Result, Verdict

FRESH = StepProgress("first")


@dataclass
class Kind:
    """A kind of step that judges as it is told: by index, Good by default for what succeeded."""

    verdicts: Mapping[int, Verdict] = field(default_factory=dict)
    needs: Mapping[int, Query[Any]] = field(default_factory=dict)
    needs_baseline: bool = False
    runs: int = 1
    size: int = 100
    patient: bool = False
    judged: list[tuple[int, Result]] = field(default_factory=list)

    def batch(self, waiting: Sequence[Target], targets: Sequence[Target]) -> Sequence[Target]:
        return waiting[: self.size]

    def job(self, context: Context) -> Mapping[str, Json]:
        return {"feature": "run_script"}

    def judge(self, target: Target, result: Result, run: Run, job: Job, context: Context) -> Verdict:
        if target.ref.index in self.needs:
            assert context.seen[self.needs[target.ref.index]] is not None
        self.judged.append((target.ref.index, result))
        default: Verdict = Good() if result is Result.SUCCESS else Bad("Broke", f"because {target.ref}")
        return self.verdicts.get(target.ref.index, default)

    def tolerates(self, failed: Sequence[Target]) -> bool:
        return self.patient

    def stops(self, failed: Sequence[Target]) -> bool:
        return not self.patient
