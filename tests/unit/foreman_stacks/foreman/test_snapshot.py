"""What a decision lacks is asked for together."""

from __future__ import annotations

import pytest

from foreman_stacks.foreman.port import HostTaken, Snapshot, Unread, together

ONE, TWO, THREE = HostTaken("one"), HostTaken("two"), HostTaken("three")


def test_what_is_lacking_for_several_is_asked_for_once_and_together() -> None:
    seen = Snapshot({ONE: 1})
    with pytest.raises(Unread) as unread:
        together(lambda query: seen[query], [ONE, TWO, THREE, TWO])
    assert unread.value.queries == (TWO, THREE)


def test_with_all_answers_there_is_one_result_for_each_in_order() -> None:
    seen = Snapshot({ONE: 1, TWO: None})
    assert together(lambda query: seen[query], [TWO, ONE]) == [None, 1]
    assert together(lambda query: seen[query], []) == []


def test_another_error_is_no_question() -> None:
    with pytest.raises(ZeroDivisionError):
        together(lambda number: 1 // number, [1, 0])
