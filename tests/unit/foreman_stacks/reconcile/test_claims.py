from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from foreman_stacks.model.outcome import Stalled, Wait
from foreman_stacks.reconcile.claims import Claimant, Claims

NOW = datetime(2026, 11, 23, 12, 1, tzinfo=UTC)
GRACE = timedelta(seconds=2)
OLD = Claimant(pending=True, created="2026-11-23T12:00:00Z", namespace="b", name="x")
YOUNG = Claimant(pending=True, created="2026-11-23T12:00:05Z", namespace="a", name="x")
TWIN = Claimant(pending=True, created="2026-11-23T12:00:00Z", namespace="a", name="x")
ACCEPTED = Claimant(pending=False, created="2026-11-23T13:00:00Z", namespace="z", name="x")


@pytest.mark.parametrize(
    "who, first",
    [
        ((OLD, YOUNG), OLD),
        ((OLD, TWIN), TWIN),
        ((OLD, YOUNG, ACCEPTED), ACCEPTED),
    ],
    ids=["the older", "of one call, by namespace", "the accepted, however young"],
)
def test_of_all_who_want_a_name_one_gets_it_in_whatever_order_they_come(
    who: tuple[Claimant, ...], first: Claimant
) -> None:
    for order in permutations(who):
        claims = Claims(NOW, GRACE)
        for claimant in order:
            claims.claim("f", ["zk-1"], claimant)
        lost = {claimant: claims.claim("f", ["zk-1"], claimant) for claimant in order}
        assert {claimant for claimant, found in lost.items() if not found} == {first}
        assert all(found == {"zk-1": first} for claimant, found in lost.items() if claimant != first)


def test_only_the_names_that_somebody_else_comes_first_to_are_lost() -> None:
    claims = Claims(NOW, GRACE)
    claims.claim("f", ["zk-1", "zk-2"], OLD)
    assert set(claims.claim("f", ["zk-2", "zk-3"], YOUNG)) == {"zk-2"}


def test_every_server_has_names_of_its_own() -> None:
    claims = Claims(NOW, GRACE)
    claims.claim("f", ["zk-1"], OLD)
    assert claims.claim("g", ["zk-1"], YOUNG) == {}


def test_a_new_claim_stands_instead_of_the_one_before() -> None:
    claims = Claims(NOW, GRACE)
    claims.claim("f", ["zk-1"], OLD)
    claims.claim("f", ["zk-9"], OLD)
    assert claims.claim("f", ["zk-1"], YOUNG) == {}


def test_who_is_gone_wants_nothing_and_leaves_nothing_behind() -> None:
    claims = Claims(NOW, GRACE)
    claims.claim("f", ["zk-1"], OLD)
    assert claims.claim("f", ["zk-1"], YOUNG)
    claims.drop("b", "x")
    assert claims.claim("f", ["zk-1"], YOUNG) == {}
    claims.drop("a", "x")
    claims.drop("a", "x")
    claims.check("f", {"zk-1": "zk"}, TWIN, NOW)
    claims.drop("a", "x")
    assert (claims._names, claims._held, claims._waiting) == ({}, {}, {})


def conflict(wanted: dict[str, str]) -> str:
    """What the younger is told that wants the names which another one has."""
    claims = Claims(NOW, GRACE)
    claims.claim("f", wanted, OLD)
    found = claims.check("f", {**wanted, "free-1": "free"}, YOUNG, NOW + GRACE)
    assert isinstance(found, Stalled)
    return found.message


def test_two_servers_of_one_url_are_one_foreman() -> None:
    claims = Claims(NOW, GRACE)
    assert claims.check("https://Foreman.example.com/", {"zk-1": "zk"}, OLD, NOW + GRACE) is None
    assert isinstance(claims.check("https://foreman.example.com", {"zk-1": "zk"}, YOUNG, NOW + GRACE), Stalled)


MEND = "put {namespace} and {deployment} into hostname; if it has both, rename the deployment"


@pytest.mark.parametrize(
    "number, told",
    [
        (1, "the name zk-1 is"),
        (2, "the names zk-1, zk-2 are"),
        (5, "the names zk-1, zk-2, zk-3, zk-4, zk-5 are"),
        (12, "the names zk-1, zk-2, zk-3, zk-4, zk-5 and 7 more are"),
    ],
)
def test_a_conflict_tells_role_and_names_and_nothing_of_the_other_one(number: int, told: str) -> None:
    assert conflict({f"zk-{index}": "zk" for index in range(1, number + 1)}) == (
        f"spec.roles[zk].hostname: {told} wanted by another deployment that came first; {MEND}"
    )


def test_every_role_with_a_conflict_is_a_line() -> None:
    wanted = {"web-1": "web", "db-1": "db", "web-2": "web"}
    assert [line.partition(" wanted ")[0] for line in conflict(wanted).splitlines()] == [
        "spec.roles[web].hostname: the names web-1, web-2 are",
        "spec.roles[db].hostname: the name db-1 is",
    ]


@pytest.mark.parametrize("who, after, waits", [(YOUNG, 1, True), (YOUNG, 2, False), (ACCEPTED, 1, False)])
def test_nobody_new_is_accepted_before_those_that_come_first_must_have_been_seen(
    who: Claimant, after: int, waits: bool
) -> None:
    found = Claims(NOW, GRACE).check("f", {"zk-1": "zk"}, who, NOW + timedelta(seconds=after))
    assert isinstance(found, Wait) is waits


@pytest.mark.parametrize("ahead", ["the process's start", "the creation"])
def test_what_is_told_of_the_future_counts_from_the_first_look_on(ahead: str) -> None:
    """The clock was ahead, and has been set back; or it is behind the one of the apiserver."""
    far = NOW + timedelta(hours=6)
    claims = Claims(far if ahead == "the process's start" else NOW, GRACE)
    who = OLD if ahead == "the process's start" else replace(OLD, created=far.isoformat())
    found = [claims.check("f", {"zk-1": "zk"}, who, NOW + timedelta(seconds=seconds)) for seconds in (0, 1, 2)]
    assert [wait.after if isinstance(wait, Wait) else wait for wait in found] == [2.0, 1.0, None]


def test_who_waits_while_the_clock_is_set_back_waits_no_longer_than_the_grace() -> None:
    claims = Claims(NOW, GRACE)
    later, earlier = NOW + timedelta(seconds=1), NOW - timedelta(hours=6)
    assert isinstance(claims.check("f", {"zk-1": "zk"}, OLD, later), Wait)
    assert isinstance(claims.check("f", {"zk-1": "zk"}, OLD, earlier), Wait)
    assert claims.check("f", {"zk-1": "zk"}, OLD, earlier + GRACE) is None
