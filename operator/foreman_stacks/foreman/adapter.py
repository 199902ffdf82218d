"""The port over HTTP: queries become few requests, changes become one each, answers become records.

Every endpoint here was measured on Foreman 3.12 (foreman-measured) or is quoted in foreman-api; only this module
quotes search text.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from foreman_stacks.errors import ForemanError, ForemanNotFound, ForemanRefused
from foreman_stacks.foreman import parse, port
from foreman_stacks.foreman.client import ForemanClient
from foreman_stacks.model.journal import Entry, Journal
from foreman_stacks.model.secrecy import Redactor
from foreman_stacks.model.values import Json, Secret

Q = TypeVar("Q", bound=port.Query[Any])
Answers = dict[port.Query[Any], Any]
Reader = Callable[["ForemanAdapter", Sequence[Any]], Awaitable[Mapping[port.Query[Any], Any]]]

PAGE = 500
_SERVER_ERROR = 500
CHUNK = 100
"""Names or ids in one search: a query string ends at 10 240 characters (measured §1.3)."""


class ForemanAdapter:
    """`port.Foreman` on a `ForemanClient`."""

    def __init__(self, client: ForemanClient, journal: Journal, provisioning: int) -> None:
        self._client = client
        self._journal = journal
        self._provisioning = asyncio.Semaphore(provisioning)

    async def close(self) -> None:
        """End all connections."""
        await self._client.close()

    async def read(self, queries: Iterable[port.Query[Any]]) -> Mapping[port.Query[Any], Any]:
        """Answer every query, equal kinds together; raises `ForemanError`."""
        by_kind: dict[type, list[port.Query[Any]]] = defaultdict(list)
        for query in dict.fromkeys(queries):
            by_kind[type(query)].append(query)
        answers: Answers = {}
        for found in await asyncio.gather(*(_READERS[kind](self, group) for kind, group in by_kind.items())):
            answers.update(found)
        return answers

    async def write(self, change: port.Change) -> Any:
        """Do one change; a guard that no longer holds is `ForemanRefused` and nothing is written."""
        if change.guard is not None:
            seen = (await self.read([change.guard]))[change.guard]
            if seen is None and change.verb == "delete":
                return None
            if seen is None or change.guarded is None or _witness(seen) != _witness(change.guarded):
                raise ForemanRefused(f"{change}: not what it was when this was decided; nothing written", status=0)
        what = f"{change.verb} {change.resource}"
        await self._journal(Entry("before", "foreman", what, change.key))
        try:
            if change.verb == "create" and change.resource == "host":
                async with self._provisioning:
                    row = await self._do(change)
            else:
                row = await self._do(change)
        except ForemanError as error:
            await self._journal(Entry("failed", "foreman", what, change.key))
            raise _without_secrets(error, change.body) from None
        await self._journal(Entry("after", "foreman", what, change.key))
        return row

    async def _do(self, change: port.Change) -> Any:
        method, path, wrapper = _WRITES[change.verb, change.resource]
        address = path.format(*(quote(str(part), safe="") for part in change.address))
        body = port.reveal(change.body)
        try:
            reply = await self._client.send(method, address, {wrapper: body} if wrapper else body)
        except ForemanNotFound:
            if change.verb == "delete":
                return None
            raise
        parser = _REPLIES.get(change.resource) if change.verb in {"create", "start"} else None
        return parser(reply) if parser else None

    # --- lists ----------------------------------------------------------------------------------------------

    async def pages(self, path: str, search: str, **more: str | int) -> list[Any]:
        """All rows of a search, page by page."""
        rows: list[Any] = []
        page = 1
        while True:
            query = ({"search": search} if search else {}) | {"per_page": PAGE, "page": page, **more}
            reply = await self._client.get(path, query)
            found = reply.get("results", [])
            if isinstance(found, dict):
                found = [row for group in found.values() for row in group]
            rows.extend(found)
            if len(found) < PAGE or len(rows) >= int(reply.get("subtotal") or 0):
                return rows
            page += 1

    async def thin(self, search: str) -> list[port.ThinHost]:
        """Id and FQDN of the hosts that match: nearly free for the server (measured §1.3)."""
        rows = await self.pages("/api/v2/hosts", search, thin="true", order="id ASC")
        return [port.ThinHost(row["id"], row["name"]) for row in rows]

    async def get(self, path: str, **query: str | int) -> Any:
        """One GET, None for 404."""
        try:
            return await self._client.get(path, query or None)
        except ForemanNotFound:
            return None


def _witness(row: port.HostRow | port.Hostgroup) -> tuple[str, object]:
    """What must be the same for an object to be the one that a delete was decided for."""
    return (row.name if isinstance(row, port.HostRow) else row.title, row.mark)


def quoted(text: str) -> str:
    """A value in a search, safe for scoped_search."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def one_of(values: Iterable[str | int]) -> str:
    """The list of a search's `^`."""
    return "(" + ",".join(str(value) for value in values) + ")"


def chunks(items: Sequence[Q], size: int = CHUNK) -> Iterator[Sequence[Q]]:
    """Parts of a list that fit into one search."""
    return (items[start : start + size] for start in range(0, len(items), size))


def each(read: Callable[[ForemanAdapter, Any], Awaitable[Any]]) -> Reader:
    """A reader that needs one request (or a few) for every query."""

    async def reader(adapter: ForemanAdapter, queries: Sequence[Any]) -> Mapping[port.Query[Any], Any]:
        return dict(zip(queries, await asyncio.gather(*(read(adapter, query) for query in queries)), strict=True))

    return reader


async def _server(adapter: ForemanAdapter, _: port.ServerInfo) -> port.Server:
    status = await adapter.get("/api/v2/status")
    plugins = await adapter.get("/api/v2/plugins", per_page=PAGE)
    user = await adapter.get("/api/v2/current_user")
    permissions = await adapter.get("/api/v2/permissions/current_permissions", per_page=PAGE)
    features = await adapter.get("/api/v2/remote_execution_features")
    return parse.server(status, plugins, user, permissions, features)


async def _taxonomy(adapter: ForemanAdapter, query: port.TaxonomyNamed) -> int | None:
    rows = await adapter.pages(f"/api/v2/{query.kind}", f"name = {quoted(query.name)}")
    return next((row["id"] for row in rows if query.name in {row["name"], row.get("title")}), None)


async def _hostgroup_named(adapter: ForemanAdapter, query: port.HostgroupNamed) -> port.Hostgroup | None:
    rows = await adapter.pages("/api/v2/hostgroups", f"title = {quoted(query.title)}")
    found = next((row["id"] for row in rows if row["title"] == query.title), None)
    return None if found is None else await _hostgroup(adapter, port.HostgroupById(found))


async def _hostgroup(adapter: ForemanAdapter, query: port.HostgroupById) -> port.Hostgroup | None:
    row = await adapter.get(f"/api/v2/hostgroups/{query.id}")
    return None if row is None else parse.hostgroup(row)


async def _marked_hostgroups(adapter: ForemanAdapter, query: port.MarkedHostgroups) -> tuple[port.Hostgroup, ...]:
    search = f"params.foreman_stacks ~ {quoted(query.identity.search)}"
    rows = await adapter.pages("/api/v2/hostgroups", search, **{"include[]": "parameters"})
    return tuple(parse.hostgroup(row) for row in rows)


async def _environment(adapter: ForemanAdapter, query: port.EnvironmentNamed) -> int | None:
    rows = await adapter.pages("/foreman_puppet/api/environments", f"name = {quoted(query.name)}")
    return next((row["id"] for row in rows if row["name"] == query.name), None)


async def _classes(adapter: ForemanAdapter, queries: Sequence[port.ClassNamed]) -> Mapping[port.Query[Any], Any]:
    answers: Answers = dict.fromkeys(queries)
    for environment in {query.environment for query in queries}:
        names = [query.name for query in queries if query.environment == environment]
        path = f"/foreman_puppet/api/environments/{quote(environment, safe='')}/puppetclasses"
        for row in await adapter.pages(path, f"name ^ {one_of(names)}"):
            answers[port.ClassNamed(environment, row["name"])] = row["id"]
    return answers


async def _class_keys(adapter: ForemanAdapter, query: port.ClassKeys) -> Mapping[str, port.ClassKey]:
    path = f"/foreman_puppet/api/environments/{quote(query.environment, safe='')}/smart_class_parameters"
    rows = await adapter.pages(path, f"puppetclass_name = {quoted(query.puppet_class)}")
    return {row["parameter"]: parse.class_key(row) for row in rows}


async def _override(adapter: ForemanAdapter, query: port.OverrideOf) -> port.OverrideValue | None:
    path = f"/foreman_puppet/api/smart_class_parameters/{query.key_id}/override_values/{quote(query.match, safe='')}"
    row = await adapter.get(path)
    return None if row is None else port.OverrideValue(row["match"], row["value"])


async def _matches(adapter: ForemanAdapter, query: port.OverrideMatches) -> frozenset[str]:
    path = f"/foreman_puppet/api/smart_class_parameters/{query.key_id}/override_values"
    return frozenset(row["match"] for row in await adapter.pages(path, ""))


async def _compute_resource(adapter: ForemanAdapter, query: port.ComputeResourceNamed) -> port.ComputeResource | None:
    rows = await adapter.pages("/api/v2/compute_resources", f"name = {quoted(query.name)}")
    row = next((row for row in rows if row["name"] == query.name), None)
    if row is None:
        return None
    images = await adapter.get(f"/api/v2/compute_resources/{row['id']}/images", per_page=PAGE)
    return parse.compute_resource(row, images)


async def _vm(adapter: ForemanAdapter, query: port.VmPresent) -> bool:
    path = f"/api/v2/compute_resources/{query.compute_resource_id}/available_virtual_machines/{query.uuid}"
    try:
        return await adapter.get(path) is not None
    except ForemanRefused as error:
        if error.status == _SERVER_ERROR:
            return False
        raise


async def _compute_profile(adapter: ForemanAdapter, query: port.ComputeProfileNamed) -> port.ComputeProfile | None:
    rows = await adapter.pages("/api/v2/compute_profiles", f"name = {quoted(query.name)}")
    found = next((row["id"] for row in rows if row["name"] == query.name), None)
    return None if found is None else parse.compute_profile(await adapter.get(f"/api/v2/compute_profiles/{found}"))


async def _taken(adapter: ForemanAdapter, queries: Sequence[port.HostTaken]) -> Mapping[port.Query[Any], Any]:
    answers: Answers = dict.fromkeys(queries)
    for part in chunks(queries):
        for host in await adapter.thin(f"name ^ {one_of(query.fqdn for query in part)}"):
            answers[port.HostTaken(host.name)] = host.id
    return answers


async def _hosts(adapter: ForemanAdapter, queries: Sequence[port.HostNamed]) -> Mapping[port.Query[Any], Any]:
    answers: Answers = dict.fromkeys(queries)
    for part in chunks(queries):
        search = f"name ^ {one_of(query.fqdn for query in part)}"
        for row in await adapter.pages("/api/v2/hosts", search, order="id ASC"):
            answers[port.HostNamed(row["name"])] = parse.host(row)
    return answers


async def _host(adapter: ForemanAdapter, query: port.HostDetail) -> port.HostRow | None:
    row = await adapter.get(f"/api/v2/hosts/{query.id}")
    return None if row is None else parse.host(row)


async def _marked_hosts(adapter: ForemanAdapter, query: port.MarkedHosts) -> tuple[port.ThinHost, ...]:
    created = f"params.foreman_stacks ~ {quoted(f'{query.identity.search}Created role=')}"
    adopted = f"params.foreman_stacks ~ {quoted(f'{query.identity.search}Adopted role=')}"
    return tuple(await adapter.thin(f"{created} or {adopted}"))


_STATES = {
    "any": "",
    # A failed build also has `build = false` and a fresh `installed_at`: it must be `built` (measured §1.3).
    "built": " and build_status = built and set? installed_at",
    "failed": " and (build_status = build_failed or build_status = token_expired)",
}


async def _hosts_in(adapter: ForemanAdapter, queries: Sequence[port.HostsIn]) -> Mapping[port.Query[Any], Any]:
    """One search for all hostgroups of a state; each query is answered with all of them (callers know their own)."""
    answers: Answers = {}
    for state, condition in _STATES.items():
        asked = [query for query in queries if query.state == state]
        for part in chunks(asked):
            found = await adapter.thin(f"hostgroup_id ^ {one_of(query.hostgroup_id for query in part)}{condition}")
            answers.update(dict.fromkeys(part, frozenset(host.name for host in found)))
    return answers


async def _with_environment(adapter: ForemanAdapter, query: port.HostsWithEnvironment) -> frozenset[str]:
    search = f"hostgroup_id = {query.hostgroup_id} and environment = {quoted(query.environment)}"
    return frozenset(host.name for host in await adapter.thin(search))


async def _enc(adapter: ForemanAdapter, query: port.EncOf) -> port.Enc:
    return parse.enc(await adapter.get(f"/api/v2/hosts/{query.host_id}/enc"))


async def _job_with_token(adapter: ForemanAdapter, query: port.JobWithToken) -> port.Job | None:
    rows = await adapter.pages("/api/v2/job_invocations", f"description ~ {quoted(query.token)}")
    return next((parse.job(row) for row in rows if query.token in row["description"]), None)


async def _job_counts(adapter: ForemanAdapter, queries: Sequence[port.JobCounts]) -> Mapping[port.Query[Any], Any]:
    answers: Answers = dict.fromkeys(queries)
    for part in chunks(queries):
        search = f"id ^ {one_of(query.id for query in part)}"
        for row in await adapter.pages("/api/v2/job_invocations", search):
            answers[port.JobCounts(row["id"])] = parse.job(row)
    return answers


async def _job_hosts(adapter: ForemanAdapter, queries: Sequence[port.JobHosts]) -> Mapping[port.Query[Any], Any]:
    """`job_invocation.id ^ (…)` is a 500 (measured §1.15): the pairs are joined with `or`."""
    answers: Answers = {}
    for result in ("success", "failed", "cancelled"):
        asked = [query for query in queries if query.result == result]
        for part in chunks(asked, size=60):
            pairs = " or ".join(f"(job_invocation.id = {query.id} and job_invocation.result = {result})" for query in part)
            found = await adapter.thin(pairs)
            answers.update(dict.fromkeys(part, frozenset(host.name for host in found)))
    return answers


async def _job_output(adapter: ForemanAdapter, query: port.JobOutput) -> str:
    return parse.output(await adapter.get(f"/api/v2/job_invocations/{query.id}/hosts/{query.host_id}"))


async def _newest_report(adapter: ForemanAdapter, _: port.NewestReport) -> int:
    reply = await adapter.get("/api/v2/config_reports", order="id DESC", per_page=1)
    return max((int(row["id"]) for row in reply["results"]), default=0)


async def _reports(adapter: ForemanAdapter, queries: Sequence[port.ReportsSince]) -> Mapping[port.Query[Any], Any]:
    answers: dict[port.Query[Any], list[port.Report]] = {query: [] for query in queries}
    for part in chunks(queries, size=PAGE):
        floor = min(query.baseline for query in part)
        search = f"id > {floor} and host_id ^ {one_of(sorted({query.host_id for query in part}))}"
        rows = [parse.report(row) for row in await adapter.pages("/api/v2/config_reports", search, order="id ASC")]
        for query in part:
            answers[query] = [
                report for host_id, report in rows if host_id == query.host_id and report.id > query.baseline
            ]
    return {query: tuple(found) for query, found in answers.items()}


async def _report_log(adapter: ForemanAdapter, query: port.ReportLog) -> tuple[str, ...]:
    return parse.report_log(await adapter.get(f"/api/v2/config_reports/{query.id}"))


_READERS: Mapping[type, Reader] = {
    port.ServerInfo: each(_server),
    port.TaxonomyNamed: each(_taxonomy),
    port.HostgroupNamed: each(_hostgroup_named),
    port.HostgroupById: each(_hostgroup),
    port.MarkedHostgroups: each(_marked_hostgroups),
    port.EnvironmentNamed: each(_environment),
    port.ClassNamed: _classes,
    port.ClassKeys: each(_class_keys),
    port.OverrideOf: each(_override),
    port.OverrideMatches: each(_matches),
    port.ComputeResourceNamed: each(_compute_resource),
    port.VmPresent: each(_vm),
    port.ComputeProfileNamed: each(_compute_profile),
    port.HostTaken: _taken,
    port.HostNamed: _hosts,
    port.HostDetail: each(_host),
    port.MarkedHosts: each(_marked_hosts),
    port.HostsIn: _hosts_in,
    port.HostsWithEnvironment: each(_with_environment),
    port.EncOf: each(_enc),
    port.JobWithToken: each(_job_with_token),
    port.JobCounts: _job_counts,
    port.JobHosts: _job_hosts,
    port.JobOutput: each(_job_output),
    port.NewestReport: each(_newest_report),
    port.ReportsSince: _reports,
    port.ReportLog: each(_report_log),
}

_WRITES: Mapping[tuple[port.Verb, port.Resource], tuple[str, str, str]] = {
    ("create", "hostgroup"): ("POST", "/api/v2/hostgroups", "hostgroup"),
    ("delete", "hostgroup"): ("DELETE", "/api/v2/hostgroups/{0}", ""),
    ("create", "hostgroup_parameter"): ("POST", "/api/v2/hostgroups/{0}/parameters", "parameter"),
    ("update", "hostgroup_parameter"): ("PUT", "/api/v2/hostgroups/{0}/parameters/{1}", "parameter"),
    ("delete", "hostgroup_parameter"): ("DELETE", "/api/v2/hostgroups/{0}/parameters/{1}", ""),
    ("create", "hostgroup_class"): ("POST", "/foreman_puppet/api/hostgroups/{0}/puppetclass_ids", ""),
    ("delete", "hostgroup_class"): ("DELETE", "/foreman_puppet/api/hostgroups/{0}/puppetclass_ids/{1}", ""),
    ("update", "class_key"): ("PUT", "/foreman_puppet/api/smart_class_parameters/{0}", "smart_class_parameter"),
    ("create", "override_value"): (
        "POST", "/foreman_puppet/api/smart_class_parameters/{0}/override_values", "override_value",
    ),
    ("update", "override_value"): (
        "PUT", "/foreman_puppet/api/smart_class_parameters/{0}/override_values/{1}", "override_value",
    ),
    ("delete", "override_value"): (
        "DELETE", "/foreman_puppet/api/smart_class_parameters/{0}/override_values/{1}", "",
    ),
    ("create", "host"): ("POST", "/api/v2/hosts", "host"),
    ("update", "host"): ("PUT", "/api/v2/hosts/{0}", "host"),
    ("delete", "host"): ("DELETE", "/api/v2/hosts/{0}", ""),
    ("move", "host"): ("PUT", "/api/v2/hosts/bulk/reassign_hostgroup", ""),
    ("create", "host_parameter"): ("POST", "/api/v2/hosts/{0}/parameters", "parameter"),
    ("update", "host_parameter"): ("PUT", "/api/v2/hosts/{0}/parameters/{1}", "parameter"),
    ("delete", "vm"): ("DELETE", "/api/v2/compute_resources/{0}/available_virtual_machines/{1}", ""),
    ("start", "job"): ("POST", "/api/v2/job_invocations", "job_invocation"),
    ("cancel", "job"): ("POST", "/api/v2/job_invocations/{0}/cancel", ""),
}

_REPLIES: Mapping[port.Resource, Callable[[Any], Any]] = {
    "hostgroup": parse.hostgroup,
    "host": parse.host,
    "job": parse.job,
}


def _without_secrets(error: ForemanError, body: Any) -> ForemanError:
    """The same error, with any secret of the request blotted out of Foreman's message."""
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
