"""The only wiring: resources in, definitions out."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext

import dagster as dg

from pricing_assets.assets.enriched_metadata import enriched_metadata
from pricing_assets.assets.exchange_rates import exchange_rates
from pricing_assets.assets.in_training_flags import in_training_flags
from pricing_assets.assets.payload_retention import payload_retention
from pricing_assets.assets.people import people
from pricing_assets.assets.price_snapshots import price_snapshots
from pricing_assets.assets.raw_scans import raw_scans
from pricing_assets.assets.refresh_plan import refresh_plan
from pricing_assets.assets.sold_comps import sold_comps
from pricing_assets.assets.training_quality_scores import training_quality_scores
from pricing_assets.assets.training_set import training_set
from pricing_assets.assets.works import works
from pricing_assets.checks.source_results import source_results
from pricing_assets.checks.training_set import no_leaks
from pricing_assets.checks.unified_index import unified_index
from pricing_assets.jobs import ALL as JOBS
from pricing_assets.store.opening import open_database
from resources.clock import Clock
from resources.database import Database
from resources.presence import present
from resources.settings import Settings
from resources.source_access import SourceAccess
from sensors.failed_runs import failed_runs
from sensors.new_scans import new_scans
from sensors.schedules import ALL as SCHEDULES


def build_defs(
    settings: Settings | None = None, resources: Mapping[str, object] | None = None
) -> dg.Definitions:
    """Assemble the platform.

    Args:
        settings: Where state lives and which world is asked; by default the environment's.
        resources: Replace resources by name: `settings`, `clock`, `database`, `sources`.
    """
    chosen = settings or Settings.from_env()
    # None of these has a config field: the database's URL may hold a password, and Dagster
    # shows and stores what a resource is configured with.
    return dg.Definitions(
        assets=[
            raw_scans,
            refresh_plan,
            enriched_metadata,
            people,
            works,
            sold_comps,
            training_quality_scores,
            in_training_flags,
            price_snapshots,
            training_set,
            payload_retention,
            exchange_rates,
        ],
        asset_checks=[unified_index, source_results, no_leaks],
        jobs=list(JOBS),
        sensors=[new_scans, failed_runs],
        schedules=list(SCHEDULES),
        executor=dg.in_process_executor,
        resources={
            "settings": chosen,
            "clock": Clock.from_env(),
            "database": _database(chosen),
            "sources": _sources(chosen),
            **(resources or {}),
        },
    )


def _database(settings: Settings) -> dg.ResourceDefinition:
    @dg.resource(description="The central database: SQLite, or PostgreSQL by PRICING_DATABASE_URL.")
    def database(context: dg.InitResourceContext) -> Iterator[Database]:
        # Sensors open the database too, and are no run.
        run = present(settings.runs, context.run.run_id) if context.run else nullcontext()
        with run, open_database(settings) as opened:
            yield opened

    return database


def _sources(settings: Settings) -> dg.ResourceDefinition:
    @dg.resource(
        description="Clients of the registered sources, in the profile that PRICING_PROFILE names.",
        required_resource_keys={"clock"},
    )
    def sources(context: dg.InitResourceContext) -> Iterator[SourceAccess]:
        with SourceAccess(settings, context.resources.clock) as access:
            yield access

    return sources
