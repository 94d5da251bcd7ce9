"""SearchAPI.io's reading of eBay's sold listings: what books were sold for.

What the vendor reads from eBay's page varies, and a label must not be guessed:

- The price is in ``price``, in pages since December 2025 in ``deal``. Text with two amounts
  (``$0.99 to $1.49``, a listing with variations; ``$2.27$3.49``, two prices run together) is
  not the price of one sale. Neither is a cut-off range (``$2.00 to``). Such a listing is
  reported and left out. A number beside the text does not help: it is one end of the same
  range.
- A listing ``or Best Offer`` shows what was asked when an offer below it was accepted; eBay does
  not tell which happened. It is kept as ``best_offer``, so that a policy can weigh it.
- The vendor has no field for the date of sale. Where it catches eBay's own line ("Sold  Nov 3,
  2026"), which it puts into whichever badge field it fell into, the sale is dated to that day, at
  00:00 UTC; otherwise it is undated.
- A seller's subtitle can end up in ``condition``; only eBay's own names are taken.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import httpx
from pydantic import Field
from pydantic_core import PydanticCustomError

from pricing_assets.core.answers import Answer, ItemQuery, Listing, answer_of_sales
from resources.sources import ebay_page, wire
from resources.sources.base import (
    PermanentError,
    QuotaExhausted,
    UnparsablePayload,
)
from resources.sources.credentials import Credentials
from resources.sources.wire import Amount, Part, Percent, Text, Wire

PAGE_SIZE = 120


class _Seller(Wire):
    """Of the seller the rating; the name is not declared, so it is not kept."""

    feedback: Percent | None = Field(None, alias="positive_feedback_percent")


class _Result(Wire):
    """One sold listing."""

    essential: ClassVar[frozenset[str]] = frozenset({"item_id", "title", "price", "deal"})

    item_id: Text = Field(min_length=1, max_length=ebay_page.ID_CHARACTERS)
    title: Text
    price: Text | None = None
    deal: Text | None = None
    extracted_price: Amount | None = None
    condition: Text | None = None
    buying_format: Text = ""
    shipping: Text = ""
    extracted_shipping: Amount | None = None
    tag: Text = ""
    caption: Text = ""
    sold_date: Text = ""
    extensions: tuple[Text, ...] = ()
    seller: Annotated[_Seller | None, Part] = None


class SearchApiEbaySold(ebay_page.PageReader):
    """Sold listings, of books by ISBN and of cards by words."""

    name = "searchapi_ebay_sold"
    base_url = "https://www.searchapi.io"
    rate_per_second = 2.0
    cost_per_call_usd = Decimal("0.004")  # 40 USD for 10,000 searches
    credential_names = ("SEARCHAPI_API_KEY",)

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Search sold listings."""
        return httpx.Request(
            "GET",
            f"{self.base_url}/api/v1/search",
            params={
                "engine": "ebay_search",
                "q": query.searched,
                "ebay_domain": ebay_page.EBAY_DOMAIN,
                "filters": "sold_listings",
                "num": PAGE_SIZE,
                "api_key": credentials.require("SEARCHAPI_API_KEY"),
            },
        )

    def read(self, query: ItemQuery, document: Any) -> Answer:
        """Read a result page; errors can come with status 200."""
        if not isinstance(document, dict):
            raise UnparsablePayload("body", f"a {type(document).__name__}, not an object")
        results = document.get("organic_results")
        if results is None:
            return _no_results(document)
        if not isinstance(results, list):
            raise UnparsablePayload("organic_results", "not a list")
        problems: list[str] = []
        listings: list[Listing] = []
        priced = 0
        for index, raw in enumerate(results):
            path = f"organic_results[{index}]"
            result = _Result.read(raw, path, problems)
            if result is None:
                continue
            priced += bool(result.price or result.deal or result.extracted_price)
            if listing := _listing(result, path, problems):
                listings.append(listing)
        if results and not priced:
            raise UnparsablePayload(
                "organic_results", f"none of {len(results)} listings can be read: {problems[0]}"
            )
        return answer_of_sales(listings, problems)


def _no_results(document: dict[str, Any]) -> Answer:
    """Read a page without ``organic_results``: nothing found, an error, or a changed format."""
    match document:
        case {"error": str(message)} if ebay_page.says_nothing_found(message):
            return Answer("not_found", problems=(f"error: {wire.excerpt(message)}",))
        case {"error": str(message)} if ebay_page.names_plan(message):
            raise QuotaExhausted(f"answered an error: {wire.excerpt(message)}; raise the plan")
        case {"error": message}:
            raise PermanentError(f"answered an error: {wire.excerpt(str(message))}")
        case {"search_information": {"total_results": int(total)}} if total > 0:
            raise UnparsablePayload(
                "organic_results", f"missing, though {total} results are announced"
            )
        case {"search_metadata": {"status": "Success"}}:
            return Answer("not_found", problems=("organic_results: missing, taken for no results",))
    raise UnparsablePayload("organic_results", "missing, and the search is not said to be done")


def _listing(result: _Result, path: str, problems: list[str]) -> Listing | None:
    try:
        price, currency = _sale_price(result)
    except PydanticCustomError as error:
        problems.append(f"{path}.{error.type}: {error.message()}")
        return None
    return Listing(
        source_listing_id=result.item_id,
        kind="sold",
        title=result.title,
        price=price,
        currency=currency,
        shipping=_shipping(result, currency),
        condition=ebay_page.condition(result.condition, f"{path}.condition", problems),
        listing_type=ebay_page.listing_type(result.buying_format),
        bids=ebay_page.bids(result.buying_format),
        sold_at=_sold_at(result, path, problems),
        seller_feedback=result.seller.feedback if result.seller else None,
    )


def _sale_price(result: _Result) -> tuple[Decimal, str]:
    """Return the one amount and its currency.

    Raises:
        PydanticCustomError: There is none, or more than one; its type is the field's name.
    """
    field, text = ("price", result.price) if result.price else ("deal", result.deal)
    if not text:
        if not result.extracted_price:
            raise PydanticCustomError("price", "missing, and `deal` too")
        return result.extracted_price, "USD"  # what ebay.com shows
    price = ebay_page.read_price(text)
    if price is None:
        raise PydanticCustomError(
            field, "not the price of one sale: {shown}", {"shown": wire.shown(text)}
        )
    return price


def _shipping(result: _Result, currency: str) -> Decimal | None:
    """Return the cost of delivery; the vendor puts its text into other fields at times."""
    for text in (result.shipping, *result.extensions):
        if (cost := ebay_page.delivery(text, currency)) is not None:
            return cost
    return result.extracted_shipping


def _sold_at(result: _Result, path: str, problems: list[str]) -> datetime | None:
    for field, text in _badges(result):
        line = ebay_page.sale_line(text)
        if line is None and field != "sold_date":
            continue
        if sold_at := ebay_page.day(line or text):
            return sold_at
        if any(character.isdigit() for character in line or text):
            problems.append(f"{path}.{field}: not a date of sale: {wire.shown(text)}")
    return None


def _badges(result: _Result) -> Iterator[tuple[str, str]]:
    """Yield the texts in which eBay's line of the sale can be, with their fields."""
    for field, text in (
        ("sold_date", result.sold_date),
        ("caption", result.caption),
        ("tag", result.tag),
    ):
        if text:
            yield field, text
    for index, text in enumerate(result.extensions):
        yield f"extensions[{index}]", text
