"""The sensor that cleans up after a run that failed: its leases are free for the next one."""

import dagster as dg

from pricing_assets.core.wording import number_of
from pricing_assets.store.queue import release_leases
from resources.database import Database


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=15,
    description="Gives up what a failed run had leased, so that the next run may ask it.",
)
def failed_runs(
    context: dg.RunFailureSensorContext, database: dg.ResourceParam[Database]
) -> dg.SkipReason | None:
    """Give up the leases of the run that failed."""
    freed = release_leases(database, context.dagster_run.run_id)
    leases = number_of(freed, "lease of the failed run was", "leases of the failed run were")
    context.log.info(f"{leases} given up")
    return None
