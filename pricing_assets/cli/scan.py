"""`pricing scan`: codes from the command line or a file become scans."""

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import click
import pyarrow as pa

from pricing_assets.cli.errors import Refusal
from pricing_assets.core.categories import CATEGORIES
from pricing_assets.core.codes import shown_code
from pricing_assets.core.items import item_id
from pricing_assets.core.readings import read_item
from pricing_assets.store.intake import IntakeCount, Readings, store_scans
from pricing_assets.store.opening import open_database
from resources.clock import Clock
from resources.inbox import content_hash
from resources.scan_files import read_scans
from resources.settings import DEFAULT_USER, Settings


@click.command()
@click.argument("codes", nargs=-1, metavar="[CODE]...")
@click.option(
    "--file",
    "files",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="A file of scans: csv with or without header (a column named category says book, card or "
    "minifigure; a column named title may name cards), jsonl, txt with one code a line, or an "
    "Open Library editions dump. The same content twice adds nothing.",
)
@click.option(
    "--category",
    type=click.Choice(list(CATEGORIES)),
    help="What the CODEs are, and the rows of a file that do not say it. Without it an ISBN is a "
    "book, and sw0001 a minifigure.",
)
@click.option("--user", default=DEFAULT_USER, show_default=True, help="Whose scans these are.")
def scan(codes: tuple[str, ...], files: tuple[Path, ...], category: str | None, user: str) -> None:
    """Scan books by ISBN, minifigures by number, and cards by code or title.

    Every code is kept: an accepted one with its item, a refused one with the reason. Where none
    is accepted, the exit code is 1.
    Nothing is asked of any source until the next run (the sensor's, or 'pricing run').

    \b
    Examples:
      pricing scan 9780316769174 0-316-76917-7
      pricing scan sw0001
      pricing scan --category card base1-4 "2023 Bowman Chrome Ethan Salas #BCP-50"
      pricing scan --file scans.csv
      pricing scan --category card --file cards.csv
      pricing scan --file goodreads_library_export.csv --user anna
    """
    if not codes and not files:
        raise click.UsageError("give at least one CODE, or --file FILE")
    if not user.strip():
        raise click.UsageError("--user is empty")
    settings, clock = Settings.from_env(), Clock.from_env()
    with open_database(settings) as database:
        total = IntakeCount()
        if codes:
            typed = _typed(codes, category)
            for code, note in zip(codes, typed.rows["note"].to_pylist(), strict=True):
                click.echo(f"{shown_code(code)}: {note or 'accepted'}")
            total += store_scans(database, [typed], user_id=user, received_at=clock.now())
        for path in files:
            readings = _of_file(path, category)
            count = store_scans(database, readings, user_id=user, received_at=clock.now())
            if not count.read:
                click.echo(f"{path.name} has no rows: nothing in it is a scan")
            total += count
    click.echo(
        f"{total.read:,} read: {total.accepted:,} accepted, {total.rejected:,} rejected, "
        f"{total.known:,} known before"
    )
    if total.rejected:
        click.echo("See what was rejected and why: pricing status --rejected")
    if total.accepted:
        click.echo("Next: pricing run (or let the sensor take them: make ui)")
    if total.rejected == total.read:
        raise Refusal("no scan was accepted" if total.read else "there was nothing to scan")


def _typed(codes: tuple[str, ...], category: str | None) -> Readings:
    readings = [read_item(code, category) for code in codes]
    rows = pa.RecordBatch.from_pydict(
        {
            "line": pa.array(range(1, len(codes) + 1), pa.int64()),
            "code": pa.array(codes, pa.string()),
            "category": pa.array([r.category for r in readings], pa.string()),
            "natural_key": pa.array([r.natural_key for r in readings], pa.string()),
            "item_id": pa.array(
                [
                    item_id(r.category, r.natural_key) if r.category and r.natural_key else None
                    for r in readings
                ],
                pa.string(),
            ),
            "reason": pa.array([r.reason for r in readings], pa.string()),
            "note": pa.array([r.note or None for r in readings], pa.string()),
            "scanned_at": pa.nulls(len(codes), pa.timestamp("us", tz="UTC")),
        }
    )
    call = hashlib.sha256(uuid.uuid4().bytes).hexdigest()
    return Readings(call, "command line", rows)


def _of_file(path: Path, category: str | None) -> Iterator[Readings]:
    origin = content_hash(path)
    if category:
        # Without its category it may have been brought before, and refused line by line.
        origin = hashlib.sha256(f"{origin} {category}".encode()).hexdigest()
    for batch in read_scans(path, category=category):
        yield Readings(origin, path.name, batch)
