"""Every shape of error that a Foreman, or what stands in front of it, has been seen to answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from foreman_stacks.errors import (
    ForemanError,
    ForemanForbidden,
    ForemanNotFound,
    ForemanRefused,
    ForemanUnauthorized,
    ForemanUnreachable,
)
from foreman_stacks.foreman.client import ForemanClient
from foreman_stacks.metrics import Metrics

Answer = Callable[[httpx.Request], httpx.Response]
DENIED = {
    "error": {
        "message": "Access denied",
        "details": "Missing one of the required permissions: view_hosts",
        "missing_permissions": ["view_hosts"],
    }
}


def client(answer: Answer, url: str = "https://foreman.example.com/", **options: Any) -> ForemanClient:
    given = {"ca": None, "requests": 4, "lockout": 300.0, "metrics": Metrics(), "patience": (30, 30)} | options
    return ForemanClient(url, ("svc", "pw"), transport=httpx.MockTransport(answer), **given)


def ask(answer: Answer) -> Any:
    async def once() -> Any:
        return await client(answer).get("/api/v2/status")

    return asyncio.run(once())


def refusal(status: int, body: Any) -> ForemanError:
    """What one answer is translated to; text is sent as it is, anything else as JSON."""

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, text=body) if isinstance(body, str) else httpx.Response(status, json=body)

    with pytest.raises(ForemanError) as caught:
        ask(answer)
    return caught.value


@pytest.mark.parametrize(
    "status, body, kind, words",
    [
        (
            400,
            {"error": {"message": "Field 'x' not recognized", "class": "QueryNotSupported"}},
            ForemanRefused,
            "not rec",
        ),
        (400, {"status": 400, "error": "There was a problem in the JSON"}, ForemanRefused, "problem in the JSON"),
        (401, {"error": {"message": "Unable to authenticate user svc"}}, ForemanUnauthorized, "Unable to authenticate"),
        (403, DENIED, ForemanForbidden, "Access denied"),
        (403, "<html>no</html>", ForemanForbidden, "403 Forbidden"),
        (404, {"error": {"message": "Resource host not found by id '5'"}}, ForemanNotFound, "not found by id '5'"),
        (404, {"message": "Organization with id 99 not found"}, ForemanNotFound, "Organization with id 99"),
        (404, "<html>not here</html>", ForemanNotFound, "404 Not Found"),
        (409, {"message": "Base has children"}, ForemanRefused, "has children"),
        (415, {"error": {"message": "must be JSON"}}, ForemanRefused, "must be JSON"),
        (422, {"error": "not supported"}, ForemanRefused, "not supported"),
        (422, {"error": ["one", "two"]}, ForemanRefused, "one; two"),
        (422, {"message": "The job could not be cancelled."}, ForemanRefused, "could not be cancelled"),
        (500, {"error": {"message": "Match has already been taken"}}, ForemanRefused, "already been taken"),
        (500, {"status": 500, "error": "Internal Server Error"}, ForemanRefused, "Internal Server Error"),
        (500, "<html>Puma died</html>", ForemanUnreachable, "500 Internal Server Error"),
        (502, "<html>Apache</html>", ForemanUnreachable, "502 Bad Gateway"),
        (503, {"message": "maintenance"}, ForemanUnreachable, "maintenance"),
        (504, "", ForemanUnreachable, "504 Gateway Timeout"),
        (429, {"message": "slow down"}, ForemanUnreachable, "slow down"),
        (302, "", ForemanUnreachable, "302 Found"),
        (200, "<html>log in</html>", ForemanUnreachable, "not JSON"),
        (200, {"error": {"message": "has children"}}, ForemanRefused, "has children"),
    ],
)
def test_an_error_is_what_it_means_and_says_foremans_own_words(
    status: int, body: Any, kind: type[ForemanError], words: str
) -> None:
    error = refusal(status, body)
    assert type(error) is kind
    assert words in str(error)
    assert "GET /api/v2/status" in str(error)
    assert error.status == status


def test_a_refused_object_tells_what_is_wrong_by_attribute() -> None:
    body = {
        "error": {
            "id": None,
            "errors": {"name": ["has already been taken"], "base": "no"},
            "full_messages": ["Name taken"],
        }
    }
    error = refusal(422, body)
    assert isinstance(error, ForemanRefused)
    assert error.errors == {"name": ["has already been taken"], "base": ["no"]}
    assert "Name taken" in str(error)


def test_without_full_messages_the_attributes_are_told() -> None:
    error = refusal(422, {"error": {"errors": {"name": ["is bad", "is long"]}}})
    assert "name: is bad, is long" in str(error)


def test_a_missing_permission_has_a_name() -> None:
    error = refusal(403, DENIED)
    assert isinstance(error, ForemanForbidden)
    assert error.permissions == ("view_hosts",)


@pytest.mark.parametrize("body", ["", '{"id": 1}'])
def test_success_may_have_a_body_or_none(body: str) -> None:
    assert ask(lambda _: httpx.Response(200, text=body)) == ({"id": 1} if body else None)


@pytest.mark.parametrize(
    "raised, sent",
    [
        (httpx.ConnectError("no route"), False),
        (httpx.ConnectTimeout("slow"), False),
        (httpx.PoolTimeout("full"), False),
        (httpx.ReadTimeout("silent"), True),
        (httpx.ReadError("reset"), True),
        (httpx.WriteError("reset"), True),
        (httpx.RemoteProtocolError("gone"), True),
    ],
)
def test_no_answer_tells_whether_the_request_can_have_arrived(raised: Exception, sent: bool) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise raised

    with pytest.raises(ForemanUnreachable) as caught:
        ask(answer)
    assert caught.value.sent is sent
    assert "foreman.example.com" in str(caught.value)


@pytest.mark.parametrize(
    "url, told",
    [
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000: "),
        ("https://foreman.example.com/sub/", "https://foreman.example.com: "),
        ("https://me:hunter2@[::1]:8443", "https://[::1]:8443: "),
    ],
    ids=["port", "default-port", "credentials"],
)
def test_no_answer_tells_the_address_with_its_port_and_without_credentials(url: str, told: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route")

    with pytest.raises(ForemanUnreachable) as caught:
        asyncio.run(client(answer, url).get("/api/v2/status"))
    assert str(caught.value) == f"{told}ConnectError: no route"


def test_after_a_401_nothing_is_sent_until_the_lockout_has_passed() -> None:
    calls = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        return httpx.Response(401, json={"error": {"message": "no"}})

    async def asked(lockout: float, times: int, pause: float = 0.0) -> int:
        calls.clear()
        ours = client(answer, lockout=lockout)
        for _ in range(times):
            with pytest.raises(ForemanUnauthorized):
                await ours.get("/api/v2/hosts")
            await asyncio.sleep(pause)
        return len(calls)

    assert asyncio.run(asked(lockout=300, times=5)) == 1
    assert asyncio.run(asked(lockout=0.05, times=2, pause=0.06)) == 2


def test_requests_that_wait_for_a_slot_are_not_sent_after_a_401() -> None:
    """A hundred of them would lock everybody at our address out (30 failures in 5 minutes)."""
    calls = []

    async def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        await asyncio.sleep(0)
        return httpx.Response(401)

    async def run() -> None:
        ours = client(answer, requests=2)  # type: ignore[arg-type]  # a transport may answer asynchronously
        errors = await asyncio.gather(*(ours.get("/x") for _ in range(100)), return_exceptions=True)
        assert {type(error) for error in errors} == {ForemanUnauthorized}

    asyncio.run(run())
    assert len(calls) <= 2


def test_the_session_cookie_is_kept_and_credentials_are_sent_all_the_same() -> None:
    seen: list[tuple[str | None, str | None]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers.get("cookie"), request.headers.get("authorization")))
        return httpx.Response(200, json={}, headers={"set-cookie": "_session_id=abc; path=/; HttpOnly"})

    async def run() -> None:
        ours = client(answer)
        await ours.get("/api/v2/status")
        await ours.send("POST", "/api/v2/hosts", {"host": {}})

    asyncio.run(run())
    assert [cookie for cookie, _ in seen] == [None, "_session_id=abc"]
    assert seen[0][1] == seen[1][1]
    assert str(seen[0][1]).startswith("Basic ")


def test_no_more_requests_at_once_than_allowed() -> None:
    now, most = 0, 0

    async def answer(_: httpx.Request) -> httpx.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        return httpx.Response(200, json={})

    async def run() -> None:
        ours = client(answer, requests=3)  # type: ignore[arg-type]  # as above
        await asyncio.gather(*(ours.get("/x") for _ in range(20)))

    asyncio.run(run())
    assert most == 3


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 422, 500, 502])
def test_no_error_holds_what_was_sent(status: int) -> None:
    async def run() -> str:
        ours = client(lambda _: httpx.Response(status, text="<html>"))
        try:
            await ours.send("POST", "/api/v2/hosts", {"host": {"root_pass": "hunter2hunter2"}})
        except ForemanError as error:
            chain = [error, error.__cause__, error.__context__ if not error.__suppress_context__ else None]
            return " ".join(f"{link} {vars(link)}" for link in chain if link is not None)
        return ""

    assert "hunter2" not in asyncio.run(run())


def test_a_closed_client_says_that_nothing_was_sent() -> None:
    async def run() -> None:
        ours = client(lambda _: httpx.Response(200, json={}))
        await ours.close()
        with pytest.raises(ForemanUnreachable) as caught:
            await ours.get("/api/v2/status")
        assert caught.value.sent is False

    asyncio.run(run())


@pytest.mark.parametrize(
    "url, ca, words",
    [
        ("https://[::1", None, "url"),
        ("https://foreman:99999", None, "url"),
        ("https://foreman", "no certificate at all", "caBundle"),
        ("https://foreman", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----", "caBundle"),
        ("https://foreman", "-----BEGIN CERTIFICATE-----\nnö\n-----END CERTIFICATE-----", "caBundle"),
    ],
)
def test_an_unusable_url_or_bundle_is_named(url: str, ca: str | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ForemanClient(url, ("u", "p"), ca=ca, requests=1, lockout=1, metrics=Metrics(), patience=(1, 1))
