import asyncio
import gc
import gzip
import hashlib
import logging
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from pricing_assets.core.answers import ItemQuery
from resources.sources.client import MAX_CONNECTIONS, MAX_TAKEN, Reply, SourceClient
from resources.sources.credentials import Credentials
from resources.sources.google_books import GoogleBooks
from resources.sources.open_library import OpenLibrary
from resources.sources.searchapi_ebay_sold import SearchApiEbaySold
from tests.resources.sources.conftest import ISBN, book
from tests.resources.sources.vendor_server import Answering, Respond, serving, serving_bytes

LIBRARY, GOOGLE, SOLD = OpenLibrary(), GoogleBooks(), SearchApiEbaySold()
SECRET = "s3cret+key/with=signs"
CREDENTIALS = Credentials({"GOOGLE_BOOKS_API_KEY": SECRET, "SEARCHAPI_API_KEY": SECRET})
NOW = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
BOOK = {f"ISBN:{ISBN}": {"title": "The Lamplighter's Almanac"}}


class Vendor:
    """Answers with the given responses in turn, the last one for ever, and keeps what came."""

    def __init__(self, *responses: Response) -> None:
        self.responses = deque(responses)
        self.requests: list[Request] = []
        self.times: list[float] = []

    async def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        self.times.append(time.monotonic())
        return self.responses[0] if len(self.responses) == 1 else self.responses.popleft()


def asked(respond: Respond, source: Any = LIBRARY, count: int = 1, **options: Any) -> list[Reply]:
    """Ask ``count`` times, one after another."""

    async def scenario() -> list[Reply]:
        options.setdefault("rate_overrides", {source.name: 1000})
        options.setdefault("backoff_seconds", 0.01)
        async with (
            serving(respond) as origin,
            SourceClient(
                CREDENTIALS, base_urls={source.name: f"{origin}/vendor/"}, **options
            ) as client,
        ):
            return [await client.ask(source, book()) for _ in range(count)]

    return asyncio.run(scenario())


def test_a_reply_tells_all() -> None:
    vendor = Vendor(JSONResponse(BOOK))
    (reply,) = asked(
        vendor, label_prefix="sandbox:", now=lambda: NOW, headers={"X-Sandbox-Now": "2026-11-03"}
    )
    assert (reply.source, reply.query, reply.requested_at) == ("sandbox:open_library", book(), NOW)
    assert (reply.status, reply.attempts, reply.result, reply.error) == (200, 1, "found", None)
    assert reply.answer is not None
    assert reply.answer.fields == {"title": "The Lamplighter's Almanac"}
    assert reply.body == bytes(JSONResponse(BOOK).body)
    assert reply.sha256 == hashlib.sha256(reply.body).hexdigest()
    assert reply.content_type == "application/json"
    assert reply.latency_ms > 0
    assert reply.cost_usd == 0
    (request,) = vendor.requests
    assert request.url.path == "/vendor/api/books"
    assert request.headers["X-Sandbox-Now"] == "2026-11-03"
    assert request.headers["User-Agent"] == "pricing-assets"


def test_the_vendors_own_address_stays_with_the_source() -> None:
    asked(Vendor(JSONResponse(BOOK)))
    assert LIBRARY.base_url == "https://openlibrary.org"


def test_a_compressed_body_is_kept_as_it_reads() -> None:
    body = bytes(JSONResponse(BOOK).body)
    (reply,) = asked(Vendor(Response(gzip.compress(body), headers={"Content-Encoding": "gzip"})))
    assert (reply.result, reply.body) == ("found", body)


def test_nothing_keeps_an_answer_but_its_reply() -> None:
    # What has itself by way of others stays until Python's collector looks at what is old.
    vendor = Vendor(
        JSONResponse(BOOK),
        RedirectResponse("/books/OL1M.json", 302),
        JSONResponse(BOOK),
        Response("busy", 503),
        JSONResponse(BOOK),
        Response("no", 403),
    )

    async def scenario() -> list[object]:
        async with (
            serving(vendor) as origin,
            SourceClient(
                CREDENTIALS, base_urls={"open_library": origin}, backoff_seconds=0.01
            ) as client,
        ):
            gc.collect()
            gc.disable()
            try:
                replies = [reply async for reply in client.ask_many([(LIBRARY, book())] * 4)]
                assert sorted(reply.result for reply in replies) == ["error", *["found"] * 3]
                del replies
                return [thing for thing in gc.get_objects() if has_a_body(thing)]
            finally:
                gc.enable()

    def has_a_body(thing: object) -> bool:
        # httpx has such rings of its own; their bodies were streamed, and they are small.
        return type(thing) is Reply or (
            type(thing) is httpx.Response and hasattr(thing, "_content")
        )

    assert asyncio.run(scenario()) == []


@pytest.mark.parametrize("status", [500, 503, 408, 429])
def test_what_may_pass_is_tried_again(status: int) -> None:
    vendor = Vendor(Response("busy", status), Response("busy", status), JSONResponse(BOOK))
    (reply,) = asked(vendor)
    assert (reply.result, reply.status, reply.attempts) == ("found", 200, 3)


def test_four_attempts_and_no_more() -> None:
    vendor = Vendor(Response("the cat is on the keyboard", 503))
    (reply,) = asked(vendor)
    assert (reply.result, reply.status, reply.attempts) == ("error", 503, 4)
    assert len(vendor.requests) == 4
    assert reply.error is not None
    assert "503: the cat is on the keyboard" in reply.error
    assert ISBN in reply.error
    assert reply.body == b"the cat is on the keyboard"


def test_pauses_grow() -> None:
    vendor = Vendor(Response("busy", 503))
    asked(vendor, backoff_seconds=0.1)
    first, second, third = (later - earlier for earlier, later in pairwise(vendor.times))
    assert 0.05 <= first < second + 0.05
    assert second >= 0.1
    assert 0.2 <= third < 0.7


@pytest.mark.parametrize("status", [400, 403, 405, 422])
def test_what_will_not_pass_is_asked_once(status: int) -> None:
    vendor = Vendor(Response("no", status))
    (reply,) = asked(vendor)
    assert (reply.result, reply.status, reply.attempts) == ("error", status, 1)


def test_retry_after_in_seconds_is_obeyed() -> None:
    vendor = Vendor(Response("", 429, headers={"Retry-After": "1"}), JSONResponse(BOOK))
    (reply,) = asked(vendor)
    assert (reply.result, reply.attempts) == ("found", 2)
    assert 1.0 <= vendor.times[1] - vendor.times[0] < 2.0


def test_retry_after_as_a_date_is_obeyed() -> None:
    server_now = datetime.now(UTC) + timedelta(days=400)  # its clock is wrong
    headers = {
        "Date": format_datetime(server_now, usegmt=True),
        "Retry-After": format_datetime(server_now + timedelta(seconds=1), usegmt=True),
    }
    vendor = Vendor(Response("", 503, headers=headers), JSONResponse(BOOK))

    async def scenario() -> None:
        async with (
            serving_bytes(_written(vendor)) as origin,
            SourceClient(CREDENTIALS, base_urls={"open_library": origin}) as c,
        ):
            reply = await c.ask(LIBRARY, book())
            assert (reply.result, reply.attempts) == ("found", 2)

    asyncio.run(scenario())
    assert 0.9 <= vendor.times[1] - vendor.times[0] < 2.0


def _written(vendor: Vendor) -> Answering:
    """Answer without a framework, which would add a ``Date`` of its own."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        vendor.times.append(time.monotonic())
        response = vendor.responses.popleft()
        head = b"".join(b"%s: %s\r\n" % pair for pair in response.raw_headers)
        writer.write(
            b"HTTP/1.1 %d X\r\nConnection: close\r\n%s\r\n%s"
            % (response.status_code, head, bytes(response.body))
        )
        await writer.drain()

    return answer


def test_a_long_retry_after_is_not_waited_for() -> None:
    started = time.monotonic()
    (reply,) = asked(Vendor(Response("later", 503, headers={"Retry-After": "3600"})))
    assert time.monotonic() - started < 5
    assert (reply.result, reply.attempts) == ("error", 1)
    assert "3600 s" in (reply.error or "")


def test_an_exhausted_quota_is_not_asked_again() -> None:
    quota = {"error": {"status": "RESOURCE_EXHAUSTED", "message": "Queries per day"}}
    vendor = Vendor(JSONResponse(quota, 429))
    replies = asked(vendor, GOOGLE, count=3)
    assert len(vendor.requests) == 1
    assert [(reply.result, reply.attempts, reply.status) for reply in replies] == [
        ("error", 1, 429),
        ("error", 0, None),
        ("error", 0, None),
    ]
    assert all("tomorrow" in (reply.error or "") for reply in replies)
    assert replies[1].sha256 is None


def test_a_missing_credential_is_named_and_nothing_is_sent() -> None:
    async def scenario() -> Reply:
        async with SourceClient(Credentials({})) as client:
            return await client.ask(GOOGLE, book())

    reply = asyncio.run(scenario())
    assert (reply.result, reply.attempts, reply.cost_usd) == ("error", 0, Decimal(0))
    assert "GOOGLE_BOOKS_API_KEY is not set" in (reply.error or "")


def test_a_payload_that_does_not_parse_is_kept_and_paid() -> None:
    (reply,) = asked(Vendor(Response("<html>Just a moment</html>", media_type="text/html")), SOLD)
    assert (reply.result, reply.status, reply.attempts) == ("error", 200, 1)
    assert reply.body == b"<html>Just a moment</html>"
    assert reply.sha256 == hashlib.sha256(reply.body).hexdigest()
    assert "text/html" in (reply.error or "")
    assert reply.cost_usd == Decimal("0.004")


def test_a_garbled_body_is_asked_for_once_more_where_that_is_free() -> None:
    (reply,) = asked(Vendor(Response(b'{"ISBN:9'), JSONResponse(BOOK)))
    assert (reply.result, reply.attempts) == ("found", 2)
    (reply,) = asked(Vendor(Response(b'{"ISBN:9')))
    assert (reply.result, reply.attempts) == ("error", 2)
    assert reply.body == b'{"ISBN:9'


def test_failed_attempts_cost_nothing() -> None:
    page = {"search_metadata": {"status": "Success"}, "organic_results": []}
    (reply,) = asked(Vendor(Response("", 500), JSONResponse(page)), SOLD)
    assert (reply.attempts, reply.cost_usd) == (2, Decimal("0.004"))


@pytest.mark.parametrize("chunks", [1, 200])
def test_a_body_without_end_is_cut(chunks: int) -> None:
    async def endless() -> Any:
        for _ in range(chunks):
            yield b" " * (11 * 1024 * 1024 // chunks)

    async def respond(request: Request) -> Response:
        return StreamingResponse(endless())

    (reply,) = asked(respond)
    assert (reply.result, reply.attempts, reply.body) == ("error", 1, b"")
    assert "10 MiB" in (reply.error or "")


def test_a_small_body_that_unpacks_to_a_large_one_is_cut() -> None:
    bomb = gzip.compress(b" " * (64 * 1024 * 1024))
    (reply,) = asked(Vendor(Response(bomb, headers={"Content-Encoding": "gzip"})))
    assert (reply.result, reply.body) == ("error", b"")


def test_redirects_are_followed_on_their_host_only() -> None:
    vendor = Vendor(RedirectResponse("/books/OL1M.json", 302), JSONResponse(BOOK))
    (reply,) = asked(vendor)
    assert reply.result == "found"
    assert vendor.requests[1].url.path == "/books/OL1M.json"

    elsewhere = Vendor(RedirectResponse("http://127.0.0.2:9/steal?key=1", 302))
    (reply,) = asked(elsewhere)
    assert (reply.result, reply.status, reply.attempts) == ("error", 302, 1)
    assert "127.0.0.2" in (reply.error or "")

    circle = Vendor(RedirectResponse("/again", 302))
    (reply,) = asked(circle)
    assert reply.result == "error"
    assert len(circle.requests) == 4


def test_a_cookie_is_shown_where_a_redirect_leads() -> None:
    redirect = RedirectResponse("/books/OL1M.json", 302, headers={"Set-Cookie": "seen=1; Path=/"})
    vendor = Vendor(redirect, JSONResponse(BOOK))
    (reply,) = asked(vendor)
    assert reply.result == "found"
    assert vendor.requests[1].headers["Cookie"] == "seen=1"


def test_a_server_that_is_not_there_is_an_error_after_four_attempts() -> None:
    async def scenario() -> Reply:
        async with SourceClient(
            CREDENTIALS,
            base_urls={"open_library": "http://127.0.0.1:9"},
            rate_overrides={"open_library": 100},
            backoff_seconds=0.01,
        ) as client:
            return await client.ask(LIBRARY, book())

    reply = asyncio.run(scenario())
    assert (reply.result, reply.status, reply.attempts) == ("error", None, 4)
    assert "ConnectError" in (reply.error or "")


class Impatient(OpenLibrary):
    read_timeout = 0.1
    total_timeout = 0.3


@pytest.mark.parametrize("pause", [0.2, 0.02])
def test_a_slow_server_is_given_up(pause: float) -> None:
    # Silent for longer than the read timeout, and dripping for longer than the total one.
    async def drip() -> Any:
        while True:
            await asyncio.sleep(pause)
            yield b" "

    async def respond(request: Request) -> Response:
        return StreamingResponse(drip())

    (reply,) = asked(respond, Impatient())
    assert (reply.result, reply.attempts) == ("error", 4)
    assert reply.latency_ms < 1000


def test_secrets_are_in_no_reply_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def echo(request: Request) -> Response:
        # A vendor that repeats what it was asked, key and all.
        return JSONResponse({"error": {"message": f"bad request {request.url}"}}, 400)

    (reply,) = asked(echo, GOOGLE)
    (refused,) = asked(Vendor(RedirectResponse(f"http://127.0.0.2/?key={SECRET}")), SOLD)
    quoted = str(httpx.QueryParams({"k": SECRET})).removeprefix("k=")
    assert "key=***" in (reply.error or "")
    assert "HTTP Request: GET" in caplog.text
    for text in (repr(reply), repr(refused), caplog.text):
        assert SECRET not in text
        assert quoted not in text


def test_an_impossible_header_does_not_show_the_secret_in_it() -> None:
    class Header(OpenLibrary):
        def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
            request = super().request(query, credentials)
            request.headers["Authorization"] = "a\nb-secret"
            return request

    (reply,) = asked(Vendor(JSONResponse(BOOK)), Header())
    assert (reply.result, reply.attempts) == ("error", 1)
    assert "b-secret" not in (reply.error or "")


class RateLimited:
    """Answers after 100 ms, and 429 to whatever exceeds 100 requests in any sliding second."""

    def __init__(self, allowed: int = 100) -> None:
        self.allowed = allowed
        self.arrived: deque[float] = deque()
        self.times: list[float] = []
        self.refused = 0
        self.in_flight = 0
        self.most_in_flight = 0

    async def __call__(self, request: Request) -> Response:
        now = time.monotonic()
        self.times.append(now)
        while self.arrived and self.arrived[0] <= now - 1:
            self.arrived.popleft()
        if len(self.arrived) >= self.allowed:
            self.refused += 1
            return Response("too fast", 429)
        self.arrived.append(now)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(0.1)
        self.in_flight -= 1
        return JSONResponse({})


def _many(vendor: RateLimited, count: int, rate: float, taken: list[int]) -> list[Reply]:
    def pairs() -> Iterator[tuple[OpenLibrary, ItemQuery]]:
        for number in range(count):
            taken.append(number)
            yield LIBRARY, book()

    async def scenario() -> list[Reply]:
        async with (
            serving(vendor) as origin,
            SourceClient(
                CREDENTIALS,
                base_urls={"open_library": origin},
                rate_overrides={"open_library": rate},
            ) as client,
        ):
            replies = []
            async for reply in client.ask_many(pairs()):
                replies.append(reply)
                assert len(taken) - len(replies) <= MAX_TAKEN
            return replies

    return asyncio.run(scenario())


def test_a_vendors_limit_is_reached_and_kept() -> None:
    # This vendor shares our process: what arrives while other tests have the processor it counts
    # late, and then together. One try of three without that tells.
    for _ in range(3):
        vendor = RateLimited()
        replies = _many(vendor, 300, rate=100, taken=[])
        assert [reply.result for reply in replies] == ["not_found"] * 300
        if vendor.refused == 0:
            break
    assert {reply.attempts for reply in replies} == {1}
    assert vendor.refused == 0
    assert 299 / (vendor.times[-1] - vendor.times[0]) >= 90


def test_many_are_in_flight_and_no_more_are_taken_than_fit() -> None:
    vendor = RateLimited(allowed=10_000)
    taken: list[int] = []
    replies = _many(vendor, 400, rate=5000, taken=taken)
    assert len(replies) == len(taken) == 400
    assert 10 < vendor.most_in_flight <= MAX_CONNECTIONS


def test_stopping_early_leaves_nothing_behind() -> None:
    vendor = RateLimited()

    async def scenario() -> int:
        async with (
            serving(vendor) as origin,
            SourceClient(CREDENTIALS, base_urls={"open_library": origin}) as client,
        ):
            replies = client.ask_many((LIBRARY, book()) for _ in range(50))
            await anext(replies)
            await replies.aclose()
            asked_until_then = len(vendor.times)
            await asyncio.sleep(0.6)
            assert len(vendor.times) == asked_until_then
            return asked_until_then

    assert asyncio.run(scenario()) < 5


def test_one_sources_fault_is_not_anothers() -> None:
    async def respond(request: Request) -> Response:
        broken = request.url.path.startswith("/google")
        return Response("down", 500) if broken else JSONResponse(BOOK)

    async def scenario() -> list[Reply]:
        async with (
            serving(respond) as origin,
            SourceClient(
                CREDENTIALS,
                base_urls={"open_library": f"{origin}/library", "google_books": f"{origin}/google"},
                rate_overrides={"open_library": 500, "google_books": 500},
                backoff_seconds=0.01,
            ) as client,
        ):
            pairs = [(source, book()) for _ in range(5) for source in (LIBRARY, GOOGLE)]
            return [reply async for reply in client.ask_many(pairs)]

    replies = asyncio.run(scenario())
    results = {(reply.source, reply.result) for reply in replies}
    assert results == {("open_library", "found"), ("google_books", "error")}
    assert len(replies) == 10


class _Account(OpenLibrary):
    allowance = "account"


class _Other(_Account):
    name = "other"


def test_sources_of_one_allowance_take_their_turns_together() -> None:
    vendor = Vendor(JSONResponse({}))
    sources = (_Account(), _Other())

    async def scenario() -> None:
        async with (
            serving(vendor) as origin,
            SourceClient(
                CREDENTIALS,
                base_urls={source.name: origin for source in sources},
                rate_overrides={source.name: 50 for source in sources},
            ) as client,
        ):
            pairs = [(source, book()) for source in sources for _ in range(12)]
            async for reply in client.ask_many(pairs):
                assert reply.result == "not_found"

    asyncio.run(scenario())
    times = sorted(vendor.times)
    assert len(times) == 24
    assert times[-1] - times[0] > 23 / 50 * 0.95
