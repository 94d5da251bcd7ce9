"""`pricing run`: what the sensor does, by hand."""

import click

from pricing_assets.cli.running import run_job
from pricing_assets.store.opening import open_database
from pricing_assets.store.status import call_counts
from resources.settings import Settings


@click.command()
def run() -> None:
    """Take everything that is pending from scan to flag, in one Dagster run.

    Also takes the files that wait in the inbox. Safe to repeat: what is done is not done
    again, and a run that was cut short is continued.

    \b
    Example:
      pricing scan 9780316769174 && pricing run
    """
    result = run_job("process_scans")
    with open_database(Settings.from_env()) as database:
        calls = call_counts(database, result.run_id)
    click.echo(
        f"{calls['made']:,} calls made for ${calls['cost_usd']:.2f} ({calls['errors']:,} failed), "
        f"{calls['saved']:,} saved (${calls['saved_usd']:.2f}). Run {result.run_id}."
    )
