"""`pricing db`: the central database's schema."""

import click

from pricing_assets.cli.errors import Refusal
from pricing_assets.schema.migrate import differences
from pricing_assets.schema.migrate import upgrade as apply_migrations
from resources.database import Database
from resources.settings import Settings


@click.group()
def db() -> None:
    """Bring the database to this version, and check that it is there.

    \b
    Examples:
      pricing db upgrade
      PRICING_DATABASE_URL=postgresql://user@host/pricing pricing db check
    """


@db.command()
def upgrade() -> None:
    """Apply the migrations that are missing. Every other command does so by itself."""
    database = Database(Settings.from_env().database_url)
    try:
        click.echo(f"{database.dialect} database is at revision {apply_migrations(database)}")
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
