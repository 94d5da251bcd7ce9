"""`pricing price`: what an item was worth, day by day."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa
from rich.console import Console

from pricing_assets.cli.errors import Refusal
from pricing_assets.cli.items import known_item
from pricing_assets.cli.price_chart import picture, terminal_chart
from pricing_assets.core.categories import CATEGORIES
from pricing_assets.store.opening import open_database
from pricing_assets.store.price_history import PriceDay, PriceHistory, price_history
from resources.clock import Clock
from resources.settings import Settings

DAYS = 90
MOST_DAYS = 3_650


@click.command()
@click.argument("code", metavar="ITEM")
@click.option(
    "--category",
    type=click.Choice(list(CATEGORIES)),
    help="What ITEM is, where its code could be of several.",
)
@click.option(
    "--days",
    type=click.IntRange(1, MOST_DAYS),
    default=DAYS,
    show_default=True,
    help="Days up to today, in UTC.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, a row for each day.")
@click.option(
    "--png",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write a picture to this file instead.",
)
def price(code: str, category: str | None, days: int, as_json: bool, png: Path | None) -> None:
    """Show what an item was worth, day by day, as a chart.

    A day without news has the value of the last day that had some; in JSON it is marked
    `carried`. Days before the first snapshot are left out.

    \b
    Examples:
      pricing price 9780316769174
      pricing price base1-4 --days 30
      pricing price sw0001 --json
      pricing price 9780316769174 --png price.png
    """
    now = Clock.from_env().now()
    with open_database(Settings.from_env()) as database:
        item = known_item(database, code, category)
        first = now.date() - timedelta(days=days - 1)
        history = price_history(database, item.id, first=first, last=now.date(), now=now)
    if not history.days:
        raise Refusal(
            f"{item.natural_key} has no snapshot until {now:%Y-%m-%d}. The schedule daily_snapshot "
            "makes those of each day in the night after it; make today's now: pricing snapshot"
        )
    title = f"{item.title or '(title unknown)'}  {item.natural_key}"
    if png is not None:
        try:
            png.write_bytes(picture(history, title))
        except OSError as error:
            raise Refusal(f"{png} cannot be written: {error.strerror}") from error
        click.echo(f"{png} written", err=as_json)
    if as_json:
        click.echo(json.dumps([_row(day, item) for day in history.days], indent=2))
    elif png is None:
        _show(history, title)


def _row(day: PriceDay, item: sa.Row[Any]) -> dict[str, Any]:
    """Return a day as JSON has it: money as text, so that it stays exact."""
    return {
        "category": item.category,
        "natural_key": item.natural_key,
        "date": day.day.isoformat(),
        "carried": day.carried,
        "simulated": day.simulated,
        "withheld": list(day.withheld),
        **{name: _json_value(value) for name, value in day.values.items()},
        "sources": day.values["sources"].split(",") if day.values["sources"] else [],
        "breakdown": json.loads(day.values["breakdown"] or "[]"),
        "base_value": _json_value(day.base),
        "premium_over_base": day.premium,
    }


def _json_value(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _show(history: PriceHistory, title: str) -> None:
    console = Console(highlight=False)
    console.print(title, style="bold", markup=False, overflow="ellipsis", no_wrap=True)
    if history.simulated:
        console.print("SIMULATED: these prices were made up by the sandbox.")
    console.print(terminal_chart(history, console.width), soft_wrap=True)
    first, last = history.days[0], history.days[-1]
    for line in _in_words(last):
        click.echo(line)
    if first.market and last.market and first is not last:
        change = (last.market / first.market - 1) * 100
        click.echo(f"Since {first.day:%Y-%m-%d}, at ${first.market}: {change:+.1f} %.")
    for hidden in history.hidden:
        click.echo(
            f"Prices of {hidden.source} are not shown: it was last asked "
            f"{hidden.fetched_at:%Y-%m-%d %H:%M} UTC, and its licence lets a price be shown for "
            f"{hidden.may_be_shown_for / timedelta(hours=1):g} hours. Ask it anew: scan the item."
        )


def _in_words(day: PriceDay) -> Iterator[str]:
    if day.withheld:
        yield f"{day.day:%Y-%m-%d}: not shown."
        return
    if day.market is None or day.range is None:
        yield f"{day.day:%Y-%m-%d}: no value, since nothing sold."
    else:
        quick, patient = day.range
        yield (
            f"{day.day:%Y-%m-%d}: market ${day.market}, ${quick} at once, ${patient} with patience."
        )
    if day.premium is not None:
        yield f"The base card was worth ${day.base}: the premium over it is {day.premium:,.0%}."
    carried = f"; carried forward from {day.values['as_of']:%Y-%m-%d}" if day.carried else ""
    yield (
        f"{day.values['sold_count']} sold in {day.values['window_days']} days, "
        f"{day.values['ask_count']} asks open{carried}."
    )
