"""What a search of eBay finds in the sandbox, whichever vendor makes it.

Not here: the form in which a vendor tells of it.
"""

from datetime import datetime

from resources.sandbox.card_offers import card_offers
from resources.sandbox.market import Offer
from resources.sandbox.wire import Vendor, isbns_in, listing_title


def ebay_listings(
    vendor: Vendor, query: str, now: datetime, *, sold: bool
) -> list[tuple[str, Offer]]:
    """Return the titles and listings of the books whose ISBNs a search names, or of its card.

    Args:
        vendor: Who searches: some know nothing of some books.
        query: ISBNs, or a card's words.
        now: The market's date.
        sold: Whether sales are searched, and not copies on offer.
    """
    offers = vendor.market.sales if sold else vendor.market.asks
    return [
        (listing_title(book, offer), offer)
        for code in isbns_in(query)
        if (book := vendor.books.get(code)) and vendor.knows(code)
        for offer in offers(book, now)
    ] or card_offers(vendor.market.seed, query, now, sold=sold)
