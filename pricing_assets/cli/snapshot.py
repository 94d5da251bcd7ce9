"""`pricing snapshot`: what the nightly schedule does, by hand."""

from datetime import date, datetime

import click
import sqlalchemy as sa

from pricing_assets.cli.running import run_job
from pricing_assets.core.periods import FIRST_MONTH
from pricing_assets.schema import tables as t
from pricing_assets.store.opening import open_database
from resources.clock import Clock
from resources.settings import Settings


@click.command()
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]), required=False, metavar="[DAY]")
def snapshot(day: datetime | None) -> None:
    """Build the snapshots of DAY, today's where none is given, in one Dagster run.

    Those of a day that is not over are provisional: the schedule builds each day in the night
    after it.

    \b
    Examples:
      pricing snapshot
      pricing snapshot 2026-11-02
    """
    today = Clock.from_env().now().date()
    wanted = today if day is None else day.date()
    if not date.fromisoformat(f"{FIRST_MONTH}-01") <= wanted <= today:
        raise click.BadParameter(
            f"{wanted} is none of the days from {FIRST_MONTH}-01 to {today}.", param_hint="DAY"
        )
    run_job("snapshot_prices", partition=f"{wanted}")
    with open_database(Settings.from_env()) as database:
        snapshots = t.price_snapshots
        count = database.scalar(
            sa.select(sa.func.count()).where(snapshots.c.snapshot_date == wanted)
        )
    provisional = "; provisional, since the day is not over" if wanted == today else ""
    click.echo(f"Items with news on {wanted}, each with a snapshot: {count:,}{provisional}")
