"""The queries that are asked all the time find their rows by an index, on both databases."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.store.market import select_counted
from pricing_assets.store.partitions import make_weeks, partitions
from pricing_assets.store.snapshots import selects_of_news
from resources.database import AnySelect, Database
from tests.examples import DAY, NOON, book, sales, scan

LISTINGS, SNAPSHOTS = t.price_listings.c, t.price_snapshots.c
ITEM = book(1).item_id
OF_ITEM, CURRENT = LISTINGS.item_id == ITEM, LISTINGS.superseded_at.is_(None)
QUERIES: dict[str, AnySelect] = {
    "the chart of an item over 90 days": sa.select(SNAPSHOTS.snapshot_date, SNAPSHOTS.market_value)
    .where(SNAPSHOTS.item_id == ITEM, SNAPSHOTS.snapshot_date > (NOON - 90 * DAY).date())
    .order_by(SNAPSHOTS.snapshot_date),
    **{
        f"the items of a day's news, select {number}": select
        for number, select in enumerate(selects_of_news(NOON, NOON + DAY), start=1)
    },
    "the open asks of an item": select_counted(OF_ITEM, LISTINGS.kind == "ask", CURRENT),
    "the sold comps of an item": select_counted(OF_ITEM, LISTINGS.kind == "sold", CURRENT),
    "the observations of a month as of its end": select_counted(
        LISTINGS.observed_at.between(NOON, NOON + timedelta(days=31)),
        sa.or_(CURRENT, LISTINGS.superseded_at > NOON + timedelta(days=31)),
    ),
    "the items whose comps are behind their market": sa.select(t.items.c.id)
    .where(
        t.items.c.market_fetched_at.is_not(None),
        t.items.c.sold_comps_as_of.is_distinct_from(t.items.c.market_fetched_at),
    )
    .order_by(t.items.c.id)
    .limit(100),
    "the books of a work": sa.select(t.books.c.item_id).where(t.books.c.work_key == "OL1W"),
    "the last snapshot of an item": sa.select(t.price_snapshots)
    .where(SNAPSHOTS.item_id == ITEM)
    .order_by(SNAPSHOTS.snapshot_date.desc())
    .limit(1),
}


@pytest.fixture
def database(database: Database) -> Database:
    """One with an observation: TimescaleDB makes no chunk before."""
    scan(database, 1)
    sales(database, 1, ["10.00"], NOON)
    make_weeks(database, now=NOON)
    return database


def plan(database: Database, query: AnySelect) -> list[str]:
    text = database.sql(query)
    with database.connect() as connection:
        if database.dialect == "sqlite":
            return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
        # On a table of no rows the planner reads all of it, unless that is made dear.
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return [row[0] for row in connection.exec_driver_sql(f"EXPLAIN {text}")]


def reads_a_table_without_index(step: str) -> bool:
    tables = ("price_listings", "_hyper_", "price_snapshots", "sale_merges", "items", "books")
    scans = "Seq Scan" in step or (step.startswith("SCAN") and "INDEX" not in step)
    return scans and any(table in step for table in tables)


def test_the_queries_find_their_rows_by_an_index(database: Database) -> None:
    for name, query in QUERIES.items():
        steps = plan(database, query)
        assert not [step for step in steps if reads_a_table_without_index(step)], (name, steps)
        assert any("index" in step.lower() for step in steps), (name, steps)


@pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)
def test_the_observations_of_a_day_are_looked_for_in_their_week(database: Database) -> None:
    sales(database, 1, ["11.00"], NOON - timedelta(days=7))
    make_weeks(database, now=NOON)
    week = max(p.name for p in partitions(database) if p.week and p.week <= NOON.date())
    steps = plan(database, select_counted(LISTINGS.observed_at.between(NOON, NOON + DAY)))
    read = set(re.findall(r" on (price_listings_\w+?|_hyper_\w+?) ", "\n".join(steps)))
    assert read == {week.removeprefix("_timescaledb_internal.")}


def test_a_query_without_an_index_is_told(database: Database) -> None:
    steps = plan(database, sa.select(LISTINGS.title).where(LISTINGS.title == "x"))
    assert any(reads_a_table_without_index(step) for step in steps)
