"""`pricing demo --history`: past days lived through again, with the clock set to each of them.

Every stage is a real run of the project's assets; only the time is played. The sandbox's market
is a function of the date, so it answers as it would have on that day. What happens in a past
day depends on the item and the date alone: a replay that was cut short goes on where it was.

Not here: the demo of one day (`demo`).
"""

import csv
import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from itertools import islice
from pathlib import Path

import click
import sqlalchemy as sa

from pricing_assets.cli.printing import heading, row, typed
from pricing_assets.cli.running import execute
from pricing_assets.core.categories import CATEGORIES
from pricing_assets.core.categories.minifigure import is_rebrickable
from pricing_assets.core.periods import FIRST_MONTH
from pricing_assets.schema import tables as t
from pricing_assets.store.intake import IntakeCount, Readings, store_scans
from pricing_assets.store.opening import open_database
from pricing_assets.store.queue import moment as moment_of
from pricing_assets.store.refresh import due_by_scan
from pricing_assets.store.status import call_counts
from pricing_assets.store.training_compare import differences
from pricing_assets.store.training_places import Build, facts_of, shown
from resources.clock import Clock
from resources.database import AnySelect, Database
from resources.sandbox.catalogue import bundled_catalogue
from resources.sandbox.collectibles import bundled_cards, bundled_minifigures
from resources.sandbox.process import SandboxProcess
from resources.scan_files import read_scans
from resources.settings import DEFAULT_USER, Settings
from resources.source_access import SANDBOX_RATE

HISTORY_BOOKS = 300
"""Books that are scanned in the history."""

BOOKS_A_COLLECTIBLE = 10
"""Beside so many books of the bundled catalogue a card and a minifigure are scanned."""

MOST_DAYS = 365

STEP_DAYS = 3
"""Days that one run of the graph takes together: for as long an ask stays fresh, so a run a day
would ask next to nothing more."""

EVENING = time_of_day(20, tzinfo=UTC)
"""When the run of a step is, on its last day."""

SCAN_EVERY = (4, 60)
"""Days from one scan of an item to its next, from the most to the least sought."""

SNAPSHOTS_A_RUN = 30
"""Days of snapshots that one run makes."""

TRAINING_SETS = 3
"""Months of which a training set is built, the running one included."""

_FILE = "demo-history.csv"
"""Name of the file of scans, by which the scans of a history are known."""


@dataclass(frozen=True, slots=True)
class _Item:
    """An item of the history: how its code is written, its category where that must be said."""

    code: str
    category: str


def replay_past_days(
    settings: Settings, clock: Clock, days: int, catalogue: Path | None, books: int | None
) -> None:
    """Live through the days up to now; print what is done meanwhile, and what came of it.

    Args:
        clock: What time it is at the end.
        days: How many, today included.
        catalogue: File of the books to scan, which `settings` let the sandbox serve; None for
            the bundled one.
        books: How many of them; None for `HISTORY_BOOKS`.

    Raises:
        UsageError: The history would begin before anything can have been observed.
    """
    started, now = time.monotonic(), clock.now()
    first = now.date() - timedelta(days=days - 1)
    if f"{first:%Y-%m}" < FIRST_MONTH:
        raise click.UsageError(f"--history {days} begins before {FIRST_MONTH}, the first month")
    with open_database(settings) as database, _one_sandbox(settings) as served:
        heading(f"1/3  Scans and answers of {days} days, {STEP_DAYS} days a run")
        items = _items(database, _begin(first), catalogue, books or HISTORY_BOOKS)
        for begin, moment in _steps(database, first, now):
            _live(database, served, items, begin, moment, started)
        heading("2/3  Daily snapshots (job snapshot_prices)")
        _snapshots(served, first, now, started)
        heading("3/3  Training sets (job build_training_set)")
        months = _training_sets(served, first, now, started)
        _summary(database, settings, first, now, months)


@contextmanager
def _one_sandbox(settings: Settings) -> Iterator[Settings]:
    """Keep one sandbox for all runs: each would start its own, which takes a second."""
    running = (
        SandboxProcess(catalogue=settings.catalogue, rate=SANDBOX_RATE)
        if settings.sandbox_url is None
        else nullcontext()
    )
    with running as process:
        url = settings.sandbox_url if process is None else process.url
        yield replace(settings, sandbox_url=url)


def _begin(day: date) -> datetime:
    return datetime.combine(day, time_of_day.min, tzinfo=UTC)


def _steps(database: Database, first: date, now: datetime) -> Iterator[tuple[date, datetime]]:
    """Yield the first day of each step that was not lived through yet, and the moment of its run.

    Steps begin on the same days whenever the replay is. What a step that was cut short left
    pending, the next one does.
    """
    scans = t.scans
    lived = database.scalar(
        sa.select(sa.func.max(scans.c.received_at, type_=scans.c.received_at.type)).where(
            scans.c.user_id == DEFAULT_USER, scans.c.origin_name == _FILE
        )
    )
    day = first - timedelta(days=first.toordinal() % STEP_DAYS)
    while day <= now.date():
        moment = min(datetime.combine(day + timedelta(days=STEP_DAYS - 1), EVENING), now)
        if lived is None or moment > lived:
            yield day, moment
        day += timedelta(days=STEP_DAYS)


def _items(database: Database, since: datetime, catalogue: Path | None, books: int) -> list[_Item]:
    """Return the items of the history: none that something else has scanned since.

    Their present is known, so nobody would ask for their past any more.
    """
    scans = t.scans
    known = {
        row.natural_key
        for row in database.rows(
            sa.select(t.items.c.natural_key)
            .join(scans, scans.c.item_id == t.items.c.id)
            .where(scans.c.received_at >= since, scans.c.origin_name.is_distinct_from(_FILE))
            .distinct()
        )
    }
    if catalogue is None:
        isbns = iter([book.isbn13 for book in bundled_catalogue()])
        cards = iter([card.identifier for card in bundled_cards()])
        # Of the catalogue that has a market.
        figures = iter([f.number for f in bundled_minifigures() if not is_rebrickable(f.number)])
    else:
        isbns, cards, figures = _isbns(catalogue), iter(()), iter(())
    collectibles = -(-books // BOOKS_A_COLLECTIBLE)
    return [
        _Item(code, category)
        for codes, category, count in (
            (isbns, "", books),
            (cards, "card", collectibles),
            (figures, "", collectibles),
        )
        for code in islice((code for code in codes if code not in known), count)
    ]


def _isbns(catalogue: Path) -> Iterator[str]:
    for batch in read_scans(catalogue):
        yield from (key for key in batch["natural_key"].to_pylist() if key)


def _live(
    database: Database,
    settings: Settings,
    items: Sequence[_Item],
    begin: date,
    moment: datetime,
    started: float,
) -> None:
    """Scan what is scanned in a step, and take it through the graph at the step's moment."""
    taken = _scan(database, settings, items, begin, moment)
    # The schedule weekly_refresh would have run on Monday.
    days = (begin + timedelta(days=number) for number in range(STEP_DAYS))
    job = "refresh_stale" if any(day.weekday() == 0 for day in days) else "process_scans"
    # The inbox holds scans of today, which a past day would stamp with its own moment.
    run = execute(job, ops={"raw_scans": {"max_files": 0}}, settings=settings, clock=Clock(moment))
    calls = call_counts(database, run.run_id)
    _say(
        started,
        f"{begin:%Y-%m-%d} to {moment:%m-%d}  {job:<13}  {taken.accepted:>4,} scans  "
        f"{calls['made']:>5,} calls made  {calls['saved']:>5,} saved",
    )


def _scan(
    database: Database, settings: Settings, items: Sequence[_Item], begin: date, moment: datetime
) -> IntakeCount:
    """Store the scans of a step until its moment, each with the minute of its day."""
    days = [begin + timedelta(days=number) for number in range(STEP_DAYS)]
    scans = sorted(
        (at, item.code, item.category)
        for item in items
        for day in days
        if (at := _scanned_at(item, day)) is not None and at <= moment
    )
    path = settings.home / _FILE
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["code", "category", "scanned_at"])
        writer.writerows((code, category, at.isoformat()) for at, code, category in scans)
    # The same when the step is lived through again, later on its last day.
    origin = hashlib.sha256(f"{begin} {items}".encode()).hexdigest()
    readings = (Readings(origin, _FILE, batch) for batch in read_scans(path))
    return store_scans(database, readings, user_id=DEFAULT_USER, received_at=moment)


def _scanned_at(item: _Item, day: date) -> datetime | None:
    """Return when an item is scanned on a day, during shop hours; None on most days."""
    draw = int.from_bytes(hashlib.sha256(item.code.encode()).digest()[:8])
    most, least = SCAN_EVERY
    # The larger of two draws: few items are scanned often, and most of them seldom.
    every = most + max(draw % (least - most), (draw >> 32) % (least - most))
    if (day.toordinal() + draw) % every:
        return None
    return _begin(day) + timedelta(hours=9, minutes=(draw >> 16) % 600)


def _snapshots(settings: Settings, first: date, now: datetime, started: float) -> None:
    """Make the snapshots of all days, a month of them a run, as a backfill does."""
    begin = first
    while begin <= now.date():
        end = min(begin + timedelta(days=SNAPSHOTS_A_RUN - 1), now.date())
        run = execute(
            "snapshot_prices",
            partitions=(begin.isoformat(), end.isoformat()),
            settings=settings,
            clock=Clock(now),
        )
        # Each day's event has the number of the whole run.
        event = run.get_asset_materialization_events()[0]
        rows = event.materialization.metadata["dagster/partition_row_count"].value
        _say(started, f"{begin:%Y-%m-%d} to {end:%m-%d}  {rows:,} snapshots")
        begin = end + timedelta(days=1)


def _training_sets(settings: Settings, first: date, now: datetime, started: float) -> list[str]:
    """Build the training sets of the last months; return those months."""
    months = sorted({f"{day:%Y-%m}" for day in _all_days(first, now.date())})[-TRAINING_SETS:]
    for month in months:
        run = execute(
            "build_training_set", partition=f"{month}-01", settings=settings, clock=Clock(now)
        )
        (event,) = run.get_asset_materialization_events()
        rows = event.materialization.metadata["dagster/partition_row_count"].value
        _say(started, f"training set {month}  {rows:,} examples")
    return months


def _all_days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _summary(
    database: Database, settings: Settings, first: date, now: datetime, months: Sequence[str]
) -> None:
    snapshots, index = t.price_snapshots, t.unified_index
    seen = database.rows(
        sa.select(
            sa.func.count().label("rows"),
            sa.func.count(snapshots.c.item_id.distinct()).label("items"),
        ).where(snapshots.c.snapshot_date >= first)
    )[0]
    due = sa.case((index.c.next_due_at <= moment_of(now), 1), else_=0)
    known = database.rows(
        sa.select(
            sa.func.count().label("answers"),
            sa.func.coalesce(sa.func.sum(due), 0).label("due"),
        ).where(index.c.last_fetched_at.is_not(None))
    )[0]
    heading("Result (simulated)")
    row("days", f"{first:%Y-%m-%d} to {now:%Y-%m-%d}")
    row("snapshots", f"{seen.rows:,} of {seen.items:,} items: of days with news; between them the")
    row("", "last one is carried forward")
    row("stale", f"{known.due:,} of {known.answers:,} answers are due again;")
    row("", f"{due_by_scan(database, now=now):,} of them wait for a scan of their item")
    _say_drift(settings, months)
    heading("Next")
    days = (now.date() - first).days + 1
    for category in CATEGORIES:
        for item in database.rows(_most_news(category, first)):
            row(f"price: {category}", typed(f"pricing price {item.natural_key} --days {days}"))
    row("as a picture", "the same with --png price.png")
    if len(months) > 1:
        row("what changed", typed(f"pricing training-set diff {months[-2]} {months[-1]}"))
    row("what is old", typed("pricing refresh --dry-run"))
    row("see the graph", "make ui   (then http://localhost:3000)")
    if settings.catalogue is not None:
        row("go on with FILE", f"export PRICING_CATALOGUE={settings.catalogue}")


def _most_news(category: str, first: date) -> AnySelect:
    """Return the select of the item of a category that has a price on the most days."""
    snapshots, items = t.price_snapshots, t.items
    return (
        sa.select(items.c.natural_key)
        .join(snapshots, snapshots.c.item_id == items.c.id)
        .where(
            items.c.category == category,
            snapshots.c.snapshot_date >= first,
            snapshots.c.market_value.is_not(None),
        )
        .group_by(items.c.natural_key)
        .order_by(sa.func.count().desc(), items.c.natural_key)
        .limit(1)
    )


def _say_drift(settings: Settings, months: Sequence[str]) -> None:
    """Print what each training set has, and how it differs from the one before."""
    before: Build | None = None
    for month in months:
        build = shown(settings.training_sets, month)
        if build is None:
            continue
        text = f"{month}  {build.manifest['rows']['examples']:>5,} examples"
        if before is not None:
            counts, _ = differences(before, build, 0)
            psi = (facts_of(build)["drift"] or {"psi": {}})["psi"].get("target_price")
            text += ": " + ", ".join(f"{count:,} {change}" for change, count in counts.items())
            text += "" if psi is None else f"; PSI of the price {psi:.3f}"
        row("" if before else "training sets", text)
        before = build


def _say(started: float, text: str) -> None:
    click.echo(f"  {time.monotonic() - started:5.1f} s  {text}")
