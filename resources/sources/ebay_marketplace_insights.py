"""eBay Marketplace Insights: what books were sold for in the last 90 days.

A limited release: eBay approves each application, and without that the token request, or the
search, is refused. So it is asked only when an operator switches it on.

``gtin`` takes ISBNs here, and a top-level category is required. One page of 200 is read. A
listing that sold several copies comes once, with the price and date of its last sale: that
is one sale, however many ``totalSoldQuantity`` counts. eBay's own test environment leaves price
and date out; what has no price is reported and is no sale.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

import httpx
from pydantic import Field

from pricing_assets.core.answers import Answer, ItemQuery, Listing, answer_of_sales
from resources.sources.base import CredentialsRefused, Licence, SourceError, UnparsablePayload
from resources.sources.credentials import Credentials
from resources.sources.ebay_rest import (
    MARKETPLACE,
    PAGE_LIMIT,
    EbaySource,
    ListingSeller,
    Money,
    errors,
    page_entries,
)
from resources.sources.wire import Count, Moment, Text, Wire

SCOPE = "https://api.ebay.com/oauth/api_scope/buy.marketplace.insights"
BOOKS_CATEGORY = "267"
INSUFFICIENT_PERMISSIONS = 100017
_NOT_ENTITLED = (httpx.codes.FORBIDDEN, httpx.codes.NOT_IMPLEMENTED)
_ID_CHARACTERS = 128
_CONDITION_CHARACTERS = 64


class _ItemSales(Wire):
    """The sales of one listing."""

    essential: ClassVar[frozenset[str]] = frozenset({"itemId", "title", "lastSoldPrice"})

    item_id: Text = Field(alias="itemId", min_length=1, max_length=_ID_CHARACTERS)
    title: Text
    price: Money | None = Field(None, alias="lastSoldPrice")
    sold: Moment | None = Field(None, alias="lastSoldDate")
    condition: Text | None = Field(None, max_length=_CONDITION_CHARACTERS)
    buying_options: tuple[Text, ...] = Field((), alias="buyingOptions")
    bids: Count | None = Field(None, alias="bidCount", ge=0)
    seller: ListingSeller = None

    def listing_type(self) -> str | None:
        """Return how it is known to have sold; with bids it was the auction."""
        if self.bids or self.buying_options == ("AUCTION",):
            return "auction"
        if "BEST_OFFER" in self.buying_options:
            return "best_offer"
        return "fixed_price" if "FIXED_PRICE" in self.buying_options else None


class EbayMarketplaceInsights(EbaySource):
    """Sales of books by ISBN, from eBay's own search of sold listings."""

    name = "ebay_marketplace_insights"
    kind = "sold"
    venue = "ebay"
    categories = ("book",)
    active_by_default = False
    scope = SCOPE
    cost_per_call_usd = Decimal(0)
    freshness = timedelta(days=30)
    licence = Licence(
        store_payloads=True,
        payload_retention_days=7,
        display_max_age_hours=6,
        redistribute=False,
        train="with agreement",
        note=(
            "eBay's API licence: copies only as long as needed, displayed listings at most 6 h "
            "old, average prices of a category only with permission, no training of models "
            "without an agreement. Access to this API needs eBay's approval besides."
        ),
    )

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Search the sales of the ISBN among books."""
        return httpx.Request(
            "GET",
            f"{self.base_url}/buy/marketplace_insights/v1_beta/item_sales/search",
            params={
                "gtin": query.natural_key,
                "category_ids": BOOKS_CATEGORY,
                "limit": PAGE_LIMIT,
            },
            headers={"X-EBAY-C-MARKETPLACE-ID": MARKETPLACE},
        )

    def error(self, response: httpx.Response) -> SourceError | None:
        """Tell an application that eBay has not approved, which no other request mends."""
        failure = super().error(response)
        if failure and (
            response.status_code in _NOT_ENTITLED
            or any(e.error_id == INSUFFICIENT_PERMISSIONS for e in errors(response))
        ):
            return CredentialsRefused(
                f"{failure}; ask eBay to approve the application for Marketplace Insights, or "
                "switch the source off"
            )
        return failure

    def read(self, query: ItemQuery, document: Any) -> Answer:
        """Read a search page; a page without sales has no ``itemSales``."""
        problems: list[str] = []
        entries = page_entries(document, "itemSales", problems)
        listings: list[Listing] = []
        readable = 0
        for index, raw in enumerate(entries):
            path = f"itemSales[{index}]"
            if item := _ItemSales.read(raw, path, problems):
                readable += 1
                if listing := _listing(item, path, problems):
                    listings.append(listing)
        if entries and not readable:
            raise UnparsablePayload(
                "itemSales", f"none of {len(entries)} listings can be read: {problems[-1]}"
            )
        return answer_of_sales(listings, problems)


def _listing(item: _ItemSales, path: str, problems: list[str]) -> Listing | None:
    if item.price is None:
        problems.append(f"{path}.lastSoldPrice: missing, so it is not known to be a sale")
        return None
    if item.price.value == 0:
        problems.append(f"{path}.lastSoldPrice.value: not a price: '{item.price.value}'")
        return None
    return Listing(
        source_listing_id=item.item_id,
        kind="sold",
        title=item.title,
        price=item.price.value,
        currency=item.price.currency,
        condition=item.condition or None,
        listing_type=item.listing_type(),
        bids=item.bids,
        seller_feedback=item.seller.feedback if item.seller else None,
        sold_at=item.sold,
    )
