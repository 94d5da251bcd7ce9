"""What a build depends on beside its as-of: the observations, the code, the licences.

The fingerprint of the inputs is made of aggregates that the database computes in seconds, so
that a month whose inputs did not change need not be read again. It is the same on both
databases: no drawn id is in it.
"""

import functools
import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.store.market import observed_as_of
from resources.database import AnySelect, Database

_CODE = ("core", "store")
"""Packages whose code decides what a build contains."""


def inputs(database: Database, at: datetime) -> str:
    """Return the fingerprint of all that was known at a moment, as 64 hex digits.

    Observations are appended and superseded, never changed in place, so numbers, sums and
    latest moments tell whether any came, went or was corrected.
    """
    found = [
        [str(value) for value in row]
        for statement in _statements(at)
        for row in database.rows(statement)
    ]
    return hashlib.sha256(json.dumps(sorted(found)).encode()).hexdigest()


def _statements(at: datetime) -> list[AnySelect]:
    listings, versions, reviews = t.price_listings, t.metadata_versions, t.edition_reviews
    merges = t.sale_merges
    count = sa.func.count()

    def whole(column: sa.ColumnElement[Any], scale: int) -> sa.ColumnElement[Any]:
        """Sum a number as a whole one: a sum of floats depends on the order of its rows."""
        return sa.func.sum(sa.cast(sa.func.round(column * scale), sa.BigInteger()))

    return [
        # In one pass without a group: SQLite would sort ten million rows for one.
        sa.select(
            sa.literal("observations"),
            count,
            sa.func.count(sa.case((listings.c.kind == "sold", 1))),
            sa.func.count(sa.case((listings.c.kind == "ask", 1))),
            sa.func.count(sa.case((listings.c.source.like("sandbox:%"), 1))),
            sa.func.sum(sa.func.length(listings.c.source)),
            sa.func.sum(sa.func.length(listings.c.source_listing_id)),
            whole(listings.c.price_usd, 100),
            whole(listings.c.match_confidence, 1_000_000),
            sa.func.min(listings.c.observed_at),
            sa.func.max(listings.c.observed_at),
            sa.func.count(listings.c.sold_at),
            sa.func.max(listings.c.sold_at),
        ).where(observed_as_of(at)),
        sa.select(
            sa.literal("metadata"),
            versions.c.source,
            count,
            sa.func.sum(sa.func.length(versions.c.fields)),
            sa.func.max(versions.c.observed_at),
        )
        .where(versions.c.observed_at <= at)
        .group_by(versions.c.source),
        sa.select(sa.literal("items"), t.items.c.category, count)
        .where(t.items.c.created_at <= at)
        .group_by(t.items.c.category),
        sa.select(sa.literal("editions"), count, sa.func.max(reviews.c.decided_at)).where(
            reviews.c.verdict == "accepted", reviews.c.decided_at <= at
        ),
        sa.select(
            sa.literal("reverted merges"),
            count,
            sa.func.max(merges.c.reverted_at),
            sa.func.sum(sa.func.length(merges.c.source_listing_id)),
        ).where(merges.c.reverted_at <= at),
    ]


def first_observed(database: Database) -> str | None:
    """Return the month of the first observation, like `2026-10`; None where there is none."""
    first = database.scalar(sa.select(sa.func.min(t.price_listings.c.observed_at)))
    return None if first is None else f"{first:%Y-%m}"


def licences(database: Database) -> dict[str, dict[str, Any]]:
    """Return the licence record of every source by its name, as it stands now."""
    sources = t.data_sources
    rows = database.rows(sa.select(sources.c.name, sources.c.licence).order_by(sources.c.name))
    return {row.name: json.loads(row.licence) for row in rows}


@functools.cache
def code_fingerprint() -> str:
    """Return the SHA-256 of the code that decides what a build contains.

    The package's version alone does not tell two working copies apart.
    """
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(path for name in _CODE for path in (root / name).rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
