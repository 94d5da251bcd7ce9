"""The unified index at work: one statement decides for every pending scan and source."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import reduce
from operator import add, sub
from typing import Any

import sqlalchemy as sa

from pricing_assets.core.freshness import (
    ASK_REASONS,
    DEFERRAL,
    LOW_QUALITY,
    PUT_OFF,
    SKIP_REASONS,
)
from pricing_assets.core.people import PERSON_SOURCES
from pricing_assets.schema import tables as t
from pricing_assets.store.budgets import Budget, budgets
from pricing_assets.store.queue import asks_for, is_pending, moment, standing
from resources.database import AnySelect, Bulk, Database

DECIDING_LOCK = 7_204_512
"""PostgreSQL advisory lock: two runs that decide at once would both ask for the same item."""


@dataclass(frozen=True, slots=True)
class Askable:
    """A source that can be asked: its stored name, categories, and USD for a call."""

    name: str
    categories: tuple[str, ...]
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many calls to a source were decided for one reason, and what they cost or save."""

    action: str
    source: str
    reason: str
    calls: int
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Decided:
    """What one round of decisions gave: how many scans, and the calls by source and reason."""

    scans: int
    counts: tuple[ReasonCount, ...]


def decide(database: Database, *, now: datetime, run_id: str) -> Decided:
    """Decide for every pending scan that has no decision yet, or whose decision is put off.

    A scan that was decided before, in this run or in one that was cut short, keeps its
    decision. Everything is one transaction.
    """
    sources = askable_sources(database)
    spent = _binding(database, sources, budgets(database, now=now))
    with database.begin() as connection:
        batch = connection.execute(
            sa.insert(t.decision_batches)
            .values(run_id=run_id, decided_at=now)
            .returning(t.decision_batches.c.id)
        ).scalar_one()
    with database.bulk() as bulk:
        if database.dialect == "postgresql":
            bulk.execute(sa.select(sa.func.pg_advisory_xact_lock(DECIDING_LOCK)))
            # Its default is of turning disks. Pending scans are in their index as they are looked
            # up: reading and sorting the table instead took a second longer of a million.
            bulk.execute(sa.text("SET LOCAL random_page_cost = 1.1"))
        # Looked up by item: joined as it stands it is read anew for every scan, where
        # PostgreSQL expects one scan and gets a million.
        queued = bulk.stage_from(sa.select(standing(now)), "item_id")
        rows = decision_rows(database, sources, spent, queued, now=now, batch=batch)
        scans = _write(bulk, rows, now)
        counts = _sum_up(bulk, sources, batch, scans)
    return Decided(scans, counts)


def _write(bulk: Bulk, rows: AnySelect, now: datetime) -> int:
    """Write decisions: over those that were put off, where there are any."""
    decisions = t.enrichment_decisions
    put_off = sa.select(decisions.c.scan_id).where(decisions.c.deferred_until <= moment(now))
    if not bulk.rows(put_off.limit(1)):
        return bulk.append_from(decisions, rows)
    columns = [c.name for c in rows.selected_columns if c.name != "scan_id"]
    return bulk.insert_from(decisions, rows, update=columns)


def askable_sources(database: Database) -> list[Askable]:
    """Return the active sources that answer about items, by name."""
    sources = t.data_sources
    return [
        Askable(row.name, tuple(json.loads(row.categories)), row.cost_per_call_usd)
        for row in database.rows(
            sa.select(sources.c.name, sources.c.categories, sources.c.cost_per_call_usd)
            .where(sources.c.is_active, sources.c.kind.not_in((*PERSON_SOURCES, "rates")))
            .order_by(sources.c.name)
        )
    ]


def decision_rows(
    database: Database,
    sources: Sequence[Askable],
    spent: Mapping[str, Budget],
    queued: sa.FromClause,
    *,
    now: datetime,
    batch: int,
) -> AnySelect:
    """Return the select that gives the decisions for all pending scans, set-based.

    Args:
        queued: What earlier decisions asked for, as `queue.standing` gives it.
    """
    if not sources:
        raise ValueError("no source is active: set the credentials of one, or use the sandbox")
    reasoned = _reasoned(database, _undecided(queued, now), sources, now=now)
    decided = _within_budgets(reasoned, sources, spent)
    if database.dialect == "postgresql":
        # Sorted before the long texts are made. SQLite sorts the finished rows in less time.
        decided = decided.order_by(decided.selected_columns.scan_id)
    # The subquery stands alone, or every use of a reason would be worked out anew.
    row = decided.offset(0).subquery("reasoned")
    reasons = [row.c[f"reason_{number}"] for number in range(len(sources))]
    first = row.c.again.is_(None)
    calls, saved_calls = _zero(), _zero()
    cost, saved = _zero(), _zero()
    text: sa.ColumnElement[Any] = sa.literal("|", sa.Text())
    for source, reason in zip(sources, reasons, strict=True):
        asked, skipped = _is_ask(reason), reason.in_(_SAVING)
        calls += sa.case((asked, 1), else_=0)
        saved_calls += sa.case((sa.and_(skipped, first), 1), else_=0)
        if source.cost_usd:
            usd = sa.literal(source.cost_usd, t.enrichment_decisions.c.cost_usd.type)
            cost += sa.case((asked, usd), else_=0)
            saved += sa.case((sa.and_(skipped, first), usd), else_=0)
        text += sa.case(
            {
                code: f"{'ask' if name in ASK_REASONS else 'skip'}:{source.name}:{name}|"
                for name, code in _CODES.items()
            },
            value=reason,
            else_="",
        )
    return sa.select(
        row.c.scan_id,
        sa.literal(batch, sa.BigInteger()).label("batch_id"),
        calls.label("calls_to_make"),
        saved_calls.label("calls_saved"),
        sa.cast(cost, t.enrichment_decisions.c.cost_usd.type).label("cost_usd"),
        sa.cast(saved, t.enrichment_decisions.c.saved_usd.type).label("saved_usd"),
        text.label("reasons"),
        _deferred_until(sources, reasons, spent, now).label("deferred_until"),
    ).order_by(row.c.scan_id)


def next_reasons(database: Database, item_id: str, *, now: datetime) -> dict[str, str]:
    """Return what would be decided now if an item were scanned: the reason by source.

    Asks that already wait in the queue count as `duplicate`.
    """
    sources = askable_sources(database)
    queued = standing(now)
    base = (
        sa.select(
            sa.literal(0).label("scan_id"),
            t.items.c.id.label("item_id"),
            t.items.c.category,
            sa.literal(1).label("place"),
            sa.null().label("again"),
            queued.c.reasons.label("standing"),
            queued.c.since,
        )
        .outerjoin(queued, queued.c.item_id == t.items.c.id)
        .where(t.items.c.id == item_id)
    )
    reasoned = _reasoned(database, base, sources, now=now).subquery("reasoned")
    spent = budgets(database, now=now)
    found = database.rows(sa.select(reasoned))
    if not found:
        return {}
    reasons: dict[str, str] = {}
    for number, source in enumerate(sources):
        code = found[0]._mapping[f"reason_{number}"]
        if code is None:
            continue
        reason = _REASONS[code]
        spends = reason in ASK_REASONS and source.name in spent
        reasons[source.name] = "budget" if spends and spent[source.name].calls < 1 else reason
    return reasons


def counts_by_reason(database: Database, run_id: str | None = None) -> list[ReasonCount]:
    """Return the calls of one run's decisions, or of all, by action, source and reason."""
    batches = t.decision_batches
    statement = sa.select(batches.c.by_reason)
    if run_id is not None:
        statement = statement.where(batches.c.run_id == run_id)
    entries = [entry for row in database.rows(statement) for entry in json.loads(row.by_reason)]
    total: dict[tuple[str, str, str], ReasonCount] = {}
    for action, source, reason, calls, usd in entries:
        key = (action, source, reason)
        before = total.get(key, ReasonCount(*key, 0, Decimal(0)))
        total[key] = replace(before, calls=before.calls + calls, usd=before.usd + Decimal(usd))
    return sorted(total.values(), key=lambda count: (count.action, -count.calls, count.reason))


_REASONS = (*ASK_REASONS, *SKIP_REASONS)
_CODES: Mapping[str, int] = {reason: code for code, reason in enumerate(_REASONS)}
"""A reason inside the statement is a number: comparing words for every scan and source took as
long as reading the index."""

_SAVING = [code for reason, code in _CODES.items() if reason in SKIP_REASONS.keys() - PUT_OFF]


def _undecided(queued: sa.FromClause, now: datetime) -> AnySelect:
    """Return the pending scans to decide, with what already waits in the queue for their item."""
    scans, decisions = t.scans, t.enrichment_decisions
    put_off = decisions.c.deferred_until <= moment(now)
    again = sa.select(decisions.c.scan_id).where(put_off).subquery("again")
    holds = sa.exists().where(
        decisions.c.scan_id == scans.c.id, sa.or_(decisions.c.deferred_until.is_(None), ~put_off)
    )
    return (
        sa.select(
            scans.c.id.label("scan_id"),
            scans.c.item_id,
            scans.c.category,
            sa.func.row_number()
            .over(partition_by=scans.c.item_id, order_by=scans.c.id)
            .label("place"),
            again.c.scan_id.label("again"),
            queued.c.reasons.label("standing"),
            queued.c.since,
        )
        .outerjoin(again, again.c.scan_id == scans.c.id)
        .outerjoin(queued, queued.c.item_id == scans.c.item_id)
        .where(is_pending(), ~holds)
    )


def _reasoned(
    database: Database,
    base: AnySelect,
    sources: Sequence[Askable],
    *,
    now: datetime,
) -> AnySelect:
    """Return `base` with the code of a reason for each source: `reason_0`, `reason_1` and so on.

    It is null where a source knows no such item.
    """
    row = base.subquery("base")
    joined, known = _with_index(database, row, sources, now=now)
    reasons = []
    for number, (source, (reason, fetched)) in enumerate(zip(sources, known, strict=True)):
        waits = sa.and_(
            row.c.standing.is_not(None),
            asks_for(row.c.standing, sa.literal(source.name)),
            sa.or_(fetched.is_(None), fetched < row.c.since),
        )
        decided = sa.case(
            (sa.or_(row.c.place > 1, waits), _CODES["duplicate"]),
            else_=sa.func.coalesce(reason, _CODES["new"]),
        )
        knows = row.c.category.in_(source.categories)
        reasons.append(sa.case((knows, decided)).label(f"reason_{number}"))
    return sa.select(row.c.scan_id, row.c.again, *reasons).select_from(joined)


def _with_index(
    database: Database, row: sa.Subquery, sources: Sequence[Askable], *, now: datetime
) -> tuple[sa.FromClause, list[tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]]]]:
    """Return the scans joined to the index and, by source, what it says: reason, last fetch.

    Of scans that repeat another's item nothing is looked up.
    """
    is_first = row.c.place == 1
    if database.dialect == "postgresql":
        # All of an item's rows in one look-up. A lateral join is one look-up for each scan,
        # whatever the planner thinks of the tables' sizes: a join by hash would read the whole
        # index for every batch of scans.
        index = t.unified_index.alias("of_source")
        facts = [
            sa.func.max(sa.case((index.c.source == source.name, fact))).label(f"{name}_{number}")
            for number, source in enumerate(sources)
            for name, fact in (
                ("reason", _reason_of(index, now)),
                ("fetched", index.c.last_fetched_at),
            )
        ]
        of_item = (
            sa.select(*facts).where(index.c.item_id == row.c.item_id, is_first).lateral("of_item")
        )
        return row.join(of_item, sa.true()), [
            (of_item.c[f"reason_{number}"], of_item.c[f"fetched_{number}"])
            for number in range(len(sources))
        ]
    joined: sa.FromClause = row
    known = []
    for number, source in enumerate(sources):
        index = t.unified_index.alias(f"index_{number}")
        same = sa.and_(index.c.item_id == row.c.item_id, index.c.source == source.name, is_first)
        joined = joined.outerjoin(index, same)
        fetched: sa.ColumnElement[Any] = index.c.last_fetched_at
        known.append((_reason_of(index, now), fetched))
    return joined, known


def _reason_of(index: sa.FromClause, now: datetime) -> sa.ColumnElement[Any]:
    """Return the code of the reason that a row of the index gives; `new` where there is none."""
    return sa.case(
        (index.c.lease_until > moment(now), _CODES["leased"]),
        (index.c.last_fetched_at.is_(None), _CODES["new"]),
        (
            index.c.next_due_at > moment(now),
            sa.case(
                (sa.and_(index.c.result == "found", index.c.misses == 0), _CODES["fresh"]),
                else_=_CODES["backoff"],
            ),
        ),
        (index.c.completeness < LOW_QUALITY, _CODES["low_quality"]),
        else_=_CODES["stale"],
    )


def _binding(
    database: Database, sources: Sequence[Askable], spent: Mapping[str, Budget]
) -> Mapping[str, Budget]:
    """Return the budgets that can run out: of which less is left than scans could ask for.

    The others need no counting of asks, which takes as long as all the rest of a decision.
    """
    if not spent:
        return spent
    scans = t.scans
    pending = {
        row.category: row.scans
        for row in database.rows(
            sa.select(scans.c.category, sa.func.count().label("scans"))
            .where(is_pending())
            .group_by(scans.c.category)
        )
    }
    wanted: dict[str, int] = {}
    for source in sources:
        if source.name in spent:
            name = spent[source.name].allowance
            asks = sum(pending.get(category, 0) for category in source.categories)
            wanted[name] = wanted.get(name, 0) + asks
    return {
        name: budget
        for name, budget in spent.items()
        if wanted.get(budget.allowance, 0) > budget.calls
    }


def _within_budgets(
    reasoned: AnySelect, sources: Sequence[Askable], spent: Mapping[str, Budget]
) -> AnySelect:
    """Return `reasoned` where the asks beyond a source's budget of the day are `budget`."""
    if not spent:
        return reasoned
    row = reasoned.subquery("unlimited")
    columns: list[sa.ColumnElement[Any]] = [row.c.scan_id, row.c.again]
    asks: dict[str, list[sa.ColumnElement[Any]]] = {}
    for number, source in enumerate(sources):
        if source.name in spent:
            asked = sa.case((_is_ask(row.c[f"reason_{number}"]), 1), else_=0)
            asks.setdefault(spent[source.name].allowance, []).append(asked)
    taken: dict[str, int] = {}
    for number, source in enumerate(sources):
        reason: sa.ColumnElement[Any] = row.c[f"reason_{number}"]
        if source.name in spent:
            budget = spent[source.name]
            shared, own = asks[budget.allowance], taken.get(budget.allowance, 0)
            taken[budget.allowance] = own + 1
            # First come, first served; of one scan's asks the first source's come first.
            so_far = sa.func.sum(reduce(add, shared)).over(order_by=row.c.scan_id, rows=(None, 0))
            place = reduce(sub, shared[own + 1 :], so_far)
            reason = sa.case(
                (sa.and_(shared[own] == 1, place > budget.calls), _CODES["budget"]), else_=reason
            )
        columns.append(reason.label(f"reason_{number}"))
    return sa.select(*columns)


def _deferred_until(
    sources: Sequence[Askable],
    reasons: Sequence[sa.ColumnElement[Any]],
    spent: Mapping[str, Budget],
    now: datetime,
) -> sa.ColumnElement[Any]:
    leased = sa.or_(*(reason == _CODES["leased"] for reason in reasons))
    tomorrow = [
        (reason == _CODES["budget"], moment(spent[source.name].renewed_at))
        for source, reason in zip(sources, reasons, strict=True)
        if source.name in spent
    ]
    return sa.case((leased, moment(now + DEFERRAL)), *tomorrow, else_=sa.null())


def parse_reasons(reasons: str) -> list[tuple[str, str, str]]:
    """Return the (action, source, reason) of each source in a decision's text."""
    parts = [entry.split(":", 1) for entry in reasons.strip("|").split("|") if entry]
    return [(action, *rest.rsplit(":", 1)) for action, rest in parts]  # type: ignore[misc]


def _sum_up(
    bulk: Bulk, sources: Sequence[Askable], batch: int, scans: int
) -> tuple[ReasonCount, ...]:
    """Write the sums of a batch's decisions, read once; return the calls by source and reason."""
    batches, decisions = t.decision_batches, t.enrichment_decisions
    costs = {source.name: source.cost_usd for source in sources}
    calls: dict[tuple[str, str, str], int] = {}
    saved, saved_usd = 0, Decimal(0)
    for reasons, calls_saved, alike in bulk.rows(
        sa.select(decisions.c.reasons, decisions.c.calls_saved, sa.func.count())
        .where(decisions.c.batch_id == batch)
        .group_by(decisions.c.reasons, decisions.c.calls_saved)
    ):
        saved += calls_saved * alike
        for action, source, reason in parse_reasons(reasons):
            calls[action, source, reason] = calls.get((action, source, reason), 0) + alike
            # A scan that is decided again saves what it saved before, once.
            if calls_saved and _CODES[reason] in _SAVING:
                saved_usd += alike * costs[source]
    counts = tuple(
        ReasonCount(*key, number, number * costs[key[1]]) for key, number in sorted(calls.items())
    )
    asks = [count for count in counts if count.action == "ask"]
    by_reason = [[c.action, c.source, c.reason, c.calls, str(c.usd)] for c in counts]
    bulk.execute(
        sa.update(batches)
        .where(batches.c.id == batch)
        .values(
            scans=scans,
            by_reason=json.dumps(by_reason),
            calls_to_make=sum(count.calls for count in asks),
            calls_saved=saved,
            cost_usd=sum((count.usd for count in asks), Decimal(0)),
            saved_usd=saved_usd,
        )
    )
    return counts


def _is_ask(reason: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    return reason < len(ASK_REASONS)


def _zero() -> sa.ColumnElement[Any]:
    return sa.literal_column("0", sa.Integer())
