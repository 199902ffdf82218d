"""The operator's rights, and roles for users: each right with its reason, and no `*`.

RBAC grants verbs on kinds: although the operator patches only finalizers, and reads only named Secrets, its rights
cover whole objects and all Secrets. The users' rights are aggregated into every cluster's roles `view`, `edit` and
`admin`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from foreman_stacks.api.crds import RESOURCES, to_yaml
from foreman_stacks.api.structural import Node
from foreman_stacks.cluster.port import GROUP

NAMESPACE = "foreman-stacks-system"
ACCOUNT = "foreman-stacks"
READ = ("get", "list", "watch")
_API = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Right:
    """One rule of a role, and why it is needed."""

    why: str
    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]

    @property
    def body(self) -> Node:
        """The rule as RBAC has it."""
        return {"apiGroups": [self.group], "resources": list(self.resources), "verbs": list(self.verbs)}


CLUSTER: tuple[Right, ...] = (
    Right(
        "What users wrote is watched, and read again before each pass that writes.",
        GROUP,
        ("stacks", "stackdeployments", "foremanservers"),
        READ,
    ),
    Right(
        "Findings and progress are written to the status, never to the spec.",
        GROUP,
        tuple(f"{resource.plural}/status" for resource in RESOURCES if resource.subresource),
        ("patch",),
    ),
    Right(
        "A finalizer stands on these while work is in flight or something in Foreman is to be removed.",
        GROUP,
        ("stackdeployments", "foremanservers"),
        ("patch",),
    ),
    Right(
        "One object per host, for people to look at: made and changed by server-side apply, never watched. "
        "The operator deletes none: it is the apiserver's OwnerReferencesPermissionEnforcement, where that is on, that asks "
        "for `delete` when an object gets another owner (a deployment that was made again).",
        GROUP,
        ("deployedhosts",),
        ("get", "list", "create", "patch", "delete"),
    ),
    Right("The tenants of a ForemanServer select namespaces by label.", "", ("namespaces",), ("get",)),
    Right(
        "Parameters read their values from Secrets and ConfigMaps of their own namespace (valueFrom), which may be any; "
        "a ForemanServer's credentials and the key of digests are in the operator's. They are read by name, never listed.",
        "",
        ("secrets", "configmaps"),
        ("get",),
    ),
    Right("Each transition is told by an event.", "events.k8s.io", ("events",), ("create",)),
)

OWN: tuple[Right, ...] = (
    Right("The key of the digests of secret values is made once.", "", ("secrets",), ("create",)),
)

_SEEN = Right(
    "What is deployed in a namespace; ForemanServers concern the whole cluster, and administrators alone.",
    GROUP,
    ("stacks", "stackdeployments", "deployedhosts"),
    READ,
)

USERS: dict[str, tuple[Right, ...]] = {
    "view": (_SEEN,),
    "edit": (
        _SEEN,
        Right(
            "What users write; status and DeployedHosts are written by the operator alone.",
            GROUP,
            ("stacks", "stackdeployments"),
            ("create", "update", "patch", "delete"),
        ),
    ),
}
"""Rights of users in their namespaces, by the last word of the role's name. The operator does not get them."""
_INTO = {"view": ("view",), "edit": ("edit", "admin")}
"""The cluster's own roles into which each of these roles is aggregated."""


def documents() -> list[Node]:
    """ServiceAccount, roles and bindings; then the roles for users, which are bound to no subject."""
    subjects = [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}]
    here: Node = {"name": ACCOUNT, "namespace": NAMESPACE, "labels": _labels()}
    everywhere: Node = {"name": ACCOUNT, "labels": _labels()}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": here},
        _object("ClusterRole", everywhere, rules=[right.body for right in CLUSTER]),
        _object("ClusterRoleBinding", everywhere, roleRef=_role("ClusterRole"), subjects=subjects),
        _object("Role", here, rules=[right.body for right in OWN]),
        _object("RoleBinding", here, roleRef=_role("Role"), subjects=subjects),
        *(_for_users(name, rights) for name, rights in USERS.items()),
    ]


def render() -> str:
    """The rights as one stream of YAML, each rule under its reason."""
    text = "---\n".join(to_yaml(document) for document in documents())
    lines: list[str] = []
    reasons = iter([*CLUSTER, *OWN, *chain.from_iterable(USERS.values())])
    for line in text.splitlines():
        if line.startswith("  - apiGroups:"):
            lines.extend(textwrap.wrap(next(reasons).why, 110, initial_indent="  # ", subsequent_indent="  # "))
        lines.append(line)
    return "\n".join(lines) + "\n"


def _for_users(name: str, rights: Sequence[Right]) -> Node:
    into = {f"{_API}/aggregate-to-{role}": "true" for role in _INTO[name]}
    meta = {"name": f"{ACCOUNT}-{name}", "labels": {**_labels(), **into}}
    return _object("ClusterRole", meta, rules=[right.body for right in rights])


def _object(kind: str, metadata: Node, **content: object) -> Node:
    return {"apiVersion": f"{_API}/v1", "kind": kind, "metadata": metadata, **content}


def _role(kind: str) -> Node:
    return {"apiGroup": _API, "kind": kind, "name": ACCOUNT}


def _labels() -> Node:
    return {"app.kubernetes.io/name": "foreman-stacks"}
