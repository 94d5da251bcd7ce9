"""BooksRun as the sandbox plays it: ``/api/price/sell/{isbn}?key=…``.

Errors have status 200, as the vendor documents its wrong key. A book that it does not buy, or
does not know, has prices of 0.
"""

from resources.sandbox import credential
from resources.sandbox.wire import Call, Reply, Vendor, isbns_in

CONDITIONS = {"Average": 0.9, "Good": 1.0, "New": 1.1}
"""What a copy in each condition is worth to it, as a share of a good one."""


class BooksRun(Vendor):
    """Bids by ISBN; a key in the query."""

    source = "booksrun"
    path = "/api/price/sell/{isbn}"
    faults = frozenset({"quota_exceeded"})

    def refusal(self, call: Call) -> Reply | None:
        """Refuse a missing or wrong ``key``."""
        if call.params.get("key") == credential("BOOKSRUN_KEY"):
            return None
        return Reply(200, {"result": {"status": "error", "text": "Wrong API access key"}})

    def throttled(self) -> Reply:
        """Answer that the requests come too fast; how the vendor does it is not documented."""
        result = {"status": "error", "text": "Too many requests"}
        return Reply(429, {"result": result}, {"Retry-After": "1"})

    def failing(self, kind: str) -> Reply | None:
        """Answer that the day's limit is reached; as with the key, in a 200."""
        if kind != "quota_exceeded":
            return None
        return Reply(200, {"result": {"status": "error", "text": "Daily limit exceeded"}})

    def answer(self, call: Call) -> Reply:
        """Bid for the book that the path names."""
        asked = isbns_in(call.path_params["isbn"])
        bids = [
            self.market.bid(book, self.source, call.now)
            for code in asked
            if (book := self.books.get(code)) and self.knows(code)
        ]
        cents = bids[0] if bids else 0
        prices = {name: round(cents * share) / 100 for name, share in CONDITIONS.items()}
        return Reply(200, {"result": {"status": "success", "text": prices}}, asked=asked)
