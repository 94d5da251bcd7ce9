"""eBay's result page of sold listings as paid readers pass it on, and how those speak.

Readers quote eBay's page in its own words and put them into varying fields. Here: what a price,
a delivery, a condition and a date of sale look like, and what readers say in ``error``. Not
here: in which field a vendor puts it (the vendor's module).
"""

import functools
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
from pydantic_core import PydanticCustomError

from resources.sources import wire
from resources.sources.base import (
    Licence,
    QuotaExhausted,
    RetryableError,
    Source,
    SourceError,
)

EBAY_DOMAIN = "ebay.com"
ID_CHARACTERS = 128
_CONDITION_CHARACTERS = 64

_CURRENCIES = {
    "$": "USD", "US $": "USD", "US$": "USD", "USD": "USD", "C $": "CAD", "C$": "CAD",
    "CA $": "CAD", "AU $": "AUD", "AU$": "AUD", "£": "GBP", "GBP": "GBP", "€": "EUR",
    "EUR": "EUR",
}  # fmt: skip
"""Signs that stand before an amount on ebay.com, which writes dollars of other lands out."""

_PRICE = re.compile(r"(?P<sign>[^\d\s.,+-](?:[^\d.,+-]*[^\d\s.,+-])?)\s*(?P<amount>[\d,]*\.?\d+)")
_DIGITS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+")
_DELIVERY = re.compile(
    r"\+\s*(?P<price>[^\d+]{1,4}[\d,.]+)\s+(?:delivery|shipping|postage)", re.IGNORECASE
)
_FREE_DELIVERY = re.compile(r"free\s+(?:international\s+)?(?:delivery|shipping|postage)", re.I)
_BIDS = re.compile(r"(?P<bids>\d{1,6})\s+bids?", re.IGNORECASE)
_SOLD = re.compile(r"(?:sold|ended)\s*:?\s+(?P<date>.+)", re.IGNORECASE)
_DATE_FORMATS = ("%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%Y-%m-%d")
_CONDITION = re.compile(
    r"(?:brand new|new|like new|open box|pre-?owned|used|very good|good|acceptable|excellent"
    r"|fair|certified|seller refurbished|refurbished|parts only|for parts|graded|ungraded"
    r"|near mint)\b.{0,40}",
    re.IGNORECASE,
)
_PLAN = re.compile(r"(?i)run out|used (?:all|up)|monthly|credits|quota")
_NOTHING = re.compile(r"(?i)no results|any results|not find|0 results")


class PageReader(Source):
    """A vendor that reads eBay's pages for us and sells its searches by a plan."""

    kind = "sold"
    venue = "ebay"
    categories = ("book", "card")
    by_words = True
    freshness = timedelta(days=30)
    # The vendor loads eBay's page while we wait.
    read_timeout = 60.0
    total_timeout = 90.0
    licence = Licence(
        store_payloads=True,
        payload_retention_days=90,
        display_max_age_hours=24,
        redistribute=False,
        train="with agreement",
        note="The listings are eBay's content, whose licence wants an agreement for training.",
    )

    def error(self, response: httpx.Response) -> SourceError | None:
        """Tell a used-up plan from asking too fast: both answer 429."""
        failure = super().error(response)
        if (
            isinstance(failure, RetryableError)
            and failure.retry_after is None
            and names_plan(str(failure))
        ):
            return QuotaExhausted(f"{failure}; renew or raise the plan, or wait for its next month")
        return failure

    def error_detail(self, response: httpx.Response) -> str:
        """Return ``error``."""
        try:
            match wire.read_json(response.content):
                case {"error": str(message)}:
                    return wire.excerpt(message)
        except ValueError:
            pass
        return super().error_detail(response)


def names_plan(message: str) -> bool:
    """Whether an error says that the plan's searches are used up."""
    return bool(_PLAN.search(message))


def says_nothing_found(message: str) -> bool:
    """Whether an error only says that the search has no results."""
    return bool(_NOTHING.search(message))


def read_price(text: str) -> tuple[Decimal, str] | None:
    """Return the amount and currency of a text that is exactly one price above zero.

    ``$2,481.78`` is one; ``$0.99 to $1.49``, ``$2.27$3.49`` and ``$2.00 to`` are not.
    """
    match = _PRICE.fullmatch(text.strip())
    if not match or not _DIGITS.fullmatch(match["amount"]):
        return None
    currency = _CURRENCIES.get(match["sign"].strip())
    try:
        amount = wire.amount(match["amount"].replace(",", ""))
    except PydanticCustomError:
        return None
    return (amount, currency) if currency and amount else None


def delivery(text: str, currency: str) -> Decimal | None:
    """Return what a text such as ``+$4.65 delivery`` says that delivery costs.

    None when it says nothing of it, or another currency than the price's.
    """
    if _FREE_DELIVERY.search(text):
        return Decimal(0)
    match = _DELIVERY.search(text)
    if match and (cost := read_price(match["price"])) and cost[1] == currency:
        return cost[0]
    return None


def condition(text: str | None, path: str, problems: list[str]) -> str | None:
    """Return a condition in eBay's own names; anything else is a problem at ``path``."""
    if not text:
        return None
    if not _CONDITION.fullmatch(text):
        # Not quoted: what lands here is the seller's own advertisement.
        problems.append(f"{path}: not one of eBay's conditions")
        return None
    return text[:_CONDITION_CHARACTERS]


def bids(buying_format: str) -> int | None:
    """Return the bids of an auction, of which the format is ``7 bids``."""
    match = _BIDS.fullmatch(buying_format)
    return int(match["bids"]) if match else None


def listing_type(buying_format: str) -> str | None:
    """Return how it sold: ``auction``, ``fixed_price``, ``best_offer`` or None."""
    if _BIDS.fullmatch(buying_format):
        return "auction"
    known = {"auction": "auction", "buy it now": "fixed_price", "or best offer": "best_offer"}
    return known.get(
        buying_format.lower(), "best_offer" if "offer" in buying_format.lower() else None
    )


def sale_line(text: str) -> str | None:
    """Return the day in eBay's line ``Sold  Nov 3, 2026``; None when the text is another one."""
    match = _SOLD.fullmatch(text)
    return match["date"] if match else None


@functools.lru_cache(maxsize=1024)
def day(text: str) -> datetime | None:
    """Return a day as eBay writes it, at 00:00 UTC; None when it is not one.

    Kept, since a page names few days often.
    """
    for pattern in _DATE_FORMATS:
        try:
            return datetime.strptime(" ".join(text.split()), pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
