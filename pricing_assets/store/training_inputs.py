"""What a build depends on beside its as-of: the observations, the code, the licences.

The fingerprint of the inputs is made of aggregates that take seconds, so that a month whose
inputs did not change need not be built again. It is the same on both databases: no drawn id is
in it.
"""

import functools
import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa

from pricing_assets.schema import tables as t
from resources.database import AnySelect, Database
from resources.snapshot import Snapshot

_CODE = ("core", "store")
"""Packages whose code decides what a build contains."""


_OBSERVATIONS = """
    SELECT 'observations', source, kind, count(*), sum(length(source_listing_id)),
        sum(price_usd), sum(match_millionths), sum(CAST(epoch_us(observed_at) AS HUGEINT)),
        count(sold_at), sum(CAST(epoch_us(sold_at) AS HUGEINT)),
        min(item_id), max(item_id), min(payload_sha256), max(payload_sha256)
    FROM usable GROUP BY source, kind
"""


@dataclass(frozen=True, slots=True)
class Observed:
    """The observations that were usable at a moment: of each source and kind numbers and sums."""

    rows: list[tuple[Any, ...]]

    def by_source(self) -> Counter[str]:
        """Return how many each source has."""
        found: Counter[str] = Counter()
        for _, source, _, count, *_ in self.rows:
            found[source] += count
        return found


def observed(duck: duckdb.DuckDBPyConnection) -> Observed:
    """Return what there is of the relation `usable`."""
    return Observed(duck.execute(_OBSERVATIONS).fetchall())


def inputs(usable: Observed, snapshot: Snapshot, at: datetime) -> str:
    """Return the fingerprint of all that was known at a moment, as 64 hex digits.

    Observations are appended and superseded, never changed in place, so numbers, sums and
    latest moments tell whether any came, went or was corrected.
    """
    rows = [
        *usable.rows,
        *(row for statement in _statements(at) for row in snapshot.rows(statement)),
    ]
    found = sorted([str(value) for value in row] for row in rows)
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def _statements(at: datetime) -> list[AnySelect]:
    versions, reviews = t.metadata_versions, t.edition_reviews
    merges = t.sale_merges
    count = sa.func.count()
    return [
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
