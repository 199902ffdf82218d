"""puppetRun: runs the Puppet agent on hosts of some roles, and waits for their reports."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from foreman_stacks.model.schema import Count, Name, Written, unique


class PuppetRun(Written):
    """One or more runs of the Puppet agent. A host is done when its report says so, not when the job ended well."""

    roles: Annotated[tuple[Name, ...], unique(32, minimum=1)] = Field(
        description="The roles whose hosts run Puppet, at least one."
    )
    hosts: Literal["All", "Leader", "Followers"] = Field(
        default="All",
        description="Which hosts of each role: All, only the Leader (the one with the lowest index), or the Followers "
        "(all others).",
    )
    order: Literal["Parallel", "Serial", "LeaderFirst"] = Field(
        default="Parallel",
        description="Parallel runs all at once within the limits of the server, Serial one host after the other by "
        "index, LeaderFirst the leaders before all others.",
    )
    runs: Annotated[int, Field(ge=1, le=10)] = Field(
        default=1, description="How many times Puppet runs on each host, one run after the other."
    )
    must_succeed: Literal["Every", "Last"] = Field(
        default="Every",
        description="With several runs: whether Every run must be without failures, or only the Last.",
    )
    max_failed_hosts: Count = Field(
        default=0,
        description="How many hosts may fail without failing the step. A failed leader fails it whatever this says.",
    )
