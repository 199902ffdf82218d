"""Finds text that Foreman would evaluate: `<%` in any value, even a hidden one, is ERB to it (measured, Foreman 3.12).

Such a value is valid in a Stack or deployment, and only unsuitable for Foreman. So preflight reports it, together with
everything else that is in the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import yaml

from foreman_stacks.errors import Problem
from foreman_stacks.model.values import Json, ValueType
from foreman_stacks.plan.cast import Place

EVALUATED = "contains `<%`, which Foreman would evaluate as ERB"
"""What `erb` says is wrong with each such text."""


def erb(value: Json, place: Place, kind: ValueType | None = None) -> Iterator[Problem]:
    """Yield a problem for each text in the value, including keys, that Foreman would evaluate as ERB.

    In a value of type yaml, `<%` may also be written with escapes.
    """
    if isinstance(value, str):
        if "<%" in value or (kind == "yaml" and _hidden_in_yaml(value)):
            yield Problem(place.path, EVALUATED, "write it without `<%`")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from erb(key, place)
            yield from erb(item, place.inside(key))
    elif isinstance(value, Sequence):
        for number, item in enumerate(value):
            yield from erb(item, place.inside(number))


def _hidden_in_yaml(text: str) -> bool:
    """Whether a scalar in the YAML text contains `<%`.

    This reads events, since loading the text could expand a few aliases to millions of texts.
    """
    events = yaml.parse(text, Loader=yaml.SafeLoader)
    return any("<%" in event.value for event in events if isinstance(event, yaml.ScalarEvent))
