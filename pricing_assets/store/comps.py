"""Sold comps on the items, with their value and the advice: recomputed where evidence arrived."""

from datetime import datetime, timedelta

import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.core.advice import advice_sql
from pricing_assets.core.comps import comps_sql
from pricing_assets.core.valuation import V1
from pricing_assets.core.variants import own_copies, own_value_sql
from pricing_assets.schema import tables as t
from pricing_assets.store.market import (
    ITEMS_A_BATCH,
    answers_about,
    count_sales_once,
    happened_sql,
    reverted_merges,
    select_counted,
)
from resources.compute import duckdb_connection
from resources.database import Bulk, Database

_COMPS = {
    "sold_comps_count": "sold_count",
    "sold_comps_min": "sold_min",
    "sold_comps_median": "sold_median",
    "sold_comps_max": "sold_max",
    "sold_comps_source": "sold_source",
    "sold_comps_as_of": "as_of",
    "estimated_price": "sold_median",
    "ebay_active_count": "ask_count",
    "ebay_sold_count": "sold_count",
    "ebay_currency": "currency",
    "quick_sale": "quick",
    "market_value": "market",
    "patient_sale": "patient",
    "low_value": "low",
    "high_value": "high",
    "advice": "action",
    "advice_reason": "reason",
    **{
        name: name
        for name in (
            *("effective_n", "outliers", "confidence", "method", "sell_through"),
            *("time_to_sell_days", "rarity", "probability_label", "probability_score"),
        )
    },
}
"""Columns of an item, and of the statement what they hold."""


def update_comps(database: Database, *, now: datetime) -> int:
    """Recompute the comps of every item whose market was fetched since; return their number.

    The value and the advice are as of that fetch. Commits batch by batch. An item is pending
    where `sold_comps_as_of` is not the moment of its last market fetch, so a crash leaves
    exactly the rest to do.
    """
    done = 0
    while count := _update_batch(database, now):
        done += count
    return done


def _update_batch(database: Database, now: datetime) -> int:
    items, listings = t.items, t.price_listings
    pending = (
        sa.select(items.c.id.label("item_id"), items.c.market_fetched_at.label("as_of"))
        .where(
            items.c.market_fetched_at.is_not(None),
            items.c.sold_comps_as_of.is_distinct_from(items.c.market_fetched_at),
        )
        .order_by(items.c.id)
        .limit(ITEMS_A_BATCH)
    )
    page = database.read_arrow(pending)
    if page.num_rows == 0:
        return 0
    chosen = sa.select(pending.subquery("chosen").c.item_id)
    seen = database.read_arrow(
        select_counted(
            listings.c.superseded_at.is_(None), listings.c.item_id.in_(chosen)
        ).add_columns(listings.c.currency)
    )
    answers = answers_about(chosen, now - timedelta(days=V1.ask_days), now)
    with duckdb_connection() as duck:
        duck.register("page", page)
        duck.register("seen", seen)
        duck.register("answers", database.read_arrow(answers))
        duck.register("reverted", database.read_arrow(reverted_merges(now)))
        duck.execute("CREATE TABLE observations AS FROM seen JOIN page USING (item_id)")
        count_sales_once(duck)
        duck.execute(f"CREATE TABLE happened AS {happened_sql('as_of')}")
        comps = duck.sql(_statement()).to_arrow_table()
        repeated = duck.sql("FROM repeated ORDER BY ALL").to_arrow_table()
    with database.bulk() as bulk:
        _record_merges(bulk, page, repeated, now)
        staged = bulk.stage(comps)
        return bulk.execute(
            sa.update(items)
            .values(
                {name: staged.c[value] for name, value in _COMPS.items()}
                | {"sold_comps_is_estimate": False, "updated_at": now}
            )
            .where(items.c.id == staged.c.item_id)
        )


def _statement() -> str:
    """Return the statement of the comps, value and advice of every item of the page."""
    values = (
        "(SELECT page.item_id, page.as_of, v.* EXCLUDE (item_id, n, recent, asks, "
        "outliers, effective_n, confidence, method), coalesce(v.n, 0) AS n, "
        "coalesce(v.recent, 0) AS recent, coalesce(v.asks, 0) AS asks, "
        "coalesce(v.outliers, 0) AS outliers, "
        "CAST(coalesce(v.effective_n, 0) AS DOUBLE) AS effective_n, "
        "coalesce(v.confidence, 'low') AS confidence, coalesce(v.method, 'none') AS method, "
        "CAST(NULL AS DECIMAL(12, 2)) AS cost_usd "
        f"FROM page LEFT JOIN ({own_value_sql('happened', 'as_of')}) v ON v.item_id = page.item_id)"
    )
    more = ", min(source) FILTER (WHERE kind = 'sold') AS sold_source, min(currency) AS currency"
    columns = ", ".join(dict.fromkeys(_COMPS.values()))
    return f"""
    SELECT item_id, {columns} FROM (
        SELECT a.*, coalesce(c.sold_count, 0) AS sold_count, c.sold_min, c.sold_median,
            c.sold_max, coalesce(c.ask_count, 0) AS ask_count, c.sold_source, c.currency
        FROM ({advice_sql(values)}) a
            LEFT JOIN ({comps_sql(own_copies("happened"), more)}) c ON c.item_id = a.item_id
    )
    """


def _record_merges(bulk: Bulk, page: pa.Table, repeated: pa.Table, now: datetime) -> None:
    """Let `sale_merges` have what was merged of these items, and what people reverted."""
    merges = t.sale_merges
    computed = bulk.stage(page.select(["item_id"]))
    found = bulk.stage(repeated, like=merges)
    same = sa.and_(*(found.c[column.name] == column for column in merges.primary_key.columns))
    bulk.execute(
        sa.delete(merges).where(
            merges.c.reverted_at.is_(None),
            merges.c.item_id.in_(sa.select(computed.c.item_id)),
            ~sa.exists(sa.select(found.c.item_id).where(same)).correlate(merges),
        )
    )
    bulk.insert_from(
        merges,
        sa.select(*found.columns, sa.literal(now, merges.c.decided_at.type).label("decided_at")),
    )
