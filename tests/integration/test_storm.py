"""A run through a storm of faults ends where a calm one does."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.store.queue import count_open_asks
from resources.clock import Clock
from resources.sandbox.failing import DELIVERING
from resources.sandbox.process import SandboxProcess
from resources.source_access import SANDBOX_RATE
from resources.sources import registered_sources
from tests.runs import NOON, SANDBOX_SOURCES, Platform, isbns, new_platform

BOOKS = 2_000
KINDS = ("metadata", "sold", "ask", "offer")

ANY_SOURCE: list[dict[str, Any]] = [
    {"kind": "server_error", "share": 0.16, "status": 503},
    {"kind": "server_error", "share": 0.05, "times": 2},
    {"kind": "too_many_requests", "share": 0.06},
    {"kind": "too_many_requests", "every": 140, "retry_after": 1},
    {"kind": "timeout", "share": 0.01},
    {"kind": "slow_drip", "share": 0.01},
    {"kind": "reset", "share": 0.1},
    {"kind": "truncated_body", "share": 0.08},
]
FREE_SOURCES: list[dict[str, Any]] = [
    {"kind": "lying_length", "share": 0.02},
    {"kind": "truncated_json", "share": 0.03},
    {"kind": "mangled_json", "share": 0.03},
    {"kind": "wrong_charset", "share": 0.03},
]
LISTINGS: list[dict[str, Any]] = [
    {"kind": "duplicate_page", "share": 0.05},
    {"kind": "endless_next", "share": 0.05},
]
STORM: dict[str, Any] = {
    "seed": 11,
    "faults": {
        "open_library": [*ANY_SOURCE, *FREE_SOURCES],
        "google_books": [*ANY_SOURCE, *FREE_SOURCES],
        "ebay_browse": [
            *ANY_SOURCE, *FREE_SOURCES, *LISTINGS, {"kind": "expired_token", "share": 0.05},
        ],
        "ebay_token": [{"kind": "server_error", "every": 3}],
        "searchapi_ebay_sold": [*ANY_SOURCE, *LISTINGS],
        "booksrun": ANY_SOURCE,
        "wikidata": ANY_SOURCE,
        "wikimedia_commons": ANY_SOURCE,
    },
}  # fmt: skip


@contextmanager
def weather(directory: Path, faults: Path | None) -> Iterator[tuple[Platform, dict[str, Any]]]:
    """A platform on which the books have been run, and what its sandbox counted."""
    directory.mkdir()
    with (
        SandboxProcess(size=BOOKS + 100, rate=SANDBOX_RATE, faults=faults) as process,
        new_platform(directory, process.url, Clock(NOON)) as platform,
    ):
        platform.scan(isbns(BOOKS))
        platform.run()
        yield platform, httpx.get(f"{process.url}/_sandbox/stats", timeout=10).json()


def content(platform: Platform) -> dict[str, list[tuple[Any, ...]]]:
    """All that was learnt, by natural key; not by which body and in which order it came."""
    key = t.items.c.natural_key
    found: dict[str, list[tuple[Any, ...]]] = {}
    for table, item in (
        (t.items, t.items.c.id),
        (t.books, t.books.c.item_id),
        (t.metadata_versions, t.metadata_versions.c.item_id),
        (t.price_listings, t.price_listings.c.item_id),
        (t.gate_evaluations, t.gate_evaluations.c.item_id),
        (t.unified_index, t.unified_index.c.item_id),
    ):
        own = {"payload_sha256", "run_id"}
        if table is not t.items:
            own.add("id")
        if table is t.unified_index:
            own.add("completeness")  # of the item then: it depends on which source came first
        columns = [column for column in table.c if column.name not in own]
        statement = sa.select(key, *columns)
        if table is not t.items:
            statement = statement.join(t.items, t.items.c.id == item)
        found[table.name] = sorted((tuple(row) for row in platform.rows(statement)), key=repr)
    for table in (t.people, t.people_index, t.item_people, t.images):
        rows = platform.rows(sa.select(table))
        found[table.name] = sorted((tuple(row) for row in rows), key=repr)
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_storm_changes_nothing_but_the_time_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for client in registered_sources().values():
        monkeypatch.setattr(type(client), "read_timeout", 4.0)
        monkeypatch.setattr(type(client), "total_timeout", 5.0)
    faults = tmp_path / "storm.json"
    faults.write_text(json.dumps(STORM))
    with weather(tmp_path / "calm", None) as (platform, calm_stats):
        calm = content(platform)
    with weather(tmp_path / "storm", faults) as (platform, stats):
        stormy = content(platform)
        admitted = platform.count(t.items, t.items.c.in_training)
        with platform.database() as database:
            assert count_open_asks(database, KINDS, now=NOON) == 0
        calls = t.api_calls
        attempts = platform.rows(
            sa.select(sa.func.sum(calls.c.attempts).label("sent")).where(
                calls.c.item_id.is_not(None)
            )
        )

    for table, rows in calm.items():
        assert len(rows) > 0, table
        assert stormy[table] == rows, table
    assert admitted > 0

    # It was a storm, of every kind that was ordered, and no limit was exceeded in it.
    assert calm_stats["faults"] == {}
    for source in SANDBOX_SOURCES:
        made = stats["faults"][source]
        assert set(made) == {fault["kind"] for fault in STORM["faults"][source]}, source
        failed = sum(count for kind, count in made.items() if kind not in DELIVERING)
        assert failed / stats["requests"][source] >= 0.3, source
        assert stats["max_requests_in_1s"][source] <= SANDBOX_RATE
    assert stats["429s"] == calm_stats["429s"] == {}
    # A token that had expired is renewed within an attempt; all other requests are attempts.
    sent = sum(stats["requests"][source] for source in SANDBOX_SOURCES)
    assert 0 <= sent - attempts[0].sent <= stats["faults"]["ebay_browse"]["expired_token"]
