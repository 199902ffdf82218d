"""Text that Foreman would evaluate: to it `<%` in any value is ERB, in hidden ones too (measured, Foreman 3.12).

Such a value fits its type and its plan, it is Foreman that cannot take it: preflight tells it, with what else is in the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import yaml

from foreman_stacks.errors import Problem
from foreman_stacks.model.values import Json, ValueType
from foreman_stacks.plan.cast import Place

EVALUATED = "contains `<%`, which Foreman would evaluate as ERB"
"""What is wrong with each of them."""


def erb(value: Json, place: Place, kind: ValueType | None = None) -> Iterator[Problem]:
    """Each text in the value, keys too, that Foreman would evaluate; of type yaml also what its escapes stand for."""
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
    """Event by event: to load it would let a few aliases become millions of texts."""
    events = yaml.parse(text, Loader=yaml.SafeLoader)
    return any("<%" in event.value for event in events if isinstance(event, yaml.ScalarEvent))
