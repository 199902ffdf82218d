"""Binds the values of single hosts, in a few microseconds per expression and host: there may be a thousand hosts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from foreman_stacks.errors import InvalidSpec, Problem
from foreman_stacks.model.scope import HostScope
from foreman_stacks.model.values import Bound, Json, Secret
from foreman_stacks.plan.current import ABSENT, PENDING, Current, Unknown
from foreman_stacks.plan.model import PlannedHost, Role, Value, override_label


class _PerHost:
    """One value of a role. What it refers to besides the host is resolved once, and a failure is reported once.

    `alone` says whether it refers to nothing but the host itself and parameters.
    """

    def __init__(self, puppet_class: str | None, value: Value, current: Current, problems: list[Problem]) -> None:
        self.puppet_class = puppet_class
        self.value = value
        self.label = value.name if puppet_class is None else override_label(puppet_class, value.name)
        self.peers = "peers" in value.references
        self._whole = "host" in value.references
        self._fields = tuple(name.removeprefix("host.") for name in value.references if name.startswith("host."))
        self.alone = all(name.startswith(("host.", "parameters.")) or name == "host" for name in value.references)
        self._problems = problems
        self._data: dict[str, object] | Unknown
        self._cost: int | None = None
        try:
            self._data = current.data(value)
        except InvalidSpec as invalid:
            self._failed(invalid.problems)

    def evaluate(self, host: PlannedHost, current: Current, peers: Sequence[object] | Unknown) -> Json | Unknown:
        """Return the value for one host, or why there is none.

        A failure is added to the problems; from then on the value is absent for every host.
        """
        if isinstance(self._data, Unknown):
            return self._data
        data = dict(self._data)
        for name in self._fields:
            data[f"host.{name}"] = current.field(host, name)
        if self._whole:
            data["host"] = current.message(host)
        if self.peers:
            data["peers"] = peers
        if any(known is PENDING for known in data.values()):
            return PENDING
        try:
            if self._cost is None:
                self._cost = current.cost(self.value, data)
            current.charge(self.value, self._cost)
            return current.result(self.value, data)
        except InvalidSpec as invalid:
            found = invalid.problems
            self._failed([Problem(item.path, f"{item.what} (for host {host.label})", item.mend) for item in found])
            return ABSENT

    def _failed(self, problems: list[Problem]) -> None:
        self._problems += problems
        self._data = ABSENT


def bind_hosts(role: Role, current: Current, problems: list[Problem]) -> Iterator[HostScope]:
    """Yield the hosts of a role with their values; failures are added to `problems`."""
    values = [_PerHost(name, value, current, problems) for name, value in role.overrides]
    values += [_PerHost(None, value, current, problems) for value in role.parameters]
    everybody = [current.message(host) for host in role.hosts] if any(value.peers for value in values) else []
    alone = all(value.alone for value in values)
    strangers = {place for place, message in enumerate(everybody) if isinstance(message, Unknown)}
    for place, host in enumerate(role.hosts):
        peers = PENDING if strangers - {place} else everybody[:place] + everybody[place + 1 :]
        known = current.inherited.get(host.ref) if alone else None
        if known is not None:
            yield known
            continue
        yield _bound(host, role, [(value, value.evaluate(host, current, peers)) for value in values])


def _bound(host: PlannedHost, role: Role, results: Sequence[tuple[_PerHost, Json | Unknown]]) -> HostScope:
    overrides: list[tuple[str, Bound]] = []
    parameters: list[Bound] = []
    for item, result in results:
        if isinstance(result, Unknown):
            continue
        value = item.value
        bound = Bound(value.name, value.type, Secret(result) if value.sensitive else result)
        if item.puppet_class is None:
            parameters.append(bound)
        else:
            overrides.append((item.puppet_class, bound))
    return HostScope(
        ref=host.ref,
        label=host.label,
        group=role.group,
        source=host.source,
        overrides=tuple(overrides),
        parameters=tuple(parameters),
        pending=frozenset(item.label for item, result in results if result is PENDING),
    )
