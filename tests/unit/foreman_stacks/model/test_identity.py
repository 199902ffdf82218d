from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foreman_stacks.model.identity import HostRef, Identity, Mark, indices, ranges

LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
NAME = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
MARKS = st.builds(
    Mark,
    identity=st.builds(lambda *parts: str(Identity(*parts)), LABEL, LABEL, LABEL),
    origin=st.sampled_from(["Created", "Adopted"]),
    role=st.just("") | NAME,
    index=st.integers(0, 5000),
    source=st.just("") | NAME,
    group=st.just("") | NAME,
    staging=st.booleans(),
)

FEW = settings(max_examples=40)


@FEW
@given(mark=MARKS)
def test_a_mark_is_read_as_it_was_written(mark: Mark) -> None:
    assert Mark.parse(str(mark)) == mark


@FEW
@given(mark=MARKS)
def test_a_mark_begins_with_the_text_that_is_searched_for(mark: Mark) -> None:
    identity = Identity(*mark.identity.split("/"))
    assert str(mark).startswith(identity.search)


def test_the_text_of_a_hosts_mark() -> None:
    mark = Mark("i/ops/ring", role="zk", index=3, source="lab")
    assert str(mark) == "v1 i/ops/ring Created role=zk index=3 source=lab"
    assert mark.ref == HostRef("zk", 3)


def test_one_name_is_not_found_by_a_search_for_the_beginning_of_another() -> None:
    longer = str(Mark("i/ops/ring2", role="zk", index=1))
    assert Identity("i", "ops", "ring").search not in longer
    assert Identity("i", "ops", "ring2").search in longer


@pytest.mark.parametrize(
    "text",
    [
        None,
        5,
        ["v1 i/ops/ring Created"],
        "",
        "v1",
        "v2 i/ops/ring Created role=zk",
        "v1 ops/ring Created role=zk",
        "v1 i/ops/ring/more Created",
        "v1 i/ops/ring Made role=zk",
        "v1 i/ops/ring Created role",
        "v1 i/ops/ring Createdrole=zk",
        " v1 i/ops/ring Created",
        "*****",
    ],
)
def test_what_is_no_mark_is_none(text: object) -> None:
    assert Mark.parse(text) is None


@pytest.mark.parametrize("index", ["", "x", "-1", "1.5", "²", "1e3"])
def test_an_odd_index_is_no_index(index: str) -> None:
    found = Mark.parse(f"v1 i/ops/ring Created role=zk index={index}")
    assert found is not None
    assert found.index == 0


def test_words_of_a_later_version_are_passed_over() -> None:
    found = Mark.parse("v1 i/ops/ring Created role=zk index=2 colour=blue")
    assert found == Mark("i/ops/ring", role="zk", index=2)


def test_names_of_our_hostgroups_end_with_namespace_and_name() -> None:
    assert Identity("i", "ops", "ring").suffix == "(ops.ring)"


@pytest.mark.parametrize(
    "found, text",
    [((), ""), ((1,), "1"), ((1, 2), "1-2"), ((3, 1, 2), "1-3"), ((1, 3, 4, 5, 9), "1,3-5,9"), ((2, 2), "2")],
)
def test_ranges_are_short(found: tuple[int, ...], text: str) -> None:
    assert ranges(found) == text


@given(found=st.frozensets(st.integers(1, 5000)))
def test_indices_is_the_inverse_of_ranges(found: frozenset[int]) -> None:
    text = ranges(found)
    assert indices(text) == found
    assert re.fullmatch(r"([0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*)?", text)


@given(found=st.frozensets(st.integers(1, 60)))
def test_no_text_of_ranges_is_longer_than_that_of_all_indices(found: frozenset[int]) -> None:
    assert len(ranges(found)) <= len(",".join(map(str, sorted(found))))


@pytest.mark.parametrize("text", ["x", "-", "1,,x", "1-2-3", "1-99999999999", "9-1", "0", "1,0-3"])
def test_what_is_no_text_of_ranges_is_refused_and_costs_nothing(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        indices(text)
