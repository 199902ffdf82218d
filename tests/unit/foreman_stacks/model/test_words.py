from __future__ import annotations

import pytest

from foreman_stacks.model.words import counted


@pytest.mark.parametrize("number, told", [(0, "0 hosts"), (1, "1 host"), (2, "2 hosts"), (11, "11 hosts")])
def test_one_is_no_plural(number: int, told: str) -> None:
    assert counted(number, "host") == told
