"""Google Books: metadata of books, with an API key.

``volumes?q=isbn:…`` is a search: it may return another book, so a volume counts only when its
identifiers name the ISBN. No hits have no ``items`` at all. The daily quota (1,000 a key;
none without a key) answers 429 like an overload does, and does not pass in a minute.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

import httpx
from pydantic import Field

from pricing_assets.core.answers import Answer, ItemQuery
from resources.sources import bibliographic, wire
from resources.sources.base import (
    CredentialsRefused,
    Licence,
    QuotaExhausted,
    RetryableError,
    Source,
    SourceError,
    UnparsablePayload,
)
from resources.sources.credentials import Credentials
from resources.sources.wire import Amount, Count, CurrencyCode, Text, Wire


class _Identifier(Wire):
    type: Text = ""
    identifier: Text = ""


class _ImageLinks(Wire):
    thumbnail: Text = ""
    small_thumbnail: Text = Field("", alias="smallThumbnail")


class _VolumeInfo(Wire):
    essential: ClassVar[frozenset[str]] = frozenset({"title"})

    title: Text
    authors: tuple[Text, ...] = ()
    publisher: Text = ""
    published_date: Text = Field("", alias="publishedDate")
    description: Text = ""
    identifiers: tuple[_Identifier, ...] = Field((), alias="industryIdentifiers")
    page_count: Count | None = Field(None, alias="pageCount")
    categories: tuple[Text, ...] = ()
    image_links: _ImageLinks | None = Field(None, alias="imageLinks")
    language: Text = ""

    def isbns(self) -> set[str]:
        """Return every ISBN of the volume, as ISBN-13."""
        codes = (bibliographic.isbn13(entry.identifier) for entry in self.identifiers)
        return {code for code in codes if code}


class _Price(Wire):
    amount: Amount
    currency: CurrencyCode = Field(alias="currencyCode")


class _SaleInfo(Wire):
    is_ebook: bool | None = Field(None, alias="isEbook")
    list_price: _Price | None = Field(None, alias="listPrice")


class GoogleBooks(Source):
    """Metadata of books by ISBN."""

    name = "google_books"
    kind = "metadata"
    categories = ("book",)
    base_url = "https://www.googleapis.com"
    rate_per_second = 1.0
    cost_per_call_usd = Decimal(0)
    freshness = timedelta(days=90)
    credential_names = ("GOOGLE_BOOKS_API_KEY",)
    licence = Licence(
        store_payloads=True,
        payload_retention_days=30,
        display_max_age_hours=None,
        redistribute=False,
        train="with agreement",
        note="Google's API terms restrict permanent copies and databases of its content.",
    )

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Search for the ISBN."""
        return httpx.Request(
            "GET",
            f"{self.base_url}/books/v1/volumes",
            params={
                "q": f"isbn:{query.natural_key}",
                "key": credentials.require("GOOGLE_BOOKS_API_KEY"),
            },
        )

    def error(self, response: httpx.Response) -> SourceError | None:
        """Tell the daily quota from an overload, and a refused key from a bad request."""
        failure = super().error(response)
        if isinstance(failure, RetryableError) and _names_daily_quota(response):
            return QuotaExhausted(
                f"{failure}; the quota is per day, so ask again tomorrow or have it raised"
            )
        if failure and "API key" in str(failure):
            # An invalid key answers 400, a restricted one 403.
            return CredentialsRefused(f"{failure}; check GOOGLE_BOOKS_API_KEY")
        return failure

    def error_detail(self, response: httpx.Response) -> str:
        """Return ``error.message``."""
        match _json_or_none(response):
            case {"error": {"message": str(message)}}:
                return wire.excerpt(message)
        return super().error_detail(response)

    def read(self, query: ItemQuery, document: Any) -> Answer:
        """Read a search page or a single volume."""
        match document:
            case {"volumeInfo": _}:
                return _single(query, document)
            case {"items": list(items)}:
                return _search_page(query, items)
            case {"totalItems": _} if "items" not in document:
                return Answer("not_found")
        raise UnparsablePayload("items", "neither volumes nor a count of them")


def _json_or_none(response: httpx.Response) -> Any:
    try:
        return wire.read_json(response.content)
    except ValueError:
        return None


def _names_daily_quota(response: httpx.Response) -> bool:
    """Whether a 429 says that a quota per day is used up (``quota_unit`` ``1/d/{project}``)."""
    match _json_or_none(response):
        case {"error": {"status": "RESOURCE_EXHAUSTED", "details": list(details)}}:
            units = [
                entry["metadata"].get("quota_unit", "")
                for entry in details
                if isinstance(entry, dict) and isinstance(entry.get("metadata"), dict)
            ]
            if any(units):
                return any("/d/" in str(unit) for unit in units)
    match _json_or_none(response):
        case {"error": {"message": str(message)}} if "per day" in message:
            return True
        case {"error": {"errors": [{"reason": "dailyLimitExceeded" | "quotaExceeded"}, *_]}}:
            return True
    return False


def _search_page(query: ItemQuery, items: list[Any]) -> Answer:
    problems: list[str] = []
    readable = 0
    for index, raw in enumerate(items):
        path = f"items[{index}]"
        if not isinstance(raw, dict):
            problems.append(f"{path}: not an object: {wire.shown(raw)}")
            continue
        volume = _VolumeInfo.read(raw.get("volumeInfo"), f"{path}.volumeInfo", problems)
        readable += volume is not None
        if volume and query.natural_key in volume.isbns():
            fields = _fields(query, volume, raw, path, problems)
            return Answer("found", fields, problems=tuple(problems))
    if items and not readable:
        raise UnparsablePayload("items", f"no volume can be read: {problems[0]}")
    if items:
        problems.append(
            f"items: {len(items)} volumes, none of which has the ISBN {query.natural_key}"
        )
    return Answer("not_found", problems=tuple(problems))


def _single(query: ItemQuery, document: dict[str, Any]) -> Answer:
    problems: list[str] = []
    volume = _VolumeInfo.read(document["volumeInfo"], "volumeInfo", problems)
    if volume is None:
        raise UnparsablePayload("volumeInfo", "; ".join(problems))
    if query.natural_key not in volume.isbns():
        problems.append(
            f"volumeInfo.industryIdentifiers: the volume does not have {query.natural_key}"
        )
        return Answer("not_found", problems=tuple(problems))
    return Answer("found", _fields(query, volume, document, "", problems), problems=tuple(problems))


def _fields(
    query: ItemQuery, volume: _VolumeInfo, raw: dict[str, Any], path: str, problems: list[str]
) -> dict[str, str | int | float]:
    links = volume.image_links
    return bibliographic.known(
        {
            "title": volume.title,
            "authors": bibliographic.joined(volume.authors),
            "publisher": volume.publisher,
            "publication_year": bibliographic.publication_year(volume.published_date),
            "page_count": bibliographic.page_count(volume.page_count or 0),
            "language": bibliographic.language(volume.language),
            "thumbnail_url": (links.thumbnail or links.small_thumbnail) if links else None,
            "description": volume.description,
            "subjects": bibliographic.subjects(volume.categories),
            "list_price": _list_price(raw, path, problems),
            "isbn13": query.natural_key,
            "isbn10": bibliographic.isbn10(query.natural_key),
        }
    )


def _list_price(raw: dict[str, Any], path: str, problems: list[str]) -> str | None:
    """Return the printed book's list price with its currency; an e-book's is not the item's."""
    if "saleInfo" not in raw:
        return None
    where = f"{path}.saleInfo" if path else "saleInfo"
    sale = _SaleInfo.read(raw["saleInfo"], where, problems)
    if sale is None or sale.is_ebook is not False or sale.list_price is None:
        return None
    return f"{sale.list_price.amount} {sale.list_price.currency}"
