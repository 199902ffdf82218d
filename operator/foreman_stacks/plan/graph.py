"""Small graphs of names: an order in which each name follows those that it needs, or the cycle that prevents one."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter


def cycle(after: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return one cycle, whose first and last names are the same (`a`, `b`, `a`: a needs b, b needs a), or nothing."""
    try:
        TopologicalSorter({node: tuple(before) for node, before in after.items()}).prepare()
    except CycleError as error:
        return tuple(reversed(error.args[1]))
    return ()


def order(nodes: Sequence[str], after: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return the nodes, each behind all nodes that it comes `after`; where that leaves a choice, in their given order.

    Names in `after` that are not nodes are ignored. Raises `graphlib.CycleError` when there is no such order: call
    `cycle` first.
    """
    position = {node: place for place, node in enumerate(nodes)}
    sorter = TopologicalSorter({node: [name for name in after.get(node, ()) if name in position] for node in nodes})
    sorter.prepare()
    ready: list[int] = []
    found: list[str] = []
    while sorter.is_active():
        for node in sorter.get_ready():
            heapq.heappush(ready, position[node])
        node = nodes[heapq.heappop(ready)]
        found.append(node)
        sorter.done(node)
    return tuple(found)


def ancestors(node: str, after: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Return all names that must come before the node, directly or not; the node itself only if it is in a cycle."""
    found: set[str] = set()
    ahead = list(after.get(node, ()))
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead.extend(after.get(name, ()))
    return frozenset(found)
