"""The rows of the table, and the table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure: what was measured, its value, its goal, and whether the goal is met (None: there is no goal)."""

    name: str
    value: str
    goal: str = ""
    ok: bool | None = None


def at_most(name: str, value: float, goal: float, unit: str = "", digits: int = 2) -> Row:
    """Return a figure that should not exceed its goal."""
    return Row(name, f"{number(value, digits)}{unit}", f"≤ {number(goal, digits)}{unit}", value <= goal)


def exactly(name: str, value: float, goal: float, unit: str = "") -> Row:
    """Return a figure that should equal its goal."""
    return Row(name, f"{number(value)}{unit}", f"{number(goal)}{unit}", value == goal)


def plain(name: str, value: float, unit: str = "", digits: int = 2) -> Row:
    """Return a figure without a goal."""
    return Row(name, f"{number(value, digits)}{unit}")


def number(value: float, digits: int = 2) -> str:
    """Format a number without trailing zeros, with spaces between thousands."""
    text = f"{value:,.{digits}f}".replace(",", " ")
    return text.rstrip("0").rstrip(".") if "." in text else text


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def table(rows: Iterable[Row]) -> str:
    """Return the figures as a Markdown table."""
    verdicts = {True: "yes", False: "**no**", None: ""}
    lines = [(row.name, row.value, row.goal, verdicts[row.ok]) for row in rows]
    return grid([("figure", "value", "goal", "met"), *lines])


def grid(lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns; the first line is its header."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |"
        for line in (lines[0], rule, *lines[1:])
    )
