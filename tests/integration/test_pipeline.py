"""From scans to a training set, in real runs, on both databases and both instance files."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from pricing_assets.loading import load_training_set
from pricing_assets.schema import tables as t
from resources import sandbox
from tests.runs import (
    SANDBOX_SOURCES,
    SOURCES_OF_PEOPLE,
    Platform,
    asked,
    evaluation,
    isbns,
    metadata,
    reasons,
)

BOOKS = isbns(80)
CANARY = "canary-9f3c"
SECRETS = (
    CANARY,
    sandbox.credential("GOOGLE_BOOKS_API_KEY"),
    sandbox.credential("EBAY_CLIENT_SECRET"),
    sandbox.credential("SEARCHAPI_API_KEY"),
)

crossed = pytest.mark.parametrize(
    ("migrated_url", "dagster_instance"),
    [("sqlite", "postgresql"), ("postgresql", "sqlite")],
    indirect=True,
)


def calls(platform: Platform, run_id: str) -> int:
    """How many calls about items a run made."""
    made = t.api_calls.c
    return platform.count(t.api_calls, made.item_id.is_not(None), made.run_id == run_id)


def requests_made(url: str) -> Counter[str]:
    return Counter(httpx.get(f"{url}/_sandbox/stats").json()["requests"])


@crossed
def test_from_scans_to_a_training_set(platform: Platform) -> None:
    url = platform.settings.sandbox_url or ""
    before, requests_before = asked(url), requests_made(url)
    platform.scan([*BOOKS, *BOOKS[:5], "B00ZV9PXP2", "nonsense"], "day one.txt")

    first = platform.run()
    assert evaluation(first).passed
    new = asked(url) - before
    assert set(new) == {(source, isbn) for source in SANDBOX_SOURCES for isbn in BOOKS}
    assert set(new.values()) == {1}
    assert calls(platform, first.run_id) == sum(new.values()) == len(SANDBOX_SOURCES) * len(BOOKS)
    sent = requests_made(url) - requests_before
    attempts = platform.rows(
        sa.select(t.api_calls.c.source, sa.func.sum(t.api_calls.c.attempts).label("sent")).group_by(
            t.api_calls.c.source
        )
    )
    assert {row.source.removeprefix("sandbox:"): row.sent for row in attempts} == {
        source: sent[source] for source in (*SANDBOX_SOURCES, *SOURCES_OF_PEOPLE)
    }
    assert reasons(platform, first.run_id) == {
        "new": len(SANDBOX_SOURCES) * len(BOOKS),
        "duplicate": 5 * len(SANDBOX_SOURCES),
    }
    assert platform.count(t.scans, t.scans.c.processed_at.is_(None)) == 2  # the rejected ones

    # The same books an hour later: from a file, and by other ways to write them.
    later = platform.at(platform.clock.now() + timedelta(hours=1))
    later.scan([f"{isbn[:3]}-{isbn[3:]}" for isbn in BOOKS], "day two.txt")
    before, requests_before = asked(url), requests_made(url)
    second = later.run()
    assert asked(url) - before == Counter()
    assert requests_made(url) - requests_before == Counter()
    assert calls(later, second.run_id) == 0
    skipped = reasons(later, second.run_id)
    assert sum(skipped.values()) == len(SANDBOX_SOURCES) * len(BOOKS)
    assert set(skipped) <= {"fresh", "backoff"}
    assert skipped["fresh"] > skipped.get("backoff", 0)
    assert platform.count(t.items) == len(BOOKS)

    snapshot = later.run("snapshot_prices", partition="2026-10-20")
    assert metadata(snapshot, "price_snapshots")["dagster/partition_row_count"] > 40
    built = later.run("build_training_set", partition="2026-10-01")
    rows = metadata(built, "training_set")["dagster/partition_row_count"]
    admitted = platform.count(t.items, t.items.c.in_training)
    assert 0 < rows == admitted < len(BOOKS)
    for form in ("pandas", "arrow"):
        frame = load_training_set("2026-10", as_=form, directory=platform.settings.training_sets)
        assert len(frame) == rows

    # All of it is on record in the instance.
    for asset in ("raw_scans", "sold_comps", "in_training_flags", "training_set"):
        event = platform.instance.get_latest_materialization_event(dg.AssetKey(asset))
        assert event is not None
        assert event.asset_materialization is not None
        assert event.asset_materialization.metadata


@crossed
def test_what_has_become_stale_is_asked_again(platform: Platform) -> None:
    books = BOOKS[:10]
    platform.scan(books)
    platform.run()
    url = platform.settings.sandbox_url or ""
    before = asked(url)
    much_later = platform.at(platform.clock.now() + timedelta(days=400))
    much_later.scan(books[::-1], "next year.txt")
    again = much_later.run()
    new = asked(url) - before
    assert set(reasons(much_later, again.run_id)) <= {"stale", "low_quality"}
    assert set(new.values()) == {1}
    assert len(new) == calls(much_later, again.run_id) == len(SANDBOX_SOURCES) * len(books)
    # What sold before stays; nothing is deleted.
    assert platform.count(t.price_listings, t.price_listings.c.superseded_at.is_not(None)) > 0
    fetched = platform.rows(sa.select(t.unified_index.c.last_fetched_at).distinct())
    assert [row.last_fetched_at for row in fetched] == [much_later.clock.now()]


@pytest.mark.parametrize(
    ("migrated_url", "dagster_instance"), [("postgresql", "sqlite")], indirect=True
)
def test_every_materialization_shows_its_rows_a_preview_and_a_plot(platform: Platform) -> None:
    platform.scan([*BOOKS[:15], "nonsense"])
    shown = {}
    for job, partition in (
        ("process_scans", None),
        ("snapshot_prices", "2026-10-20"),
        ("build_training_set", "2026-10-01"),
    ):
        result = platform.run(job, partition=partition)
        for event in result.get_asset_materialization_events():
            shown[event.materialization.asset_key.to_user_string()] = {
                name: value.value for name, value in event.materialization.metadata.items()
            }
    assert len(shown) == 9
    for asset, values in shown.items():
        count = values.get("dagster/row_count", values.get("dagster/partition_row_count"))
        assert isinstance(count, int), asset
        texts = [value for value in values.values() if isinstance(value, str)]
        assert any("data:image/png;base64," in text for text in texts), asset
        assert any(text.startswith("| ") for text in texts), asset
        assert sum(len(text) for text in texts) < 400_000, "the event log keeps this for ever"


def everything_stored(platform: Platform) -> Iterator[tuple[str, str]]:
    """All that Dagster and we have written, as text: files, and the rows of all tables."""
    for directory in (Path(platform.instance.root_directory), platform.settings.home):
        for path in directory.rglob("*"):
            if path.is_file():
                yield str(path), path.read_bytes().decode("latin-1")
    urls = [platform.settings.database_url]
    storage = platform.instance.event_log_storage
    if hasattr(storage, "postgres_url"):
        urls.append(storage.postgres_url)
    for url in urls:
        if not url.startswith("postgresql"):
            continue
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            for table in sa.inspect(connection).get_table_names():
                rows = connection.exec_driver_sql(f'SELECT t::text FROM "{table}" t').scalars()
                yield table, "\n".join(rows)
        engine.dispose()


@pytest.mark.parametrize(
    ("migrated_url", "dagster_instance"), [("postgresql", "postgresql")], indirect=True
)
def test_no_secret_is_written_anywhere(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    url = make_url(platform.settings.database_url)
    if url.get_backend_name() == "postgresql":
        url = url.set(password=CANARY)
    for name in ("GOOGLE_BOOKS_API_KEY", "EBAY_CLIENT_SECRET", "SEARCHAPI_API_KEY"):
        monkeypatch.setenv(name, f"{CANARY}-{name}")
    monkeypatch.setenv("PRICING_DATABASE_URL", url.render_as_string(hide_password=False))
    settings = replace(platform.settings, database_url=url.render_as_string(hide_password=False))
    guarded = replace(platform, settings=settings)
    guarded.scan(BOOKS[:5])
    guarded.run()
    # Errors are what carries secrets out: sources that are away, and a database that is.
    with_error = replace(settings, sandbox_url="http://127.0.0.1:9")
    replace(guarded, settings=with_error).scan(BOOKS[5:6], "more.txt")
    replace(guarded, settings=with_error).run()
    away = f"postgresql://pricing:{CANARY}@127.0.0.1:1/pricing"
    replace(guarded, settings=replace(settings, database_url=away)).run(fails=True)

    places = list(everything_stored(platform))
    assert len(places) > 10
    assert any(BOOKS[0] in text for _, text in places), "the search finds what is there"
    for place, text in places:
        for secret in SECRETS:
            assert secret not in text, place
    for run in platform.instance.get_runs():
        assert CANARY not in json.dumps([run.run_config, dict(run.tags)])
