"""SerpApi as the sandbox plays it: ``engine=ebay`` with ``show_only=Sold``.

The same sales as through `searchapi_ebay_sold`, under the same item numbers, in SerpApi's
shape: ``price`` is an object, nothing found is an ``error`` with status 200. One listing in fifty
lacks ``sold_date``. Without ``Sold``, as from the vendor, the listings are copies on offer.
"""

from collections.abc import Mapping
from typing import Any

from resources.sandbox import credential
from resources.sandbox.ebay_listings import ebay_listings
from resources.sandbox.market import Offer
from resources.sandbox.wire import (
    Call,
    Reply,
    Vendor,
    isbns_in,
    stable_number,
    whole_number,
)

PAGE_SIZES = (25, 50, 100, 200)
NOTHING = "eBay hasn't returned any results for this query."
_SITE = "https://www.ebay.sandbox.invalid"
_BUYING_FORMATS = {"fixed_price": "Buy It Now", "best_offer": "or Best Offer"}


class SerpApiEbaySold(Vendor):
    """Sold copies, of books by ISBN and of cards by words; an API key in the query."""

    source = "serpapi_ebay_sold"
    path = "/search.json"
    lacks = 0.04
    faults = frozenset({"quota_exceeded"})
    listings = "organic_results"

    def refusal(self, call: Call) -> Reply | None:
        """Refuse a missing or wrong key."""
        if call.params.get("api_key") == credential("SERPAPI_API_KEY"):
            return None
        return Reply(401, {"error": "Invalid API key. The sandbox has its own."})

    def throttled(self) -> Reply:
        """Answer that the requests come too fast."""
        message = "Too many requests: you exceed the throughput of your plan."
        return Reply(429, {"error": message}, {"Retry-After": "1"})

    def failing(self, kind: str) -> Reply | None:
        """Answer that the plan is used up."""
        if kind != "quota_exceeded":
            return None
        return Reply(429, {"error": "Your account has run out of searches."})

    def next_page(self, url: str) -> Mapping[str, Any]:
        """Name it within the vendor's own paging."""
        return {"serpapi_pagination": {"current": 1, "next": url}}

    def answer(self, call: Call) -> Reply:
        """Search the listings of the book, or of the card, that ``_nkw`` names."""
        params = call.params
        if params.get("engine") != "ebay":
            return Reply(400, {"error": "Unsupported `engine`; the sandbox has `ebay`."})
        if not params.get("_nkw"):
            return Reply(400, {"error": "Missing query `_nkw` parameter."})
        size, page = whole_number(params.get("_ipg"), 50), whole_number(params.get("_pgn"), 1)
        if size not in PAGE_SIZES:
            return Reply(400, {"error": f"Unsupported `_ipg`; use one of {PAGE_SIZES}."})
        if not page:
            return Reply(400, {"error": "Unsupported `_pgn`; use 1 or more."})
        sold = "Sold" in params.get("show_only", "").split(",")
        asked = isbns_in(params["_nkw"])
        offers = ebay_listings(self, params["_nkw"], call.now, sold=sold)
        shown = offers[(page - 1) * size : page * size]
        number = stable_number(params["_nkw"], str(size), str(page))
        document: dict[str, Any] = {
            "search_metadata": {"id": f"SIMULATED{number:016x}", "status": "Success"},
            "search_parameters": {
                name: params[name]
                for name in ("engine", "_nkw", "ebay_domain", "show_only", "_ipg", "_pgn")
                if name in params
            },
        }
        if shown:
            document["search_information"] = {"total_results": len(offers)}
            document["organic_results"] = [organic_result(*pair, sold=sold) for pair in shown]
        else:
            document["error"] = NOTHING
        return Reply(200, document, asked=asked if page == 1 else ())


def organic_result(title: str, offer: Offer, *, sold: bool) -> dict[str, Any]:
    """Return one listing of a result page."""
    number = stable_number("serpapi", offer.listing_id)
    result: dict[str, Any] = {
        "title": title,
        "product_id": offer.listing_id,
        "link": f"{_SITE}/itm/{offer.listing_id}",
        "condition": offer.condition,
        "price": _cost(offer.price_cents, "${}"),
        "shipping": _cost(offer.shipping_cents, "+${} delivery")
        if offer.shipping_cents
        else "Free Shipping",
        "seller": {
            "username": f"simulated_seller_{number % 5000:04d}",
            "reviews": number % 20_000,
            "positive_feedback_in_percentage": 97 + number % 31 / 10,
        },
    }
    if offer.listing_type == "auction":
        result["bids"] = {"count": offer.bids}
    else:
        result["buying_format"] = _BUYING_FORMATS[offer.listing_type]
    if sold and number >> 32 & 0xFF >= 5:
        result["sold_date"] = f"Sold  {offer.at:%b} {offer.at.day}, {offer.at.year}"
    return result


def _cost(cents: int, text: str) -> dict[str, Any]:
    return {"raw": text.format(f"{cents // 100:,}.{cents % 100:02d}"), "extracted": cents / 100}
