import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pricing_assets.core.answers import ItemQuery, Listing
from resources.sources.base import (
    CredentialsRefused,
    Outage,
    PermanentError,
    QuotaExhausted,
    UnparsablePayload,
)
from resources.sources.client import Reply, SourceClient
from resources.sources.credentials import Credentials
from resources.sources.ebay_marketplace_insights import SCOPE, EbayMarketplaceInsights
from tests.resources.sources.conftest import ISBN, answered, book
from tests.resources.sources.vendor_server import serving

SOURCE = EbayMarketplaceInsights()
CREDENTIALS = Credentials({"EBAY_CLIENT_ID": "app", "EBAY_CLIENT_SECRET": "top-secret"})


def sales(number: int = 1, **changes: Any) -> dict[str, Any]:
    item = {
        "itemId": f"v1|{number}|0",
        "title": "The Lamplighter's Almanac",
        "condition": "Good",
        "conditionId": "5000",
        "buyingOptions": ["FIXED_PRICE"],
        "lastSoldDate": "2026-03-07T12:04:38.000Z",
        "lastSoldPrice": {"value": "12.50", "currency": "USD"},
        "totalSoldQuantity": 3,
        "seller": {"username": "lamp_seller", "feedbackScore": 9},
        "itemLocation": {"postalCode": "123**", "country": "US"},
    } | changes
    return {key: value for key, value in item.items() if value is not None}


def page(*items: Any, **more: Any) -> Any:
    return {"total": len(items), "limit": 200, "itemSales": list(items)} | more


def test_the_request_asks_by_gtin_among_books(query: ItemQuery) -> None:
    request = SOURCE.request(query, CREDENTIALS)
    assert request.url.path == "/buy/marketplace_insights/v1_beta/item_sales/search"
    assert dict(request.url.params) == {"gtin": ISBN, "category_ids": "267", "limit": "200"}
    assert request.headers["X-EBAY-C-MARKETPLACE-ID"] == "EBAY_US"
    assert not SOURCE.active_by_default


def test_a_sale(query: ItemQuery) -> None:
    answer = SOURCE.parse(query, answered(page(sales())))
    assert answer.listings == (
        Listing(
            source_listing_id="v1|1|0",
            kind="sold",
            title="The Lamplighter's Almanac",
            price=Decimal("12.50"),
            currency="USD",
            condition="Good",
            listing_type="fixed_price",
            sold_at=datetime(2026, 3, 7, 12, 4, 38, tzinfo=UTC),
        ),
    )
    assert answer.problems == ()
    assert "lamp_seller" not in repr(answer)


@pytest.mark.parametrize(
    ("options", "bids", "kind"),
    [
        (["AUCTION"], 4, "auction"), (["AUCTION"], None, "auction"),
        (["FIXED_PRICE", "AUCTION"], 2, "auction"), (["FIXED_PRICE", "AUCTION"], 0, "fixed_price"),
        (["FIXED_PRICE", "BEST_OFFER"], None, "best_offer"), ([], None, None), (None, None, None),
    ],
)  # fmt: skip
def test_how_it_sold(
    query: ItemQuery, options: list[str] | None, bids: int | None, kind: str | None
) -> None:
    item = sales(buyingOptions=options, bidCount=bids)
    (listing,) = SOURCE.parse(query, answered(page(item))).listings
    assert (listing.listing_type, listing.bids) == (kind, bids)


@pytest.mark.parametrize(
    "date", [None, "yesterday", "2026-03-07T12:04:38", "9999-12-31T23:59:59-05:00"]
)
def test_a_sale_without_a_date_is_undated(query: ItemQuery, date: str | None) -> None:
    answer = SOURCE.parse(query, answered(page(sales(lastSoldDate=date))))
    assert answer.listings[0].sold_at is None
    assert [p.partition(": ")[0] for p in answer.problems] == (
        ["itemSales[0].lastSoldDate"] if date else []
    )


@pytest.mark.parametrize(
    ("price", "path"),
    [
        (None, "lastSoldPrice"),
        ({"value": "0.00", "currency": "USD"}, "lastSoldPrice.value"),
        ({"value": "abc", "currency": "USD"}, "lastSoldPrice.value"),
        ({"value": "5.00", "currency": "dollars"}, "lastSoldPrice.currency"),
        ({"value": "5.00"}, "lastSoldPrice.currency"),
    ],
)
def test_what_has_no_price_is_no_sale(query: ItemQuery, price: Any, path: str) -> None:
    answer = SOURCE.parse(query, answered(page(sales(1), sales(2, lastSoldPrice=price))))
    assert [e.source_listing_id for e in answer.listings] == ["v1|1|0"]
    assert [p.partition(": ")[0] for p in answer.problems] == [f"itemSales[1].{path}"]


def test_a_page_without_any_price_has_no_sale_and_says_so(query: ItemQuery) -> None:
    bare = sales(lastSoldPrice=None, lastSoldDate=None, buyingOption=None, quantitySold=1)
    answer = SOURCE.parse(query, answered(page(bare)))
    assert (answer.result, answer.listings) == ("not_found", ())
    assert "lastSoldPrice: missing" in answer.problems[0]


def test_other_currencies_stay_what_they_are(query: ItemQuery) -> None:
    item = sales(lastSoldPrice={"value": "1200", "currency": "jpy", "convertedFromValue": "8"})
    (listing,) = SOURCE.parse(query, answered(page(item))).listings
    assert (listing.price, listing.currency) == (Decimal(1200), "JPY")


def test_no_sales_and_warnings(query: ItemQuery) -> None:
    assert SOURCE.parse(query, answered({"total": 0})).result == "not_found"
    warning = {"errorId": 100012, "message": "The 'fieldgroups' value is invalid."}
    answer = SOURCE.parse(query, answered(page(sales(), warnings=[warning])))
    assert answer.problems == ("warnings[0]: 100012 The 'fieldgroups' value is invalid.",)


@pytest.mark.parametrize("document", [[], {}, {"total": 5}, {"itemSales": {}}, page(1), page({})])
def test_a_page_of_which_nothing_can_be_read_is_unparsable(
    query: ItemQuery, document: object
) -> None:
    with pytest.raises(UnparsablePayload):
        SOURCE.parse(query, answered(document))


def refused(error_id: int, message: str = "It says why") -> Any:
    return {"errors": [{"errorId": error_id, "domain": "API", "message": message}]}


@pytest.mark.parametrize(
    ("status", "document", "kind"),
    [
        (400, refused(100001), PermanentError),
        (400, refused(100009), PermanentError),
        (400, refused(100017), CredentialsRefused),
        (401, refused(1001), CredentialsRefused),
        (403, refused(1100, "Access denied"), CredentialsRefused),
        (409, refused(100005), PermanentError),
        (429, refused(2001), QuotaExhausted),
        (500, refused(100000), Outage),
        (501, {"error": "Not enabled on this application."}, CredentialsRefused),
    ],
)
def test_errors(query: ItemQuery, status: int, document: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=str(status)) as caught:
        SOURCE.parse(query, answered(document, status))
    assert type(caught.value) is kind


def ask(approved: bool) -> tuple[list[Reply], list[str]]:
    """Ask twice; eBay gives a token for the scope only to an approved application."""
    scopes: list[str] = []

    async def ebay(request: Request) -> Response:
        if request.url.path.endswith("/oauth2/token"):
            scopes.extend(parse_qs((await request.body()).decode())["scope"])
            if not approved:
                return JSONResponse({"error": "invalid_scope"}, 400)
            return JSONResponse({"access_token": "t", "expires_in": 7200})
        assert request.headers["Authorization"] == "Bearer t"
        return JSONResponse(page(sales()))

    async def scenario() -> list[Reply]:
        async with (
            serving(ebay) as origin,
            SourceClient(
                CREDENTIALS, base_urls={SOURCE.name: origin}, rate_overrides={SOURCE.name: 500}
            ) as client,
        ):
            return [reply async for reply in client.ask_many([(SOURCE, book())] * 2)]

    return asyncio.run(scenario()), scopes


def test_the_token_is_asked_for_the_scope_of_sales() -> None:
    replies, scopes = ask(approved=True)
    assert [reply.result for reply in replies] == ["found", "found"]
    assert scopes == [SCOPE]


def test_an_application_that_is_not_approved_is_told_so_and_asks_once() -> None:
    replies, scopes = ask(approved=False)
    assert [reply.result for reply in replies] == ["error", "error"]
    assert all("buy.marketplace.insights" in (reply.error or "") for reply in replies)
    assert scopes == [SCOPE]
    assert "top-secret" not in repr(replies)


@pytest.mark.parametrize(
    ("seller", "feedback"),
    [
        ({"username": "lamp_seller", "name": "lamp_seller", "feedbackPercentage": "98.7"}, 98.7),
        ({"feedbackPercentage": 140}, None),
        ("lamp_seller", None),
        (["lamp_seller"], None),
    ],
)
def test_of_a_seller_the_rating_is_kept_and_no_name(
    query: ItemQuery, seller: Any, feedback: float | None
) -> None:
    answer = SOURCE.parse(query, answered(page(sales(seller=seller))))
    assert [listing.seller_feedback for listing in answer.listings] == [feedback]
    assert "lamp_seller" not in repr(answer)
