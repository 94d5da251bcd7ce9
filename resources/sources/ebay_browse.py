"""eBay Browse: what a book is offered for now. Asks, never sales.

OAuth2 client credentials; the token lives two hours and has no refresh token. Only fixed-price
listings come back unless ``buyingOptions`` asks for the others. ``gtin`` takes UPCs only, so
the ISBN goes into ``q``. One page of 200 is read: the first listings in eBay's own order.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import httpx
from pydantic import AwareDatetime, Field

from pricing_assets.core.answers import Answer, ItemQuery, Listing
from resources.sources import wire
from resources.sources.base import (
    CredentialsRefused,
    Licence,
    QuotaExhausted,
    RetryableError,
    Source,
    SourceError,
    UnparsablePayload,
    error_of_status,
    retry_after_seconds,
)
from resources.sources.credentials import Credentials
from resources.sources.wire import Amount, Count, CurrencyCode, Text, Wire

SCOPE = "https://api.ebay.com/oauth/api_scope"
MARKETPLACE = "EBAY_US"
PAGE_LIMIT = 200
REQUEST_LIMIT_REACHED = 2001
_TOKEN_MARGIN_SECONDS = 60
_ID_CHARACTERS = 128
_CONDITION_CHARACTERS = 64


class _Money(Wire):
    """An amount in the marketplace's currency; eBay may have converted it from the seller's."""

    value: Amount
    currency: CurrencyCode


class _ShippingOption(Wire):
    cost: _Money | None = Field(None, alias="shippingCost")


class _ItemSummary(Wire):
    """One listing. The seller is not declared, so it is not kept."""

    essential: ClassVar[frozenset[str]] = frozenset({"itemId", "title", "price", "currentBidPrice"})

    item_id: Text = Field(alias="itemId", min_length=1, max_length=_ID_CHARACTERS)
    title: Text
    price: _Money | None = None
    current_bid: _Money | None = Field(None, alias="currentBidPrice")
    condition: Text | None = Field(None, max_length=_CONDITION_CHARACTERS)
    buying_options: tuple[Text, ...] = Field((), alias="buyingOptions")
    shipping_options: tuple[_ShippingOption, ...] = Field((), alias="shippingOptions")
    bids: Count | None = Field(None, alias="bidCount", ge=0)
    watchers: Count | None = Field(None, alias="watchCount", ge=0)
    created: AwareDatetime | None = Field(None, alias="itemCreationDate")

    def listing_type(self) -> str | None:
        """Return how it is sold; with a price to buy at once, that counts over the bidding."""
        if self.price is None or self.buying_options == ("AUCTION",):
            return "auction"
        if "BEST_OFFER" in self.buying_options:
            return "best_offer"
        if "FIXED_PRICE" in self.buying_options:
            return "fixed_price"
        return "auction" if "AUCTION" in self.buying_options else None


class _Error(Wire):
    error_id: Count | None = Field(None, alias="errorId")
    message: Text = ""
    long_message: Text = Field("", alias="longMessage")

    def __str__(self) -> str:
        """Return id and messages on one line."""
        return wire.excerpt(f"{self.error_id} {self.message} {self.long_message}")


class ClientCredentials(httpx.Auth):
    """An application token, fetched once, renewed before it expires and when it is refused."""

    def __init__(self, token_url: str, client_id: str, client_secret: str) -> None:
        self._token_url = token_url
        self._login = httpx.BasicAuth(client_id, client_secret)
        self._lock = asyncio.Lock()
        self._token = ""
        self._refused: CredentialsRefused | None = None
        self._expires = 0.0  # of the monotonic clock: the platform's own may stand still

    def __repr__(self) -> str:
        """Name the endpoint, not the secret."""
        return f"ClientCredentials({self._token_url})"

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the request with a token; on 401 once more with a new one.

        Raises:
            SourceError: No token was given; credentials that are refused close the source.
        """
        used = ""
        for _ in range(2):
            async with self._lock:
                if self._refused:
                    raise self._refused
                # Another request may have renewed the token that this one was refused with.
                if self._token == used or time.monotonic() >= self._expires:
                    response = yield self._token_request(request)
                    await response.aread()
                    self._keep(response)
                used = self._token
            request.headers["Authorization"] = f"Bearer {used}"
            answer = yield request
            if answer.status_code != httpx.codes.UNAUTHORIZED:
                return

    def _token_request(self, request: httpx.Request) -> httpx.Request:
        token_request = httpx.Request(
            "POST",
            self._token_url,
            data={"grant_type": "client_credentials", "scope": SCOPE},
            headers={"User-Agent": request.headers.get("User-Agent", "pricing-assets")},
            extensions=request.extensions,
        )
        return next(self._login.auth_flow(token_request))

    def _keep(self, response: httpx.Response) -> None:
        status = response.status_code
        detail = f"the token request: {wire.excerpt(response.text)}"
        if status in (400, 401, 403):
            # Remembered: what waits for the lock would only be refused as well.
            self._refused = CredentialsRefused(
                f"answered {status}: {detail}; check EBAY_CLIENT_ID and EBAY_CLIENT_SECRET"
            )
            raise self._refused
        if failure := error_of_status(status, detail, retry_after_seconds(response.headers)):
            raise failure
        try:
            match wire.read_json(response.content):
                case {"access_token": str(token), "expires_in": int(seconds)} if token:
                    self._token = token
                    margin = min(_TOKEN_MARGIN_SECONDS, seconds / 2)
                    self._expires = time.monotonic() + seconds - margin
                    return
        except ValueError:
            pass
        raise UnparsablePayload("access_token", "the token response has no token and lifetime")


class EbayBrowse(Source):
    """Asks for books by ISBN, from eBay's own search of active listings."""

    name = "ebay_browse"
    kind = "ask"
    categories = ("book",)
    base_url = "https://api.ebay.com"
    rate_per_second = 5.0
    cost_per_call_usd = Decimal(0)
    freshness = timedelta(days=3)
    credential_names = ("EBAY_CLIENT_ID", "EBAY_CLIENT_SECRET")
    licence = Licence(
        store_payloads=True,
        payload_retention_days=7,
        display_max_age_hours=6,
        redistribute=False,
        train="with agreement",
        note=(
            "eBay's API licence: copies only as long as needed, displayed listings at most 6 h "
            "old, no training of models without an agreement."
        ),
    )

    def auth(self, credentials: Credentials) -> httpx.Auth:
        """Return the application's token flow."""
        return ClientCredentials(
            f"{self.base_url}/identity/v1/oauth2/token",
            credentials.require("EBAY_CLIENT_ID"),
            credentials.require("EBAY_CLIENT_SECRET"),
        )

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Search active listings of every buying option."""
        return httpx.Request(
            "GET",
            f"{self.base_url}/buy/browse/v1/item_summary/search",
            params={
                "q": query.natural_key,
                "limit": PAGE_LIMIT,
                "filter": "buyingOptions:{FIXED_PRICE|AUCTION|BEST_OFFER}",
            },
            headers={"X-EBAY-C-MARKETPLACE-ID": MARKETPLACE},
        )

    def error(self, response: httpx.Response) -> SourceError | None:
        """Tell the daily limit (errorId 2001) from asking too fast, which says when to retry."""
        failure = super().error(response)
        if (
            isinstance(failure, RetryableError)
            and failure.retry_after is None
            and any(e.error_id == REQUEST_LIMIT_REACHED for e in _errors(response))
        ):
            return QuotaExhausted(
                f"{failure}; the limit is per day, so ask again tomorrow or have it raised"
            )
        return failure

    def error_detail(self, response: httpx.Response) -> str:
        """Return the ids and messages of ``errors``."""
        errors = _errors(response)
        return "; ".join(str(e) for e in errors) if errors else super().error_detail(response)

    def read(self, query: ItemQuery, document: Any) -> Answer:
        """Read a search page; a page without listings has no ``itemSummaries``."""
        if not isinstance(document, dict):
            raise UnparsablePayload("body", f"a {type(document).__name__}, not an object")
        problems: list[str] = []
        warnings = document.get("warnings")
        for index, raw in enumerate(warnings if isinstance(warnings, list) else []):
            if warning := _Error.read(raw, f"warnings[{index}]", problems):
                problems.append(f"warnings[{index}]: {warning}")
        summaries = document.get("itemSummaries", [])
        if not isinstance(summaries, list) or (
            "itemSummaries" not in document and document.get("total") != 0
        ):
            raise UnparsablePayload("itemSummaries", "no list of listings, nor a total of 0")
        listings = [
            listing
            for index, raw in enumerate(summaries)
            if (listing := _listing(raw, f"itemSummaries[{index}]", problems))
        ]
        if summaries and not listings:
            raise UnparsablePayload(
                "itemSummaries", f"none of {len(summaries)} listings can be read: {problems[-1]}"
            )
        return Answer(
            "found" if listings else "not_found",
            listings=tuple({entry.source_listing_id: entry for entry in listings}.values()),
            problems=tuple(problems),
        )


def _errors(response: httpx.Response) -> list[_Error]:
    try:
        document = wire.read_json(response.content)
    except ValueError:
        return []
    match document:
        case {"errors": list(entries)}:
            return [error for raw in entries if (error := _Error.read(raw, "errors", []))]
    return []


def _listing(raw: object, path: str, problems: list[str]) -> Listing | None:
    item = _ItemSummary.read(raw, path, problems)
    if item is None:
        return None
    money, field = (item.price, "price") if item.price else (item.current_bid, "currentBidPrice")
    if money is None:
        problems.append(f"{path}.price: missing")
        return None
    if money.value == 0:
        problems.append(f"{path}.{field}.value: not a price: '{money.value}'")
        return None
    return Listing(
        source_listing_id=item.item_id,
        kind="ask",
        title=item.title,
        price=money.value,
        currency=money.currency,
        shipping=_shipping(item, money.currency, path, problems),
        condition=item.condition or None,
        listing_type=item.listing_type(),
        bids=item.bids,
        watchers=item.watchers,
        listed_at=item.created.astimezone(UTC) if isinstance(item.created, datetime) else None,
    )


def _shipping(item: _ItemSummary, currency: str, path: str, problems: list[str]) -> Decimal | None:
    """Return the first option's cost; a calculated one is known only to a buyer."""
    cost = next((option.cost for option in item.shipping_options if option.cost), None)
    if cost is None:
        return None
    if cost.currency != currency:
        problems.append(f"{path}.shippingOptions: shipping in {cost.currency}, price in {currency}")
        return None
    return cost.value
