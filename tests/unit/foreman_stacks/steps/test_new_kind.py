"""A kind of step is one file and one line: the example of docs/contributing.md is taken at its word."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import pytest
from pydantic import create_model

from foreman_stacks.api.parse import parse_stack
from foreman_stacks.api.stack import Stack, StackSpec, Step
from foreman_stacks.api.structural import structural
from foreman_stacks.errors import InvalidSpec
from foreman_stacks.model.schema import keyed
from foreman_stacks.plan.digest import plan_hash
from foreman_stacks.plan.stack import check_stack
from foreman_stacks.steps.kind import StepKind
from foreman_stacks.steps.parameter_update import ParameterUpdate
from foreman_stacks.steps.puppet_run import PuppetRun
from tests.unit.foreman_stacks.made import a_plan
from tests.unit.foreman_stacks.plan.conftest import stack
from tests.unit.foreman_stacks.reconcile.desk import Desk, at_desk
from tests.unit.foreman_stacks.reconcile.lives import is_ready

PAGE = Path(__file__).parents[4] / "docs" / "contributing.md"
FIRST = {"name": "first", "puppetRun": {"roles": ["zk"]}}
CALM = {"name": "calm", "after": ["first"], "wait": {"seconds": 90}}
SECOND = {"name": "second", "after": ["calm"], "puppetRun": {"roles": ["zk"]}}


@pytest.fixture
def wider(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A step that may also be of the documented kind; Stacks are parsed with it."""
    section = PAGE.read_text().partition("## A new kind of step")[2].partition("\n## ")[0]
    file, line = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    module = ModuleType("foreman_stacks.steps.wait")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    vars(module)["Step"] = Step
    exec(compile(f"{file}\nclass Wider(Step):\n{line}", "wait.py", "exec"), vars(module))
    step: Any = vars(module)["Wider"]
    steps: Any = (Annotated[tuple[step, ...], keyed(100)], StackSpec.model_fields["steps"])
    spec = create_model("Spec", __base__=StackSpec, steps=steps)
    found = create_model("Stack", __base__=Stack, spec=(spec, Stack.model_fields["spec"]))
    monkeypatch.setattr("foreman_stacks.api.parse.Stack", found)
    return step


def test_a_deployment_with_the_documented_kind_of_step_becomes_ready(wider: Any) -> None:
    async def story(desk: Desk) -> None:
        desk.stack(steps=[FIRST, CALM, SECOND], periodicPuppet="Disabled")
        await desk.until(lambda: desk.step("calm")["state"] == "Running")
        begun = datetime.fromisoformat(desk.step("calm")["startedAt"])
        assert "waits as asked" in desk.message("Reconciling")
        assert desk.done("first")
        jobs = desk.lab.requests["POST /api/v2/job_invocations"]
        await desk.until(lambda: desk.done("calm"))
        assert desk.now() - begun >= timedelta(seconds=90)
        assert desk.lab.requests["POST /api/v2/job_invocations"] == jobs, "what comes after it has not begun"
        await desk.until(lambda: is_ready(desk))
        assert desk.lab.requests["POST /api/v2/job_invocations"] == jobs + 1

    at_desk(story)


def test_a_plan_knows_the_documented_kind_of_step(wider: Any) -> None:
    def with_calm(seconds: int) -> Any:
        return lambda spec: spec.update(steps=[FIRST, {**CALM, "wait": {"seconds": seconds}}, SECOND])

    plan = a_plan(3, with_calm(90))
    assert (plan.order, plan.step("calm").kind) == (("first", "calm", "second"), "wait")
    assert a_plan(3, with_calm(91)).hash != plan.hash
    other = replace(plan, steps=tuple(replace(step, kind=f"{step.kind}2") for step in plan.steps))
    assert plan_hash(other, b"k") != plan.hash, "two kinds may have fields of the same names"


@pytest.mark.parametrize(
    "step, told",
    [
        ({**CALM, "puppetRun": {"roles": ["zk"]}}, "a step has exactly one of puppetRun, parameterUpdate, wait"),
        ({"name": "calm"}, "a step has exactly one of puppetRun, parameterUpdate, wait"),
        ({**CALM, "wait": {"seconds": 0}}, "spec.steps[calm].wait.seconds"),
        ({**CALM, "wait": {"minutes": 1}}, "spec.steps[calm].wait.minutes"),
    ],
)
def test_what_is_wrong_with_such_a_step_is_told(wider: Any, step: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidSpec, match=re.escape(told)):
        stack({"hostgroups": [{"name": "zk"}], "roles": [], "steps": [step]})


def test_the_schema_of_a_step_has_the_documented_kind(wider: Any) -> None:
    schema = structural(wider)
    assert schema["properties"]["wait"]["properties"]["seconds"]["maximum"] == 86_400
    assert [rule["rule"] for rule in schema["x-kubernetes-validations"]] == [
        "[has(self.puppetRun), has(self.parameterUpdate), has(self.wait)].filter(given, given).size() == 1"
    ]


# --- every kind ----------------------------------------------------------------------------------------------------

EVERY: dict[str, StepKind] = {
    "puppetRun": PuppetRun(roles=("zk",)),
    "parameterUpdate": ParameterUpdate(hostgroup="zk", parameter="servers", value=[]),
}


def test_every_kind_is_tried_here() -> None:
    assert tuple(EVERY) == Step.kinds()


@pytest.mark.parametrize("name", EVERY)
def test_a_kind_speaks_of_fields_that_it_has(name: str) -> None:
    kind = EVERY[name]
    fields = type(kind).model_fields
    assert {reference.field for reference in kind.references()} <= {field.alias for field in fields.values()}
    assert kind.undigested <= fields.keys()


@pytest.mark.parametrize("name", EVERY)
def test_names_that_the_stack_does_not_have_are_told_with_their_place(name: str) -> None:
    spec = EVERY[name].model_dump(by_alias=True, exclude_unset=True)
    hostgroups = [{"name": "other", "parameters": [{"name": "servers", "value": []}]}]
    roles = [{"name": "other", "hostgroup": "other", "count": {"min": 1}}]
    body = {"hostgroups": hostgroups, "roles": roles, "steps": [{"name": "s", name: spec}]}
    found = check_stack(parse_stack({"kind": "Stack", "metadata": {"name": "s"}, "spec": body}))
    missing = {f"spec.steps[s].{name}.{ref.field}" for ref in EVERY[name].references() if ref.what != "parameter"}
    assert {problem.path for problem in found} == missing != set()
