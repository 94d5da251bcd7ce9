"""BookScouter: what some thirty dealers pay for a book. Bids, never sales.

``cachedPrices`` has each dealer's last known bid; ``recentPrices`` collects them anew and takes
long, so it is not asked, though its answer is read alike. A dealer with a price of 0 does not buy
the book. A book that the vendor does not know is 404. Prices are in US dollars, which no field
says. ``UpdatedOn`` names no time zone, so a bid is not dated by it.

The vendor's other endpoint, of Amazon's figures, tells no bid and is not asked. No payload of this
vendor has been recorded: the shape is that of public clients.
"""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

import httpx
from pydantic import Field

from pricing_assets.core.answers import Answer, ItemQuery, Listing
from resources.sources import wire
from resources.sources.base import (
    CredentialsRefused,
    Licence,
    PermanentError,
    QuotaExhausted,
    RetryableError,
    Source,
    SourceError,
    UnparsablePayload,
)
from resources.sources.credentials import Credentials
from resources.sources.wire import Amount, CurrencyCode, Text, Wire

CURRENCY = "USD"
PRICE_LISTS = ("cachedPrices", "recentPrices", "prices")
_KEY = re.compile(r"(?i)\b(?:api ?)?key\b|unauthori[sz]ed")
_UNKNOWN = re.compile(r"(?i)not found|unknown|invalid isbn|no (?:such|book)")
_RATE = re.compile(r"(?i)rate|too many|per minute")
_QUOTA = re.compile(r"(?i)quota|limit|exceeded")


class _Bid(Wire):
    """One dealer's bid. A dealer is a company and its name is kept."""

    essential: ClassVar[frozenset[str]] = frozenset({"VendorId", "Price", "Currency"})

    vendor_id: Text = Field(alias="VendorId", min_length=1, max_length=64)
    vendor: Text = Field("", alias="VendorName")
    price: Amount = Field(alias="Price")
    currency: CurrencyCode = Field(CURRENCY, alias="Currency")


class BookScouter(Source):
    """Buyback bids of many dealers for books by ISBN."""

    name = "bookscouter"
    kind = "offer"
    categories = ("book",)
    active_by_default = False
    base_url = "https://api.bookscouter.com"
    rate_per_second = 1.0  # 60 a minute
    cost_per_call_usd = Decimal(0)
    freshness = timedelta(days=7)
    credential_names = ("BOOKSCOUTER_API_KEY",)
    not_found_statuses = frozenset({404})
    licence = Licence(
        store_payloads=True,
        payload_retention_days=30,
        display_max_age_hours=24,
        redistribute=False,
        train="with agreement",
        note=(
            "BookScouter gives keys by contract, which says what may be kept and shown; it is "
            "not public. Read yours."
        ),
    )

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Ask for the dealers' last known bids for the ISBN."""
        return httpx.Request(
            "GET",
            f"{self.base_url}/services/v1/cachedPrices/{query.natural_key}",
            params={"apiKey": credentials.require("BOOKSCOUTER_API_KEY")},
        )

    def error_detail(self, response: httpx.Response) -> str:
        """Return the vendor's message."""
        try:
            message = _message(wire.read_json(response.content))
        except ValueError:
            message = ""
        return message or super().error_detail(response)

    def read(self, query: ItemQuery, document: Any) -> Answer:
        """Read the bids; an error can come with status 200."""
        if not isinstance(document, dict):
            raise UnparsablePayload("body", f"a {type(document).__name__}, not an object")
        if document.get("status") != "success":
            return _refused(document)
        name = next((name for name in PRICE_LISTS if name in document), None)
        bids = document[name] if name else None
        if not isinstance(bids, list):
            raise UnparsablePayload(name or PRICE_LISTS[0], "no list of bids")
        problems: list[str] = []
        read = [
            bid
            for index, raw in enumerate(bids)
            if (bid := _Bid.read(raw, f"{name}[{index}]", problems))
        ]
        if bids and not read:
            raise UnparsablePayload(
                str(name), f"none of {len(bids)} bids can be read: {problems[0]}"
            )
        listings = {bid.vendor_id: _listing(query, bid) for bid in read if bid.price}
        return Answer(
            "found" if listings else "not_found",
            listings=tuple(listings.values()),
            problems=tuple(problems),
        )


def _listing(query: ItemQuery, bid: _Bid) -> Listing:
    return Listing(
        source_listing_id=f"{query.natural_key}:{bid.vendor_id}",
        kind="offer",
        title=f"{wire.excerpt(bid.vendor) or f'Dealer {bid.vendor_id}'} buyback",
        price=bid.price,
        currency=bid.currency,
    )


def _message(document: Any) -> str:
    match document:
        case {"message": str(message)} | {"error": str(message)}:
            return wire.excerpt(message)
    return ""


def _refused(document: dict[str, Any]) -> Answer:
    """Read an error with status 200.

    Raises:
        SourceError: It is anything but an unknown book.
    """
    message = _message(document)
    if not message and "status" not in document:
        raise UnparsablePayload("status", "missing")
    if _UNKNOWN.search(message):
        return Answer("not_found")
    raise _failure(f"answered an error: {message or wire.shown(document.get('status'))}")


def _failure(sentence: str) -> SourceError:
    if _KEY.search(sentence):
        return CredentialsRefused(f"{sentence}; check BOOKSCOUTER_API_KEY")
    if _RATE.search(sentence):
        return RetryableError(sentence)
    if _QUOTA.search(sentence):
        return QuotaExhausted(sentence)
    return PermanentError(sentence)
