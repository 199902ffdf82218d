"""Figures from counts that are made up: what each counts, and what it does not."""

from typing import Any

import pytest
from prometheus_client import generate_latest

from benchmarks import figures, path
from benchmarks.runs import OUTPUT, VALUES, Laboratory, Look, Rollout, Sizes, Unfinished, failures
from benchmarks.stand import Counts, parsed, polled
from foreman_stacks.metrics import Metrics, polling


def a_job(
    number: int, step: str, began: float, results: dict[str, float], failed: dict[str, float] | None = None
) -> list[dict[str, Any]]:
    """What the audit log tells of a job: when it began, when hosts were done, when hosts had failed."""
    ends = [(host, time, "success") for host, time in results.items()]
    ends += [(host, time, "failed") for host, time in (failed or {}).items()]
    about = {"event": "job", "time": began, "job": number, "description": f"foreman-stacks {step} ops/bench abc"}
    return [
        about,
        *({"event": "job_result", "time": time, "job": number, "host": host, "result": result} for host, time, result in ends),
    ]  # fmt: skip


MADE = {"a": 100.0, "b": 100.5, "c": 101.0}
READY = {"a": 300.0, "b": 350.0, "c": 400.0}
"""The slowest build takes 299 s, and the last host can be reached 301 s after the beginning at 99."""


def measured(*jobs: list[dict[str, Any]], ended: float = 500.0) -> path.Path:
    return path.measured([entry for job in jobs for entry in job], MADE, READY, 99.0, ended)


QUIET = a_job(3, "Quiesce", 405, {"c": 415})
RUN = a_job(4, "first", 420, {"a": 430, "b": 445, "c": 440})
PERIODIC = a_job(5, "PeriodicPuppet", 450, {"a": 455, "b": 456, "c": 460})


def test_the_critical_path_is_creating_building_and_the_slowest_host_of_each_run() -> None:
    found = measured(QUIET, RUN, PERIODIC)
    assert found.create == pytest.approx(0.225)
    assert (found.build, found.reached) == (299.0, 301.0)
    assert found.critical == pytest.approx(0.225 + 299 + 45)
    assert found.makespan == 401
    assert found.runs == (10, 25, 10)


def test_quiesce_counts_once_however_often_it_is_tried() -> None:
    """Tries that pass while the slowest host is built, and those at hosts that were kept waiting."""
    early = a_job(1, "Quiesce", 305, {"a": 315}, {"b": 312})
    half = a_job(2, "Quiesce", 355, {"b": 398}, {"c": 360})
    late = a_job(6, "Quiesce", 416, {"b": 419})
    assert measured(early, half, QUIET, late, RUN, PERIODIC).runs == (10, 25, 10)


def test_of_a_run_counts_what_is_after_the_last_host_can_be_reached() -> None:
    across = a_job(1, "Quiesce", 390, {"b": 395, "c": 412})
    other_role = a_job(2, "other", 340, {"a": 380})
    assert measured(across, other_role).runs == (12,)


def test_runs_side_by_side_count_what_they_cover_together() -> None:
    other = a_job(6, "other", 425, {"a": 455})
    inside = a_job(7, "inside", 430, {"a": 440})
    assert measured(RUN, other, inside).runs == (25, 10)


def test_a_run_that_failed_everywhere_does_not_count() -> None:
    assert measured(a_job(1, "first", 410, {}, {"a": 415}), RUN).runs == (25,)


def test_hosts_that_are_created_while_the_slowest_is_built_do_not_add_to_it() -> None:
    made = dict.fromkeys(map(str, range(40)), 100.0)
    ready = made | {"0": 400.0}
    found = path.measured([], made, ready, 99.9, 401.0)
    assert found.create + found.build == 303
    assert found.critical == pytest.approx(300.1)


@pytest.mark.parametrize("shift", range(0, 120, 7))
def test_nothing_is_quicker_than_its_critical_path(shift: float) -> None:
    """A deployment that ends with its last job, wherever its other jobs lie."""
    jobs = [
        a_job(number, step, 280 + number * shift / 3, {"a": 300 + number * shift, "c": 310 + number * shift / 2})
        for number, step in enumerate(["Quiesce", "Quiesce", "first", "other", "second", "PeriodicPuppet"], 1)
    ]
    ended = max([READY["c"], *(entry["time"] for job in jobs for entry in job)])
    assert measured(*jobs, ended=ended).ratio >= 1


def test_only_what_the_poller_sends_is_waiting() -> None:
    """Neither what a pass asks in the same words, nor the looks at the server."""
    metrics = Metrics()
    metrics.foreman_request("GET", "200", 0.1)
    with polling():
        metrics.foreman_request("GET", "200", 0.1)
        metrics.foreman_request("GET", "503", 0.1)
    metrics.foreman_request("POST", "201", 0.1)
    counted = polled(parsed(_text(metrics)))
    assert counted == 2
    asked = {"GET /api/v2/status": 3, "GET /api/v2/hosts": 4, "POST /api/v2/hosts": 5}
    assert Rollout(5, requests=Counts(asked), polls=counted).acting == 10


def _text(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_a_resync_that_compares_values_is_a_row_of_its_own() -> None:
    plain = [Look(Counts({"GET /api/v2/hosts": count})) for count in (4, 5, 4)]
    dear = Look(Counts({"GET /api/v2/hosts": 9, VALUES: 3}), Counts({"hosts": 100}))
    found = Rollout(100, looks=[*plain, dear])
    assert (found.resync, found.value_resync) == (plain[1], dear)
    lab = _lab(found)
    assert figures.resync(lab).value == "5"
    assert figures.resync_rows(lab).ok
    assert figures.resync_values(lab).value == "12, 100"
    with pytest.raises(Unfinished, match="no such resync"):
        _ = Rollout(100, looks=plain).value_resync


@pytest.mark.parametrize("asked, ok", [(2, True), (3, False)])
def test_one_output_too_many_is_seen(asked: int, ok: bool) -> None:
    failed = failures([*a_job(1, "Quiesce", 1, {"a": 2}, {"b": 2}), *a_job(2, "first", 3, {"a": 4}, {"c": 5})])
    assert failed == 2
    found = Rollout(1000, Counts({OUTPUT: 1}), Counts({"outputs": asked - 1}), failed=failed)
    assert figures.outputs(_lab(found)).ok is ok


def _lab(found: Rollout) -> Laboratory:
    class Made(Laboratory):
        def __init__(self) -> None:
            self.sizes = Sizes()

        def rollout(self, hosts: int, *, overrides: bool, latency: str = "0") -> Rollout:
            return found

    return Made()
