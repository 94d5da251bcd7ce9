"""eBay Marketplace Insights as the sandbox plays it: ``item_sales/search``.

Sales of the last 90 days, the latest first, as from `searchapi_ebay_sold` and with their moment.
The token has to be for this API's own scope, which here everybody may have. Item ids have 18
digits from 99 on, where eBay's have 12.
"""

from typing import Any

from resources.sandbox.catalogue import Book
from resources.sandbox.ebay_oauth import EbayVendor, error
from resources.sandbox.market import Offer
from resources.sandbox.wire import (
    Call,
    Reply,
    dollars,
    isbns_in,
    listing_title,
    stable_number,
    whole_number,
)

MAX_LIMIT = 200
MAX_RESULTS = 10_000
_SITE = "https://www.ebay.sandbox.invalid"
_DOMAIN = "API_MARKETPLACE_INSIGHTS"
_BUYING_OPTIONS = {
    "fixed_price": ["FIXED_PRICE"],
    "auction": ["AUCTION"],
    "best_offer": ["FIXED_PRICE", "BEST_OFFER"],
}


class EbayMarketplaceInsights(EbayVendor):
    """Sold copies, by ISBN."""

    source = "ebay_marketplace_insights"
    path = "/buy/marketplace_insights/v1_beta/item_sales/search"
    lacks = 0.03
    scope = "https://api.ebay.com/oauth/api_scope/buy.marketplace.insights"
    listings = "itemSales"

    def answer(self, call: Call) -> Reply:
        """Search the sales of the book that ``gtin`` or ``q`` names."""
        params = call.params
        query = params.get("gtin") or params.get("q")
        if not query and not params.get("category_ids"):
            message = (
                "The call must have a valid 'q', 'category_ids', 'epid' or 'gtin' query parameter."
            )
            return error(400, 100001, _DOMAIN, message)
        if not params.get("category_ids"):
            return error(400, 100018, _DOMAIN, "This query requires at least one category.")
        limit = whole_number(params.get("limit"), 50)
        offset = whole_number(params.get("offset"), 0)
        if limit is None or not 1 <= limit <= MAX_LIMIT:
            message = f"The 'limit' value should be between 1 and {MAX_LIMIT} (inclusive)."
            return error(400, 100003, _DOMAIN, message)
        if offset is None or offset >= MAX_RESULTS:
            message = "The 'offset' value is invalid."
            return error(400, 100002, _DOMAIN, message)
        asked = isbns_in(query or "")
        sales = [
            (book, sale)
            for code in asked
            if (book := self.books.get(code)) and self.knows(code)
            for sale in self.market.sales(book, call.now)
        ]
        document: dict[str, Any] = {"total": len(sales), "limit": limit, "offset": offset}
        if page := [item_sales(*pair) for pair in sales[offset : offset + limit]]:
            document["itemSales"] = page
        return Reply(200, document, asked=() if offset else asked)


def item_sales(book: Book, sale: Offer) -> dict[str, Any]:
    """Return one listing of a search page."""
    number = stable_number("seller", sale.listing_id)
    item: dict[str, Any] = {
        "itemId": f"v1|{sale.listing_id}|0",
        "title": listing_title(book, sale),
        "condition": sale.condition,
        "buyingOptions": _BUYING_OPTIONS[sale.listing_type],
        "lastSoldDate": f"{sale.at:%Y-%m-%dT%H:%M:%S}.000Z",
        "lastSoldPrice": {"value": dollars(sale.price_cents), "currency": "USD"},
        "totalSoldQuantity": 1,
        "seller": {
            "username": f"simulated_seller_{number % 5000:04d}",
            "feedbackPercentage": f"{97 + number % 31 / 10:.1f}",
            "feedbackScore": number % 20_000,
        },
        "itemLocation": {"postalCode": "000**", "country": "US"},
        "itemWebUrl": f"{_SITE}/itm/{sale.listing_id}",
    }
    if sale.listing_type == "auction":
        item["bidCount"] = sale.bids
    return item
