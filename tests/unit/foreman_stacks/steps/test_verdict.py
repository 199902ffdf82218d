import pytest

from foreman_stacks.steps.verdict import cause_in

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
