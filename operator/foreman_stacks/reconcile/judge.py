"""Judges whether the operator can use a Foreman server, and says what to do when it cannot."""

from __future__ import annotations

from foreman_stacks.errors import (
    ForemanError,
    ForemanForbidden,
    ForemanNotFound,
    ForemanUnauthorized,
    ForemanUnreachable,
)
from foreman_stacks.foreman.port import Server
from foreman_stacks.model.reasons import ConditionType, Reason
from foreman_stacks.reconcile.conditions import Condition

MINIMUM = (3, 12)
"""Foreman 3.12 introduced the bulk move and bulk build (foreman-api §17)."""
PLUGINS = ("foreman_puppet", "foreman_remote_execution")
FEATURES = ("run_script", "puppet_run_host")
PERMISSIONS = frozenset(
    f"{verb}_{thing}"
    for things, verbs in (
        (("hosts", "hostgroups", "params", "external_parameters"), ("view", "create", "edit", "destroy")),
        (("compute_resources_vms",), ("view", "create", "destroy")),
        (("job_invocations",), ("view", "create", "cancel")),
        (
            (
                "compute_resources",
                "compute_profiles",
                "organizations",
                "locations",
                "subnets",
                "domains",
                "operatingsystems",
                "architectures",
                "media",
                "ptables",
                "smart_proxies",
                "plugins",
                "config_reports",
                "puppetclasses",
                "environments",
                "job_templates",
                "remote_execution_features",
            ),
            ("view",),
        ),
        (("organizations", "locations"), ("assign",)),
        (("classes",), ("edit",)),
        (("template_invocations",), ("create",)),
    )
    for thing in things
    for verb in verbs
)
"""The measured role (foreman-measured §7) without viewing settings and tasks, which no call of the operator needs."""


def judge(info: Server) -> Condition:
    """Return the Ready condition of a server that answered: True, or False with what is missing."""
    parts = info.version.split(".")
    version = tuple(int("".join(filter(str.isdigit, part)) or 0) for part in parts[:2])
    if version < MINIMUM:
        return bad(Reason.VERSION_NOT_SUPPORTED, f"Foreman {info.version} is too old; upgrade it to 3.12 or later")
    lacking = [] if info.admin else sorted(PERMISSIONS - info.permissions)
    plugins = [name for name in PLUGINS if name not in info.plugins]
    # Missing plugins come first, since their permissions come with them; without view_plugins none can be seen.
    if plugins and "view_plugins" not in lacking:
        return bad(Reason.PLUGIN_MISSING, f"plugins are missing: {', '.join(plugins)}; install them in Foreman")
    if lacking:
        return bad(
            Reason.FORBIDDEN, f"the Foreman user lacks the permissions {', '.join(lacking)}; add them to its role"
        )
    features = [name for name in FEATURES if name not in info.features]
    if features:
        return bad(
            Reason.FEATURE_MISSING,
            f"remote execution features without a job template: {', '.join(features)}; "
            "assign one in Foreman (Administer, Remote Execution Features)",
        )
    return Condition(ConditionType.READY, "True", Reason.CONNECTED, f"Foreman {info.version}")


def failure(error: ForemanError) -> Condition:
    """Return the Ready condition of a server that could not be asked: why, and what to do."""
    match error:
        case ForemanUnauthorized():
            return bad(
                Reason.UNAUTHORIZED,
                "Foreman refuses the credentials; correct the Secret. Until then it is asked only every "
                "5 minutes, since failed logins lock out the operator's address",
            )
        case ForemanForbidden(permissions=permissions) if permissions:
            return bad(
                Reason.FORBIDDEN,
                f"the Foreman user lacks the permissions {', '.join(permissions)}; add them to its role",
            )
        case ForemanForbidden():
            return bad(Reason.FORBIDDEN, f"{error}; check the role of the Foreman user")
        case ForemanNotFound() | ForemanUnreachable(status=200 | 301 | 302 | 303 | 307 | 308):
            return bad(Reason.NOT_FOREMAN, f"{error}; check spec.url: there is no Foreman API below it")
        case _:
            return bad(Reason.UNREACHABLE, f"{error}; check spec.url, DNS, caBundle and the network")


def bad(reason: Reason, message: str) -> Condition:
    """Return the condition of a server that is not Ready."""
    return Condition(ConditionType.READY, "False", reason, message)
