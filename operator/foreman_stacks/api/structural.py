"""Converts pydantic models to structural schemas, the subset of JSON Schema that a CRD may use."""

from __future__ import annotations

from typing import Any, TypeAlias

from pydantic import BaseModel

Node: TypeAlias = dict[str, Any]

_KEPT = (
    "description",
    "type",
    "format",
    "default",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
    "oneOf",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
)


def structural(model: type[BaseModel], *, defaults: bool = True) -> Node:
    """The structural schema of a model: without references and titles, and with free JSON marked as such.

    Only scalars keep a default: a defaulted list or object would show as a difference to what users keep in git.
    """
    schema = model.model_json_schema(by_alias=True)
    return _convert(schema, schema.get("$defs", {}), defaults=defaults)


def _convert(node: Node, models: dict[str, Node], *, defaults: bool) -> Node:
    node = _resolved(node, models)
    result = {key: node[key] for key in _KEPT if key in node}
    if not defaults or not isinstance(result.get("default"), bool | int | float | str):
        result.pop("default", None)
    if "const" in node:
        result["enum"] = [node["const"]]
    if "properties" in node:
        result["properties"] = {
            name: _convert(child, models, defaults=defaults)
            for name, child in sorted(node["properties"].items(), key=lambda entry: entry[0] != "name")
        }
    if "items" in node:
        result["items"] = _convert(node["items"], models, defaults=defaults)
    if isinstance(node.get("additionalProperties"), dict) or node.get("additionalProperties") is True:
        free = node["additionalProperties"]
        result["additionalProperties"] = _convert({} if free is True else free, models, defaults=defaults)
    if "type" not in result:
        result["x-kubernetes-preserve-unknown-fields"] = True
    return result


def _resolved(node: Node, models: dict[str, Node]) -> Node:
    """Replace references and `X | None` by what they stand for; keys beside them (the description) take precedence."""
    while True:
        if "$ref" in node:
            target = models[node["$ref"].rsplit("/", 1)[1]]
        elif "anyOf" in node:
            target = next(choice for choice in node["anyOf"] if choice.get("type") != "null")
        else:
            return node
        node = {**target, **{key: value for key, value in node.items() if key not in ("$ref", "anyOf")}}
