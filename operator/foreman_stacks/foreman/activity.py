"""Readers for the queries about what happens on a Foreman: hosts, jobs, reports.

Every endpoint here was measured on Foreman 3.12 (foreman-measured) or is quoted in foreman-api.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from foreman_stacks.foreman import parse, port
from foreman_stacks.foreman.search import Answers, Lists, Reader, chunks, each, one_of, quoted
from foreman_stacks.model.identity import Identity


async def _taken(lists: Lists, queries: Sequence[port.HostTaken]) -> Mapping[port.Query[Any], Any]:
    answers: Answers = dict.fromkeys(queries)
    for part in chunks(queries, lambda query: query.fqdn):
        for host in await lists.thin(f"name ^ {one_of(query.fqdn for query in part)}"):
            answers[port.HostTaken(host.name)] = host.id
    return answers


async def _hosts(lists: Lists, queries: Sequence[port.HostNamed]) -> Mapping[port.Query[Any], Any]:
    answers: Answers = dict.fromkeys(queries)
    for part in chunks(queries, lambda query: query.fqdn, most=100):  # full rows are expensive (measured §1.3)
        search = f"name ^ {one_of(query.fqdn for query in part)}"
        for row in await lists.pages("/api/v2/hosts", search, order="id ASC"):
            answers[port.HostNamed(row["name"])] = parse.host(row)
    return answers


async def _host(lists: Lists, query: port.HostDetail) -> port.HostRow | None:
    row = await lists.get(f"/api/v2/hosts/{query.id}")
    return None if row is None else parse.host(row)


async def _marked_hosts(lists: Lists, query: port.MarkedHosts) -> tuple[port.ThinHost, ...]:
    return tuple(await lists.thin(_marked(query.identity)))


def _marked(identity: Identity) -> str:
    """Return the search for hosts with an own mark: the mark that they inherit from their hostgroup has no `role=`."""
    created = f"params.foreman_stacks ~ {quoted(f'{identity.search}Created role=')}"
    adopted = f"params.foreman_stacks ~ {quoted(f'{identity.search}Adopted role=')}"
    return f"{created} or {adopted}"


_STATES = {
    "any": "",
    # A failed build also has `build = false` and a fresh `installed_at`: only `build_status` tells (measured §1.3).
    "built": " and build_status = built and set? installed_at",
    "failed": " and (build_status = build_failed or build_status = token_expired)",
}


async def _hosts_in(lists: Lists, queries: Sequence[port.HostsIn]) -> Mapping[port.Query[Any], Any]:
    """Search once per state for the hosts of all hostgroups.

    Each query is answered with all hosts of its search: callers know which ones are their own.
    """
    searches = [
        (part, f"hostgroup_id ^ {one_of(query.hostgroup_id for query in part)}{condition}")
        for state, condition in _STATES.items()
        for part in chunks([query for query in queries if query.state == state], lambda query: query.hostgroup_id)
    ]
    return await _names(lists, searches)


async def _names(lists: Lists, searches: Sequence[tuple[Sequence[port.Query[Any]], str]]) -> Answers:
    """Run the searches concurrently; the names of the hosts that a search finds answer each of its queries."""
    answers: Answers = {}

    async def ask(queries: Sequence[port.Query[Any]], search: str) -> None:
        found = await lists.thin(search)
        answers.update(dict.fromkeys(queries, frozenset(host.name for host in found)))

    await asyncio.gather(*(ask(queries, search) for queries, search in searches))
    return answers


async def _hosts_of(lists: Lists, query: port.HostsOf) -> frozenset[str]:
    return frozenset(host.name for host in await lists.thin(f"hostgroup_id = {query.hostgroup_id}"))


async def _with_environment(lists: Lists, query: port.HostsWithEnvironment) -> frozenset[str]:
    return frozenset(host.name for host in await lists.thin(_placed(query)))


async def _in_place(lists: Lists, query: port.HostsInPlace) -> frozenset[str]:
    search = f"{_placed(query)} and ({_marked(query.identity)})"
    return frozenset(host.name for host in await lists.thin(search))


def _placed(query: port.HostsWithEnvironment | port.HostsInPlace) -> str:
    return f"hostgroup_id = {query.hostgroup_id} and environment = {quoted(query.environment)}"


async def _enc(lists: Lists, query: port.EncOf) -> port.Enc:
    return parse.enc(await lists.get(f"/api/v2/hosts/{query.host_id}/enc"))


async def _job_with_token(lists: Lists, query: port.JobWithToken) -> port.Job | None:
    rows = await lists.pages("/api/v2/job_invocations", f"description ~ {quoted(query.token)}")
    return next((parse.job(row) for row in rows if query.token in row["description"]), None)


async def _job_counts(lists: Lists, queries: Sequence[port.JobCounts]) -> Mapping[port.Query[Any], Any]:
    answers: Answers = dict.fromkeys(queries)
    for part in chunks(queries, lambda query: query.id):
        search = f"id ^ {one_of(query.id for query in part)}"
        for row in await lists.pages("/api/v2/job_invocations", search):
            answers[port.JobCounts(row["id"])] = parse.job(row)
    return answers


def _result_of(query: port.JobHosts) -> str:
    return f"(job_invocation.id = {query.id} and job_invocation.result = {query.result})"


async def _job_hosts(lists: Lists, queries: Sequence[port.JobHosts]) -> Mapping[port.Query[Any], Any]:
    """Search once per result. Jobs are joined by `or`: `job_invocation.id ^ (…)` gets a 500 (measured §1.15)."""
    searches = [
        (part, " or ".join(map(_result_of, part)))
        for result in ("success", "failed", "cancelled")
        for part in chunks([query for query in queries if query.result == result], _result_of)
    ]
    return await _names(lists, searches)


async def _job_outputs(lists: Lists, queries: Sequence[port.JobOutput]) -> Mapping[port.Query[Any], Any]:
    """Read the outputs of up to 100 hosts of a job with one call (foreman-api §8)."""
    answers: Answers = dict.fromkeys(queries, "")
    for job in dict.fromkeys(query.id for query in queries):
        for part in chunks([query for query in queries if query.id == job], lambda query: query.host_id, most=100):
            search = f"id ^ {one_of(query.host_id for query in part)}"
            reply = await lists.get(f"/api/v2/job_invocations/{job}/outputs", search_query=search)
            answers |= {
                port.JobOutput(job, row["host_id"]): parse.output(row) for row in (reply or {}).get("outputs", ())
            }
    return answers


async def _newest_report(lists: Lists, _: port.NewestReport) -> int:
    reply = await lists.get("/api/v2/config_reports", order="id DESC", per_page=1)
    return max((int(row["id"]) for row in reply["results"]), default=0)


async def _reports(lists: Lists, queries: Sequence[port.ReportsSince]) -> Mapping[port.Query[Any], Any]:
    answers: dict[port.Query[Any], list[port.Report]] = {query: [] for query in queries}
    for part in chunks(queries, lambda query: query.host_id):
        floor = min(query.baseline for query in part)
        search = f"id > {floor} and host_id ^ {one_of(sorted({query.host_id for query in part}))}"
        rows = [parse.report(row) for row in await lists.pages("/api/v2/config_reports", search, order="id ASC")]
        for query in part:
            answers[query] = [
                report for host_id, report in rows if host_id == query.host_id and report.id > query.baseline
            ]
    return {query: tuple(found) for query, found in answers.items()}


async def _report_version(lists: Lists, query: port.ReportVersion) -> str | None:
    return parse.report_version(await lists.get(f"/api/v2/config_reports/{query.id}"))


async def _report_log(lists: Lists, query: port.ReportLog) -> tuple[str, ...]:
    return parse.report_log(await lists.get(f"/api/v2/config_reports/{query.id}"))


READERS: Mapping[type, Reader] = {
    port.HostTaken: _taken,
    port.HostNamed: _hosts,
    port.HostDetail: each(_host),
    port.MarkedHosts: each(_marked_hosts),
    port.HostsIn: _hosts_in,
    port.HostsOf: each(_hosts_of),
    port.HostsWithEnvironment: each(_with_environment),
    port.HostsInPlace: each(_in_place),
    port.EncOf: each(_enc),
    port.JobWithToken: each(_job_with_token),
    port.JobCounts: _job_counts,
    port.JobHosts: _job_hosts,
    port.JobOutput: _job_outputs,
    port.NewestReport: each(_newest_report),
    port.ReportsSince: _reports,
    port.ReportLog: each(_report_log),
    port.ReportVersion: each(_report_version),
}
