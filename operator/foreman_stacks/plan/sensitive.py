"""Marks values as sensitive: those that are declared so, and everything that is computed from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from foreman_stacks.plan.model import Template, Value, parameter_key


def hide(template: Template, parameters: Iterable[str]) -> Template:
    """Return the template with everything marked sensitive that refers to a secret, directly or through other values.

    `parameters` names the Stack's parameters whose values are secret.
    """
    secret = _secret_names(template, {f"parameters.{name}" for name in parameters})

    def marked(value: Value, key: str = "") -> Value:
        hidden = value.sensitive or key in secret or not secret.isdisjoint(value.references)
        return replace(value, sensitive=True) if hidden and not value.sensitive else value

    return replace(
        template,
        groups=tuple(
            replace(
                group,
                parameters=tuple(marked(value, parameter_key(group.name, value.name)) for value in group.parameters),
                classes=tuple(replace(entry, overrides=tuple(map(marked, entry.overrides))) for entry in group.classes),
            )
            for group in template.groups
        ),
        roles=tuple(
            replace(
                role,
                overrides=tuple((name, marked(value)) for name, value in role.overrides),
                parameters=tuple(map(marked, role.parameters)),
            )
            for role in template.roles
        ),
        steps=tuple(
            replace(step, update=marked(step.update, step.key)) if step.update else step for step in template.steps
        ),
        outputs=tuple(map(marked, template.outputs)),
    )


def _secret_names(template: Template, secret: set[str]) -> set[str]:
    """Return all names with secret values; a hostgroup parameter stays secret if its first value or any update is."""
    named = [(parameter_key(group.name, value.name), value) for group in template.groups for value in group.parameters]
    named += [(step.key, step.update) for step in template.steps if step.update is not None]
    found = secret | {key for key, value in named if value.sensitive}
    while True:
        more = {key for key, value in named if not found.isdisjoint(value.references)} - found
        if not more:
            return found
        found |= more
