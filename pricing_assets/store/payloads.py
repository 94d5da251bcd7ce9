"""Ending the keeping of bodies: a source's licence says for how long they may be kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.store.licences import terms_of_sources
from resources.database import Database

BODIES_A_TRANSACTION = 20_000
"""Bodies that are emptied in one transaction, so that no writer waits long for it."""


@dataclass(frozen=True, slots=True)
class Removed:
    """Bodies of one source that were removed, and their bytes as they came."""

    source: str
    bodies: int
    size_bytes: int


def remove_expired(database: Database, *, now: datetime) -> list[Removed]:
    """Empty the bodies that are past their source's retention; return what went, by source.

    The row stays with its hash and size, so that what was read from the body still names
    its evidence; the facts stay as they are.
    """
    removed = []
    for name, terms in terms_of_sources(database).items():
        if terms.payload_retention_days is None:
            continue
        until = now - timedelta(days=terms.payload_retention_days)
        bodies = size = 0
        while batch := _remove_batch(database, name, until, now):
            bodies, size = bodies + batch[0], size + batch[1]
        if bodies:
            removed.append(Removed(name, bodies, size))
    return removed


def _remove_batch(
    database: Database, source: str, until: datetime, now: datetime
) -> tuple[int, int] | None:
    payloads = t.payloads
    expired = (
        sa.select(payloads.c.sha256)
        .where(
            payloads.c.source == source,
            payloads.c.removed_at.is_(None),
            payloads.c.fetched_at <= until,
        )
        .order_by(payloads.c.fetched_at, payloads.c.sha256)
        .limit(BODIES_A_TRANSACTION)
    )
    with database.begin() as connection:
        sizes = connection.execute(
            sa.update(payloads)
            .where(payloads.c.sha256.in_(expired))
            .values(body_zstd=b"", removed_at=now)
            .returning(payloads.c.size_bytes)
        ).scalars()
        gone = list(sizes)
    return (len(gone), sum(gone)) if gone else None


def kept_bodies(database: Database) -> int:
    """Count the bodies that are kept."""
    payloads = t.payloads
    kept = sa.select(sa.func.count()).select_from(payloads).where(payloads.c.removed_at.is_(None))
    return int(database.scalar(kept) or 0)
