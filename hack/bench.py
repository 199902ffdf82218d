"""Measure: one table of figures, each from real runs of the operator on a real kube-apiserver and the simulator.

python hack/bench.py                    all figures
python hack/bench.py --only makespan    some of them, by the beginning of their names (--list shows the names)
python hack/bench.py --quick            few hosts and deployments: shows that it works, the values are of little worth
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the stage of the end-to-end tests, which is used here

from benchmarks.figures import FIGURES, Figure
from benchmarks.rows import Row, grid, table
from benchmarks.runs import Laboratory, Rollout, Sizes, Unfinished
from benchmarks.stand import Stand, stand
from control_plane import ControlPlaneError, kubectl


def _say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)


def _chosen(names: Sequence[str]) -> list[Figure]:
    if not names:
        return list(FIGURES)
    found = [figure for figure in FIGURES if figure.__name__.startswith(tuple(names))]
    if not found:
        raise SystemExit(f"no figure's name begins with {' or '.join(names)}; see --list")
    return found


def _machine(where: Stand) -> str:
    """Describe what the figures were measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    version = kubectl("version", "--output", "yaml", kubeconfig=where.plane.kubeconfig)
    server = version.partition("serverVersion")[2].partition("gitVersion:")[2].split()[0]
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores, {memory:.0f} GiB of memory, Python {platform.python_version()}, "
        f"Kubernetes {server}, load before the start {load}"
    )


def _endpoints(found: Rollout) -> str:
    """Return a table of all requests of a rollout; requests for lists by their shape."""
    lists = {name.split(" thin")[0].split(" ")[1] for name in found.searches}
    asked = {
        name: count for name, count in found.requests.items() if not (name.startswith("GET ") and name[4:] in lists)
    }
    lines = sorted((asked | dict(found.searches)).items(), key=lambda pair: -pair[1])
    return grid([("request", "count"), *((f"`{name}`", str(count)) for name, count in lines)])


def _measure(lab: Laboratory, figures: Sequence[Figure]) -> list[Row]:
    rows = []
    for figure in figures:
        began = time.monotonic()
        try:
            row = figure(lab)
        except Unfinished as error:  # the other figures are still worth having
            row = Row(figure.__name__, f"did not come to an end: {error}", "", ok=False)
        rows.append(row)
        _say(f"  {row.name}: {row.value} {f'({row.goal})' if row.goal else ''} [{time.monotonic() - began:.0f} s]")
    return rows


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="figures by the beginning of their names")
    parser.add_argument("--quick", action="store_true", help="few hosts and deployments")
    parser.add_argument("--list", action="store_true", help="show the names of all figures and end")
    given = parser.parse_args()
    figures = _chosen(given.only)
    if given.list:
        print("\n".join(figure.__name__ for figure in figures))
        return 0
    try:
        with stand() as where:
            machine = _machine(where)
            lab = Laboratory(where, Sizes.quick() if given.quick else Sizes(), _say)
            rows = _measure(lab, figures)
    except ControlPlaneError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{machine}\n\n{table(rows)}")
    for what, found in lab.rollouts.items():
        print(f"\nRequests of {what}; {found.polls} of them were the poller's:\n\n{_endpoints(found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
