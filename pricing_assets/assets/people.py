"""People: the authors, athletes and characters whom items name, and their pictures."""

import logging

import dagster as dg
import sqlalchemy as sa

from pricing_assets.assets.asking import PEOPLE, ask_open
from pricing_assets.assets.enriched_metadata import SOURCES_POOL, enriched_metadata
from pricing_assets.assets.presentation import (
    OWNERS,
    bars,
    calls_shown,
    column_schema,
    preview,
)
from pricing_assets.core.people import PERSON_SOURCES
from pricing_assets.core.wording import number_of
from pricing_assets.schema import tables as t
from pricing_assets.store.people import name_people, people_counts
from resources.clock import Clock
from resources.database import Database
from resources.settings import Settings
from resources.source_access import SourceAccess

_log = logging.getLogger(__name__)


@dg.asset(
    deps=[enriched_metadata],
    description="Authors, athletes and characters whom the items name: dates, fame, awards and "
    "a picture with its licence, asked of Wikidata and Wikimedia Commons. A person whom many "
    "items name is asked about once; each field knows its source and time.",
    group_name="enrichment",
    owners=OWNERS,
    kinds={"python", "sql"},
    tags={"layer": "enriched"},
    metadata={"dagster/column_schema": column_schema(t.people)},
    pool=SOURCES_POOL,
)
def people(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
    settings: dg.ResourceParam[Settings],
    sources: dg.ResourceParam[SourceAccess],
) -> dg.MaterializeResult[None]:
    """Read whom the items name, and ask about those of whom nothing fresh is known."""
    items = name_people(database, now=clock.now())
    _log.info(f"people of {number_of(items, 'item')} read")
    # Pictures last: who has one is known from the answer before.
    summaries = [
        ask_open(
            database,
            sources,
            (kind,),
            clock=clock,
            spool_directory=settings.spool,
            run_id=context.run.run_id,
            queue=PEOPLE,
        )
        for kind in PERSON_SOURCES
    ]
    counts = people_counts(database)
    shown = t.people
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(count for count, _ in counts.values()),
            "people": {kind: count for kind, (count, _) in counts.items()},
            "people_known_to_a_source": {kind: known for kind, (_, known) in counts.items()},
            "items_read": items,
            "calls": sum(summary.calls for summary in summaries),
            "seconds": round(sum(summary.seconds for summary in summaries), 2),
            **calls_shown(database, settings, context.run.run_id, PERSON_SOURCES, now=clock.now()),
            "preview": preview(
                database,
                sa.select(
                    shown.c.name, shown.c.kind, shown.c.description, shown.c.born, shown.c.died,
                    shown.c.awards, shown.c.wikis, shown.c.wikidata_id,
                )
                .where(shown.c.wikidata_id.is_not(None))
                .order_by(shown.c.wikis.desc(), shown.c.name),
            ),
            "known": bars(
                "People by kind, and those of them whom a source knows",
                "people",
                [
                    (label, float(number))
                    for kind, (count, known) in counts.items()
                    for label, number in ((kind, count), (f"{kind}, known", known))
                ],
            ),
        }
    )  # fmt: skip
