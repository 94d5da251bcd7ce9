"""Payload retention: bodies that their source's licence lets us keep no longer are removed."""

import dagster as dg

from pricing_assets.assets.presentation import OWNERS, column_schema, markdown_table
from pricing_assets.schema import tables as t
from pricing_assets.store.payloads import kept_bodies, remove_expired
from resources.clock import Clock
from resources.database import Database


@dg.asset(
    description="Removes the bodies that are past their source's `payload_retention_days`. "
    "Their hash and size stay, and so does all that was read from them.",
    group_name="sources",
    owners=OWNERS,
    kinds={"sql"},
    tags={"layer": "evidence"},
    metadata={"dagster/column_schema": column_schema(t.payloads)},
)
def payload_retention(
    database: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult[None]:
    """Remove what has expired by now."""
    removed = remove_expired(database, now=clock.now())
    return dg.MaterializeResult(
        metadata={
            "bodies_removed": sum(source.bodies for source in removed),
            "bytes_removed": sum(source.size_bytes for source in removed),
            "bodies_kept": kept_bodies(database),
            "removed_by_source": markdown_table(
                ("source", "bodies", "bytes"),
                [(s.source, f"{s.bodies:,}", f"{s.size_bytes:,}") for s in removed],
            ),
        }
    )
