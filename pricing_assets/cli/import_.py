"""`pricing import`: files of sold listings become observations."""

from pathlib import Path

import click

from pricing_assets.core.sales import MappingError
from pricing_assets.core.wording import number_of
from pricing_assets.store.opening import open_database
from pricing_assets.store.sales import SalesFile, import_sales, rejected_sales
from resources.clock import Clock
from resources.inbox import content_hash
from resources.sales_files import mapping_of, read_sales
from resources.settings import Settings

REJECTED_SHOWN = 50

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("import")
@click.argument("file", type=FILE, required=False)
@click.option(
    "--mapping", type=FILE, help="TOML that names the file's columns; the README has an example."
)
@click.option("--rejected", is_flag=True, help=f"List the last {REJECTED_SHOWN} rejected lines.")
def import_(file: Path | None, mapping: Path | None, rejected: bool) -> None:
    """Import a CSV or JSON Lines export of sold listings, such as your own sales.

    Every row becomes an observation, or is kept with its line and the reason. The same file
    twice adds nothing.

    \b
    Examples:
      pricing import sales.csv --mapping my-sales.toml
      pricing import --rejected
    """
    if rejected == (file is not None) or (file is not None) != (mapping is not None):
        raise click.UsageError("give FILE and --mapping MAPPING, or --rejected alone")
    settings = Settings.from_env()
    if file is None or mapping is None:
        _list_rejected(settings)
        return
    try:
        described = mapping_of(mapping)
    except MappingError as error:
        raise click.BadParameter(str(error), param_hint="--mapping") from None
    with open_database(settings) as database:
        count = import_sales(
            database,
            described,
            SalesFile.of(file, content_hash(file)),
            read_sales(file, described),
            now=Clock.from_env().now(),
        )
    click.echo(
        f"{number_of(count.read, 'row')} of {described.source}: "
        f"{count.stored:,} stored, {count.known:,} known before, {count.rejected:,} rejected"
    )
    if count.not_counted:
        click.echo(
            f"{number_of(count.not_counted, 'is', 'are')} kept and not counted: no rate that is "
            "known converts the price; pricing rates load FILE loads more"
        )
    if count.rejected:
        click.echo("See what was rejected and why: pricing import --rejected")
    if count.stored:
        click.echo("Next: pricing run")


def _list_rejected(settings: Settings) -> None:
    with open_database(settings) as database:
        total, rows = rejected_sales(database, REJECTED_SHOWN)
    for row in rows:
        click.echo(f"{row.file_name}:{row.line}  {row.code!r}  {row.reason}: {row.note}")
    if total > len(rows):
        click.echo(f"... {total - len(rows):,} more in the table rejected_sales")
    if not rows:
        click.echo("No line was rejected.")
