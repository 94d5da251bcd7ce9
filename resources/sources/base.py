"""The interface of a source, and what can go wrong when it is asked.

A source says how to ask about an item and how to read what comes back. It sends nothing:
pacing, retries and limits belong to `client`. No vendor's rule belongs here.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import httpx

from pricing_assets.core.answers import Answer, ItemQuery
from resources.sources import wire

if TYPE_CHECKING:
    from resources.sources.credentials import Credentials

SourceKind = Literal["metadata", "sold", "ask", "offer", "people", "image", "rates"]


@dataclass(frozen=True, slots=True)
class Licence:
    """What a source's terms let us do with its content, as the operator should check it.

    Attributes:
        store_payloads: Whether bodies may be kept as evidence.
        payload_retention_days: How long; None is without limit.
        display_max_age_hours: How old a displayed price may be; None is without limit.
        redistribute: Whether content may leave in an export.
        train: Whether it may train a model.
        note: Where that comes from, for a person.
    """

    store_payloads: bool
    payload_retention_days: int | None
    display_max_age_hours: int | None
    redistribute: bool
    train: Literal["yes", "with agreement", "no"]
    note: str


class SourceError(Exception):
    """A source could not answer. The message is a sentence for a person.

    Attributes:
        retryable: Whether asking again soon may help.
        retry_after: Seconds that the source asks to wait; None when it does not say.
        closes_source: Whether every other request would fail alike, until a person or a
            new day changes something.
        outage: Whether the source itself is unwell, whatever it was asked.
    """

    retryable: ClassVar[bool] = False
    closes_source: ClassVar[bool] = False
    outage: ClassVar[bool] = False

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RetryableError(SourceError):
    """The source is overloaded or unwell; the same request may succeed later."""

    retryable = True


class Outage(RetryableError):
    """The source is unwell: it failed, was silent for too long, or could not be reached."""

    outage = True


class PermanentError(SourceError):
    """The same request will fail again."""


class MissingCredential(PermanentError):
    """The source needs a credential that is not set."""

    closes_source = True


class CredentialsRefused(PermanentError):
    """The source does not accept our credentials."""

    closes_source = True


class QuotaExhausted(PermanentError):
    """The day's quota is used up: asking again today only costs."""

    closes_source = True


class CircuitOpen(PermanentError):
    """The source failed so often that it is left in peace for a while."""


class UnparsablePayload(PermanentError):
    """A response came and is not what the vendor's format says.

    Attributes:
        path: Where in the body, such as ``itemSummaries``; ``body`` for all of it.
        reason: What is wrong there.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class UnreadableBody(UnparsablePayload):
    """A success came whose body is no JSON at all: cut off, garbled, or another's page."""

    retryable = True


def error_of_status(
    status: int, detail: str, retry_after: float | None = None
) -> SourceError | None:
    """Return what an HTTP status means: None, retryable (5xx, 408, 429) or permanent.

    The one place that decides it. 401 and 407 say that the credentials are refused.
    """
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    message = f"answered {status}: {detail.rstrip('.')}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return Outage(message, retry_after=retry_after)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RetryableError(message, retry_after=retry_after)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED):
        return CredentialsRefused(f"{message}; check the source's credentials")
    return PermanentError(message)


def retry_after_seconds(headers: httpx.Headers) -> float | None:
    """Return how long a response asks to wait, never negative; None when it does not say.

    Both forms of RFC 9110 are read. A date is counted from the server's own ``Date``
    where it sends one, so that a wrong clock on either side does no harm.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    until, sent = _http_date(value), _http_date(headers.get("Date", ""))
    if until is None:
        return None
    return max(0.0, (until - (sent or datetime.now(UTC))).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


class Source(ABC):
    """One vendor's API: where it is, what it allows, how to ask it and how to read it.

    Attributes:
        name: How the source is stored, such as ``open_library``.
        kind: What it tells: ``metadata``, one kind of price, of ``people`` or an ``image``, or
            exchange ``rates``.
        venue: Marketplace whose sales it reports: two sources may report the same sale. None
            where it reports none.
        categories: Categories of items that it knows, or kinds of people; none for one of rates.
        active_by_default: Whether it is asked without an operator switching it on.
        by_words: Whether it is searched: it also answers to any words in the place of an item's
            key.
        base_url: Scheme, host and nothing that a request's path already has. An instance may
            have another one, to talk to the sandbox.
        rate_per_second: Requests a second that the vendor allows.
        calls_a_day: Calls in a day that the vendor allows; None where it does not say.
        allowance: Name of what several sources of one account share: their rate and their
            calls of a day count together. None is a source of its own.
        cost_per_call_usd: What one successful call costs.
        freshness: How long an answer stays good.
        credential_names: Environment variables that it reads.
        optional_credential_names: Those of them that it can do without.
        not_found_statuses: Statuses by which the vendor says that it does not know the item.
        connect_timeout: Seconds to connect.
        read_timeout: Seconds without a byte.
        total_timeout: Seconds for one attempt, body included.
    """

    name: ClassVar[str]
    kind: ClassVar[SourceKind]
    venue: ClassVar[str | None] = None
    categories: ClassVar[Sequence[str]]
    active_by_default: ClassVar[bool] = True
    by_words: ClassVar[bool] = False
    base_url: str
    rate_per_second: ClassVar[float]
    calls_a_day: ClassVar[int | None] = None
    allowance: ClassVar[str | None] = None
    cost_per_call_usd: ClassVar[Decimal] = Decimal(0)
    freshness: ClassVar[timedelta]
    licence: ClassVar[Licence]
    credential_names: ClassVar[Sequence[str]] = ()
    optional_credential_names: ClassVar[Sequence[str]] = ()
    not_found_statuses: ClassVar[frozenset[int]] = frozenset()
    connect_timeout: ClassVar[float] = 5.0
    read_timeout: ClassVar[float] = 20.0
    total_timeout: ClassVar[float] = 45.0

    @abstractmethod
    def request(self, query: ItemQuery, credentials: "Credentials") -> httpx.Request:
        """Return the request that asks about the item, under `base_url`.

        Raises:
            MissingCredential: A credential that it needs is not set.
        """

    @abstractmethod
    def read(self, query: ItemQuery, document: Any) -> Answer:
        """Return what the document of a successful response says about the item.

        Raises:
            UnparsablePayload: It has none of the vendor's shapes.
            SourceError: It is an error in the dress of a success.
        """

    def covers(self, query: ItemQuery) -> bool:
        """Whether the vendor can be asked: the item's key is of the kind that it goes by.

        Where it is not, the vendor knows nothing of the item, and is not asked; nor is one that
        is searched asked about an item of which no words are known.
        """
        return not self.by_words or query.words != ""

    def missing_credentials(self, credentials: "Credentials") -> list[str]:
        """Return the variables without which it cannot be asked and which are not set."""
        return [
            name
            for name in self.credential_names
            if name not in self.optional_credential_names and credentials.get(name) is None
        ]

    def auth(self, credentials: "Credentials") -> httpx.Auth | None:
        """Return how requests are authenticated, when that is more than a key in them.

        Called once per client; what it returns may keep a token.
        """
        return None

    def error(self, response: httpx.Response) -> SourceError | None:
        """Return what a response's status means for this vendor; None for success."""
        if response.is_success:
            # Without its words about a failure, for which the whole body would be read.
            return None
        return error_of_status(
            response.status_code,
            self.error_detail(response),
            retry_after_seconds(response.headers),
        )

    def error_detail(self, response: httpx.Response) -> str:
        """Return the vendor's own words about a failure, short and on one line."""
        return wire.excerpt(response.text) or response.reason_phrase or "no explanation"

    def parse(self, query: ItemQuery, response: httpx.Response) -> Answer:
        """Return what a response says about the item.

        Raises:
            SourceError: The response is an error (see `error`).
            UnreadableBody: It is a success whose body is no JSON.
            UnparsablePayload: It is a success of another shape.
        """
        if response.status_code in self.not_found_statuses:
            return Answer("not_found")
        if failure := self.error(response):
            raise failure
        return self.read(query, self.document(response))

    def document(self, response: httpx.Response) -> Any:
        """Return what the body of a success holds: JSON, unless the vendor sends another format.

        Raises:
            UnreadableBody: It is in another format.
        """
        try:
            return wire.read_json(response.content)
        except ValueError as error:
            content_type = response.headers.get("Content-Type", "no content type")
            raise UnreadableBody("body", f"not JSON ({content_type}): {error}") from None
