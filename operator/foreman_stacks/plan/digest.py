"""The digest that tells plans apart: it covers everything that matters in Foreman or for the order of steps."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from foreman_stacks.model.values import Json, Secret, canonical
from foreman_stacks.plan.model import Group, Plan, Role, Step, Value

_UNKEYED = b"foreman-stacks"


def plan_hash(plan: Plan, key: bytes) -> str:
    """Return 16 hex. Without a key they do not cover secret values: an unkeyed digest of a short secret reveals it."""
    content: Json = {
        "identity": str(plan.identity),
        "groups": [_group(group) for group in plan.groups],
        "roles": [_role(role) for role in plan.roles],
        "steps": [_step(step) for step in plan.steps],
        "outputs": _values(plan.outputs),
        "parameters": {name: _shown(value, key) for name, value in plan.parameters.items()},
        "periodicPuppet": plan.periodic_puppet,
        "environment": plan.environment,
        "organization": plan.organization,
        "location": plan.location,
    }
    return hmac.digest(key or _UNKEYED, canonical(content).encode(), "sha256").hex()[:16]


def key_id(key: bytes) -> str:
    """Return 8 hex that tell keys apart without revealing them; empty for no key."""
    return hmac.digest(key, b"key id", "sha256").hex()[:8] if key else ""


def _shown(value: Json | Secret, key: bytes) -> Json:
    if isinstance(value, Secret):
        return {"secret": value.reveal() if key else None}
    return {"value": value}


def _values(values: Iterable[Value]) -> Json:
    return [_value(value) for value in values]


def _value(value: Value) -> Json:
    content = {"expression": value.expression.text} if value.expression else {"value": value.constant}
    return {"name": value.name, "type": value.type, "sensitive": value.sensitive, **content}


def _group(group: Group) -> Json:
    return {
        "name": group.name,
        "label": group.label,
        "parent": group.parent,
        "outerParent": group.outer_parent,
        "description": group.description,
        "parameters": _values(group.parameters),
        "classes": [[entry.name, _values(entry.overrides)] for entry in group.classes],
    }


def _role(role: Role) -> Json:
    return {
        "name": role.name,
        "group": role.group,
        "hosts": [[host.ref.index, host.label, host.source.name] for host in role.hosts],
        "sources": {
            host.source.name: [
                host.source.compute_resource,
                host.source.profile,
                host.source.image,
                host.source.attributes,
            ]
            for host in role.hosts
        },
        "overrides": [[name, _value(value)] for name, value in role.overrides],
        "parameters": _values(role.parameters),
    }


def _step(step: Step) -> Json:
    apart = {"value", "expression"} if step.update else None
    return {
        "name": step.name,
        "action": {step.kind: step.action.model_dump(mode="json", by_alias=True, exclude=apart)},
        "after": sorted(step.after),
        "timeout": step.timeout,
        "retries": step.retries,
        "update": _value(step.update) if step.update else None,
    }
