"""What a server holds before the first request: `lab` for the product's tests, `recordings` for the replay."""

from __future__ import annotations

from typing import Any

from .gemspecs import GEMSPECS
from .plant import plant
from .replies import Row
from .world import World

SMALL: Row = {
    "cpus": "1", "memory": "1073741824", "domain_type": "test", "arch": "i686",
    "volumes_attributes": {"0": {"pool_name": "default-pool", "capacity": "1G", "allocation": "0G", "format_type": "raw"}},
    "nics_attributes": {"0": {"type": "network", "network": "default", "model": "virtio"}},
}  # fmt: skip
#: the parameters of the classes in the recordings' README, as their manifest declares them
ROLE_DB: Row = {
    "db_name": {"default": "app", "type": "Any"}, "fail": {"default": False, "type": "Boolean"}, "port": {"default": 5432},
    "replicas": {"default": []}, "sleep": {"default": 0, "type": "Integer"},
}  # fmt: skip
ROLE_APP: Row = {
    "db_url": {"default": None}, "workers": {"default": 2, "type": "Integer"}, "debug": {"default": False, "type": "Boolean"},
    "limits": {"default": {}, "type": "Hash"}, "fail": {"default": False, "type": "Boolean"}, "sleep": {"default": 0, "type": "Integer"},
}  # fmt: skip
#: the parameters that matter of github.com/deric/puppet-zookeeper manifests/init.pp; a default that is not a literal
#: is imported as its text (measured §4)
ZOOKEEPER: Row = {
    "id": {"default": None}, "client_ip": {"default": None}, "client_port": {"default": 2181}, "election_port": {"default": 2888},
    "leader_port": {"default": 3888}, "servers": {"default": [], "type": "Array"}, "observers": {"default": [], "type": "Array"},
    "datastore": {"default": "/var/lib/zookeeper"}, "cfg_dir": {"default": "/etc/zookeeper/conf"}, "user": {"default": "zookeeper"},
    "install_java": {"default": False, "type": "Boolean"}, "java_package": {"default": None}, "java_opts": {"default": ""},
    "ensure_cron": {"default": True, "type": "Boolean"}, "manage_service": {"default": True, "type": "Boolean"},
    "service_name": {"default": "$::zookeeper::params::service_name"}, "packages": {"default": "$::zookeeper::params::packages"},
    "snap_retain_count": {"default": 3}, "purge_interval": {"default": 0},
}  # fmt: skip
#: theforeman/puppet-puppet manifests/init.pp: the only parameter that the operator may set
PUPPET: Row = {"runmode": {"default": "$puppet::params::runmode"}}
FEATURES: list[Row] = [
    {"capabilities": ["single", "ssh"], "name": "Dynflow", "id": 14}, {"capabilities": [], "name": "Script", "id": 16},
    {"capabilities": [], "name": "Puppet", "id": 13}, {"capabilities": [], "name": "Logs", "id": 9},
]  # fmt: skip
PLUGINS = (
    ("foreman-tasks", "9.2.3"),
    ("foreman_discovery", "24.0.2"),
    ("foreman_puppet", "7.0.0"),
    ("foreman_remote_execution", "13.2.8"),
)


def _things(*pairs: tuple[str, Row]) -> list[Row]:
    return [{"resource": resource, "object": obj} for resource, obj in pairs]


def load(world: World) -> None:
    """Fill a world that was just reset."""
    settings = world.settings
    settings.builds = settings.scenario == "lab"
    plant(world, _common(world))
    plant(world, _lab() if settings.scenario == "lab" else _recordings())


def _common(world: World) -> list[Row]:
    user, password = world.settings.user, world.settings.password
    service = {
        "login": "svc",
        "password": "svc-password1",
        "firstname": "s",
        "mail": "svc@example.com",
        "permissions": "service",
        "id": 5,
    }
    recorded = world.settings.scenario == "recordings"
    return _things(
        ("organizations", {"name": "Default Organization"}),
        ("locations", {"name": "Default Location"}),
        (
            "users",
            {
                "login": "foreman_api_admin",
                "password": world.uuid(),
                "firstname": "API",
                "lastname": "Admin",
                "admin": True,
                "id": 3,
            },
        ),
        (
            "users",
            {
                "login": user,
                "password": password,
                "firstname": "Admin",
                "lastname": "User",
                "mail": "root@vm",
                "admin": True,
                "id": 4,
            },
        ),
        ("users", service),
        ("operatingsystems", {"name": "Debian", "major": "12", "title": "Debian 12"}),
        ("operatingsystems", {"name": "Debian", "major": "12", "minor": "11", "title": "Debian 12.11"}),
        ("architectures", {"name": "x86_64"}),
        ("media", {"name": "Debian lab"}),
        ("ptables", {"name": "Preseed default"}),
        ("models", {"name": "kvm"}),
        ("domains", {"name": "lab.example.com"}),
        (
            "subnets",
            {
                "name": "lab",
                "network": "198.18.0.0",
                "mask": "255.255.0.0",
                "from": "198.18.1.1",
                "to": "198.18.200.250",
            },
        ),
        ("smart_proxies", {"name": "proxy1", "features": FEATURES}),
        ("compute_resources", {"name": "libvirt-test"}),
        ("environments", {"name": "production"}),
        *_templates(),
        *[("plugins", {"name": name, "version": version, **_gemspec(name)}) for name, version in PLUGINS],
        ("parameters", {"name": "host_registration_insights", "value": "false", "parameter_type": "boolean"}),
        ("parameters", {"name": "host_registration_remote_execution", "value": "true", "parameter_type": "boolean"}),
        ("parameters", {"name": "host_packages", "value": ""}),
        *_settings(destroy_vm=recorded),
    )


def _gemspec(name: str) -> Row:
    author, description = GEMSPECS.get(name, ("", ""))
    return {"author": author, "description": description, "url": f"https://github.com/theforeman/{name}"}


def _templates() -> list[tuple[str, Row]]:
    """Remote execution's features and their templates (rex app/views/templates/script/*.erb)."""
    run_puppet = {
        "id": 170, "name": "Puppet Run Once - Script Default", "job_category": "Puppet", "inputs": {"puppet_options": 40}, "required": [],
        "description_format": "Run Puppet once", "runs": "puppet",
    }  # fmt: skip
    run_command = {
        "id": 171, "name": "Run Command - Script Default", "job_category": "Commands", "inputs": {"command": 41}, "required": ["command"],
        "description_format": "Run %{command}", "runs": "script",
    }  # fmt: skip
    puppet_feature = {
        "label": "puppet_run_host", "name": "Run Puppet Once", "description": "Perform a single Puppet run", "job_template_id": 170,
        "host_action_button": True,
    }  # fmt: skip
    script_feature = {
        "label": "run_script", "name": "Run Script", "description": "Run a script", "job_template_id": 171, "host_action_button": False,
    }  # fmt: skip
    return [
        ("job_templates", run_puppet), ("job_templates", run_command), ("remote_execution_features", puppet_feature),
        ("remote_execution_features", script_feature),
    ]  # fmt: skip


def _settings(destroy_vm: bool) -> list[tuple[str, Row]]:
    """Settings that clients ask for (core config/initializers/f_foreman_settings_*.rb)."""
    destroy = (
        "Destroy associated VM on host delete. When enabled, VMs linked to Hosts will be deleted on Compute Resource. When disabled, VMs "
        "are unlinked when the host is deleted, meaning they remain on Compute Resource and can be re-associated or imported back to "
        "Foreman again. This does not automatically power off the VM"
    )
    return [
        ("settings", {
            "name": "destroy_vm_on_host_delete", "description": destroy, "settings_type": "boolean", "default": False, "value": destroy_vm,
            "full_name": "Destroy associated VM on host delete", "category": "provisioning", "category_name": "Provisioning",
        }),
        ("settings", {
            "name": "create_new_host_when_report_is_uploaded", "settings_type": "boolean", "default": True, "value": True,
            "full_name": "Create new host when report is uploaded", "category": "cfgmgmt", "category_name": "Config Management",
            "description": "Foreman will create the host when a report is received",
        }),
        ("settings", {
            "name": "puppet_interval", "settings_type": "integer", "default": 35, "value": 35, "full_name": "Puppet interval",
            "category": "puppet", "category_name": "Puppet",
            "description": "Duration in minutes after servers reporting via Puppet are classed as out of sync.",
        }),
    ]  # fmt: skip


BASE: dict[str, Any] = {
    "subnet": "lab", "operatingsystem": "Debian 12", "domain": "lab.example.com", "compute_profile": "1-Small", "ptable": "Preseed default",
    "medium": "Debian lab", "pxe_loader": "PXELinux BIOS", "compute_resource": "libvirt-test", "architecture": "x86_64",
    "root_pass": "$5$simulated$",
}  # fmt: skip
PROFILES = (
    ("compute_profiles", {"name": "1-Small", "attributes": {"libvirt-test": SMALL}}),
    ("compute_profiles", {"name": "2-Medium"}),
    ("compute_profiles", {"name": "3-Large"}),
)


def _lab() -> list[Row]:
    """Return what `lab` holds beside the common objects (README.md)."""
    medium = {**SMALL, "cpus": "2", "memory": "4294967296"}
    image = {"operatingsystem": "Debian 12", "architecture": "x86_64", "compute_resource": "cloud-test"}
    return _things(
        ("compute_resources", {"name": "cloud-test"}),
        (
            "images",
            {"name": "debian-12-cloud-init", "uuid": "/images/debian-12-cloud-init.img", "user_data": True, **image},
        ),
        ("images", {"name": "debian-12-ssh", "uuid": "/images/debian-12-ssh.img", "user_data": False, **image}),
        ("compute_profiles", {"name": "1-Small", "attributes": {"libvirt-test": SMALL, "cloud-test": SMALL}}),
        ("compute_profiles", {"name": "2-Medium", "attributes": {"libvirt-test": medium}}),
        ("compute_profiles", {"name": "3-Large"}),
        ("puppetclasses", {"name": "role_app", "parameters": ROLE_APP}),
        ("puppetclasses", {"name": "role_db", "parameters": ROLE_DB}),
        ("puppetclasses", {"name": "zookeeper", "parameters": ZOOKEEPER}),
        ("puppetclasses", {"name": "puppet", "parameters": PUPPET}),
        ("hostgroups", {"name": "Base"}),
        (
            "hostgroups",
            {"name": "Debian 12", "parent": "Base", **BASE, "puppet_attributes": {"environment": "production"}},
        ),
    )


def _recordings() -> list[Row]:
    """Return what `recordings` holds beside the common objects, as listed in the README of our own recordings."""
    reported = {
        "boot_time": "2026-11-23 01:39:22 UTC",
        "cores": 2,
        "sockets": 1,
        "disks_total": 274877906944,
        "kernel_version": "6.1.0",
    }
    reported |= {"bios_vendor": None, "bios_release_date": None, "bios_version": None}
    hosts = []
    for number, name in enumerate(("db1", "app1", "app2"), 11):
        attrs = {
            "netmask": "255.0.0.0", "network": "127.0.0.0", "mtu": 1500,
            "bindings": [{"address": f"127.0.0.{number}", "netmask": "255.0.0.0", "network": "127.0.0.0"}],
        }  # fmt: skip
        hosts.append(("hosts", {
            "name": f"{name}.lab.example.com", "managed": False, "ip": f"127.0.0.{number}", "mac": f"02:00:7f:00:00:{number}",
            "domain": "lab.example.com", "architecture": "x86_64", "operatingsystem": "Debian 12.11", "model": "kvm", "machine": "none",
            "puppet_attributes": {"environment": "production"}, "reported_data": dict(reported), "creator": "foreman_api_admin",
            "interface": {"identifier": "eth0", "attrs": attrs}, "execution_status": 0,
        }))  # fmt: skip
    first = [("config_reports", {"host": obj["name"], "status": {}}) for _, obj in hosts]
    return _things(
        *PROFILES,
        ("environments", {"name": "staging"}),
        ("puppetclasses", {"name": "role_app", "parameters": ROLE_APP}),
        ("puppetclasses", {"name": "role_db", "parameters": ROLE_DB}),
        ("hostgroups", {"name": "Base", **BASE}),
        *hosts,
        *first,
    )
