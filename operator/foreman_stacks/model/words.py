"""Words of messages."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """`1 host`, `2 hosts`; for nouns whose plural ends in s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
