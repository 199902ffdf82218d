"""The hosts of a deployment: their number, their names, and the source of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from foreman_stacks.api.stack import StackRole, StackSpec
from foreman_stacks.api.stackdeployment import DeploymentRole, Source, StackDeploymentSpec
from foreman_stacks.errors import Problem
from foreman_stacks.model.identity import HostRef, Identity
from foreman_stacks.model.schema import DNS_LABEL
from foreman_stacks.model.scope import ComputeSource
from foreman_stacks.model.words import counted
from foreman_stacks.plan.cast import Place, Refused, check_content
from foreman_stacks.plan.erb import erb
from foreman_stacks.plan.model import PlannedHost, Role

LONGEST = 63
"""The most characters of a DNS label."""
MOST_PAIRS = 100_000
"""The most hosts that a per-host expression may look at, summed over all hosts of its role: 316 hosts times 316."""


def planned_hosts(
    stack: StackSpec, deployment: StackDeploymentSpec, identity: Identity
) -> tuple[dict[str, tuple[PlannedHost, ...]], list[Problem]]:
    """Return the hosts of each role, in order of their index, and all problems of the deployment's roles."""
    written = {role.name: role for role in deployment.roles}
    problems = list(_unknown(stack, written))
    hosts: dict[str, tuple[PlannedHost, ...]] = {}
    for role in stack.roles:
        entry = written.get(role.name)
        count = _count(role, entry, problems)
        if entry is None:
            if count:
                mend = "add the role with its sources"
                problems.append(
                    Problem(
                        f"spec.roles[{role.name}]",
                        f"is missing, but the Stack wants {counted(count, 'host')} of it",
                        mend,
                    )
                )
            hosts[role.name] = ()
            continue
        hosts[role.name] = tuple(_hosts(role, entry, count, identity))
        problems += _check_sources(entry, count)
    problems += _check_names(hosts, written)
    return hosts, problems


def _unknown(stack: StackSpec, written: Mapping[str, DeploymentRole]) -> Iterator[Problem]:
    known = [role.name for role in stack.roles]
    for name in written:
        if name not in known:
            yield Problem(
                f"spec.roles[{name}]", "is not a role of the Stack", f"take it out; the Stack has {', '.join(known)}"
            )


def _count(role: StackRole, entry: DeploymentRole | None, problems: list[Problem]) -> int:
    """Return how many hosts the role has. A count out of bounds is added to the problems, and 0 returned."""
    low, high = role.count.min, role.count.max
    if entry is None or entry.count is None:
        return low if role.count.default is None else role.count.default
    if entry.count < low or (high is not None and entry.count > high):
        bounds = f"at least {low}" if high is None else f"from {low} to {high}"
        path = f"spec.roles[{role.name}].count"
        problems.append(Problem(path, f"is {entry.count}, but the Stack wants {bounds}", f"write a number {bounds}"))
        return 0
    return entry.count


def _hosts(role: StackRole, entry: DeploymentRole, count: int, identity: Identity) -> Iterator[PlannedHost]:
    template = entry.hostname or role.hostname
    places = {"{deployment}": identity.name, "{namespace}": identity.namespace, "{role}": role.name.replace("_", "-")}
    for place, word in places.items():
        template = template.replace(place, word)
    for index, source in enumerate(_sources(entry.sources, count), start=1):
        yield PlannedHost(HostRef(role.name, index), template.replace("{index}", str(index)), source)


def _sources(sources: Sequence[Source], count: int) -> Iterator[ComputeSource]:
    """Yield the source of each host: the sources in order, each up to its `max`; fewer than `count` if they run out."""
    left = count
    for source in sources:
        compute = source.compute_resource
        if compute is None:
            continue
        here = left if source.max is None else min(left, source.max)
        found = ComputeSource(source.name, compute.name, compute.profile, compute.image, compute.attributes)
        yield from [found] * here
        left -= here


def _check_sources(entry: DeploymentRole, count: int) -> Iterator[Problem]:
    path = f"spec.roles[{entry.name}].sources"
    most = [source.max for source in entry.sources]
    total = sum(number for number in most if number is not None)
    if None not in most and total < count:
        what = f"give fewer hosts ({total}) than are wanted ({count})"
        yield Problem(path, what, "raise `max`, add a source, or lower count")
    for source in entry.sources:
        if source.compute_resource is not None:
            place = Place(f"{path}[{source.name}].computeResource.attributes")
            try:
                check_content(source.compute_resource.attributes, place)
            except Refused as refused:
                yield refused.problem


def evaluated_attributes(deployment: StackDeploymentSpec) -> Iterator[Problem]:
    """Yield problems of compute attributes that Foreman would evaluate as ERB."""
    for role in deployment.roles:
        for source in role.sources:
            if source.compute_resource is not None:
                path = f"spec.roles[{role.name}].sources[{source.name}].computeResource.attributes"
                yield from erb(source.compute_resource.attributes, Place(path))


def _check_names(
    hosts: Mapping[str, Sequence[PlannedHost]], written: Mapping[str, DeploymentRole]
) -> Iterator[Problem]:
    """Check that names are DNS labels and unique; each role reports at most its longest name and one duplicate."""
    seen: dict[str, str] = {}
    for role, found in hosts.items():
        path = f"spec.roles[{role}].hostname" if role in written and written[role].hostname else f"spec.roles[{role}]"
        worst = max(found, key=lambda host: len(host.label), default=None)
        if worst is not None and len(worst.label) > LONGEST:
            what = f"the name {worst.label} has {len(worst.label)} characters, but a DNS label has at most {LONGEST}"
            yield Problem(path, what, "write a shorter hostname, or give the deployment a shorter name")
        elif worst is not None and not re.fullmatch(DNS_LABEL.strip("^$"), worst.label):
            what = f"the name {worst.label} is not a DNS label"
            yield Problem(path, what, "write a hostname of lower-case letters, digits and '-', with no '-' at its ends")
        for host in found:
            if host.label in seen:
                what = f"gives the name {host.label} to two hosts ({seen[host.label]} and {host.ref})"
                yield Problem(path, what, "put {role} and {index} into hostname")
                break
            seen[host.label] = str(host.ref)


def check_lists(roles: Sequence[Role]) -> Iterator[Problem]:
    """Yield a problem for each per-host expression that refers to too many hosts.

    The cost is quadratic if every host lists every host: beyond `MOST_PAIRS` a pass would take many seconds.
    """
    sizes = {f"roles.{role.name}.hosts": len(role.hosts) for role in roles}
    for role in roles:
        lists = {**sizes, "peers": len(role.hosts)}
        for value in [*role.parameters, *(value for _, value in role.overrides)]:
            listed = sum(lists.get(name, 0) for name in value.references)
            if listed * len(role.hosts) > MOST_PAIRS:
                what = f"looks at {listed} hosts for each of {len(role.hosts)} hosts"
                mend = "put what all hosts share into a hostgroup parameter, which is evaluated once"
                yield Problem(value.path, what, mend)
