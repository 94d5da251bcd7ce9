"""Asking sources: takes the open asks of a kind to their sources and files the answers.

Shared by the assets that pay. Many requests are in flight, answers are spooled as they
arrive and committed in batches while calls go on.
"""

import asyncio
import gc
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pricing_assets.core.answers import ItemQuery
from pricing_assets.core.freshness import LEASE
from pricing_assets.core.people import PERSON_SOURCES
from pricing_assets.core.wording import number_of
from pricing_assets.store.answers import commit_replies
from pricing_assets.store.evidence import SourceFacts
from pricing_assets.store.licences import terms_of_sources
from pricing_assets.store.people import commit_people, count_people_to_ask, take_people
from pricing_assets.store.queue import (
    Ask,
    count_open_asks,
    release_leases,
    renew_leases,
    take_asks,
)
from pricing_assets.store.sessions import (
    Progress,
    begin_session,
    end_session,
    record_progress,
)
from pricing_assets.store.sources import freshness
from resources.clock import Clock
from resources.database import Database
from resources.source_access import SourceAccess
from resources.sources.circuit import CircuitStatus
from resources.sources.client import Reply, SourceClient
from resources.spool import Spool, read_segment

ITEMS_A_PAGE = 2_000
"""Items whose queries are in memory at once."""

REPLIES_A_COMMIT = 400
"""Answers in one transaction: some tens of milliseconds of writing."""

SECONDS_BETWEEN_REPORTS = 2.0

_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Queue:
    """Where questions come from.

    Attributes:
        count: Returns how many are open, of the database and the kinds of sources.
        take: Takes a page of them (see `store.queue.take_asks`).
    """

    count: Callable[..., int]
    take: Callable[..., tuple[list[Ask], str | None]]


ITEMS = Queue(count_open_asks, take_asks)
PEOPLE = Queue(count_people_to_ask, take_people)


@dataclass(slots=True)
class AskSummary:
    """What asking brought: calls by result, and what they cost.

    `not_covered` are answers without a call: the source does not go by such keys.

    Attributes:
        postponed: Questions by source that were not sent, since the source is left in peace
            for a while after failures in a row, or takes none; they stay in the queue.
    """

    calls: int = 0
    not_covered: int = 0
    recovered: int = 0
    postponed: dict[str, int] = field(default_factory=dict)
    results: dict[str, int] = field(default_factory=dict)
    cost_usd: float = 0.0
    seconds: float = 0.0

    def shown(self) -> dict[str, Any]:
        """Return what an asset tells of its calls in the UI."""
        return {
            "calls": self.calls,
            "calls_by_result": dict(self.results),
            "questions_left_for_the_next_run": dict(self.postponed),
            "answers_recovered_after_a_crash": self.recovered,
            "cost_usd": round(self.cost_usd, 4),
            "seconds": self.seconds,
        }

    def postpone(self, reply: Reply) -> None:
        """Count one question that is left open."""
        self.postponed[reply.source] = self.postponed.get(reply.source, 0) + 1

    def count(self, reply: Reply) -> None:
        """Count one answer."""
        if not reply.attempts:
            self.not_covered += 1
            return
        self.calls += 1
        self.results[reply.result] = self.results.get(reply.result, 0) + 1
        self.cost_usd += float(reply.cost_usd)


def ask_open(
    database: Database,
    access: SourceAccess,
    kinds: tuple[str, ...],
    *,
    clock: Clock,
    spool_directory: Path,
    run_id: str,
    queue: Queue = ITEMS,
) -> AskSummary:
    """Make every call that was decided for sources of these kinds, and file the answers.

    What another run has leased is left to it.

    Args:
        kinds: Kinds of sources, such as `("metadata",)`.
        spool_directory: Where answers wait for their commit.
        queue: Where the questions come from.

    Returns:
        The summary. A source's fault is an answer with result `error` and stops nothing.
    """
    started = time.monotonic()
    spool = Spool(spool_directory, run_id)
    try:
        asking = _Asking(database, access, kinds, clock, spool, run_id, queue)
        asking.file_leftovers()
        if asking.total:
            calls = number_of(asking.total, "call")
            _log.info("%s sources: %s to make", "/".join(kinds), calls)
            with asking.session(), _short_collections(), orderly_interrupt():
                asyncio.run(asking.ask_all())
    finally:
        spool.close()
        release_leases(database, run_id)
    asking.summary.seconds = round(time.monotonic() - started, 2)
    return asking.summary


@contextmanager
def _short_collections() -> Iterator[None]:
    """Let Python's collector leave alone, for the length of a `with` block, what is there now.

    To look through all that Dagster keeps takes it 0.2 s, in which nothing is sent: without this,
    asking takes a tenth more of the processor and a source sees a twentieth less of its rate.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(20_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextmanager
def orderly_interrupt() -> Iterator[None]:
    """Let asyncio take Ctrl-C for the length of a `with` block: it cancels what is under way.

    Dagster's own handler raises wherever the program happens to be. In the middle of a read
    asyncio takes that for a failure of the connection, logs it and goes on asking.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Asking:
    """One run's way through the queue."""

    def __init__(
        self,
        database: Database,
        access: SourceAccess,
        kinds: tuple[str, ...],
        clock: Clock,
        spool: Spool,
        run_id: str,
        queue: Queue,
    ) -> None:
        self._database = database
        self._queue = queue
        self._access = access
        self._kinds = kinds
        self._clock = clock
        self._spool = spool
        self._run_id = run_id
        self._facts = source_facts(database, access)
        self._reported = time.monotonic()
        self.summary = AskSummary()
        self.total = queue.count(database, kinds, now=clock.now())
        self._session_id = 0
        self._filed_usd = 0.0
        self._database_thread = ThreadPoolExecutor(1, "asking's database")

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep the session's row for the length of a `with` block."""
        self._session_id = begin_session(
            self._database, self._run_id, self._kinds, self.total, now=self._clock.now()
        )
        self._filed_usd = self.summary.cost_usd
        finished = False
        try:
            yield
            finished = True
        finally:
            end_session(
                self._database,
                self._session_id,
                self._progress(),
                "finished" if finished else "failed",
                now=self._clock.now(),
            )

    def _progress(self) -> Progress:
        """Return how far the session is; what was recovered belongs to an earlier one."""
        summary = self.summary
        failed = summary.results.get("error", 0)
        return Progress(
            answered=summary.calls - summary.recovered - failed,
            failed=failed,
            unanswered=sum(summary.postponed.values()),
            cost_usd=Decimal(str(round(summary.cost_usd - self._filed_usd, 6))),
        )

    async def ask_all(self) -> None:
        """Take page after page of the queue until it has ended."""
        meanwhile = [
            asyncio.create_task(self._renew_leases()),
            asyncio.create_task(self._record_progress()),
        ]
        after: str | None = ""
        with self._database_thread:
            try:
                async with self._access.client() as client:
                    while after is not None:
                        asks, after = await self._beside(self._take, after)
                        await self._ask_page(client, asks)
                    self._say_what_is_left(client.circuits())
            finally:
                for task in meanwhile:
                    task.cancel()

    def _beside(self, work: Callable[..., T], *args: Any, **options: Any) -> asyncio.Future[T]:
        """Let the database work in a thread, so that requests stay in flight meanwhile.

        Always in the same one: what a transaction took of memory goes back to a heap of the
        thread and not to the system, so that each more that takes turns keeps as much again.
        """
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._database_thread, partial(work, *args, **options))

    def _take(self, after: str) -> tuple[list[Ask], str | None]:
        return self._queue.take(
            self._database,
            self._kinds,
            now=self._clock.now(),
            run_id=self._run_id,
            after=after,
            items=ITEMS_A_PAGE,
        )

    async def _renew_leases(self) -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 4)
            await self._beside(renew_leases, self._database, self._run_id, now=self._clock.now())

    async def _record_progress(self) -> None:
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_REPORTS)
            await self._beside(
                record_progress,
                self._database,
                self._session_id,
                self._progress(),
                now=self._clock.now(),
            )

    async def _ask_page(self, client: SourceClient, asks: Sequence[Ask]) -> None:
        waiting: list[Reply] = []
        committing: asyncio.Future[None] | None = None
        questions = ((self._access.source(ask.source), _query(ask)) for ask in asks)
        async for reply in client.ask_many(questions):
            if reply.postponed:
                self.summary.postpone(reply)
                continue
            self._spool.append(reply)
            waiting.append(reply)
            self.summary.count(reply)
            if len(waiting) >= REPLIES_A_COMMIT and (committing is None or committing.done()):
                if committing is not None:
                    await committing
                committing = self._beside(self._commit, waiting, self._spool.close_segment())
                waiting = []
            self._report()
        if committing is not None:
            await committing
        await self._beside(self._commit, waiting, self._spool.close_segment())

    def _commit(self, replies: Sequence[Reply], segment: Path | None) -> None:
        self._file(replies, self._run_id)
        if segment is not None:
            segment.unlink()

    def _file(self, replies: Sequence[Reply], run_id: str) -> None:
        about: dict[bool, list[Reply]] = {False: [], True: []}
        for reply in replies:
            about[self._facts[reply.source].kind in PERSON_SOURCES].append(reply)
        # What a dead run left behind may be of both kinds.
        now, facts = self._clock.now(), self._facts
        commit_replies(self._database, about[False], facts, run_id=run_id, now=now)
        commit_people(self._database, about[True], facts, run_id=run_id, now=now)

    def _report(self) -> None:
        if time.monotonic() - self._reported < SECONDS_BETWEEN_REPORTS:
            return
        self._reported = time.monotonic()
        errors = self.summary.results.get("error", 0)
        failed = f", {errors:,} failed" if errors else ""
        answered = self.summary.calls - self.summary.recovered
        _log.info(
            "%s sources: %s of %s answered%s",
            "/".join(self._kinds),
            f"{answered:,}",
            number_of(self.total, "call"),
            failed,
        )

    def _say_what_is_left(self, circuits: Sequence[CircuitStatus]) -> None:
        states = {circuit.source: circuit for circuit in circuits}
        for source, count in sorted(self.summary.postponed.items()):
            _log.warning(
                "%s takes no questions (its circuit is %s): %s left for a later run",
                source, states[source], number_of(count, "is", "are"),
            )  # fmt: skip

    def file_leftovers(self) -> None:
        """File what a killed run had been answered and could not commit."""
        summary = self.summary
        for run_id, segments in self._spool.leftovers():
            for segment in segments:
                replies = {
                    (reply.source, reply.query.item_id): reply
                    for reply in read_segment(segment, self._access.sources, self._access.prefix)
                    if reply.source in self._facts and reply.result != "error"
                }
                self._file(list(replies.values()), run_id)
                segment.unlink()
                for reply in replies.values():
                    summary.count(reply)
                summary.recovered += len(replies)
        if summary.recovered:
            _log.info("%s answers of a run that was cut short were filed", summary.recovered)
            self.total = self._queue.count(self._database, self._kinds, now=self._clock.now())


def _query(ask: Ask) -> ItemQuery:
    return ItemQuery(ask.item_id, ask.category, ask.natural_key, ask.title, ask.words)


def source_facts(database: Database, access: SourceAccess) -> dict[str, SourceFacts]:
    """Return the facts of the active sources, by stored name."""
    fresh, terms = freshness(database), terms_of_sources(database)
    return {
        name: SourceFacts(access.source(name).kind, fresh[name], terms[name].store_payloads)
        for name in fresh
    }
