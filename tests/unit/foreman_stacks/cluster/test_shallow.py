from __future__ import annotations

import json
from typing import Any

import pytest

from foreman_stacks.cluster.shallow import DEEPEST, ShallowDecoder, cut, deep


def nested(levels: int, sign: str = "[]") -> str:
    opening = '{"k":' if sign == "{}" else sign[0]
    return opening * levels + "1" + sign[1] * levels


def read(text: str) -> Any:
    return json.loads(text, cls=ShallowDecoder)


@pytest.mark.parametrize("sign", ["[]", "{}"])
@pytest.mark.parametrize("levels", [DEEPEST + 1, 900, 10_000])
def test_what_is_too_deep_is_cut_and_the_rest_stays(levels: int, sign: str) -> None:
    text = f'{{"items": [{{"a": {nested(levels, sign)}, "b": "[[{{\\"", "c": {nested(3)}}}, {{"d": [[2]]}}]}}'
    found = read(text)
    assert not deep(found)
    assert found["items"][0]["b"] == '[[{"'
    assert found["items"][0]["c"] == [[[1]]]
    assert found["items"][1] == {"d": [[2]]}


def test_what_is_not_too_deep_is_as_it_was() -> None:
    text = nested(DEEPEST)
    assert read(text) == json.loads(text)
    assert cut(text) == text
    assert not deep(json.loads(text))
    assert deep(json.loads(nested(DEEPEST + 1)))


@pytest.mark.parametrize(
    "text, shallow",
    [
        ('[[["]"]],[[{}],3]]', "[[null],[null,3]]"),
        ('[[],{"a":[]}]', '[[],{"a":null}]'),
        ('["\\\\",[["\\""]]]', '["\\\\",[null]]'),
    ],
)
def test_lists_and_maps_below_the_deepest_level_become_null(text: str, shallow: str) -> None:
    assert cut(text, deepest=2) == shallow


def test_what_is_no_json_is_none_at_any_depth() -> None:
    with pytest.raises(json.JSONDecodeError):
        read("[" * 20_000)
