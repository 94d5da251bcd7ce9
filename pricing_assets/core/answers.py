"""What a source said, in our words: the typed result of parsing one response.

Every source's parser returns an `Answer`; nothing after the parser knows a vendor's
wire format. Raw bodies are kept apart, as payloads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

ListingKind = Literal["sold", "ask", "offer", "estimate"]
FetchResult = Literal["found", "not_found", "error"]


@dataclass(frozen=True, slots=True)
class ItemQuery:
    """The item a source is asked about, with what is known of it so far.

    Attributes:
        words: What a search by words is for; None where that is the natural key, and empty
            where too little is known of the item to search for it.
    """

    item_id: str
    category: str
    natural_key: str
    title: str | None = None
    words: str | None = None

    @property
    def searched(self) -> str:
        """What a source that is searched by words is to search for."""
        return self.natural_key if self.words is None else self.words


@dataclass(frozen=True, slots=True)
class Listing:
    """One price seen in the market, as the source gave it (no conversion, no judgement).

    Attributes:
        source_listing_id: The source's own id of the listing.
        kind: ``sold``, ``ask``, ``offer`` (a buyback bid) or ``estimate``.
        price: Amount in ``currency``, without shipping.
        currency: ISO 4217 code.
        shipping: Amount in ``currency``; None when the source does not say.
        listing_type: ``auction``, ``fixed_price``, ``best_offer`` or None.
        sold_at: When it sold; None when the source does not say.
        seller_feedback: Percent of the seller's ratings that are positive.
    """

    source_listing_id: str
    kind: ListingKind
    title: str
    price: Decimal
    currency: str
    shipping: Decimal | None = None
    quantity: int = 1
    condition: str | None = None
    listing_type: str | None = None
    bids: int | None = None
    watchers: int | None = None
    sold_at: datetime | None = None
    listed_at: datetime | None = None
    seller_feedback: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One source's answer about one item.

    Attributes:
        result: ``found`` or ``not_found``. A response that is neither raises instead.
        fields: Metadata by our field names (see `core.categories`); absent when
            the source does not know. Values are str, int or float, never empty.
        listings: Prices seen.
        problems: What could not be read, each as ``path.of.field: reason``; the rest
            of the response was still used.
    """

    result: Literal["found", "not_found"]
    fields: Mapping[str, str | int | float] = field(default_factory=dict)
    listings: tuple[Listing, ...] = ()
    problems: tuple[str, ...] = ()


def answer_of_sales(listings: Sequence[Listing], problems: Sequence[str]) -> Answer:
    """Return the answer of a page of sales.

    One listing can show twice on a page; two sales of it differ in price or day.
    """
    unique = {(sale.source_listing_id, sale.price, sale.sold_at): sale for sale in listings}
    return Answer(
        "found" if unique else "not_found",
        listings=tuple(unique.values()),
        problems=tuple(problems),
    )
