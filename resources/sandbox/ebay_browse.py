"""eBay as the sandbox plays it: the OAuth token and Browse's ``item_summary/search``.

A token comes for Basic credentials and lives two hours. A search without one is 401
(errorId 1002), with a wrong or expired one 401 (errorId 1001). Only fixed-price listings
come back unless ``filter`` names other ``buyingOptions``. Item ids have 18 digits from 99
on, where eBay's have 12.
"""

import base64
import hmac
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlencode

from resources.sandbox import EBAY_CLIENT_ID, EBAY_CLIENT_SECRET
from resources.sandbox.catalogue import Book
from resources.sandbox.market import Market, Offer
from resources.sandbox.wire import (
    Call,
    Reply,
    dollars,
    isbns_in,
    listing_title,
    stable_number,
    whole_number,
)

SCOPE = "https://api.ebay.com/oauth/api_scope"
TOKEN_SECONDS = 7200
MAX_LIMIT = 200
MAX_RESULTS = 10_000
_SITE = "https://www.ebay.sandbox.invalid"
_API = "https://api.ebay.sandbox.invalid/buy/browse/v1"
_CONDITION_IDS = {
    "Brand New": "1000", "Like New": "2750", "Very Good": "4000", "Good": "5000",
    "Acceptable": "6000",
}  # fmt: skip
_BUYING_OPTIONS = {
    "fixed_price": ["FIXED_PRICE"],
    "auction": ["AUCTION"],
    "best_offer": ["FIXED_PRICE", "BEST_OFFER"],
}
_OPTIONS_FILTER = re.compile(r"buyingOptions:\{([A-Z_|]+)\}")


@dataclass
class EbayBrowse:
    """Copies on offer, by ISBN; an application token in the Authorization header."""

    books: Mapping[str, Book]
    market: Market
    clock: Callable[[], float] = time.monotonic
    _tokens: dict[str, float] = field(default_factory=dict, repr=False)
    source: ClassVar[str] = "ebay_browse"
    path: ClassVar[str] = "/buy/browse/v1/item_summary/search"
    token_path: ClassVar[str] = "/identity/v1/oauth2/token"  # noqa: S105 - a path

    def token(self, call: Call) -> Reply:
        """Give an application token for the sandbox's Basic credentials."""
        login = base64.b64encode(f"{EBAY_CLIENT_ID}:{EBAY_CLIENT_SECRET}".encode()).decode()
        given = call.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Basic {login}".encode()):
            return _token_error(401, "invalid_client", "client authentication failed")
        form = parse_qs(call.body.decode("utf-8", "replace"))
        if form.get("grant_type") != ["client_credentials"]:
            return _token_error(
                400,
                "unsupported_grant_type",
                "grant type in request is not supported by the authorization server",
            )
        if SCOPE not in form.get("scope", [""])[0].split():
            return _token_error(
                400,
                "invalid_scope",
                "The requested scope is invalid, unknown, malformed, or exceeds the scope "
                "granted to the client",
            )
        now = self.clock()
        self._tokens = {token: until for token, until in self._tokens.items() if until > now}
        token = f"v^1.1#sandbox#{secrets.token_urlsafe(48)}"
        self._tokens[token] = now + TOKEN_SECONDS
        return Reply(
            200,
            {
                "access_token": token,
                "expires_in": TOKEN_SECONDS,
                "token_type": "Application Access Token",
            },
        )

    def refusal(self, call: Call) -> Reply | None:
        """Refuse a request without a living token."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        header = "the Authorization HTTP request header."
        if scheme.lower() != "bearer" or not token:
            long = f"Access token is missing in {header}"
            return _error(401, 1002, "OAuth", "Missing access token", long)
        if self._tokens.get(token, 0.0) <= self.clock():
            long = f"Invalid access token. Check the value of {header}"
            return _error(401, 1001, "OAuth", "Invalid access token", long)
        return None

    def throttled(self) -> Reply:
        """Answer that the requests come too fast.

        Without an errorId: 2001, the only one eBay documents with 429, says that the
        day's limit is reached.
        """
        error = {
            "domain": "ACCESS",
            "category": "REQUEST",
            "message": "Too many requests.",
            "longMessage": "More requests a second than the sandbox was started to allow.",
        }
        return Reply(429, {"errors": [error]}, {"Retry-After": "1"})

    def failing(self, kind: str) -> Reply | None:
        """Answer that the day's limit is reached, or that the token is not valid any more."""
        if kind == "expired_token":
            return _error(401, 1001, "OAuth", "Invalid access token")
        if kind != "quota_exceeded":
            return None
        long = "The request limit has been reached for the resource."
        return _error(429, 2001, "ACCESS", "Too many requests.", long)

    def answer(self, call: Call) -> Reply:
        """Search the copies on offer of the book that ``q`` or ``gtin`` names."""
        params = call.params
        query = params.get("q") or params.get("gtin")
        if not query and not (params.get("epid") or params.get("category_ids")):
            message = (
                "The call must have a valid 'q', 'category_ids', 'epid' or 'gtin' query parameter."
            )
            return _error(400, 12001, "API_BROWSE", message)
        limit = whole_number(params.get("limit"), 50)
        offset = whole_number(params.get("offset"), 0)
        if limit is None or not 1 <= limit <= MAX_LIMIT:
            message = f"The 'limit' value should be between 1 and {MAX_LIMIT} (inclusive)."
            return _error(400, 12005, "API_BROWSE", message)
        if offset is None or offset % limit or offset + limit > MAX_RESULTS:
            message = "The 'offset' value should be zero or a multiple of the 'limit' value."
            return _error(400, 12006, "API_BROWSE", message)
        asked = isbns_in(query or "")
        named = _OPTIONS_FILTER.search(params.get("filter", ""))
        options = set(named[1].split("|")) if named else {"FIXED_PRICE"}
        offers = [
            (book, offer)
            for code in asked
            if (book := self.books.get(code)) and self.market.knows(self.source, code)
            for offer in self.market.asks(book, call.now)
            if options & set(_BUYING_OPTIONS[offer.listing_type])
        ]
        if params.get("sort") == "price":
            offers.sort(key=lambda pair: pair[1].price_cents + pair[1].shipping_cents)
        document: dict[str, Any] = {
            "href": _page(params, limit, offset),
            "total": len(offers),
            "limit": limit,
            "offset": offset,
        }
        if offset + limit < min(len(offers), MAX_RESULTS):
            document["next"] = _page(params, limit, offset + limit)
        if offset:
            document["prev"] = _page(params, limit, offset - limit)
        page = [item_summary(book, offer) for book, offer in offers[offset : offset + limit]]
        if page:
            document["itemSummaries"] = page
        return Reply(200, document, asked=asked if offset == 0 else ())


def item_summary(book: Book, offer: Offer) -> dict[str, Any]:
    """Return one listing of a search page."""
    price = _money(offer.price_cents)
    number = stable_number("seller", offer.listing_id)
    item_id = f"v1|{offer.listing_id}|0"
    summary: dict[str, Any] = {
        "itemId": item_id,
        "title": listing_title(book, offer),
        "leafCategoryIds": ["261186"],
        "categories": [
            {"categoryId": "261186", "categoryName": "Books"},
            {"categoryId": "267", "categoryName": "Books & Magazines"},
        ],
        "price": price,
        "itemHref": f"{_API}/item/{item_id.replace('|', '%7C')}",
        "seller": {
            "username": f"simulated_seller_{number % 5000:04d}",
            "feedbackPercentage": f"{97 + number % 31 / 10:.1f}",
            "feedbackScore": number % 20_000,
        },
        "condition": offer.condition,
        "conditionId": _CONDITION_IDS[offer.condition],
        "shippingOptions": [
            {"shippingCostType": "FIXED", "shippingCost": _money(offer.shipping_cents)}
        ],
        "buyingOptions": _BUYING_OPTIONS[offer.listing_type],
        "itemWebUrl": f"{_SITE}/itm/{offer.listing_id}",
        "itemLocation": {"postalCode": "000**", "country": "US"},
        "adultOnly": False,
        "legacyItemId": offer.listing_id,
        "availableCoupons": False,
        "itemCreationDate": f"{offer.at:%Y-%m-%dT%H:%M:%S}.000Z",
        "topRatedBuyingExperience": False,
        "priorityListing": False,
        "listingMarketplaceId": "EBAY_US",
    }
    if offer.listing_type == "auction":
        summary["currentBidPrice"] = price
        summary["bidCount"] = offer.bids
        summary["itemEndDate"] = f"{offer.until:%Y-%m-%dT%H:%M:%S}.000Z"
    return summary


def _money(cents: int) -> dict[str, str]:
    return {"value": dollars(cents), "currency": "USD"}


def _page(params: Mapping[str, str], limit: int, offset: int) -> str:
    query = urlencode({**params, "limit": str(limit), "offset": str(offset)})
    return f"{_API}/item_summary/search?{query}"


def _token_error(status: int, error: str, description: str) -> Reply:
    return Reply(status, {"error": error, "error_description": description})


def _error(
    status: int, error_id: int, domain: str, message: str, long_message: str | None = None
) -> Reply:
    error = {
        "errorId": error_id,
        "domain": domain,
        "category": "REQUEST",
        "message": message,
    }
    if long_message:
        error["longMessage"] = long_message
    return Reply(status, {"errors": [error]})
