from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pricing_assets.core.answers import ItemQuery, Listing
from resources.sources.base import (
    CredentialsRefused,
    PermanentError,
    QuotaExhausted,
    RetryableError,
    UnparsablePayload,
)
from resources.sources.credentials import Credentials
from resources.sources.searchapi_ebay_sold import SearchApiEbaySold
from tests.resources.sources.conftest import ISBN, answered, item

SOURCE = SearchApiEbaySold()


def sold(number: int = 1, **changes: Any) -> dict[str, Any]:
    result = {
        "position": number,
        "item_id": str(number),
        "title": "The Lamplighter's Almanac",
        "tag": "Opens in a new window or tab",
        "seller": {"name": "lamp_seller", "reviews": 3},
        "condition": "Pre-Owned",
        "extensions": ["Located in United States", "View similar active items"],
        "buying_format": "Buy It Now",
        "price": "$1,012.50",
        "extracted_price": 1012.5,
        "shipping": "+$4.65 delivery in 2-4 days",
        "extracted_shipping": 4.65,
    } | changes
    return {key: value for key, value in result.items() if value is not None}


def page(*results: Any) -> Any:
    return {"search_metadata": {"status": "Success"}, "organic_results": list(results)}


def one(query: ItemQuery, **changes: Any) -> Listing:
    (listing,) = SOURCE.parse(query, answered(page(sold(**changes)))).listings
    return listing


def test_the_request(query: ItemQuery) -> None:
    request = SOURCE.request(query, Credentials({"SEARCHAPI_API_KEY": "k1"}))
    assert request.url.path == "/api/v1/search"
    assert dict(request.url.params) == {
        "engine": "ebay_search", "q": ISBN, "ebay_domain": "ebay.com",
        "filters": "sold_listings", "num": "120", "api_key": "k1",
    }  # fmt: skip


def test_a_card_is_searched_in_words() -> None:
    card = item("card", "base1-2", words="blastoise base set 2")
    request = SOURCE.request(card, Credentials({"SEARCHAPI_API_KEY": "k1"}))
    assert request.url.params["q"] == "blastoise base set 2"
    assert "card" in SOURCE.categories


def test_a_sale(query: ItemQuery) -> None:
    assert one(query) == Listing(
        source_listing_id="1",
        kind="sold",
        title="The Lamplighter's Almanac",
        price=Decimal("1012.50"),
        currency="USD",
        shipping=Decimal("4.65"),
        condition="Pre-Owned",
        listing_type="fixed_price",
    )


@pytest.mark.parametrize(
    ("text", "kind", "bids"),
    [("37 bids", "auction", 37), ("1 bid", "auction", 1), ("or Best Offer", "best_offer", None),
     ("Best offer accepted", "best_offer", None), ("", None, None)],
)  # fmt: skip
def test_how_it_sold(query: ItemQuery, text: str, kind: str, bids: int | None) -> None:
    listing = one(query, buying_format=text)
    assert (listing.listing_type, listing.bids) == (kind, bids)


@pytest.mark.parametrize(
    ("text", "extracted", "extensions", "cost"),
    [
        ("Free delivery", None, [], "0"),
        ("Located in United States", None, [], None),
        ("Located in United States", None, ["+$5.15 delivery"], "5.15"),
        ("+$1,005.15 shipping estimate", None, [], "1005.15"),
        ("cost not shown", 2.5, [], "2.5"),
    ],
)
def test_shipping(
    query: ItemQuery, text: str, extracted: float | None, extensions: list[str], cost: str | None
) -> None:
    listing = one(query, shipping=text, extracted_shipping=extracted, extensions=extensions)
    assert listing.shipping == (None if cost is None else Decimal(cost))


def test_the_price_may_be_in_deal(query: ItemQuery) -> None:
    assert one(query, price=None, extracted_price=None, deal="$7.25").price == Decimal("7.25")


@pytest.mark.parametrize(
    "text", ["$0.99 to $1.49", "$2.27$3.49", "$2.00 to ", "$0.00", "free", "1.234.567", "¤5"]
)
@pytest.mark.parametrize("field", ["price", "deal"])
def test_what_is_not_one_price_is_left_out_and_said(
    query: ItemQuery, field: str, text: str
) -> None:
    changes: dict[str, Any] = {"price": None, "extracted_price": 2.0} | {field: text}
    answer = SOURCE.parse(query, answered(page(sold(1), sold(2, **changes))))
    assert [e.source_listing_id for e in answer.listings] == ["1"]
    assert answer.problems == (
        f"organic_results[1].{field}: not the price of one sale: {text.strip()!r}",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"tag": "Sold  Nov 3, 2026"},
        {"caption": "Sold Nov 3, 2026"},
        {"extensions": ["Free returns", "Sold  Nov 3, 2026"]},
        {"extensions": ["Sold 3 Nov 2026"]},
        {"sold_date": "2026-11-03"},
    ],
)
def test_a_sale_is_dated_where_the_vendor_has_the_day(
    query: ItemQuery, changes: dict[str, Any]
) -> None:
    assert one(query, **changes).sold_at == datetime(2026, 11, 3, tzinfo=UTC)


@pytest.mark.parametrize("text", ["Sold out", "New Listing", "Last one", "Nov 3, 2026"])
def test_other_badges_are_no_date(query: ItemQuery, text: str) -> None:
    answer = SOURCE.parse(query, answered(page(sold(tag=text))))
    assert answer.listings[0].sold_at is None
    assert answer.problems == ()


def test_an_impossible_date_is_a_problem(query: ItemQuery) -> None:
    answer = SOURCE.parse(query, answered(page(sold(tag="Sold  Feb 31, 2026"))))
    assert answer.listings[0].sold_at is None
    assert answer.problems == ("organic_results[0].tag: not a date of sale: 'Sold Feb 31, 2026'",)


def test_sellers_leave_no_trace(query: ItemQuery) -> None:
    answer = SOURCE.parse(query, answered(page(sold(condition="lamp_seller buys estates !!"))))
    assert answer.listings[0].condition is None
    assert answer.problems == ("organic_results[0].condition: not one of eBay's conditions",)
    assert "lamp_seller" not in repr(answer)


def test_a_listing_that_shows_twice_is_one_sale(query: ItemQuery) -> None:
    answer = SOURCE.parse(query, answered(page(sold(1), sold(1), sold(1, price="$9.00"))))
    assert [e.price for e in answer.listings] == [Decimal("1012.50"), Decimal("9.00")]


@pytest.mark.parametrize(
    "document",
    [
        page(),
        {"search_metadata": {"status": "Success"}},
        {"search_metadata": {}, "error": "eBay didn't return any results."},
    ],
)
def test_nothing_sold(query: ItemQuery, document: object) -> None:
    assert SOURCE.parse(query, answered(document)).result == "not_found"


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"search_metadata": {"status": "Processing"}},
        {"organic_results": 3},
        {"search_metadata": {"status": "Success"}, "search_information": {"total_results": 9}},
        page({"item_id": "1", "title": "x", "cost": "$3.00"}, {"item_id": "2", "title": "y"}),
    ],
)
def test_a_changed_format_is_not_an_empty_market(query: ItemQuery, document: object) -> None:
    with pytest.raises(UnparsablePayload):
        SOURCE.parse(query, answered(document))


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (401, "Invalid API key.", CredentialsRefused),
        (422, "num must be 60 or 120", PermanentError),
        (429, "Too many concurrent requests", RetryableError),
        (429, "You have used all of the searches for the month.", QuotaExhausted),
        (200, "Unknown engine", PermanentError),
        (200, "Your plan has run out of searches", QuotaExhausted),
    ],
)
def test_errors(query: ItemQuery, status: int, message: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=message[:12]):
        SOURCE.parse(query, answered({"error": message}, status))


@pytest.mark.parametrize(
    ("seller", "feedback"),
    [
        (
            {"username": "lamp_seller", "name": "lamp_seller", "positive_feedback_percent": 98.7},
            98.7,
        ),
        ({"positive_feedback_percent": 140}, None),
        ("lamp_seller", None),
        (["lamp_seller"], None),
    ],
)
def test_of_a_seller_the_rating_is_kept_and_no_name(
    query: ItemQuery, seller: Any, feedback: float | None
) -> None:
    answer = SOURCE.parse(query, answered(page(sold(seller=seller))))
    assert [listing.seller_feedback for listing in answer.listings] == [feedback]
    assert "lamp_seller" not in repr(answer)
