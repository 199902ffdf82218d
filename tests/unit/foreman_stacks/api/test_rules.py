"""The models refuse what the apiserver refuses, and name the field as users write it."""

import pytest

from foreman_stacks.api.parse import PARSERS
from foreman_stacks.errors import InvalidSpec
from tests.api_cases import (
    BASES,
    BROKEN,
    EDIT_RULES,
    EDITS,
    MISSHAPEN,
    RULES,
    SOUND,
    Case,
    edit_rule_places,
    rule_places,
)


def test_every_rule_and_one_of_has_a_sound_and_a_broken_case() -> None:
    for place, message in rule_places():
        covered = [key for key in RULES if key[0] == place and message.startswith(key[1])]
        assert len(covered) == 1, f"{place}: {message}"
        kind, rule = place.split(".")[0], covered[0][1]
        assert any(case.kind == kind and case.rule == rule for case in SOUND)
        assert any(case.kind == kind and case.rule == rule for case in BROKEN)


def test_every_rule_over_an_edit_has_a_sound_and_a_broken_case() -> None:
    for place, message in edit_rule_places():
        covered = [key for key in EDIT_RULES if key[0] == place and message.startswith(key[1])]
        assert len(covered) == 1, f"{place}: {message}"
        assert {edit.blame is None for edit in EDITS if edit.rule == covered[0][1]} == {True, False}


@pytest.mark.parametrize("kind", BASES)
def test_the_base_is_sound(kind: str) -> None:
    PARSERS[kind](Case(kind, "", {}).object)


@pytest.mark.parametrize("case", SOUND, ids=str)
def test_a_sound_object_is_taken(case: Case) -> None:
    PARSERS[case.kind](case.object)


@pytest.mark.parametrize("case", BROKEN + MISSHAPEN, ids=str)
def test_a_broken_object_is_refused_with_the_field(case: Case) -> None:
    with pytest.raises(InvalidSpec) as caught:
        PARSERS[case.kind](case.object)
    assert case.blame in [problem.path for problem in caught.value.problems]
    assert all(problem.what and problem.mend for problem in caught.value.problems)
