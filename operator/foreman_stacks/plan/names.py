"""Which names the expressions of a Stack may refer to, and of which types they are."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from foreman_stacks.api.stack import StackSpec
from foreman_stacks.errors import InvalidSpec, Problem
from foreman_stacks.model.values import ValueType
from foreman_stacks.plan import graph
from foreman_stacks.plan.cast import natural
from foreman_stacks.plan.expressions import HOST_FIELDS, Environment, VariableType
from foreman_stacks.plan.model import parameter_key

KEYWORDS = frozenset({"true", "false", "null", "in"})
"""Names that CEL cannot say behind a dot."""

_KEY = re.compile(r"\bhostgroups\.[a-z][a-z0-9_]*\.parameters\.[a-z][a-z0-9_]*")


class Names:
    """The typed names of a Stack: `group` for what concerns all hosts of a hostgroup, `host` for what is per host."""

    def __init__(self, spec: StackSpec) -> None:
        self.problems: list[Problem] = []
        self.types: dict[str, ValueType] = {}
        """The type of each hostgroup parameter, by key: json where something is wrong, so that it is told only once."""
        self.broken: set[str] = set()
        """The hostgroup parameters whose expression is told in `problems` already."""
        self._base = _base(spec)
        self._declare(spec)
        self.group = Environment({**self._base, **self.types})
        per_host: dict[str, VariableType] = {"host": "host", "peers": "hosts", **_fields("host")}
        self.host = Environment({**self._base, **self.types, **per_host})

    def _declare(self, spec: StackSpec) -> None:
        untyped: dict[str, tuple[str, str]] = {}
        for group in spec.hostgroups:
            for entry in group.parameters:
                key = parameter_key(group.name, entry.name)
                path = f"spec.hostgroups[{group.name}].parameters[{entry.name}]"
                if entry.type is not None:
                    self.types[key] = entry.type
                elif entry.literal:
                    self.types[key] = natural(entry.value)
                else:
                    untyped[key] = (entry.expression or "", f"{path}.expression")
        for parameter in spec.parameters:
            for name in parameter.hostgroups:
                self.types.setdefault(parameter_key(name, parameter.name), parameter.type)
        self._infer(untyped)

    def _infer(self, untyped: Mapping[str, tuple[str, str]]) -> None:
        """Types of parameters that declare none, from their expressions: what they refer to comes first.

        Cycles are for `stack` to report, which also knows of updates.
        """
        after = {key: set(_KEY.findall(text)) & untyped.keys() for key, (text, _) in untyped.items()}
        if graph.cycle(after):
            self.types.update(dict.fromkeys(untyped, "json"))
            return
        for key in graph.order(list(untyped), after):
            text, path = untyped[key]
            try:
                self.types[key] = Environment({**self._base, **self.types}).compile(text, path).type
            except InvalidSpec as invalid:
                self.problems += invalid.problems
                self.types[key] = "json"
                self.broken.add(key)


def _base(spec: StackSpec) -> dict[str, VariableType]:
    names: dict[str, VariableType] = {f"parameters.{entry.name}": entry.type for entry in spec.parameters}
    for role in spec.roles:
        names[f"roles.{role.name}.hosts"] = "hosts"
        names[f"roles.{role.name}.leader"] = "host"
        names.update(_fields(f"roles.{role.name}.leader"))
    return names


def _fields(host: str) -> dict[str, VariableType]:
    """The fields of a host by name: `references` then tells `host.index` from `host.ip`, which is known much later."""
    return {f"{host}.{name}": kind for name, kind in HOST_FIELDS.items()}


def unknown(path: str, kind: str, name: str, known: Collection[str]) -> Problem:
    """The problem of a reference to something that the Stack does not have."""
    mend = f"this Stack has {', '.join(sorted(known))}" if known else f"declare the {kind}"
    return Problem(path, f"there is no {kind} `{name}`", mend)
