"""Every word that a condition can say is said somewhere, and explained to people."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from foreman_stacks.api.deployedhost import HostState
from foreman_stacks.model.reasons import ConditionType, Reason

ROOT = Path(__file__).parents[3]
PRODUCT = ROOT / "operator" / "foreman_stacks"
CONCEPTS = (ROOT / "docs" / "concepts.md").read_text()
SOURCE = "\n".join(path.read_text() for path in PRODUCT.rglob("*.py") if path.name != "reasons.py")
_CALLS = re.compile(r'(?:Bad|FailedHost|_fail)\([^"()]*"([A-Z][A-Za-z]+)"(?: if [^"]* else "([A-Z][A-Za-z]+)")?')
FAILED = {word for words in _CALLS.findall(SOURCE) for word in words if word}
"""The words by which failed hosts are told: the first text in such a call."""


def explained(word: str) -> bool:
    """Whether a row of a table begins with the word, and has no empty cell."""
    rows = [line for line in CONCEPTS.splitlines() if line.startswith("|") and f"`{word}`" in line.split("|")[1]]
    return any(all(cell.strip() for cell in row.strip().strip("|").split("|")) for row in rows)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.DRIFTED])
def test_every_reason_is_explained(reason: Reason) -> None:
    assert explained(reason.value)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_used(reason: Reason) -> None:
    assert re.search(rf"\bReason\.{reason.name}\b", SOURCE)


@pytest.mark.parametrize("condition", ConditionType)
def test_every_condition_is_used_and_explained(condition: ConditionType) -> None:
    assert re.search(rf"\bConditionType\.{condition.name}\b", SOURCE)
    assert explained(condition.value)


def test_every_reason_of_a_failed_host_is_explained() -> None:
    assert {"BuildFailed", "CreateRefused", "ReportMissing", "RunFailed", "JobLost"} <= FAILED
    assert not sorted(word for word in FAILED if not explained(word))
    rows = re.findall(r"^\| `.*$", CONCEPTS.partition("`status.failedHosts` gives")[2], re.MULTILINE)
    assert {word for row in rows for word in re.findall(r"`([A-Za-z]+)`", row.split("|")[1])} == FAILED
    assert all(len(row.strip("| ").split(" | ")) == len(("reason", "means", "what to do")) for row in rows)


def test_every_state_of_a_host_is_explained_and_no_other() -> None:
    section = CONCEPTS.partition("## The state of a host")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| `([A-Za-z]+)` \|", section, re.MULTILINE)) == get_args(HostState)


def test_the_tables_explain_no_word_that_is_none() -> None:
    """What was renamed or taken out is gone from the tables too."""
    section = CONCEPTS.partition("## Conditions and reasons")[2]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    words = {word for cell in cells for word in re.findall(r"`([A-Za-z]+)`", cell)}
    known = {*Reason, *ConditionType, *FAILED}
    assert sorted(words - known) == []
