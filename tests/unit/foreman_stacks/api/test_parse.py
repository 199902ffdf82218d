"""Problems as people read them."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreman_stacks.api.parse import MAX_PROBLEMS, PARSERS, parse_deployment, parse_server, parse_stack
from foreman_stacks.cluster.port import API_VERSION
from foreman_stacks.errors import InvalidSpec, Problem
from foreman_stacks.model.schema import MAX_VALUE
from tests.api_cases import BASES, Case


def problems(kind: str, **change: Any) -> list[Problem]:
    parse = {"Stack": parse_stack, "StackDeployment": parse_deployment, "ForemanServer": parse_server}[kind]
    with pytest.raises(InvalidSpec) as caught:
        parse(Case(kind, "", {path.replace("__", "."): value for path, value in change.items()}).object)
    return caught.value.problems


def test_all_problems_come_at_once() -> None:
    found = problems("Stack", spec__roles__0__count={"min": "3"}, spec__steps__0={"name": "x"}, spec__rolls=[])
    assert {problem.path for problem in found} == {"spec.roles[zk].count.min", "spec.steps[x]", "spec.rolls"}


def test_a_typo_is_mended_with_the_nearest_field() -> None:
    (problem,) = problems("Stack", spec__periodicPupet="Enabled")
    assert str(problem) == "spec.periodicPupet: is not a known field; did you mean periodicPuppet?"


def test_an_unknown_field_far_from_any_other_lists_what_is_known() -> None:
    (problem,) = problems("Stack", spec__roles__0__count={"min": 1, "xyz": 2})
    assert problem.mend == "remove it; known fields are min, max, default"


def test_a_wrong_entry_does_not_make_its_list_look_empty() -> None:
    assert [problem.path for problem in problems("Stack", spec__roles__0__count={})] == ["spec.roles[zk].count.min"]


@pytest.mark.parametrize("value", [None, "x" * MAX_VALUE])
def test_null_and_huge_values_are_refused_by_path(value: str | None) -> None:
    for kind, path in (
        ("Stack", "spec.hostgroups[zk].parameters[servers].value"),
        ("StackDeployment", "spec.parameters[size].value"),
    ):
        place = "spec__hostgroups__0__parameters__0__value" if kind == "Stack" else "spec__parameters__0__value"
        assert [problem.path for problem in problems(kind, **{place: value})] == [path]


def test_a_null_default_is_refused() -> None:
    (problem,) = problems("Stack", spec__parameters__0__default=None)
    assert problem.path == "spec.parameters[size].default"


def test_no_value_appears_in_a_problem() -> None:
    secret = "canary-7e0a"
    found = problems(
        "StackDeployment", spec__parameters__0={"name": "size", "value": secret, "valueFrom": secret, "x": secret}
    )
    assert found
    assert secret not in " ".join(map(str, found))


def test_falsy_values_are_values() -> None:
    values: list[Any] = [False, 0, "", [], {}]
    for value in values:
        stack = parse_stack(Case("Stack", "", {"spec.hostgroups.0.parameters.0.value": value}).object)
        entry = stack.spec.hostgroups[0].parameters[0]
        assert entry.literal
        assert entry.value == value


def test_deep_nesting_is_refused_by_path() -> None:
    deep: list[Any] = []
    for _ in range(9000):
        deep = [deep]
    (problem,) = problems("StackDeployment", spec__parameters__0__value=deep)
    assert str(problem) == "spec.parameters[size].value: is nested too deeply; keep values flat"


def test_thousands_of_problems_are_cut() -> None:
    found = problems("Stack", spec__outputs=[{} for _ in range(5000)])
    assert len(found) == MAX_PROBLEMS + 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def places(node: Any, path: str) -> Iterator[str]:
    yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from places(child, f"{path}.{key}")


PLACES = [(kind, place) for kind, spec in BASES.items() for place in places(spec, "spec")]


@given(st.sampled_from(PLACES), JSON)
def test_any_json_anywhere_is_taken_or_refused(place: tuple[str, str], value: Any) -> None:
    kind, path = place
    with contextlib.suppress(InvalidSpec):
        PARSERS[kind](Case(kind, "", {path: value}).object)


def test_another_version_is_refused() -> None:
    obj = Case("Stack", "", {}).object | {"apiVersion": "stacks.theforeman.org/v9"}
    with pytest.raises(InvalidSpec, match=f"apiVersion: .*; write {API_VERSION}"):
        parse_stack(obj)


def test_a_status_of_another_version_can_be_read() -> None:
    obj = Case("StackDeployment", "", {}).object | {"status": {"observedGeneration": 3, "later": {"a": 1}, "steps": []}}
    assert parse_deployment(obj).status.observed_generation == 3


def test_a_fresh_object_has_never_been_looked_at() -> None:
    assert parse_deployment(Case("StackDeployment", "", {}).object).status.observed_generation == -1
