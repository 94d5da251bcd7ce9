"""An item's prices day by day: how the daily snapshots are read.

A day has a snapshot where there was news. On a day without one the last value before it still
holds: it is carried forward here, on reading, and marked; no such row is ever stored.

Not here: how a snapshot is made (`snapshots`), or how a history is drawn.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from pricing_assets.core.categories.card import base_key
from pricing_assets.core.items import item_id
from pricing_assets.core.licences import SIMULATED
from pricing_assets.core.periods import day_end
from pricing_assets.schema import tables as t
from pricing_assets.store.market import counted
from pricing_assets.store.shown_prices import Hidden, hidden_sources
from resources.database import AnySelect, Database

_SHOWN_ALWAYS = frozenset(("as_of", "provisional", "window_days", "sources"))
"""Columns of a snapshot that no licence withholds: nothing of the market is in them."""


@dataclass(frozen=True, slots=True)
class PriceDay:
    """An item's market at the end of one day.

    Attributes:
        day: In UTC.
        carried: Whether the day had no news; the values are then those of the last day that had.
        withheld: Sources whose licence does not let these prices be shown now; where there is
            one, all that the market says is None.
        values: The columns of the snapshot by name; money in USD.
        base: Of a parallel, what its base card was worth on that day, in USD; None of all else,
            and where that is not known or may not be shown.
    """

    day: date
    carried: bool
    withheld: tuple[str, ...]
    values: Mapping[str, Any]
    base: Decimal | None = None

    @property
    def simulated(self) -> bool:
        """Whether any of it was made up by the sandbox."""
        return any(name.startswith(SIMULATED) for name in self.values["sources"].split(","))

    @property
    def market(self) -> Decimal | None:
        """What the item is worth, in USD; None where that is not known."""
        price: Decimal | None = self.values["market_value"]
        return price

    @property
    def premium(self) -> float | None:
        """What a parallel is worth over its base card: 0.5 is half as much again."""
        if self.market is None or not self.base:
            return None
        return round(float(self.market / self.base) - 1, 2)

    @property
    def range(self) -> tuple[Decimal, Decimal] | None:
        """What it brings at once, and with patience, in USD; None where that is not known."""
        quick, patient = self.values["quick_sale"], self.values["patient_sale"]
        return None if quick is None or patient is None else (quick, patient)


@dataclass(frozen=True, slots=True)
class Sale:
    """One sale: when it was, and its price in USD."""

    at: datetime
    price: Decimal


@dataclass(frozen=True, slots=True)
class PriceHistory:
    """An item's days, without those before its first snapshot, and the sales on them.

    Attributes:
        hidden: Sources whose prices may not be shown now.
        simulated: Whether any of it was made up by the sandbox.
    """

    days: Sequence[PriceDay]
    sales: Sequence[Sale]
    hidden: Sequence[Hidden]
    simulated: bool


def price_history(
    database: Database, item_id: str, *, first: date, last: date, now: datetime
) -> PriceHistory:
    """Return what may be shown now of an item's prices, for each day from `first` to `last`.

    A price is withheld as `shown_prices` withholds it, and a sale that was seen twice is one.
    """
    days, hidden = _shown_days(database, item_id, first, last, now)
    if (base := _base_card(database, item_id)) is not None:
        worth = {day.day: day.market for day in _shown_days(database, base, first, last, now)[0]}
        days = [replace(day, base=worth.get(day.day)) for day in days]
    begin = days[0].day if days else first
    secret = [source.source for source in hidden]
    sales = database.rows(_sales(item_id, begin, last, secret))
    return PriceHistory(
        days,
        [Sale(row.sold_at, row.price_usd) for row in sales],
        hidden,
        simulated=any(day.simulated for day in days),
    )


def _shown_days(
    database: Database, item_id: str, first: date, last: date, now: datetime
) -> tuple[list[PriceDay], list[Hidden]]:
    """Return an item's days, and the sources whose prices may not be shown now."""
    listings = t.price_listings
    mine = sa.and_(listings.c.item_id == item_id, listings.c.kind.in_(("sold", "ask")))
    hidden = hidden_sources(database, mine, now=now)
    secret = [source.source for source in hidden]
    snapshots = database.rows(_snapshots(item_id, first, last))
    return list(_days(snapshots, first, last, secret)), hidden


def _base_card(database: Database, item: str) -> str | None:
    """Return the item that is the base card of a parallel; None of what is none."""
    items = t.items
    key = database.scalar(
        sa.select(items.c.natural_key).where(items.c.id == item, items.c.category == "card")
    )
    base = None if key is None else base_key(key)
    return None if base is None else item_id("card", base)


def _snapshots(item_id: str, first: date, last: date) -> AnySelect:
    """Return the select of the snapshots of these days, and of the one that they begin with."""
    snapshots = t.price_snapshots
    mine = snapshots.c.item_id == item_id
    before = sa.select(sa.func.max(snapshots.c.snapshot_date)).where(
        mine, snapshots.c.snapshot_date <= first
    )
    begin = sa.func.coalesce(before.scalar_subquery(), sa.literal(first, sa.Date()))
    return (
        sa.select(snapshots)
        .where(mine, snapshots.c.snapshot_date >= begin, snapshots.c.snapshot_date <= last)
        .order_by(snapshots.c.snapshot_date)
    )


def _days(
    snapshots: Sequence[sa.Row[Any]], first: date, last: date, secret: Sequence[str]
) -> Iterator[PriceDay]:
    for place, snapshot in enumerate(snapshots):
        begin: date = snapshot.snapshot_date
        following = snapshots[place + 1].snapshot_date if place + 1 < len(snapshots) else None
        end = last if following is None else following - timedelta(days=1)
        values = {
            name: value
            for name, value in snapshot._mapping.items()
            if name not in ("item_id", "snapshot_date")
        }
        withheld = tuple(name for name in values["sources"].split(",") if name in secret)
        if withheld:
            values = {n: v if n in _SHOWN_ALWAYS else None for n, v in values.items()}
        day = max(begin, first)
        while day <= end:
            yield PriceDay(day, day != begin, withheld, values)
            day += timedelta(days=1)


def _sales(item_id: str, first: date, last: date, secret: Sequence[str]) -> AnySelect:
    listings, merges = t.price_listings, t.sale_merges
    begin = datetime.combine(first, time.min, tzinfo=UTC)
    seen_before = (
        sa.exists()
        .where(
            merges.c.item_id == listings.c.item_id,
            merges.c.source == listings.c.source,
            merges.c.source_listing_id == listings.c.source_listing_id,
            merges.c.reverted_at.is_(None),
        )
        .correlate(listings)
    )
    return (
        sa.select(listings.c.sold_at, listings.c.price_usd)
        .where(
            listings.c.item_id == item_id,
            listings.c.kind == "sold",
            listings.c.sold_at >= begin,
            # No sale is seen before its day has begun somewhere: older weeks need not be read.
            listings.c.observed_at >= begin - timedelta(days=1),
            listings.c.sold_at <= day_end(last),
            listings.c.source.not_in(secret),
            listings.c.superseded_at.is_(None),
            ~seen_before,
            counted(),
        )
        .order_by(listings.c.sold_at, listings.c.id)
    )
