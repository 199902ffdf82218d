"""The kinds of steps, one pure module each: schema and behaviour. A new kind is a file, and a line in `Kinds`."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import Field

from foreman_stacks.model.schema import Rule, Written, by_alias
from foreman_stacks.steps.kind import StepKind
from foreman_stacks.steps.parameter_update import ParameterUpdate
from foreman_stacks.steps.puppet_run import PuppetRun


class Kinds(Written):
    """The kinds of step that users write; the built-in ones are none of them. A step has exactly one."""

    puppet_run: PuppetRun | None = Field(default=None, description="Runs Puppet on hosts and waits for their reports.")
    parameter_update: ParameterUpdate | None = Field(
        default=None, description="Gives a hostgroup parameter a new value."
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Give every subclass the rule that a step has exactly one kind."""
        cls.rules = (_one_of(cls.kinds()),)

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """The names of all kinds, as users write them."""
        return tuple(
            field.alias or name
            for name, field in cls.model_fields.items()
            if any(isinstance(part, type) and issubclass(part, StepKind) for part in get_args(field.annotation))
        )

    @property
    def kind(self) -> str:
        """The name of the step's kind."""
        return next(name for name in self.kinds() if by_alias(self, name) is not None)

    @property
    def action(self) -> StepKind:
        """The step as its kind: the value of the only field that is given."""
        found: StepKind = by_alias(self, self.kind)
        return found


def _one_of(kinds: tuple[str, ...]) -> Rule:
    return Rule(
        cel=f"[{', '.join(f'has(self.{kind})' for kind in kinds)}].filter(given, given).size() == 1",
        holds=lambda step: sum(by_alias(step, kind) is not None for kind in kinds) == 1,
        message=f"a step has exactly one of {', '.join(kinds)}",
        mend="give the step one kind, and split it when it has several",
    )
