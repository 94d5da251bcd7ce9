"""`pricing sales`: which observations are one sale seen twice, and taking that back."""

import shlex

import click

from pricing_assets.core.categories import CATEGORIES
from pricing_assets.core.codes import shown_code
from pricing_assets.core.items import item_id
from pricing_assets.core.readings import read_item
from pricing_assets.store.merges import merges_of, unmerge
from pricing_assets.store.opening import open_database
from resources.clock import Clock
from resources.settings import DEFAULT_USER, Settings

_CATEGORY = click.option(
    "--category", type=click.Choice(list(CATEGORIES)), help="What CODE is, where it does not say."
)


@click.group()
def sales() -> None:
    """Look at sales that were seen twice and count once, and take a merge back.

    \b
    Examples:
      pricing sales merged 9780316769174
      pricing sales unmerge 9780316769174 serpapi_ebay_sold 2055 --reason 'two copies'
    """


@sales.command()
@click.argument("code")
@_CATEGORY
def merged(code: str, category: str | None) -> None:
    """List an item's observations that repeat an earlier one.

    \b
    Example:
      pricing sales merged 9780316769174
    """
    key = _item(code, category)
    with open_database(Settings.from_env()) as database:
        found = merges_of(database, key)
    if not found:
        click.echo("No sale was seen twice.")
    for merge in found:
        click.echo(
            f"{merge.source} {merge.source_listing_id} is {merge.first_source} "
            f"{merge.first_listing_id} (since {merge.decided_at:%Y-%m-%d %H:%M} UTC)"
        )
    if found:
        said = (code, "--category", category) if category else (code,)
        names = (found[0].source, found[0].source_listing_id, "--reason", "two copies")
        command = shlex.join(("pricing", "sales", "unmerge", *said, *names))
        click.echo(f"Two sales after all? {command}")


@sales.command(name="unmerge")
@click.argument("code")
@click.argument("source")
@click.argument("listing_id")
@click.option("--reason", required=True, help="Why they are two sales; kept with the record.")
@click.option("--user", default=DEFAULT_USER, show_default=True, help="Who says so.")
@_CATEGORY
def unmerge_(
    code: str, source: str, listing_id: str, reason: str, user: str, category: str | None
) -> None:
    """Let an observation count as a sale of its own; it is never merged with that one again.

    \b
    Example:
      pricing sales unmerge 9780316769174 serpapi_ebay_sold 2055 --reason 'two copies'
    """
    if not reason.strip() or not user.strip():
        raise click.UsageError("--reason and --user may not be empty")
    key = _item(code, category)
    now = Clock.from_env().now()
    with open_database(Settings.from_env()) as database:
        unmerge(database, key, source, listing_id, user_id=user, reason=reason, now=now)
    click.echo(f"{source} {listing_id} counts for itself from the next run on: pricing run")


def _item(code: str, category: str | None) -> str:
    reading = read_item(code, category)
    if reading.category is None or reading.natural_key is None:
        raise click.UsageError(f"{shown_code(code)!r} names no item: {reading.note}")
    return item_id(reading.category, reading.natural_key)
