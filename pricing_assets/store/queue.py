"""The queue of the paid steps: what was decided to be asked and has no answer, and its leases.

An ask waits in the queue until the index has a fetch that is not older than the decision.
A run takes a page of it by leasing it, so that two runs never ask the same thing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pricing_assets.core.categories import CATEGORIES
from pricing_assets.core.freshness import DEFERRAL, LEASE, PUT_OFF, REFRESH_LAPSES
from pricing_assets.schema import tables as t
from resources.database import AnySelect, Database, UtcDateTime
from resources.presence import is_dead


@dataclass(frozen=True, slots=True)
class Ask:
    """A call to make: which source is to be asked about which item.

    `words` are those of `core.answers.ItemQuery`.
    """

    source: str
    item_id: str
    category: str
    natural_key: str
    title: str | None
    words: str | None = None


def moment(at: datetime) -> sa.ColumnElement[datetime]:
    """Return a moment as a value of a statement."""
    return sa.literal(at, UtcDateTime())


def is_pending() -> sa.ColumnElement[bool]:
    """Return the condition under which a scan has not been through the pipeline."""
    return sa.and_(t.scans.c.processed_at.is_(None), t.scans.c.status == "accepted")


def asks_for(
    reasons: sa.ColumnElement[Any], source: sa.ColumnElement[Any]
) -> sa.ColumnElement[bool]:
    """Return the condition that a decision's reasons ask a source."""
    # Not LIKE, which takes the _ in a source's name for any character.
    return sa.func.replace(reasons, sa.literal("|ask:") + source + ":", "") != reasons


def _is_reason_of(reasons: sa.ColumnElement[Any], reason: str) -> sa.ColumnElement[bool]:
    return reasons.contains(f":{reason}|")


def _decided(now: datetime) -> AnySelect:
    scans, decisions, batches = t.scans, t.enrichment_decisions, t.decision_batches
    return (
        sa.select(scans.c.item_id, decisions.c.reasons, batches.c.decided_at.label("since"))
        .join(decisions, decisions.c.scan_id == scans.c.id)
        .join(batches, batches.c.id == decisions.c.batch_id)
        .where(
            is_pending(),
            decisions.c.calls_to_make > 0,
            sa.or_(decisions.c.deferred_until.is_(None), decisions.c.deferred_until > moment(now)),
        )
    )


def _refreshed(now: datetime) -> AnySelect:
    refreshes = t.refresh_asks
    return sa.select(
        refreshes.c.item_id,
        (sa.literal("|ask:") + refreshes.c.source + ":refresh|").label("reasons"),
        refreshes.c.planned_at.label("since"),
    ).where(refreshes.c.planned_at > moment(now - REFRESH_LAPSES))


def standing(now: datetime) -> sa.Subquery:
    """Return what earlier decisions and refreshes have asked for, by item.

    Columns item_id, reasons, since (the latest decision); answered asks are still among them.
    """
    asks = sa.union_all(_decided(now), _refreshed(now)).subquery("asks")
    return (
        sa.select(
            asks.c.item_id,
            sa.func.aggregate_strings(asks.c.reasons, "").label("reasons"),
            sa.func.max(asks.c.since, type_=UtcDateTime()).label("since"),
        )
        .group_by(asks.c.item_id)
        .subquery("standing")
    )


def open_asks(
    now: datetime, kinds: tuple[str, ...] = (), names: Collection[str] = ()
) -> sa.Subquery:
    """Return what is to be asked and has no answer yet: columns item_id, source.

    Args:
        kinds: Kinds of sources, such as `("metadata",)`; empty for all.
        names: Of sources; empty for all.
    """
    index, sources = t.unified_index, t.data_sources
    asks = sa.union_all(_decided(now), _refreshed(now)).subquery("asks")
    statement = (
        sa.select(asks.c.item_id, sources.c.name.label("source"), index.c.last_fetched_at)
        .join(sources, sa.and_(sources.c.is_active, asks_for(asks.c.reasons, sources.c.name)))
        .outerjoin(
            index, sa.and_(index.c.item_id == asks.c.item_id, index.c.source == sources.c.name)
        )
        .where(sa.or_(index.c.last_fetched_at.is_(None), index.c.last_fetched_at < asks.c.since))
        .distinct()
    )
    if kinds:
        statement = statement.where(sources.c.kind.in_(kinds))
    if names:
        statement = statement.where(sources.c.name.in_(sorted(names)))
    return statement.subquery("open_asks")


def count_open_asks(database: Database, kinds: tuple[str, ...], *, now: datetime) -> int:
    """Count the calls that are waiting to be made to sources of these kinds."""
    waiting = open_asks(now, kinds)
    return int(database.scalar(sa.select(sa.func.count()).select_from(waiting)) or 0)


def take_asks(
    database: Database,
    kinds: tuple[str, ...],
    *,
    now: datetime,
    run_id: str,
    after: str,
    items: int,
) -> tuple[list[Ask], str | None]:
    """Lease the next page of the queue: what is to be asked about up to `items` items.

    One statement takes the leases, so of two runs that take the same page each gets what the
    other did not.

    Args:
        kinds: Kinds of sources, such as `metadata`.
        after: Item id of the page before's end; empty for the first page.

    Returns:
        The asks that are ours now, by item and source, and the item id of the page's end; None
        where the queue has ended.
    """
    index, waiting = t.unified_index, open_asks(now, kinds)
    insert = postgresql.insert if database.dialect == "postgresql" else sqlite.insert
    page = (
        sa.select(waiting.c.item_id)
        .where(waiting.c.item_id > after)
        .distinct()
        .order_by(waiting.c.item_id)
        .limit(items)
        .subquery("page")
    )
    wanted = (
        sa.select(
            waiting.c.item_id,
            waiting.c.source,
            waiting.c.last_fetched_at,
            sa.literal(run_id).label("lease_run_id"),
            moment(now + LEASE).label("lease_until"),
        )
        .join(page, page.c.item_id == waiting.c.item_id)
        # In one order, so that two runs wait for each other instead of deadlocking.
        .order_by(waiting.c.item_id, waiting.c.source)
    )
    statement = insert(index).from_select([c.name for c in wanted.selected_columns], wanted)
    free = sa.or_(
        index.c.lease_until.is_(None),
        index.c.lease_until <= moment(now),
        index.c.lease_run_id == run_id,
    )
    unanswered = index.c.last_fetched_at.is_not_distinct_from(statement.excluded.last_fetched_at)
    lease = statement.on_conflict_do_update(
        index_elements=[index.c.item_id, index.c.source],
        set_={
            "lease_run_id": statement.excluded.lease_run_id,
            "lease_until": statement.excluded.lease_until,
        },
        where=sa.and_(free, unanswered),
    ).returning(index.c.item_id, index.c.source)
    with database.begin() as connection:
        end = connection.execute(sa.select(sa.func.max(page.c.item_id))).scalar()
        if end is None:
            return [], None
        ours = sorted((row.item_id, row.source) for row in connection.execute(lease))
        known = {
            row.id: row
            for row in connection.execute(
                sa.select(
                    t.items.c.id,
                    t.items.c.category,
                    t.items.c.natural_key,
                    t.items.c.title,
                ).where(t.items.c.id.in_(sorted({item for item, _ in ours})))
            )
        }
        words = _search_words(connection, known)
    asks = [
        Ask(source, item, row.category, row.natural_key, row.title, words.get(item))
        for item, source in ours
        for row in (known[item],)
    ]
    return asks, end


def _search_words(connection: sa.Connection, items: Mapping[str, Any]) -> dict[str, str]:
    """Return the words of the items whose market is searched by words, from what is known now."""
    words: dict[str, str] = {}
    for category in {row.category for row in items.values()}:
        if (words_of := CATEGORIES[category].search_words) is None:
            continue
        own = t.CATEGORY_TABLES[category]
        of_it = sorted(item for item, row in items.items() if row.category == category)
        fields = {
            row.item_id: row._asdict()
            for row in connection.execute(sa.select(own).where(own.c.item_id.in_(of_it)))
        }
        words |= {item: words_of(items[item].natural_key, fields.get(item, {})) for item in of_it}
    return words


def renew_leases(database: Database, run_id: str, *, now: datetime) -> int:
    """Hold the leases of a run that lives for longer; return how many there are."""
    index = t.unified_index
    return database.execute(
        sa.update(index).where(index.c.lease_run_id == run_id).values(lease_until=now + LEASE)
    )


def release_leases(database: Database, run_id: str) -> int:
    """Give up what a run leased and did not file; return how many leases that were."""
    index = t.unified_index
    with database.begin() as connection:
        # What was never fetched has nothing but its lease.
        unasked = connection.execute(
            sa.delete(index).where(
                index.c.lease_run_id == run_id, index.c.last_fetched_at.is_(None)
            )
        ).rowcount
        return (
            unasked
            + connection.execute(
                sa.update(index)
                .where(index.c.lease_run_id == run_id)
                .values(lease_run_id=None, lease_until=None)
            ).rowcount
        )


def release_dead_leases(database: Database, runs: Path) -> int:
    """Give up the leases of runs that are known to be dead; return how many leases that were.

    Args:
        runs: Directory of the lock files by which runs are present on this machine.
    """
    dead = [run_id for run_id in lease_holders(database) if is_dead(runs, run_id)]
    return sum(release_leases(database, run_id) for run_id in dead)


def lease_holders(database: Database, *, ended_by: datetime | None = None) -> list[str]:
    """Return the runs that hold leases; with `ended_by`, only leases past their end by then."""
    index = t.unified_index
    statement = sa.select(index.c.lease_run_id).where(index.c.lease_run_id.is_not(None)).distinct()
    if ended_by is not None:
        statement = statement.where(index.c.lease_until <= moment(ended_by))
    return [row.lease_run_id for row in database.rows(statement)]


def finish_scans(database: Database, *, now: datetime) -> int:
    """Mark the pending scans processed that are decided and wait for no answer.

    Also waits for the item's stages: a scan is done when its item has been gated on the
    evidence that was fetched. What still waits at the end of a run is put off for some
    minutes, so that the sensor does not start run after run for it.

    Returns:
        How many scans are done.
    """
    scans, decisions, items = t.scans, t.enrichment_decisions, t.items
    waiting = open_asks(now)
    put_off = sa.or_(*(_is_reason_of(decisions.c.reasons, reason) for reason in sorted(PUT_OFF)))
    decided = sa.exists().where(decisions.c.scan_id == scans.c.id, ~put_off)
    behind = sa.exists().where(
        items.c.id == scans.c.item_id,
        items.c.market_fetched_at.is_distinct_from(items.c.in_training_as_of),
    )
    done = database.execute(
        sa.update(scans)
        .values(processed_at=now)
        .where(is_pending(), decided, scans.c.item_id.not_in(sa.select(waiting.c.item_id)), ~behind)
    )
    database.execute(
        sa.update(decisions)
        .values(deferred_until=now + DEFERRAL)
        .where(
            decisions.c.deferred_until.is_(None),
            decisions.c.scan_id.in_(sa.select(scans.c.id).where(is_pending())),
        )
    )
    return done
