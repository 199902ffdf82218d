"""docs/operations.md tells of each metric that there is, with its labels, and of no other."""

import re
from pathlib import Path

from prometheus_client.core import CollectorRegistry

from foreman_stacks.metrics import Metrics

OPERATIONS = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
ROW = re.compile(r"^\| `(foreman_stacks_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)


def test_every_metric_is_explained() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.foreman_request("GET", "200", 0.1)
    metrics.cluster_request("GET", "stacks", "200")
    metrics.write("foreman", "create host")
    metrics.reconciled("stacks", "done", 0.1)
    metrics.missed_events.labels("stacks").inc()
    found = {}
    for family in metrics.registry.collect():
        if family.name.startswith("foreman_stacks_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = (family.type, {*family.samples[0].labels} - {"le"})
    told = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(OPERATIONS)}
    assert told == found
