"""SearchAPI.io as the sandbox plays it: ``engine=ebay_search`` with ``filters=sold_listings``.

Sold listings are those of the last 90 days, the latest first, in pages of at most 120. The
vendor has no field for the date of a sale; eBay's own line of it, ``Sold Nov 3, 2026``, is
the first of ``extensions``. One listing in fifty has its price in ``deal`` instead of
``price`` and ``extracted_price``, as real pages have since December 2025. Without the
filter, as from the vendor, the listings are copies on offer, not sales.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from resources.sandbox import credential
from resources.sandbox.ebay_listings import ebay_listings
from resources.sandbox.market import Offer
from resources.sandbox.wire import (
    Call,
    Reply,
    Vendor,
    dollars,
    isbns_in,
    stable_number,
    whole_number,
)

DEFAULT_NUM = 60
MAX_NUM = 120
_SITE = "https://www.ebay.sandbox.invalid"
_BUYING_FORMATS = {"fixed_price": "Buy It Now", "best_offer": "or Best Offer"}


class SearchApiEbaySold(Vendor):
    """Sold copies, of books by ISBN and of cards by words.

    An API key is in the query, or is a bearer token.
    """

    source = "searchapi_ebay_sold"
    path = "/api/v1/search"
    lacks = 0.04
    faults = frozenset({"quota_exceeded"})
    listings = "organic_results"

    def refusal(self, call: Call) -> Reply | None:
        """Refuse a missing or wrong key."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        key = call.params.get("api_key") or (token if scheme.lower() == "bearer" else "")
        if not key:
            message = "You didn't provide an API key. Send it in the api_key parameter."
            return Reply(401, {"error": message})
        if key != credential("SEARCHAPI_API_KEY"):
            return Reply(401, {"error": "Invalid API key."})
        return None

    def throttled(self) -> Reply:
        """Answer that the requests come too fast."""
        return Reply(429, {"error": "Too many requests. Slow down."}, {"Retry-After": "1"})

    def failing(self, kind: str) -> Reply | None:
        """Answer that the plan is used up."""
        if kind != "quota_exceeded":
            return None
        return Reply(429, {"error": "You have used all of the searches for the month."})

    def next_page(self, url: str) -> Mapping[str, Any]:
        """Name it within the paging."""
        return {"pagination": {"current": 1, "next": url}}

    def answer(self, call: Call) -> Reply:
        """Search the listings of the book, or of the card, that ``q`` names."""
        params = call.params
        if params.get("engine") != "ebay_search":
            return Reply(422, {"error": "Unsupported `engine`; the sandbox has `ebay_search`."})
        if not params.get("q"):
            return Reply(422, {"error": "Missing required parameter: `q`."})
        num = whole_number(params.get("num"), DEFAULT_NUM)
        page = whole_number(params.get("page"), 1)
        if num is None or not 1 <= num <= MAX_NUM:
            return Reply(422, {"error": f"Invalid `num`: use 1 to {MAX_NUM}."})
        if not page:
            return Reply(422, {"error": "Invalid `page`: use 1 or more."})
        sold = "sold_listings" in params.get("filters", "").split(",")
        asked = isbns_in(params["q"])
        offers = ebay_listings(self, params["q"], call.now, sold=sold)
        start = (page - 1) * num
        results = [
            organic_result(position, title, offer, sold=sold)
            for position, (title, offer) in enumerate(offers[start : start + num], start=1)
        ]
        pagination: dict[str, Any] = {"current": page}
        if start + num < len(offers):
            pagination["next"] = _ebay_page(params["q"], page + 1, num)
        document = {
            "search_metadata": {
                "id": f"search_SIMULATED{stable_number(params['q'], str(num), str(page)):016x}",
                "status": "Success",
                "created_at": f"{call.now:%Y-%m-%dT%H:%M:%SZ}",
                "request_url": _ebay_page(params["q"], page, num),
            },
            "search_parameters": {
                name: params[name]
                for name in ("engine", "q", "ebay_domain", "filters", "num", "page")
                if name in params
            },
            "search_information": {
                "query_displayed": params["q"],
                "total_results": len(offers),
            },
            "organic_results": results,
            "pagination": pagination,
        }
        return Reply(200, document, asked=asked if page == 1 else ())


def organic_result(position: int, title: str, offer: Offer, *, sold: bool) -> dict[str, Any]:
    """Return one listing of a result page."""
    number = stable_number("result", offer.listing_id)
    link = f"{_SITE}/itm/{offer.listing_id}"
    shipping = f"+${dollars(offer.shipping_cents)} delivery"
    result: dict[str, Any] = {
        "position": position,
        "item_id": offer.listing_id,
        "title": title,
        "tag": "Opens in a new window or tab",
        "link": link,
        "seller": {
            "name": f"simulated_seller_{number % 5000:04d}",
            "reviews": number % 20_000,
            "positive_feedback_percent": 97 + number % 31 / 10,
        },
        "condition": offer.condition,
        "extensions": [
            "Located in United States",
            "View similar active items",
            "Sell one like this",
        ],
        "buying_format": _buying_format(offer),
        "shipping": shipping if offer.shipping_cents else "Free delivery",
        "thumbnail": f"https://i.ebayimg.sandbox.invalid/images/g/{offer.listing_id}/s-l140.jpg",
    }
    if sold:
        result["extensions"].insert(0, f"Sold {offer.at:%b} {offer.at.day}, {offer.at.year}")
    price = f"${offer.price_cents // 100:,}.{offer.price_cents % 100:02d}"
    if number >> 32 & 0xFF < 5:
        result["deal"] = price
    else:
        result["price"] = price
        result["extracted_price"] = offer.price_cents / 100
    if offer.shipping_cents:
        result["extracted_shipping"] = offer.shipping_cents / 100
    return result


def _buying_format(offer: Offer) -> str:
    if offer.listing_type == "auction":
        return f"{offer.bids} bid{'s' if offer.bids != 1 else ''}"
    return _BUYING_FORMATS[offer.listing_type]


def _ebay_page(query: str, page: int, num: int) -> str:
    return f"{_SITE}/sch/i.html?{urlencode({'_nkw': query, '_ipg': num, '_pgn': page})}"
