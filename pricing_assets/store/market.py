"""What counts of the market: observations of an item that are current, each sale once.

Comps, snapshots, the gate's evidence, shown prices and training sets all read this, so that
they agree. Which observations are one sale is never looked up: it follows from those that
were known at the moment, less what people had reverted by then. So a past day or month that
is built anew merges as it did, though more is known since; `sale_merges` is the record for
people, and where they revert (`store.merges`).
"""

import functools
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.core.licences import SIMULATED
from pricing_assets.core.repeated_sales import repeats_sql
from pricing_assets.schema import tables as t
from pricing_assets.store.matches import belongs
from resources.database import AnySelect
from resources.sources import registered_sources

ITEMS_A_BATCH = 20_000
"""Items whose observations are in memory at once."""


def observed_as_of(moment: datetime) -> sa.ColumnElement[bool]:
    """Return the condition for what was known, and not yet superseded, at a moment."""
    listings = t.price_listings
    return sa.and_(
        listings.c.observed_at <= moment,
        sa.or_(listings.c.superseded_at.is_(None), listings.c.superseded_at > moment),
    )


def counted() -> sa.ColumnElement[bool]:
    """Return the condition of a sale or an ask that is of its item and has a price in USD."""
    listings = t.price_listings
    return sa.and_(
        listings.c.kind.in_(("sold", "ask")), listings.c.price_usd.is_not(None), belongs()
    )


def select_counted(*conditions: sa.ColumnElement[bool]) -> AnySelect:
    """Return the select of the counted observations that meet further conditions."""
    listings = t.price_listings
    return sa.select(
        listings.c.item_id,
        listings.c.kind,
        listings.c.price_usd,
        listings.c.source,
        listings.c.source_listing_id,
        listings.c.sold_at,
        listings.c.observed_at,
        listings.c.match_confidence,
        listings.c.listing_type,
        listings.c.variant,
        listings.c.condition,
        listings.c.grader,
        listings.c.grade,
    ).where(counted(), *conditions)


def answers_about(items: AnySelect, since: datetime, until: datetime) -> AnySelect:
    """Return the select of the answers of the sources of asks about items, with their time.

    An ask is stored when it is first seen: each later answer, until it is superseded, shows
    it again. One that shows nothing at all leaves asks open only where the source is thought to
    have stopped working, and is no word of them.
    """
    calls, sources = t.api_calls, t.data_sources
    of_asks = sa.select(sources.c.name).where(sources.c.kind == "ask")
    return sa.select(
        calls.c.item_id, calls.c.source, calls.c.requested_at.label("answered_at")
    ).where(
        calls.c.item_id.in_(items),
        calls.c.source.in_(of_asks),
        calls.c.result == "found",
        calls.c.requested_at.between(since, until),
    )


def happened_sql(moment: str, observations: str = "observations") -> str:
    """Return the DuckDB statement that gives observations the time that `core.valuation` asks for.

    That is when a sale sold, and when an ask was last seen. A sale after the moment is left out:
    a file may have those of tomorrow, elsewhere.

    Args:
        moment: SQL expression of the as-of, a TIMESTAMPTZ.
        observations: Relation of `select_counted`.

    Returns:
        A statement over that and the relation `answers` of `answers_about`, whose rows are those of
        the first with `happened_at`.
    """
    return f"""
    SELECT * FROM (
        SELECT o.*, CASE o.kind WHEN 'sold' THEN coalesce(o.sold_at, o.observed_at)
            ELSE greatest(o.observed_at, a.answered_at) END AS happened_at
        FROM {observations} o LEFT JOIN (
            SELECT item_id, source, max(answered_at) AS answered_at
            FROM answers GROUP BY item_id, source
        ) a ON a.item_id = o.item_id AND a.source = o.source
    ) WHERE kind <> 'sold' OR happened_at <= {moment}
    """


def reverted_merges(until: datetime) -> AnySelect:
    """Return the select of the merges that people had reverted by a moment."""
    merges = t.sale_merges
    return sa.select(
        merges.c.item_id,
        merges.c.source,
        merges.c.source_listing_id,
        merges.c.first_source,
        merges.c.first_listing_id,
        merges.c.reverted_at,
    ).where(merges.c.reverted_at <= until)


def count_sales_once(duck: duckdb.DuckDBPyConnection) -> None:
    """Move the sold observations that repeat an earlier one out of the table `observations`.

    Makes the table `repeated` of `find_repeats`.

    Args:
        duck: Has what `find_repeats` needs.
    """
    find_repeats(duck, "observations")
    duck.execute("DELETE FROM observations WHERE rowid IN (SELECT place FROM repeated)")
    duck.execute("ALTER TABLE repeated DROP COLUMN place")


def find_repeats(duck: duckdb.DuckDBPyConnection, observations: str) -> None:
    """Make the table `repeated`: the sold observations that repeat an earlier one.

    Its columns are those of `sale_merges` that name the two, and `place`, the row of the
    later one.

    Args:
        duck: Has the relation `reverted` of `reverted_merges`.
        observations: A table with item_id, kind, price_usd, source, source_listing_id, sold_at
            and observed_at.
    """
    duck.register("venues", _venues())
    duck.execute(
        "CREATE OR REPLACE TEMP VIEW venue_sales AS SELECT o.rowid AS id, o.item_id, v.venue, "
        "o.price_usd, o.sold_at, o.observed_at, o.source, o.source_listing_id "
        f"FROM {observations} o JOIN venues v USING (source) "
        "WHERE o.kind = 'sold' AND o.sold_at IS NOT NULL"
    )
    duck.execute(
        "CREATE OR REPLACE TEMP TABLE apart AS SELECT o.rowid AS one, f.rowid AS other "
        f"FROM reverted r JOIN {observations} o ON o.kind = 'sold' AND o.item_id = r.item_id "
        "AND o.source = r.source AND o.source_listing_id = r.source_listing_id "
        f"JOIN {observations} f ON f.kind = 'sold' AND f.item_id = r.item_id "
        "AND f.source = r.first_source AND f.source_listing_id = r.first_listing_id"
    )
    # No drawn id decides: databases with the same observations merge alike.
    repeats = repeats_sql("venue_sales", "apart", "observed_at, source, source_listing_id")
    duck.execute(
        "CREATE OR REPLACE TABLE repeated AS SELECT o.item_id, o.source, o.source_listing_id, "
        "f.source AS first_source, f.source_listing_id AS first_listing_id, r.id AS place "
        f"FROM ({repeats}) r JOIN {observations} o ON o.rowid = r.id "
        f"JOIN {observations} f ON f.rowid = r.sale_id"
    )


@functools.cache
def _venues() -> pa.Table:
    """Return the marketplace that each source reports of; a simulated one is another."""
    found: list[dict[str, Any]] = [
        {"source": prefix + name, "venue": prefix + source.venue}
        for prefix in ("", SIMULATED)
        for name, source in sorted(registered_sources().items())
        if source.venue is not None
    ]
    return pa.Table.from_pylist(found)
