"""Each endpoint says where its behaviour is from."""

from __future__ import annotations

import re

from foreman_simulator import control
from foreman_simulator.app import MODULES

RECORDINGS = (
    "authentication-and-permissions", "build-life", "class-parameters", "environment-move-enc", "hostgroups-and-parameters",
    "hosts", "jobs-and-puppet-runs", "lookup-values-inline", "whole-flow-as-service-user",
)  # fmt: skip
SOURCE = re.compile(
    rf"({'|'.join(RECORDINGS)}) \d|\braw/[a-z-]+|\b(measured|foreman-api) §\d|\bcore [\w/]+\.r(b|abl)\b"
)


def test_each_endpoint_names_its_recording_or_its_source() -> None:
    routes = [route for module in MODULES if module is not control for route in module.routes()]
    assert routes
    assert [route.name for route in routes if not SOURCE.search(route.handler.__doc__ or "")] == []


def test_no_endpoint_is_there_twice() -> None:
    names = [re.sub(r":\w+", ":", route.name) for module in MODULES for route in module.routes()]
    assert len(names) == len(set(names))
