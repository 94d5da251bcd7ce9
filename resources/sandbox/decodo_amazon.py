"""Decodo as the sandbox plays it: ``POST /v2/scrape`` for ``amazon_product``, parsed.

A product is named by its ISBN-10. One that the catalogue lacks is a job that ended with 404. A
book is laid out as Amazon does it: its publisher carries the date, its title the binding.
"""

from collections.abc import Mapping
from typing import Any

from stdnum import isbn

from resources.sandbox.catalogue import Book
from resources.sandbox.decodo import DecodoVendor, Job
from resources.sandbox.wire import Call, isbns_in, stable_number

_SITE = "https://www.amazon.sandbox.invalid"
_LANGUAGES = {
    "en": "English", "fr": "French", "de": "German", "es": "Spanish", "it": "Italian",
    "pt": "Portuguese", "nl": "Dutch", "ja": "Japanese", "ru": "Russian", "zh": "Chinese",
}  # fmt: skip


class DecodoAmazon(DecodoVendor):
    """Amazon's page by ISBN-10."""

    source = "decodo_amazon"
    lacks = 0.10
    is_metadata = True

    def job(self, order: Mapping[str, Any], call: Call) -> Job | str:
        """Parse the page of the product."""
        match order:
            case {"target": "amazon_product", "query": str(asin), "parse": True}:
                pass
            case _:
                return "The sandbox has target amazon_product with query and parse only"
        asked = isbns_in(asin)
        known = [self.books[code] for code in asked if code in self.books and self.knows(code)]
        url = f"{_SITE}/dp/{asin}"
        if not known:
            return Job(asked, url, 404, "")
        results = product(known[0], asin)
        return Job(asked, url, 200, {"results": results, "errors": [], "status_code": 12000})


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
