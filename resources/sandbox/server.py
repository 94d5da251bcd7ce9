"""The sandbox's web application: vendors under their base paths, and its own pages.

- ``/_sandbox/healthz``: 200 once it answers.
- ``/_sandbox/stats``: ``requests``, ``answered``, ``429s`` and ``max_requests_in_1s``, each by
  source; ``ebay_token`` counts token requests, which have no limit.
- ``/_sandbox/asked``: how often each source answered about each item, by its natural key. A later
  page of an answer and a refused request do not count.

The request header ``X-Sandbox-Now`` (ISO 8601) sets the market's date for that request.

Not here: what the vendors say (one module each).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from resources.sandbox import BASE_PATHS
from resources.sandbox.bricklink_catalogue import BrickLinkCatalogue
from resources.sandbox.bricklink_sold import BrickLinkSold
from resources.sandbox.bricklink_stock import BrickLinkStock
from resources.sandbox.catalogue import Book
from resources.sandbox.ebay_browse import EbayBrowse
from resources.sandbox.google_books import GoogleBooks
from resources.sandbox.market import Market
from resources.sandbox.open_library import OpenLibrary
from resources.sandbox.pokemontcg import PokemonTcg
from resources.sandbox.rebrickable import Rebrickable
from resources.sandbox.searchapi_ebay_sold import SearchApiEbaySold
from resources.sandbox.traffic import Traffic
from resources.sandbox.wire import Call, Reply, Vendor

EBAY_TOKEN = "ebay_token"  # noqa: S105 - the name of a counter

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(
    catalogue: Iterable[Book], seed: int = 0, latency_ms: float = 0, rate: int = 0
) -> Starlette:
    """Return the application. Cards and minifigures are the bundled ones.

    Args:
        catalogue: The books that exist.
        seed: Chooses the market; the same seed gives the same one.
        latency_ms: How long every vendor's answer takes at least.
        rate: Requests a second that each source lets in; 0 lets all in.
    """
    books = {book.isbn13: book for book in catalogue}
    market = Market(seed)
    traffic = Traffic(rate)
    latency = latency_ms / 1000
    ebay = EbayBrowse(books, market)
    vendors: tuple[Vendor, ...] = (
        OpenLibrary(books, market),
        GoogleBooks(books, market),
        ebay,
        SearchApiEbaySold(books, market),
        BrickLinkCatalogue(books, market),
        BrickLinkSold(books, market),
        BrickLinkStock(books, market),
        Rebrickable(books, market),
        PokemonTcg(books, market),
    )

    async def healthz(request: Request) -> Response:
        return JSONResponse({"simulated": True, "books": len(books), "seed": seed})

    async def stats(request: Request) -> Response:
        return JSONResponse(traffic.stats())

    async def asked(request: Request) -> Response:
        return JSONResponse(traffic.asked())

    async def token(request: Request) -> Response:
        traffic.arrive(EBAY_TOKEN)
        body = await request.body()
        reply = ebay.token(Call(request.query_params, request.headers, datetime.now(UTC), body))
        traffic.replied(EBAY_TOKEN, reply.status, ())
        await asyncio.sleep(latency)
        return _response(reply)

    return Starlette(
        routes=[
            Route("/_sandbox/healthz", healthz),
            Route("/_sandbox/stats", stats),
            Route("/_sandbox/asked", asked),
            Route(BASE_PATHS[ebay.source] + ebay.token_path, token, methods=["POST"]),
            *(
                Route(BASE_PATHS[vendor.source] + vendor.path, _endpoint(vendor, traffic, latency))
                for vendor in vendors
            ),
        ]
    )


def _endpoint(vendor: Vendor, traffic: Traffic, latency: float) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        arrived = traffic.arrive(vendor.source)
        reply = _reply(vendor, request, traffic, arrived)
        traffic.replied(vendor.source, reply.status, reply.asked)
        if latency:
            await asyncio.sleep(latency)
        return _response(reply)

    return endpoint


def _reply(vendor: Vendor, request: Request, traffic: Traffic, arrived: int) -> Reply:
    try:
        now = market_date(request.headers.get("x-sandbox-now"))
    except ValueError as error:
        return Reply(400, {"error": str(error)})
    call = Call(
        request.query_params,
        request.headers,
        now,
        path_params=request.path_params,
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
    return Response(reply.body(), reply.status, dict(reply.headers), media_type="application/json")
