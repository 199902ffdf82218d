"""Which values of a deployment are secret, and must not be seen in what other programs print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from foreman_stacks.model.scope import Scope
from foreman_stacks.model.secrecy import Redactor
from foreman_stacks.model.values import Bound, Json, Secret
from foreman_stacks.plan.model import Plan, Value


def redactor(plan: Plan | None, scope: Scope | None, known: Mapping[str, Sequence[Json]]) -> Redactor:
    """Return a redactor of the secrets of a plan and of all known earlier ones, which hosts may still print."""
    now = plan.id if plan and scope else None
    before = (value for name, values in known.items() if name != now for value in values)
    return Redactor([*secret_values(plan, scope), *before])


def secret_values(plan: Plan | None, scope: Scope | None) -> tuple[Json, ...]:
    """Return the secret parameters and constants of a plan, and every secret value computed from them."""
    return (*_of_plan(plan), *_of_scope(scope))


def _of_plan(plan: Plan | None) -> Iterator[Json]:
    if plan is None:
        return
    yield from (value.reveal() for value in plan.parameters.values() if isinstance(value, Secret))
    yield from (value.constant for value in _values(plan) if value.sensitive and value.expression is None)


def _values(plan: Plan) -> Iterator[Value]:
    for group in plan.groups:
        yield from group.parameters
        for entry in group.classes:
            yield from entry.overrides
    yield from (step.update for step in plan.steps if step.update is not None)


def _of_scope(scope: Scope | None) -> Iterator[Json]:
    yield from (bound.plain for bound in _bounds(scope) if bound.sensitive) if scope else ()


def _bounds(scope: Scope) -> Iterator[Bound]:
    for group in scope.groups:
        yield from group.parameters
        for entry in group.classes:
            yield from entry.overrides
    for host in scope.hosts:
        yield from host.parameters
        yield from (bound for _, bound in host.overrides)
    yield from scope.outputs
