"""What an operator sets of a source: its switch, budgets, freshness and agreement."""

import difflib
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pricing_assets.core.licences import SIMULATED
from pricing_assets.schema import tables as t
from resources.database import Database


class UnknownSource(LookupError):
    """No stored source has this name; the message names those that are close."""


def stored_name(database: Database, name: str, prefix: str) -> str:
    """Return the stored name of a source that a person names, with or without its prefix.

    A bare name is that of the profile at hand where both profiles know it.

    Args:
        prefix: Of the profile's sources: `sandbox:`, or nothing.

    Raises:
        UnknownSource: There is none.
    """
    names = {row.name for row in database.rows(sa.select(t.data_sources.c.name))}
    bare = name.removeprefix(SIMULATED)
    wanted = [name] if name != bare else []
    for candidate in (*wanted, prefix + bare, bare):
        if candidate in names:
            return candidate
    close = _close_names(bare, names)
    hint = f"; did you mean {' or '.join(close)}?" if close else f": {', '.join(sorted(names))}."
    raise UnknownSource(f"there is no source {name[:64]!r}{hint}")


def _close_names(name: str, names: Collection[str]) -> list[str]:
    by_bare = {known.removeprefix(SIMULATED): known for known in sorted(names, reverse=True)}
    return [by_bare[close] for close in difflib.get_close_matches(name.lower(), by_bare, n=3)]


def switch(database: Database, name: str, enabled: bool) -> None:
    """Switch a source on or off; it becomes active or not with the next registration."""
    set_columns(database, name, {"enabled": enabled})


def declare_agreement(database: Database, name: str, reference: str, *, now: datetime) -> None:
    """Keep that the operator has an agreement with the vendor."""
    set_columns(database, name, {"agreement": reference, "agreed_at": now})


def set_columns(database: Database, name: str, values: Mapping[str, Any]) -> None:
    """Set columns of one source; the values are those of `data_sources`."""
    sources = t.data_sources
    database.execute(sa.update(sources).where(sources.c.name == name).values(dict(values)))
