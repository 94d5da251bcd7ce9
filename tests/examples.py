"""Rows that many tests start from: items, sources, scans and answers, in a real database.

Builders only: everything is written through the project's own statements. What a single
test needs stays in that test.
"""

import functools
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from pricing_assets.core.answers import Answer, FetchResult, ItemQuery, Listing, ListingKind
from pricing_assets.core.items import item_id
from pricing_assets.core.metadata import MetadataVersion, completeness, merge
from pricing_assets.schema import tables as t
from pricing_assets.store.answers import commit_replies
from pricing_assets.store.evidence import SourceFacts
from pricing_assets.store.intake import IntakeCount, Readings, store_scans
from pricing_assets.store.source_settings import declare_agreement
from pricing_assets.store.sources import register_sources
from resources.database import Database
from resources.sources import registered_sources
from resources.sources.client import Reply
from tests.conftest import DatabaseUrl, sqlite_template

NOON = datetime(2026, 10, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)

METADATA = ("google_books", "open_library")
ASKS, SOLD = "ebay_browse", "searchapi_ebay_sold"

COMPLETE: Mapping[str, str | int] = {
    "title": "Great Expectations",
    "authors": "Charles Dickens",
    "publisher": "Penguin",
    "publication_year": 2002,
    "binding": "Paperback",
    "page_count": 544,
    "language": "en",
    "thumbnail_url": "https://covers.example/1.jpg",
    "description": "A boy and a convict.",
}
"""Every field that counts."""

READING = pa.schema(
    [
        ("line", pa.int64()),
        *((name, pa.string()) for name in ("code", "category", "natural_key", "item_id")),
        *((name, pa.string()) for name in ("reason", "note")),
        ("scanned_at", pa.timestamp("us", tz="UTC")),
    ]
)


@pytest.fixture
def database(migrated_url: DatabaseUrl) -> Iterator[Database]:
    """A migrated database with the sources registered, once on SQLite and once on PostgreSQL."""
    with registered_database(migrated_url) as with_sources:
        yield with_sources


@contextmanager
def registered_database(migrated_url: DatabaseUrl) -> Iterator[Database]:
    """Open a migrated database, and register the sources in it."""
    with_schema = Database(migrated_url)
    with_schema.execute(sa.insert(t.data_sources), _registered())
    yield with_schema
    with_schema.close()


@pytest.fixture
def hypertable(timescale_url: DatabaseUrl) -> Iterator[Database]:
    """A database with two books whose observations are in a hypertable since it was made."""
    with registered_database(timescale_url) as with_sources:
        scan(with_sources, 1, 2)
        yield with_sources


def execute(database: Database, *statements: str) -> None:
    """Run statements in one transaction, as somebody with a client of PostgreSQL or SQLite does."""
    with database.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@functools.cache
def _registered() -> list[dict[str, Any]]:
    """The sources as they stand in a database where they were registered and agreed with.

    To do that anew took a seventh of the time of all tests that have this database.
    """
    with tempfile.TemporaryDirectory(prefix="pricing-registered-") as directory:
        path = Path(directory) / "pricing.db"
        path.write_bytes(sqlite_template())
        database = Database(f"sqlite:///{path}")
        register(database)
        agree(database)
        rows = database.rows(sa.select(t.data_sources))
        database.close()
    return [dict(row._mapping) for row in rows]


def register(database: Database, prefix: str = "") -> None:
    """Register the sources and leave four active: a new one changes no count of a test."""
    register_sources(database, registered_sources(), prefix)
    name, active = t.data_sources.c.name, [prefix + source for source in (*METADATA, ASKS, SOLD)]
    database.execute(sa.update(t.data_sources).values(is_active=name.in_(active)))


def agree(database: Database) -> None:
    """Declare an agreement with every vendor, so that what they show may train a model."""
    for name in registered_sources():
        declare_agreement(database, name, f"Contract with {name}", now=NOON)


def set_licence(database: Database, source: str, **terms: object) -> None:
    """Let a source have a licence with these terms; it is made where it is not there."""
    licence = {
        "store_payloads": True,
        "payload_retention_days": None,
        "display_max_age_hours": None,
        "redistribute": False,
        "train": "no",
        "note": "",
        **terms,
    }
    sources = t.data_sources
    text = json.dumps(licence)
    if not database.execute(
        sa.update(sources).where(sources.c.name == source).values(licence=text)
    ):
        database.execute(
            sa.insert(sources).values(
                name=source,
                kind="sold",
                categories='["book"]',
                is_active=False,
                rate_per_second=1.0,
                cost_per_call_usd=Decimal(0),
                freshness_days=1.0,
                licence=text,
            )
        )


def isbn(number: int) -> str:
    digits = f"978{number:09d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def book(number: int) -> ItemQuery:
    return ItemQuery(item_id("book", isbn(number)), "book", isbn(number))


def facts(prefix: str = "") -> dict[str, SourceFacts]:
    return {
        prefix + name: SourceFacts(source.kind, source.freshness)
        for name, source in registered_sources().items()
    }


def readings(
    numbers: Sequence[int], *, origin: str = "a", name: str = "scans.txt", bad: Sequence[str] = ()
) -> Readings:
    """Lines of a file: first books by number, then codes that were refused."""
    rows: list[dict[str, object]] = [
        {
            "code": book(number).natural_key,
            "category": "book",
            "natural_key": book(number).natural_key,
            "item_id": book(number).item_id,
        }
        for number in numbers
    ]
    rows += [{"code": code, "reason": "check_digit", "note": f"{code} is wrong"} for code in bad]
    for line, row in enumerate(rows, 1):
        row["line"] = line
    return Readings(
        hashlib.sha256(origin.encode()).hexdigest(),
        name,
        pa.RecordBatch.from_pylist(rows, schema=READING),
    )


def scan(
    database: Database,
    *numbers: int,
    origin: str = "a",
    user_id: str = "default",
    at: datetime = NOON,
) -> IntakeCount:
    return store_scans(
        database, [readings(numbers, origin=origin)], user_id=user_id, received_at=at
    )


def listing(
    listing_id: str, price: str, kind: ListingKind = "sold", currency: str = "USD", **more: Any
) -> Listing:
    return Listing(listing_id, kind, f"copy {listing_id}", Decimal(price), currency, **more)


def reply(
    number: int,
    source: str,
    at: datetime = NOON,
    *,
    fields: Mapping[str, str | int | float] | None = None,
    listings: Sequence[Listing] = (),
    error: str | None = None,
    problems: tuple[str, ...] = (),
) -> Reply:
    """What a source said of a book; it knows the book when there are fields or listings."""
    body = json.dumps([number, source, at.isoformat(), str(fields), str(listings)]).encode()
    result: FetchResult = "error" if error else "found" if fields or listings else "not_found"
    answer = None
    if result != "error":
        answer = Answer(result, fields or {}, tuple(listings), problems)
    return Reply(
        source=source,
        query=book(number),
        requested_at=at,
        status=500 if error else 200,
        latency_ms=12.5,
        body=body,
        content_type="application/json",
        sha256=hashlib.sha256(body).hexdigest(),
        attempts=4 if error else 1,
        answer=answer,
        error=error,
        result=result,
        cost_usd=Decimal(0) if error else Decimal("0.004"),
    )


def commit(database: Database, *replies: Reply, run_id: str = "run-1", prefix: str = "") -> None:
    commit_replies(
        database,
        replies,
        facts(prefix),
        run_id=run_id,
        now=max(reply.requested_at for reply in replies),
    )


def learn(
    database: Database,
    number: int,
    fields: Mapping[str, str | int],
    at: datetime = NOON,
    source: str = "open_library",
) -> None:
    """Let a source say something of a scanned book: what it says is kept, and merged."""
    versions, own = t.metadata_versions, book(number).item_id
    body = json.dumps([number, source, at.isoformat(), dict(fields)]).encode()
    digest = hashlib.sha256(body).hexdigest()
    with database.begin() as connection:
        connection.execute(
            sa.insert(t.payloads).values(
                sha256=digest, source=source, fetched_at=at, size_bytes=len(body), body_zstd=body
            )
        )
        connection.execute(
            sa.insert(versions).values(
                item_id=own,
                source=source,
                observed_at=at,
                fields=json.dumps(dict(fields)),
                completeness=completeness(fields),
                payload_sha256=digest,
            )
        )
        known = connection.execute(sa.select(versions).where(versions.c.item_id == own)).all()
        merged, _ = merge(
            MetadataVersion(v.source, v.observed_at, json.loads(v.fields)) for v in known
        )
        for table, key in ((t.items, t.items.c.id), (t.books, t.books.c.item_id)):
            values = {n: v for n, v in merged.items() if n in table.c and n != "work_key"}
            if values:
                connection.execute(sa.update(table).values(**values).where(key == own))
        connection.execute(
            sa.update(t.items).values(metadata_fetched_at=at).where(t.items.c.id == own)
        )


def sales(
    database: Database,
    number: int,
    prices: Sequence[str],
    at: datetime = NOON,
    *,
    source: str = SOLD,
    prefix: str = "",
) -> None:
    """Let a source show sales of a book, named by their place and price."""
    shown = [listing(f"{place}-{price}", price) for place, price in enumerate(prices)]
    known = {**facts(prefix), prefix + source: SourceFacts("sold", timedelta(days=7))}
    commit_replies(
        database,
        [reply(number, prefix + source, at, listings=shown)],
        known,
        run_id="run-1",
        now=at,
    )


def rows(database: Database, table: sa.Table, *order: str) -> list[dict[str, Any]]:
    """All rows of a table, by its primary key or by the columns named."""
    by = [table.c[name] for name in order] or list(table.primary_key.columns)
    return [dict(row._mapping) for row in database.rows(sa.select(table).order_by(*by))]


def row(database: Database, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> Any:
    """The one row of a table that meets the conditions."""
    (found,) = database.rows(sa.select(table).where(*conditions))
    return found


def item(database: Database, number: int) -> Any:
    return row(database, t.items, t.items.c.id == book(number).item_id)
