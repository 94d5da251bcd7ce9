"""`pricing review`: likely duplicates of editions, shown to a person who decides."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import click
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pricing_assets.core.codes import read_code, shown_code
from pricing_assets.core.wording import number_of
from pricing_assets.store import reviews
from pricing_assets.store.duplicates import BETWEEN_REASONS
from pricing_assets.store.opening import open_database
from resources.clock import Clock
from resources.settings import DEFAULT_USER, Settings

SHOWN = 50
"""Pairs that are listed where no limit is given."""

FILE_COLUMNS = 140
"""Width of the table where the output is no terminal."""

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(invoke_without_command=True)
@_AS_JSON
@click.option(
    "--limit",
    default=SHOWN,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many pairs are listed, the most alike first.",
)
@click.pass_context
def review(context: click.Context, as_json: bool, limit: int) -> None:
    """List the pairs of ISBNs that look like one edition, and decide on them.

    A pair is never merged by itself. Accepting it says that both are editions of one work:
    they are then always on one side of a training set's split. Rejecting it says that they
    are not, and the pair is never shown again.

    \b
    Examples:
      pricing review
      pricing review --json --limit 500
      pricing review accept 9780316769174 9780316769488
      pricing review reject 9780316769174 9780316769488
    """
    if context.invoked_subcommand is not None:
        return
    with open_database(Settings.from_env()) as database:
        pairs = reviews.list_open(database, limit)
        waiting = reviews.count_open(database)
    if as_json:
        click.echo(json.dumps([_as_json(pair) for pair in pairs], indent=2, ensure_ascii=False))
        return
    if not pairs:
        click.echo("No pair waits for review.")
        return
    console = Console()
    if not console.is_terminal:
        console.width = FILE_COLUMNS
    console.print(_table(pairs))
    click.echo(
        f"{len(pairs):,} of {number_of(waiting, 'pair that waits', 'pairs that wait')}. "
        "Decide: "
        f"pricing review accept {pairs[0].isbn13} {pairs[0].other_isbn13}, or reject"
    )


@review.command()
@click.argument("isbn")
@click.argument("other_isbn")
@click.option("--user", default=DEFAULT_USER, show_default=True, help="Who decides.")
@_AS_JSON
def accept(isbn: str, other_isbn: str, user: str, as_json: bool) -> None:
    """Say that two ISBNs are editions of one work; the items stay two.

    \b
    Example:
      pricing review accept 9780316769174 9780316769488
    """
    _decide(reviews.accept, "accepted", (isbn, other_isbn), user, as_json)


@review.command()
@click.argument("isbn")
@click.argument("other_isbn")
@click.option("--user", default=DEFAULT_USER, show_default=True, help="Who decides.")
@_AS_JSON
def reject(isbn: str, other_isbn: str, user: str, as_json: bool) -> None:
    """Say that two ISBNs are not one edition; the pair is never shown again.

    \b
    Example:
      pricing review reject 9780316769174 9780316769488
    """
    _decide(reviews.reject, "rejected", (isbn, other_isbn), user, as_json)


def _decide(
    decide: Callable[..., None], verdict: str, codes: tuple[str, str], user: str, as_json: bool
) -> None:
    if not user.strip():
        raise click.UsageError("--user is empty")
    first, second = (_isbn13(code) for code in codes)
    if first == second:
        raise click.UsageError(f"{first} is given twice; a pair has two ISBNs")
    with open_database(Settings.from_env()) as database:
        decide(database, first, second, user_id=user, now=Clock.from_env().now())
    if as_json:
        decided = {"isbn13": first, "other_isbn13": second, "verdict": verdict, "user": user}
        click.echo(json.dumps(decided))
        return
    by = "" if user == DEFAULT_USER else f" by {user}"
    click.echo(f"{first} and {second}: {verdict}{by}")


def _isbn13(code: str) -> str:
    reading = read_code(code)
    if reading.category != "book" or reading.natural_key is None:
        raise click.UsageError(f"{shown_code(code)!r} is not an ISBN: {reading.note}")
    return reading.natural_key


def _as_json(pair: sa.Row[Any]) -> dict[str, Any]:
    values = pair._asdict()
    return {
        **values,
        "reasons": pair.reasons.split(BETWEEN_REASONS),
        "found_at": pair.found_at.isoformat(),
    }


def _table(pairs: Sequence[sa.Row[Any]]) -> Table:
    table = Table(title="Pairs that look like one edition")
    for heading in ("ISBN-13", "title", "publisher", "binding", "year", "score"):
        table.add_column(heading, no_wrap=heading in ("ISBN-13", "year", "score"))
    table.add_column("reasons")
    for pair in pairs:
        shown = ("isbn13", "title", "publisher", "binding", "publication_year")
        table.add_row(
            *(_cell(getattr(pair, name)) for name in shown),
            _cell(f"{pair.score:.2f}"),
            _cell(pair.reasons),
        )
        table.add_row(*(_cell(getattr(pair, f"other_{name}")) for name in shown), end_section=True)
    return table


def _cell(value: object) -> Text:
    # Not markup, and no control characters: what a source says is text.
    text = "" if value is None else str(value)
    return Text("".join(letter if letter.isprintable() else " " for letter in text))
