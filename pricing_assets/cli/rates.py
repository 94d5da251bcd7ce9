"""`pricing rates`: exchange rates, asked for or from a file."""

from pathlib import Path
from typing import Any

import click

from pricing_assets.cli.running import run_job
from pricing_assets.core.wording import number_of
from pricing_assets.store.exchange_rates import convert_waiting, store_rates
from pricing_assets.store.opening import open_database
from pricing_assets.store.sources import know_source
from resources.clock import Clock
from resources.exchange_rates import read_exchange_rates_file
from resources.settings import Settings
from resources.sources import registered_sources


@click.group()
def rates() -> None:
    """Exchange rates, by which prices are converted into USD.

    \b
    Examples:
      pricing rates update
      pricing rates load eurofxref-hist.zip
    """


@rates.command()
def update() -> None:
    """Ask for the days that are not kept yet, as the schedule does every day.

    \b
    Example:
      pricing rates update
    """
    result = run_job("update_exchange_rates")
    (event,) = result.asset_materializations_for_node("exchange_rates")
    said: dict[str, Any] = {name: value.value for name, value in event.metadata.items()}
    added, waiting = said["rates_added"], said["prices_not_converted"]
    click.echo(
        f"{number_of(added, 'rate')} added from {said['answered_by']}, the newest of "
        f"{said['newest_day']}; {_converted(said['prices_converted_late'])}, "
        f"{number_of(waiting, 'still waits', 'still wait')}. Run {result.run_id}."
    )


@rates.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def load(file: Path) -> None:
    """Load a file of the ECB as it is downloaded: eurofxref-hist.zip or .csv, or its XML.

    Also answers of Frankfurter. The same file twice adds nothing. Prices that waited for a rate
    are converted. In the sandbox profile, too, real prices are converted by such rates alone:
    those that the sandbox answers with are simulated.

    \b
    Example:
      pricing rates load eurofxref-hist.zip
    """
    table = read_exchange_rates_file(file)
    (name,) = table["source"].unique().to_pylist()
    now = Clock.from_env().now()
    with open_database(Settings.from_env()) as database:
        know_source(database, registered_sources()[name])
        added = store_rates(database, table, name, now=now)
        converted = convert_waiting(database, now=now)
    click.echo(
        f"{number_of(table.num_rows, 'rate')} of {name}: {added:,} added, "
        f"{table.num_rows - added:,} known before; {_converted(converted)}"
    )
    if converted:
        click.echo("Next: pricing run")


def _converted(count: int) -> str:
    return f"{number_of(count, 'price that waited was', 'prices that waited were')} converted"
