"""BooksRun: what it pays for a book, by condition. Bids of one buyer, never sales.

``result.text`` is an object of prices in US dollars on success and a sentence on an error,
with status 200 both times. A price of 0 means that BooksRun does not buy the book in that
condition. Which status an error has is not documented; Cloudflare in front of it answers in
HTML.

Its other endpoint, of what it sells, is not asked. Its shape is read all the same: those prices
are asks, and ``"none"`` stands for a copy that it does not have.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

import httpx

from pricing_assets.core.answers import Answer, ItemQuery, Listing, ListingKind
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
from resources.sources.wire import Amount, CurrencyCode, Wire

CURRENCY = "USD"
_KEY = re.compile(r"(?i)\bkey\b")
_NO_OFFER = re.compile(r"(?i)^none$|not found|no (?:such|offer|price|book)|not (?:buy|accept)")
_LIMIT = re.compile(r"(?i)limit|quota|too many")
_DAILY = re.compile(r"(?i)\bda(?:y|ily)\b|month")


class _Quote(Wire):
    """A price alone, by whatever name it stands under."""

    price: Amount | None = None


class _Currency(Wire):
    essential: ClassVar[frozenset[str]] = frozenset({"currency"})

    currency: CurrencyCode = CURRENCY


class BooksRun(Source):
    """Buyback bids for books by ISBN."""

    name = "booksrun"
    kind = "offer"
    categories = ("book",)
    base_url = "https://booksrun.com"
    rate_per_second = 1.0
    cost_per_call_usd = Decimal(0)
    freshness = timedelta(days=7)
    credential_names = ("BOOKSRUN_KEY",)
    licence = Licence(
        store_payloads=True,
        payload_retention_days=30,
        display_max_age_hours=24,
        redistribute=False,
        train="with agreement",
        note=(
            "BooksRun publishes no licence for its prices; they are given to affiliates to show. "
            "Read its terms, and ask before training."
        ),
    )

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Ask what it pays for the ISBN."""
        return httpx.Request(
            "GET",
            f"{self.base_url}/api/price/sell/{query.natural_key}",
            params={"key": credentials.require("BOOKSRUN_KEY")},
        )

    def error_detail(self, response: httpx.Response) -> str:
        """Return ``result.text`` of an error."""
        try:
            match wire.read_json(response.content):
                case {"result": {"text": str(message)}}:
                    return wire.excerpt(message)
        except ValueError:
            pass
        return super().error_detail(response)

    def read(self, query: ItemQuery, document: Any) -> Answer:
        """Read bids; an error comes with status 200."""
        match document:
            case {"result": {"status": "success", "text": dict(prices)} as result}:
                return _bids(query, prices, result)
            case {"result": {"status": "success", "offers": dict(offers)} as result}:
                return _asks(query, offers, result)
            case {"result": {"text": str(message)} | {"message": str(message)}}:
                if _NO_OFFER.search(message):
                    return Answer("not_found")
                raise _failure(wire.excerpt(message))
        raise UnparsablePayload("result", "neither prices nor a sentence")


def _failure(message: str) -> SourceError:
    sentence = f"answered an error: {message or 'without a reason'}"
    if _KEY.search(message):
        return CredentialsRefused(f"{sentence}; check BOOKSRUN_KEY")
    if _LIMIT.search(message):
        daily = _DAILY.search(message)
        return QuotaExhausted(sentence) if daily else RetryableError(sentence)
    return PermanentError(sentence)


def _bids(query: ItemQuery, prices: dict[str, Any], result: dict[str, Any]) -> Answer:
    problems: list[str] = []
    said = ("result.text", prices) if "currency" in prices else ("result", result)
    currency = _currency(*said)
    quotes = [(name, value) for name, value in prices.items() if name != "currency"]
    read = [
        (condition, price)
        for condition, value in quotes
        if (price := _price(value, f"result.text.{condition}", problems)) is not None
    ]
    if not read:
        raise UnparsablePayload(
            "result.text", problems[0] if problems else "no price of any condition"
        )
    return _answer(
        [_listing(query, "offer", "buyback", name, price, currency) for name, price in read],
        problems,
    )


def _asks(query: ItemQuery, offers: dict[str, Any], result: dict[str, Any]) -> Answer:
    problems: list[str] = []
    currency = _currency("result", result)
    listings = []
    for path, condition, value in _copies(offers, problems):
        if (price := _price(value, f"{path}.price", problems)) is not None:
            listings.append(_listing(query, "ask", "copy", condition, price, currency))
    return _answer(listings, problems)


def _copies(offers: dict[str, Any], problems: list[str]) -> Iterator[tuple[str, str, Any]]:
    """Yield path, condition and price of each copy that BooksRun itself has."""
    own = offers.get("booksrun")
    for condition, copy in own.items() if isinstance(own, dict) else ():
        path = f"result.offers.booksrun.{condition}"
        match copy:
            case "none" | None:
                continue
            case {"price": value}:
                yield path, condition, value
            case _:
                problems.append(f"{path}: neither a copy nor 'none': {wire.shown(copy)}")


def _price(value: object, path: str, problems: list[str]) -> Decimal | None:
    """Return an amount; 0 stays 0. None is an amount that cannot be read, which is reported."""
    found: list[str] = []
    quote = _Quote.read({"price": value}, "", found)
    if quote is None or quote.price is None:
        reason = found[0].partition(": ")[2] if found else "missing"
        problems.append(f"{path}: {reason}")
        return None
    return quote.price


def _currency(path: str, holder: dict[str, Any]) -> str:
    """Return the currency, which need not be said: BooksRun buys in dollars.

    Raises:
        UnparsablePayload: It is said and is none; the amounts mean nothing then.
    """
    problems: list[str] = []
    read = _Currency.read({"currency": holder.get("currency")}, path, problems)
    if read is None:
        raise UnparsablePayload(f"{path}.currency", problems[0].partition(": ")[2])
    return read.currency


def _listing(
    query: ItemQuery, kind: ListingKind, what: str, condition: str, price: Decimal, currency: str
) -> Listing:
    name = wire.excerpt(condition, 64)
    return Listing(
        source_listing_id=f"{query.natural_key}:{kind}:{name}"[:128],
        kind=kind,
        title=f"BooksRun {what}, {name}",
        price=price,
        currency=currency,
        condition=name,
    )


def _answer(listings: list[Listing], problems: list[str]) -> Answer:
    wanted = tuple(entry for entry in listings if entry.price)
    return Answer("found" if wanted else "not_found", listings=wanted, problems=tuple(problems))
