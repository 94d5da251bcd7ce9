"""The jobs: which assets are run together. Names only; the wiring is in `build`."""

import dagster as dg

PROCESS_SCANS_ASSETS = (
    "raw_scans",
    "enriched_metadata",
    "people",
    "works",
    "sold_comps",
    "training_quality_scores",
    "in_training_flags",
)

process_scans = dg.define_asset_job(
    "process_scans",
    selection=dg.AssetSelection.assets(*PROCESS_SCANS_ASSETS),
    description="Takes everything that is pending from scan to flag. Safe to run at any time: "
    "what is done is not done again.",
)

refresh_stale = dg.define_asset_job(
    "refresh_stale",
    selection=dg.AssetSelection.assets("refresh_plan", *PROCESS_SCANS_ASSETS),
    description="Asks again for what has become old on items that nobody scans, the most "
    "valuable and the longest waiting first, within the budgets.",
)

snapshot_prices = dg.define_asset_job(
    "snapshot_prices",
    selection=dg.AssetSelection.assets("price_snapshots"),
    description="The market at the end of one day.",
)


@dg.failure_hook
def alert(context: dg.HookContext) -> None:
    """Say in the log what failed and what to do, where whoever watches logs finds it."""
    run = context.instance.get_run_by_id(context.run_id)
    month = run.tags.get("dagster/partition", "")[:7] if run else ""
    context.log.error(
        f"ALERT: training set {month} failed in {context.step_key}: {context.op_exception}. The "
        "training set before is still shown. Read the step's error, correct it, then run "
        f"'pricing training-set build --month {month}'; the schedule tries again at its next tick."
    )


build_training_set = dg.define_asset_job(
    "build_training_set",
    selection=dg.AssetSelection.assets("training_set"),
    description="One month's training set.",
    hooks={alert},
)

update_exchange_rates = dg.define_asset_job(
    "update_exchange_rates",
    selection=dg.AssetSelection.assets("exchange_rates"),
    description="The exchange rates of the days that are not kept yet.",
)

remove_expired_payloads = dg.define_asset_job(
    "remove_expired_payloads",
    selection=dg.AssetSelection.assets("payload_retention"),
    description="Removes the bodies that may be kept no longer.",
)

ALL = (
    process_scans,
    refresh_stale,
    snapshot_prices,
    build_training_set,
    remove_expired_payloads,
    update_exchange_rates,
)
