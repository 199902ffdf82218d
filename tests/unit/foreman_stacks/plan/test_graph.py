from __future__ import annotations

import itertools
from graphlib import CycleError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreman_stacks.plan.graph import ancestors, cycle, order


def test_ties_are_broken_by_the_written_order() -> None:
    assert order(["d", "b", "c", "a"], {"d": ["a"], "c": ["b"]}) == ("b", "c", "a", "d")


def test_a_cycle_is_named_from_what_needs_to_what_is_needed() -> None:
    loop = cycle({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]})
    assert loop[0] == loop[-1]
    assert set(loop) == {"a", "b", "c"}
    assert all((one, two) in {("a", "b"), ("b", "c"), ("c", "a")} for one, two in itertools.pairwise(loop))


def test_without_a_cycle_there_is_none_to_name() -> None:
    assert cycle({"a": ["b"], "b": []}) == ()


def test_names_that_are_no_nodes_are_ignored_in_an_order() -> None:
    assert order(["a"], {"a": ["elsewhere"]}) == ("a",)


def test_a_cycle_has_no_order() -> None:
    with pytest.raises(CycleError):
        order(["a", "b"], {"a": ["b"], "b": ["a"]})


def test_ancestors_are_found_through_any_number_of_others() -> None:
    assert ancestors("d", {"d": ["c", "b"], "c": ["a"], "b": ["a"], "x": ["d"]}) == {"a", "b", "c"}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20))
def test_every_order_keeps_what_comes_after_what(pairs: list[tuple[int, int]]) -> None:
    after: dict[str, list[str]] = {str(node): [] for node in range(10)}
    for one, two in pairs:
        if one != two:
            after[str(max(one, two))].append(str(min(one, two)))
    found = order(list(reversed(list(after))), after)
    assert sorted(found) == sorted(after)
    assert all(found.index(before) < found.index(node) for node, all_before in after.items() for before in all_before)
