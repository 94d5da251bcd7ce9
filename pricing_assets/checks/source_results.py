"""Source results as a check that warns: a source that suddenly returns far fewer results."""

from datetime import datetime

import dagster as dg

from pricing_assets.assets.presentation import markdown_table
from pricing_assets.assets.sold_comps import MARKET_KINDS, sold_comps
from pricing_assets.core.source_results import FAR_FEWER, MIN_CALLS
from pricing_assets.store.source_results import SourceResults, results_of_run
from resources.clock import Clock
from resources.database import Database


@dg.asset_check(
    asset=sold_comps,
    blocking=False,
    description="Warns when a source returned far fewer results a call in this run than on a "
    f"median day before (less than {FAR_FEWER:.0%} of it, over at least {MIN_CALLS} calls). "
    "That is a source that no longer works, and not a market where nothing sells.",
)
def source_results(
    context: dg.AssetCheckExecutionContext,
    database: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
) -> dg.AssetCheckResult:
    """Compare the sources' results with their own history."""
    return evaluate(database, context.run.run_id, now=clock.now())


def evaluate(database: Database, run_id: str, *, now: datetime) -> dg.AssetCheckResult:
    """Return the check's result for a run."""
    found = results_of_run(database, run_id, MARKET_KINDS, now=now)
    fewer = [source for source in found if source.far_fewer]
    return dg.AssetCheckResult(
        passed=not fewer,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(map(_sentence, fewer))
        or "No source returned far fewer results than it used to.",
        metadata={
            "sources_that_returned_far_fewer": len(fewer),
            "results_by_source": markdown_table(
                ("source", "answered calls", "results", "results a call", "usual"),
                [
                    (
                        source.source,
                        f"{source.calls:,}",
                        f"{source.results:,}",
                        f"{source.per_call:.2f}",
                        "too little is known" if source.usual is None else f"{source.usual:.2f}",
                    )
                    for source in found
                ],
            ),
        },
    )


def _sentence(source: SourceResults) -> str:
    return (
        f"{source.source} returned {source.per_call:.2f} results a call over {source.calls:,} "
        f"calls, and {source.usual:.2f} on a median day before: look at its latest payloads and "
        "whether its format or search has changed"
    )
