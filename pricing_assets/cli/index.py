"""`pricing index`: compare the unified index with the store, and rebuild it."""

import click

from pricing_assets.cli.errors import Refusal
from pricing_assets.cli.running import dagster_home
from pricing_assets.core.wording import number_of
from pricing_assets.store.opening import open_database
from pricing_assets.store.queue import lease_holders
from pricing_assets.store.unified_index import disagreements, repair
from resources.clock import Clock
from resources.database import Database
from resources.presence import dead_runs
from resources.settings import Settings


@click.group()
def index() -> None:
    """Compare the unified index with what is stored, and rebuild it.

    \b
    Examples:
      pricing index check
      pricing index repair
    """


@index.command()
def check() -> None:
    """Compare index and store over all items; exit code 1 where they disagree."""
    with open_database(Settings.from_env()) as database:
        wrong = disagreements(database, dead=_dead(database), whole=True)
    for name, count in wrong.items():
        click.echo(f"  {count:>9,}  {name}")
    if wrong:
        raise Refusal("The index disagrees with the store. Rebuild it: pricing index repair")
    click.echo("Index and store agree.")


@index.command("repair")
def repair_() -> None:
    """Rebuild the index from the calls and the items, and give up the leases of dead runs."""
    with open_database(Settings.from_env()) as database:
        dead = _dead(database)
        done = repair(database, dead=dead)
        wrong = disagreements(database, dead=dead, whole=True)
    click.echo(
        f"{number_of(done.rows, 'row')} rebuilt, {done.dropped:,} dropped that no call "
        f"stands behind, {number_of(done.leases, 'lease')} of dead runs given up."
    )
    if wrong:
        left = "; ".join(f"{count:,} {name}" for name, count in wrong.items())
        raise Refusal(
            f"The index still disagrees with the store: {left}. This needs a person: look at the "
            "items, or restore the database from its last backup."
        )


def _dead(database: Database) -> list[str]:
    """Return the runs that hold leases past their end and do not live."""
    ended = lease_holders(database, ended_by=Clock.from_env().now())
    if not ended:
        return []
    dagster_home()
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        return dead_runs(instance, ended)
