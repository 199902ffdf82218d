from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foreman_stacks.model.values import Bound, Json, Secret, ValueType, alike, canonical, thaw, wire

SCALARS = (
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)

FEW = settings(max_examples=50)


@pytest.mark.parametrize(
    "kind, value, text",
    [
        ("string", "a b", "a b"),
        ("string", '["a"]', '["a"]'),
        ("boolean", True, "true"),
        ("integer", 7, "7"),
        ("real", 1.5, "1.5"),
        ("array", ["a", 1, None], '["a", 1, null]'),
        ("array", [], "[]"),
        ("hash", {"ö": {"b": []}}, '{"ö": {"b": []}}'),
        ("json", "text", '"text"'),
        ("yaml", "a: 1\n", "a: 1\n"),
        ("yaml", {"a": 1}, '{"a": 1}'),
    ],
)
def test_foreman_is_sent_text_arrays_and_hashes_as_json(kind: ValueType, value: Json, text: str) -> None:
    assert wire(kind, value) == text
    assert Bound("x", kind, value).wire == text
    assert Bound("x", kind, Secret(value)).wire == text


@pytest.mark.parametrize(
    "kind, wanted, seen",
    [
        ("string", "5", "5"),
        ("boolean", True, True),
        ("boolean", True, "true"),
        ("integer", 5, 5),
        ("integer", 5, "5"),
        ("real", 1.0, 1),
        ("real", 1.5, "1.5"),
        ("array", ["a"], ["a"]),
        ("array", ["a", "b"], '["a","b"]'),
        ("array", [], "[]"),
        ("array", [1e20], "[1e+20]"),
        ("hash", {"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ("hash", {"a": 1, "b": [2]}, '{"b":[2], "a":1}'),
        ("json", "text", '"text"'),
        ("yaml", "a: 1\n", "a: 1\n"),
        ("yaml", "a: 1\n", {"a": 1}),
        ("yaml", "at: 2026-11-23\n", {"at": "2026-11-23"}),
        ("yaml", {"a": [1]}, "---\na:\n- 1\n"),
    ],
)
def test_what_foreman_answers_is_recognised(kind: ValueType, wanted: Json, seen: Json) -> None:
    assert alike(kind, wanted, seen)


@pytest.mark.parametrize(
    "kind, wanted, seen",
    [
        ("string", "5", 5),
        ("string", "a", "A"),
        ("string", "", None),
        ("boolean", True, False),
        ("boolean", True, "false"),
        ("boolean", True, 1),
        ("boolean", False, None),
        ("integer", 1, True),
        ("integer", 5, "6"),
        ("array", [1], [True]),
        ("array", ["a"], ["a", "b"]),
        ("array", ["a", "b"], ["b", "a"]),
        ("array", ["a"], "no list at all"),
        ("array", [], None),
        ("array", ["1"], [1]),
        ("hash", {"a": 1}, {"a": 1, "b": 2}),
        ("hash", {"a": 0}, {"a": False}),
        ("json", "5", 5),
        ("yaml", "a: 1\n", "a: 2\n"),
        ("yaml", "a: [", {"a": 1}),
    ],
)
def test_another_value_is_told_from_the_wanted_one(kind: ValueType, wanted: Json, seen: Json) -> None:
    assert not alike(kind, wanted, seen)


@FEW
@given(kind=st.sampled_from(get_args(ValueType)), value=JSON)
def test_a_value_is_found_again_as_itself_and_as_its_text(kind: ValueType, value: Json) -> None:
    assert alike(kind, value, value)
    if kind not in {"string", "yaml"} and not isinstance(value, str):
        assert alike(kind, value, wire(kind, value))


def without_points(value: Json) -> Json:
    """The same with 1 for 1.0."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: without_points(part) for name, part in value.items()}
    return [without_points(part) for part in value] if isinstance(value, list) else value


@FEW
@given(value=st.lists(JSON, max_size=2), other=st.lists(JSON, max_size=2))
def test_structures_are_alike_when_json_says_so(value: Json, other: Json) -> None:
    same = canonical(without_points(value)) == canonical(without_points(other))
    assert alike("array", value, other) == same


@FEW
@given(value=st.dictionaries(st.text(max_size=4), JSON, max_size=4))
def test_canonical_text_knows_no_order_of_keys(value: dict[str, Any]) -> None:
    turned = dict(reversed(list(value.items())))
    assert canonical(turned) == canonical(value)
    assert json.loads(canonical(value)) == value


SECRET = "correct horse battery staple"


@pytest.mark.parametrize("value", [SECRET, [SECRET], {"password": SECRET}])
def test_a_secret_shows_itself_to_nobody_but_who_asks_for_it(value: Any) -> None:
    secret = Secret(value)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>5}", "%s" % secret, repr(Bound("x", "json", secret))]  # noqa: UP031 - logging formats so
    assert not any(SECRET in text for text in shown)
    assert secret.reveal() == value
    assert thaw(secret) == value
    assert not hasattr(secret, "__dict__")


def test_secrets_are_equal_by_value_and_to_no_plain_value() -> None:
    assert Secret(["a"]) == Secret(["a"])
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret({"a": 1}), Secret({"a": 1})}) == 1


def test_a_bound_value_is_sensitive_when_it_is_wrapped() -> None:
    assert Bound("x", "string", Secret("a")).sensitive
    assert not Bound("x", "string", "a").sensitive
    assert Bound("x", "string", Secret("a")).plain == "a"
