"""docs/api.md: the API field by field, from the CRDs' schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from foreman_stacks.api.crds import RESOURCES, Resource, object_schema
from foreman_stacks.api.structural import Node
from foreman_stacks.cluster.port import GROUP, VERSION
from foreman_stacks.model.schema import PATTERN_WORDS

_HEAD = f"""# API reference

<!-- Generated from the models by `make generate`; edits here are lost. -->

Group `{GROUP}`, version `{VERSION}`. `kubectl explain` shows the same on a cluster.

A field is **required**, has a default, or may be left out. Lists of named entries merge by their key under server-side
apply. Unknown fields are refused.
"""


def render() -> str:
    """The whole page."""
    parts = [_HEAD, _contents()]
    for resource in RESOURCES:
        parts.append(_kind(resource))
        schema = object_schema(resource)
        for part in ("spec", "status"):
            parts.extend(_sections(f"{resource.kind}.{part}", schema["properties"][part]))
    return "\n".join(parts)


def _contents() -> str:
    return "".join(f"- [{resource.kind}](#{resource.kind.lower()})\n" for resource in RESOURCES)


def _kind(resource: Resource) -> str:
    schema = object_schema(resource)
    scope = "cluster-scoped" if resource.cluster else "namespaced"
    text = f"## {resource.kind}\n\n{schema['description']}\n\n"
    text += f"Plural `{resource.plural}`, short `{resource.short}`, {scope}."
    if resource.selectable:
        paths = ", ".join(f"`{path.removeprefix('.')}`" for path in resource.selectable)
        text += f" `--field-selector` knows {paths}."
    return text + "\n" + _rules(schema)


def _sections(path: str, node: Node) -> Iterator[str]:
    """The table of an object, then those of the objects in it."""
    if "properties" not in node:
        return
    text = f"### {path}\n\n{node['description']}\n{_rules(node)}\n"
    text += "| field | type | | description |\n|---|---|---|---|\n"
    for name, field in node["properties"].items():
        text += f"| {_name(path, name, field)} | {_type(field)} | {_need(node, name, field)} | {_text(field)} |\n"
    yield text
    for name, field in node["properties"].items():
        below, suffix = (field["items"], "[]") if field.get("type") == "array" else (field, "")
        yield from _sections(f"{path}.{name}{suffix}", below)


def _name(path: str, name: str, field: Node) -> str:
    below, suffix = (field["items"], "[]") if field.get("type") == "array" else (field, "")
    return f"[`{name}`](#{_anchor(f'{path}.{name}{suffix}')})" if "properties" in below else f"`{name}`"


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


def _type(field: Node) -> str:
    if "enum" in field:
        return " \\| ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        inner = "object" if "properties" in field["items"] else _type(field["items"])
        return f"list of {inner}"
    if "additionalProperties" in field:
        return f"map of {_type(field['additionalProperties'])}"
    return "time" if field.get("format") == "date-time" else str(field.get("type", "any JSON"))


def _need(node: Node, name: str, field: Node) -> str:
    if name in node.get("required", ()):
        return "required"
    return f"`{json.dumps(field['default'], ensure_ascii=False)}`" if "default" in field else ""


def _text(field: Node) -> str:
    bounds = ", ".join(_bounds(field))
    text = f"{field.get('description', '')}{f' *({bounds})*' if bounds else ''}"
    return text.replace("|", "\\|")


def _bounds(field: Node) -> Iterator[str]:
    if field.get("pattern") in PATTERN_WORDS:
        yield PATTERN_WORDS[field["pattern"]].replace("{", "`{").replace("}", "}`")
    if "maxLength" in field:
        yield f"≤ {field['maxLength']} characters"
    if "minimum" in field and "maximum" in field:
        yield f"{field['minimum']} to {field['maximum']}"
    elif "minimum" in field:
        yield f"≥ {field['minimum']}"
    for key, unit in (("maxItems", "entries"), ("maxProperties", "entries")):
        if key in field:
            least = f"{field['minItems']} to " if "minItems" in field else "≤ "
            yield f"{least}{field[key]} {unit}"


def _rules(node: Node) -> str:
    lines = [f"- {rule['message']} (`{rule['rule']}`)" for rule in node.get("x-kubernetes-validations", ())]
    text = "\nRefused, when the rule does not hold:\n\n" + "\n".join(lines) + "\n" if lines else ""
    if "oneOf" in node:
        choices = [f"`{choice['required'][0]}`" for choice in node["oneOf"]]
        text = f"\nExactly one of {', '.join(choices)} is given.\n{text}"
    return text
