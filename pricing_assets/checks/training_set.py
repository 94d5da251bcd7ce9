"""The rules against leaks as a blocking check: what leaks is not trained on.

A build that breaks one is not shown at all. The check shows that they hold, and finds a file
that was changed afterwards.
"""

import dagster as dg

from pricing_assets.assets.presentation import markdown_table
from pricing_assets.assets.training_set import training_set
from pricing_assets.core.leakage import RULES
from pricing_assets.store.training_leaks import leaks
from pricing_assets.store.training_places import shown
from resources.settings import Settings


@dg.asset_check(
    asset=training_set,
    blocking=True,
    description="Holds the rules against leaks over the files of the month: no column computed "
    "from the label among the features, no work on both sides of the split, nothing from after "
    "the as-of, nothing but sales in a label, nothing simulated outside the sandbox.",
)
def no_leaks(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings]
) -> dg.AssetCheckResult:
    """Look at the files of the month of this run."""
    month = context.run.tags["dagster/partition"][:7]
    build = shown(settings.training_sets, month)
    if build is None:
        return dg.AssetCheckResult(
            passed=False,
            severity=dg.AssetCheckSeverity.ERROR,
            description=f"There is no training set at {settings.training_sets / month}. Build it: "
            f"pricing training-set build --month {month}",
        )
    found = leaks(build)
    failing = "; ".join(f"{name}: {wrong[0]}" for name, wrong in found.items())
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"Do not train on build {build.manifest['build_id']} of {month}. {failing}. "
        "Correct the data or the column's role, then build the month again."
        if found
        else f"All {len(RULES)} rules hold over build {build.manifest['build_id']}.",
        metadata={
            "build_id": build.manifest["build_id"],
            "rules_broken": len(found),
            "rules": markdown_table(
                ("rule", "what it holds", "holds"),
                [
                    (name, (rule.__doc__ or "").split("\n")[0], "no" if name in found else "yes")
                    for name, rule in RULES.items()
                ],
            ),
            "broken_by": dg.MetadataValue.md(
                "\n".join(f"- {name}: {wrong}" for name, all_ in found.items() for wrong in all_)
                or "*nothing*"
            ),
        },
    )
