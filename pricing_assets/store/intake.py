"""Writing scans: every reading becomes a row, and every accepted one has its item."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from pricing_assets.core.categories import CATEGORIES
from pricing_assets.schema import tables as t
from pricing_assets.store.queue import is_pending, moment
from resources.database import Bulk, Database, arrow_type

TRANSACTION_ROWS = 50_000
"""Readings that are stored in one transaction."""


@dataclass(frozen=True, slots=True)
class IntakeCount:
    """How many readings were brought, and what became of them.

    `known` were stored before: the same line of the same content.
    """

    read: int = 0
    accepted: int = 0
    rejected: int = 0
    known: int = 0

    def __add__(self, other: "IntakeCount") -> "IntakeCount":
        """Return the counts of both together."""
        return IntakeCount(
            self.read + other.read,
            self.accepted + other.accepted,
            self.rejected + other.rejected,
            self.known + other.known,
        )


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of one origin.

    Attributes:
        origin: What was read: the SHA-256 of a file's content, or of one call's identity.
        origin_name: Its name for people.
        rows: Columns line, code, category, natural_key, item_id, reason, note, scanned_at;
            `reason` is null for an accepted reading.
    """

    origin: str
    origin_name: str
    rows: pa.RecordBatch


def store_scans(
    database: Database, readings: Iterable[Readings], *, user_id: str, received_at: datetime
) -> IntakeCount:
    """Store readings, some ten thousand in a transaction: first their items, then the scans.

    A reading is known by (user, origin, line): storing the same origin again, wholly or
    from the middle after a crash, adds only what is missing.
    """
    if not user_id:
        raise ValueError("scans belong to a user: user_id is empty")
    total = IntakeCount()
    with ThreadPoolExecutor(1) as beside:
        storing: Future[IntakeCount] | None = None
        for rows in _transactions(readings):
            with database.bulk() as bulk:
                create_items(bulk, rows, received_at)
            if storing is not None:
                total += storing.result()
            storing = beside.submit(_insert_scans, database, rows, user_id, received_at)
            if database.dialect == "sqlite":
                # It has one writer; PostgreSQL writes the next items beside these scans.
                storing.result()
        if storing is not None:
            total += storing.result()
    return total


def _transactions(readings: Iterable[Readings]) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    count = 0
    for reading in readings:
        table = pa.Table.from_batches([reading.rows])
        for name, value in (("origin", reading.origin), ("origin_name", reading.origin_name)):
            table = table.append_column(name, pa.repeat(pa.scalar(value), table.num_rows))
        waiting.append(table)
        count += table.num_rows
        if count >= TRANSACTION_ROWS:
            yield pa.concat_tables(waiting)
            waiting, count = [], 0
    if count:
        yield pa.concat_tables(waiting)


def create_items(bulk: Bulk, readings: pa.Table, now: datetime) -> None:
    """Make the items of accepted readings, where they are not there.

    Args:
        readings: Columns item_id, category, natural_key and reason, null where accepted.
    """
    accepted = readings.filter(pc.is_null(readings["reason"]))
    distinct = accepted.group_by(["item_id", "category", "natural_key"]).aggregate([])
    # In one order, so that two writers of the same items wait instead of deadlocking.
    distinct = distinct.sort_by("item_id")
    if distinct.num_rows == 0:
        return
    created = _constant(distinct, now)
    own = _own_fields(distinct)
    bulk.upsert(
        t.items,
        pa.table(
            {
                "id": distinct["item_id"],
                "category": distinct["category"],
                "natural_key": distinct["natural_key"],
                "title": pa.array([fields.get("title") for fields in own], pa.string()),
                "created_at": created,
                "updated_at": created,
            }
        ),
    )
    for name in CATEGORIES:
        rows = [fields for fields in own if fields["category"] == name]
        if rows:
            bulk.upsert(t.CATEGORY_TABLES[name], _of_category(name, rows))


def _own_fields(items: pa.Table) -> list[dict[str, str | int]]:
    """Return what each item's key says of it, with item_id, category and, if so, title."""
    own = []
    for row in items.to_pylist():
        category = CATEGORIES[row["category"]]
        fields = dict(category.key_fields(row["natural_key"]))
        title = {"title": fields[category.title]} if category.title in fields else {}
        own.append(fields | title | {"item_id": row["item_id"], "category": category.name})
    return own


def _of_category(name: str, rows: list[dict[str, str | int]]) -> pa.Table:
    table = t.CATEGORY_TABLES[name]
    said = {field for row in rows for field in row}
    return pa.table(
        {
            column.name: pa.array([row.get(column.name) for row in rows], arrow_type(column.type))
            for column in table.columns
            if column.name in said
        }
    )


def _insert_scans(
    database: Database, readings: pa.Table, user_id: str, now: datetime
) -> IntakeCount:
    received_at = _constant(readings, now)
    rows = pa.table(
        {
            "user_id": pa.repeat(pa.scalar(user_id), readings.num_rows),
            **{name: readings[name] for name in ("origin", "origin_name", "line", "code")},
            **{name: readings[name] for name in ("reason", "note", "item_id", "category")},
            "scanned_at": pc.coalesce(readings["scanned_at"], received_at),
            "received_at": received_at,
        }
    )
    with database.bulk() as bulk:
        accepted, rejected = (
            bulk.upsert(
                t.scans,
                some.append_column("status", pa.repeat(pa.scalar(status), some.num_rows)),
            )
            for status, some in (
                ("accepted", rows.filter(pc.is_null(rows["reason"]))),
                ("rejected", rows.filter(pc.is_valid(rows["reason"]))),
            )
        )
    known = readings.num_rows - accepted - rejected
    return IntakeCount(readings.num_rows, accepted, rejected, known)


def _constant(table: pa.Table, moment: datetime) -> pa.Array:
    return pa.repeat(pa.scalar(moment, pa.timestamp("us", tz="UTC")), table.num_rows)


def pending_count(database: Database, *, now: datetime) -> int:
    """Count the accepted scans that wait for the pipeline; those that are put off do not."""
    decisions = t.enrichment_decisions
    put_off = sa.exists().where(
        decisions.c.scan_id == t.scans.c.id, decisions.c.deferred_until > moment(now)
    )
    statement = sa.select(sa.func.count()).select_from(t.scans).where(is_pending(), ~put_off)
    return int(database.scalar(statement) or 0)
