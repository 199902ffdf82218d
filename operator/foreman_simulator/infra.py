"""The server itself and what surrounds hosts (foreman-api §1, §5).

Status, plugins, users, permissions, settings, smart proxies, organizations and locations.
"""

from __future__ import annotations

from typing import Any

from .call import Call, Route
from .hostgroup_views import taxonomy
from .replies import Invalid, Row, error, iso, not_found, pick, stamps, utc
from .search import Field, Fields
from .world import World

NAMED = Fields({"name": Field(lambda row: row["name"]), "id": Field(lambda row: row["id"], "integer")})
TAXONOMY = Fields({
    "name": Field(lambda row: row["name"]), "title": Field(lambda row: row["title"]), "id": Field(lambda row: row["id"], "integer"),
    "description": Field(lambda row: row["description"]),
})  # fmt: skip


async def status(call: Call) -> Any:
    """GET status (authentication-and-permissions 5, 6, 20)."""
    return {"result": "ok", "status": 200, "version": "3.12.0", "api_version": 2}


async def ping(call: Call) -> Any:
    """GET ping, without login (authentication-and-permissions 4)."""
    return {"results": {"foreman": {"database": {"active": True, "duration_ms": "1"}}}}


async def plugins(call: Call) -> Any:
    """GET plugins (authentication-and-permissions 25)."""
    keys = ("name", "author", "description", "url", "version")
    return call.listing(
        call.world.rows("plugins"),
        NAMED,
        lambda row: {"id": row["name"], **pick(row, keys)},
        default=lambda row: row["id"],
    )


async def features(call: Call) -> Any:
    """GET remote_execution_features, not paged (authentication-and-permissions 26)."""
    world = call.world

    def view(row: Row) -> Row:
        template = world.get("job_templates", row["job_template_id"])
        return {
            **pick(row, ("id", "label", "name", "description", "job_template_id")),
            "job_template_name": template["name"] if template else None, "host_action_button": row["host_action_button"],
        }  # fmt: skip

    return call.listing(world.rows("remote_execution_features"), NAMED, view)


async def setting(call: Call) -> Any:
    """GET settings/:name; an unknown one is 500 (authentication-and-permissions 27, 28)."""
    row = next((s for s in call.world.rows("settings") if s["name"] == call.args["name"]), None)
    if row is None:
        raise error(500, "undefined method `name' for nil:NilClass")
    same = ("description", "settings_type", "default")
    more = ("full_name", "value", "category", "category_name")
    return {
        **pick(row, same), "updated_at": utc(row["updated_at"]), "id": row["name"], "name": row["name"], **pick(row, more),
        "readonly": False, "config_file": None, "encrypted": False, "select_values": None,
    }  # fmt: skip


def _taxonomies(table: str) -> Any:
    async def index(call: Call) -> Any:
        """GET organizations or locations (hosts 1, 2)."""
        rows = call.world.rows(table)
        if not call.me["admin"]:
            rows = [row for row in rows if row["id"] in call.me[f"{table[:-1]}_ids"]]
        keys = ("id", "name", "title", "description")
        head = {"ancestry": None, "parent_id": None, "parent_name": None}
        return call.listing(rows, TAXONOMY, lambda row: {**head, **stamps(row), **pick(row, keys)})

    return index


async def proxies(call: Call) -> Any:
    """GET smart_proxies (raw/interfaces-images-reads)."""
    fields = Fields({
        "name": Field(lambda row: row["name"]), "id": Field(lambda row: row["id"], "integer"),
        "feature": Field(lambda row: [feature["name"] for feature in row["features"]]), "url": Field(lambda row: row["url"]),
    })  # fmt: skip
    return call.listing(call.world.rows("smart_proxies"), fields, lambda row: _proxy(call.world, row))


def _proxy(world: World, row: Row) -> Row:
    keys = ("name", "id", "url", "remote_execution_pubkey", "features")
    return {**stamps(row), "hosts_count": 0, **pick(row, keys)}


async def proxy(call: Call) -> Any:
    """GET smart_proxies/:id (raw/interfaces-images-reads)."""
    row = call.world.find("smart_proxies", call.args["id"], "smart_proxy")
    tail = {table: taxonomy(call.world, table, row[f"{table[:-1]}_ids"]) for table in ("locations", "organizations")}
    return {**_proxy(call.world, row), **tail}


async def current_permissions(call: Call) -> Any:
    """GET permissions/current_permissions: a row per filter, so some come twice (authentication-and-permissions 29)."""
    names = list(PERMISSIONS) if call.me["admin"] else call.me["permission_rows"]
    rows = [
        {"name": name, "id": PERMISSIONS[name][0], "resource_type": PERMISSIONS[name][1], "at": at}
        for at, name in enumerate(names)
    ]
    return call.listing(
        rows, NAMED, lambda row: pick(row, ("name", "id", "resource_type")), default=lambda row: row["at"]
    )


def _user(world: World, row: Row) -> Row:
    head = ("firstname", "lastname", "mail")
    return {
        **pick(row, head), "mail_enabled": False, "admin": row["admin"], "auth_source_id": 1, "disabled": False,
        "auth_source_name": "Internal", "timezone": None, "locale": None, "last_login_on": utc(row["last_login_on"]), **stamps(row),
        "id": row["id"], "login": row["login"], "description": None, "ssh_keys": [], "default_location": None,
        "locations": taxonomy(world, "locations", row["location_ids"]), "default_organization": None,
        "organizations": taxonomy(world, "organizations", row["organization_ids"]), "effective_admin": row["admin"],
        "cached_usergroups": [], "auth_source_internal": {"id": 1, "type": "AuthSourceInternal", "name": "Internal"},
        "mail_notifications": [], "roles": [], "usergroups": [],
    }  # fmt: skip


async def current_user(call: Call) -> Any:
    """GET current_user (authentication-and-permissions 21)."""
    return _user(call.world, call.me)


async def create_user(call: Call) -> Any:
    """POST users (authentication-and-permissions 9)."""
    known = (
        "login",
        "firstname",
        "lastname",
        "mail",
        "password",
        "auth_source_id",
        "organization_ids",
        "location_ids",
        "role_ids",
        "admin",
    )
    given = call.wrapped("user", known)
    errors = Invalid()
    if not given.get("login"):
        errors.add("login", "can't be blank")
    elif any(user["login"] == given["login"] for user in call.world.rows("users")):
        errors.add("login", "already exists")
    errors.raise_if_any()
    await call.commit()
    return _user(call.world, call.world.insert("users", new_user(**given)))


def new_user(login: str, password: str, **more: Any) -> Row:
    """Return a user's row; `permissions` are names in the order of their filters, some perhaps twice."""
    rows = list(more.get("permissions") or [])
    return {
        "login": login, "password": password, "firstname": more.get("firstname"), "lastname": more.get("lastname"), "mail": more.get("mail"),
        "admin": bool(more.get("admin")), "organization_ids": list(more.get("organization_ids") or []),
        "location_ids": list(more.get("location_ids") or []), "permissions": set(rows), "permission_rows": rows, "last_login_on": None,
    }  # fmt: skip


async def delete_user(call: Call) -> Any:
    """DELETE users/:id (authentication-and-permissions 22)."""
    world = call.world
    row = world.find("users", call.args["id"], "user", by="login")
    await call.commit()
    if world.table("users").pop(row["id"], None) is None:
        raise not_found("user", row["id"])
    times = {key: iso(row[key]) for key in ("last_login_on", "created_at", "updated_at")}
    empty = (
        "locale",
        "avatar_hash",
        "default_organization_id",
        "default_location_id",
        "timezone",
        "description",
        "password",
    )
    return {
        **pick(row, ("id", "login", "firstname", "lastname", "mail", "admin")), **times, "auth_source_id": 1, "password_hash": "simulated",
        "password_salt": "simulated", **dict.fromkeys(empty), "lower_login": row["login"].lower(), "mail_enabled": False,
        "disabled": False, "name": f"{row['firstname']} {row['lastname'] or ''}",
    }  # fmt: skip


#: permission -> its id and kind of resource: those of foreman-measured §7, and a few that the service user lacks
PERMISSIONS: dict[str, tuple[int, str | None]] = {
    "view_foreman_tasks": (20, "ForemanTasks::Task"), "view_job_invocations": (33, "JobInvocation"), "view_hosts": (101, "Host"),
    "create_hosts": (102, "Host"), "edit_hosts": (103, "Host"), "destroy_hosts": (104, "Host"), "view_hostgroups": (97, "Hostgroup"),
    "create_hostgroups": (98, "Hostgroup"), "edit_hostgroups": (99, "Hostgroup"), "destroy_hostgroups": (100, "Hostgroup"),
    "view_params": (148, "Parameter"), "create_params": (149, "Parameter"), "edit_params": (150, "Parameter"),
    "destroy_params": (151, "Parameter"), "view_compute_resources": (67, "ComputeResource"),
    "create_compute_resources_vms": (74, "ComputeResource"), "destroy_compute_resources_vms": (76, "ComputeResource"),
    "view_compute_resources_vms": (73, "ComputeResource"), "view_compute_profiles": (63, "ComputeProfile"),
    "view_organizations": (143, "Organization"), "assign_organizations": (147, "Organization"), "view_locations": (120, "Location"),
    "assign_locations": (124, "Location"), "view_subnets": (197, "Subnet"), "view_domains": (83, "Domain"),
    "view_operatingsystems": (139, "Operatingsystem"), "view_architectures": (51, "Architecture"), "view_media": (131, "Medium"),
    "view_ptables": (155, "Ptable"), "view_smart_proxies": (184, "SmartProxy"), "view_plugins": (172, None),
    "view_settings": (182, "Setting"), "view_config_reports": (79, "ConfigReport"), "view_puppetclasses": (14, "ForemanPuppet::Puppetclass"),
    "view_environments": (9, "ForemanPuppet::Environment"), "view_external_parameters": (5, "ForemanPuppet::PuppetclassLookupKey"),
    "edit_external_parameters": (7, "ForemanPuppet::PuppetclassLookupKey"),
    "create_external_parameters": (6, "ForemanPuppet::PuppetclassLookupKey"),
    "destroy_external_parameters": (8, "ForemanPuppet::PuppetclassLookupKey"), "edit_classes": (19, "ForemanPuppet::HostClass"),
    "create_job_invocations": (32, "JobInvocation"), "cancel_job_invocations": (37, "JobInvocation"),
    "view_job_templates": (25, "JobTemplate"), "create_template_invocations": (35, "TemplateInvocation"),
    "view_remote_execution_features": (28, "RemoteExecutionFeature"), "power_hosts": (106, "Host"), "build_hosts": (105, "Host"),
    "upload_config_reports": (82, "ConfigReport"), "create_users": (204, "User"), "destroy_users": (206, "User"),
}  # fmt: skip
#: the service user's permissions in the order of their filters: first those of the base role that every user has
#: (authentication-and-permissions 29)
SERVICE = [
    "view_foreman_tasks", "view_job_invocations",
    *[name for name in PERMISSIONS if name not in ("view_foreman_tasks", "power_hosts", "build_hosts", "upload_config_reports",
                                                   "create_users", "destroy_users", "view_job_invocations")],
]  # fmt: skip
SERVICE.insert(SERVICE.index("create_job_invocations"), "view_job_invocations")
SERVICE.append("view_foreman_tasks")


def routes() -> list[Route]:
    """Endpoints of this module."""
    return [
        Route("GET", "/api/v2/status", status),
        Route("GET", "/api/v2/ping", ping, login=False),
        Route("GET", "/api/v2/plugins", plugins, ("view_plugins",)),
        Route("GET", "/api/v2/remote_execution_features", features, ("view_remote_execution_features",)),
        Route("GET", "/api/v2/settings/:name", setting, ("view_settings",)),
        Route("GET", "/api/v2/organizations", _taxonomies("organizations"), ("view_organizations",)),
        Route("GET", "/api/v2/locations", _taxonomies("locations"), ("view_locations",)),
        Route("GET", "/api/v2/smart_proxies", proxies, ("view_smart_proxies",)),
        Route("GET", "/api/v2/smart_proxies/:id", proxy, ("view_smart_proxies",)),
        Route("GET", "/api/v2/permissions/current_permissions", current_permissions),
        Route("GET", "/api/v2/current_user", current_user),
        Route("POST", "/api/v2/users", create_user, ("create_users",), created=True),
        Route("DELETE", "/api/v2/users/:id", delete_user, ("destroy_users",)),
    ]
