"""Open Library: metadata of books, without a key.

We ask ``/api/books`` with ``jscmd=data``, which answers 200 and ``{}`` for an unknown book.
The other shapes that Open Library serves are read as well: an edition (``/isbn/…json``,
``/books/…json``), a list of editions, a work and a search page, old and new.
"""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import httpx
from pydantic import BeforeValidator

from pricing_assets.core.answers import Answer, ItemQuery
from resources.sources import bibliographic
from resources.sources.base import Licence, PermanentError, Source, UnparsablePayload
from resources.sources.credentials import Credentials
from resources.sources.wire import Count, Text, Wire, excerpt

COVER_URL = "https://covers.openlibrary.org/b/id/{}-L.jpg"


def _name(value: object) -> object:
    """Names come as text, as ``{"name": …}`` or, of an author, only as ``{"key": …}``."""
    return value.get("name", "") if isinstance(value, dict) else value


def _note(value: object) -> object:
    """Long text comes as text or as ``{"type": "/type/text", "value": …}``."""
    return value.get("value", "") if isinstance(value, dict) else value


Name = Annotated[Text, BeforeValidator(_name)]
Note = Annotated[Text, BeforeValidator(_note)]


class _Key(Wire):
    key: Text


class _Cover(Wire):
    large: Text | None = None
    medium: Text | None = None
    small: Text | None = None


class _Identifiers(Wire):
    isbn_10: tuple[Text, ...] = ()
    isbn_13: tuple[Text, ...] = ()


class _Record(Wire):
    """An edition or a work, in the ``jscmd=data`` shape or in that of its own page."""

    essential: ClassVar[frozenset[str]] = frozenset({"title"})

    title: Text
    authors: tuple[Name, ...] = ()
    publishers: tuple[Name, ...] = ()
    publish_date: Text = ""
    number_of_pages: Count | None = None
    physical_format: Text = ""
    languages: tuple[_Key, ...] = ()
    description: Note = ""
    cover: _Cover | None = None
    covers: tuple[Count | None, ...] = ()
    subjects: tuple[Name, ...] = ()
    series: tuple[Name, ...] = ()
    works: tuple[_Key, ...] = ()
    isbn_10: tuple[Text, ...] = ()
    isbn_13: tuple[Text, ...] = ()
    identifiers: _Identifiers = _Identifiers()

    def isbns(self) -> set[str]:
        """Return every ISBN that the record lists, as ISBN-13."""
        return _isbn13s(
            [*self.isbn_10, *self.isbn_13, *self.identifiers.isbn_10, *self.identifiers.isbn_13]
        )

    def thumbnail(self) -> str | None:
        """Return the address of the cover, the largest that is named."""
        if self.cover:
            return self.cover.large or self.cover.medium or self.cover.small
        # A removed cover leaves -1 behind.
        first = next((cover for cover in self.covers if cover and cover > 0), None)
        return COVER_URL.format(first) if first else None


class _SearchHit(Wire):
    """One work of a search page; what its editions differ in is not the item's own."""

    essential: ClassVar[frozenset[str]] = frozenset({"title", "key"})

    key: Text
    title: Text
    author_name: tuple[Text, ...] = ()
    isbn: tuple[Text, ...] = ()
    cover_i: Count | None = None
    subject: tuple[Text, ...] = ()


class OpenLibrary(Source):
    """Metadata of books by ISBN."""

    name = "open_library"
    kind = "metadata"
    categories = ("book",)
    base_url = "https://openlibrary.org"
    rate_per_second = 3.0  # its nginx allows 180 a minute for the API
    cost_per_call_usd = Decimal(0)
    freshness = timedelta(days=90)
    credential_names = ("PRICING_CONTACT",)
    optional_credential_names = ("PRICING_CONTACT",)
    not_found_statuses = frozenset({404})  # /isbn/… and /books/… say it so
    licence = Licence(
        store_payloads=True,
        payload_retention_days=None,
        display_max_age_hours=None,
        redistribute=True,
        train="yes",
        note="Open Library's data is in the public domain; it asks bulk users to take the dumps.",
    )

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Ask for the book, saying who asks: unnamed clients share one narrow limit."""
        contact = credentials.get("PRICING_CONTACT")
        return httpx.Request(
            "GET",
            f"{self.base_url}/api/books",
            params={"bibkeys": f"ISBN:{query.natural_key}", "format": "json", "jscmd": "data"},
            headers={"User-Agent": f"pricing-assets ({contact})" if contact else "pricing-assets"},
        )

    def read(self, query: ItemQuery, document: Any) -> Answer:
        """Read any of Open Library's shapes, told apart by their own marks."""
        if not isinstance(document, dict):
            raise UnparsablePayload("body", f"a {type(document).__name__}, not an object")
        if "docs" in document:
            return _search_page(query, document["docs"])
        if "entries" in document:
            return _editions(query, document["entries"])
        match document.get("type"):
            case {"key": "/type/edition"}:
                return _record(query, document, work=False)
            case {"key": "/type/work"}:
                return _record(query, document, work=True)
            case {"key": "/type/delete"}:
                return Answer("not_found", problems=("type: the record was deleted",))
        if "error" in document:
            raise PermanentError(f"answered an error: {excerpt(str(document['error']))}")
        return _books_by_key(query, document)


def _books_by_key(query: ItemQuery, document: dict[str, Any]) -> Answer:
    """Read ``jscmd=data``: records by the key that was asked; an unknown one is absent."""
    wanted = bibliographic.isbn13(query.natural_key)
    for key, raw in document.items():
        kind, _, code = key.partition(":")
        if kind == "ISBN" and wanted and bibliographic.isbn13(code) == wanted:
            problems: list[str] = []
            record = _Record.read(raw, key, problems)
            if record is None:
                raise UnparsablePayload(key, "; ".join(problems))
            return Answer("found", _fields(query, record), problems=tuple(problems))
    if document and not any(key.startswith("ISBN:") for key in document):
        raise UnparsablePayload("body", "none of Open Library's shapes; its format has changed")
    return Answer("not_found")


def _record(query: ItemQuery, document: dict[str, Any], *, work: bool) -> Answer:
    problems: list[str] = []
    record = _Record.read(document, "", problems)
    if record is None:
        raise UnparsablePayload("body", "; ".join(problems))
    if (listed := record.isbns()) and query.natural_key not in listed:
        # The page was asked by this ISBN or by its own key, so Open Library vouches for it.
        problems.append(f"isbn_13: {query.natural_key} is not among the ISBNs of the record")
    fields = _fields(query, record)
    key = document.get("key")
    if work and isinstance(key, str):
        fields["work_key"] = _bare_key(key)
    return Answer("found", fields, problems=tuple(problems))


def _editions(query: ItemQuery, entries: object) -> Answer:
    if not isinstance(entries, list):
        raise UnparsablePayload("entries", "not a list")
    problems: list[str] = []
    readable = 0
    for index, raw in enumerate(entries):
        record = _Record.read(raw, f"entries[{index}]", problems)
        readable += record is not None
        if record and query.natural_key in record.isbns():
            return Answer("found", _fields(query, record), problems=tuple(problems))
    return _none_matches("entries", len(entries), readable, problems, query)


def _search_page(query: ItemQuery, docs: object) -> Answer:
    if not isinstance(docs, list):
        raise UnparsablePayload("docs", "not a list")
    problems: list[str] = []
    readable = 0
    for index, raw in enumerate(docs):
        hit = _SearchHit.read(raw, f"docs[{index}]", problems)
        readable += hit is not None
        if hit and query.natural_key in _isbn13s(hit.isbn):
            fields = bibliographic.known(
                {
                    "title": hit.title,
                    "authors": bibliographic.joined(hit.author_name),
                    "thumbnail_url": COVER_URL.format(hit.cover_i) if hit.cover_i else None,
                    "subjects": bibliographic.subjects(hit.subject),
                    "work_key": _bare_key(hit.key),
                    "isbn13": query.natural_key,
                }
            )
            return Answer("found", fields, problems=tuple(problems))
    return _none_matches("docs", len(docs), readable, problems, query)


def _none_matches(
    path: str, count: int, readable: int, problems: list[str], query: ItemQuery
) -> Answer:
    """Return that a list knows nothing of the item; a list that cannot be read says nothing."""
    if not count:
        return Answer("not_found")
    if not readable:
        raise UnparsablePayload(path, f"none of {count} records can be read: {problems[0]}")
    missing = f"{path}: {count} records, none of which lists {query.natural_key}"
    return Answer("not_found", problems=(*problems, missing))


def _fields(query: ItemQuery, record: _Record) -> dict[str, str | int | float]:
    listed = record.isbns()
    return bibliographic.known(
        {
            "title": record.title,
            "authors": bibliographic.joined(record.authors),
            "publisher": record.publishers[0] if record.publishers else None,
            "publication_year": bibliographic.publication_year(record.publish_date),
            "binding": bibliographic.binding(record.physical_format),
            "page_count": bibliographic.page_count(record.number_of_pages or 0),
            "language": (
                bibliographic.language(_bare_key(record.languages[0].key))
                if record.languages
                else None
            ),
            "thumbnail_url": record.thumbnail(),
            "description": record.description,
            "subjects": bibliographic.subjects(record.subjects),
            "series": bibliographic.joined(record.series, "; "),
            "work_key": _bare_key(record.works[0].key) if record.works else None,
            "isbn13": query.natural_key if query.natural_key in listed else None,
            "isbn10": bibliographic.isbn10(query.natural_key)
            if query.natural_key in listed
            else None,
        }
    )


def _isbn13s(codes: Iterable[str]) -> set[str]:
    return {found for code in codes if (found := bibliographic.isbn13(code))}


def _bare_key(key: str) -> str:
    """``/works/OL1W`` is ``OL1W``, ``/languages/eng`` is ``eng``."""
    return key.rsplit("/", 1)[-1]
