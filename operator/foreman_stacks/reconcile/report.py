"""Derives the status of a deployment from what a pass found out. It is pure: the same findings give the same status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.outcome import Stalled, Wait
from foreman_stacks.model.progress import FailedHost, Progress, StepState
from foreman_stacks.model.reasons import ConditionType, Reason
from foreman_stacks.model.scope import Scope
from foreman_stacks.model.secrecy import Redactor
from foreman_stacks.model.values import Json, canonical
from foreman_stacks.model.words import counted
from foreman_stacks.plan.model import Plan
from foreman_stacks.reconcile import conditions, status
from foreman_stacks.reconcile.conditions import Condition, Truth
from foreman_stacks.reconcile.secrecy import redactor
from foreman_stacks.steps import periodic_puppet

MAX_OUTPUTS = 10 * 1024
"""Bytes that all output values may have as JSON: with a few hundred bytes a step, the status stays below 32 KiB."""

MAX_DRIFT = 10
"""Differences that the condition lists one by one."""

_STANDING = frozenset(
    {
        ConditionType.CONFIGURED,
        ConditionType.HOSTS_PROVISIONED,
        ConditionType.STEPS_COMPLETED,
        ConditionType.PERIODIC_PUPPET_ENABLED,
        ConditionType.DRIFTED,
    }
)


@dataclass(frozen=True)
class Findings:
    """What one pass found out. `stack` and `server` are names; only with `settled` the deployment is reported Ready."""

    generation: int
    progress: Progress
    stack: str = ""
    server: str = ""
    plan: Plan | None = None
    scope: Scope | None = None
    stalls: tuple[Stalled, ...] = ()
    waits: tuple[Wait, ...] = ()
    failures: Mapping[HostRef, FailedHost] = field(default_factory=dict)
    missing: tuple[Mapping[str, Any], ...] = ()
    paused: bool = False
    settled: bool = False
    drift: tuple[str, ...] | None = None
    drift_note: str = ""

    @property
    def kept(self) -> bool:
        """Whether the deployment is settled and stays so although its plan is another one now, or there is none."""
        same = self.plan is not None and self.plan.id == self.progress.settled_plan
        return bool(self.progress.settled_plan) and not same


def report(
    old: Mapping[str, Any], found: Findings, now: datetime, secrets: Mapping[str, Sequence[Json]] = MappingProxyType({})
) -> dict[str, Any]:
    """Return the whole status. `secrets` are the known secret values by plan, including those of earlier plans."""
    blot = redactor(found.plan, found.scope, secrets)
    progress = _blotted(_failures(found), blot)
    shown = None if found.kept else found.plan
    desired = {role.name: len(role.hosts) for role in shown.roles} if shown else _desired(old)
    order = _order(shown) if shown else [step["name"] for step in old.get("steps") or ()]
    told = [replace(entry, message=blot(entry.message)) for entry in _conditions(found, desired)]
    told += _standing(old, told) if found.kept else []
    merged = conditions.merge(old.get("conditions") or (), told, found.generation, now)
    return {
        "observedGeneration": found.generation,
        **status.render(progress, desired, order),
        "conditions": merged,
        "summary": _summary(merged, replace(found, plan=shown), progress, desired) | _step(old, found),
        "missingParameters": [dict(entry) for entry in found.missing],
        "outputs": _outputs(found.scope) if found.scope else list(old.get("outputs") or ()),
    }


def _standing(old: Mapping[str, Any], told: Iterable[Condition]) -> list[Condition]:
    """Return the old conditions about the settled plan that still hold, as this pass says nothing new about them."""
    new = {entry.type for entry in told}
    return [
        Condition(ConditionType(entry["type"]), entry["status"], Reason(entry["reason"]), entry.get("message", ""))
        for entry in old.get("conditions") or ()
        if entry["type"] in _STANDING - new
    ]


def _step(old: Mapping[str, Any], found: Findings) -> dict[str, str]:
    return {"step": str((old.get("summary") or {}).get("step", ""))} if found.kept else {}


def _order(plan: Plan) -> list[str]:
    tail = [periodic_puppet.NAME] if plan.periodic_puppet else []
    return ["Quiesce", *plan.order, *tail]


def _desired(old: Mapping[str, Any]) -> dict[str, int]:
    return {role["name"]: role.get("desired", 0) for role in old.get("roles") or ()}


def _failures(found: Findings) -> Progress:
    """Return progress with its failed hosts: the new ones, and the old ones that are still failed.

    A pass that has not looked leaves them as they are.
    """
    if found.scope is None and not found.failures:
        return found.progress
    kept = {host.name: host for host in found.progress.failed_hosts if _given_up(host, found)}
    fresh = {host.name: host for host in found.failures.values()}
    return replace(found.progress, failed_hosts=tuple(host for _, host in sorted((kept | fresh).items())))


def _given_up(host: FailedHost, found: Findings) -> bool:
    """Whether a step has given up on the host and nobody has asked to try again.

    Failures outside of steps are found anew by each pass.
    """
    label = host.name.partition(".")[0]
    refs = {entry.label: entry.ref for role in found.plan.roles for entry in role.hosts} if found.plan else {}
    return host.step is not None and refs.get(label) in found.progress.step(host.step).failed


def _conditions(found: Findings, desired: Mapping[str, int]) -> Iterator[Condition]:
    yield from _overall(found)
    if found.plan is not None and not found.kept:
        yield from _stages(found, desired)
    if found.paused:
        yield Condition(ConditionType.PAUSED, "True", Reason.PAUSED, "spec.paused: nothing is written to Foreman")
    if found.drift is not None:
        drifted = bool(found.drift)
        more = [f"and {len(found.drift) - MAX_DRIFT} more"] if len(found.drift) > MAX_DRIFT else []
        message = "\n".join([*found.drift[:MAX_DRIFT], *more, *filter(None, [found.drift_note])])
        reason = Reason.DRIFTED if drifted else Reason.IN_SYNC
        yield Condition(ConditionType.DRIFTED, "True" if drifted else "False", reason, message)


def _overall(found: Findings) -> Iterator[Condition]:
    """Yield Ready, Reconciling and Stalled as kstatus reads them: the answer, still trying, a person must act."""
    stall = found.stalls[0] if found.stalls else None
    message = "\n".join(entry.message for entry in found.stalls)
    working = [wait for wait in found.waits if not (stall and wait.after == 0.0 and not wait.message)]
    if stall is not None:
        yield Condition(ConditionType.STALLED, "True", stall.reason, message)
        yield Condition(ConditionType.READY, "False", stall.reason, message)
    if working:
        wait = working[0]
        yield Condition(ConditionType.RECONCILING, "True", wait.reason, wait.message)
        if stall is None:
            known: Truth = "False" if found.progress.settled_plan else "Unknown"
            yield Condition(ConditionType.READY, known, wait.reason, wait.message)
    elif stall is None and found.settled:
        names = "all hosts are in their hostgroups and all steps are done"
        yield Condition(ConditionType.READY, "True", Reason.READY, names)
    elif stall is None:
        yield Condition(ConditionType.READY, "Unknown", Reason.WAITING)


def _stages(found: Findings, desired: Mapping[str, int]) -> Iterator[Condition]:
    progress, plan = found.progress, found.plan
    assert plan is not None
    total = sum(desired.values())
    built = len(progress.built() | progress.configured())
    configured = bool(progress.created()) or (progress.plan != "" and total == 0)
    yield _stage(ConditionType.CONFIGURED, configured, Reason.CONFIGURING, "hostgroups are in Foreman")
    yield _stage(
        ConditionType.HOSTS_PROVISIONED,
        built >= total,
        Reason.PROVISIONING,
        f"{built} of {counted(total, 'host')} built",
    )
    done = [name for name in plan.order if progress.step(name).state is StepState.DONE]
    steps = f"{len(done)} of {counted(len(plan.order), 'step')} done"
    yield _stage(ConditionType.STEPS_COMPLETED, len(done) == len(plan.order), Reason.RUNNING_STEPS, steps)
    if not plan.periodic_puppet:
        yield Condition(
            ConditionType.PERIODIC_PUPPET_ENABLED, "False", Reason.DISABLED, "the Stack says periodicPuppet: Disabled"
        )
    else:
        on = progress.step(periodic_puppet.NAME).state is StepState.DONE
        told = "hosts run Puppet by themselves as before Quiesce" if on else ""
        yield _stage(ConditionType.PERIODIC_PUPPET_ENABLED, on, Reason.WAITING, told)


def _stage(kind: ConditionType, done: bool, busy: Reason, message: str) -> Condition:
    return Condition(kind, "True" if done else "False", Reason.DONE if done else busy, message)


def _summary(
    merged: Iterable[Mapping[str, Any]], found: Findings, progress: Progress, desired: Mapping[str, int]
) -> dict[str, str]:
    """Return the texts for the columns of `kubectl get`, which cannot compute anything."""
    ready = conditions.find(merged, ConditionType.READY)
    built = len(progress.built() | progress.configured())
    text = {
        "ready": ready.get("status", "Unknown"),
        "reason": ready.get("reason", ""),
        "hosts": f"{built}/{sum(desired.values())}",
        "server": found.server,
        "stack": found.stack,
        "plan": (progress.plan or "")[:12],
        "step": "",
    }
    if found.plan is not None:
        order = found.plan.order
        done = [name for name in order if progress.step(name).state is StepState.DONE]
        busy = [
            name for name in _order(found.plan) if progress.step(name).state in {StepState.RUNNING, StepState.WAITING}
        ]
        text["step"] = f"{len(done)}/{len(order)}" + (f" {busy[0]}" if busy else "")
    return text


def _outputs(scope: Scope) -> list[dict[str, Any]]:
    """Return all outputs, with their values as far as there is room."""
    shown: list[dict[str, Any]] = []
    left = MAX_OUTPUTS
    for bound in scope.outputs:
        entry: dict[str, Any] = {"name": bound.name, "type": bound.type, "sensitive": bound.sensitive}
        if not bound.sensitive:
            size = len(canonical(bound.plain).encode())
            if size <= left:
                left -= size
                entry["value"] = bound.plain
            else:
                entry["message"] = (
                    f"the value has {size} bytes; all outputs together may have {MAX_OUTPUTS} in a status"
                )
        shown.append(entry)
    return shown


def _blotted(progress: Progress, blot: Redactor) -> Progress:
    """Return progress with the secrets blotted out of what hosts and jobs printed."""
    return replace(
        progress,
        steps={name: replace(step, message=blot(step.message)) for name, step in progress.steps.items()},
        failed_hosts=tuple(replace(host, cause=blot(host.cause)) for host in progress.failed_hosts),
    )
