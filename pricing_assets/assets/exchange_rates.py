"""Exchange rates: what a unit of each currency cost in USD on each day."""

import asyncio
import logging
from datetime import date

import dagster as dg
import sqlalchemy as sa

from pricing_assets.assets.asking import orderly_interrupt, source_facts
from pricing_assets.assets.presentation import (
    OWNERS,
    column_schema,
    lines,
    markdown_table,
    preview,
)
from pricing_assets.core.rates import MAX_AGE_DAYS, first_day_to_ask
from pricing_assets.schema import tables as t
from pricing_assets.store.exchange_rates import (
    commit_rates,
    convert_waiting,
    monthly_levels,
    newest_day,
    unconverted,
)
from resources.clock import Clock
from resources.database import Database
from resources.source_access import SourceAccess
from resources.sources.client import Reply
from resources.sources.rates import RateSource, rates_query

PLOTTED = ("EUR", "GBP", "JPY", "CAD")

_log = logging.getLogger(__name__)


@dg.asset(
    description="What a unit of each currency cost in USD on each day, as the ECB publishes it: "
    "all days since 1999 at first, then what is new. Frankfurter is asked when the ECB is out. "
    "Prices that waited for a rate are converted.",
    group_name="market",
    owners=OWNERS,
    kinds={"python", "sql"},
    tags={"layer": "market"},
    metadata={"dagster/column_schema": column_schema(t.exchange_rates)},
)
def exchange_rates(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
    sources: dg.ResourceParam[SourceAccess],
) -> dg.MaterializeResult[None]:
    """Ask for the days that are not kept yet, and convert what waited for them."""
    source, added = _ask(database, sources, clock, context.run.run_id)
    converted = convert_waiting(database, now=clock.now())
    rates, waiting = t.exchange_rates, unconverted(database)
    totals = database.rows(
        sa.select(
            sa.func.count().label("rates"),
            sa.func.count(rates.c.currency.distinct()).label("currencies"),
            sa.func.max(rates.c.day).label("newest"),
        )
    )[0]
    months, levels = monthly_levels(database, PLOTTED)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": totals.rates,
            "answered_by": source,
            "rates_added": added,
            "newest_day": str(totals.newest),
            "currencies": totals.currencies,
            "prices_converted_late": converted,
            "prices_not_converted": sum(reason.prices for reason in waiting),
            "why_not_converted": markdown_table(
                ("currency", "prices", "why"),
                [(reason.currency, f"{reason.prices:,}", reason.reason) for reason in waiting],
            ),
            "preview": preview(
                database, sa.select(*rates.columns).order_by(rates.c.day.desc(), rates.c.currency)
            ),
            "levels": lines(
                "USD for one unit, by month",
                "first month = 100",
                *(months, levels),
                from_zero=False,
            ),
        }
    )


def _ask(database: Database, access: SourceAccess, clock: Clock, run_id: str) -> tuple[str, int]:
    """Ask one publisher after the other until one answers; return who did, and the new rates."""
    facts, failures = source_facts(database, access), []
    for name in sorted(facts):
        source = access.source(name)
        if not isinstance(source, RateSource):
            continue
        today = clock.now().date()
        first = first_day_to_ask(newest_day(database, name), today, source.longest_period)
        with orderly_interrupt():
            reply = asyncio.run(_reply(access, source, first, today))
        added = commit_rates(database, reply, facts, run_id=run_id, now=clock.now())
        if reply.answer is not None:
            return name, added
        failures.append(reply.error or "")
        _log.warning("%s", reply.error)
    said = "; ".join(failures) or "all publishers are switched off"
    raise dg.Failure(
        description=f"nobody answered with exchange rates ({said}). Those that are kept convert "
        f"for {MAX_AGE_DAYS} days. Run it again later, or load a file of the "
        "ECB: pricing rates load FILE"
    )


async def _reply(access: SourceAccess, source: RateSource, first: date, last: date) -> Reply:
    async with access.client() as client:
        return await client.ask(source, rates_query(first, last))
