"""Decodo as the sandbox plays it: ``POST /v2/scrape`` for ``amazon_product``, parsed.

A product is named by its ISBN-10. One that the catalogue lacks is a job that ended with 404. A
book is laid out as Amazon does it: its publisher carries the date, its title the binding.
"""

import base64
import hmac
import json
from typing import Any

from stdnum import isbn

from resources.sandbox import credential
from resources.sandbox.catalogue import Book
from resources.sandbox.wire import Call, Reply, Vendor, isbns_in, stable_number

_SITE = "https://www.amazon.sandbox.invalid"
_LANGUAGES = {
    "en": "English", "fr": "French", "de": "German", "es": "Spanish", "it": "Italian",
    "pt": "Portuguese", "nl": "Dutch", "ja": "Japanese", "ru": "Russian", "zh": "Chinese",
}  # fmt: skip


class DecodoAmazon(Vendor):
    """Amazon's page by ISBN-10; a login in the Authorization header."""

    source = "decodo_amazon"
    path = "/v2/scrape"
    method = "POST"
    lacks = 0.10
    is_metadata = True

    def refusal(self, call: Call) -> Reply | None:
        """Refuse a missing or wrong login."""
        login = f"{credential('DECODO_AUTHENTICATION')}:{credential('DECODO_PASSWORD')}"
        basic = f"Basic {base64.b64encode(login.encode()).decode()}"
        given = call.headers.get("authorization", "")
        if hmac.compare_digest(given.encode(), basic.encode()):
            return None
        return Reply(401, {"message": "Unauthorized"})

    def throttled(self) -> Reply:
        """Answer that the requests come too fast."""
        return Reply(429, {"message": "Too many requests"}, {"Retry-After": "1"})

    def answer(self, call: Call) -> Reply:
        """Do the one job that the body orders."""
        try:
            order = json.loads(call.body)
        except ValueError:
            return Reply(400, {"message": "The body is not JSON"})
        match order:
            case {"target": "amazon_product", "query": str(asin), "parse": True}:
                pass
            case _:
                message = "The sandbox has target amazon_product with query and parse only"
                return Reply(400, {"message": message})
        asked = isbns_in(asin)
        known = [self.books[code] for code in asked if code in self.books and self.knows(code)]
        url = f"{_SITE}/dp/{asin}"
        job: dict[str, Any] = {"content": "", "status_code": 404, "url": url}
        if known:
            results = product(known[0], asin)
            job["content"] = {"results": results, "errors": [], "status_code": 12000}
            job["status_code"] = 200
        job["task_id"] = str(stable_number("task", asin, call.now.isoformat()))
        job["created_at"] = job["updated_at"] = f"{call.now:%Y-%m-%d %H:%M:%S}"
        return Reply(200, {"results": [job]}, asked=asked)


def product(book: Book, asin: str) -> dict[str, Any]:
    """Return the parsed page of a book; what is not known of it is absent."""
    number = stable_number("amazon", book.isbn13)
    date = f"January 1, {book.publication_year}" if book.publication_year else ""
    details = {
        "isbn_10": isbn.to_isbn10(book.isbn13),
        "isbn_13": f"{book.isbn13[:3]}-{book.isbn13[3:]}",
        "publisher": f"{book.publisher} ({date})" if book.publisher and date else book.publisher,
        "publication_date": date,
        "print_length": f"{book.page_count} pages" if book.page_count else "",
        "language": _LANGUAGES.get(book.language, ""),
    }
    return {
        "url": f"{_SITE}/dp/{asin}",
        "asin": asin,
        "title": f"{book.title} {book.binding}" if book.binding else book.title,
        "manufacturer": ", ".join(f"{author} (Author)" for author in book.authors),
        "description": f"Simulated description of {book.title}, written by the sandbox.",
        "images": [f"{_SITE}/images/{asin}.jpg"] if number & 7 else [],
        "category": [{"ladder": [{"name": "Books"}, {"name": "Simulated"}]}],
        "product_details": {name: value for name, value in details.items() if value},
        "featured_merchant": {"name": f"simulated_seller_{number % 5000:04d}"},
        "currency": "USD",
        "parse_status_code": 12000,
    }
