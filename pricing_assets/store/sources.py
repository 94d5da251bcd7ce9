"""The rows of `data_sources`: what each registered source costs, and how fresh it stays."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.schema import tables as t
from resources.database import Database
from resources.sources.base import Source


def register_sources(
    database: Database,
    sources: Mapping[str, Source],
    prefix: str,
    *,
    unusable: Collection[str] = (),
) -> None:
    """Make sure every source has its row; a row that exists keeps what was set in it.

    A source is active, that is, asked, where it can be asked and the operator's switch, or
    without one its own default, is on.

    Args:
        sources: The sources that can be used, by name; those of them that are
            `active_by_default` are asked.
        prefix: Put before every name: `sandbox:` in the sandbox profile.
        unusable: Names of those that have a row and cannot be asked, for want of credentials.
    """
    table = t.data_sources
    usable = {prefix + name for name in sources if name not in unusable}
    on = {prefix + name for name, source in sources.items() if source.active_by_default}
    rows = database.rows(sa.select(table))
    present = {
        row.name: (row.is_active, row.name in usable and _switched(row.enabled, row.name in on))
        for row in rows
    }
    _renew(database, sources, prefix, {row.name: row for row in rows})
    missing = {name: source for name, source in sources.items() if prefix + name not in present}
    if not missing and all(is_active == wanted for is_active, wanted in present.values()):
        return
    database.upsert(table, _rows(missing, prefix))
    # The sources of the other profile, and files, stay for their history, and are not asked.
    database.execute(
        sa.update(table).values(
            is_active=sa.and_(
                table.c.name.in_(sorted(usable)),
                sa.func.coalesce(table.c.enabled, table.c.name.in_(sorted(on))),
            )
        )
    )


def know_source(database: Database, source: Source) -> None:
    """Make sure that a source has a row under its own name, without it being asked.

    For content of a vendor that came by a file, in whatever profile.
    """
    row = _rows({source.name: source}, "").append_column("is_active", pa.array([False]))
    database.upsert(t.data_sources, row)


def _rows(sources: Mapping[str, Source], prefix: str) -> pa.Table:
    """Return the rows of sources that have none yet."""
    return pa.table(
        {
            "name": pa.array([prefix + name for name in sources], pa.string()),
            "kind": pa.array([source.kind for source in sources.values()], pa.string()),
            "categories": pa.array(
                [json.dumps(list(s.categories)) for s in sources.values()], pa.string()
            ),
            "rate_per_second": pa.array(
                [float(s.rate_per_second) for s in sources.values()], pa.float64()
            ),
            "cost_per_call_usd": pa.array(
                [s.cost_per_call_usd for s in sources.values()], pa.decimal128(12, 6)
            ),
            "freshness_days": pa.array(
                [s.freshness / timedelta(days=1) for s in sources.values()], pa.float64()
            ),
            "licence": pa.array(
                [json.dumps(asdict(s.licence)) for s in sources.values()], pa.string()
            ),
            "daily_call_budget": pa.array([s.calls_a_day for s in sources.values()], pa.int64()),
            "allowance": pa.array(
                [s.allowance and prefix + s.allowance for s in sources.values()], pa.string()
            ),
        }
    )


def _renew(
    database: Database,
    sources: Mapping[str, Source],
    prefix: str,
    stored: Mapping[str, sa.Row[Any]],
) -> None:
    """Let older rows have what their source has come to be.

    Its categories, and the allowance that it shares, with its calls a day.
    """
    table = t.data_sources
    for name, source in sources.items():
        if (row := stored.get(prefix + name)) is None:
            continue
        categories = json.dumps(list(source.categories))
        shared = source.allowance and prefix + source.allowance
        renewed: dict[str, Any] = {}
        if row.categories != categories:
            renewed["categories"] = categories
        if row.allowance != shared:
            budget = sa.func.coalesce(table.c.daily_call_budget, source.calls_a_day)
            renewed |= {"allowance": shared, "daily_call_budget": budget}
        if renewed:
            database.execute(sa.update(table).where(table.c.name == prefix + name).values(renewed))


def _switched(enabled: bool | None, default: bool) -> bool:
    return default if enabled is None else enabled


def freshness(database: Database) -> dict[str, timedelta]:
    """Return how long each active source's answer stays fresh."""
    rows = database.rows(
        sa.select(t.data_sources.c.name, t.data_sources.c.freshness_days).where(
            t.data_sources.c.is_active
        )
    )
    return {row.name: timedelta(days=row.freshness_days) for row in rows}
