"""The rows of `data_sources`: what each registered source costs, and how fresh it stays."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta

import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.schema import tables as t
from resources.database import Database
from resources.sources.base import Source


def register_sources(database: Database, sources: Mapping[str, Source], prefix: str) -> None:
    """Make sure every source has its row; a row that exists keeps what was set in it.

    Args:
        sources: The sources that can be used, by name; those of them that are
            `active_by_default` are asked.
        prefix: Put before every name: `sandbox:` in the sandbox profile.
    """
    wanted = {prefix + name for name, source in sources.items() if source.active_by_default}
    present = database.rows(sa.select(t.data_sources.c.name, t.data_sources.c.is_active))
    are_there = {row.name for row in present} >= {prefix + name for name in sources}
    if are_there and {row.name for row in present if row.is_active} == wanted:
        return
    database.upsert(
        t.data_sources,
        pa.table(
            {
                "name": [prefix + name for name in sources],
                "kind": [source.kind for source in sources.values()],
                "categories": [json.dumps(list(s.categories)) for s in sources.values()],
                "rate_per_second": [float(s.rate_per_second) for s in sources.values()],
                "cost_per_call_usd": pa.array(
                    [s.cost_per_call_usd for s in sources.values()], pa.decimal128(12, 6)
                ),
                "freshness_days": [s.freshness / timedelta(days=1) for s in sources.values()],
                "licence": [json.dumps(asdict(s.licence)) for s in sources.values()],
            }
        ),
    )
    # The sources of the other profile stay for their history, and are not asked.
    database.execute(
        sa.update(t.data_sources).values(is_active=t.data_sources.c.name.in_(sorted(wanted)))
    )


def freshness(database: Database) -> dict[str, timedelta]:
    """Return how long each active source's answer stays fresh."""
    rows = database.rows(
        sa.select(t.data_sources.c.name, t.data_sources.c.freshness_days).where(
            t.data_sources.c.is_active
        )
    )
    return {row.name: timedelta(days=row.freshness_days) for row in rows}
