from __future__ import annotations

import asyncio
from typing import cast
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreman_stacks.errors import ForemanUnreachable
from foreman_stacks.foreman.port import HostDetail, HostNamed
from foreman_stacks.foreman.search import AT_ONCE, ROOM, Lists, chunks, each, one_of, quoted


@pytest.mark.parametrize(
    "text, found",
    [
        ("a", '"a"'),
        ("Base/Debian 12", '"Base/Debian 12"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("back\\slash", '"back\\\\slash"'),
    ],
)
def test_quoting(text: str, found: str) -> None:
    assert quoted(text) == found


@given(text=st.text())
def test_a_quoted_text_ends_where_it_ends(text: str) -> None:
    inside = quoted(text)[1:-1]
    assert inside.replace("\\\\", "").replace('\\"', "").count('"') == 0
    assert not inside.replace("\\\\", "").endswith("\\")


def test_lists() -> None:
    assert one_of(["a", "b"]) == "(a,b)"
    assert one_of([3, 4]) == "(3,4)"


@given(names=st.lists(st.text(min_size=1, max_size=300), max_size=300), most=st.integers(1, 120))
def test_parts_are_whole_in_order_and_fit(names: list[str], most: int) -> None:
    queries = [HostNamed(name) for name in names]
    parts = list(chunks(queries, lambda query: query.fqdn, most))
    assert [query for part in parts for query in part] == queries
    assert all(0 < len(part) <= most for part in parts)
    assert all(len(part) == 1 or len(quote(one_of(query.fqdn for query in part))) <= ROOM for part in parts)


def test_a_hundred_long_names_are_more_than_one_search() -> None:
    queries = [HostNamed(f"{number:03}-{'x' * 150}.example.com") for number in range(100)]
    assert len(list(chunks(queries, lambda query: query.fqdn))) > 1


class Asked:
    """What answers one query at a time, as soon as it may."""

    def __init__(self, broken: int = -1) -> None:
        self.now, self.most, self.asked, self.broken = 0, 0, 0, broken

    async def read(self, _: Lists, query: HostDetail) -> int:
        self.asked += 1
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        if query.id == self.broken:
            raise ForemanUnreachable("gone")
        return 10 * query.id


def test_of_many_requests_only_a_few_are_in_flight() -> None:
    """Else whoever comes later waits for all of them: the client has few slots, and gives them in order."""

    async def story() -> None:
        asked, queries = Asked(), [HostDetail(number) for number in range(100)]
        answers = await each(asked.read)(cast("Lists", None), queries)
        assert answers == {query: 10 * query.id for query in queries}
        assert asked.most == AT_ONCE < 10

    asyncio.run(story())


def test_after_an_error_the_rest_is_not_asked() -> None:
    async def story() -> None:
        asked = Asked(broken=6)
        with pytest.raises(ForemanUnreachable):
            await each(asked.read)(cast("Lists", None), [HostDetail(number) for number in range(100)])
        while asked.now:
            await asyncio.sleep(0)
        assert asked.asked <= 6 + 2 * AT_ONCE

    asyncio.run(story())
