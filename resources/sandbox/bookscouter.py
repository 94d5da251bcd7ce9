"""BookScouter as the sandbox plays it: ``/services/v1/cachedPrices/{isbn}?apiKey=…``.

Fourteen dealers, each named as simulated; one that does not buy the book has a price of 0. An
unknown book is 404.
"""

from typing import Any

from stdnum import isbn

from resources.sandbox import credential
from resources.sandbox.catalogue import Book
from resources.sandbox.wire import Call, Reply, Vendor, isbns_in

DEALERS = tuple(range(1, 15))


class BookScouter(Vendor):
    """Bids of many dealers by ISBN; a key in the query."""

    source = "bookscouter"
    path = "/services/v1/cachedPrices/{isbn}"
    faults = frozenset({"quota_exceeded"})

    def refusal(self, call: Call) -> Reply | None:
        """Refuse a missing or wrong ``apiKey``."""
        if call.params.get("apiKey") == credential("BOOKSCOUTER_API_KEY"):
            return None
        return _error(401, "Invalid API key")

    def throttled(self) -> Reply:
        """Answer that the requests come too fast."""
        reply = _error(429, "Too many requests")
        return Reply(reply.status, reply.document, {"Retry-After": "1"})

    def failing(self, kind: str) -> Reply | None:
        """Answer that the quota is used up, in a 200."""
        return _error(200, "Quota exceeded") if kind == "quota_exceeded" else None

    def answer(self, call: Call) -> Reply:
        """Tell every dealer's bid for the book that the path names."""
        asked = isbns_in(call.path_params["isbn"])
        known = [self.books[code] for code in asked if code in self.books and self.knows(code)]
        if not known:
            return _error(404, "ISBN not found")
        (book,) = known
        bids = [self._bid(book, dealer, call) for dealer in DEALERS]
        codes: dict[str, Any] = {"Isbn13": book.isbn13}
        if book.isbn13.startswith("978"):
            codes["Isbn10"] = isbn.to_isbn10(book.isbn13)
        document = {"status": "success", "isbn": codes, "cachedPrices": bids}
        return Reply(200, document, asked=asked)

    def _bid(self, book: Book, dealer: int, call: Call) -> dict[str, Any]:
        return {
            "VendorId": dealer,
            "VendorName": f"Simulated Dealer {dealer}",
            "Price": self.market.bid(book, f"dealer-{dealer}", call.now) / 100,
            "UpdatedOn": f"{call.now:%Y-%m-%d} 00:00:00",
        }


def _error(status: int, message: str) -> Reply:
    return Reply(status, {"status": "error", "message": message})
