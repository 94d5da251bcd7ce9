from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.answers import ItemQuery, Listing
from resources.sources.base import (
    CredentialsRefused,
    PermanentError,
    QuotaExhausted,
    RetryableError,
    UnparsablePayload,
)
from resources.sources.credentials import Credentials
from resources.sources.serpapi_ebay_sold import SerpApiEbaySold
from tests.resources.sources.conftest import ISBN, answered, book, item

SOURCE = SerpApiEbaySold()


def sold(number: int = 1, **changes: Any) -> dict[str, Any]:
    result = {
        "product_id": str(number),
        "title": "The Lamplighter's Almanac",
        "link": f"https://www.ebay.com/itm/{123456789000 + number}",
        "condition": "Pre-Owned",
        "seller": {"username": "lamp_seller", "reviews": 3},
        "price": {"raw": "$1,012.50", "extracted": 1012.5},
        "shipping": {"raw": "+$4.65 delivery", "extracted": 4.65},
        "buying_format": "Buy It Now",
        "sold_date": "Sold  Nov 3, 2026",
    } | changes
    return {key: value for key, value in result.items() if value is not None}


def page(*results: Any, **more: Any) -> Any:
    return {"search_metadata": {"status": "Success"}, "organic_results": list(results)} | more


def one(query: ItemQuery, **changes: Any) -> Listing:
    (listing,) = SOURCE.parse(query, answered(page(sold(**changes)))).listings
    return listing


def test_the_request(query: ItemQuery) -> None:
    request = SOURCE.request(query, Credentials({"SERPAPI_API_KEY": "k1"}))
    assert request.url.path == "/search.json"
    assert dict(request.url.params) == {
        "engine": "ebay", "_nkw": ISBN, "ebay_domain": "ebay.com",
        "show_only": "Sold,Complete", "_ipg": "200", "api_key": "k1",
    }  # fmt: skip
    assert not SOURCE.active_by_default


def test_a_card_is_searched_in_words() -> None:
    card = item("card", "base1-2", words="blastoise base set 2")
    request = SOURCE.request(card, Credentials({"SERPAPI_API_KEY": "k1"}))
    assert request.url.params["_nkw"] == "blastoise base set 2"
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
        sold_at=datetime(2026, 11, 3, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("price", "amount", "currency"),
    [
        ({"raw": "£8.00", "extracted": 8.0}, "8.00", "GBP"),
        ({"raw": "C $8.00"}, "8.00", "CAD"),
        ({"extracted": 8.25}, "8.25", "USD"),
        ({"raw": "$8.00", "extracted": None}, "8.00", "USD"),
        ("$8.00", "8.00", "USD"),
        (8.25, "8.25", "USD"),
    ],
)
def test_one_price_in_any_shape(query: ItemQuery, price: Any, amount: str, currency: str) -> None:
    listing = one(query, price=price)
    assert (listing.price, listing.currency) == (Decimal(amount), currency)


RANGE = {"from": {"raw": "$1.00", "extracted": 1.0}, "to": {"raw": "$2.00", "extracted": 2.0}}


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        (RANGE, "not the price of one sale: '$1.00 to $2.00'"),
        ({"from": {"extracted": 1.5}}, "not the price of one sale: '1.5'"),
        ({"raw": "$1.00 to $2.00", "extracted": 1.0}, "not the price of one sale: "),
        ({"raw": "¤7"}, "not the price of one sale: '¤7'"),
        ({}, "missing"),
        ({"extracted": 0}, "missing"),
    ],
)
def test_what_is_not_one_price_is_left_out_and_said(
    query: ItemQuery, price: Any, reason: str
) -> None:
    answer = SOURCE.parse(query, answered(page(sold(1), sold(2, price=price))))
    assert [e.source_listing_id for e in answer.listings] == ["1"]
    (problem,) = answer.problems
    assert problem.startswith(f"organic_results[1].price: {reason}")


@pytest.mark.parametrize(
    ("shipping", "price", "cost"),
    [
        ("Free Shipping", "$3.00", "0"),
        ({"raw": "+$3.00 shipping", "extracted": 3.0}, "$3.00", "3.00"),
        ({"raw": "+£3.00 shipping", "extracted": 3.0}, "$3.00", None),
        ({"extracted": 3.5}, "$3.00", "3.5"),
        ({"extracted": 3.5}, "£3.00", None),
        ("Shipping not specified", "$3.00", None),
        (None, "$3.00", None),
    ],
)
def test_shipping(query: ItemQuery, shipping: Any, price: str, cost: str | None) -> None:
    listing = one(query, shipping=shipping, price={"raw": price})
    assert listing.shipping == (None if cost is None else Decimal(cost))


@pytest.mark.parametrize(
    ("changes", "kind", "bids"),
    [
        ({"bids": {"count": 7, "time_left": "0s"}}, "auction", 7),
        ({"buying_format": "1 bid"}, "auction", 1),
        ({"buying_format": "auction"}, "auction", None),
        ({"buying_format": "Best offer accepted"}, "best_offer", None),
        ({"buying_format": None}, None, None),
    ],
)
def test_how_it_sold(
    query: ItemQuery, changes: dict[str, Any], kind: str | None, bids: int | None
) -> None:
    listing = one(query, **changes)
    assert (listing.listing_type, listing.bids) == (kind, bids)


def test_a_sale_without_its_day_is_undated(query: ItemQuery) -> None:
    for changes in ({"sold_date": None}, {"sold_date": "recently"}):
        answer = SOURCE.parse(query, answered(page(sold(**changes))))
        assert answer.listings[0].sold_at is None
        assert answer.problems == ()
    late = one(query, sold_date=None, extensions=["Sold Nov 4, 2026"])
    assert late.sold_at == datetime(2026, 11, 4, tzinfo=UTC)
    answer = SOURCE.parse(query, answered(page(sold(sold_date="Sold  Feb 31, 2026"))))
    assert answer.listings[0].sold_at is None
    assert answer.problems[0].startswith("organic_results[0].sold_date: not a date of sale: ")


def test_a_listing_without_an_id_is_known_by_its_link_or_by_what_it_says(
    query: ItemQuery,
) -> None:
    assert one(query, product_id=None).source_listing_id == "123456789001"
    assert one(query, product_id=147295505028).source_listing_id == "147295505028"
    bare = [sold(product_id=None, link="String"), sold(product_id=None, link=None, title="Other")]
    answer = SOURCE.parse(query, answered(page(*bare)))
    assert len({e.source_listing_id for e in answer.listings}) == 2
    assert all(e.source_listing_id.startswith("said:") for e in answer.listings)
    assert [p.partition(": ")[0] for p in answer.problems] == [
        "organic_results[0].product_id", "organic_results[1].product_id",
    ]  # fmt: skip
    assert SOURCE.parse(query, answered(page(*bare))) == answer


def test_one_bad_listing_does_not_hide_the_others(query: ItemQuery) -> None:
    bad = [7, sold(2, title=None), sold(3, price=[]), sold(4, bids={"count": "many"})]
    answer = SOURCE.parse(query, answered(page(sold(1), *bad)))
    assert [e.source_listing_id for e in answer.listings] == ["1", "4"]
    assert {p.partition(":")[0] for p in answer.problems} == {
        "organic_results[1]", "organic_results[2].title", "organic_results[3].price",
        "organic_results[4].bids.count",
    }  # fmt: skip


def test_sellers_leave_no_trace(query: ItemQuery) -> None:
    assert "lamp_seller" not in repr(SOURCE.parse(query, answered(page(sold()))))


NOTHING = "eBay hasn't returned any results for this query."


@pytest.mark.parametrize(
    "document",
    [
        page(),
        {"search_metadata": {"status": "Success"}},
        {"search_metadata": {"status": "Success"}, "error": NOTHING},
        page(error=NOTHING),
        {"error": NOTHING},
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
        {"organic_results": {}},
        {"search_metadata": {"status": "Success"}, "search_information": {"total_results": 9}},
        page({"product_id": "1", "name": "x"}),
    ],
)
def test_a_changed_format_is_not_an_empty_market(query: ItemQuery, document: object) -> None:
    with pytest.raises(UnparsablePayload):
        SOURCE.parse(query, answered(document))


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (401, "Invalid API key. Your API key should be here.", CredentialsRefused),
        (400, "Unsupported `_ipg` value.", PermanentError),
        (429, "Your account has run out of searches.", QuotaExhausted),
        (429, "You are exceeding the hourly throughput.", RetryableError),
        (503, "Service unavailable", RetryableError),
        (200, "Your account has run out of searches.", QuotaExhausted),
        (200, "Invalid API key.", CredentialsRefused),
        (200, "We couldn't get valid results for this search. Please try again.", RetryableError),
        (200, "Missing query `_nkw` parameter.", PermanentError),
    ],
)
def test_errors(query: ItemQuery, status: int, message: str, kind: type[Exception]) -> None:
    shapes: list[dict[str, Any]] = [{}, page(sold())]
    for more in shapes:
        with pytest.raises(kind, match=message[:12]):
            SOURCE.parse(query, answered(more | {"error": message}, status))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(sold())), JSON))
def test_whatever_a_field_holds_the_other_listing_survives(changes: dict[str, Any]) -> None:
    answer = SOURCE.parse(book(), answered(page(sold(99), sold(**changes))))
    assert "99" in {e.source_listing_id for e in answer.listings}
    for listing in answer.listings:
        assert (listing.kind, bool(listing.title)) == ("sold", True)
        assert listing.price > 0
        assert len(listing.source_listing_id) <= 128


@pytest.mark.parametrize(
    ("seller", "feedback"),
    [
        (
            {
                "username": "lamp_seller",
                "name": "lamp_seller",
                "positive_feedback_in_percentage": 98.7,
            },
            98.7,
        ),
        ({"positive_feedback_in_percentage": 140}, None),
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
