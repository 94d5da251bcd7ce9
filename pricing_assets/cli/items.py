"""Items as they are named on the command line."""

import shlex

import click

from pricing_assets.cli.errors import Refusal
from pricing_assets.core.readings import read_item


def named_item(code: str, category: str | None) -> tuple[str, str]:
    """Return the category and the natural key of the item that a code names.

    Raises:
        UsageError: It names none; the message says why.
    """
    reading = read_item(code, category)
    if reading.category is None or reading.natural_key is None:
        raise click.UsageError(f"{code[:40]!r} names no item: {reading.note}")
    return reading.category, reading.natural_key


def never_scanned(natural_key: str, category: str | None) -> Refusal:
    """Return the refusal of an item that is not known, with the command that makes it known.

    Args:
        category: As it was said on the command line.
    """
    said = f"--category {category} " if category else ""
    return Refusal(
        f"{natural_key} was never scanned. Scan it: "
        f"pricing scan {said}{shlex.quote(natural_key)} && pricing run"
    )
