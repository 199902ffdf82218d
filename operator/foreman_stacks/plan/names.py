"""The names that the expressions of a Stack may refer to, and their types."""

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
"""Names that CEL does not allow after a dot."""

_KEY = re.compile(r"\bhostgroups\.[a-z][a-z0-9_]*\.parameters\.[a-z][a-z0-9_]*")


class Names:
    """The typed names of a Stack: `group` for expressions of hostgroups, steps, outputs; `host` for per-host ones."""

    def __init__(self, spec: StackSpec) -> None:
        self.problems: list[Problem] = []
        self.types: dict[str, ValueType] = {}
        """The type of each hostgroup parameter, by key; json if its expression is invalid, to report that only once."""
        self.broken: set[str] = set()
        """The keys of hostgroup parameters whose expressions are already reported in `problems`."""
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
        """Infer the types of parameters that declare none from their expressions, after those that these refer to.

        Cycles are reported by `order`, which also considers updates.
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
    """Return each field of a host as a name: `references` then tells `host.index` from `host.ip`, known much later."""
    return {f"{host}.{name}": kind for name, kind in HOST_FIELDS.items()}


def unknown(path: str, kind: str, name: str, known: Collection[str]) -> Problem:
    """Return the problem of a reference to something that the Stack does not have."""
    mend = f"this Stack has {', '.join(sorted(known))}" if known else f"declare the {kind}"
    return Problem(path, f"there is no {kind} `{name}`", mend)
