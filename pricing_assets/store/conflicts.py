"""Conflicts between sources over what an item is, for a person to look at."""

import json
from collections import defaultdict
from dataclasses import dataclass

import sqlalchemy as sa

from pricing_assets.core.metadata import Conflict, MetadataVersion, conflicts
from pricing_assets.schema import tables as t
from resources.database import AnySelect, Database

ITEMS_COMPARED = 2_000
"""Items whose sources are compared for a preview: those that were fetched last."""


@dataclass(frozen=True, slots=True)
class ItemConflict:
    """An item with a field of which its sources say different things."""

    natural_key: str
    conflict: Conflict


def conflicts_of(database: Database, item_id: str) -> list[Conflict]:
    """Return the conflicts between the sources of one item."""
    return [found.conflict for found in _conflicts(database, sa.select(sa.literal(item_id)))]


def latest_conflicts(database: Database, limit: int) -> list[ItemConflict]:
    """Return the first conflicts among the items whose metadata was fetched last."""
    items = t.items
    latest = (
        sa.select(items.c.id)
        .where(items.c.metadata_fetched_at.is_not(None))
        .order_by(items.c.metadata_fetched_at.desc(), items.c.id)
        .limit(ITEMS_COMPARED)
    )
    return _conflicts(database, latest)[:limit]


def _conflicts(database: Database, item_ids: AnySelect) -> list[ItemConflict]:
    versions, items = t.metadata_versions, t.items
    chosen = item_ids.subquery("chosen")
    said: dict[str, list[MetadataVersion]] = defaultdict(list)
    for row in database.rows(
        sa.select(items.c.natural_key, versions.c.source, versions.c.observed_at, versions.c.fields)
        .join(items, items.c.id == versions.c.item_id)
        .where(versions.c.item_id.in_(sa.select(chosen.c[0])))
        .order_by(items.c.natural_key)
    ):
        fields = json.loads(row.fields)
        said[row.natural_key].append(MetadataVersion(row.source, row.observed_at, fields))
    return [
        ItemConflict(key, conflict) for key, words in said.items() for conflict in conflicts(words)
    ]
