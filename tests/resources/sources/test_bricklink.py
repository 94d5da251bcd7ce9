import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from pricing_assets.core.answers import ItemQuery, Listing
from resources.sources.base import (
    CredentialsRefused,
    MissingCredential,
    PermanentError,
    QuotaExhausted,
    RetryableError,
    Source,
    UnparsablePayload,
)
from resources.sources.bricklink_catalogue import BrickLinkCatalogue
from resources.sources.bricklink_sold import BrickLinkSold
from resources.sources.bricklink_stock import BrickLinkStock
from resources.sources.client import Reply, SourceClient
from resources.sources.credentials import Credentials
from resources.sources.oauth1 import signature, signature_base_string
from tests.resources.sources.conftest import answered, item
from tests.resources.sources.vendor_server import serving

SOLD, STOCK, CATALOGUE = BrickLinkSold(), BrickLinkStock(), BrickLinkCatalogue()
EVERY = (SOLD, STOCK, CATALOGUE)
CREDENTIALS = Credentials(
    {
        "BRICKLINK_CONSUMER_KEY": "consumer-key",
        "BRICKLINK_CONSUMER_SECRET": "consumer-secret",
        "BRICKLINK_TOKEN": "token-value",
        "BRICKLINK_TOKEN_SECRET": "token-secret",
    }
)
FIGURE = item("minifigure", "lmp0007")


def envelope(data: Any, code: int = 200, message: str = "OK", description: str = "OK") -> Any:
    return {"meta": {"code": code, "message": message, "description": description}, "data": data}


def sale(**changes: Any) -> dict[str, Any]:
    return {
        "quantity": 1,
        "unit_price": "12.3450",
        "seller_country_code": "CZ",
        "buyer_country_code": "PT",
        "date_ordered": "2026-09-30T14:59:01.850Z",
    } | changes


def guide(*lines: Any, **changes: Any) -> Any:
    data = {
        "item": {"no": "lmp0007", "type": "MINIFIG"},
        "new_or_used": "U",
        "currency_code": "USD",
        "min_price": "1.0000",
        "unit_quantity": len(lines),
        "total_quantity": len(lines),
        "price_detail": list(lines),
    }
    return envelope(data | changes)


def figure(**changes: Any) -> Any:
    data = {
        "no": "lmp0007",
        "name": "Lamplighter &#40;Old Quay&#41; - Hat &amp; Scarf",
        "type": "MINIFIG",
        "category_id": 9065,
        "image_url": "//img.example/ML/lmp0007.jpg",
        "thumbnail_url": "//img.example/M/lmp0007.jpg",
        "weight": "3.10",
        "year_released": 1998,
        "is_obsolete": False,
    }
    return envelope(data | changes)


# --- price guides ------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "kind"), [(SOLD, "sold"), (STOCK, "stock")])
def test_the_request_names_what_it_wants(source: Source, kind: str) -> None:
    request = source.request(FIGURE, CREDENTIALS)
    assert request.url.path == "/api/store/v1/items/MINIFIG/lmp0007/price"
    # No region: BrickLink takes a wrong one for the whole world without a word.
    assert dict(request.url.params) == {
        "guide_type": kind,
        "new_or_used": "U",
        "currency_code": "USD",
        "vat": "N",
    }


def test_a_sale() -> None:
    answer = SOLD.parse(FIGURE, answered(guide(sale(quantity=3))))
    assert answer.problems == ()
    assert answer.listings == (
        Listing(
            source_listing_id="U 2026-09-30T14:59:01.850000 3 x 12.3450 USD #1",
            kind="sold",
            title="Minifigure lmp0007",
            price=Decimal("12.3450"),
            currency="USD",
            quantity=3,
            condition="Used",
            listing_type="fixed_price",
            sold_at=datetime(2026, 9, 30, 14, 59, 1, 850_000, UTC),
        ),
    )
    assert "CZ" not in repr(answer)
    assert "PT" not in repr(answer)


def test_a_lot_on_offer_has_no_date_and_its_quantity_may_be_misspelt() -> None:
    lots = [
        {"qunatity": 4, "quantity": 4, "unit_price": "9.5000", "shipping_available": "Y"},
        {"qunatity": 2, "unit_price": "9.5000", "shipping_available": False},
        {"quantity": None, "unit_price": 11},
    ]
    answer = STOCK.parse(FIGURE, answered(guide(*lots)))
    assert [(e.kind, e.quantity, e.price, e.sold_at) for e in answer.listings] == [
        ("ask", 4, Decimal("9.5"), None),
        ("ask", 2, Decimal("9.5"), None),
        ("ask", 1, Decimal(11), None),
    ]
    assert answer.problems == ()


def test_lines_that_say_the_same_are_two_and_are_known_again() -> None:
    first = SOLD.parse(FIGURE, answered(guide(sale(), sale(), sale(quantity=2)))).listings
    again = SOLD.parse(FIGURE, answered(guide(sale(unit_price="7.0000"), sale(), sale()))).listings
    ids = [e.source_listing_id for e in first]
    assert len(set(ids)) == 3
    assert {e.source_listing_id for e in again[1:]} == set(ids[:2])


@given(
    st.lists(
        st.tuples(
            st.integers(1, 3),
            st.sampled_from(["1.0000", "2.5000", "0.0100"]),
            st.sampled_from(["2026-01-01T00:00:00.000Z", "2026-01-01T02:00:00.000+01:00", None]),
        ),
        min_size=1,
        max_size=12,
    ),
    st.randoms(),
)
def test_the_order_of_the_lines_does_not_change_their_names(lines: list[Any], random: Any) -> None:
    def ids(rows: list[Any]) -> set[str]:
        details = [sale(quantity=q, unit_price=p, date_ordered=d) for q, p, d in rows]
        answer = SOLD.parse(FIGURE, answered(guide(*details)))
        assert len(answer.listings) == len(rows)
        return {e.source_listing_id for e in answer.listings}

    shuffled = random.sample(lines, len(lines))
    assert ids(lines) == ids(shuffled)
    assert len(ids(lines)) == len(lines)


def test_a_bad_line_is_a_problem_and_the_others_survive() -> None:
    answer = SOLD.parse(
        FIGURE,
        answered(
            guide(
                sale(),
                sale(unit_price="free"),
                sale(unit_price="0.0000"),
                sale(quantity=0, date_ordered="yesterday"),
                "a line",
                sale(unit_price=None),
                sale(date_ordered="2026-09-30T14:59:01"),
                sale(date_ordered="0001-01-01T00:00:00+05:00"),
            )
        ),
    )
    assert [(e.quantity, e.sold_at is None) for e in answer.listings] == [
        (1, False),
        (1, True),
        (1, True),
        (1, True),
    ]
    assert [problem.partition(": ")[0] for problem in answer.problems] == [
        "data.price_detail[1].unit_price",
        "data.price_detail[2].unit_price",
        "data.price_detail[3].quantity",
        "data.price_detail[3].date_ordered",
        "data.price_detail[4]",
        "data.price_detail[5].unit_price",
        "data.price_detail[6].date_ordered",
        "data.price_detail[7].date_ordered",
    ]


def test_the_currency_is_what_the_answer_says() -> None:
    for currency in ("EUR", "CZK", "HUF"):
        (listing,) = SOLD.parse(FIGURE, answered(guide(sale(), currency_code=currency))).listings
        assert listing.currency == currency
    with pytest.raises(UnparsablePayload, match=r"data\.currency_code: not an ISO 4217 code"):
        SOLD.parse(FIGURE, answered(guide(sale(), currency_code="$")))


def test_a_figure_that_nobody_sells_is_not_found() -> None:
    for source in (SOLD, STOCK):
        answer = source.parse(FIGURE, answered(guide()))
        assert (answer.result, answer.listings, answer.problems) == ("not_found", (), ())
    with pytest.raises(UnparsablePayload, match="empty, though 298 lines are announced"):
        SOLD.parse(FIGURE, answered(guide(unit_quantity=298)))


def test_another_figure_is_not_ours() -> None:
    other = guide(sale(), item={"no": "lmp0008", "type": "MINIFIG"})
    answer = SOLD.parse(FIGURE, answered(other))
    assert answer.result == "not_found"
    assert answer.problems == ("data.item.no: asked about lmp0007, answered about lmp0008",)
    assert SOLD.parse(FIGURE, answered(guide(sale(), item={"no": "LMP0007"}))).result == "found"


# --- the catalogue -----------------------------------------------------------------------


def test_a_figure_of_the_catalogue() -> None:
    request = CATALOGUE.request(FIGURE, CREDENTIALS)
    assert request.url.path == "/api/store/v1/items/MINIFIG/lmp0007"
    assert CATALOGUE.parse(FIGURE, answered(figure())).fields == {
        "name": "Lamplighter (Old Quay) - Hat & Scarf",
        "set_number": "lmp0007",
        "year": 1998,
        "image": "https://img.example/ML/lmp0007.jpg",
        "bricklink_category": 9065,
    }


def test_what_the_catalogue_does_not_say_is_absent() -> None:
    answer = CATALOGUE.parse(
        FIGURE,
        answered(figure(year_released=0, image_url=None, thumbnail_url="", category_id="x")),
    )
    assert answer.fields == {
        "name": "Lamplighter (Old Quay) - Hat & Scarf",
        "set_number": "lmp0007",
    }
    assert [problem.partition(": ")[0] for problem in answer.problems] == [
        "data.category_id",
        "data.year_released",
    ]


def test_only_a_minifigure_of_our_number_is_ours() -> None:
    for changes, path in (({"no": "lmp0008"}, "data.no"), ({"type": "SET"}, "data.type")):
        answer = CATALOGUE.parse(FIGURE, answered(figure(**changes)))
        assert answer.result == "not_found"
        assert answer.problems[0].startswith(f"{path}: ")


# --- what goes wrong ---------------------------------------------------------------------


@pytest.mark.parametrize("source", EVERY, ids=lambda source: source.name)
@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"meta": {}},
        {"meta": {"code": "fine"}, "data": {}},
        envelope([]),
        envelope(None),
        envelope({"quantity": 1}),
        guide(price_detail=None),
        guide(price_detail={}),
        guide(sale(unit_price="?")),
    ],
)
def test_what_is_none_of_its_shapes_is_unparsable(source: Source, document: object) -> None:
    with pytest.raises(UnparsablePayload):
        source.parse(FIGURE, answered(document))


@pytest.mark.parametrize("source", EVERY, ids=lambda source: source.name)
def test_the_code_in_the_body_is_the_outcome(source: Source) -> None:
    def fail(code: int, message: str, description: str, status: int = 200) -> httpx.Response:
        return answered(envelope({}, code, message, description), status)

    for status in (200, 401):
        with pytest.raises(CredentialsRefused, match="401: BAD_OAUTH_REQUEST: TOKEN_IP_MISMATCHED"):
            source.parse(FIGURE, fail(401, "BAD_OAUTH_REQUEST", "TOKEN_IP_MISMATCHED: …", status))
    assert source.parse(FIGURE, fail(404, "RESOURCE_NOT_FOUND", "")).result == "not_found"
    for code, message in (
        (400, "PARAMETER_MISSING_OR_INVALID"),
        (403, "PERMISSION_DENIED"),
        (405, "METHOD_NOT_ALLOWED"),
        (415, "UNSUPPORTED_MEDIA_TYPE"),
        (422, "RESOURCE_UPDATE_NOT_ALLOWED"),
    ):
        with pytest.raises(PermanentError, match=f"{code}: {message}"):
            source.parse(FIGURE, fail(code, message, message))
    with pytest.raises(RetryableError, match="INTERNAL_SERVER_ERROR"):
        source.parse(FIGURE, fail(500, "INTERNAL_SERVER_ERROR", ""))
    with pytest.raises(QuotaExhausted, match="tomorrow"):
        source.parse(FIGURE, fail(429, "TOO_MANY_REQUESTS", "Daily limit of 5000 calls"))
    with pytest.raises(QuotaExhausted, match="tomorrow"):
        source.parse(FIGURE, fail(429, "TOO_MANY_REQUESTS", "daily quota", status=429))
    with pytest.raises(RetryableError, match="429: Slow down"):
        source.parse(FIGURE, httpx.Response(429, text="Slow down"))
    with pytest.raises(UnparsablePayload, match=r"body: not JSON \(text/html"):
        source.parse(FIGURE, httpx.Response(200, html="<html>Maintenance</html>"))
    answer = source.parse(FIGURE, answered(envelope({})))
    assert (answer.result, len(answer.problems)) == ("not_found", 1)


def test_a_number_of_another_catalogue_is_not_asked_about() -> None:
    other = item("minifigure", "fig-000123")
    assert not any(source.covers(other) for source in EVERY)
    assert all(source.covers(FIGURE) for source in EVERY)


def test_a_missing_credential_is_named() -> None:
    with pytest.raises(MissingCredential, match="BRICKLINK_TOKEN_SECRET"):
        SOLD.auth(
            Credentials(
                {name: "x" for name in SOLD.credential_names if name != "BRICKLINK_TOKEN_SECRET"}
            )
        )


# --- over a socket -----------------------------------------------------------------------


class BrickLinkServer:
    """Answers as BrickLink does: 200 and text/html always, refusals in the body."""

    def __init__(self, token_secret: str = "token-secret") -> None:  # noqa: S107
        self.token_secret = token_secret
        self.nonces: list[str] = []

    async def __call__(self, request: Request) -> Response:
        header = request.headers["Authorization"]
        values = {
            name: httpx.QueryParams(f"v={value}")["v"]
            for name, value in re.findall(r'(\w+)="([^"]*)"', header)
        }
        given_signature = values.pop("oauth_signature")
        self.nonces.append(values["oauth_nonce"])
        parameters = [*request.query_params.multi_items(), *values.items()]
        base = signature_base_string(request.method, httpx.URL(str(request.url)), parameters)
        if given_signature != signature(base, "consumer-secret", self.token_secret):
            who = f"SIGNATURE_INVALID: consumer: {values['oauth_consumer_key']}"
            document = envelope({}, 401, "BAD_OAUTH_REQUEST", who)
        elif request.url.path.endswith("/price"):
            document = guide(sale())
        else:
            document = figure()
        return Response(json.dumps(document), media_type="text/html;charset=utf-8")


def _asked(server: BrickLinkServer, query: ItemQuery = FIGURE) -> list[Reply]:
    async def scenario() -> list[Reply]:
        async with (
            serving(server) as origin,
            SourceClient(
                CREDENTIALS,
                base_urls={source.name: f"{origin}/bricklink" for source in EVERY},
                rate_overrides={source.name: 500 for source in EVERY},
                backoff_seconds=0.01,
            ) as client,
        ):
            return [await client.ask(source, query) for source in EVERY for _ in range(2)]

    return asyncio.run(scenario())


def test_signed_requests_are_let_in() -> None:
    server = BrickLinkServer()
    replies = _asked(server)
    assert [reply.error for reply in replies] == [None] * 6
    assert [reply.result for reply in replies] == ["found"] * 6
    assert len(set(server.nonces)) == 6


def test_refused_credentials_are_asked_once_a_source_and_not_shown() -> None:
    server = BrickLinkServer(token_secret="another")
    replies = _asked(server)
    assert {reply.result for reply in replies} == {"error"}
    assert {reply.status for reply in replies if reply.attempts} == {200}
    assert len(server.nonces) == len(EVERY)
    assert all("SIGNATURE_INVALID" in (reply.error or "") for reply in replies)
    for secret in ("consumer-key", "consumer-secret", "token-value", "token-secret"):
        assert secret not in repr(replies)


def test_a_figure_that_is_not_covered_costs_no_request() -> None:
    server = BrickLinkServer()
    replies = _asked(server, item("minifigure", "fig-000123"))
    assert {(reply.result, reply.attempts, reply.status) for reply in replies} == {
        ("not_found", 0, None)
    }
    assert server.nonces == []


def test_the_sources_are_honest_about_time() -> None:
    assert (SOLD.freshness, STOCK.freshness) == (timedelta(days=30), timedelta(days=3))
    assert all(source.licence.display_max_age_hours == 6 for source in EVERY)
