from decimal import Decimal
from typing import Any

import httpx
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
from resources.sources.booksrun import BooksRun
from resources.sources.credentials import Credentials
from tests.resources.sources.conftest import ISBN, answered, book

SOURCE = BooksRun()


def success(**prices: Any) -> Any:
    return {"result": {"status": "success", "text": prices}}


def failure(text: str) -> Any:
    return {"result": {"status": "error", "text": text}}


def test_the_request(query: ItemQuery) -> None:
    request = SOURCE.request(query, Credentials({"BOOKSRUN_KEY": "k1"}))
    assert request.url.path == f"/api/price/sell/{ISBN}"
    assert dict(request.url.params) == {"key": "k1"}
    assert SOURCE.active_by_default


def test_bids_by_condition(query: ItemQuery) -> None:
    answer = SOURCE.parse(query, answered(success(Average=1.05, Good=2, New="3.50")))
    assert answer.result == "found"
    assert answer.listings[0] == Listing(
        source_listing_id=f"{ISBN}:offer:Average",
        kind="offer",
        title="BooksRun buyback, Average",
        price=Decimal("1.05"),
        currency="USD",
        condition="Average",
    )
    assert [(e.condition, e.price) for e in answer.listings] == [
        ("Average", Decimal("1.05")), ("Good", Decimal(2)), ("New", Decimal("3.50")),
    ]  # fmt: skip
    assert answer.problems == ()


def test_nothing_is_bid_of_zero(query: ItemQuery) -> None:
    answer = SOURCE.parse(query, answered(success(Average=0, Good=0.0, New="0")))
    assert (answer.result, answer.listings, answer.problems) == ("not_found", (), ())
    (bid,) = SOURCE.parse(query, answered(success(Average=0, New=0.4))).listings
    assert bid.condition == "New"


def test_one_bad_price_does_not_hide_the_others(query: ItemQuery) -> None:
    answer = SOURCE.parse(query, answered(success(Average=None, Good="soon", New=4)))
    assert [e.condition for e in answer.listings] == ["New"]
    assert answer.problems == (
        "result.text.Average: missing", "result.text.Good: not a number: 'soon'",
    )  # fmt: skip


def test_a_currency_is_taken_at_its_word_or_not_at_all(query: ItemQuery) -> None:
    (bid,) = SOURCE.parse(query, answered(success(New=4, currency="GBP"))).listings
    assert bid.currency == "GBP"
    with pytest.raises(UnparsablePayload, match=r"result\.text\.currency: not an ISO 4217 code"):
        SOURCE.parse(query, answered(success(New=4, currency="gold")))


def test_what_it_sells_is_asked_and_not_bid(query: ItemQuery) -> None:
    own = {"new": {"price": 9.5, "cart_url": "https://x"}, "used": "none", "rent": 3}
    document = {"result": {"status": "success", "message": "", "offers": {"booksrun": own}}}
    answer = SOURCE.parse(query, answered(document))
    (listing,) = answer.listings
    assert (listing.kind, listing.price, listing.condition) == ("ask", Decimal("9.5"), "new")
    assert [p.partition(": ")[0] for p in answer.problems] == ["result.offers.booksrun.rent"]
    empty = {"result": {"status": "success", "offers": {"booksrun": "none"}}}
    assert SOURCE.parse(query, answered(empty)).result == "not_found"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Wrong API access key", CredentialsRefused),
        ("You have reached the daily limit", QuotaExhausted),
        ("Too many requests", RetryableError),
        ("Wrong ISBN", PermanentError),
        ("", PermanentError),
    ],
)
def test_errors_come_with_status_200(query: ItemQuery, text: str, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        SOURCE.parse(query, answered(failure(text)))
    assert type(caught.value) is kind
    assert (text or "without a reason") in str(caught.value)


@pytest.mark.parametrize("text", ["none", "Book not found", "We do not buy this book"])
def test_a_sentence_can_say_that_there_is_no_bid(query: ItemQuery, text: str) -> None:
    for status in ("error", "success"):
        document = {"result": {"status": status, "text": text}}
        assert SOURCE.parse(query, answered(document)).result == "not_found"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, PermanentError), (401, CredentialsRefused), (503, RetryableError),
     (429, RetryableError), (200, UnparsablePayload)],
)  # fmt: skip
def test_cloudflare_answers_in_html(query: ItemQuery, status: int, kind: type[Exception]) -> None:
    html = b"<!DOCTYPE html><html><title>Just a moment...</title></html>"
    response = httpx.Response(status, headers={"Content-Type": "text/html"}, content=html)
    with pytest.raises(kind):
        SOURCE.parse(query, response)


def test_an_errors_own_words_are_shown(query: ItemQuery) -> None:
    with pytest.raises(PermanentError, match="answered 403: Wrong API access key"):
        SOURCE.parse(query, answered(failure("Wrong API access key"), 403))


@pytest.mark.parametrize(
    "document",
    [[], {}, {"result": []}, {"result": {"status": "success"}}, success(), success(New="x"),
     {"result": {"status": "success", "text": []}}],
)  # fmt: skip
def test_a_changed_format_is_not_a_book_that_nobody_buys(
    query: ItemQuery, document: object
) -> None:
    with pytest.raises(UnparsablePayload):
        SOURCE.parse(query, answered(document))


@given(st.dictionaries(st.text(max_size=20), st.decimals("0.01", 500, places=2), min_size=1))
def test_any_prices_are_bids_of_their_own(prices: dict[str, Decimal]) -> None:
    document = success(**{name: str(price) for name, price in prices.items()})
    document["result"]["text"].pop("currency", None)
    if not document["result"]["text"]:
        return
    listings = SOURCE.parse(book(), answered(document)).listings
    assert all(e.kind == "offer" and e.price > 0 for e in listings)
    assert len(listings) == len(document["result"]["text"])
