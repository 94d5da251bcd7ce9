"""`pricing refresh`: renew old answers that no scan asks for."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import click
import pyarrow as pa
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from pricing_assets.cli.running import run_job
from pricing_assets.core.freshness import ITEM_FRESHNESS
from pricing_assets.core.refresh import PLACES
from pricing_assets.core.wording import number_of
from pricing_assets.schema import tables as t
from pricing_assets.store.opening import open_database
from pricing_assets.store.refresh import due_by_scan, plan_refresh
from pricing_assets.store.status import call_counts
from resources.clock import Clock
from resources.database import Database
from resources.settings import Settings

ROWS_SHOWN = 30


class _Usd(click.ParamType[Decimal]):
    name = "usd"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        """Read an amount of USD that is not below zero."""
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite() or amount < 0:
            self.fail(f"{value!r} is no amount of USD; give one such as 2.50", param, ctx)
        return amount


@click.command()
@click.option(
    "--limit", type=click.IntRange(1), default=PLACES, show_default=True, help="Calls at the most."
)
@click.option("--budget", type=_Usd(), metavar="USD", help="What the calls may cost together.")
@click.option("--dry-run", is_flag=True, help="Print what would be asked, why, and its cost.")
def refresh(limit: int, budget: Decimal | None, dry_run: bool) -> None:
    """Ask again for what has become old on items that nobody scans.

    The order is value at stake x staleness / cost; one place in five goes to what has waited
    longest. The budgets of the sources hold.

    \b
    Examples:
      pricing refresh --dry-run
      pricing refresh --limit 200 --budget 0.50
    """
    if dry_run:
        with open_database(Settings.from_env()) as database:
            now = Clock.from_env().now()
            plan = plan_refresh(database, now=now, places=limit, budget_usd=budget)
            _show(database, plan, now)
        return
    config = {"places": limit, "budget_usd": "" if budget is None else str(budget)}
    result = run_job("refresh_stale", ops={"refresh_plan": config})
    with open_database(Settings.from_env()) as database:
        calls = call_counts(database, result.run_id)
    click.echo(
        f"{number_of(calls['made'], 'call')} made for ${calls['cost_usd']:.2f} "
        f"({calls['errors']:,} failed). Run {result.run_id}."
    )


def _show(database: Database, plan: pa.Table, now: datetime) -> None:
    rows = plan.to_pylist()
    if not rows:
        click.echo("Nothing is old: no call would be made.")
        if by_scan := due_by_scan(database, now=now):
            click.echo(
                f"Answers that are due again, but something was learnt of their items in the last "
                f"{ITEM_FRESHNESS.days} days: {by_scan:,}. A new scan of an item renews its own."
            )
        return
    named = _names(database, [row["item_id"] for row in rows[:ROWS_SHOWN]])
    table = Table(title=f"What a refresh at {now:%Y-%m-%d %H:%M} UTC would ask")
    table.add_column("item", no_wrap=True, min_width=13)
    table.add_column("title", overflow="ellipsis", no_wrap=True, max_width=26)
    table.add_column("source", overflow="ellipsis", no_wrap=True)
    table.add_column("why", no_wrap=True, min_width=21)
    for heading in ("value $", "age days", "cost $"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows[:ROWS_SHOWN]:
        key, title = named[row["item_id"]]
        why = row["reason"] + (", waited longest" if row["longest_waiting"] else "")
        value = "?" if row["value_usd"] is None else f"{row['value_usd']:.2f}"
        cost = f"{row['cost_usd'].normalize():f}"
        table.add_row(key, title or "", row["source"], why, value, f"{row['age_days']:.0f}", cost)
    console = Console()
    if not console.is_terminal:
        console.width = 120
    console.print(table)
    if len(rows) > ROWS_SHOWN:
        click.echo(f"... and {len(rows) - ROWS_SHOWN:,} more")
    total = sum((row["cost_usd"] for row in rows), Decimal(0))
    click.echo(
        f"{number_of(len(rows), 'call')} for ${total:.4f}. Nothing was asked: this was a dry run."
    )


def _names(database: Database, ids: list[str]) -> dict[str, tuple[str, str | None]]:
    items = t.items
    found = database.rows(
        sa.select(items.c.id, items.c.natural_key, items.c.title).where(items.c.id.in_(ids))
    )
    return {row.id: (row.natural_key, row.title) for row in found}
