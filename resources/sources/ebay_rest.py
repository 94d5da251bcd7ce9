"""What eBay's REST APIs have in common: tokens, money, errors and warnings.

OAuth2 client credentials; the token lives two hours and has no refresh token. No API's own
request or listing belongs here.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Annotated, Any, ClassVar

import httpx
from pydantic import Field

from resources.sources import wire
from resources.sources.base import (
    CredentialsRefused,
    QuotaExhausted,
    RetryableError,
    Source,
    SourceError,
    UnparsablePayload,
    error_of_status,
    retry_after_seconds,
)
from resources.sources.credentials import Credentials
from resources.sources.wire import Amount, Count, CurrencyCode, Part, Percent, Text, Wire

MARKETPLACE = "EBAY_US"
PAGE_LIMIT = 200
REQUEST_LIMIT_REACHED = 2001
_TOKEN_MARGIN_SECONDS = 60


class Money(Wire):
    """An amount in the marketplace's currency; eBay may have converted it from the seller's."""

    value: Amount
    currency: CurrencyCode


class Seller(Wire):
    """Of a listing's seller the rating; the name is not declared, so it is not kept."""

    feedback: Percent | None = Field(None, alias="feedbackPercentage")


ListingSeller = Annotated[Seller | None, Part]


class Error(Wire):
    """One entry of ``errors`` or ``warnings``."""

    error_id: Count | None = Field(None, alias="errorId")
    message: Text = ""
    long_message: Text = Field("", alias="longMessage")

    def __str__(self) -> str:
        """Return id and messages on one line."""
        return wire.excerpt(f"{self.error_id} {self.message} {self.long_message}")


class ClientCredentials(httpx.Auth):
    """An application token, fetched once, renewed before it expires and when it is refused."""

    def __init__(self, token_url: str, scope: str, client_id: str, client_secret: str) -> None:
        self._token_url = token_url
        self._scope = scope
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
            data={"grant_type": "client_credentials", "scope": self._scope},
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
                f"answered {status}: {detail}; check EBAY_CLIENT_ID and EBAY_CLIENT_SECRET, "
                f"and that eBay lets them ask for the scope {self._scope}"
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


class EbaySource(Source):
    """One of eBay's REST APIs.

    Attributes:
        scope: What the token has to allow.
    """

    base_url = "https://api.ebay.com"
    rate_per_second = 5.0
    credential_names = ("EBAY_CLIENT_ID", "EBAY_CLIENT_SECRET")
    scope: ClassVar[str]

    def auth(self, credentials: Credentials) -> httpx.Auth:
        """Return the application's token flow."""
        return ClientCredentials(
            f"{self.base_url}/identity/v1/oauth2/token",
            self.scope,
            credentials.require("EBAY_CLIENT_ID"),
            credentials.require("EBAY_CLIENT_SECRET"),
        )

    def error(self, response: httpx.Response) -> SourceError | None:
        """Tell the daily limit (errorId 2001) from asking too fast, which says when to retry."""
        failure = super().error(response)
        if (
            isinstance(failure, RetryableError)
            and failure.retry_after is None
            and any(e.error_id == REQUEST_LIMIT_REACHED for e in errors(response))
        ):
            return QuotaExhausted(
                f"{failure}; the limit is per day, so ask again tomorrow or have it raised"
            )
        return failure

    def error_detail(self, response: httpx.Response) -> str:
        """Return the ids and messages of ``errors``."""
        found = errors(response)
        return "; ".join(str(e) for e in found) if found else super().error_detail(response)


def errors(response: httpx.Response) -> list[Error]:
    """Return the readable entries of a response's ``errors``."""
    try:
        document = wire.read_json(response.content)
    except ValueError:
        return []
    match document:
        case {"errors": list(entries)}:
            return [error for raw in entries if (error := Error.read(raw, "errors", []))]
    return []


def page_entries(document: Any, field: str, problems: list[str]) -> list[Any]:
    """Return the listings of a search page; its warnings become problems.

    A page without listings lacks the field and has a total of 0.

    Raises:
        UnparsablePayload: The document is no search page.
    """
    if not isinstance(document, dict):
        raise UnparsablePayload("body", f"a {type(document).__name__}, not an object")
    warnings = document.get("warnings")
    for index, raw in enumerate(warnings if isinstance(warnings, list) else []):
        if warning := Error.read(raw, f"warnings[{index}]", problems):
            problems.append(f"warnings[{index}]: {warning}")
    entries = document.get(field, [])
    if not isinstance(entries, list) or (field not in document and document.get("total") != 0):
        raise UnparsablePayload(field, "no list of listings, nor a total of 0")
    return entries
