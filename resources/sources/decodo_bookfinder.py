"""BookFinder's page of a book as Decodo's browser sees it: asks on many marketplaces, no sales.

Each offer is an element with ``data-csa-c-item-type="search-offer"`` that tells of itself in
further attributes, prices in US dollars. The page is written twice, for small screens and for
large ones: an offer's ``data-test-id`` is the same in both. Only the first page is read, of up to
50 new and 50 used copies. No payload of this page has been recorded: the shape is that of public
readers of it.

What is left out: rented copies, and eBay's own listings. Those are the eBay source's to tell,
which names them; here they have no item number by which one listing could be told to be the same.
A dealer who offers one copy on several marketplaces is several asks, as in life.

An offer has no id of its own. Ours is made of the ISBN, the marketplace and a hash of all that is
kept of the offer, its price too, so that a copy with another price is another ask; offers that are
alike in all of it are numbered. The link to the marketplace is not in it, for it may carry the
visit, and the seller is not, for that can be a person. No seller is declared, so none is kept; the
page names them, so it is not kept either.

AWS WAF guards the site and shows a challenge in place of the page. So a page without an offer
means that nothing is on offer only where BookFinder says so in words.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any, ClassVar
from urllib.parse import urlencode

import httpx
from pydantic import Field

from pricing_assets.core.answers import Answer, ItemQuery, Listing
from resources.sources.base import Licence, PermanentError, RetryableError, UnparsablePayload
from resources.sources.credentials import Credentials
from resources.sources.decodo import CONTENT_PATH, JOB_FAULTED, DecodoSource
from resources.sources.wire import Amount, Text, Wire

CURRENCY = "USD"
SITE = "https://www.bookfinder.com"
SEARCH = {"binding": "ANY", "condition": "ANY", "currency": CURRENCY, "destination": "US"}
NOTHING_FOUND = "sorry, we found no matching results"
_RENTED = re.compile(r"search-offer-card-RENTAL\b")
_EBAY = re.compile(r"(?i)ebay(?:_|$)")
_CHALLENGE = re.compile(r"awsWafCookieDomainList|gokuProps|(?:challenge|captcha)-container")
_UNSEEN = frozenset({"script", "style"})
_CONDITIONS = {"NEW": "New", "USED": "Used"}
_BINDINGS = {"HARDCOVER": "Hardcover", "SOFTCOVER": "Paperback", "MASSMARKET": "Mass Market"}
_HASH_CHARACTERS = 24

Attributes = Mapping[str, str | None]


class _Offer(Wire):
    """One copy on a marketplace."""

    essential: ClassVar[frozenset[str]] = frozenset(
        {"data-csa-c-affiliate", "data-csa-c-usdprice", "data-csa-c-title"}
    )

    marketplace: Text = Field(alias="data-csa-c-affiliate", min_length=1, max_length=64)
    price: Amount = Field(alias="data-csa-c-usdprice")
    title: Text = Field(alias="data-csa-c-title", min_length=1)
    shipping: Amount | None = Field(None, alias="data-csa-c-usdshipping")
    authors: Text = Field("", alias="data-csa-c-authors")
    publisher: Text = Field("", alias="data-csa-c-publisher")
    condition: Text = Field("", alias="data-csa-c-condition")
    binding: Text = Field("", alias="data-csa-c-binding")
    signed: Text = Field("", alias="data-csa-c-signed")
    first_edition: Text = Field("", alias="data-csa-c-firstedition")

    def listing_title(self) -> str:
        """Return the title with what the other attributes say, in a seller's words."""
        said = (
            "Signed" if _is_true(self.signed) else "",
            "First Edition" if _is_true(self.first_edition) else "",
            _BINDINGS.get(self.binding.upper(), ""),
        )
        by = f" by {self.authors}" if self.authors else ""
        details = ", ".join(word for word in said if word)
        return f"{self.title}{by}{f' ({details})' if details else ''}"

    def listing_id(self, isbn: str) -> str:
        """Return an id that is the same whenever the same offer is seen."""
        told = (
            *(self.title, self.authors, self.publisher, self.condition, self.binding),
            *(self.signed, self.first_edition),
            f"{self.price:.2f}",
            "" if self.shipping is None else f"{self.shipping:.2f}",
        )
        digest = hashlib.sha256("\n".join(told).encode()).hexdigest()
        return f"{isbn}:{self.marketplace.lower()}:{digest[:_HASH_CHARACTERS]}"


class DecodoBookfinder(DecodoSource):
    """Asks for books by ISBN, from BookFinder's comparison of marketplaces."""

    name = "decodo_bookfinder"
    kind = "ask"
    categories = ("book",)
    active_by_default = False
    cost_per_call_usd = Decimal("0.004")  # about: the plan decides; a browser costs more
    freshness = timedelta(days=3)
    # 202 is what AWS WAF answers first, and what a browser that passed it can be left with.
    page_statuses = frozenset({200, 202})
    # By 403 and 405 AWS WAF refuses one visitor; the next job comes from another address.
    retryable_statuses = JOB_FAULTED | {403, 405}
    licence = Licence(
        store_payloads=False,
        payload_retention_days=None,
        display_max_age_hours=6,
        redistribute=False,
        train="no",
        note=(
            "BookFinder's conditions of use allow no robots, and the offers are the "
            "marketplaces'; Decodo's terms leave that to its customer. Have an agreement before "
            "switching it on. Pages name sellers, who can be persons, and are not kept."
        ),
    )

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Order the page of the ISBN, as it is once its scripts have run."""
        return self.order(
            target="universal",
            url=f"{SITE}/isbn/{query.natural_key}/?{urlencode(SEARCH)}",
            headless="html",
        )

    def missing_page(self) -> Answer:
        """Refuse a 404, which says that the address is wrong: it says "no results" otherwise."""
        raise PermanentError(
            f"answered that its job ended with 404; check that {SITE}/isbn/ is still the address"
        )

    def read_content(self, query: ItemQuery, content: Any) -> Answer:
        """Read the offers of the page.

        Raises:
            RetryableError: The page is a challenge, or its offers were not there yet.
            UnparsablePayload: It is another page, or none of its offers can be read.
        """
        if not isinstance(content, str):
            raise UnparsablePayload(CONTENT_PATH, "no text, so no page")
        page = _page(content)
        if not page.offers:
            _check_empty(page, content)
            return Answer("not_found")
        return _asks(query, page.offers)


class _Page(HTMLParser):
    """What a page shows: its offers, each as attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.offers: list[Attributes] = []
        self._texts: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an offer."""
        self._inside = tag
        # Of an attribute that is written twice, the first counts.
        attributes = dict(reversed(attrs))
        if attributes.get("data-csa-c-item-type") == "search-offer":
            self.offers.append(attributes)

    def handle_endtag(self, tag: str) -> None:
        """Leave a script."""
        self._inside = ""

    def handle_data(self, data: str) -> None:
        """Take text that a person sees."""
        if self._inside not in _UNSEEN:
            self._texts.append(data)

    @property
    def text(self) -> str:
        """The text, with single blanks, in small letters."""
        return " ".join("".join(self._texts).split()).lower()


def _page(html: str) -> _Page:
    page = _Page()
    try:
        # Never closed: the time in which the parser makes something of what is cut off grows
        # with the square of a page of opened comments (200 kB took 23 s).
        page.feed(html)
    except AssertionError:
        # The parser's way to say that a declaration is none.
        raise UnparsablePayload(CONTENT_PATH, "not HTML") from None
    return page


def _check_empty(page: _Page, html: str) -> None:
    """Return when BookFinder says that it found nothing.

    Raises:
        RetryableError: The page is a challenge, or its offers were not there yet.
        UnparsablePayload: It is no page of BookFinder's.
    """
    if NOTHING_FOUND in page.text:
        return
    if _CHALLENGE.search(html):
        raise RetryableError("was shown a challenge of AWS WAF in place of BookFinder's page")
    if "bookfinder" in page.text:
        raise RetryableError("loaded BookFinder's page without its offers")
    raise UnparsablePayload(
        CONTENT_PATH, "no offers, nor BookFinder's words that it has none: another page"
    )


def _asks(query: ItemQuery, offers: list[Attributes]) -> Answer:
    problems: list[str] = []
    listings: dict[str, Listing] = {}
    alike: Counter[str] = Counter()
    wanted = [(index, shown) for index, shown in _shown_once(offers) if not _left_out(shown)]
    for index, shown in wanted:
        offer = _offer(shown, f"{CONTENT_PATH}.offers[{index}]", problems)
        if offer is None:
            continue
        listing_id = offer.listing_id(query.natural_key)
        # Without a name, one that is alike may be the same offer in the other layout.
        if shown.get("data-test-id"):
            alike[listing_id] += 1
        if alike[listing_id] > 1:
            listing_id = f"{listing_id}:{alike[listing_id]}"
        listings[listing_id] = _listing(offer, listing_id)
    if wanted and not listings:
        raise UnparsablePayload(
            CONTENT_PATH, f"none of {len(wanted)} offers can be read: {problems[0]}"
        )
    return Answer(
        "found" if listings else "not_found",
        listings=tuple(listings.values()),
        problems=tuple(problems),
    )


def _shown_once(offers: list[Attributes]) -> Iterator[tuple[int, Attributes]]:
    """Yield each offer with its place, and none again that the other layout repeats."""
    names: set[str] = set()
    for index, shown in enumerate(offers):
        name = shown.get("data-test-id")
        if name and name in names:
            continue
        names.add(name or "")
        yield index, shown


def _left_out(attributes: Attributes) -> bool:
    rented = _RENTED.match(attributes.get("data-test-id") or "")
    return bool(rented or _EBAY.match((attributes.get("data-csa-c-affiliate") or "").strip()))


def _offer(attributes: Attributes, path: str, problems: list[str]) -> _Offer | None:
    offer = _Offer.read(dict(attributes), path, problems)
    if offer is not None and round(offer.price, 2) == 0:
        problems.append(f"{path}.data-csa-c-usdprice: not a price: '{offer.price}'")
        return None
    return offer


def _listing(offer: _Offer, listing_id: str) -> Listing:
    return Listing(
        source_listing_id=listing_id,
        kind="ask",
        title=offer.listing_title(),
        price=offer.price,
        currency=CURRENCY,
        shipping=offer.shipping,
        condition=_CONDITIONS.get(offer.condition.upper()),
        listing_type="fixed_price",
    )


def _is_true(text: str) -> bool:
    return text.lower() == "true"
