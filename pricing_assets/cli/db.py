"""`pricing db`: the central database's schema, and the weeks of its observations."""

from datetime import UTC, datetime

import click

from pricing_assets.cli.errors import Refusal
from pricing_assets.schema.migrate import differences, use_timescale
from pricing_assets.schema.migrate import upgrade as apply_migrations
from pricing_assets.schema.weeks import partition_name
from pricing_assets.store.partitions import (
    Partition,
    attaching,
    detach_before,
    make_weeks,
    partitions,
)
from resources.clock import Clock
from resources.database import Database
from resources.settings import Settings


@click.group()
def db() -> None:
    """Bring the database to this version, and check that it is there.

    \b
    Examples:
      pricing db upgrade
      PRICING_DATABASE_URL=postgresql://user@host/pricing pricing db check
      pricing db partitions
      pricing db partitions --detach-before 2026-01-01
    """


@db.command()
def upgrade() -> None:
    """Apply the migrations that are missing. Every other command does so by itself.

    Where TimescaleDB was added to the database, move the observations into a hypertable.
    """
    database = Database(Settings.from_env().database_url)
    try:
        click.echo(f"{database.dialect} database is at revision {apply_migrations(database)}")
        if use_timescale(database):
            click.echo("TimescaleDB is there: the observations were moved into a hypertable")
        make_weeks(database, now=Clock.from_env().now())
    finally:
        database.close()


@db.command()
def check() -> None:
    """Check that database, migrations and models are one; exit code 1 where they differ."""
    database = Database(Settings.from_env().database_url)
    try:
        found = differences(database)
    finally:
        database.close()
    if found:
        raise Refusal("\n".join([*found, "Bring it up to date: pricing db upgrade"]))
    click.echo(f"{database.dialect} database, migrations and models agree")


@db.command("partitions")
@click.option(
    "--detach-before",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Detach the weeks that ended by then: their tables stay, and are not read any more.",
)
def show_partitions(day: datetime | None) -> None:
    """Show the observations by week, as PostgreSQL keeps them, with estimated rows and size."""
    database = Database(Settings.from_env().database_url)
    try:
        if database.dialect != "postgresql":
            raise Refusal(
                f"{database.dialect} keeps all observations in one table; PostgreSQL keeps a table "
                "for each week. Set PRICING_DATABASE_URL."
            )
        apply_migrations(database)
        if day is None:
            _print_partitions(partitions(database))
        else:
            _detach(database, day.replace(tzinfo=UTC))
    finally:
        database.close()


def _print_partitions(found: list[Partition]) -> None:
    click.echo(f"{'week':<12}{'rows, about':>14}{'MiB':>10}  table")
    for partition in found:
        week = "any other" if partition.week is None else str(partition.week)
        rows = "unknown" if partition.rows is None else f"{partition.rows:,}"
        detached = "" if partition.attached else ", detached"
        compressed = ", compressed" if partition.compressed else ""
        size = f"{partition.size_bytes / 1024**2:,.1f}"
        click.echo(f"{week:<12}{rows:>14}{size:>10}  {partition.name}{detached}{compressed}")


def _detach(database: Database, day: datetime) -> None:
    if day > Clock.from_env().now():
        raise click.BadParameter(
            f"{day:%Y-%m-%d} is to come; what is observed now has to be read.",
            param_hint="--detach-before",
        )
    detached = detach_before(database, day.date())
    if not detached:
        click.echo(f"No week that ended by {day:%Y-%m-%d} is attached.")
    for week in detached:
        click.echo(f"The week of {week} is not read any more.")
        click.echo(f"  to attach it: {attaching(database, week)}")
        click.echo(f"  to drop it:   DROP TABLE {partition_name(week)}")
