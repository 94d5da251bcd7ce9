"""`pricing catalogue`: items from catalogue files, and the search for items."""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from pricing_assets.core.catalogue import REASONS
from pricing_assets.core.categories import CATEGORIES
from pricing_assets.store.catalogue import Rejected, load_catalogue
from pricing_assets.store.catalogue_search import search_items
from pricing_assets.store.opening import open_database
from resources.catalogue_files import catalogue_files
from resources.clock import Clock
from resources.settings import Settings

LINES_SHOWN = 3
"""Rejected lines that are shown for each reason."""


@click.group()
def catalogue() -> None:
    """Items by what they are: load them from files, and find them.

    \b
    Examples:
      pricing catalogue load downloads/rebrickable/
      pricing catalogue search luke skywalker
    """


@catalogue.command()
@click.argument(
    "places", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="PLACE"
)
@click.option(
    "--rejected",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the rejected lines to this CSV file.",
)
def load(places: tuple[Path, ...], rejected: Path | None) -> None:
    """Load minifigures from Rebrickable's files, or cards from a CSV file.

    PLACE is a file or a directory of .csv or .csv.gz; a file is known by its columns, whatever
    its name. Of Rebrickable: minifigs, sets, themes, inventories, inventory_minifigs. Cards have
    year, set_name, number, player_or_character (and parallel, print_run), or a game's id, name,
    rarity, release_date. The same files twice add nothing.

    \b
    Examples:
      pricing catalogue load downloads/rebrickable/
      pricing catalogue load cards.csv --rejected rejected.csv
    """
    files, others = catalogue_files(places)
    with open_database(Settings.from_env()) as database:
        loaded = load_catalogue(database, files, now=Clock.from_env().now())
    for file in loaded.files:
        used = file.rows - file.rejected
        click.echo(
            f"{file.file:<40} {file.rows:>9,} rows: {used:,} used, {file.rejected:,} rejected"
        )
    for path in others:
        click.echo(f"{path.name:<40} left out: no table that is known")
    _show_rejected(loaded.rejected)
    if rejected is not None:
        _write_rejected(rejected, loaded.rejected)
    for count in loaded.catalogues:
        click.echo(
            f"{count.stored + count.known:,} {count.category}s of {count.source}: "
            f"{count.stored:,} stored, {count.known:,} known before"
        )


def _show_rejected(rejected: Sequence[Rejected]) -> None:
    for reason, count in Counter(row.reason for row in rejected).most_common():
        click.echo(f"{count:,} rejected: {REASONS[reason]}")
        for row in [row for row in rejected if row.reason == reason][:LINES_SHOWN]:
            click.echo(f"  {row.file}:{row.line}  {row.key[:60]!r}")


def _write_rejected(path: Path, rejected: Sequence[Rejected]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "line", "key", "reason", "note"))
        writer.writerows((row.file, row.line, row.key, row.reason, row.note) for row in rejected)


@catalogue.command()
@click.argument("words", nargs=-1)
@click.option("--category", type=click.Choice(list(CATEGORIES)), help="Only items of this kind.")
@click.option("--theme", help="Only of this theme or set, or of one whose name has it.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def search(
    words: tuple[str, ...], category: str | None, theme: str | None, limit: int, *, as_json: bool
) -> None:
    """Find items whose name or title has all WORDS, or words that begin with them.

    Without WORDS, all items of a theme.

    \b
    Examples:
      pricing catalogue search luke skywalker
      pricing catalogue search knight --category minifigure --theme castle
      pricing catalogue search --theme castle
    """
    if not words and theme is None:
        raise click.UsageError("give words of a name, or a --theme")
    with open_database(Settings.from_env()) as database:
        total, found = search_items(
            database, " ".join(words), category=category, theme=theme, limit=limit
        )
    if as_json:
        click.echo(json.dumps([item.as_json() for item in found], indent=2))
        return
    for item in found:
        simulated = " (simulated)" if item.simulated else ""
        value = f"${item.value}{simulated}" if item.value is not None else "no value yet"
        click.echo(
            f"{item.natural_key:<16} {(item.title or '')[:56]:<56} {(item.theme or '')[:20]:<20} "
            f"{item.year or '':>4}  {value}"
        )
    if not found:
        limited = " among those that the options leave" if theme or category else ""
        click.echo(
            f"No item has these words{limited}. Load a catalogue: pricing catalogue load PLACE"
        )
    elif total > len(found):
        click.echo(f"... {total - len(found):,} more: give more words, or a larger --limit")
