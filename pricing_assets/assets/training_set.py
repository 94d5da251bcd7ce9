"""The training set: one month's examples, gated, split, documented, in Parquet and DuckDB."""

import dagster as dg
import sqlalchemy as sa

from pricing_assets.assets.in_training_flags import in_training_flags
from pricing_assets.assets.presentation import OWNERS, line, markdown_table
from pricing_assets.core.gate import V1
from pricing_assets.core.periods import FIRST_MONTH, moment
from pricing_assets.core.training import EXAMPLES
from pricing_assets.schema import tables as t
from pricing_assets.store.training_set import NothingToBuild, build_month
from resources.clock import Clock
from resources.database import Database
from resources.settings import Settings

MONTHS = dg.MonthlyPartitionsDefinition(start_date=f"{FIRST_MONTH}-01", end_offset=1)
"""Months in UTC; the running one can be built and is provisional."""


class TrainingSetConfig(dg.Config):
    """What a build may be told; empty is what a month's own build wants."""

    as_of: str = ""
    internal: bool = False


@dg.asset(
    deps=[in_training_flags],
    partitions_def=MONTHS,
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
    description="The month's examples for price models: a function of what had been observed "
    "by the end of the month, so that the same as-of gives the same bytes. A month that has "
    "not ended is built as of now and marked provisional.",
    group_name="training",
    owners=OWNERS,
    kinds={"duckdb", "parquet"},
    tags={"layer": "training"},
    metadata={
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(column.name, column.type, f"{column.role}: {column.meaning}")
                for column in EXAMPLES
            ]
        ),
        "policy": V1.name,
    },
)
def training_set(
    context: dg.AssetExecutionContext,
    config: TrainingSetConfig,
    database: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[None]:
    """Build the month of this run."""
    try:
        build = build_month(
            database,
            context.partition_key[:7],
            settings.training_sets,
            now=clock.now(),
            policy=V1.name,
            sandbox=settings.profile == "sandbox",
            run_id=context.run.run_id,
            at=moment(config.as_of) if config.as_of else None,
            internal=config.internal,
        )
    except (NothingToBuild, ValueError) as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    manifest = build.manifest
    sets = t.training_sets
    history = database.rows(
        sa.select(sets.c.month, sa.func.max(sets.c.rows).label("rows"))
        .group_by(sets.c.month)
        .order_by(sets.c.month)
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/partition_row_count": manifest["rows"]["examples"],
            "path": dg.MetadataValue.path(str(build.path)),
            "as_of": manifest["as_of"],
            "provisional": manifest["provisional"],
            "simulated": manifest["simulated"],
            "internal": manifest["internal"],
            "left_out_by_licence": markdown_table(
                ("source", "what", "rows", "reason"),
                [
                    (left["source"], left["what"], f"{left['rows']:,}", left["reason"])
                    for left in manifest["left_out"]
                ],
            ),
            "build_id": manifest["build_id"],
            "splits": manifest["splits"],
            "card": dg.MetadataValue.md((build.path / "card.md").read_text("utf-8")),
            "files": markdown_table(
                ("file", "rows", "bytes", "sha256"),
                [
                    (name, entry["rows"], entry["bytes"], entry["sha256"][:16])
                    for name, entry in manifest["files"].items()
                ],
            ),
            "growth": line(
                "Examples by month", "examples", [(row.month, row.rows) for row in history]
            ),
        }
    )
