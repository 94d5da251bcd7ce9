"""What the market sources returned in a run, against what they used to return."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from pricing_assets.core.source_results import HISTORY_DAYS, is_far_fewer, usual_per_call
from pricing_assets.schema import tables as t
from pricing_assets.store.queue import moment
from resources.database import Database


@dataclass(frozen=True, slots=True)
class SourceResults:
    """The results of one source in one run.

    Attributes:
        calls: Calls that were answered.
        results: Prices that the answers showed.
        usual: Results a call on a median day before; None where too little is known.
    """

    source: str
    calls: int
    results: int
    usual: float | None

    @property
    def per_call(self) -> float:
        """Results a call."""
        return self.results / self.calls

    @property
    def far_fewer(self) -> bool:
        """Whether these are far fewer than usual."""
        return is_far_fewer(self.calls, self.results, self.usual)


def results_of_run(
    database: Database, run_id: str, kinds: tuple[str, ...], *, now: datetime
) -> list[SourceResults]:
    """Return what each source of some kinds returned in a run, by source."""
    calls, sources = t.api_calls, t.data_sources
    # An answer has a number of results, be it 0; an error has none.
    answered = sa.and_(
        calls.c.listings.is_not(None),
        calls.c.source.in_(sa.select(sources.c.name).where(sources.c.kind.in_(kinds))),
    )
    totals = (sa.func.count().label("calls"), sa.func.sum(calls.c.listings).label("results"))
    run = database.rows(
        sa.select(calls.c.source, *totals)
        .where(answered, calls.c.run_id == run_id)
        .group_by(calls.c.source)
        .order_by(calls.c.source)
    )
    day = _day(calls.c.requested_at, database.dialect).label("day")
    history: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in database.rows(
        sa.select(calls.c.source, day, *totals)
        .where(
            answered,
            calls.c.source.in_([row.source for row in run]),
            calls.c.run_id != run_id,
            calls.c.requested_at >= moment(now - timedelta(days=HISTORY_DAYS)),
        )
        .group_by(calls.c.source, sa.text("2"))
    ):
        history[row.source].append((row.calls, int(row.results)))
    return [
        SourceResults(row.source, row.calls, int(row.results), usual_per_call(history[row.source]))
        for row in run
    ]


def _day(column: sa.ColumnElement[datetime], dialect: str) -> sa.ColumnElement[str]:
    """Return the UTC day of a moment as text."""
    if dialect == "postgresql":
        return sa.func.to_char(sa.func.timezone("UTC", column), "YYYY-MM-DD", type_=sa.Text())
    return sa.func.substr(column, 1, 10, type_=sa.Text())
