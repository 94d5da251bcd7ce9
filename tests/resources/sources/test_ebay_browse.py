import asyncio
import base64
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pricing_assets.core.answers import ItemQuery, Listing
from resources.sources.base import (
    PermanentError,
    QuotaExhausted,
    RetryableError,
    UnparsablePayload,
)
from resources.sources.client import Reply, SourceClient
from resources.sources.credentials import Credentials
from resources.sources.ebay_browse import SCOPE, EbayBrowse
from tests.resources.sources.conftest import ISBN, answered, book, item
from tests.resources.sources.vendor_server import serving

SOURCE = EbayBrowse()
CREDENTIALS = Credentials({"EBAY_CLIENT_ID": "app", "EBAY_CLIENT_SECRET": "top-secret"})


def summary(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "itemId": f"v1|{number}|0",
        "title": "The Lamplighter's Almanac",
        "price": {"value": "12.50", "currency": "USD"},
        "condition": "Good",
        "buyingOptions": ["FIXED_PRICE"],
        "shippingOptions": [
            {"shippingCostType": "CALCULATED"},
            {"shippingCostType": "FIXED", "shippingCost": {"value": "3.99", "currency": "USD"}},
        ],
        "seller": {"username": "lamp_seller", "feedbackScore": 9},
        "itemLocation": {"postalCode": "123**", "country": "US"},
        "itemCreationDate": "2026-03-07T12:04:38.000Z",
    } | changes


def page(*summaries: Any, **more: Any) -> Any:
    return {"total": len(summaries), "limit": 200, "itemSummaries": list(summaries)} | more


def test_the_request_asks_for_every_buying_option(query: ItemQuery) -> None:
    request = SOURCE.request(query, CREDENTIALS)
    assert dict(request.url.params) == {
        "q": ISBN,
        "limit": "200",
        "filter": "buyingOptions:{FIXED_PRICE|AUCTION|BEST_OFFER}",
    }
    assert request.headers["X-EBAY-C-MARKETPLACE-ID"] == "EBAY_US"


def test_a_card_is_searched_in_words() -> None:
    card = item("card", "base1-2", words="blastoise base set 2")
    assert SOURCE.request(card, CREDENTIALS).url.params["q"] == "blastoise base set 2"
    assert "card" in SOURCE.categories


def test_a_listing(query: ItemQuery) -> None:
    answer = SOURCE.parse(query, answered(page(summary())))
    assert answer.listings == (
        Listing(
            source_listing_id="v1|1|0",
            kind="ask",
            title="The Lamplighter's Almanac",
            price=Decimal("12.50"),
            currency="USD",
            shipping=Decimal("3.99"),
            condition="Good",
            listing_type="fixed_price",
            listed_at=datetime(2026, 3, 7, 12, 4, 38, tzinfo=UTC),
        ),
    )
    assert "lamp_seller" not in repr(answer)


def test_an_auction_is_asked_at_its_current_bid(query: ItemQuery) -> None:
    auction = summary(
        buyingOptions=["AUCTION"],
        currentBidPrice={"value": "4.20", "currency": "GBP"},
        bidCount=3,
        watchCount=8,
    )
    del auction["price"]
    (listing,) = SOURCE.parse(query, answered(page(auction))).listings
    assert (listing.price, listing.currency) == (Decimal("4.20"), "GBP")
    assert (listing.listing_type, listing.bids, listing.watchers) == ("auction", 3, 8)
    assert listing.shipping is None  # in another currency than the price


def test_one_bad_listing_is_a_problem_and_the_others_survive(query: ItemQuery) -> None:
    bad = summary(3, price={"value": "abc", "currency": "USD"})
    no_date = summary(4, itemCreationDate="yesterday")
    early = summary(5, itemCreationDate="0001-01-01T00:00:00+05:00")
    others = (summary(0), summary(1), summary(2))
    answer = SOURCE.parse(query, answered(page(*others, bad, no_date, early)))
    assert [e.source_listing_id for e in answer.listings] == [f"v1|{n}|0" for n in (0, 1, 2, 4, 5)]
    assert answer.problems[0] == "itemSummaries[3].price.value: not a number: 'abc'"
    assert answer.problems[1].startswith("itemSummaries[4].itemCreationDate: ")
    assert answer.problems[2].startswith("itemSummaries[5].itemCreationDate: ")
    assert len(answer.problems) == 3


def test_no_listings_and_warnings(query: ItemQuery) -> None:
    warning = {"errorId": 12002, "message": "The filter value is invalid."}
    answer = SOURCE.parse(query, answered({"total": 0, "warnings": [warning]}))
    assert answer.result == "not_found"
    assert answer.problems == ("warnings[0]: 12002 The filter value is invalid.",)


@pytest.mark.parametrize(
    "document", [[], {}, {"total": 5}, {"itemSummaries": {}}, page(summary(price={})), page(1)]
)
def test_a_page_of_which_nothing_can_be_read_is_unparsable(
    query: ItemQuery, document: object
) -> None:
    with pytest.raises(UnparsablePayload):
        SOURCE.parse(query, answered(document))


def test_errors_are_told_apart(query: ItemQuery) -> None:
    limit = {"errors": [{"errorId": 2001, "message": "Too many requests."}]}
    with pytest.raises(QuotaExhausted, match="2001 Too many requests"):
        SOURCE.parse(query, answered(limit, 429))
    with pytest.raises(RetryableError) as caught:
        SOURCE.parse(query, answered(limit, 429, **{"Retry-After": "2"}))
    assert caught.value.retry_after == 2
    with pytest.raises(PermanentError, match="12001 A valid q"):
        SOURCE.parse(query, answered({"errors": [{"errorId": 12001, "message": "A valid q"}]}, 400))


class Ebay:
    """Tokens and searches as eBay answers them; a token can be revoked."""

    def __init__(self, lifetime: int = 7200, login: str = "app:top-secret") -> None:
        self.lifetime = lifetime
        self.login = "Basic " + base64.b64encode(login.encode()).decode()
        self.minted = 0
        self.valid: set[str] = set()
        self.searches = 0

    async def __call__(self, request: Request) -> Response:
        if request.url.path == "/ebay/identity/v1/oauth2/token":
            form = parse_qs((await request.body()).decode())
            assert form == {"grant_type": ["client_credentials"], "scope": [SCOPE]}
            if request.headers["Authorization"] != self.login:
                return JSONResponse({"error": "invalid_client"}, 401)
            self.minted += 1
            self.valid = {f"token-{self.minted}"}
            return JSONResponse(
                {"access_token": f"token-{self.minted}", "expires_in": self.lifetime}
            )
        self.searches += 1
        if request.headers["Authorization"].removeprefix("Bearer ") not in self.valid:
            return JSONResponse({"errors": [{"errorId": 1001, "message": "Invalid token"}]}, 401)
        return JSONResponse(page(summary()))


def _asked(ebay: Ebay, revoke: bool = False, rounds: int = 2) -> list[Reply]:
    async def scenario() -> list[Reply]:
        replies: list[Reply] = []
        async with (
            serving(ebay) as origin,
            SourceClient(
                CREDENTIALS,
                base_urls={SOURCE.name: f"{origin}/ebay"},
                rate_overrides={SOURCE.name: 500},
                backoff_seconds=0.01,
            ) as client,
        ):
            for _ in range(rounds):
                pairs = [(SOURCE, book())] * 5
                replies += [reply async for reply in client.ask_many(pairs)]
                if revoke:
                    ebay.valid.clear()
        return replies

    return asyncio.run(scenario())


def test_one_token_serves_many_requests() -> None:
    ebay = Ebay()
    replies = _asked(ebay)
    assert [reply.result for reply in replies] == ["found"] * 10
    assert (ebay.minted, ebay.searches) == (1, 10)


def test_a_revoked_token_is_renewed_once_for_all() -> None:
    ebay = Ebay()
    replies = _asked(ebay, revoke=True)
    assert [reply.result for reply in replies] == ["found"] * 10
    assert ebay.minted == 2


def test_an_expired_token_is_renewed_before_it_is_refused() -> None:
    ebay = Ebay(lifetime=0)
    replies = _asked(ebay, rounds=1)
    assert {reply.status for reply in replies} == {200}
    assert ebay.minted == 5


def test_refused_credentials_are_asked_once_and_not_shown() -> None:
    ebay = Ebay(login="app:another")
    replies = _asked(ebay)
    assert {reply.result for reply in replies} == {"error"}
    assert ebay.searches == 0
    assert all("EBAY_CLIENT_ID" in (reply.error or "") for reply in replies)
    assert "top-secret" not in repr(replies)
    assert base64.b64encode(b"app:top-secret").decode() not in repr(replies)


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
    answer = SOURCE.parse(query, answered(page(summary(seller=seller))))
    assert [listing.seller_feedback for listing in answer.listings] == [feedback]
    assert "lamp_seller" not in repr(answer)
