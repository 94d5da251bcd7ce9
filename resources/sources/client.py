"""Asking sources: pacing, retries, limits and the record of every request.

What is asked and how an answer is read belongs to each source. Nothing is stored here: a
`Reply` carries all that the caller keeps.
"""

import asyncio
import copy
import dataclasses
import functools
import hashlib
import importlib.util
import itertools
import logging
import random
import ssl
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from pricing_assets.core.answers import Answer, FetchResult, ItemQuery
from resources.sources.base import (
    CircuitOpen,
    Outage,
    PermanentError,
    RetryableError,
    Source,
    SourceError,
    UnreadableBody,
)
from resources.sources.circuit import Circuit, CircuitStatus, Trial
from resources.sources.connections import keep_cheaply
from resources.sources.credentials import Credentials, redact_query
from resources.sources.limits import SharedLimits
from resources.sources.pacer import Pacer
from resources.sources.wire import excerpt

__all__ = ("Credentials", "Reply", "SourceClient")

MAX_ATTEMPTS = 4
MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_REDIRECTS = 3
MAX_TAKEN = 128
"""Questions that `SourceClient.ask_many` has taken and not yet answered."""
MAX_CONNECTIONS = 32
"""To one source: 100 requests a second, where it answers within 0.3 s."""
MAX_RETRY_AFTER_SECONDS = 60.0
BACKOFF_SECONDS = 0.5
"""Pause before the second attempt; it doubles with every attempt."""

_ERROR_CHARACTERS = 500
_OF_THE_WIRE = {b"content-encoding", b"content-length", b"transfer-encoding"}


if importlib.util.find_spec("sniffio") is None:
    # httpcore tries to import it a dozen times a request, and Python looks for what is not
    # installed anew each time: a sixth of the processor time of asking. This entry says that
    # it is not there.
    sys.modules["sniffio"] = None  # type: ignore[assignment]


class _HideQueryKeys(logging.Filter):
    """httpx logs every URL at INFO, and some vendors want their key in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                redact_query(str(arg)) if isinstance(arg, httpx.URL | str) else arg
                for arg in record.args
            )
        return True


logging.getLogger("httpx").addFilter(_HideQueryKeys())
# Its trace at DEBUG has every response header, and a vendor may repeat our key in one.
logging.getLogger("httpcore").setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of asking one source about one item.

    The body is what the source sent, but for secrets of ours that it repeated.

    Attributes:
        source: Name of the source as it is stored, prefix included.
        requested_at: When the last attempt was sent, by the platform's clock.
        status: Status of the last response; None when there was none.
        latency_ms: Time of the last attempt, from sending to the end of the body.
        sha256: Of the body, in hex; None when no response was read.
        attempts: Requests sent; 0 when the source was not asked at all, because it does not
            cover the item or asking is useless.
        answer: What the source says; None on an error.
        error: A sentence for a person, without secrets; None when there is an answer.
        cost_usd: What the attempts cost: those that succeeded.
    """

    source: str
    query: ItemQuery
    requested_at: datetime
    status: int | None
    latency_ms: float
    body: bytes = field(repr=False)
    content_type: str | None
    sha256: str | None
    attempts: int
    answer: Answer | None
    error: str | None
    result: FetchResult
    cost_usd: Decimal

    @property
    def postponed(self) -> bool:
        """Whether nothing was sent, since the source takes no questions now: it is still open."""
        return self.answer is None and not self.attempts


@dataclass(slots=True)
class _Lane:
    """What the requests to one source share."""

    source: Source
    limits: SharedLimits
    pacer: Pacer
    circuit: Circuit
    connections: asyncio.Semaphore
    http: httpx.AsyncClient
    auth: httpx.Auth | None = None
    closed: str | None = None


@dataclass(slots=True)
class _Record:
    """What the attempts of one request leave behind."""

    requested_at: datetime
    attempts: int = 0
    successes: int = 0
    status: int | None = None
    started: float = 0.0
    latency_ms: float = 0.0
    response: httpx.Response | None = None


class SourceClient:
    """Asks sources, each over its own connections, during one `async with`.

    A source that refuses our credentials or has no quota left is not asked again by this
    client: its other questions are answered with the same error at once.

    Args:
        credentials: Secrets; by default read from the environment.
        base_urls: Addresses to use instead of the vendors' own, by source name.
        label_prefix: Put before every source's name in the replies.
        now: The platform's clock.
        rate_overrides: Requests a second to use instead of the sources' own, by name.
        headers: Sent with every request.
        backoff_seconds: Pause before the second attempt.
        limits_directory: Where all processes keep what they have sent to each source and how
            it fares, by the names in the replies; None keeps that to this client.
    """

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        base_urls: Mapping[str, str] | None = None,
        label_prefix: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        rate_overrides: Mapping[str, float] | None = None,
        headers: Mapping[str, str] | None = None,
        backoff_seconds: float = BACKOFF_SECONDS,
        limits_directory: Path | None = None,
    ) -> None:
        self._credentials = Credentials.from_env() if credentials is None else credentials
        self._base_urls = dict(base_urls or {})
        self._label_prefix = label_prefix
        self._now = now
        self._rates = dict(rate_overrides or {})
        self._headers = {"User-Agent": "pricing-assets", "Accept": "application/json"} | dict(
            headers or {}
        )
        self._backoff_seconds = backoff_seconds
        self._limits_directory = limits_directory
        self._lanes: dict[str, _Lane] = {}
        self._paces: dict[str, tuple[SharedLimits, Pacer]] = {}

    def __repr__(self) -> str:
        """Name the client without what it knows."""
        return f"SourceClient({self._credentials!r})"

    async def __aenter__(self) -> Self:
        """Return the client; connections are opened as they are needed."""
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Close every connection."""
        for lane in self._lanes.values():
            await lane.http.aclose()
            lane.limits.close()
        for limits, _ in self._paces.values():
            limits.close()

    async def ask_many(
        self, pairs: Iterable[tuple[Source, ItemQuery]]
    ) -> AsyncGenerator[Reply, None]:
        """Ask all pairs and yield each reply when it is there, in no order.

        At most `MAX_TAKEN` pairs are taken from ``pairs`` and not yet yielded, so that
        memory does not grow with them. One slow source among others holds the others up to
        its own pace in the long run: all are done when the slowest is.
        """
        waiting = iter(pairs)
        unread: set[asyncio.Task[Reply]] = set()
        done: asyncio.Queue[asyncio.Task[Reply]] = asyncio.Queue()
        try:
            while True:
                for source, query in itertools.islice(waiting, MAX_TAKEN - len(unread)):
                    task = asyncio.create_task(self.ask(source, query))
                    task.add_done_callback(done.put_nowait)
                    unread.add(task)
                if not unread:
                    return
                task = await done.get()
                unread.remove(task)
                yield task.result()
        finally:
            for task in unread:
                task.cancel()
            await asyncio.gather(*unread, return_exceptions=True)

    async def ask(self, source: Source, query: ItemQuery) -> Reply:
        """Ask one source about one item; a source's fault is in the reply, not raised."""
        record = _Record(requested_at=self._now())
        answer: Answer | None = None
        error: str | None = None
        try:
            if source.covers(query):
                answer = await self._answer(self._lane(source), query, record)
            else:
                answer = Answer("not_found")
        except SourceError as failure:
            sentence = f"{source.name} about {query.category} {query.natural_key}: {failure}"
            # Redacted before it is cut: half a secret is one too.
            error = excerpt(self._credentials.redact(sentence), _ERROR_CHARACTERS)
            failure.__traceback__ = None
        if answer and answer.problems:
            # They quote the vendor, which may repeat what it was asked.
            problems = tuple(self._credentials.redact(problem) for problem in answer.problems)
            answer = dataclasses.replace(answer, problems=problems)
        response = record.response
        content_type = None if response is None else response.headers.get("Content-Type")
        return Reply(
            source=self._label_prefix + source.name,
            query=query,
            requested_at=record.requested_at,
            status=record.status,
            latency_ms=record.latency_ms,
            body=b"" if response is None else response.content,
            content_type=content_type and self._credentials.redact(content_type),
            sha256=None if response is None else hashlib.sha256(response.content).hexdigest(),
            attempts=record.attempts,
            answer=answer,
            error=error,
            result="error" if answer is None else answer.result,
            cost_usd=record.successes * source.cost_per_call_usd,
        )

    def circuits(self) -> list[CircuitStatus]:
        """Return the circuits of the sources that this client has asked, by name."""
        return [lane.circuit.status() for _, lane in sorted(self._lanes.items())]

    def _lane(self, source: Source) -> _Lane:
        if source.name not in self._lanes:
            if base_url := self._base_urls.get(source.name):
                source = copy.copy(source)
                source.base_url = base_url.rstrip("/")
            stored = self._label_prefix + source.name
            limits = self._limits(stored)
            lane = self._lanes[source.name] = _Lane(
                source,
                limits,
                self._pacer(source, limits),
                Circuit(stored, limits),
                asyncio.Semaphore(MAX_CONNECTIONS),
                httpx.AsyncClient(
                    verify=_ssl_context(),
                    event_hooks={"request": [_wait_for_turn]},
                    timeout=httpx.Timeout(
                        source.read_timeout, connect=source.connect_timeout, pool=None
                    ),
                    limits=httpx.Limits(
                        max_connections=MAX_CONNECTIONS,
                        max_keepalive_connections=MAX_CONNECTIONS,
                    ),
                ),
            )
            keep_cheaply(lane.http, _ssl_context())
            try:
                lane.auth = source.auth(self._credentials)
            except SourceError as failure:
                lane.closed = str(failure)
        return self._lanes[source.name]

    def _limits(self, name: str) -> SharedLimits:
        directory = self._limits_directory
        return SharedLimits(None if directory is None else directory / name)

    def _pacer(self, source: Source, limits: SharedLimits) -> Pacer:
        """Return the pacer of a source: its own, or that of all who share its allowance."""
        rate = self._rates.get(source.name, source.rate_per_second)
        if source.allowance is None:
            return Pacer(rate, limits)
        if source.allowance not in self._paces:
            shared = self._limits(self._label_prefix + source.allowance)
            self._paces[source.allowance] = (shared, Pacer(rate, shared))
        return self._paces[source.allowance][1]

    async def _answer(self, lane: _Lane, query: ItemQuery, record: _Record) -> Answer:
        """Ask until there is an answer or no point in asking again.

        Raises:
            SourceError: There is no answer.
        """
        unreadable = 0
        failed: SourceError | None = None
        for attempt in itertools.count(1):
            try:
                if lane.closed is not None:
                    raise PermanentError(lane.closed)
                lane.circuit.check()
                # The connection comes before the turn: waiting for one would send late.
                async with lane.connections:
                    return await self._attempt(lane, query, record, attempt)
            except CircuitOpen:
                if failed is None:
                    raise
                # A request was sent: a person wants to know what came of it.
                break
            except SourceError as failure:
                if failure.closes_source:
                    lane.closed = str(failure)
                if isinstance(failure, UnreadableBody):
                    unreadable += 1
                    # What is garbled on its way comes well the next time. A vendor that has
                    # been paid for it is not paid for it again.
                    if unreadable > 1 or lane.source.cost_per_call_usd:
                        raise
                if not failure.retryable or attempt >= MAX_ATTEMPTS:
                    raise
                # Its frames have the response, and the one that raised it has it in turn.
                failure.__traceback__ = None
                failed = failure
                await self._pause(lane, failure, attempt)
        raise failed or AssertionError("unreachable")

    async def _pause(self, lane: _Lane, failure: SourceError, attempt: int) -> None:
        """Wait before the next attempt: as long as the source says, else longer every time.

        Raises:
            PermanentError: The source asks for longer than a run should wait.
        """
        if failure.retry_after is None:
            longest = self._backoff_seconds * 2 ** (attempt - 1)
            await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - jitter
        elif failure.retry_after > MAX_RETRY_AFTER_SECONDS:
            raise PermanentError(
                f"{failure}; it asks to wait {failure.retry_after:.0f} s, so ask again then"
            ) from None
        else:
            await lane.pacer.hold(failure.retry_after)

    async def _attempt(
        self, lane: _Lane, query: ItemQuery, record: _Record, attempt: int
    ) -> Answer:
        """Ask once, and tell the circuit what came of it."""
        trial = lane.circuit.trial()
        try:
            answer = await self._exchange(lane, query, record, attempt, trial)
            await trial.succeed()
        except SourceError as failure:
            await (trial.fail() if failure.outage else trial.succeed())
            raise
        finally:
            await trial.abandon()
        return answer

    async def _exchange(
        self, lane: _Lane, query: ItemQuery, record: _Record, attempt: int, trial: Trial
    ) -> Answer:
        request = lane.source.request(query, self._credentials)
        for name, value in self._headers.items():
            request.headers.setdefault(name, value)
        try:
            async with asyncio.timeout(None) as deadline:

                async def turn(sent: httpx.Request) -> None:
                    deadline.reschedule(None)
                    if _origin(sent.url) != _origin_of(lane.source.base_url):
                        await trial.abandon()
                        raise PermanentError(
                            f"would send to {sent.url.host}, which is not its own host; nothing "
                            "was sent, so check the source's address"
                        )
                    await trial.enter()
                    granted = await lane.pacer.turn()
                    trace.leaves = functools.partial(lane.pacer.sent, granted)
                    # While we waited, another request may have learnt that asking is useless.
                    if lane.closed is not None:
                        await trial.abandon()
                        raise PermanentError(lane.closed)
                    await trial.confirm()
                    if record.attempts != attempt:
                        record.status = record.response = None
                        record.attempts = attempt
                    record.requested_at = self._now()
                    record.started = time.perf_counter()
                    total = lane.source.total_timeout
                    deadline.reschedule(asyncio.get_running_loop().time() + total)

                trace = _Wire()
                request.extensions |= {"turn": turn, "trace": trace}
                record.response = await self._send(lane, request, record)
        except TimeoutError:
            raise Outage(
                f"did not finish its answer within {lane.source.total_timeout:.0f} s"
            ) from None
        except httpx.InvalidURL as error:
            raise PermanentError(f"has an impossible address ({error}); check it") from None
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            # Not quoted: what makes a header impossible may be the secret in it.
            raise PermanentError(
                f"cannot be asked ({type(error).__name__}); check its address and credentials"
            ) from None
        except httpx.TransportError as error:
            raise Outage(
                f"could not be reached or broke off ({type(error).__name__}: {error})"
            ) from None
        except httpx.RequestError as error:
            raise RetryableError(
                f"sent what cannot be read ({type(error).__name__}: {error})"
            ) from None
        finally:
            if record.attempts == attempt:
                record.latency_ms = (time.perf_counter() - record.started) * 1000
        record.successes += record.response.is_success
        return lane.source.parse(query, record.response)

    async def _send(self, lane: _Lane, request: httpx.Request, record: _Record) -> httpx.Response:
        """Send the request, follow redirects within its host, and read the body."""
        for _ in range(1 + MAX_REDIRECTS):
            response = await lane.http.send(request, auth=lane.auth, stream=True)
            record.status = response.status_code
            try:
                target = response.next_request
                if target is None:
                    # What is read, kept and quoted from here on repeats no secret of ours.
                    body = self._credentials.redact_body(
                        await _body(response), response.request.headers.get("Authorization")
                    )
                    return httpx.Response(
                        response.status_code,
                        headers=_without_encoding(response.headers),
                        content=body,
                        request=request,
                    )
            finally:
                await response.aclose()
                # Of httpx's response and its stream each has the other. By what we put into
                # the request they would keep the whole reply, body and all, until Python's
                # collector looks at what is old, which takes minutes.
                request.extensions.clear()
            if _origin(target.url) != _origin(request.url):
                raise PermanentError(
                    f"redirects to {target.url.host}, another host, which is not followed; "
                    "check the source's address"
                )
            request = target
        raise PermanentError(f"redirects more than {MAX_REDIRECTS} times")


class _Wire:
    """Looks at what goes over the wire: when a request leaves, and what was there before.

    Refuses an answer that was there before its question was sent.

    A vendor that sends more than it announced leaves the rest in httpcore's buffer, where it
    would be taken for the answer to the next question on that connection, about another item.
    What must be read from the socket first lets the event loop go round; what lies in the
    buffer does not.
    """

    def __init__(self) -> None:
        self._went_round = False
        self.leaves: Callable[[], Awaitable[None]] | None = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "http11.send_request_headers.complete" and self.leaves is not None:
            await self.leaves()
        elif event == "http11.receive_response_headers.started":
            self._went_round = False
            asyncio.get_running_loop().call_soon(self._go_round)
        elif event == "http11.receive_response_headers.complete" and not self._went_round:
            raise RetryableError("sent more than it had announced; its connection was given up")

    def _go_round(self) -> None:
        self._went_round = True


async def _wait_for_turn(request: httpx.Request) -> None:
    """Wait until the request may be sent.

    A hook, since httpx calls it last of all before the wire: what authentication and redirects
    send takes its turn too, and whoever waited for a token does not send in one burst after.
    """
    await request.extensions["turn"](request)


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    """Return the one context of the process: reading the certificates takes 50 ms."""
    return httpx.create_ssl_context()


@functools.lru_cache(maxsize=64)
def _origin_of(base_url: str) -> tuple[str, str, int | None]:
    """Return the origin of a source's address, which httpx reads in 0.05 ms."""
    return _origin(httpx.URL(base_url))


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


async def _body(response: httpx.Response) -> bytes:
    """Return the decoded body.

    Raises:
        PermanentError: It is larger than `MAX_BODY_BYTES`; the rest is not read.
    """
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise PermanentError(
                f"sends a body of more than {MAX_BODY_BYTES // 1024**2} MiB, which is not kept"
            )
    return bytes(body)


def _without_encoding(headers: httpx.Headers) -> httpx.Headers:
    """Return the headers without those that describe the bytes on the wire."""
    return httpx.Headers(
        [(name, value) for name, value in headers.raw if name.lower() not in _OF_THE_WIRE]
    )
