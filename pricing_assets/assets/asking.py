"""Asking sources: takes the open asks of a kind to their sources and files the answers.

Shared by the assets that pay. Many requests are in flight, answers are spooled as they
arrive and committed in batches while calls go on.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pricing_assets.core.answers import ItemQuery
from pricing_assets.store.answers import SourceFacts, commit_replies
from pricing_assets.store.decisions import count_open_asks, open_asks
from pricing_assets.store.sources import freshness
from resources.clock import Clock
from resources.database import Database
from resources.presence import alone
from resources.source_access import SourceAccess
from resources.sources.base import Source
from resources.sources.circuit import CircuitStatus
from resources.sources.client import Reply
from resources.spool import Spool, read_segment

ITEMS_A_PAGE = 2_000
"""Items whose queries are in memory at once."""

REPLIES_A_COMMIT = 400
"""Answers in one transaction: some tens of milliseconds of writing."""

SECONDS_BETWEEN_REPORTS = 2.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class AskSummary:
    """What asking brought: calls by result, and what they cost.

    Attributes:
        postponed: Questions by source that were not asked, since the source is left in peace
            for a while after failures in a row; they stay open for the next run.
    """

    calls: int = 0
    recovered: int = 0
    postponed: dict[str, int] = field(default_factory=dict)
    results: dict[str, int] = field(default_factory=dict)
    cost_usd: float = 0.0
    seconds: float = 0.0

    def count(self, reply: Reply) -> None:
        """Count one answer, or one question that is left open."""
        if reply.postponed:
            self.postponed[reply.source] = self.postponed.get(reply.source, 0) + 1
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
) -> AskSummary:
    """Make every call that was decided for sources of these kinds, and file the answers.

    Args:
        kinds: Kinds of sources, such as `("metadata",)`.
        spool_directory: Where answers wait for their commit.

    Returns:
        The summary. A source's fault is an answer with result `error` and stops nothing.
    """
    started = time.monotonic()
    summary = AskSummary()
    facts = _facts(database, access)
    # Dagster's pool holds back runs of the queue only, and a run by hand is in no queue: two
    # at once would make every call twice.
    with alone(spool_directory.with_name("asking.lock"), _say_that_we_wait):
        spool = Spool(spool_directory, run_id)
        try:
            _file_leftovers(database, access, facts, spool, clock, summary)
            total = count_open_asks(database, kinds)
            if total:
                _log.info("%s sources: %s calls to make", "/".join(kinds), f"{total:,}")
                asyncio.run(
                    _ask_pages(database, access, kinds, facts, clock, spool, run_id, summary, total)
                )
        finally:
            spool.close()
    summary.seconds = round(time.monotonic() - started, 2)
    return summary


def _say_that_we_wait() -> None:
    _log.info("another run is asking; waiting until it is done")


async def _ask_pages(
    database: Database,
    access: SourceAccess,
    kinds: tuple[str, ...],
    facts: Mapping[str, SourceFacts],
    clock: Clock,
    spool: Spool,
    run_id: str,
    summary: AskSummary,
    total: int,
) -> None:
    after = ""
    async with access.client() as client:
        while True:
            page = await asyncio.to_thread(open_asks, database, kinds, after, ITEMS_A_PAGE)
            if page.num_rows == 0:
                _say_what_is_left(summary, client.circuits())
                return
            asks = _queries(page.to_pylist(), access)
            after = asks[-1][1].item_id
            waiting: list[Reply] = []
            committing: asyncio.Task[None] | None = None
            reported = time.monotonic()
            async for reply in client.ask_many(asks):
                summary.count(reply)
                if reply.postponed:
                    continue
                spool.append(reply)
                waiting.append(reply)
                if len(waiting) >= REPLIES_A_COMMIT and (committing is None or committing.done()):
                    if committing is not None:
                        await committing
                    # Written in a thread, so that requests stay in flight meanwhile.
                    committing = asyncio.create_task(
                        asyncio.to_thread(
                            _commit, database, waiting, facts, spool.close_segment(), clock, run_id
                        )
                    )
                    waiting = []
                if time.monotonic() - reported >= SECONDS_BETWEEN_REPORTS:
                    reported = time.monotonic()
                    _log.info("%s", _progress(kinds, summary, total))
            if committing is not None:
                await committing
            await asyncio.to_thread(
                _commit, database, waiting, facts, spool.close_segment(), clock, run_id
            )


def _say_what_is_left(summary: AskSummary, circuits: list[CircuitStatus]) -> None:
    for circuit in circuits:
        if count := summary.postponed.get(circuit.source):
            _log.warning(
                "%s failed too often (its circuit is %s): %s questions are left for the next run",
                circuit.source, circuit, f"{count:,}",
            )  # fmt: skip


def _progress(kinds: tuple[str, ...], summary: AskSummary, total: int) -> str:
    errors = summary.results.get("error", 0)
    failed = f", {errors:,} failed" if errors else ""
    answered = f"{summary.calls - summary.recovered:,} of {total:,} calls answered"
    return f"{'/'.join(kinds)} sources: {answered}{failed}"


def _queries(rows: list[dict[str, str]], access: SourceAccess) -> list[tuple[Source, ItemQuery]]:
    return [
        (
            access.source(row["source"]),
            ItemQuery(
                row["item_id"], row["category"], row["natural_key"], row["title"], row["authors"]
            ),
        )
        for row in rows
    ]


def _commit(
    database: Database,
    replies: list[Reply],
    facts: Mapping[str, SourceFacts],
    segment: Path | None,
    clock: Clock,
    run_id: str,
) -> None:
    commit_replies(database, replies, facts, run_id=run_id, now=clock.now())
    if segment is not None:
        segment.unlink()


def _facts(database: Database, access: SourceAccess) -> dict[str, SourceFacts]:
    fresh = freshness(database)
    return {name: SourceFacts(access.source(name).kind, fresh[name]) for name in fresh}


def _file_leftovers(
    database: Database,
    access: SourceAccess,
    facts: Mapping[str, SourceFacts],
    spool: Spool,
    clock: Clock,
    summary: AskSummary,
) -> None:
    """File what a killed run had been answered and could not commit."""
    for run_id, segments in spool.leftovers():
        for segment in segments:
            replies = {
                (reply.source, reply.query.item_id): reply
                for reply in read_segment(segment, access.sources, access.prefix)
                if reply.source in facts and reply.result != "error"
            }
            _commit(database, list(replies.values()), facts, segment, clock, run_id)
            for reply in replies.values():
                summary.count(reply)
            summary.recovered += len(replies)
    if summary.recovered:
        _log.info("%s answers of a run that was cut short were filed", summary.recovered)
