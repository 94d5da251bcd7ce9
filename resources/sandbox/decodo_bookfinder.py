"""BookFinder's page through Decodo as the sandbox plays it: ``universal``, rendered.

The copies on eBay are the ones that the simulated eBay lists; every other marketplace has copies
of its own in the same market. As on the real page, each offer is written twice, for small and
for large screens, and names its seller.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any
from urllib.parse import urlsplit

from resources.sandbox.catalogue import Book
from resources.sandbox.decodo import DecodoVendor, Job
from resources.sandbox.market import Offer
from resources.sandbox.wire import Call, dollars, isbns_in, stable_number

MARKETPLACES = ("ABEBOOKS", "ALIBRIS", "AMAZON_USA", "BIBLIO")
_SITE = "https://www.bookfinder.sandbox.invalid"
_BINDINGS = {
    "Hardcover": "HARDCOVER",
    "Paperback": "SOFTCOVER",
    "Mass Market Paperback": "MASSMARKET",
}
_PAGE = """<!DOCTYPE html><html lang="en"><head><title>BookFinder.com: simulated</title>
<script>window.searchState = {{"simulated": true}};</script></head>
<body><nav id="desktop-nav">BookFinder, simulated by the sandbox</nav>{body}</body></html>"""
_NOTHING = "<p>Sorry, we found no matching results at this time.</p>"


class DecodoBookfinder(DecodoVendor):
    """Copies on many marketplaces, by ISBN."""

    source = "decodo_bookfinder"
    lacks = 0.05

    def job(self, order: Mapping[str, Any], call: Call) -> Job | str:
        """Render the page of the ISBN in the address."""
        match order:
            case {"target": "universal", "url": str(url), "headless": "html"}:
                pass
            case _:
                return "The sandbox has target universal with url and headless html only"
        path = urlsplit(url).path
        if not path.startswith("/isbn/"):
            return Job((), url, 404, "")
        asked = isbns_in(path)
        cards = [
            card(book, marketplace, offer, rank)
            for code in asked
            if (book := self.books.get(code)) and self.knows(code)
            for rank, (marketplace, offer) in enumerate(self._offers(book, call))
        ]
        small_and_large = "".join(cards) * 2
        return Job(asked, url, 200, _PAGE.format(body=small_and_large or _NOTHING))

    def _offers(self, book: Book, call: Call) -> Iterator[tuple[str, Offer]]:
        for offer in self.market.asks(book, call.now):
            yield "EBAY", offer
        for marketplace in MARKETPLACES:
            for offer in self.market.asks(book, call.now, marketplace):
                yield marketplace, offer


def card(book: Book, marketplace: str, offer: Offer, rank: int) -> str:
    """Return the element of one offer."""
    condition = "NEW" if offer.condition == "Brand New" else "USED"
    attributes = {
        "data-test-id": f"search-offer-card-NON-RENTAL-{condition}-{rank}",
        "data-csa-c-item-type": "search-offer",
        "data-csa-c-affiliate": marketplace,
        "data-csa-c-usdprice": dollars(offer.price_cents),
        "data-csa-c-usdshipping": dollars(offer.shipping_cents),
        "data-csa-c-condition": condition,
        "data-csa-c-binding": _BINDINGS.get(book.binding, ""),
        "data-csa-c-title": f"{book.title} (simulated)",
        "data-csa-c-authors": ", ".join(book.authors),
        "data-csa-c-publisher": book.publisher,
        "data-csa-c-signed": str(offer.signed).lower(),
        "data-csa-c-firstedition": "false",
        "data-csa-c-seller": f"simulated_seller_{stable_number(offer.listing_id) % 5000:04d}",
    }
    written = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
    link = f"{_SITE}/click/{offer.listing_id}"
    price = f"${dollars(offer.price_cents + offer.shipping_cents)}"
    return f'<div {written}><a data-csa-c-action="clickout" href="{link}">{price}</a></div>\n'
