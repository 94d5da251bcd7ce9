from decimal import Decimal
from typing import Any

import httpx
import pytest

from pricing_assets.core.answers import ItemQuery, Listing
from resources.sources.base import (
    CredentialsRefused,
    Outage,
    PermanentError,
    QuotaExhausted,
    RetryableError,
    UnparsablePayload,
)
from resources.sources.bookscouter import BookScouter
from resources.sources.credentials import Credentials
from tests.resources.sources.conftest import ISBN, ISBN10, answered

SOURCE = BookScouter()


def bid(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "VendorId": number,
        "VendorName": f"Quay Books {number}",
        "Price": 4.25,
        "UpdatedOn": "2026-11-03 08:15:00",
    } | changes


def page(*bids: Any, name: str = "cachedPrices") -> Any:
    isbn = {"Isbn10": ISBN10, "Isbn13": ISBN}
    return {"status": "success", "isbn": isbn, name: list(bids)}


def test_the_request(query: ItemQuery) -> None:
    request = SOURCE.request(query, Credentials({"BOOKSCOUTER_API_KEY": "k1"}))
    assert request.url.path == f"/services/v1/cachedPrices/{ISBN}"
    assert dict(request.url.params) == {"apiKey": "k1"}
    assert not SOURCE.active_by_default


@pytest.mark.parametrize("name", ["cachedPrices", "recentPrices", "prices"])
def test_bids_of_dealers(query: ItemQuery, name: str) -> None:
    answer = SOURCE.parse(query, answered(page(bid(), bid(2, Price="7.50"), name=name)))
    assert answer.listings[0] == Listing(
        source_listing_id=f"{ISBN}:1",
        kind="offer",
        title="Quay Books 1 buyback",
        price=Decimal("4.25"),
        currency="USD",
    )
    assert [e.price for e in answer.listings] == [Decimal("4.25"), Decimal("7.50")]
    assert answer.problems == ()


def test_a_dealer_that_does_not_buy_has_no_bid(query: ItemQuery) -> None:
    (listing,) = SOURCE.parse(query, answered(page(bid(1, Price=0), bid(2)))).listings
    assert listing.source_listing_id == f"{ISBN}:2"
    for document in (page(bid(Price=0)), page()):
        assert SOURCE.parse(query, answered(document)).result == "not_found"


def test_one_bad_bid_does_not_hide_the_others(query: ItemQuery) -> None:
    bad = [bid(2, Price=None), bid(3, Price="call us"), 7, bid(4, VendorId=None)]
    nameless = bid(5, VendorName=None)
    odd = bid(6, Currency="gold")
    answer = SOURCE.parse(query, answered(page(bid(), *bad, nameless, odd)))
    assert [e.title for e in answer.listings] == ["Quay Books 1 buyback", "Dealer 5 buyback"]
    assert [p.partition(": ")[0] for p in answer.problems] == [
        "cachedPrices[1].Price", "cachedPrices[2].Price", "cachedPrices[3]",
        "cachedPrices[4].VendorId", "cachedPrices[6].Currency",
    ]  # fmt: skip


def test_an_unknown_book_is_not_found(query: ItemQuery) -> None:
    assert SOURCE.parse(query, httpx.Response(404, content=b"Not Found")).result == "not_found"
    document = {"status": "error", "message": "ISBN not found"}
    assert SOURCE.parse(query, answered(document)).result == "not_found"


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (401, "Bad API key", CredentialsRefused),
        (403, "Forbidden", PermanentError),
        (429, "Too many requests", RetryableError),
        (500, "Oops", Outage),
        (200, "Invalid API key", CredentialsRefused),
        (200, "Rate limit exceeded", RetryableError),
        (200, "Quota exceeded", QuotaExhausted),
        (200, "Something else", PermanentError),
    ],
)
def test_errors(query: ItemQuery, status: int, message: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=message) as caught:
        SOURCE.parse(query, answered({"status": "error", "message": message}, status))
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "document",
    [[], {}, {"status": "success"}, {"status": "success", "prices": {}}, page(1), page({}),
     {"cachedPrices": []}],
)  # fmt: skip
def test_a_changed_format_is_not_a_book_that_nobody_buys(
    query: ItemQuery, document: object
) -> None:
    with pytest.raises(UnparsablePayload):
        SOURCE.parse(query, answered(document))


def test_html_is_not_bids(query: ItemQuery) -> None:
    html = httpx.Response(200, headers={"Content-Type": "text/html"}, content=b"<html></html>")
    with pytest.raises(UnparsablePayload, match="text/html"):
        SOURCE.parse(query, html)
