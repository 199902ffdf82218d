"""What a pass over a deployment needs from Kubernetes: Stack, server, tenancy, and values in Secrets and ConfigMaps."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from foreman_stacks.api.foremanserver import ForemanServer, LabelRequirement, LabelSelector, Tenant
from foreman_stacks.api.meta import FINALIZER
from foreman_stacks.api.parse import parse_server, parse_stack
from foreman_stacks.api.stack import Stack
from foreman_stacks.api.stackdeployment import KeyRef, StackDeployment
from foreman_stacks.cluster.port import Cluster, Key, Object
from foreman_stacks.errors import ClusterForbidden, InvalidSpec, Problem
from foreman_stacks.model.identity import Identity
from foreman_stacks.model.outcome import Stalled, Wait
from foreman_stacks.model.reasons import Reason
from foreman_stacks.model.values import Json, Secret, canonical
from foreman_stacks.model.words import counted
from foreman_stacks.plan.compile import compile_plan
from foreman_stacks.plan.inputs import Given
from foreman_stacks.plan.model import InvalidPlan, Missing, Plan
from foreman_stacks.reconcile.memory import Memory

_Read = TypeVar("_Read")


@dataclass
class Gathered:
    """A plan, or why there is none; `missing` has the parameters without a value, as the status shows them."""

    plan: Plan | None = None
    stalls: list[Stalled] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    missing: tuple[Mapping[str, Any], ...] = ()


async def plan_of(
    deployment: StackDeployment, cluster: Cluster, memory: Memory, identity: Identity, key: bytes
) -> Gathered:
    """Resolve the Stack and all values, and compile them; equal inputs are compiled only once."""
    place = deployment.metadata.namespace
    name = deployment.spec.stack_ref.name
    found = await cluster.get(Key("stacks", place, name))
    if found is None:
        problem = Problem(
            "spec.stackRef.name", f"there is no Stack {name!r} in namespace {place!r}", "create it, or correct the name"
        )
        return Gathered(stalls=[Stalled(Reason.STACK_NOT_FOUND, (problem,))])
    given = await _given(deployment, cluster)
    seen = [found["metadata"]["uid"], found["metadata"]["generation"], deployment.metadata.generation, _shown(given)]
    inputs = hashlib.sha256(canonical(seen).encode()).hexdigest()
    if memory.plan is not None and memory.plan_inputs == inputs:
        return Gathered(plan=memory.plan)
    if memory.unplanned[0] == inputs:
        known: Gathered = memory.unplanned[1]
        return known
    gathered = _compile(found, deployment, identity, given, key)
    if gathered.plan is not None:
        memory.plan, memory.plan_inputs = gathered.plan, inputs
    else:
        memory.unplanned = (inputs, gathered)
    return gathered


def _compile(
    found: Object, deployment: StackDeployment, identity: Identity, given: Mapping[str, Given], key: bytes
) -> Gathered:
    stack: Stack | None = None
    try:
        stack = parse_stack(found)
        return Gathered(plan=compile_plan(stack, deployment, identity, given, key=key))
    except InvalidPlan as error:
        assert stack is not None
        if error.only_waiting:
            waits = [Wait(Reason.WAITING_FOR_SECRET, str(error), after=WAIT_FOR_SECRET)]
            return Gathered(waits=waits, missing=_missing(stack, error.missing))
        reason = Reason.MISSING_PARAMETERS if error.missing else Reason.INVALID_SPEC
        return Gathered(stalls=[Stalled(reason, tuple(error.problems))], missing=_missing(stack, error.missing))
    except InvalidSpec as error:
        count = counted(len(error.problems), "problem")
        problem = Problem(
            "spec.stackRef.name",
            f"Stack {deployment.spec.stack_ref.name!r} has {count}: {error.problems[0]}",
            "see its conditions",
        )
        return Gathered(stalls=[Stalled(Reason.STACK_NOT_READY, (problem,))])


WAIT_FOR_SECRET = 15.0
"""Seconds between two looks for a Secret or ConfigMap. To watch them, the operator would need to read all of them."""


def _missing(stack: Stack, names: tuple[str, ...]) -> tuple[Mapping[str, Any], ...]:
    return tuple(
        {"name": entry.name, "type": entry.type, "sensitive": entry.sensitive}
        | ({"description": entry.description} if entry.description else {})
        for entry in stack.spec.parameters
        if entry.name in names
    )


def _shown(given: Mapping[str, Given]) -> Json:
    """Return the values in the clear, to be hashed into the key of the cached plan; the hash stays in this process."""
    return {name: [type(value).__name__, _plain(value)] for name, value in given.items()}


def _plain(value: Given) -> Json:
    if isinstance(value, Secret):
        return value.reveal()
    return (
        str(value)
        if isinstance(value, Missing) or not isinstance(value, str | int | float | bool | list | dict | None)
        else value
    )


async def _given(deployment: StackDeployment, cluster: Cluster) -> dict[str, Given]:
    """Read the values that come from Secrets and ConfigMaps of the deployment's own namespace, each object once."""
    namespace = deployment.metadata.namespace
    found: dict[str, Given] = {}
    secrets: dict[str, Mapping[str, bytes] | Missing | None] = {}
    maps: dict[str, Mapping[str, str] | Missing | None] = {}
    for entry in deployment.spec.parameters:
        source = entry.value_from
        if source is None:
            continue
        if source.secret_key_ref is not None:
            ref = source.secret_key_ref
            if ref.name not in secrets:
                secrets[ref.name] = await _permitted("Secret", ref, cluster.secret(namespace, ref.name))
            data = secrets[ref.name]
            raw = data.get(ref.key) if isinstance(data, Mapping) else None
            found[entry.name] = _lost("Secret", ref, data) if raw is None else _text(raw, ref)
        elif source.config_map_key_ref is not None:
            ref = source.config_map_key_ref
            if ref.name not in maps:
                maps[ref.name] = await _permitted("ConfigMap", ref, cluster.config_map(namespace, ref.name))
            texts = maps[ref.name]
            text = texts.get(ref.key) if isinstance(texts, Mapping) else None
            found[entry.name] = _lost("ConfigMap", ref, texts) if text is None else text
    return found


async def _permitted(kind: str, ref: KeyRef, reading: Awaitable[_Read]) -> _Read | Missing:
    """Return what was read; where RBAC forbids it, return the permission as what is missing."""
    try:
        return await reading
    except ClusterForbidden:
        mend = "grant the operator's ServiceAccount get on it, or refer to another"
        return Missing(f"the operator's permission to read {kind} {ref.name!r}", mend)


def _text(raw: bytes, ref: KeyRef) -> Given:
    try:
        return Secret(raw.decode("utf-8"))
    except UnicodeDecodeError:
        mend = "store such a text there, or correct the reference"
        return Missing(f"text in UTF-8 in key {ref.key!r} of Secret {ref.name!r}", mend)


def _lost(kind: str, ref: KeyRef, data: Mapping[str, Any] | Missing | None) -> Missing:
    if isinstance(data, Missing):
        return data
    return Missing(f"{kind} {ref.name!r}" if data is None else f"key {ref.key!r} of {kind} {ref.name!r}")


# --- tenancy --------------------------------------------------------------------------------------------------


async def server_of(deployment: StackDeployment, cluster: Cluster) -> tuple[ForemanServer, Tenant] | Stalled:
    """Return the server and the tenant as which this namespace may use it.

    A namespace that may not use it learns only that it exists, not even whether its spec is valid.
    """
    name = deployment.spec.server_ref.name
    found = await cluster.get(Key("foremanservers", "", name))
    if found is None:
        return _no_server(f"there is no ForemanServer {name!r}")
    labels = await cluster.namespace_labels(deployment.metadata.namespace) or {}
    try:
        server = parse_server(found)
    except InvalidSpec:
        server = None
    tenant = tenant_of(server, labels) if server is not None else None
    if server is None or tenant is None:
        problem = Problem(
            "spec.serverRef.name",
            f"namespace {deployment.metadata.namespace!r} may not use ForemanServer {name!r}",
            "ask an administrator to add it to the server's tenants",
        )
        return Stalled(Reason.NOT_PERMITTED, (problem,))
    if "deletionTimestamp" in found["metadata"] and FINALIZER not in deployment.metadata.finalizers:
        return _no_server(f"ForemanServer {name!r} is being deleted")
    return server, tenant


def _no_server(what: str) -> Stalled:
    mend = "correct the name, or ask an administrator for it"
    return Stalled(Reason.SERVER_NOT_FOUND, (Problem("spec.serverRef.name", what, mend),))


def tenant_of(server: ForemanServer, labels: Mapping[str, str]) -> Tenant | None:
    """Return the first tenant that permits a namespace with these labels, or None if it may not use the server."""
    return next((tenant for tenant in server.spec.tenants if _selects(tenant.namespace_selector, labels)), None)


def _selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        _holds(requirement, labels) for requirement in selector.match_expressions
    )


def _holds(requirement: LabelRequirement, labels: Mapping[str, str]) -> bool:
    match requirement.operator:
        case "In":
            return labels.get(requirement.key) in requirement.values
        case "NotIn":
            return labels.get(requirement.key) not in requirement.values
        case "Exists":
            return requirement.key in labels
        case "DoesNotExist":
            return requirement.key not in labels
