"""Reading the 90-day chart of one item, of 20,000,000 observations of 200,000 items.

The observations are of a year, a table for each week. Few items have most of them, as in real
use: the charts that are read are of items from the least traded one to the most. All that
`pricing price` reads of an item is measured, on one connection: its first chart is slower, since
PostgreSQL reads the tables' definitions then.
"""

import statistics
from datetime import timedelta

import sqlalchemy as sa

from benchmarks.running import Found, Place, Stopwatch
from benchmarks.synthetic import NOW, load, load_items, new_database, settle
from pricing_assets.schema import tables as t
from pricing_assets.schema.weeks import WEEK, attach_partition, partition_name, week_of
from pricing_assets.store.price_history import price_history
from resources.database import Database

OBSERVATIONS = 20_000_000
ITEMS = 200_000
WEEKS = 52
DAYS = 90
CHARTS = 200

SNAPSHOTS_AN_ITEM = 13
"""One a week, over the days of the chart."""

NUMBERED_ITEMS = "SELECT id, row_number() OVER (ORDER BY id) - 1 AS number FROM items"

A_WEEK = """
INSERT INTO {table} (item_id, source, source_listing_id, kind, title, price, currency, price_usd,
    sold_at, observed_at, match_confidence, payload_sha256)
SELECT items.id, 'sandbox:searchapi_ebay_sold', 'v1|' || (100000000000 + drawn.i),
    CASE WHEN drawn.i % 5 = 4 THEN 'ask' ELSE 'sold' END, 'copy', drawn.price, 'USD', drawn.price,
    CASE WHEN drawn.i % 5 < 4 THEN drawn.at - INTERVAL '1 day' END, drawn.at, 0.9, 'body'
FROM (
    SELECT i, floor({items} * power(random(), 1.5))::int AS number,
        round((3 + 40 * random())::numeric, 2) AS price,
        '{week} 00:00+00'::timestamptz + random() * INTERVAL '7 days' AS at
    FROM generate_series({first}, {last}) i
) drawn JOIN numbered items USING (number)
"""


def prepare(place: Place) -> Found:
    """Fill items, their snapshots, and a year of observations, a week at a time."""
    database = new_database(place.url)
    with Stopwatch() as watch:
        load_items(database, ITEMS)
        load(
            database,
            t.payloads,
            "'body' AS sha256, 'sandbox:searchapi_ebay_sold' AS source, "
            "moment(20, 0) AS fetched_at, 1 AS size_bytes, CAST('x' AS BLOB) AS body_zstd",
            1,
        )
        load(database, t.price_snapshots, _SNAPSHOTS, ITEMS * SNAPSHOTS_AN_ITEM)
        for number in range(WEEKS):
            _fill_week(database, number)
    settle(database)
    return Found(watch.seconds)


def ours(place: Place) -> Found:
    """Read the charts one after another; the time is that which 19 of 20 stay below."""
    database = Database(place.url)
    with database.connect() as connection:
        numbered = sa.text(
            f"SELECT id FROM ({NUMBERED_ITEMS}) n WHERE number % :each = 0 ORDER BY number DESC"
        )
        items = connection.execute(numbered, {"each": ITEMS // CHARTS}).scalars().all()
        observations = connection.exec_driver_sql("SELECT count(*) FROM price_listings").scalar()
    last = NOW.date()
    seconds, sales = [], []
    for item in items:
        with Stopwatch() as watch:
            history = price_history(
                database, item, first=last - timedelta(days=DAYS - 1), last=last, now=NOW
            )
        if len(history.days) != DAYS:
            raise RuntimeError(f"the chart of {item} has {len(history.days)} days")
        seconds.append(watch.seconds)
        sales.append(len(history.sales))
    return Found(
        statistics.quantiles(seconds, n=20)[-1],
        details={
            "observations": observations or 0,
            "charts": len(items),
            "median_ms": round(statistics.median(seconds) * 1000, 2),
            "first_ms": round(seconds[0] * 1000, 2),
            "most_traded_ms": round(seconds[-1] * 1000, 2),
            "most_sales": max(sales),
        },
    )


def _fill_week(database: Database, number: int) -> None:
    """Fill a week's table before it is attached, so that its indexes are made of all its rows."""
    week = week_of(NOW) - number * WEEK
    table, rows = partition_name(week), OBSERVATIONS // WEEKS
    first = number * rows
    with database.begin() as connection:
        for statement in (
            f"CREATE TEMP TABLE numbered ON COMMIT DROP AS {NUMBERED_ITEMS}",
            f"CREATE TABLE {table} (LIKE price_listings INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
            f"SELECT setseed({number / WEEKS})",
            A_WEEK.format(table=table, items=ITEMS, week=week, first=first, last=first + rows - 1),
            attach_partition(week),
        ):
            connection.execute(sa.text(statement))


_SNAPSHOTS = f"""
    item_id(i // {SNAPSHOTS_AN_ITEM}) AS item_id,
    CAST(moment(89 - 7 * (i % {SNAPSHOTS_AN_ITEM}), 0) AS DATE) AS snapshot_date,
    moment(89 - 7 * (i % {SNAPSHOTS_AN_ITEM}), 0) AS as_of, false AS provisional,
    90 AS window_days, 20 AS sold_count, 1 AS ask_count,
    CAST(draw(i, 1, 4000) / 100.0 + 3 AS DECIMAL(12, 2)) AS market_value,
    'sandbox:searchapi_ebay_sold' AS sources
"""
