"""The sandbox's web application: vendors under their base paths, and its own pages.

- ``/_sandbox/healthz``: 200 once it answers.
- ``/_sandbox/stats``: ``requests``, ``answered``, ``429s`` and ``max_requests_in_1s``, each by
  source; ``ebay_token`` counts token requests, which have no limit. ``faults`` has the faults
  that were ordered (`faults`), by source and kind; a 429 that was ordered counts there only.
- ``/_sandbox/asked``: how often each source answered about each item, by its natural key. A later
  page of an answer, a refused request and one that failed by order do not count.

The request header ``X-Sandbox-Now`` (ISO 8601) sets the market's date for that request.

Not here: what the vendors say (one module each).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from resources.sandbox import base_path, registered_vendors
from resources.sandbox.catalogue import Book
from resources.sandbox.failing import DELIVERING, failing
from resources.sandbox.faults import FaultPlan, Faults
from resources.sandbox.market import Market
from resources.sandbox.traffic import Traffic
from resources.sandbox.wire import Call, Reply, TokenVendor, Vendor, isbns_in

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(
    catalogue: Iterable[Book],
    seed: int = 0,
    latency_ms: float = 0,
    rate: int = 0,
    plan: FaultPlan | None = None,
) -> Starlette:
    """Return the application. Cards and minifigures are the bundled ones.

    Args:
        catalogue: The books that exist.
        seed: Chooses the market; the same seed gives the same one.
        latency_ms: How long every vendor's answer takes at least.
        rate: Requests a second that each source lets in; 0 lets all in.
        plan: Faults to make on purpose; None makes none.
    """
    faults = Faults(plan or FaultPlan())
    books = {book.isbn13: book for book in catalogue}
    market = Market(seed)
    traffic = Traffic(rate)
    latency = latency_ms / 1000
    vendors = [vendor(books, market) for vendor in registered_vendors().values()]

    async def healthz(request: Request) -> Response:
        return JSONResponse({"simulated": True, "books": len(books), "seed": seed})

    async def stats(request: Request) -> Response:
        return JSONResponse(traffic.stats())

    async def asked(request: Request) -> Response:
        return JSONResponse(traffic.asked())

    return Starlette(
        routes=[
            Route("/_sandbox/healthz", healthz),
            Route("/_sandbox/stats", stats),
            Route("/_sandbox/asked", asked),
            *(route for vendor in vendors for route in _routes(vendor, traffic, faults, latency)),
            Route("/{path:path}", _nobody, methods=["GET", "POST"]),
        ]
    )


def _routes(vendor: Vendor, traffic: Traffic, faults: Faults, latency: float) -> Iterator[Route]:
    base = base_path(vendor.source)
    endpoint = _endpoint(vendor, traffic, faults, latency)
    yield Route(base + vendor.path, endpoint, methods=[vendor.method])
    if isinstance(vendor, TokenVendor):
        endpoint = _token_endpoint(vendor, traffic, faults, latency)
        yield Route(base + vendor.token_path, endpoint, methods=["POST"])


async def _nobody(request: Request) -> Response:
    """Refuse what no vendor answers: 403, since a 404 could be taken for an unknown book."""
    message = f"The sandbox plays no vendor that answers {request.method} {request.url.path}."
    return JSONResponse({"error": message}, 403)


def _token_endpoint(
    vendor: TokenVendor, traffic: Traffic, faults: Faults, latency: float
) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        traffic.arrive(vendor.token_counter)
        body = await request.body()
        reply = vendor.token(Call(request.query_params, request.headers, datetime.now(UTC), body))
        await asyncio.sleep(latency)
        # Tokens are alike, so that each request for one is a question of its own.
        number = str(traffic.stats()["requests"][vendor.token_counter])
        if reply.status == 200 and (fault := faults.due(vendor.token_counter, number)):
            traffic.failed(vendor.token_counter, fault.kind)
            return failing(fault, vendor, request, reply)
        traffic.replied(vendor.token_counter, reply.status, ())
        return _response(reply)

    return endpoint


def _endpoint(vendor: Vendor, traffic: Traffic, faults: Faults, latency: float) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        arrived = traffic.arrive(vendor.source)
        body = await request.body()
        reply = _reply(vendor, request, body, traffic, arrived)
        # What is refused anyway is no question.
        fault = (
            faults.due(vendor.source, _question(request, reply)) if reply.status == 200 else None
        )
        if fault:
            traffic.failed(vendor.source, fault.kind)
        if fault is None or fault.kind in DELIVERING:
            traffic.replied(vendor.source, reply.status, reply.asked)
        if latency:
            await asyncio.sleep(latency)
        if fault is None:
            return _response(reply)
        if refusal := vendor.failing(fault.kind):
            return _response(refusal)
        return failing(fault, vendor, request, reply)

    return endpoint


def _question(request: Request, reply: Reply) -> str:
    """Return what is asked about: the items and the page, and no credentials."""
    params = request.query_params
    books = isbns_in(" ".join(params.get(name, "") for name in ("bibkeys", "q", "gtin")))
    items = books or [*request.path_params.values(), *reply.asked]
    return ":".join([*items, params.get("page", ""), params.get("offset", "")])


def _reply(vendor: Vendor, request: Request, body: bytes, traffic: Traffic, arrived: int) -> Reply:
    try:
        now = market_date(request.headers.get("x-sandbox-now"))
    except ValueError as error:
        return Reply(400, {"error": str(error)})
    call = Call(
        request.query_params,
        request.headers,
        now,
        body,
        request.path_params,
        url=str(request.url),
    )
    refusal = vendor.refusal(call)
    if refusal:
        return refusal
    if not traffic.let_in(vendor.source, arrived):
        return vendor.throttled()
    return vendor.answer(call)


def market_date(text: str | None) -> datetime:
    """Return the market's date: that of ``X-Sandbox-Now``, else the time now; in UTC.

    Raises:
        ValueError: The text is no ISO 8601 time between the years 1980 and 2200.
    """
    if not text:
        return datetime.now(UTC)
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        date = None
    if date is None or not 1980 <= date.year < 2200:
        raise ValueError(
            f"X-Sandbox-Now is {text[:60]!r}; give an ISO 8601 time between 1980 and 2200, "
            "such as 2026-11-03T12:00:00+00:00"
        )
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)


def _response(reply: Reply) -> Response:
    return Response(reply.body(), reply.status, dict(reply.headers), media_type=reply.media_type)
