"""Hostgroups and hosts of a simulated Foreman, made through the adapter."""

from __future__ import annotations

from foreman_stacks.foreman.port import (
    Change,
    Hostgroup,
    HostgroupNamed,
    HostRow,
)
from foreman_stacks.model.identity import MARK_PARAMETER, Mark
from tests.unit.foreman_stacks.lab import OUTER, Lab
from tests.unit.foreman_stacks.made import IDENTITY

CANARY = "canary-in-the-mine"


async def a_group(lab: Lab, name: str = "g", mark: str | None = str(Mark(str(IDENTITY), group="g"))) -> Hostgroup:
    """A hostgroup below the lab's."""
    outer = await lab.ask(HostgroupNamed(OUTER))
    own = [{"name": MARK_PARAMETER, "value": mark, "parameter_type": "string"}] if mark else []
    body = {
        "name": name,
        "parent_id": outer.id,
        "puppet_attributes": {"environment_id": 1},
        "group_parameters_attributes": own,
    }
    made: Hostgroup = await lab.foreman.write(Change("create", "hostgroup", f"{OUTER}/{name}", body))
    return made


async def a_host(lab: Lab, name: str, group: Hostgroup, mark: Mark | None = None) -> HostRow:
    own = [{"name": MARK_PARAMETER, "value": str(mark), "parameter_type": "string"}] if mark else []
    body = {
        "name": name,
        "hostgroup_id": group.id,
        "build": True,
        "organization_id": 1,
        "location_id": 2,
        "compute_attributes": {"start": "1"},
        "host_parameters_attributes": own,
    }
    made: HostRow = await lab.foreman.write(Change("create", "host", f"{name}.lab.example.com", body, intent=True))
    return made
