"""The unified index as a blocking check: no paid call without a decision and its reason."""

import dagster as dg

from pricing_assets.assets.presentation import bars, markdown_table
from pricing_assets.assets.raw_scans import raw_scans
from pricing_assets.core.freshness import ASK_REASONS, SKIP_REASONS
from pricing_assets.store.decisions import ReasonCount, counts_by_reason, decide, disagreements
from resources.clock import Clock
from resources.database import Database


@dg.asset_check(
    asset=raw_scans,
    blocking=True,
    description="Decides for every pending scan which sources are worth asking, and writes "
    "each decision with its reason. Fails, and stops the paid steps, when the index "
    "disagrees with what is stored.",
)
def unified_index(
    context: dg.AssetCheckExecutionContext,
    database: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
) -> dg.AssetCheckResult:
    """Decide what to ask; fail where index and store disagree."""
    wrong = disagreements(database)
    if wrong:
        return dg.AssetCheckResult(
            passed=False,
            severity=dg.AssetCheckSeverity.ERROR,
            description="The index disagrees with the store: "
            + "; ".join(f"{count:,} {name}" for name, count in wrong.items())
            + ". Nothing was asked. Restore the database from its last backup, or remove the rows "
            "named here, and run again.",
            metadata=dict(wrong),
        )
    decided = decide(database, now=clock.now(), run_id=context.run.run_id)
    counts = counts_by_reason(database, context.run.run_id)
    meaning = {**ASK_REASONS, **SKIP_REASONS}
    asked = sum(count.decisions for count in counts if count.action == "ask")
    saved = sum(float(count.cost_usd) for count in counts if count.action == "skip")
    return dg.AssetCheckResult(
        passed=True,
        description=f"{decided:,} decisions: {asked:,} calls to make, {decided - asked:,} saved.",
        metadata={
            "decisions": decided,
            "calls_to_make": asked,
            "calls_saved": decided - asked,
            "saved_usd": round(saved, 4),
            **_by_reason(counts),
            "by_reason": markdown_table(
                ("action", "reason", "meaning", "calls", "USD"),
                [
                    (c.action, c.reason, meaning[c.reason], f"{c.decisions:,}", f"{c.cost_usd:.2f}")
                    for c in counts
                ],
            ),
            "decisions_by_reason": bars(
                "Decisions by reason",
                "calls",
                [(f"{c.action}: {c.reason}", c.decisions) for c in counts],
            )
            if counts
            else dg.MetadataValue.md("*no scan was pending*"),
        },
    )


def _by_reason(counts: list[ReasonCount]) -> dict[str, int]:
    """Return a number for every reason, zeros included: Dagster plots each over the runs."""
    decisions = {count.reason: count.decisions for count in counts}
    return {
        **{f"ask_{reason}": decisions.get(reason, 0) for reason in ASK_REASONS},
        **{f"skip_{reason}": decisions.get(reason, 0) for reason in SKIP_REASONS},
    }
