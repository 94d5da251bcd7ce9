"""BrickLink: what its sources have in common, each of which has a module of its own.

Requests are signed with OAuth 1.0a; a token is bound to an IP address. Every body is
``{"meta": {code, message, description}, "data": …}``, sent as text/html, and the code in it is
the outcome: HTTP says 200 to refused credentials too. Amounts are texts with four decimals.
5,000 calls a day are allowed, over all three sources together.

BrickLink's terms want what is shown to be at most six hours old, and forbid copying its
catalogue.
"""

from abc import abstractmethod
from collections import Counter
from decimal import Decimal
from typing import Any, ClassVar, Literal
from urllib.parse import quote

import httpx
from pydantic import Field

from pricing_assets.core.answers import Answer, ItemQuery, Listing
from pricing_assets.core.categories.minifigure import is_rebrickable
from resources.sources import wire
from resources.sources.base import (
    Licence,
    QuotaExhausted,
    RetryableError,
    Source,
    SourceError,
    UnparsablePayload,
    error_of_status,
)
from resources.sources.credentials import Credentials
from resources.sources.oauth1 import OAuth1
from resources.sources.wire import Amount, Count, CurrencyCode, Moment, Text, Wire

ITEM_TYPE = "MINIFIG"
CURRENCY = "USD"
CONDITION: Literal["N", "U"] = "U"
"""A price guide is of new or of used items, new where it is not said. Nearly every figure
that is scanned is loose, so used."""

MAX_QUANTITY = 1_000_000
HALF_A_CENT = Decimal("0.005")
"""What is less is stored as nothing."""

_CONDITIONS = {"N": "New", "U": "Used"}
_KEYS = (
    "BRICKLINK_CONSUMER_KEY",
    "BRICKLINK_CONSUMER_SECRET",
    "BRICKLINK_TOKEN",
    "BRICKLINK_TOKEN_SECRET",
)


class _Meta(Wire):
    essential: ClassVar[frozenset[str]] = frozenset({"code"})

    code: Count
    message: Text = ""
    description: Text = ""

    def __str__(self) -> str:
        """Return message and description on one line."""
        texts = dict.fromkeys(text for text in (self.message, self.description) if text)
        return wire.excerpt(": ".join(texts)) or "no explanation"


class _Item(Wire):
    no: Text
    type: Text = ""


class _PriceDetail(Wire):
    """One sale or one lot on offer. Where seller and buyer live is not declared."""

    essential: ClassVar[frozenset[str]] = frozenset({"unit_price"})

    unit_price: Amount
    quantity: Count | None = Field(None, ge=1, le=MAX_QUANTITY)
    # The misspelt name came first; the documentation still has it, as deprecated.
    misspelt_quantity: Count | None = Field(None, alias="qunatity", ge=1, le=MAX_QUANTITY)
    ordered: Moment | None = Field(None, alias="date_ordered")


class _PriceGuide(Wire):
    essential: ClassVar[frozenset[str]] = frozenset({"item", "currency_code", "price_detail"})

    item: _Item
    currency: CurrencyCode = Field(alias="currency_code")
    new_or_used: Text = Field(CONDITION, max_length=1)
    lots: Count | None = Field(None, alias="unit_quantity")
    details: tuple[Any, ...] = Field(alias="price_detail")


class BrickLink(Source):
    """What all of BrickLink's sources share."""

    categories = ("minifigure",)
    base_url = "https://api.bricklink.com"
    rate_per_second = 1.0
    calls_a_day = 5_000
    allowance = "bricklink"
    cost_per_call_usd = Decimal(0)
    credential_names = _KEYS
    licence = Licence(
        store_payloads=True,
        payload_retention_days=30,
        display_max_age_hours=6,
        redistribute=False,
        train="with agreement",
        note=(
            "BrickLink's API terms want content that is shown to be at most 6 hours old, with "
            "its trademark notice, and forbid copying the catalogue."
        ),
    )

    def covers(self, query: ItemQuery) -> bool:
        """Whether the number is BrickLink's own; Rebrickable's mean nothing to it."""
        return not is_rebrickable(query.natural_key)

    def auth(self, credentials: Credentials) -> httpx.Auth:
        """Sign every request."""
        return OAuth1(*(credentials.require(name) for name in _KEYS))

    def error(self, response: httpx.Response) -> SourceError | None:
        """Tell the day's limit from asking too fast."""
        return _or_quota(super().error(response))

    def error_detail(self, response: httpx.Response) -> str:
        """Return message and description of ``meta``."""
        try:
            document = wire.read_json(response.content)
        except ValueError:
            return super().error_detail(response)
        raw = document.get("meta") if isinstance(document, dict) else None
        meta = _Meta.read(raw, "meta", [])
        return str(meta) if meta else super().error_detail(response)

    def read(self, query: ItemQuery, document: Any) -> Answer:
        """Read the envelope: its code is the outcome, whatever HTTP says."""
        if not isinstance(document, dict):
            raise UnparsablePayload("body", f"a {type(document).__name__}, not an object")
        problems: list[str] = []
        meta = _Meta.read(document.get("meta"), "meta", problems)
        if meta is None:
            raise UnparsablePayload("meta", "; ".join(problems))
        if meta.code == httpx.codes.NOT_FOUND:
            return Answer("not_found")
        if failure := _or_quota(error_of_status(meta.code, str(meta))):
            raise failure
        data = document.get("data")
        if not isinstance(data, dict):
            raise UnparsablePayload("data", f"a {type(data).__name__}, not an object")
        if not data:
            return Answer("not_found", problems=("data: empty, taken for an unknown item",))
        return self.read_data(query, data)

    @abstractmethod
    def read_data(self, query: ItemQuery, data: dict[str, Any]) -> Answer:
        """Return what the ``data`` of a success says."""

    def item_url(self, query: ItemQuery) -> str:
        """Return the address of the figure."""
        number = quote(query.natural_key, safe="")
        return f"{self.base_url}/api/store/v1/items/{ITEM_TYPE}/{number}"


def price_guide_request(
    source: BrickLink, query: ItemQuery, guide_type: Literal["sold", "stock"]
) -> httpx.Request:
    """Return the request for the price guide of used figures, in US dollars, line by line.

    Region and country are not given: a region that BrickLink does not know silently means
    worldwide, so a mistake in one would change what every price means.
    """
    return httpx.Request(
        "GET",
        f"{source.item_url(query)}/price",
        params={
            "guide_type": guide_type,
            "new_or_used": CONDITION,
            "currency_code": CURRENCY,
            "vat": "N",
        },
    )


def read_price_guide(
    query: ItemQuery, data: dict[str, Any], kind: Literal["sold", "ask"]
) -> Answer:
    """Read a price guide; one without lines is of a figure that nobody sells.

    A line is one order or one lot.

    Raises:
        UnparsablePayload: It is none, or none of its lines can be read.
    """
    problems: list[str] = []
    guide = _PriceGuide.read(data, "data", problems)
    if guide is None:
        raise UnparsablePayload("data", "; ".join(problems))
    if other := of_another_item(query, guide.item.no, "data.item.no"):
        return Answer("not_found", problems=(*problems, other))
    if not guide.details and guide.lots:
        raise UnparsablePayload(
            "data.price_detail", f"empty, though {guide.lots} lines are announced"
        )
    seen: Counter[str] = Counter()
    listings = tuple(
        listing
        for index, raw in enumerate(guide.details)
        if (listing := _listing(guide, kind, raw, f"data.price_detail[{index}]", seen, problems))
    )
    if guide.details and not listings:
        raise UnparsablePayload(
            "data.price_detail", f"none of {len(guide.details)} lines can be read: {problems[-1]}"
        )
    return Answer("found" if listings else "not_found", listings=listings, problems=tuple(problems))


def _listing(
    guide: _PriceGuide,
    kind: Literal["sold", "ask"],
    raw: object,
    path: str,
    seen: Counter[str],
    problems: list[str],
) -> Listing | None:
    line = _PriceDetail.read(raw, path, problems)
    if line is None:
        return None
    if line.unit_price < HALF_A_CENT:
        problems.append(f"{path}.unit_price: not a price: '{line.unit_price}'")
        return None
    quantity = line.quantity or line.misspelt_quantity or 1
    when = f"{line.ordered:%Y-%m-%dT%H:%M:%S.%f}" if line.ordered else "undated"
    # A line has no id, so it is named by what it says. Lines that say the same are numbered:
    # two lots at one price are two lots.
    says = f"{guide.new_or_used} {when} {quantity} x {line.unit_price:.4f} {guide.currency}"
    seen[says] += 1
    return Listing(
        source_listing_id=f"{says} #{seen[says]}",
        kind=kind,
        title=f"Minifigure {guide.item.no}",
        price=line.unit_price,
        currency=guide.currency,
        quantity=quantity,
        condition=_CONDITIONS.get(guide.new_or_used),
        listing_type="fixed_price",
        sold_at=line.ordered,
    )


def of_another_item(query: ItemQuery, number: str, path: str) -> str | None:
    """Return the problem of an answer about another figure than was asked."""
    if number.lower() == query.natural_key:
        return None
    return f"{path}: asked about {query.natural_key}, answered about {wire.excerpt(number, 40)}"


def _or_quota(failure: SourceError | None) -> SourceError | None:
    if isinstance(failure, RetryableError) and failure.retry_after is None:
        text = str(failure).lower()
        if any(words in text for words in ("daily", "per day", "quota", "limit exceeded")):
            return QuotaExhausted(
                f"{failure}; 5,000 calls a day are allowed, so ask again tomorrow"
            )
    return failure
