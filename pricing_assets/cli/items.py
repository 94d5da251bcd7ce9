"""Items as they are named on the command line."""

import shlex
from typing import Any

import click
import sqlalchemy as sa

from pricing_assets.cli.errors import Refusal
from pricing_assets.core.categories import CATEGORIES
from pricing_assets.core.codes import shown_code
from pricing_assets.core.items import item_id
from pricing_assets.core.readings import read_item
from pricing_assets.schema import tables as t
from resources.database import Database


def known_item(database: Database, code: str, category: str | None) -> sa.Row[Any]:
    """Return the row of the item that a code names.

    A code that could stand for anything, such as a card's, names the item that has it where
    there is one, though nobody said the category.

    Args:
        category: As it was said on the command line.

    Raises:
        UsageError: The code names no item; the message says why.
        Refusal: The item was never scanned; the message says how to.
    """
    reading = read_item(code, category)
    if reading.category is not None and reading.natural_key is not None:
        keys = [(reading.category, reading.natural_key)]
    elif category is None:
        keys = [(c.name, key) for c in CATEGORIES.values() if (key := c.natural_key(code))]
    else:
        keys = []
    items = t.items
    found = database.rows(sa.select(items).where(items.c.id.in_([item_id(*key) for key in keys])))
    if len(found) == 1:
        return found[0]
    if reading.natural_key is None:
        raise click.UsageError(f"{shown_code(code)!r} names no item: {reading.note}")
    said = f"--category {category} " if category else ""
    raise Refusal(
        f"{reading.natural_key} was never scanned. Scan it: "
        f"pricing scan {said}{shlex.quote(reading.natural_key)} && pricing run"
    )
