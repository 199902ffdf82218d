"""Helpers for the wording of messages."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return `1 host`, `2 hosts`; for nouns whose plural only adds an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
