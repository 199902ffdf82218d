"""Building blocks of the schemas of what users write: names, values, keyed lists, and rules in both CEL and Python.

The schema of every kind derives from `Written` (strict, unknown fields refused); what the operator reports derives from
`Reported` (lenient, so that a status written by another version can be read). Every string, list, map and number is
bounded: the apiserver's cost estimate for CEL rules and the size of objects depend on that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, JsonValue, PlainSerializer, model_validator
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from foreman_stacks.model.values import canonical

MAX_HOSTS = 5000
"""The most hosts of one role; also bounds `maxFailedHosts` and every index."""
MAX_VALUE = 65_536
"""The most characters of a value as JSON text. Only Accept checks it: the apiserver cannot measure untyped fields."""

MAX_WHOLE = 2**53 - 1
"""The greatest whole number that a double holds exactly: the apiserver keeps the bounds of a schema as doubles."""

NAME = r"^[a-z][a-z0-9_]*$"
DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
PUPPET_CLASS = r"^[a-z][a-z0-9_]*(::[a-z][a-z0-9_]*)*$"
PUPPET_PARAMETER = r"^[a-z_][A-Za-z0-9_]*$"
HOSTNAME = r"^([a-z0-9-]|\{(deployment|namespace|role|index)\})+$"
FOREMAN_NAME = r"^\S(.*\S)?$"
CAMEL_WORD = r"^[A-Za-z][A-Za-z0-9_]*$"
INDICES = r"^([0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*)?$"

PATTERN_WORDS: dict[str, str] = {
    NAME: "lower-case letters, digits and '_', starting with a letter",
    DNS_LABEL: "lower-case letters, digits and '-', starting and ending with a letter or digit",
    DNS_SUBDOMAIN: "lower-case letters, digits, '-' and '.', each part starting and ending with a letter or digit",
    PUPPET_CLASS: "the name of a Puppet class, like apache::mod::ssl",
    PUPPET_PARAMETER: "the name of a Puppet variable: letters, digits and '_', not starting with a digit or capital",
    HOSTNAME: "lower-case letters, digits, '-' and the places {deployment}, {namespace}, {role}, {index}",
    FOREMAN_NAME: "a name as Foreman shows it, without blanks at its ends",
}
"""What each pattern allows, in words, for messages."""

Name = Annotated[str, Field(min_length=1, max_length=63, pattern=NAME)]
"""A name inside a Stack. It appears in expressions; in names of hosts and objects its `_` become `-`."""
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_SUBDOMAIN)]
ForemanName = Annotated[str, Field(min_length=1, max_length=255, pattern=FOREMAN_NAME)]
ForemanTitle = Annotated[str, Field(min_length=1, max_length=1024, pattern=FOREMAN_NAME)]
ClassName = Annotated[str, Field(min_length=1, max_length=255, pattern=PUPPET_CLASS)]
ClassParameterName = Annotated[str, Field(min_length=1, max_length=255, pattern=PUPPET_PARAMETER)]
Hostname = Annotated[str, Field(min_length=1, max_length=128, pattern=HOSTNAME)]
Prose = Annotated[str, Field(max_length=1024)]
Expression = Annotated[str, Field(min_length=1, max_length=4096)]
Count = Annotated[int, Field(ge=0, le=MAX_HOSTS)]
Index = Annotated[int, Field(ge=1, le=MAX_HOSTS)]
Indices = Annotated[str, Field(max_length=16_384, pattern=INDICES)]
"""Index ranges like `1-5,7`; empty for none."""
Timestamp = Annotated[
    datetime,
    Field(strict=False),
    PlainSerializer(
        lambda moment: f"{moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()}Z",
        return_type=str,
        when_used="json",
    ),
]
"""A time; in JSON it is UTC in whole seconds, as Kubernetes writes times."""


@dataclass(frozen=True)
class Rule:
    """A rule over several fields of one object, stated twice: in CEL for the apiserver, in Python for offline checks.

    `field` is the path of the JSON field to blame ("" for the object itself). `holds` gets the model; it is None for a
    rule about an edit (CEL's `oldSelf`), which only the apiserver can check.
    """

    cel: str
    holds: Callable[[Any], bool] | None
    message: str
    mend: str
    field: str = ""

    @property
    def validation(self) -> dict[str, JsonValue]:
        """The entry for `x-kubernetes-validations`; `fieldPath` makes the apiserver's message name the field."""
        place: dict[str, JsonValue] = {"fieldPath": f".{self.field}"} if self.field else {}
        return {"rule": self.cel, "message": f"{self.message}; {self.mend}", **place}


@dataclass(frozen=True)
class Fault:
    """One broken rule; `where` is relative to the object that it is about. `parse` turns it into a `Problem`."""

    where: tuple[str, ...]
    what: str
    mend: str


def keyed(maximum: int, minimum: int = 0, keys: tuple[str, ...] = ("name",)) -> FieldInfo:
    """Return the `FieldInfo` of a list of objects with unique keys, which server-side apply merges entry by entry."""
    extra: dict[str, JsonValue] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
    return _list_field(maximum, minimum, extra)


def unique(maximum: int, minimum: int = 0) -> FieldInfo:
    """Return the `FieldInfo` of a list of unique strings."""
    return _list_field(maximum, minimum, {"x-kubernetes-list-type": "set"})


def plain(maximum: int, minimum: int = 0) -> FieldInfo:
    """Return the `FieldInfo` of a list that server-side apply replaces as a whole."""
    return _list_field(maximum, minimum, {"x-kubernetes-list-type": "atomic"})


def _list_field(maximum: int, minimum: int, extra: dict[str, JsonValue]) -> FieldInfo:
    field: FieldInfo = Field(strict=False, max_length=maximum, min_length=minimum or None, json_schema_extra=extra)
    return field


class Ruled(BaseModel):
    """A frozen model that refuses unknown fields and enforces `rules` over several fields."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Add the rules in the form in which the apiserver reads them."""
        schema = handler.resolve_ref_schema(handler(core))
        if cls.rules:
            schema["x-kubernetes-validations"] = [rule.validation for rule in cls.rules]
        return schema

    @model_validator(mode="after")
    def _keep_rules(self) -> Self:
        faults = [*self._repeated(), *self._broken(), *self.faults()]
        if faults:
            text = "; ".join(fault.what for fault in faults)
            raise PydanticCustomError("faults", "{text}", {"text": text, "faults": tuple(faults)})
        return self

    def faults(self) -> Iterable[Fault]:
        """Return what is wrong beyond `rules`; subclasses override it for what CEL cannot check."""
        return ()

    def _broken(self) -> Iterable[Fault]:
        for rule in self.rules:
            if rule.holds is not None and not rule.holds(self):
                yield Fault(tuple(filter(None, rule.field.split("."))), rule.message, rule.mend)

    def _repeated(self) -> Iterable[Fault]:
        for name, field in type(self).model_fields.items():
            extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
            kind = extra.get("x-kubernetes-list-type")
            if kind not in ("map", "set"):
                continue
            seen: set[str] = set()
            for item in getattr(self, name):
                key = item if isinstance(item, str) else key_of(item, extra)
                if key in seen:
                    yield Fault((field.alias or name, f"[{key}]"), "appears twice", "name each only once")
                seen.add(key)


class Written(Ruled):
    """A model of what users write: no value is converted silently."""

    model_config = ConfigDict(strict=True)


def by_alias(model: BaseModel, alias: str) -> Any:
    """Return the value of the field that is named `alias` in JSON."""
    names = {field.alias or name: name for name, field in type(model).model_fields.items()}
    return getattr(model, names[alias])


def key_of(item: BaseModel, extra: dict[str, JsonValue]) -> str:
    """Return the key of an entry of a keyed list, as paths show it: `zk`, or `zookeeper,id` for two keys."""
    keys = extra["x-kubernetes-list-map-keys"]
    assert isinstance(keys, list)
    return ",".join(str(by_alias(item, str(key))) for key in keys)


class Reported(BaseModel):
    """A frozen model of what the operator reports in a status; unknown fields, from another version, are ignored."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )


class Valued(Written):
    """Exactly one of a literal `value` and an `expression`.

    The apiserver checks that with `oneOf` (its CEL rules cannot see a field without a type). `null` is not a value, but
    under server-side apply it passes `oneOf` and is then not stored, so `faults` checks again.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["value"]}, {"required": ["expression"]}]})

    value: JsonValue = Field(
        default=None,
        description="The value itself: any JSON but null, of the declared type. Give this or `expression`. Quote what "
        'YAML would change, such as "0644" or "1.0", and declare it a string.',
    )
    expression: Expression | None = Field(
        default=None,
        description="A CEL expression that gives the value, without ${…} around it. Give this or `value`.",
    )

    @property
    def literal(self) -> bool:
        """Whether a `value` (which may be false, 0 or empty) was given, and not only an `expression`."""
        return "value" in self.model_fields_set

    def faults(self) -> Iterable[Fault]:
        """Check that exactly one of the two is given, and that a value is neither null nor too long."""
        yield from super().faults()
        if self.literal == (self.expression is not None):
            mend = "give exactly one of value and expression (null is not a value)"
            yield Fault(
                (), "has both value and expression" if self.literal else "has neither value nor expression", mend
            )
        if self.literal:
            yield from value_faults(self.value, "value")


def value_faults(value: JsonValue, field: str) -> Iterable[Fault]:
    """Check that a literal is neither null nor longer than `MAX_VALUE` characters of JSON."""
    if value is None:
        yield Fault((field,), "null is not a value", "leave the whole entry out, or give a value")
    elif len(canonical(value)) > MAX_VALUE:
        yield Fault((field,), f"is longer than {MAX_VALUE} characters of JSON", "keep large data out of parameters")
