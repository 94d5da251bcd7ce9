"""`pricing run`: what the sensor does, by hand."""

from collections.abc import Iterator

import click
import sqlalchemy as sa

from pricing_assets.cli.running import run_job
from pricing_assets.schema import tables as t
from pricing_assets.store.opening import open_database
from pricing_assets.store.status import call_counts
from resources.database import Database
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
        for failure in _failures(database, result.run_id):
            click.echo(failure)
    click.echo(
        f"{calls['made']:,} calls made for ${calls['cost_usd']:.2f} ({calls['errors']:,} failed), "
        f"{calls['saved']:,} saved (${calls['saved_usd']:.2f}). Run {result.run_id}."
    )


def _failures(database: Database, run_id: str) -> Iterator[str]:
    """Yield a line a source at which calls of the run failed: how many, when due again, why."""
    calls, index = t.api_calls, t.unified_index
    failed = (
        sa.select(
            calls.c.source,
            sa.func.count().label("calls"),
            sa.func.max(calls.c.id).label("last"),
            sa.func.min(index.c.next_due_at, type_=index.c.next_due_at.type).label("due"),
        )
        # Of a question about a person nothing is in this index.
        .outerjoin(
            index, sa.and_(index.c.item_id == calls.c.item_id, index.c.source == calls.c.source)
        )
        .where(calls.c.run_id == run_id, calls.c.result == "error")
        .group_by(calls.c.source)
        .subquery()
    )
    for row in database.rows(
        sa.select(failed.c.source, failed.c.calls, failed.c.due, calls.c.error)
        .join(calls, calls.c.id == failed.c.last)
        .order_by(failed.c.source)
    ):
        due = f", due again from {row.due:%Y-%m-%d %H:%M} UTC" if row.due else ""
        yield f"{row.source}: {row.calls:,} failed{due}. The last: {row.error}"
