"""The record of sales that were seen twice, and taking one of them back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pricing_assets.schema import tables as t
from resources.database import Database


class NotMerged(RuntimeError):
    """There is no such merge to revert; the message says what to do."""


def merges_of(database: Database, item_id: str) -> Sequence[sa.Row[Any]]:
    """Return the merges of an item's sales that stand, in the order of their names."""
    merges = t.sale_merges
    return database.rows(
        sa.select(merges)
        .where(merges.c.item_id == item_id, merges.c.reverted_at.is_(None))
        .order_by(*merges.primary_key.columns)
    )


def unmerge(
    database: Database,
    item_id: str,
    source: str,
    source_listing_id: str,
    *,
    user_id: str,
    reason: str,
    now: datetime,
) -> None:
    """Let an observation be a sale of its own beside the one that it was taken for.

    The two are never merged again, and the item's comps are computed anew by the next run.
    Days and training sets before `now` stay as they were.

    Raises:
        NotMerged: It is not merged with another.
    """
    merges, items = t.sale_merges, t.items
    with database.begin() as connection:
        reverted = connection.execute(
            sa.update(merges)
            .values(reverted_at=now, reverted_by=user_id, reason=reason)
            .where(
                merges.c.item_id == item_id,
                merges.c.source == source,
                merges.c.source_listing_id == source_listing_id,
                merges.c.reverted_at.is_(None),
            )
        ).rowcount
        if not reverted:
            raise NotMerged(
                f"{source} {source_listing_id} is not merged with another sale of this item. "
                "List what is: pricing sales merged CODE"
            )
        # News of the item's market, as a file of sales is: all that follows from it is due.
        connection.execute(
            sa.update(items)
            .values(market_fetched_at=now, updated_at=now)
            .where(items.c.id == item_id)
        )
