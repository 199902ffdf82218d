"""Binds a plan to what is known so far: every value that can be evaluated, and the names of those that must wait.

Every pass calls it, so it must be cheap: values of a hostgroup are evaluated once, those of a host take a few
microseconds per expression, and nothing is evaluated twice for equal facts.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from foreman_stacks.errors import InvalidSpec, Problem
from foreman_stacks.model.scope import ClassScope, Facts, GroupScope, Scope
from foreman_stacks.model.values import Bound, Json, Secret, canonical, thaw
from foreman_stacks.plan.current import Current, Unknown
from foreman_stacks.plan.model import Group, Plan, Role, Step, Value, override_label, parameter_key
from foreman_stacks.plan.perhost import bind_hosts

_KEPT = 16


def bind(plan: Plan, facts: Facts) -> Scope:
    """Return the plan's hostgroups, hosts and outputs with their values.

    Raises `InvalidSpec` with every expression that fails and every value that does not fit its type.
    """
    current = _current(plan, facts)
    if current.scope is None:
        current.begin()
        problems: list[Problem] = []
        groups = tuple(_group(group, current, problems) for group in plan.groups)
        hosts = tuple(host for role in plan.roles for host in bind_hosts(role, current, problems))
        outputs, _ = _bound(((value.name, value) for value in plan.outputs), current, problems)
        if problems:
            raise InvalidSpec(list(dict.fromkeys(problems)))
        current.scope = Scope(
            identity=plan.identity,
            groups=groups,
            hosts=hosts,
            environment=plan.environment,
            organization=plan.organization,
            location=plan.location,
            outputs=outputs,
        )
        current.inherited = {}
    return current.scope


def _current(plan: Plan, facts: Facts) -> Current:
    """Return the values under these facts; the plan caches those of the last few calls."""
    known = plan.memo.get(facts.updates)
    if isinstance(known, Current) and known.domain == facts.domain and known.hosts == facts.hosts:
        return known
    current = Current(plan, Facts(dict(facts.hosts), facts.updates, facts.domain))
    last = next(reversed(plan.memo.values()), None) if known is None else known
    if isinstance(last, Current):
        current.inherit(last)
    if len(plan.memo) >= _KEPT:
        plan.memo.clear()
    plan.memo[facts.updates] = current
    return current


def _group(group: Group, current: Current, problems: list[Problem]) -> GroupScope:
    named = ((value.name, current.value(parameter_key(group.name, value.name))) for value in group.parameters)
    parameters, pending = _bound(named, current, problems)
    classes = []
    for entry in group.classes:
        labelled = ((override_label(entry.name, value.name), value) for value in entry.overrides)
        overrides, more = _bound(labelled, current, problems)
        classes.append(ClassScope(entry.name, overrides))
        pending |= more
    return GroupScope(
        name=group.name,
        label=group.label,
        parent=group.parent,
        outer_parent=group.outer_parent,
        description=group.description,
        parameters=parameters,
        classes=tuple(classes),
        pending=pending,
    )


def _bound(
    values: Iterable[tuple[str, Value]], current: Current, problems: list[Problem]
) -> tuple[tuple[Bound, ...], frozenset[str]]:
    """Return the values that can be evaluated, and the labels of those that cannot be yet."""
    bound: list[Bound] = []
    pending: set[str] = set()
    for label, value in values:
        try:
            result = current.evaluate(value)
        except InvalidSpec as invalid:
            problems += invalid.problems
            continue
        if result is Unknown.PENDING:
            pending.add(label)
        elif not isinstance(result, Unknown):
            bound.append(_wrapped(value, result))
    return tuple(bound), frozenset(pending)


def _wrapped(value: Value, result: Json) -> Bound:
    return Bound(value.name, value.type, Secret(result) if value.sensitive else result)


def step_digest(plan: Plan, facts: Facts, step: str, role: str, key: bytes) -> str:
    """Return the digest of the step's inputs for hosts of this role: 16 hex, keyed, since values may be secret.

    It covers the step's kind and spec (not its name, order, time-out, retries and tolerance), the hostgroups of the
    role with the values that they have after the step's ancestors, and the *text* of per-host expressions. A value that
    is still pending counts by its text, so call this only once the hosts are known. Raises KeyError for unknown names
    and `InvalidSpec` for values that cannot be evaluated.
    """
    found = plan.step(step)
    before = plan.ancestors(step) | ({step} if found.update is not None else set())
    updates = frozenset(item.name for item in plan.steps if item.update is not None and item.name in before)
    current = _current(plan, Facts(facts.hosts, updates, facts.domain))
    known = (step, role, key)
    if known not in current.digests:
        current.begin()
        content = canonical(_content_of(plan, found, plan.role(role), current))
        current.digests[known] = hmac.digest(key, content.encode(), "sha256").hex()[:16]
    return current.digests[known]


def _content_of(plan: Plan, step: Step, role: Role, current: Current) -> Json:
    chain = plan.chain(role.group)
    return {
        "step": {step.kind: step.action.model_dump(mode="json", by_alias=True, exclude=set(step.action.undigested))},
        "environment": plan.environment,
        "parent": chain[-1].outer_parent,
        "groups": [_digested(group, current) for group in chain],
        "hosts": _texts(role),
    }


def _digested(group: Group, current: Current) -> Json:
    parameters = [current.value(parameter_key(group.name, value.name)) for value in group.parameters]
    return {
        "name": group.name,
        "parameters": sorted(canonical(_content(value, current)) for value in parameters),
        "classes": {
            entry.name: sorted(canonical(_content(value, current)) for value in entry.overrides)
            for entry in group.classes
        },
    }


def _content(value: Value, current: Current) -> Json:
    result = current.evaluate(value)
    if isinstance(result, Unknown):
        return [value.name, value.type, {result.value: value.expression.text if value.expression else ""}]
    return [value.name, value.type, [thaw(result)]]


def _texts(role: Role) -> Json:
    named = [(override_label(name, value.name), value) for name, value in role.overrides]
    named += [(value.name, value) for value in role.parameters]
    return sorted([label, value.type, value.expression.text if value.expression else ""] for label, value in named)
