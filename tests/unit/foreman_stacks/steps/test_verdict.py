import pytest

from foreman_stacks.steps.verdict import Again, Bad, Verdict, cause_in, silent, unreachable

REFUSED = """Info: Using environment 'production'
Error: Could not retrieve catalog from remote server: Error 500 on SERVER: Evaluation Error: no such thing
Error: Could not retrieve catalog; skipping run
Exit status: 1
StandardError: Job execution failed"""


@pytest.mark.parametrize(
    "output, cause",
    [
        (
            REFUSED,
            " | ".join(REFUSED.splitlines()[1:3]),
        ),
        ("one\ntwo\n\nthree\nfour\nExit status: 1\nStandardError: Job execution failed", "two | three | four"),
        ("Exit status: 1", "Exit status: 1"),
        ("", ""),
    ],
)
def test_the_cause_is_what_the_host_said_and_not_what_was_added(output: str, cause: str) -> None:
    assert cause_in(output) == cause


def test_the_cause_of_a_flood_begins_with_its_first_error() -> None:
    found = cause_in(f"Error: first\nError: {'x' * 5000}\n" + "noise\n" * 1000)
    assert found.startswith("Error: first | Error: xxx")
    assert len(found) == 500


@pytest.mark.parametrize(
    "verdict, hidden",
    [
        (Bad("RunFailed", "Error: s3cret"), True),
        (Bad("ResourcesFailed", "Error: s3cret", 7), True),
        (unreachable("s3cret\nEXCEPTION: no route"), True),
        (Bad("Timeout", "no result"), False),
        (Again("a Puppet run is already in progress", 30.0), False),
    ],
)
def test_a_silent_verdict_has_only_words_of_ours(verdict: Verdict, hidden: bool) -> None:
    found = silent(verdict)
    assert ("s3cret" in str(verdict), "s3cret" in str(found)) == (hidden, False)
    assert (found != verdict) == hidden
    assert getattr(found, "reason", None) == getattr(verdict, "reason", None)
