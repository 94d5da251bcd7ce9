"""SerpApi's reading of eBay's sold listings: what books were sold for.

A second paid reader of the same pages as `searchapi_ebay_sold`, so it is asked only when an
operator switches it on. What differs:

- ``price`` is an object: ``raw`` and ``extracted`` of one price, or ``from`` and ``to`` of a
  listing with variations, which is not the price of one sale and is left out.
- ``shipping`` is a text or an object of the same kind.
- Errors come with 429, or with 200 and an ``error`` beside or in place of the results. Nothing
  found is such an error too.
- ``sold_date`` has eBay's own line ("Sold  Nov 3, 2026") where the vendor caught it. A sale
  without it is undated.
- Its documentation shows listings without ``product_id``. Then the item's number is taken from
  the link; where that names none, what the listing says is its identity, and that is reported.
"""

import hashlib
import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import httpx
from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from pricing_assets.core.answers import Answer, ItemQuery, Listing, answer_of_sales
from resources.sources import ebay_page, wire
from resources.sources.base import (
    CredentialsRefused,
    PermanentError,
    QuotaExhausted,
    RetryableError,
    SourceError,
    UnparsablePayload,
)
from resources.sources.credentials import Credentials
from resources.sources.wire import Amount, Count, Part, Percent, Text, Wire

PAGE_SIZE = 200
_ITEM_NUMBER = re.compile(r"/itm/(?:[^/?#]+/)?(\d{9,19})(?!\d)")
_TRY_AGAIN = re.compile(r"(?i)try again|temporar|timed? ?out|couldn't get valid results")
_KEY = re.compile(r"(?i)\bapi[ _]key\b")


def _spelled_out(value: object) -> object:
    """Take a bare text for ``raw`` and a bare number for ``extracted``."""
    if isinstance(value, str):
        return {"raw": value}
    return {"extracted": value} if isinstance(value, int | Decimal) else value


class _Cost(Wire):
    raw: Text = ""
    extracted: Amount | None = None


class _Price(Wire):
    raw: Text = ""
    extracted: Amount | None = None
    lowest: _Cost | None = Field(None, alias="from")
    highest: _Cost | None = Field(None, alias="to")


class _Bids(Wire):
    count: Count = Field(ge=0)


class _Seller(Wire):
    """Of the seller the rating; the name is not declared, so it is not kept."""

    feedback: Percent | None = Field(None, alias="positive_feedback_in_percentage")


class _Result(Wire):
    """One sold listing."""

    essential: ClassVar[frozenset[str]] = frozenset({"title", "price"})

    product_id: Text = Field("", max_length=ebay_page.ID_CHARACTERS)
    title: Text = Field(min_length=1)
    link: Text = ""
    price: Annotated[_Price, BeforeValidator(_spelled_out)]
    condition: Text | None = None
    shipping: Annotated[_Cost | None, BeforeValidator(_spelled_out)] = None
    buying_format: Text = ""
    bids: _Bids | None = None
    sold_date: Text = ""
    extensions: tuple[Text, ...] = ()
    seller: Annotated[_Seller | None, Part] = None


class SerpApiEbaySold(ebay_page.PageReader):
    """Sold listings, of books by ISBN and of cards by words."""

    name = "serpapi_ebay_sold"
    active_by_default = False
    base_url = "https://serpapi.com"
    rate_per_second = 0.25  # 1,000 an hour on the plan of 5,000 searches
    cost_per_call_usd = Decimal("0.015")  # 75 USD for 5,000 searches
    credential_names = ("SERPAPI_API_KEY",)

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Search sold listings."""
        return httpx.Request(
            "GET",
            f"{self.base_url}/search.json",
            params={
                "engine": "ebay",
                "_nkw": query.searched,
                "ebay_domain": ebay_page.EBAY_DOMAIN,
                "show_only": "Sold,Complete",
                "_ipg": PAGE_SIZE,
                "api_key": credentials.require("SERPAPI_API_KEY"),
            },
        )

    def read(self, query: ItemQuery, document: Any) -> Answer:
        """Read a result page; errors can come with status 200."""
        if not isinstance(document, dict):
            raise UnparsablePayload("body", f"a {type(document).__name__}, not an object")
        problems: list[str] = []
        if (error := document.get("error")) is not None:
            message = wire.excerpt(str(error))
            if not ebay_page.says_nothing_found(message):
                raise _failure(message)
            problems.append(f"error: {message}")
        results = document.get("organic_results")
        if results is None:
            return _no_results(document, problems)
        if not isinstance(results, list):
            raise UnparsablePayload("organic_results", "not a list")
        listings: list[Listing] = []
        readable = 0
        for index, raw in enumerate(results):
            path = f"organic_results[{index}]"
            if result := _Result.read(raw, path, problems):
                readable += 1
                if listing := _listing(result, path, problems):
                    listings.append(listing)
        if results and not readable:
            raise UnparsablePayload(
                "organic_results", f"none of {len(results)} listings can be read: {problems[0]}"
            )
        return answer_of_sales(listings, problems)


def _failure(message: str) -> SourceError:
    """Return what an ``error`` in a successful response means."""
    sentence = f"answered an error: {message}"
    if ebay_page.names_plan(message):
        return QuotaExhausted(f"{sentence}; renew or raise the plan")
    if _KEY.search(message):
        return CredentialsRefused(f"{sentence}; check SERPAPI_API_KEY")
    return RetryableError(sentence) if _TRY_AGAIN.search(message) else PermanentError(sentence)


def _no_results(document: dict[str, Any], problems: list[str]) -> Answer:
    """Read a page without ``organic_results``: nothing found, or a changed format."""
    match document:
        case {"search_information": {"total_results": int(total)}} if total > 0:
            raise UnparsablePayload(
                "organic_results", f"missing, though {total} results are announced"
            )
        case {"search_metadata": {"status": "Success"}} if not problems:
            problems.append("organic_results: missing, taken for no results")
    if not problems:
        raise UnparsablePayload("organic_results", "missing, and the search is not said to be done")
    return Answer("not_found", problems=tuple(problems))


def _listing(result: _Result, path: str, problems: list[str]) -> Listing | None:
    try:
        price, currency = _sale_price(result.price)
    except PydanticCustomError as error:
        problems.append(f"{path}.price: {error.message()}")
        return None
    bids = result.bids.count if result.bids else ebay_page.bids(result.buying_format)
    return Listing(
        source_listing_id=_identity(result, path, problems),
        kind="sold",
        title=result.title,
        price=price,
        currency=currency,
        shipping=_shipping(result, currency),
        condition=ebay_page.condition(result.condition or "", f"{path}.condition", problems),
        listing_type="auction" if bids else ebay_page.listing_type(result.buying_format),
        bids=bids,
        sold_at=_sold_at(result, path, problems),
        seller_feedback=result.seller.feedback if result.seller else None,
    )


def _identity(result: _Result, path: str, problems: list[str]) -> str:
    number = _ITEM_NUMBER.search(result.link)
    if result.product_id or number:
        return result.product_id or (number[1] if number else "")
    problems.append(f"{path}.product_id: missing, and the link names no item; title and price do")
    said = "\n".join((result.title, result.price.raw, result.sold_date))
    return f"said:{hashlib.sha256(said.encode()).hexdigest()[:32]}"


def _sale_price(price: _Price) -> tuple[Decimal, str]:
    """Return the one amount and its currency.

    Raises:
        PydanticCustomError: There is none, or more than one.
    """
    if price.lowest or price.highest:
        ends = [end.raw or str(end.extracted) for end in (price.lowest, price.highest) if end]
        shown = wire.shown(" to ".join(ends))
        raise PydanticCustomError("price", "not the price of one sale: {shown}", {"shown": shown})
    if not price.raw:
        if not price.extracted:
            raise PydanticCustomError("price", "missing")
        return price.extracted, "USD"  # what ebay.com shows
    read = ebay_page.read_price(price.raw)
    if read is None:
        raise PydanticCustomError(
            "price", "not the price of one sale: {shown}", {"shown": wire.shown(price.raw)}
        )
    return read


def _shipping(result: _Result, currency: str) -> Decimal | None:
    for text in (result.shipping.raw if result.shipping else "", *result.extensions):
        if (cost := ebay_page.delivery(text, currency)) is not None:
            return cost
    # A number alone is in the currency of the page; beside a text it is the text's number.
    if result.shipping and not result.shipping.raw and currency == "USD":
        return result.shipping.extracted
    return None


def _sold_at(result: _Result, path: str, problems: list[str]) -> datetime | None:
    lines = [(f"extensions[{i}]", text) for i, text in enumerate(result.extensions)]
    for field, text in (("sold_date", result.sold_date), *lines):
        line = ebay_page.sale_line(text)
        if line is None and field != "sold_date":
            continue
        if sold_at := ebay_page.day(line or text):
            return sold_at
        if any(character.isdigit() for character in line or text):
            problems.append(f"{path}.{field}: not a date of sale: {wire.shown(text)}")
    return None
