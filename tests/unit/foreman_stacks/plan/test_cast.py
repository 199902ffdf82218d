from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreman_stacks.api.stack import Constraints
from foreman_stacks.model.values import Json, ValueType
from foreman_stacks.plan.cast import Place, Refused, cast_value, natural
from foreman_stacks.plan.constraints import check_constraints, violations

TAKEN: dict[str, tuple[Json, ValueType, Json]] = {
    "a text stays as it is": ("0644", "string", "0644"),
    "true as text is a boolean": ("true", "boolean", True),
    "a whole number as text is an integer": ("-42", "integer", -42),
    "a whole real is an integer": (3.0, "integer", 3),
    "an integer is a real": (3, "real", 3.0),
    "a number as text is a real": ("1.5e3", "real", 1500.0),
    "JSON text is an array": ('["a", 1]', "array", ["a", 1]),
    "JSON text is a hash": ('{"a": {"b": 1}}', "hash", {"a": {"b": 1}}),
    "JSON text is json": ("[true]", "json", [True]),
    "YAML text stays text": ("a: [1, 2]\n", "yaml", "a: [1, 2]\n"),
    "data is YAML": ({"a": 1}, "yaml", {"a": 1}),
    "an empty list is an array": ([], "array", []),
}


@pytest.mark.parametrize("value,kind,result", TAKEN.values(), ids=TAKEN.keys())
def test_what_loses_nothing_is_taken(value: Json, kind: ValueType, result: Json) -> None:
    found = cast_value(value, kind, Place("p"))
    assert (found, type(found)) == (result, type(result))


QUOTE = "quote it: YAML changes what is not quoted (0644 becomes 420, 1.0 becomes 1, yes becomes true)"
WHOLE = 'write a whole number without leading zeros; declare a mode like "0644" as string, and quote it'
NUMBER = "write a number; declare it as string and quote it if every digit matters"

REFUSED: dict[str, tuple[Json, ValueType, str]] = {
    "0644 that YAML made 420": (420, "string", f"p: is an integer 420 where string is declared; {QUOTE}"),
    "yes that YAML made true": (True, "string", f"p: is a boolean true where string is declared; {QUOTE}"),
    "1.5 as a string": (1.5, "string", f"p: is a real 1.5 where string is declared; {QUOTE}"),
    "a list as a string": (
        ["a"],
        "string",
        'p: is an array ["a"] where string is declared; write text, or declare another type',
    ),
    "yes as a boolean": ("yes", "boolean", 'p: is a string "yes" where boolean is declared; write true or false'),
    "1 as a boolean": (1, "boolean", "p: is an integer 1 where boolean is declared; write true or false"),
    "a mode as an integer": ("0644", "integer", f'p: is a string "0644" where integer is declared; {WHOLE}'),
    "1.5 as an integer": (1.5, "integer", f"p: is a real 1.5 where integer is declared; {WHOLE}"),
    "true as an integer": (True, "integer", f"p: is a boolean true where integer is declared; {WHOLE}"),
    "digits with underscores as a real": ("1_0", "real", f'p: is a string "1_0" where real is declared; {NUMBER}'),
    "more digits than a real has": (
        "0.12345678901234567891",
        "real",
        f'p: is a number "0.12345678901234567891" with more digits than a real can keep; {NUMBER}',
    ),
    "an integer that a real cannot hold": (
        2**53 + 1,
        "real",
        f"p: is a number 9007199254740993 with more digits than a real can keep; {NUMBER}",
    ),
    "a real beyond all bounds": ("1e999", "real", f"p: is not a finite number; {NUMBER}"),
    "a map as an array": ({"a": 1}, "array", 'p: is a hash {"a":1} where array is declared; write a list'),
    "text that is no JSON as a hash": (
        "a: 1",
        "hash",
        'p: is a string "a: 1" where hash is declared; write a map, or its JSON text',
    ),
    "JSON text of another type": ("[]", "hash", "p: is an array [] where hash is declared; write a map"),
    "text that is no YAML": ("a: [", "yaml", "p: is not valid YAML; correct the YAML, or declare it as string"),
    "null": (
        None,
        "string",
        "p: null is not a value; leave the whole entry out: an `optional` parameter may have no value",
    ),
    "null inside a list": ([1, None], "array", "p[1]: null is not a value; leave the key or entry out"),
    "null inside a map": ({"a": {"b": None}}, "hash", "p.a.b: null is not a value; leave the key or entry out"),
    "null in JSON text": ("null", "json", "p: null is not a value; leave the whole entry out"),
    "a number beyond 64 bits": (
        [2**63],
        "array",
        "p[0]: has a number beyond 64 bits; quote it, so that it is a string",
    ),
    "NUL": (
        "a\0",
        "string",
        "p: contains a character that Foreman cannot keep (NUL, or half a surrogate pair); take it out",
    ),
    "a huge text": (
        "a" * 70_000,
        "string",
        "p: is longer than 65536 characters of JSON; keep large data out of parameters",
    ),
}


@pytest.mark.parametrize("value,kind,message", REFUSED.values(), ids=REFUSED.keys())
def test_what_would_lose_something_is_refused(value: Json, kind: ValueType, message: str) -> None:
    with pytest.raises(Refused) as caught:
        cast_value(value, kind, Place("p"))
    assert str(caught.value.problem) == message


def test_a_hidden_value_is_not_quoted_and_its_keys_are_not_told() -> None:
    with pytest.raises(Refused) as caught:
        cast_value("hush", "integer", Place("p", hidden=True))
    assert caught.value.problem.what == "is a string where integer is declared"
    with pytest.raises(Refused) as caught:
        cast_value({"hush": None}, "hash", Place("p", hidden=True))
    assert caught.value.problem.path == "p"


def test_the_result_of_an_expression_is_data_and_no_text_of_data() -> None:
    assert cast_value("[1]", "json", Place("p", text=False)) == "[1]"
    with pytest.raises(Refused):
        cast_value("[1]", "array", Place("p", text=False))


def test_a_deeply_nested_value_is_refused_and_does_not_end_the_process() -> None:
    with pytest.raises(Refused, match="is nested deeper than 32 levels"):
        cast_value("[" * 200 + "]" * 200, "json", Place("p"))
    with pytest.raises(Refused, match="where array is declared"):
        cast_value("[" * 20_000 + "]" * 20_000, "array", Place("p"))


_LEAVES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(_JSON)
def test_every_value_is_of_its_natural_type_unchanged(value: Json) -> None:
    found = cast_value(value, natural(value), Place("p"))
    assert (found, type(found)) == (value, type(value))


@given(_JSON.filter(lambda value: isinstance(value, list | dict)))
def test_json_text_reads_as_the_data_itself(value: Json) -> None:
    assert cast_value(json.dumps(value), natural(value), Place("p")) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_a_real_prints_is_read_as_the_same_real(value: float) -> None:
    found = cast_value(repr(value), "real", Place("p"))
    assert isinstance(found, float)
    assert math.copysign(1, found) == math.copysign(1, value)
    assert found == value


VIOLATED: dict[str, tuple[Json, ValueType, dict[str, Json], str]] = {
    "none of the list": (
        "x",
        "string",
        {"enum": ["a", "b"]},
        'is not one of the allowed values: "x"; choose one of "a", "b"',
    ),
    "below the minimum": (1, "integer", {"minimum": 2.0}, "is too small: 1; the minimum is 2"),
    "above the maximum": (2.5, "real", {"maximum": 2.0}, "is too big: 2.5; the maximum is 2"),
    "too short": ("a", "string", {"minLength": 2}, 'has 1 characters: "a"; the least is 2'),
    "too long": ("abc", "string", {"maxLength": 2}, 'has 3 characters: "abc"; the most is 2'),
    "another pattern": (
        "A1",
        "string",
        {"pattern": "^[a-z]+$"},
        'does not have the required form: "A1"; write text that matches ^[a-z]+$',
    ),
    "too few entries": ([], "array", {"minItems": 1}, "has 0 entries: []; the least is 1"),
    "too many entries": ({"a": 1, "b": 2}, "hash", {"maxItems": 1}, 'has 2 entries: {"a":1,"b":2}; the most is 1'),
}


@pytest.mark.parametrize("value,kind,limits,message", VIOLATED.values(), ids=VIOLATED.keys())
def test_constraints_are_kept(value: Json, kind: ValueType, limits: dict[str, Json], message: str) -> None:
    found = list(violations(value, Constraints.model_validate(limits), kind, Place("p")))
    assert [str(problem) for problem in found] == [f"p: {message}"]


def test_values_within_all_constraints_pass() -> None:
    limits = Constraints.model_validate({"enum": [2, 3], "minimum": 2.0, "maximum": 3.0})
    assert list(violations(2, limits, "integer", Place("p"))) == []
    limits = Constraints.model_validate({"minLength": 2, "maxLength": 2, "pattern": "a"})
    assert list(violations("ba", limits, "string", Place("p"))) == []


def test_true_is_not_allowed_because_one_is() -> None:
    limits = Constraints.model_validate({"enum": [1]})
    assert list(violations(True, limits, "json", Place("p")))  # noqa: FBT003


def test_constraints_that_make_no_sense_are_refused() -> None:
    limits = Constraints.model_validate({"enum": ["a", 1], "minimum": 1.0, "pattern": "["})
    assert [str(problem) for problem in check_constraints(limits, "string", "c")] == [
        "c.minimum: is for integer and real, not for string; take it out",
        f"c.enum[1]: is an integer 1 where string is declared; {QUOTE}",
        "c.pattern: invalid regular expression: missing ]: [; write a regular expression in RE2 syntax",
    ]
