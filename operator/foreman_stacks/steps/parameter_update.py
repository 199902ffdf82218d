"""parameterUpdate: binds a new value to a hostgroup parameter once its step's turn has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field

from foreman_stacks.model.outcome import Done, Wait
from foreman_stacks.model.progress import StepProgress, StepState
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.schema import Name, Valued
from foreman_stacks.steps.kind import Advance, Context, NewValue, Reference, StepKind, Target


class ParameterUpdate(StepKind, Valued):
    """Gives a hostgroup parameter a new value; all that refers to it follows before the step is done."""

    hostgroup: Name = Field(description="The hostgroup of this Stack whose parameter is updated.")
    parameter: Name = Field(
        description="A parameter declared in that hostgroup. Two updates of one parameter need an order (`after`)."
    )

    def references(self) -> tuple[Reference, ...]:
        """The hostgroup and its parameter."""
        return (
            Reference("hostgroup", "hostgroup", self.hostgroup),
            Reference("parameter", "parameter", self.parameter, self.hostgroup),
        )

    def new_value(self) -> NewValue:
        """This step's own value."""
        return NewValue(self.hostgroup, self.parameter, self)

    def advance(self, progress: StepProgress, targets: Sequence[Target], context: Context) -> Advance:
        """Look at the step once.

        It writes nothing itself: from `Running` on, its value is in force, and the kinds of resources write what
        follows from it. A pass reaches the steps only when nothing is left to write.
        """
        if progress.state is StepState.DONE:
            return Advance(progress, Done())
        if progress.state is StepState.RUNNING:
            if context.unbound:
                return Advance(progress, Wait(Reason.WAITING, "its value refers to hosts that are not known yet"))
            return Advance(replace(progress, state=StepState.DONE), Done())
        started = replace(progress, state=StepState.RUNNING, started_at=context.now, attempt=1)
        return Advance(started, Wait(Reason.RUNNING_STEPS, "sets the new value", after=0.0), begins=True)
