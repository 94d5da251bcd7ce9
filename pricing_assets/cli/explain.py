"""`pricing explain`: everything the platform knows of one item, and why."""

import json
import shlex
from datetime import datetime, timedelta
from typing import Any

import click
import sqlalchemy as sa

from pricing_assets.cli.items import known_item
from pricing_assets.core.categories import CATEGORIES
from pricing_assets.core.freshness import ASK_REASONS
from pricing_assets.core.gate import V1
from pricing_assets.core.valuation import METHODS
from pricing_assets.core.wording import number_of
from pricing_assets.schema import tables as t
from pricing_assets.store.conflicts import conflicts_of
from pricing_assets.store.decisions import next_reasons
from pricing_assets.store.exchange_rates import unconverted
from pricing_assets.store.merges import merges_of
from pricing_assets.store.opening import open_database
from pricing_assets.store.people import people_of_item
from pricing_assets.store.shown_prices import ShownPrices, shown_prices
from resources.clock import Clock
from resources.database import Database
from resources.settings import DEFAULT_USER, Settings

MERGES_SHOWN = 3
"""Sales seen twice that are shown; the others have a command of their own."""


@click.command()
@click.argument("code")
@click.option(
    "--category",
    type=click.Choice(list(CATEGORIES)),
    help="What CODE is, where it could be of several.",
)
@click.option("--user", default=DEFAULT_USER, show_default=True, help="Whose scans are shown.")
def explain(code: str, category: str | None, user: str) -> None:
    """Say what is known of an item, from where and since when, and what it needs.

    \b
    Examples:
      pricing explain 9780316769174
      pricing explain base1-4
    """
    with open_database(Settings.from_env()) as database:
        item = known_item(database, code, category)
        key, own = item.id, t.CATEGORY_TABLES[item.category]
        found = database.rows(
            # What a card itself says goes before what the market says of any item: its rarity.
            sa.select(*(c for c in t.items.columns if c.name not in own.columns), *own.columns)
            .join(own, own.c.item_id == t.items.c.id)
            .where(t.items.c.id == key)
        )
        _show_item(found[0])
        _show_people(database, key)
        _show_conflicts(database, key)
        _show_scans(database, key, user)
        now = Clock.from_env().now()
        _show_index(database, key, now)
        _show_search(found[0])
        _show_training(database, found[0], now)
        _show_unconverted(database, key)


def _show_item(item: sa.Row[Any]) -> None:
    origins = json.loads(item.field_origins or "{}")
    click.echo(f"{item.title or '(title unknown)'}  {item.natural_key}")
    shown = item._mapping
    for field in CATEGORIES[item.category].fields:
        if field.name not in shown or field.of_key or field.name in _LONG:
            continue
        value = shown[field.name]
        if value is None:
            click.echo(f"  {field.name:<18} unknown")
        else:
            source, since = origins.get(field.name, (_told_from(field.name), ""))
            told = f"{source}, {since[:16]}" if since else source
            click.echo(f"  {field.name:<18} {str(value)[:60]:<60} {told}")
    if item.quality_score is not None:
        click.echo(f"  {'completeness':<18} {item.quality_score:.0%}")


_LONG = ("description", "thumbnail_url")


def _told_from(name: str) -> str:
    """Say where a field comes from that no source gave."""
    return "told from title, author and editions" if name == "work_key" else "its key"


def _show_people(database: Database, key: str) -> None:
    for known in people_of_item(database, key):
        person = known.person
        facts = [
            f"{person.born or '?'} to {person.died or '?'}" if person.died else "",
            f"born {person.born}" if person.born and not person.died else "",
            person.description or "",
            f"{person.awards} awards" if person.awards else "",
            f"in {person.wikis} wikis" if (person.wikis or 0) > 1 else "",
        ]
        origins = json.loads(person.field_origins or "{}")
        told = "nothing is known yet"
        if origins:
            source, since = origins["wikidata_id"]
            told = f"{person.wikidata_id}, {source}, {since[:16]}"
        click.echo(f"  {person.kind:<18} {person.name}: {'; '.join(filter(None, facts))} ({told})")
        if known.image is not None:
            click.echo(
                f"  {'':<18} picture {known.image.url}, {known.image.licence or 'no licence told'}"
                f", by {known.image.attribution or 'nobody who is named'}"
            )


def _show_conflicts(database: Database, key: str) -> None:
    for conflict in conflicts_of(database, key):
        click.echo(f"  the sources differ on the {conflict.field}; look which is right:")
        for source, said in conflict.said.items():
            click.echo(f"    {source:<30} {str(said)[:60]}")


def _show_scans(database: Database, key: str, user: str) -> None:
    rows = database.rows(
        sa.select(
            sa.func.count().label("scans"),
            sa.func.max(t.scans.c.scanned_at).label("last"),
            sa.func.count(t.scans.c.processed_at).label("processed"),
        ).where(t.scans.c.item_id == key, t.scans.c.user_id == user)
    )
    row = rows[0]
    last = f", last {row.last:%Y-%m-%d %H:%M} UTC" if row.last else ""
    click.echo(f"Scans: {row.scans}{last}; {row.scans - row.processed} pending")


def _show_index(database: Database, key: str, now: datetime) -> None:
    """Show the index's row of each source, and what a scan would make of it now."""
    index = t.unified_index
    known = {
        row.source: row for row in database.rows(sa.select(index).where(index.c.item_id == key))
    }
    click.echo("Unified index, and what a scan would decide now:")
    for source, reason in sorted(next_reasons(database, key, now=now).items()):
        row, action = known.get(source), "ask" if reason in ASK_REASONS else "skip"
        fetched = "never asked"
        if row is not None and row.last_fetched_at is not None:
            complete = "" if row.completeness is None else f", {row.completeness:.0%} complete"
            fetched = (
                f"{row.result}{complete}, {row.last_fetched_at:%Y-%m-%d %H:%M} UTC, "
                f"due {row.next_due_at:%Y-%m-%d %H:%M}"
            )
            if row.misses:
                fetched += f", {number_of(row.misses, 'miss', 'misses')} in a row"
        if row is not None and row.lease_run_id is not None:
            fetched += f", leased by run {row.lease_run_id[:8]} until {row.lease_until:%H:%M} UTC"
        click.echo(f"  {source:<30} {action + ': ' + reason:<18} {fetched}")


def _show_search(item: sa.Row[Any]) -> None:
    """Show in which words the market is searched for an item whose key no listing has."""
    if (words_of := CATEGORIES[item.category].search_words) is None:
        return
    words = words_of(item.natural_key, item._asdict())
    said = f"as {words}" if words else "not yet: too little is known of it to name it in words"
    click.echo(f"Searched for: {said}")


def _why_no_market(database: Database, item: sa.Row[Any]) -> str:
    """Say why nothing is known of an item's market."""
    sources, index = t.data_sources, t.unified_index
    those = database.rows(
        sa.select(sources.c.categories, index.c.last_fetched_at)
        .outerjoin(index, sa.and_(index.c.source == sources.c.name, index.c.item_id == item.id))
        .where(sources.c.is_active, sources.c.kind != "metadata")
    )
    asked = [row for row in those if item.category in json.loads(row.categories)]
    if not asked:
        return f"no active source knows that of a {item.category}"
    if all(row.last_fetched_at is None for row in asked):
        return "not asked yet: pricing run"
    return "no source knew a price; the index says when asking again is worth it"


def _show_value(prices: ShownPrices) -> None:
    """Show the value over the prices that may be shown, and the advice with its reason."""
    value, advice = prices.value, prices.advice
    if value is not None:
        click.echo(
            f"Value: ${value.market} (${value.low} to ${value.high}); quick ${value.quick}, "
            f"patient ${value.patient}; {value.confidence} confidence, from {METHODS[value.method]}"
            f"; the sales weigh as much as {value.effective_n}"
        )
        click.echo(
            f"Outliers: {value.outliers} marked; the fences of the quartiles (1.5 IQR), which mark "
            f"none, are ${value.fence_low} and ${value.fence_high}"
        )
    for sale in prices.outliers:
        click.echo(f"  ${sale.price} of {sale.source} weighs a tenth: {sale.reason}")
    if prices.value is None and prices.hidden:
        click.echo("Advice: none, since the prices it goes by may not be shown; ask for newer ones")
        return
    days = advice.time_to_sell_days
    sells = "nothing sold lately" if days is None else f"sells in about {days} days"
    click.echo(
        f"Advice: {advice.action}: {advice.reason}; {sells}, probability "
        f"{advice.probability_label} ({advice.probability_score:.2f}), rarity {advice.rarity:.2f}"
    )


def _show_training(database: Database, item: sa.Row[Any], now: datetime) -> None:
    if item.sold_comps_as_of is None:
        click.echo(f"Market: {_why_no_market(database, item)}")
        return
    prices = shown_prices(database, item.id, now=now)
    spread = (
        f", ${prices.least} to ${prices.greatest}, median ${prices.median}" if prices.sold else ""
    )
    click.echo(
        f"Market: {item.sold_comps_count} sold comps{spread}; {item.ebay_active_count} asks open "
        f"({', '.join(prices.sources) or 'no prices to show'})"
    )
    _show_value(prices)
    merges = merges_of(database, item.id)
    for repeat in merges[:MERGES_SHOWN]:
        click.echo(
            f"  {repeat.source} {repeat.source_listing_id} is the sale {repeat.first_source} "
            f"{repeat.first_listing_id} seen again, and is not counted"
        )
    if len(merges) > MERGES_SHOWN:
        names = (item.natural_key, "--category", item.category)
        command = shlex.join(("pricing", "sales", "merged", *names))
        click.echo(f"  {len(merges) - MERGES_SHOWN} more: {command}")
    for hidden in prices.hidden:
        click.echo(
            f"  {hidden.observations} prices of {hidden.source} are not shown: they were fetched "
            f"{hidden.fetched_at:%Y-%m-%d %H:%M} UTC, and its licence lets a price be shown for "
            f"{hidden.may_be_shown_for / timedelta(hours=1):g} hours"
        )
    rows = database.rows(
        sa.select(t.gate_evaluations.c.reason, t.gate_evaluations.c.score).where(
            t.gate_evaluations.c.item_id == item.id, t.gate_evaluations.c.policy == V1.name
        )
    )
    for row in rows:
        word = "in training" if item.in_training else "not in training"
        click.echo(f"Training: {word}, score {row.score:.2f} by policy {V1.name}: {row.reason}")


def _show_unconverted(database: Database, key: str) -> None:
    for waiting in unconverted(database, key):
        click.echo(
            f"Not counted: {waiting.prices} prices in {waiting.currency}: {waiting.reason}; "
            "they are converted once there is a rate: pricing rates update"
        )
