"""eBay Browse: what a book or card is offered for now. Asks, never sales.

Only fixed-price listings come back unless ``buyingOptions`` asks for the others. ``gtin`` takes
UPCs only, so the ISBN goes into ``q``, as the words of a card do. One page of 200 is read: the
first listings in eBay's own order.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

import httpx
from pydantic import Field

from pricing_assets.core.answers import Answer, ItemQuery, Listing
from resources.sources.base import Licence, UnparsablePayload
from resources.sources.credentials import Credentials
from resources.sources.ebay_rest import (
    MARKETPLACE,
    PAGE_LIMIT,
    EbaySource,
    ListingSeller,
    Money,
    page_entries,
)
from resources.sources.wire import Count, Moment, Text, Wire

SCOPE = "https://api.ebay.com/oauth/api_scope"
_ID_CHARACTERS = 128
_CONDITION_CHARACTERS = 64


class _ShippingOption(Wire):
    cost: Money | None = Field(None, alias="shippingCost")


class _ItemSummary(Wire):
    """One listing."""

    essential: ClassVar[frozenset[str]] = frozenset({"itemId", "title", "price", "currentBidPrice"})

    item_id: Text = Field(alias="itemId", min_length=1, max_length=_ID_CHARACTERS)
    title: Text
    price: Money | None = None
    current_bid: Money | None = Field(None, alias="currentBidPrice")
    condition: Text | None = Field(None, max_length=_CONDITION_CHARACTERS)
    buying_options: tuple[Text, ...] = Field((), alias="buyingOptions")
    shipping_options: tuple[_ShippingOption, ...] = Field((), alias="shippingOptions")
    bids: Count | None = Field(None, alias="bidCount", ge=0)
    seller: ListingSeller = None
    watchers: Count | None = Field(None, alias="watchCount", ge=0)
    created: Moment | None = Field(None, alias="itemCreationDate")

    def listing_type(self) -> str | None:
        """Return how it is sold; with a price to buy at once, that counts over the bidding."""
        if self.price is None or self.buying_options == ("AUCTION",):
            return "auction"
        if "BEST_OFFER" in self.buying_options:
            return "best_offer"
        if "FIXED_PRICE" in self.buying_options:
            return "fixed_price"
        return "auction" if "AUCTION" in self.buying_options else None


class EbayBrowse(EbaySource):
    """Asks for books by ISBN and cards by words, from eBay's own search of active listings."""

    name = "ebay_browse"
    kind = "ask"
    categories = ("book", "card")
    by_words = True
    scope = SCOPE
    cost_per_call_usd = Decimal(0)
    freshness = timedelta(days=3)
    licence = Licence(
        store_payloads=True,
        payload_retention_days=7,
        display_max_age_hours=6,
        redistribute=False,
        train="with agreement",
        note=(
            "eBay's API licence: copies only as long as needed, displayed listings at most 6 h "
            "old, no training of models without an agreement."
        ),
    )

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Search active listings of every buying option."""
        return httpx.Request(
            "GET",
            f"{self.base_url}/buy/browse/v1/item_summary/search",
            params={
                "q": query.searched,
                "limit": PAGE_LIMIT,
                "filter": "buyingOptions:{FIXED_PRICE|AUCTION|BEST_OFFER}",
            },
            headers={"X-EBAY-C-MARKETPLACE-ID": MARKETPLACE},
        )

    def read(self, query: ItemQuery, document: Any) -> Answer:
        """Read a search page; a page without listings has no ``itemSummaries``."""
        problems: list[str] = []
        summaries = page_entries(document, "itemSummaries", problems)
        listings = [
            listing
            for index, raw in enumerate(summaries)
            if (listing := _listing(raw, f"itemSummaries[{index}]", problems))
        ]
        if summaries and not listings:
            raise UnparsablePayload(
                "itemSummaries", f"none of {len(summaries)} listings can be read: {problems[-1]}"
            )
        return Answer(
            "found" if listings else "not_found",
            listings=tuple({entry.source_listing_id: entry for entry in listings}.values()),
            problems=tuple(problems),
        )


def _listing(raw: object, path: str, problems: list[str]) -> Listing | None:
    item = _ItemSummary.read(raw, path, problems)
    if item is None:
        return None
    money, field = (item.price, "price") if item.price else (item.current_bid, "currentBidPrice")
    if money is None:
        problems.append(f"{path}.price: missing")
        return None
    if money.value == 0:
        problems.append(f"{path}.{field}.value: not a price: '{money.value}'")
        return None
    return Listing(
        source_listing_id=item.item_id,
        kind="ask",
        title=item.title,
        price=money.value,
        currency=money.currency,
        shipping=_shipping(item, money.currency, path, problems),
        condition=item.condition or None,
        listing_type=item.listing_type(),
        bids=item.bids,
        seller_feedback=item.seller.feedback if item.seller else None,
        watchers=item.watchers,
        listed_at=item.created,
    )


def _shipping(item: _ItemSummary, currency: str, path: str, problems: list[str]) -> Decimal | None:
    """Return the first option's cost; a calculated one is known only to a buyer."""
    cost = next((option.cost for option in item.shipping_options if option.cost), None)
    if cost is None:
        return None
    if cost.currency != currency:
        problems.append(f"{path}.shippingOptions: shipping in {cost.currency}, price in {currency}")
        return None
    return cost.value
