"""The prices and value of one item that may be shown, and what its licence says is too old."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal

import sqlalchemy as sa

from pricing_assets.core.advice import Advice, advise
from pricing_assets.core.comps import comps_sql
from pricing_assets.core.licences import SIMULATED
from pricing_assets.core.valuation import V1, marked_sales_sql
from pricing_assets.core.variants import own_copies, own_value_sql
from pricing_assets.schema import tables as t
from pricing_assets.store.licences import terms_of_sources
from pricing_assets.store.market import (
    answers_about,
    count_sales_once,
    counted,
    happened_sql,
    reverted_merges,
    select_counted,
)
from resources.compute import duckdb_connection
from resources.database import Database


@dataclass(frozen=True, slots=True)
class Hidden:
    """What one source says of an item's price and may not be shown any more."""

    source: str
    observations: int
    fetched_at: datetime
    may_be_shown_for: timedelta


@dataclass(frozen=True, slots=True)
class Value:
    """An item's value by `core.valuation`, with the fences of its quartiles; amounts in USD."""

    low: Decimal
    quick: Decimal
    market: Decimal
    patient: Decimal
    high: Decimal
    effective_n: Decimal
    outliers: int
    fence_low: Decimal
    fence_high: Decimal
    confidence: str
    method: str


@dataclass(frozen=True, slots=True)
class Outlier:
    """A sale that stands out, in USD, and why, for a person."""

    source: str
    price: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class ShownPrices:
    """What follows of an item from the prices that may be shown; amounts in USD.

    Attributes:
        sold: Sales, each once.
        least: Lowest sold price.
        greatest: Highest sold price.
        asks: Asks that are not withdrawn.
        value: As `core.valuation` has it, with its range, confidence and method.
        advice: What to do about a copy that costs nothing.
        sources: Who told of these, by stored name.
        outliers: Sales that weigh a tenth in the value.
        hidden: What may not be shown any more, and follows from nothing here.
    """

    sold: int
    least: Decimal | None
    median: Decimal | None
    greatest: Decimal | None
    asks: int
    value: Value | None
    advice: Advice
    sources: Sequence[str]
    outliers: Sequence[Outlier]
    hidden: Sequence[Hidden]


def shown_prices(database: Database, item_id: str, *, now: datetime) -> ShownPrices:
    """Return what may be shown of an item's prices now.

    A price is as old as the source's last word on the item: one that is seen again is
    displayed anew, and one that is converted later is not. One from a file is as old as its
    import.
    """
    listings = t.price_listings
    mine = sa.and_(counted(), listings.c.item_id == item_id, listings.c.superseded_at.is_(None))
    hidden = hidden_sources(database, mine, now=now)
    too_old = [source.source for source in hidden]
    seen = select_counted(mine, listings.c.source.not_in(too_old))
    answers = answers_about(database.texts([item_id]), now - timedelta(days=V1.ask_days), now)
    with duckdb_connection() as duck:
        duck.register("seen", database.read_arrow(seen))
        duck.register("answers", database.read_arrow(answers))
        duck.register("reverted", database.read_arrow(reverted_merges(now)))
        duck.execute("CREATE TABLE observations AS FROM seen")
        count_sales_once(duck)
        duck.execute(f"CREATE TABLE happened AS {happened_sql('$moment')}", {"moment": now})
        comps = duck.execute(comps_sql(own_copies("happened"))).fetchall()
        _, sold, least, median, greatest, asks, _ = comps[0] if comps else (None, 0, *_NOTHING)
        sources = duck.execute("SELECT DISTINCT source FROM happened ORDER BY source").fetchall()
        found, marked = (
            duck.sql(statement, params={"moment": now}).to_arrow_table().to_pylist()
            for statement in (
                own_value_sql("happened"),
                "SELECT source, price_usd AS price, outlier_reason AS reason FROM "
                f"({marked_sales_sql(own_copies('happened'))}) WHERE is_outlier "
                "ORDER BY price_usd, source, source_listing_id",
            )
        )
    value = found[0] if found else {}
    return ShownPrices(
        *(sold, least, median, greatest, asks or 0),
        value=Value(**{f.name: value[f.name] for f in fields(Value)}) if value.get("n") else None,
        advice=advise(
            n=value.get("n", 0),
            recent=value.get("recent", 0),
            asks=value.get("asks", 0),
            quick=value.get("quick"),
            market=value.get("market"),
            confidence=value.get("confidence", "low"),
        ),
        sources=[source for (source,) in sources],
        outliers=[Outlier(**sale) for sale in marked],
        hidden=hidden,
    )


def hidden_sources(
    database: Database, observations: sa.ColumnElement[bool], *, now: datetime
) -> list[Hidden]:
    """Return the sources of some observations of one item that may not be shown now, by name.

    What the sandbox made up is ours, and shown whatever the vendor's licence says.
    """
    listings, index, payloads = t.price_listings, t.unified_index, t.payloads
    by_source = database.rows(
        sa.select(
            listings.c.source,
            sa.func.count().label("observations"),
            sa.func.max(payloads.c.fetched_at, type_=payloads.c.fetched_at.type).label("learnt"),
            sa.func.max(index.c.last_fetched_at, type_=index.c.last_fetched_at.type).label(
                "fetched"
            ),
        )
        .join(payloads, payloads.c.sha256 == listings.c.payload_sha256)
        .outerjoin(
            index,
            sa.and_(
                index.c.item_id == listings.c.item_id,
                index.c.source == listings.c.source,
                index.c.result != "error",
            ),
        )
        .where(observations)
        .group_by(listings.c.source)
        .order_by(listings.c.source)
    )
    terms = terms_of_sources(database)
    return [
        Hidden(row.source, row.observations, fetched, timedelta(hours=hours))
        for row in by_source
        for fetched in (max(row.learnt, row.fetched or row.learnt),)
        if not row.source.startswith(SIMULATED) and not terms[row.source].may_show(fetched, now)
        for hours in (terms[row.source].display_max_age_hours or 0,)
    ]


_NOTHING = (None,) * 5
