"""How each kind of change is sent: method, path, the key that wraps the body, and the parser of the reply.

Every endpoint here was measured on Foreman 3.12 (foreman-measured) or is quoted in foreman-api.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from foreman_stacks.errors import ForemanError, ForemanRefused
from foreman_stacks.foreman import parse, port
from foreman_stacks.model.secrecy import Redactor
from foreman_stacks.model.values import Json, Secret

WRITES: Mapping[tuple[port.Verb, port.Resource], tuple[str, str, str]] = {
    ("create", "hostgroup"): ("POST", "/api/v2/hostgroups", "hostgroup"),
    ("delete", "hostgroup"): ("DELETE", "/api/v2/hostgroups/{0}", ""),
    ("create", "hostgroup_parameter"): ("POST", "/api/v2/hostgroups/{0}/parameters", "parameter"),
    ("update", "hostgroup_parameter"): ("PUT", "/api/v2/hostgroups/{0}/parameters/{1}", "parameter"),
    ("delete", "hostgroup_parameter"): ("DELETE", "/api/v2/hostgroups/{0}/parameters/{1}", ""),
    ("create", "hostgroup_class"): ("POST", "/foreman_puppet/api/hostgroups/{0}/puppetclass_ids", ""),
    ("delete", "hostgroup_class"): ("DELETE", "/foreman_puppet/api/hostgroups/{0}/puppetclass_ids/{1}", ""),
    ("update", "class_key"): ("PUT", "/foreman_puppet/api/smart_class_parameters/{0}", "smart_class_parameter"),
    ("create", "override_value"): (
        "POST",
        "/foreman_puppet/api/smart_class_parameters/{0}/override_values",
        "override_value",
    ),
    ("update", "override_value"): (
        "PUT",
        "/foreman_puppet/api/smart_class_parameters/{0}/override_values/{1}",
        "override_value",
    ),
    ("delete", "override_value"): (
        "DELETE",
        "/foreman_puppet/api/smart_class_parameters/{0}/override_values/{1}",
        "",
    ),
    ("create", "host"): ("POST", "/api/v2/hosts", "host"),
    ("update", "host"): ("PUT", "/api/v2/hosts/{0}", "host"),
    ("delete", "host"): ("DELETE", "/api/v2/hosts/{0}", ""),
    ("move", "host"): ("PUT", "/api/v2/hosts/bulk/reassign_hostgroup", ""),
    ("create", "host_parameter"): ("POST", "/api/v2/hosts/{0}/parameters", "parameter"),
    ("update", "host_parameter"): ("PUT", "/api/v2/hosts/{0}/parameters/{1}", "parameter"),
    ("delete", "host_parameter"): ("DELETE", "/api/v2/hosts/{0}/parameters/{1}", ""),
    ("delete", "vm"): ("DELETE", "/api/v2/compute_resources/{0}/available_virtual_machines/{1}", ""),
    ("start", "job"): ("POST", "/api/v2/job_invocations", "job_invocation"),
    ("cancel", "job"): ("POST", "/api/v2/job_invocations/{0}/cancel", ""),
}

REPLIES: Mapping[port.Resource, Callable[[Any], Any]] = {
    "hostgroup": parse.hostgroup,
    "host": parse.host,
    "job": parse.job,
}


def without_secrets(error: ForemanError, body: Any) -> ForemanError:
    """Return the same error, with every secret of the request blotted out of Foreman's message."""
    blot = Redactor(_secrets(body))
    error.args = (blot(str(error)),)
    if isinstance(error, ForemanRefused):
        error.errors = {name: list(map(blot, texts)) for name, texts in error.errors.items()}
    return error


def _secrets(body: Any) -> Iterator[Json]:
    if isinstance(body, Secret):
        yield body.reveal()
    elif isinstance(body, Mapping):
        for value in body.values():
            yield from _secrets(value)
    elif isinstance(body, list | tuple):
        for value in body:
            yield from _secrets(value)
