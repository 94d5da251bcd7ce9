"""Amazon's product page of a book as Decodo reads it: metadata, no prices.

Amazon names a book by its ISBN-10, so a book whose ISBN begins with 979 cannot be asked about.
The page can be that of another product, and counts only when it names our ISBN.

A third code beside those of the call and the job (see `decodo`) says how it went: the parser's
``parse_status_code``, by which parts may be missing (12004, 12005) or all (12009: no such
product). The product stands in ``content.results``; in older answers it is ``content``
itself. A text in its place is the page's HTML, which the vendor could not parse. Reviews and
merchants are not declared, so they are not kept.
"""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

import httpx
from pydantic import Field

from pricing_assets.core.answers import Answer, ItemQuery
from resources.sources import bibliographic, wire
from resources.sources.base import Licence, PermanentError, UnparsablePayload
from resources.sources.credentials import Credentials
from resources.sources.decodo import CONTENT_PATH, DecodoSource
from resources.sources.wire import Count, Text, Wire

PARSED = 12000
PARSED_IN_PART = frozenset({12004, 12005})
NO_SUCH_PRODUCT = 12009
_PAGES = re.compile(r"(\d[\d,]*)\s+pages", re.IGNORECASE)
_AUTHOR = re.compile(r"([^,()|]+?)\s*\(Authors?\)")
_BY = re.compile(r"(?i)^by\s+")
_PUBLISHER_ENDS = re.compile(r"[;(]")
_FORMAT_IN_TITLE = re.compile(
    r"\s+(?P<format>Mass Market Paperback|Paperback|Hardcover|Library Binding)$"
)
_FORMATS = {
    "hardcover": "Hardcover",
    "paperback": "Paperback",
    "mass_market_paperback": "Mass Market",
    "library_binding": "Hardcover",
}
"""Names under which the details tell the pages of a binding, and that binding."""


class _Step(Wire):
    name: Text = ""


class _Category(Wire):
    ladder: tuple[_Step, ...] = ()


class _Details(Wire):
    """Amazon's own table of a product; a book's has these."""

    isbn_10: Text = ""
    isbn_13: Text = ""
    publisher: Text = ""
    publication_date: Text = ""
    language: Text = ""
    print_length: Text = ""
    hardcover: Text = ""
    paperback: Text = ""
    mass_market_paperback: Text = ""
    library_binding: Text = ""


class _Product(Wire):
    essential: ClassVar[frozenset[str]] = frozenset({"title"})

    title: Text = Field(min_length=1)
    asin: Text = ""
    byline: Text = Field("", alias="manufacturer")
    description: Text = ""
    images: tuple[Text, ...] = ()
    categories: tuple[_Category, ...] = Field((), alias="category")
    details: _Details = Field(_Details(), alias="product_details")
    parse_status: Count | None = Field(None, alias="parse_status_code")
    warnings: tuple[Text, ...] = Field((), alias="_warnings")

    def isbns(self) -> set[str]:
        """Return every ISBN of the product, as ISBN-13."""
        codes = (self.asin, self.details.isbn_10, self.details.isbn_13)
        return {code for text in codes if (code := bibliographic.isbn13(text))}


class DecodoAmazon(DecodoSource):
    """Metadata of books by ISBN, from Amazon's page."""

    name = "decodo_amazon"
    kind = "metadata"
    categories = ("book",)
    active_by_default = False
    cost_per_call_usd = Decimal("0.002")  # about: the plan decides
    freshness = timedelta(days=90)
    licence = Licence(
        store_payloads=True,
        payload_retention_days=30,
        display_max_age_hours=24,
        redistribute=False,
        train="no",
        note=(
            "The content is Amazon's, whose conditions of use allow no collection of product "
            "listings and descriptions by robots; Decodo's terms leave that to its customer. "
            "Have an agreement before switching it on."
        ),
    )

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Order the page of the product that the ISBN-10 names.

        Raises:
            PermanentError: The book has no ISBN-10.
        """
        asin = bibliographic.isbn10(query.natural_key)
        if asin is None:
            raise PermanentError("has no name for a book without an ISBN-10, so was not asked")
        return self.order(target="amazon_product", query=asin, domain="com", parse=True)

    def read_content(self, query: ItemQuery, content: Any) -> Answer:
        """Read what the parser made of the page.

        Raises:
            UnparsablePayload: It made nothing of it.
        """
        return _product_page(query, content)


def _product_page(query: ItemQuery, content: Any) -> Answer:
    path = CONTENT_PATH
    if isinstance(content, str):
        raise UnparsablePayload(path, "a text, so the page itself: the vendor did not parse it")
    match content:
        case {"results": dict(raw)}:
            path += ".results"
        case {"title": _} | {"parse_status_code": _}:
            raw = content
        case _:
            raise UnparsablePayload(path, "no product")
    if raw.get("parse_status_code") == NO_SUCH_PRODUCT:
        return Answer("not_found")
    problems: list[str] = []
    product = _Product.read(raw, path, problems)
    if product is None:
        code = raw.get("parse_status_code")
        raise UnparsablePayload(path, f"parse_status_code {code!s}; {'; '.join(problems)}")
    problems += _parser_problems(product, path)
    if query.natural_key not in product.isbns():
        problems.append(f"{path}.asin: the product is not {query.natural_key}")
        return Answer("not_found", problems=tuple(problems))
    return Answer("found", _fields(query, product), problems=tuple(problems))


def _parser_problems(product: _Product, path: str) -> list[str]:
    """Return what the vendor's parser itself says that it could not read."""
    found = [
        f"{path}._warnings[{index}]: {wire.excerpt(warning)}"
        for index, warning in enumerate(product.warnings)
    ]
    code = product.parse_status
    if code not in (None, PARSED):
        part = "in part" if code in PARSED_IN_PART else "not said to be well"
        found.append(f"{path}.parse_status_code: {code}, the page was parsed {part}")
    return found


def _fields(query: ItemQuery, product: _Product) -> dict[str, str | int | float]:
    details = product.details
    named = _FORMAT_IN_TITLE.search(product.title)
    title = product.title[: named.start()] if named else product.title
    # Amazon's publisher can read "Quayside; 2nd edition (May 12, 1987)".
    publisher = _PUBLISHER_ENDS.split(details.publisher)[0].strip()
    ladder = [step.name for category in product.categories for step in category.ladder]
    thumbnail = next((url for url in product.images if url.startswith("http")), None)
    return bibliographic.known(
        {
            "title": title,
            "authors": bibliographic.joined(
                _BY.sub("", name.strip()) for name in _AUTHOR.findall(product.byline)
            ),
            "publisher": publisher,
            "publication_year": bibliographic.publication_year(
                details.publication_date or details.publisher
            ),
            "binding": _binding(details, named["format"] if named else ""),
            "page_count": _page_count(details),
            "language": bibliographic.language(details.language),
            "thumbnail_url": thumbnail,
            "description": product.description,
            "subjects": bibliographic.subjects(name for name in ladder if name != "Books"),
            "isbn13": query.natural_key,
            "isbn10": bibliographic.isbn10(query.natural_key),
        }
    )


def _binding(details: _Details, in_title: str) -> str:
    named = next((name for field, name in _FORMATS.items() if getattr(details, field)), "")
    return named or bibliographic.binding(in_title)


def _page_count(details: _Details) -> int | None:
    for field in ("print_length", *_FORMATS):
        if match := _PAGES.search(getattr(details, field)):
            return bibliographic.page_count(int(match[1].replace(",", "")[:9]))
    return None
