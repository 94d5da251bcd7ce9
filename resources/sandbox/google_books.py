"""Google Books as the sandbox plays it: ``/books/v1/volumes?q=isbn:…&key=…``.

Without a key the answer is the 429 of a project whose daily quota is 0, with a wrong one
400 ``API_KEY_INVALID``. Beyond the rate, the 429 is that of the quota per minute. Nothing
found is 200 without ``items``. Volume ids begin with ``SIM``.
"""

import base64
from collections.abc import Mapping
from typing import Any

from stdnum import isbn

from resources.sandbox import credential
from resources.sandbox.catalogue import Book
from resources.sandbox.wire import Call, Reply, Vendor, isbns_in, stable_number

_SITE = "https://books.google.sandbox.invalid"
_API = "https://www.googleapis.sandbox.invalid/books/v1/volumes"


class GoogleBooks(Vendor):
    """Metadata by ISBN; an API key in the query."""

    source = "google_books"
    path = "/books/v1/volumes"
    lacks = 0.11
    is_metadata = True
    faults = frozenset({"quota_exceeded"})

    def refusal(self, call: Call) -> Reply | None:
        """Refuse a missing or wrong ``key``."""
        key = call.params.get("key")
        if not key:
            return _quota("day", "defaultPerDayPerProject", "0", "1/d/{project}")
        if key != credential("GOOGLE_BOOKS_API_KEY"):
            message = "API key not valid. Please pass a valid API key."
            reason = {"reason": "API_KEY_INVALID", "domain": "googleapis.com"}
            metadata = {"service": "books.googleapis.com"}
            return _error(400, message, "badRequest", "INVALID_ARGUMENT", reason, metadata)
        return None

    def throttled(self) -> Reply:
        """Answer that the quota per minute is used up."""
        reply = _quota("minute", "defaultPerMinutePerProject", "100", "1/min/{project}")
        return Reply(reply.status, reply.document, {"Retry-After": "1"})

    def failing(self, kind: str) -> Reply | None:
        """Answer that the day's quota is used up."""
        if kind != "quota_exceeded":
            return None
        return _quota("day", "defaultPerDayPerProject", "1000", "1/d/{project}")

    def answer(self, call: Call) -> Reply:
        """Find the volumes whose ISBN ``q`` names."""
        query = call.params.get("q", "")
        if not query:
            return _error(400, "Missing query.", "queryRequired", "INVALID_ARGUMENT", {}, {})
        asked = isbns_in(query)
        known = [code for code in asked if self.knows(code)]
        volumes = [volume(self.books[code]) for code in known if code in self.books]
        document: dict[str, Any] = {"kind": "books#volumes", "totalItems": len(volumes)}
        if volumes:
            document["items"] = volumes
        return Reply(200, document, asked=asked)


def volume(book: Book) -> dict[str, Any]:
    """Return the volume of an edition; what is not known of it is absent."""
    number = stable_number("volume", book.isbn13)
    volume_id = "SIM" + base64.urlsafe_b64encode(number.to_bytes(8))[:9].decode()
    identifiers = [{"type": "ISBN_13", "identifier": book.isbn13}]
    if book.isbn13.startswith("978"):
        identifiers.append({"type": "ISBN_10", "identifier": isbn.to_isbn10(book.isbn13)})
    info: dict[str, Any] = {
        "title": book.title,
        "authors": list(book.authors),
        "publisher": book.publisher,
        "publishedDate": str(book.publication_year) if book.publication_year else "",
        "description": _description(book),
        "industryIdentifiers": identifiers,
        "readingModes": {"text": False, "image": False},
        "pageCount": book.page_count,
        "printType": "BOOK",
        "categories": ["Fiction"] if number & 3 else ["Nonfiction"],
        "maturityRating": "NOT_MATURE",
        "allowAnonLogging": False,
        "contentVersion": "0.0.1.0.preview.0",
        "language": book.language,
        "previewLink": f"{_SITE}/books?id={volume_id}&cd=1&source=gbs_api",
        "infoLink": f"{_SITE}/books?id={volume_id}&source=gbs_api",
        "canonicalVolumeLink": f"{_SITE}/books/about/simulated.html?id={volume_id}",
    }
    if number >> 32 & 7:  # one in eight has no cover
        cover = f"{_SITE}/books/content?id={volume_id}&printsec=frontcover&img=1"
        info["imageLinks"] = {
            "smallThumbnail": f"{cover}&zoom=5&source=gbs_api",
            "thumbnail": f"{cover}&zoom=1&source=gbs_api",
        }
    return {
        "kind": "books#volume",
        "id": volume_id,
        "etag": f"sim{number % 10**8:08d}",
        "selfLink": f"{_API}/{volume_id}",
        "volumeInfo": {name: value for name, value in info.items() if value not in ("", None, [])},
        "saleInfo": {"country": "US", "saleability": "NOT_FOR_SALE", "isEbook": False},
        "accessInfo": {"country": "US", "viewability": "NO_PAGES", "publicDomain": False},
    }


def _description(book: Book) -> str:
    by = f" by {', '.join(book.authors)}" if book.authors else ""
    return f"Simulated description of {book.title}{by}, written by the sandbox."


def _quota(period: str, limit: str, value: str, unit: str) -> Reply:
    message = (
        f"Quota exceeded for quota metric 'Queries' and limit 'Queries per {period}' of service "
        "'books.googleapis.com' for consumer 'project_number:000000000000' (simulated)."
    )
    reason = {"reason": "RATE_LIMIT_EXCEEDED", "domain": "googleapis.com"}
    metadata = {
        "consumer": "projects/000000000000",
        "quota_metric": "books.googleapis.com/default",
        "quota_location": "global",
        "quota_limit": limit,
        "quota_limit_value": value,
        "quota_unit": unit,
        "service": "books.googleapis.com",
    }
    return _error(429, message, "rateLimitExceeded", "RESOURCE_EXHAUSTED", reason, metadata)


def _error(
    code: int,
    message: str,
    reason: str,
    status: str,
    info: Mapping[str, str],
    metadata: Mapping[str, str],
) -> Reply:
    error: dict[str, Any] = {
        "code": code,
        "message": message,
        "errors": [{"message": message, "domain": "global", "reason": reason}],
        "status": status,
    }
    if info:
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        error["details"] = [{"@type": kind, **info, "metadata": dict(metadata)}]
    return Reply(code, {"error": error})
