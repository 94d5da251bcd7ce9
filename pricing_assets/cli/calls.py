"""`pricing calls`: the ledger of what the sources were asked, and what it cost."""

import json
from dataclasses import asdict
from datetime import timedelta

import click

from pricing_assets.core.wording import number_of
from pricing_assets.store.ledger import COLUMNS, calls_since, cells
from pricing_assets.store.opening import open_database
from resources.clock import Clock
from resources.settings import Settings


@click.command()
@click.option(
    "--days",
    type=click.IntRange(min=1, max=36_500),
    default=30,
    show_default=True,
    help="How many days back.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def calls(days: int, as_json: bool) -> None:
    """Show the calls of every source: errors, latency, bytes, cost, and what is left today.

    \b
    Examples:
      pricing calls
      pricing calls --days 7 --json
    """
    now = Clock.from_env().now()
    with open_database(Settings.from_env()) as database:
        found = calls_since(database, now - timedelta(days=days), now=now)
    if as_json:
        click.echo(
            json.dumps([{**asdict(c), "cost_usd": float(c.cost_usd)} for c in found], indent=2)
        )
        return
    if not found:
        click.echo(f"No source was asked in the last {number_of(days, 'day')}.")
        return
    lines = [COLUMNS, *(cells(source) for source in found)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(COLUMNS))]
    for name, *numbers in lines:
        columns = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
        click.echo("  ".join([name.ljust(widths[0]), *columns]))
