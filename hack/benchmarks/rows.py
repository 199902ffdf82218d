"""The rows of the table, and the table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure: what was measured, its value, what it should be, and whether it is. None: no goal."""

    name: str
    value: str
    goal: str = ""
    ok: bool | None = None


def at_most(name: str, value: float, goal: float, unit: str = "", digits: int = 2) -> Row:
    """A figure that should not be greater than its goal."""
    return Row(name, f"{number(value, digits)}{unit}", f"≤ {number(goal, digits)}{unit}", value <= goal)


def exactly(name: str, value: float, goal: float, unit: str = "") -> Row:
    """A figure that should be its goal."""
    return Row(name, f"{number(value)}{unit}", f"{number(goal)}{unit}", value == goal)


def plain(name: str, value: float, unit: str = "", digits: int = 2) -> Row:
    """A figure to know."""
    return Row(name, f"{number(value, digits)}{unit}")


def number(value: float, digits: int = 2) -> str:
    """A number without zeros that say nothing."""
    text = f"{value:,.{digits}f}".replace(",", " ")
    return text.rstrip("0").rstrip(".") if "." in text else text


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def table(rows: Iterable[Row]) -> str:
    """The figures as a Markdown table."""
    verdicts = {True: "yes", False: "**no**", None: ""}
    lines = [(row.name, row.value, row.goal, verdicts[row.ok]) for row in rows]
    return grid([("figure", "value", "goal", "met"), *lines])


def grid(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns stand below each other; the first line is its head."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |"
        for line in (lines[0], rule, *lines[1:])
    )
