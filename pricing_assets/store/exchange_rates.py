"""Exchange rates: keeping them, and converting observations by them.

A price is converted when it arrives, by the rates that are known then. What cannot be is kept
with the reason; once its rate is there, a converted row takes its place, so that what was known
on an earlier day stays as it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from pricing_assets.core.licences import SIMULATED
from pricing_assets.core.lots import price_of_piece_sql
from pricing_assets.core.rates import MAX_AGE_DAYS, USD, conversion_sql
from pricing_assets.schema import tables as t
from pricing_assets.store.evidence import SourceFacts, keep_evidence
from pricing_assets.store.listings import supersede
from pricing_assets.store.queue import moment
from resources.compute import duckdb_connection
from resources.database import AnySelect, Bulk, Database
from resources.exchange_rates import read_exchange_rates
from resources.sources.client import Reply

ROWS_A_BATCH = 50_000
"""Observations that are converted in one transaction."""

CONVERSION: Mapping[str, pa.DataType] = {
    "exchange_rate": pa.decimal128(18, 8),
    "exchange_rate_date": pa.date32(),
    "price_usd": pa.decimal128(12, 2),
    "conversion_error": pa.string(),
}
"""What `converted` adds to an observation."""


@dataclass(frozen=True, slots=True)
class Unconverted:
    """Current prices that are not in USD for one reason."""

    currency: str
    reason: str
    prices: int


def store_rates(database: Database, rates: pa.Table, source: str, *, now: datetime) -> int:
    """Keep the rates that are not known yet; return how many that were.

    Args:
        rates: Columns day, currency, usd_per_unit.
        source: Stored name of who published them.
    """
    return database.upsert(t.exchange_rates, _rates(rates, source, now))


def _rates(rates: pa.Table, source: str, now: datetime) -> pa.Table:
    count = rates.num_rows
    return pa.table(
        {
            **{name: rates[name] for name in ("day", "currency", "usd_per_unit")},
            "source": pa.repeat(pa.scalar(source), count),
            "observed_at": pa.repeat(pa.scalar(now, pa.timestamp("us", tz="UTC")), count),
        }
    )


def commit_rates(
    database: Database,
    reply: Reply,
    sources: Mapping[str, SourceFacts],
    *,
    run_id: str,
    now: datetime,
) -> int:
    """Store what a publisher was asked and the rates it answered with; return the new ones."""
    if reply.postponed:
        return 0
    with database.bulk() as bulk:
        keep_evidence(bulk, [reply], sources, run_id)
        if reply.answer is None:
            return 0
        rates = read_exchange_rates(reply.body)
        return bulk.upsert(t.exchange_rates, _rates(rates, reply.source, now))


def newest_day(database: Database, source: str) -> date | None:
    """Return the last day of which a source's rates are kept; None where there are none."""
    rates = t.exchange_rates
    found: date | None = database.scalar(
        sa.select(sa.func.max(rates.c.day)).where(rates.c.source == source)
    )
    return found


def monthly_levels(
    database: Database, currencies: Sequence[str], months: int = 12
) -> tuple[list[str], dict[str, list[float]]]:
    """Return the last months, and what each currency cost in them as a share of the first.

    Returns:
        Months like `2026-10`, and 100 x median of the month / median of the first month by
        currency; a currency that lacks one of the months is left out.
    """
    rates = t.exchange_rates
    table = database.read_arrow(
        sa.select(rates.c.day, rates.c.currency, rates.c.usd_per_unit).where(
            rates.c.currency.in_(currencies)
        )
    )
    with duckdb_connection() as duck:
        duck.register("rates", table)
        rows = duck.execute(
            """
            WITH levels AS (
                SELECT strftime(day, '%Y-%m') AS month, currency,
                    CAST(median(usd_per_unit) AS DOUBLE) AS level
                FROM rates GROUP BY ALL
            ),
            shown AS (SELECT DISTINCT month FROM levels ORDER BY month DESC LIMIT $months)
            SELECT currency, list(month ORDER BY month),
                list(100 * level / first_level ORDER BY month)
            FROM (
                SELECT *, first_value(level) OVER (PARTITION BY currency ORDER BY month)
                    AS first_level
                FROM levels JOIN shown USING (month)
            )
            GROUP BY currency HAVING count(*) = (SELECT count(*) FROM shown) ORDER BY currency
            """,
            {"months": months},
        ).fetchall()
    return (rows[0][1] if rows else []), {currency: levels for currency, _, levels in rows}


def converted(database: Database, rows: pa.Table) -> pa.Table:
    """Return observations in their order, with the columns of `CONVERSION`.

    The day of an observation is that of its sale, else of its listing, else that on which it
    was seen. A price that was not simulated is never converted by a simulated rate. Of a lot
    the price in USD is that of one piece.

    Args:
        rows: Columns source, price, currency, lot_size, sold_at, listed_at, observed_at, and
            others.
    """
    moments = [rows[name] for name in ("sold_at", "listed_at", "observed_at")]
    # The moments are in UTC, and so are the days.
    day = pc.cast(pc.coalesce(*moments), pa.timestamp("us")).cast(pa.date32(), safe=False)
    plain = pc.and_(pc.equal(rows["currency"], USD), pc.equal(rows["lot_size"], 1))
    if pc.all(plain, min_count=0).as_py():
        # As nearly every batch is: a tenth of the time.
        return _in_usd(rows, day)
    place = pa.array(range(rows.num_rows), pa.int64())
    rows = rows.append_column("place", place).append_column("day", day)
    simulated = pc.starts_with(rows["source"], SIMULATED)
    parts = [
        _convert(database, part, simulated=is_simulated)
        for is_simulated, part in (
            (True, rows.filter(simulated)),
            (False, rows.filter(pc.invert(simulated))),
        )
        if part.num_rows
    ]
    done = pa.concat_tables(parts).sort_by("place")
    return done.drop_columns(["place", "day"])


def _in_usd(rows: pa.Table, day: pa.ChunkedArray) -> pa.Table:
    count = rows.num_rows
    columns = (
        pa.repeat(pa.scalar(Decimal(1), CONVERSION["exchange_rate"]), count),
        *(day, rows["price"], pa.nulls(count, pa.string())),
    )
    for name, column in zip(CONVERSION, columns, strict=True):
        rows = rows.append_column(name, column)
    return rows


def _convert(database: Database, rows: pa.Table, *, simulated: bool) -> pa.Table:
    rates = database.read_arrow(_rates_for(rows, simulated=simulated))
    with duckdb_connection() as duck:
        duck.register("amounts", rows)
        duck.register("rates", rates)
        piece = price_of_piece_sql("price_usd", "lot_size")
        table = duck.sql(
            f"SELECT * REPLACE ({piece} AS price_usd) FROM ({conversion_sql('amounts', 'rates')})"
        ).to_arrow_table()
    return table.cast(
        pa.schema([*rows.schema, *(pa.field(name, kind) for name, kind in CONVERSION.items())])
    )


def _rates_for(rows: pa.Table, *, simulated: bool) -> AnySelect:
    """Return the select of the rates that may convert some observations.

    Of each currency also its first rate and the last one before those, by which is told why a
    price is not converted.
    """
    rates = t.exchange_rates
    currencies = sorted(set(pc.unique(rows["currency"]).to_pylist()) - {USD, None})
    span = pc.min_max(rows["day"]).as_py()
    held = timedelta(days=MAX_AGE_DAYS)
    # A vendor's broken date may be of the calendar's first days, and there are none before.
    begins, ends = max(span["min"], date.min + held) - held, span["max"]
    usable: sa.ColumnElement[bool] = rates.c.currency.in_(currencies)
    if not simulated:
        usable = sa.and_(usable, ~rates.c.source.startswith(SIMULATED))
    beside = (
        sa.select(
            rates.c.currency,
            sa.func.min(rates.c.day).label("first"),
            sa.func.max(sa.case((rates.c.day < begins, rates.c.day))).label("before"),
        )
        .where(usable)
        .group_by(rates.c.currency)
        .subquery("beside")
    )
    return (
        sa.select(rates.c.day, rates.c.currency, rates.c.usd_per_unit, rates.c.source)
        .join(beside, beside.c.currency == rates.c.currency)
        .where(
            usable,
            sa.or_(
                rates.c.day.between(begins, ends),
                rates.c.day.in_((beside.c.first, beside.c.before)),
            ),
        )
    )


def convert_waiting(database: Database, *, now: datetime) -> int:
    """Convert the current prices that could not be before; return how many there were.

    The row that is there is superseded as of now, and one that has its USD appended. Commits
    batch by batch; what cannot be converted stays as it is.
    """
    done, after = 0, 0
    while True:
        page = database.read_arrow(_waiting(after, now))
        if page.num_rows == 0:
            return done
        after = pc.max(page["id"]).as_py()
        ready = converted(database, page)
        ready = ready.filter(pc.is_null(ready["conversion_error"]))
        if ready.num_rows:
            with database.bulk() as bulk:
                done += _replace(bulk, ready.select(["id", *CONVERSION]), now)


def _waiting(after: int, now: datetime) -> AnySelect:
    listings = t.price_listings
    known = sa.select(t.exchange_rates.c.currency).distinct()
    return (
        sa.select(
            *(listings.c[name] for name in ("id", "source", "price", "currency", "lot_size")),
            *(listings.c[name] for name in ("sold_at", "listed_at", "observed_at")),
        )
        .where(
            listings.c.price_usd.is_(None),
            listings.c.superseded_at.is_(None),
            listings.c.currency.in_(known),
            listings.c.id > after,
            # One that was learnt this very moment keeps its place among the observations.
            listings.c.observed_at < moment(now),
        )
        .order_by(listings.c.id)
        .limit(ROWS_A_BATCH)
    )


def _replace(bulk: Bulk, ready: pa.Table, now: datetime) -> int:
    listings = t.price_listings
    staged = bulk.stage(ready, like=listings)
    supersede(bulk, moment(now), listings.c.id.in_(sa.select(staged.c.id)))
    renewed = {"id", "observed_at", "superseded_at", *CONVERSION}
    # What another process superseded meanwhile has another moment, and is left.
    appended = bulk.insert_from(
        listings,
        sa.select(
            *(column for column in listings.columns if column.name not in renewed),
            *(staged.c[name] for name in CONVERSION),
            moment(now).label("observed_at"),
        )
        .join(staged, staged.c.id == listings.c.id)
        .where(listings.c.superseded_at == moment(now)),
    )
    bulk.execute(
        sa.update(t.items)
        .values(market_fetched_at=now, updated_at=now)
        .where(
            t.items.c.id.in_(
                sa.select(listings.c.item_id).where(
                    listings.c.id.in_(sa.select(staged.c.id)),
                    listings.c.superseded_at == moment(now),
                )
            )
        )
    )
    return appended


def unconverted(database: Database, item_id: str | None = None) -> Sequence[Unconverted]:
    """Return the current prices that are not in USD, of one item or of all, by the reason."""
    listings = t.price_listings
    reason = sa.func.coalesce(listings.c.conversion_error, "not tried yet")
    statement = sa.select(
        listings.c.currency, reason.label("reason"), sa.func.count().label("prices")
    ).where(listings.c.price_usd.is_(None), listings.c.superseded_at.is_(None))
    if item_id is not None:
        statement = statement.where(listings.c.item_id == item_id)
    return [
        Unconverted(row.currency, row.reason, row.prices)
        for row in database.rows(
            statement.group_by(listings.c.currency, reason).order_by(sa.text("3 DESC, 1, 2"))
        )
    ]
