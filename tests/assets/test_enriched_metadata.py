import json

import sqlalchemy as sa

from pricing_assets.assets.enriched_metadata import SOURCES_POOL, enriched_metadata
from pricing_assets.schema import tables as t
from tests.assets.conftest import BOOKS, Processed
from tests.runs import NOON, metadata


def test_each_book_is_asked_once_of_each_metadata_source(processed: Processed) -> None:
    shown = metadata(processed.runs["process_scans"], "enriched_metadata")
    assert shown["calls"] == 2 * BOOKS
    assert sum(shown["calls_by_result"].values()) == 2 * BOOKS
    assert shown["calls_by_result"].get("error", 0) == 0
    assert shown["answers_recovered_after_a_crash"] == 0
    asked = {pair: n for pair, n in processed.asked.items() if pair[0] in _METADATA}
    assert len(asked) == 2 * BOOKS
    assert set(asked.values()) == {1}


_METADATA = ("open_library", "google_books")


def test_what_it_shows_is_what_is_stored(processed: Processed) -> None:
    shown = metadata(processed.runs["process_scans"], "enriched_metadata")
    platform = processed.platform
    assert shown["dagster/row_count"] == platform.count(t.metadata_versions)
    known = platform.count(t.items, t.items.c.metadata_source.is_not(None))
    assert shown["items_with_metadata"] == known
    assert known > BOOKS * 0.8
    assert shown["preview"].startswith("| category | natural key | title |")
    assert "data:image/png;base64," in shown["completeness"]


def test_every_value_has_its_source_and_time(processed: Processed) -> None:
    fields = (
        *("title", "authors", "publisher", "publication_year"),
        *("binding", "page_count", "language"),
    )
    rows = processed.platform.rows(
        sa.select(t.items, *(c for c in t.books.c if c.name != "item_id")).join(
            t.books, t.books.c.item_id == t.items.c.id
        )
    )
    described = [row for row in rows if row.metadata_source]
    for row in described:
        origins = json.loads(row.field_origins)
        assert {name for name in fields if getattr(row, name) is not None} <= set(origins)
        for source, since in origins.values():
            assert source.startswith("sandbox:")
            assert since == NOON.isoformat()
    assert {row.metadata_source for row in described} <= {
        "sandbox:open_library",
        "sandbox:google_books",
    }
    assert [row for row in rows if not row.metadata_source and row.title] == []


def test_every_version_has_its_evidence(processed: Processed) -> None:
    versions, payloads = t.metadata_versions, t.payloads
    unproved = (
        sa.select(sa.func.count().label("n"))
        .select_from(versions)
        .outerjoin(payloads, payloads.c.sha256 == versions.c.payload_sha256)
        .where(payloads.c.sha256.is_(None))
    )
    assert processed.platform.rows(unproved)[0].n == 0
    assert processed.platform.count(versions) > BOOKS


def test_paid_steps_share_a_pool() -> None:
    assert enriched_metadata.op.pool == SOURCES_POOL
