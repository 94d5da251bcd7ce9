"""eBay Browse as the sandbox plays it: ``item_summary/search``.

Only fixed-price listings come back unless ``filter`` names other ``buyingOptions``. Item ids
have 18 digits from 99 on, where eBay's have 12.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from resources.sandbox.ebay_listings import ebay_listings
from resources.sandbox.ebay_oauth import EbayVendor, error
from resources.sandbox.market import Offer
from resources.sandbox.wire import (
    Call,
    Reply,
    dollars,
    isbns_in,
    stable_number,
    whole_number,
)

MAX_LIMIT = 200
MAX_RESULTS = 10_000
_SITE = "https://www.ebay.sandbox.invalid"
_API = "https://api.ebay.sandbox.invalid/buy/browse/v1"
_CONDITION_IDS = {
    "Brand New": "1000", "Like New": "2750", "Very Good": "4000", "Good": "5000",
    "Acceptable": "6000", "Graded": "2750", "Ungraded": "4000",
}  # fmt: skip
_Category = tuple[str, str]
_BOOKS: tuple[_Category, ...] = (("261186", "Books"), ("267", "Books & Magazines"))
_CARDS: tuple[_Category, ...] = (
    ("261328", "Trading Card Singles"),
    ("64482", "Sports Mem, Cards & Fan Shop"),
)
"""A listing's own category, and those above it."""

_BUYING_OPTIONS = {
    "fixed_price": ["FIXED_PRICE"],
    "auction": ["AUCTION"],
    "best_offer": ["FIXED_PRICE", "BEST_OFFER"],
}
_OPTIONS_FILTER = re.compile(r"buyingOptions:\{([A-Z_|]+)\}")


class EbayBrowse(EbayVendor):
    """Copies on offer, by ISBN."""

    source = "ebay_browse"
    path = "/buy/browse/v1/item_summary/search"
    lacks = 0.06
    scope = "https://api.ebay.com/oauth/api_scope"
    listings = "itemSummaries"

    def answer(self, call: Call) -> Reply:
        """Search the copies on offer of the book, or of the card, that is named."""
        params = call.params
        query = params.get("q") or params.get("gtin")
        if not query and not (params.get("epid") or params.get("category_ids")):
            message = (
                "The call must have a valid 'q', 'category_ids', 'epid' or 'gtin' query parameter."
            )
            return error(400, 12001, "API_BROWSE", message)
        limit = whole_number(params.get("limit"), 50)
        offset = whole_number(params.get("offset"), 0)
        if limit is None or not 1 <= limit <= MAX_LIMIT:
            message = f"The 'limit' value should be between 1 and {MAX_LIMIT} (inclusive)."
            return error(400, 12005, "API_BROWSE", message)
        if offset is None or offset % limit or offset + limit > MAX_RESULTS:
            message = "The 'offset' value should be zero or a multiple of the 'limit' value."
            return error(400, 12006, "API_BROWSE", message)
        asked = isbns_in(query or "")
        named = _OPTIONS_FILTER.search(params.get("filter", ""))
        options = set(named[1].split("|")) if named else {"FIXED_PRICE"}
        shelf = _BOOKS if asked else _CARDS
        offers = [
            (title, offer)
            for title, offer in ebay_listings(self, query or "", call.now, sold=False)
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
        page = [
            item_summary(title, offer, shelf) for title, offer in offers[offset : offset + limit]
        ]
        if page:
            document["itemSummaries"] = page
        return Reply(200, document, asked=asked if offset == 0 else ())


def item_summary(title: str, offer: Offer, shelf: tuple[_Category, ...]) -> dict[str, Any]:
    """Return one listing of a search page."""
    price = _money(offer.price_cents)
    number = stable_number("seller", offer.listing_id)
    item_id = f"v1|{offer.listing_id}|0"
    summary: dict[str, Any] = {
        "itemId": item_id,
        "title": title,
        "leafCategoryIds": [shelf[0][0]],
        "categories": [{"categoryId": number, "categoryName": name} for number, name in shelf],
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
