"""The current value of every name that expressions refer to, under given facts; each is evaluated once."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from google.protobuf.message import Message

from foreman_stacks.errors import InvalidSpec, Problem
from foreman_stacks.model.identity import HostRef
from foreman_stacks.model.scope import Facts, HostScope, Scope
from foreman_stacks.model.values import Json, thaw
from foreman_stacks.plan.cast import Place, Refused, cast_value
from foreman_stacks.plan.cost import FIELD, MOST, MOST_TOGETHER, Size, measured
from foreman_stacks.plan.erb import erb
from foreman_stacks.plan.explain import NEEDS
from foreman_stacks.plan.expressions import HOST_FIELDS, host_message
from foreman_stacks.plan.model import Plan, PlannedHost, Value, parameter_key


class Unknown(Enum):
    """Why a name has no value: `PENDING` until hosts are known, `ABSENT` if an optional parameter was not given."""

    PENDING = "pending"
    ABSENT = "absent"


PENDING: Final = Unknown.PENDING
ABSENT: Final = Unknown.ABSENT


class Current:
    """The values of a plan under given facts. `scope` and `digests` cache what `bind` has made of them.

    `inherited` has hosts bound under earlier facts. They are still valid if their values refer only to the host itself
    and to parameters.
    """

    def __init__(self, plan: Plan, facts: Facts) -> None:
        self.hosts = facts.hosts
        self.domain = facts.domain
        self.scope: Scope | None = None
        self.inherited: dict[HostRef, HostScope] = {}
        self.digests: dict[tuple[str, str, bytes], str] = {}
        self._sizes: dict[str, Size] = {}
        self._spent = 0
        self._facts = facts
        self._told = bool(plan.evaluated)
        self._roles = {role.name: role for role in plan.roles}
        self._known: dict[str, object] = {f"parameters.{name}": thaw(value) for name, value in plan.parameters.items()}
        self._values: dict[str, Value] = {
            parameter_key(group.name, value.name): value for group in plan.groups for value in group.parameters
        }
        for key, updates in plan.updates.items():
            for step in updates:
                if step.name in facts.updates and step.update is not None:
                    self._values[key] = step.update

    def inherit(self, other: Current) -> None:
        """Take over, from a binding under other facts, the hosts whose own facts are the same."""
        if other.scope is not None and other.domain == self.domain:
            same = (host for host in other.scope.hosts if other.hosts.get(host.ref) == self.hosts.get(host.ref))
            self.inherited = {host.ref: host for host in same}

    def value(self, key: str) -> Value:
        """The value of a hostgroup parameter in force: that of its last update in the facts, else the initial one."""
        return self._values[key]

    def evaluate(self, value: Value) -> Json | Unknown:
        """Return the value, cast to its type, or why there is none. Raises `InvalidSpec`."""
        if value.expression is None:
            return value.constant
        data = self.data(value)
        return data if isinstance(data, Unknown) else self.compute(value, data)

    def begin(self) -> None:
        """Begin a round of evaluations, which may cost `MOST_TOGETHER` in total."""
        self._spent = 0

    def compute(self, value: Value, data: Mapping[str, object]) -> Json:
        """Return the result of the value's expression on these data. Raises `InvalidSpec`, also for a high cost."""
        self.charge(value, self.cost(value, data))
        return self.result(value, data)

    def result(self, value: Value, data: Mapping[str, object]) -> Json:
        """Return the result, cast to the value's type, whatever it costs. Raises `InvalidSpec`.

        A result that Foreman would evaluate as ERB is refused, too, unless the plan lists such values already
        (`evaluated`) and so is not carried out.
        """
        assert value.expression is not None, "a constant needs no data"
        found = value.expression.evaluate(data, hidden=value.sensitive)
        place = Place(value.path, hidden=value.sensitive, text=False)
        try:
            result = cast_value(found, value.type, place)
        except Refused as refused:
            raise InvalidSpec([refused.problem]) from None
        if not self._told and (evaluated := list(erb(result, place, value.type))):
            raise InvalidSpec(evaluated)
        return result

    def cost(self, value: Value, data: Mapping[str, object]) -> int:
        """Return the most bytes that evaluating the value takes, on these data or those of another host of the role."""
        assert value.expression is not None, "a constant needs no data"
        return value.expression.worst({name: self._size(name, known) for name, known in data.items()})

    def charge(self, value: Value, cost: int) -> None:
        """Add this cost. Raises `InvalidSpec` if it is too high, alone or with everything evaluated since `begin`."""
        self._spent += cost
        if cost > MOST or self._spent > MOST_TOGETHER:
            alone = cost > MOST
            what = (
                f"{NEEDS} {MOST >> 20} MB" if alone else f"{NEEDS} {MOST_TOGETHER >> 20} MB with all other expressions"
            )
            raise InvalidSpec([Problem(value.path, what, "make its texts and lists shorter, or plan fewer hosts")])

    def _size(self, name: str, known: object) -> Size:
        """Return the size of the value of a name, cached unless it differs between hosts."""
        if name.startswith("host."):
            return FIELD
        if name in {"host", "peers"}:
            return measured(known)
        if name not in self._sizes:
            self._sizes[name] = measured(known)
        return self._sizes[name]

    def data(self, value: Value) -> dict[str, object] | Unknown:
        """Return the values of all names that the value refers to, except `host` and `peers`, or why one has none."""
        data: dict[str, object] = {}
        found: Unknown | None = None
        for name in value.references:
            if name == "peers" or name.partition(".")[0] == "host":
                continue
            known = self._resolve(name)
            if isinstance(known, Unknown):
                found = known if found is not ABSENT else found
            data[name] = known
        return found or data

    def _resolve(self, name: str) -> object:
        if name not in self._known:
            if name.startswith("hostgroups."):
                self._known[name] = self.evaluate(self._values[name]) if name in self._values else ABSENT
            elif name.startswith("roles."):
                self._known[name] = self._of_role(name)
            else:
                self._known[name] = ABSENT
        return self._known[name]

    def _of_role(self, name: str) -> object:
        _, role, what, *field = name.split(".")
        hosts = self._roles[role].hosts
        if what == "hosts":
            if any(self.field(host, "ip") is PENDING for host in hosts):
                return PENDING
            return [self.message(host) for host in hosts]
        if not hosts:
            return PENDING
        leader = hosts[0]
        return self.field(leader, field[0]) if field else self.message(leader)

    def message(self, host: PlannedHost) -> Message | Unknown:
        """Return the host as expressions see it; `PENDING` until its FQDN and address are known."""
        fields = {name: self.field(host, name) for name in HOST_FIELDS}
        if any(isinstance(value, Unknown) for value in fields.values()):
            return PENDING
        return host_message(host.label, str(fields["fqdn"]), str(fields["ip"]), host.ref.index)

    def field(self, host: PlannedHost, name: str) -> str | int | Unknown:
        """Return a field of a host: name and index are planned, the FQDN needs the domain, and the address the host."""
        if name == "name":
            return host.label
        if name == "index":
            return host.ref.index
        facts = self.hosts.get(host.ref)
        if name == "ip":
            return facts.ip if facts is not None and facts.ip else PENDING
        if facts is not None and facts.fqdn:
            return facts.fqdn
        if self.domain is None:
            return PENDING
        return f"{host.label}.{self.domain}" if self.domain else host.label
