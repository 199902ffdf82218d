"""The kind ForemanServer: the connection to one Foreman; cluster-scoped, used by those that its tenants permit."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from foreman_stacks.api.meta import Kind, Status
from foreman_stacks.model.schema import ForemanName, ObjectName, Rule, Written, plain

_URL = r"^https?://[^/@?#\s]+(/[^?#\s]*)?$"
_PEM = "-----BEGIN CERTIFICATE-----"
LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
LabelValue = Annotated[str, Field(max_length=63)]


class SecretRef(Written):
    """A Secret in the operator's namespace."""

    name: ObjectName = Field(description="Name of the Secret.")


class LabelRequirement(Written):
    """One requirement on labels, as metav1.LabelSelectorRequirement."""

    rules = (
        Rule(
            cel="(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
            holds=lambda entry: (entry.operator in ("In", "NotIn")) == bool(entry.values),
            message="In and NotIn have values, Exists and DoesNotExist have none",
            mend="give or remove values",
            field="values",
        ),
    )

    key: LabelKey = Field(description="The label's key.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="How key and values relate.")
    values: Annotated[tuple[LabelValue, ...], plain(64)] = Field(
        default=(), description="Values of the label: for In and NotIn."
    )


class LabelSelector(Written):
    """A selection by labels, as metav1.LabelSelector: {} selects everything."""

    match_labels: Annotated[dict[str, LabelValue], Field(max_length=64)] = Field(
        default_factory=dict, description="Labels that must have these values."
    )
    match_expressions: Annotated[tuple[LabelRequirement, ...], plain(32)] = Field(
        default=(), description="Requirements that must all hold."
    )


class Tenant(Written):
    """Namespaces that may use the server."""

    namespace_selector: LabelSelector = Field(
        description="Labels of the namespaces ({} is all); kubernetes.io/metadata.name is their name."
    )
    organization: ForemanName | None = Field(
        default=None, description="Foreman organization of deployments there that name none."
    )
    location: ForemanName | None = Field(
        default=None, description="Foreman location of deployments there that name none."
    )


class Limits(Written):
    """How much the operator asks of the server at a time, for all deployments together."""

    requests: Annotated[int, Field(ge=1, le=64)] = Field(default=8, description="Requests in flight.")
    provisioning: Annotated[int, Field(ge=1, le=500)] = Field(
        default=4, description="Hosts that are created at the same time; two requests are always left for all else."
    )
    puppet_runs_per_proxy: Annotated[int, Field(ge=1, le=5000)] = Field(
        default=50, description="Puppet runs at the same time on hosts of one smart proxy."
    )


class ForemanServerSpec(Written):
    """How to reach the server, and who may use it."""

    rules = (
        Rule(
            cel="self.url.matches('" + _URL.replace("\\", "\\\\") + "')",
            holds=lambda spec: re.fullmatch(_URL, spec.url) is not None,
            message="url is not http:// or https:// with a host, and without user, query and fragment",
            mend="write it like https://foreman.example.com; user and password belong into the Secret",
            field="url",
        ),
        Rule(
            cel=f"!has(self.caBundle) || self.caBundle.contains('{_PEM}')",
            holds=lambda spec: spec.ca_bundle is None or _PEM in spec.ca_bundle,
            message=f"caBundle holds no certificate in PEM form ({_PEM})",
            mend="give the text of the certificate authority's certificate",
            field="caBundle",
        ),
    )

    url: str = Field(min_length=8, max_length=1024, description="Address of Foreman, like https://foreman.example.com.")
    credentials_secret_ref: SecretRef = Field(
        description="Secret in the operator's namespace, with the keys username and password, or username and token (a "
        "personal access token)."
    )
    ca_bundle: Annotated[str, Field(min_length=1, max_length=131_072)] | None = Field(
        default=None,
        description="Certificates (PEM) of authorities to trust for this server. Default: those of the system.",
    )
    tenants: Annotated[tuple[Tenant, ...], plain(128)] = Field(
        description="Who may use the server. Any match permits, and the first gives the defaults; without a match a "
        "deployment is refused. An empty namespaceSelector ({}) permits all namespaces."
    )
    limits: Limits = Field(default_factory=Limits, description="How much the operator asks of the server at a time.")


class ForemanServerStatus(Status):
    """What the operator found out about the server."""

    version: Annotated[str, Field(max_length=63)] | None = Field(default=None, description="Version of Foreman.")


class ForemanServer(Kind):
    """The connection to one Foreman server, and which namespaces may use it."""

    spec: ForemanServerSpec = Field(description="How to reach the server, and who may use it.")
    status: ForemanServerStatus = Field(
        default_factory=ForemanServerStatus, description="What the operator found out about the server."
    )
