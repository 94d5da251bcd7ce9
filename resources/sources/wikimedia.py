"""Wikimedia: what its sources have in common, each of which has a module of its own.

Both are MediaWiki's Action API, which answers 200 to errors too: ``{"error": {code, info}}``.
Its rules want a User-Agent that says whom to write to, so without `PRICING_CONTACT` nothing
is asked; hardly more than one request at a time, over all of its wikis; and ``maxlag``, by which
a busy server sends us away.
"""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx

from pricing_assets.core.answers import Answer, ItemQuery
from pricing_assets.core.people import PERSON_KINDS
from resources.sources import wire
from resources.sources.base import (
    Outage,
    PermanentError,
    RetryableError,
    Source,
    SourceError,
    UnparsablePayload,
    retry_after_seconds,
)
from resources.sources.credentials import Credentials

MAX_LAG_SECONDS = 5

_BUSY = frozenset({"ratelimited", "actionthrottledtext", "too-many-concurrent-requests"})
_UNWELL = frozenset({"maxlag", "readonly"})


class Wikimedia(Source):
    """What Wikimedia's sources share."""

    categories = PERSON_KINDS
    rate_per_second = 3.0
    allowance = "wikimedia"
    cost_per_call_usd = Decimal(0)
    freshness = timedelta(days=180)
    credential_names = ("PRICING_CONTACT",)

    @abstractmethod
    def parameters(self, query: ItemQuery) -> Mapping[str, str]:
        """Return the parameters that ask about the person or the file."""

    @abstractmethod
    def read_answer(self, query: ItemQuery, document: Mapping[str, Any]) -> Answer:
        """Return what a document that is no error says.

        Raises:
            UnparsablePayload: It has none of the vendor's shapes.
        """

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Ask, saying who asks and whom to write to."""
        contact = credentials.require("PRICING_CONTACT")
        return httpx.Request(
            "GET",
            f"{self.base_url}/w/api.php",
            params={
                "format": "json",
                "formatversion": "2",
                "maxlag": str(MAX_LAG_SECONDS),
                **self.parameters(query),
            },
            headers={"User-Agent": f"pricing-assets ({contact})", "Accept-Encoding": "gzip"},
        )

    def parse(self, query: ItemQuery, response: httpx.Response) -> Answer:
        """Read the answer; an error in it may say how long to wait in a header."""
        try:
            return super().parse(query, response)
        except SourceError as failure:
            if failure.retryable and failure.retry_after is None:
                failure.retry_after = retry_after_seconds(response.headers)
            raise

    def read(self, query: ItemQuery, document: Any) -> Answer:
        """Tell an error in a 200 from an answer."""
        match document:
            case {"error": {"code": str(code), **rest}}:
                raise _error(code, wire.excerpt(str(rest.get("info", "no explanation"))))
            case dict():
                return self.read_answer(query, document)
        raise UnparsablePayload("body", f"a {type(document).__name__}, not an object")


def _error(code: str, info: str) -> SourceError:
    sentence = f"answered the error {code}: {info.rstrip('.')}"
    if code in _UNWELL or code.startswith("internal_api_error"):
        return Outage(sentence)
    return RetryableError(sentence) if code in _BUSY else PermanentError(sentence)
