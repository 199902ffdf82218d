"""Compiles a Stack and a deployment to a plan. It is pure, and reports everything that is wrong at once."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from foreman_stacks.api.stack import Stack
from foreman_stacks.api.stackdeployment import StackDeployment, StackDeploymentSpec
from foreman_stacks.errors import InvalidSpec, Problem
from foreman_stacks.model.identity import Identity
from foreman_stacks.model.scope import Facts, HostFacts
from foreman_stacks.model.values import canonical
from foreman_stacks.plan.bind import bind
from foreman_stacks.plan.digest import key_id, plan_hash
from foreman_stacks.plan.erb import EVALUATED
from foreman_stacks.plan.explain import NEEDS
from foreman_stacks.plan.inputs import Given, Inputs, Unread, read_parameters
from foreman_stacks.plan.model import Group, InvalidPlan, Plan, Role, Template, Value
from foreman_stacks.plan.roles import check_lists, evaluated_attributes, planned_hosts
from foreman_stacks.plan.sensitive import hide
from foreman_stacks.plan.stack import compile_stack

_NOT_PLANNED = {"paused", "deletion_policy"}


def compile_plan(
    stack: Stack, deployment: StackDeployment, identity: Identity, given: Mapping[str, Given], *, key: bytes = b""
) -> Plan:
    """Compile the plan of a deployment of this Stack.

    `given` has the value, or what is `Missing`, for each parameter with `valueFrom`; a `Secret` stays wrapped. With
    `key` the plan's hash also covers secret values; without it, only that there are some. Raises `InvalidPlan` with
    what is wrong with the deployment, and `InvalidSpec` when the Stack itself is invalid (call `check_stack` first).
    Values that Foreman would evaluate as ERB do not make a plan invalid: it lists them in `evaluated`, for preflight to
    report.
    """
    template, broken = compile_stack(stack)
    if broken:
        raise InvalidSpec(list(broken))
    spec = deployment.spec
    inputs = read_parameters(stack.spec, spec, given)
    hosts, problems = planned_hosts(stack.spec, spec, identity)
    template = hide(template, inputs.secret)
    roles = tuple(replace(role, hosts=hosts[role.name]) for role in template.roles)
    written = {entry.name for entry in spec.parameters}
    absent = {item.name for item in stack.spec.parameters if item.optional and not item.has_default} - written
    problems += _check_leaders(template, roles) if not problems else ()  # a wrong count would be reported twice
    problems += _check_parents(template, spec)
    problems += check_lists(roles)
    problems += _check_optional(template, absent)
    problems = [*inputs.problems, *problems]
    evaluated = [*inputs.evaluated, *evaluated_attributes(spec)]
    if problems:
        raise InvalidPlan([*problems, *evaluated], tuple(inputs.missing), tuple(inputs.waiting))
    evaluated += _of_stack(template.evaluated)
    plan = _plan(replace(template, roles=roles), stack, deployment, inputs, identity)
    plan = replace(
        plan,
        hash=plan_hash(plan, key),
        config_digest=config_digest(deployment, key),
        key_id=key_id(key),
        evaluated=tuple(evaluated),
    )
    if any(isinstance(value, Unread) for value in given.values()):
        return plan
    return replace(plan, evaluated=(*plan.evaluated, *_of_stack(_try_out(plan))))


def _of_stack(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems of a Stack with `Stack` before their paths, as a deployment reports them."""
    return [replace(item, path=f"Stack {item.path}") for item in problems]


def _plan(template: Template, stack: Stack, deployment: StackDeployment, inputs: Inputs, identity: Identity) -> Plan:
    spec = deployment.spec
    return Plan(
        identity=identity,
        hash="",
        config_digest="",
        groups=_placed(template.groups, spec, identity),
        roles=template.roles,
        steps=template.steps,
        outputs=template.outputs,
        order=template.order,
        parameters=inputs.values,
        periodic_puppet=stack.spec.periodic_puppet == "Enabled",
        environment=spec.environment,
        organization=spec.organization,
        location=spec.location,
    )


def config_digest(deployment: StackDeployment, key: bytes) -> str:
    """Return the digest of a deployment's spec: 16 hex, without what concerns no plan (paused, deletionPolicy).

    The spec itself may contain a secret, and Foreman's users can read the digest, so without a key it is empty.
    """
    if not key:
        return ""
    written = deployment.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=_NOT_PLANNED)
    return hmac.digest(key, canonical(written).encode(), "sha256").hex()[:16]


def _placed(groups: tuple[Group, ...], spec: StackDeploymentSpec, identity: Identity) -> tuple[Group, ...]:
    """Return the hostgroups, parents first, with their names in Foreman and their topmost ancestors' outer parents."""
    own = {entry.name: (entry.parent, f"spec.hostgroups[{entry.name}].parent") for entry in spec.hostgroups}
    outer: dict[str, tuple[str, str]] = {}
    for group in groups:
        above = None if group.parent is None else outer[group.parent]
        outer[group.name] = above or own.get(group.name, (spec.parent_hostgroup or "", "spec.parentHostgroup"))
    labels = {group.name: f"{group.name.replace('_', '-')} {identity.suffix}" for group in groups}
    return tuple(
        replace(group, label=labels[group.name], outer_parent=outer[group.name][0], outer_path=outer[group.name][1])
        for group in groups
    )


def _check_parents(template: Template, spec: StackDeploymentSpec) -> Iterator[Problem]:
    groups = {group.name: group for group in template.groups}
    orphans = {group.name for group in template.groups if group.parent is None} - {
        entry.name for entry in spec.hostgroups
    }
    if orphans and not spec.parent_hostgroup:
        mend = "name the Foreman hostgroup that brings operating system, domain and subnet"
        yield Problem("spec.parentHostgroup", "is missing", mend)
    for entry in spec.hostgroups:
        path = f"spec.hostgroups[{entry.name}]"
        if entry.name not in groups:
            yield Problem(
                path, "is not a hostgroup of the Stack", f"take it out; the Stack has {', '.join(sorted(groups))}"
            )
        elif (parent := groups[entry.name].parent) is not None:
            yield Problem(
                path, f"already has the parent `{parent}` in the Stack", f"take this entry out, or name {parent} in it"
            )


def _check_leaders(template: Template, roles: tuple[Role, ...]) -> Iterator[Problem]:
    empty = {f"roles.{role.name}.leader" for role in roles if not role.hosts}
    for value in _values(template):
        for name in sorted(value.references):
            leader = ".".join(name.split(".")[:3])
            if leader in empty:
                role = name.split(".")[1]
                what = f"`{leader}` is referred to by {value.path} of the Stack, but the role has no hosts"
                yield Problem(f"spec.roles[{role}].count", what, "give the role a host")
                break


def _check_optional(template: Template, absent: set[str]) -> Iterator[Problem]:
    """Yield a problem for each absent parameter that a step or output needs.

    Other values that refer to an absent parameter are left out.
    """
    needing = [*(step.update for step in template.steps if step.update is not None), *template.outputs]
    for name in sorted(absent):
        for value in needing:
            if f"parameters.{name}" in value.references:
                what = f"has no value, but {value.path} of the Stack needs one"
                yield Problem(f"spec.parameters[{name}]", what, "give it a value")
                break


def _values(template: Template) -> Iterator[Value]:
    for group in template.groups:
        yield from group.parameters
        for entry in group.classes:
            yield from entry.overrides
    for role in template.roles:
        yield from role.parameters
        yield from (value for _, value in role.overrides)
    yield from (step.update for step in template.steps if step.update is not None)
    yield from template.outputs


def _try_out(plan: Plan) -> list[Problem]:
    """Evaluate what can be evaluated before anything is written; return the problems of values that are ERB to Foreman.

    Raises `InvalidPlan` if anything else is wrong with the values. The plan is bound without hosts, which gives the
    final values of what depends on the configuration alone, and then with made-up addresses. With these, only two kinds
    of problems are certain: cost, which depends on the number of hosts but not on their names, and ERB, which is in the
    expression itself.
    """
    updates = frozenset(step.name for step in plan.steps if step.update is not None)
    addresses = {
        host.ref: HostFacts(f"{host.label}.example.com", f"192.0.2.{host.ref.index % 250 + 1}")
        for role in plan.roles
        for host in role.hosts
    }
    found: list[Problem] = []
    for facts in (Facts(), Facts(updates=updates), Facts(addresses), Facts(addresses, updates)):
        try:
            bind(plan, facts)
        except InvalidSpec as invalid:
            certain = (NEEDS, EVALUATED)
            found += [item for item in invalid.problems if not facts.hosts or item.what.startswith(certain)]
        if any(item.what.startswith(NEEDS) for item in found):
            break  # evaluating until the limit is slow: do it only once
    plan.memo.clear()
    found = list(dict.fromkeys(found))
    if any(not item.what.startswith(EVALUATED) for item in found):
        raise InvalidPlan(found)
    return found
