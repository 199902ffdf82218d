"""What all kinds share: metadata, conditions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from foreman_stacks.cluster.port import API_VERSION, GROUP
from foreman_stacks.model.schema import MAX_WHOLE, ObjectName, Reported, Ruled, Timestamp, keyed

CATEGORY = "foreman"

ABANDON_ANNOTATION = f"{GROUP}/abandon"
RECONCILE_ANNOTATION = f"{GROUP}/reconcile-requested-at"
REQUEST = f"annotate the deployment with {RECONCILE_ANNOTATION}=<any new value>"
"""How a person asks for another try, in the words of messages."""
FINALIZER = f"{GROUP}/operator"
DEPLOYMENT_LABEL = f"{GROUP}/deployment"
ROLE_LABEL = f"{GROUP}/role"


class Metadata(BaseModel):
    """The part of an object's metadata that we read, or that files get wrong: the apiserver has not seen a file yet.

    In annotations and labels YAML likes to read `true` and `1` as no text.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    name: ObjectName
    namespace: str = ""
    generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()


class Condition(Reported):
    """One observation about the object, as metav1.Condition."""

    type: str = Field(max_length=63, pattern=r"^[A-Z][A-Za-z]*$", description="What is observed, like Ready.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    observed_generation: Annotated[int, Field(ge=-1, le=MAX_WHOLE)] = Field(
        default=-1, description="The generation of the spec that this was observed for."
    )
    last_transition_time: Timestamp = Field(description="When status last changed.")
    reason: str = Field(
        min_length=1, max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$", description="Why, as one word for programs."
    )
    message: Annotated[str, Field(max_length=4096)] = Field(
        default="", description="Why, and what to do about it, for people."
    )


class Status(Reported):
    """What every status has; `observedGeneration` starts at -1, so that a fresh object never counts as done."""

    observed_generation: Annotated[int, Field(ge=-1, le=MAX_WHOLE)] = Field(
        default=-1, description="The generation of the spec that this status is about; -1 before the first look."
    )
    conditions: Annotated[tuple[Condition, ...], keyed(16, keys=("type",))] = Field(
        default=(), description="Observations about the object."
    )


class Kind(Ruled):
    """The outer frame of an object: kinds add `spec` and `status`."""

    api_version: str = Field(default=API_VERSION, description="Version of the API this object is written for.")
    kind: str = Field(default="", description="Kind of the object.")
    metadata: Metadata = Field(description="Standard metadata.")


def body(model: BaseModel) -> dict[str, Any]:
    """Return a model as JSON for the apiserver: with names as users write them, and without fields that are None."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)
