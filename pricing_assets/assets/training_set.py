"""The training set: one month's examples, gated, split, documented, in Parquet and DuckDB."""

from pathlib import Path
from typing import Any

import dagster as dg

from pricing_assets.assets.in_training_flags import in_training_flags
from pricing_assets.assets.presentation import OWNERS, line, lines, markdown_table
from pricing_assets.core.drift import CHANGED
from pricing_assets.core.gate import QUALITY_TIERS, V1
from pricing_assets.core.periods import FIRST_MONTH, moment
from pricing_assets.core.training import EXAMPLES
from pricing_assets.store.training_leaks import Leaking
from pricing_assets.store.training_places import Build, all_shown, facts_of
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
    except (NothingToBuild, Leaking, ValueError) as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    return dg.MaterializeResult(metadata=_shown(build, settings.training_sets))


def _shown(build: Build, directory: Path) -> dict[str, Any]:
    manifest, facts = build.manifest, facts_of(build)
    drift = facts["drift"]
    return {
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
        # Numbers of their own: Dagster plots each over the partitions.
        **{f"rows_{name}": rows for name, rows in manifest["rows"].items()},
        **{f"tier_{name}": facts["tiers"].get(name, 0) for name, _ in QUALITY_TIERS},
        **{f"admitted_by_{name}": p["admitted"]["count"] for name, p in facts["policies"].items()},
        "coverage": round(_coverage(facts), 4),
        **(
            {
                "psi_target_price": drift["psi"]["target_price"] or 0.0,
                "ks_target_price": drift["ks"]["target_price"] or 0.0,
            }
            if drift
            else {}
        ),
        "card": dg.MetadataValue.md((build.path / "card.md").read_text("utf-8")),
        "files": markdown_table(
            ("file", "rows", "bytes", "sha256"),
            [
                (name, entry.get("rows"), entry["bytes"], entry["sha256"][:16])
                for name, entry in manifest["files"].items()
            ],
        ),
        **_history(directory),
    }


def _history(directory: Path) -> dict[str, dg.MarkdownMetadataValue]:
    """Return the plots over the months that are there, this one included."""
    months = [(b.manifest["month"], b.manifest, facts_of(b)) for b in all_shown(directory)][-24:]
    return {
        "growth": line(
            "Examples by month", "examples", [(m, a["rows"]["examples"]) for m, a, _ in months]
        ),
        "quality_tiers": lines(
            "Known items by quality tier",
            "items",
            [month for month, _, _ in months],
            {n: [f["tiers"].get(n, 0) for _, _, f in months] for n, _ in QUALITY_TIERS},
        ),
        "coverage_by_month": line(
            "Known items that the gate admits", "%", [(m, 100 * _coverage(f)) for m, _, f in months]
        ),
        "drift_by_month": line(
            f"PSI of the label against the month before (from {CHANGED} on: changed)",
            "PSI",
            [
                (m, (f["drift"] or {"psi": {}})["psi"].get("target_price") or 0)
                for m, _, f in months
            ],
        ),
    }


def _coverage(facts: dict[str, Any]) -> float:
    return float(facts["admitted"] / facts["items_considered"]) if facts["items_considered"] else 0
