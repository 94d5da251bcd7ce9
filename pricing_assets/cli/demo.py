"""`pricing demo`: from scans to a training set in about a minute, with nothing but this machine.

Not here: the demo of many past days (`demo_history`).
"""

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from pricing_assets.cli.demo_history import (
    BOOKS_A_COLLECTIBLE,
    HISTORY_BOOKS,
    MOST_DAYS,
    replay_past_days,
)
from pricing_assets.cli.printing import heading, row, typed
from pricing_assets.cli.running import dagster_home, run_job
from pricing_assets.core.categories.minifigure import is_rebrickable
from pricing_assets.core.codes import isbn10_of
from pricing_assets.core.licences import SIMULATED
from pricing_assets.store.decisions import counts_by_reason
from pricing_assets.store.exchange_rates import newest_day
from pricing_assets.store.intake import IntakeCount, Readings, store_scans
from pricing_assets.store.opening import open_database
from pricing_assets.store.status import call_counts, status
from resources.clock import Clock
from resources.database import Database
from resources.inbox import content_hash
from resources.sandbox.catalogue import Book, bundled_catalogue
from resources.sandbox.collectibles import Minifigure, bundled_cards, bundled_minifigures
from resources.scan_files import read_scans
from resources.settings import DEFAULT_USER, Settings

BOOKS = 2_000
SIMULATED_RATES = SIMULATED + "ecb"
"""The source of exchange rates that the sandbox plays."""

BAD_CODES = (
    "9.78043902348E+12",
    "036000291452",
    "B00ZV9PXP2",
    "9780439023489",
    "12345",
    "no barcode",
    "4006381333931",
)
"""What a day's scans also hold: a number that a spreadsheet ruined, a UPC, an ASIN, a wrong
check digit, a fragment, a remark, an EAN of something else."""


@click.command()
@click.option(
    "--catalogue",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A real catalogue to serve and to scan, instead of the bundled one: a CSV with isbn, "
    "title, authors, year under any usual names, or an Open Library editions dump.",
)
@click.option(
    "--books",
    type=click.IntRange(min=1),
    default=None,
    help=f"How many books to scan  [default: {BOOKS:,} of the bundled catalogue, or all of FILE; "
    f"{HISTORY_BOOKS:,} with --history]",
)
@click.option(
    "--history",
    type=click.IntRange(1, MOST_DAYS),
    metavar="DAYS",
    help="Live through so many past days instead, up to now: scans on each of them, answers that "
    "grow old and are asked for anew, daily snapshots, a training set a month.",
)
def demo(catalogue: Path | None, books: int | None, history: int | None) -> None:
    """Scan items and take them all the way to a training set, in real Dagster runs.

    Books, and without --catalogue some cards and minifigures.
    Talks to simulated vendors only; prices are invented and marked as such. Run it again: what
    is fresh is not asked again.

    \b
    Examples:
      pricing demo
      pricing demo --catalogue goodbooks.csv
      pricing demo --history 90
    """
    if os.environ.get("PRICING_PROFILE", "sandbox") != "sandbox":
        raise click.UsageError("the demo runs in the sandbox; unset PRICING_PROFILE")
    settings, clock = Settings.from_env(), Clock.from_env()
    if catalogue is not None:
        settings = replace(settings, catalogue=catalogue.resolve())
    now = clock.now()
    click.echo(f"pricing-assets demo. State in {settings.home}, runs in {dagster_home()}.")
    click.echo("Vendors and prices are SIMULATED by a sandbox on this machine.")
    if history is not None:
        replay_past_days(settings, clock, history, catalogue, books)
        return
    with open_database(settings) as database:
        heading("1/5  Scan")
        taken = store_scans(
            database,
            _readings(settings, catalogue, books, now),
            user_id=DEFAULT_USER,
            received_at=now,
        )
        click.echo(
            f"  {taken.read:,} scans: {taken.accepted:,} accepted, {taken.rejected:,} rejected"
        )
        rates_known = newest_day(database, SIMULATED_RATES) is not None
    heading("2/5  Exchange rates (job update_exchange_rates)")
    if rates_known:
        click.echo("  Known; the schedule asks for new days: pricing rates update")
    else:
        run_job("update_exchange_rates", settings=settings)
    heading("3/5  From scan to flag (job process_scans)")
    run = run_job("process_scans", settings=settings)
    heading("4/5  Today's market (job snapshot_prices)")
    run_job("snapshot_prices", partition=f"{clock.now():%Y-%m-%d}", settings=settings)
    month = f"{clock.now():%Y-%m}"
    heading(f"5/5  Training set {month} (job build_training_set)")
    built = run_job("build_training_set", partition=f"{month}-01", settings=settings)
    materialization = next(iter(built.get_asset_materialization_events())).materialization
    metadata = {name: value.value for name, value in materialization.metadata.items()}
    with open_database(settings) as database:
        _summary(database, settings, taken, run.run_id, month, metadata)


def _readings(
    settings: Settings, catalogue: Path | None, books: int | None, now: datetime
) -> Iterator[Readings]:
    if catalogue is None:
        path = settings.home / "demo-scans.csv"
        _write_scans(path, bundled_catalogue()[: books or BOOKS], now)
        left = None
    else:
        path, left = catalogue, books
    # A new demo is a new day at the scanner: the same books, scanned again.
    origin = hashlib.sha256(f"{content_hash(path)} {now.isoformat()}".encode()).hexdigest()
    for batch in read_scans(path):
        taken = batch if left is None else batch.slice(0, left)
        if taken.num_rows:
            yield Readings(origin, path.name, taken)
        if left is not None:
            left -= taken.num_rows
            if left <= 0:
                return


def _write_scans(path: Path, books: Sequence[Book], now: datetime) -> None:
    """Write scans as they come from real hands: hyphens, ISBN-10s, lost zeros, repeats, junk.

    Then cards, which have to say that they are some, and minifigures, which have not.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["code", "category", "scanned_at"])
        for number, book in enumerate(books):
            isbn10 = isbn10_of(book.isbn13)
            forms = (book.isbn13, f"{book.isbn13[:3]}-{book.isbn13[3:]}", isbn10 or book.isbn13)
            code = forms[number % 3]
            if isbn10 and isbn10.startswith("0") and not isbn10.startswith("00"):
                code = isbn10.lstrip("0") if number % 6 == 5 else code
            writer.writerow([code, "", now.isoformat()])
            if number % 50 == 0:
                writer.writerow([book.isbn13, "", now.isoformat()])
            if number % 100 == 0:
                bad = BAD_CODES[number // 100 % len(BAD_CODES)]
                writer.writerow([bad, "", now.isoformat()])
        collectibles = -(-len(books) // BOOKS_A_COLLECTIBLE)
        for card in bundled_cards(collectibles):
            writer.writerow([card.identifier, "card", now.isoformat()])
        for figure in _figures(collectibles):
            writer.writerow([figure.number, "", now.isoformat()])


def _figures(count: int) -> list[Minifigure]:
    """Return minifigures of both catalogues, most of them of the one that has a market."""
    figures = bundled_minifigures()
    of_bricklink = [figure for figure in figures if not is_rebrickable(figure.number)]
    of_rebrickable = [figure for figure in figures if is_rebrickable(figure.number)]
    share = count // 4
    return of_bricklink[: count - share] + of_rebrickable[:share]


def _summary(
    database: Database,
    settings: Settings,
    taken: IntakeCount,
    run_id: str,
    month: str,
    training: dict[str, Any],
) -> None:
    state = status(database, DEFAULT_USER)
    calls = call_counts(database, run_id)
    heading("Result (simulated)")
    row("scans now", f"{taken.accepted:,} accepted, {taken.rejected:,} rejected")
    for reason, count in state["scans"]["rejected_by_reason"].items():
        row("", f"{count:>6,}  {reason} (all scans so far)")
    row("calls made", f"{calls['made']:,} for ${calls['cost_usd']:.2f}, {calls['errors']:,} failed")
    row("calls saved", f"{calls['saved']:,}, worth ${calls['saved_usd']:.2f}")
    decided: Counter[str] = Counter()
    for count in counts_by_reason(database, run_id):
        decided[f"{count.action}: {count.reason}"] += count.calls
    for decision, number in decided.most_common():
        row("", f"{number:>6,}  {decision}")
    if not calls["made"]:
        row("", "Nothing was asked: everything is fresh.")
    for category, counts in state["by_category"].items():
        row(f"{category}s", f"{counts['items']:>6,} items, {counts['in_training']:,} in training")
    row("items scored", f"{state['items_scored']:,} of {state['items']:,}")
    row("in training", f"{state['in_training']:,}, mean quality {state['mean_training_quality']}")
    provisional = ", provisional" if training["provisional"] else ""
    row("training set", f"{training['dagster/partition_row_count']:,} examples{provisional}")
    row("", str(settings.training_sets / month))
    heading("Next")
    row(
        "load it",
        typed(f"python -c \"import pricing_assets as p; print(p.load_training_set('{month}'))\""),
    )
    row("read its card", str(settings.training_sets / month / "card.md"))
    row("see the graph", "make ui   (then http://localhost:3000)")
    row("what it is worth", typed("pricing price 9780316769174"))
    row("ask about a book", typed("pricing explain 9780316769174"))
    if settings.catalogue is None:
        row("about a card", typed("pricing explain --category card base1-2"))
    if settings.catalogue is not None:
        row("go on with FILE", f"export PRICING_CATALOGUE={settings.catalogue}")
