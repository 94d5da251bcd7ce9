import shutil
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from pricing_assets.core.freshness import ASK_REASONS, SKIP_REASONS
from pricing_assets.schema import tables as t
from resources.clock import Clock
from tests.runs import NOON, Platform, asked, evaluation, isbns, new_platform, reasons


def shown(result_metadata: object) -> dict[str, object]:
    assert isinstance(result_metadata, dict)
    return {name: value.value for name, value in result_metadata.items()}


def test_it_passes_and_shows_its_decisions_by_reason(platform: Platform) -> None:
    books = isbns(6)
    platform.scan([*books, books[0]])
    first = platform.run()
    check = evaluation(first)
    assert check.passed
    assert check.blocking
    values = shown(check.metadata)
    assert values["scans_decided"] == 7
    assert values["calls_to_make"] == values["ask_new"] == 30
    assert values["calls_saved"] == values["skip_duplicate"] == 5
    assert values["ask_stale"] == values["skip_fresh"] == 0
    for reason in ASK_REASONS:
        assert f"ask_{reason}" in values
    for reason in SKIP_REASONS:
        assert f"skip_{reason}" in values
    assert "never asked" in str(values["by_reason"])
    assert "data:image/png;base64," in str(values["decisions_by_reason"])
    assert reasons(platform, first.run_id) == {"new": 30, "duplicate": 5}

    platform.scan(books, "again.txt")
    platform.scan([*books[:3], "9780000000000"], "and again.txt")
    second = platform.run()
    values = shown(evaluation(second).metadata)
    assert values["calls_to_make"] == 0
    skipped = reasons(platform, second.run_id)
    assert set(skipped) <= {"fresh", "backoff", "duplicate"}
    assert skipped["duplicate"] == 15
    assert sum(skipped.values()) == 45


def test_it_passes_where_nothing_is_pending(platform: Platform) -> None:
    check = evaluation(platform.run())
    assert check.passed
    values = shown(check.metadata)
    assert values["scans_decided"] == 0
    assert values["decisions_by_reason"] == "*no scan was pending*"


@pytest.fixture(scope="session")
def asked_home(tmp_path_factory: pytest.TempPathFactory, sandbox_url: str) -> Path:
    """The home of a platform that four books went through, for all who copy it."""
    directory = tmp_path_factory.mktemp("asked")
    with new_platform(directory, sandbox_url, Clock(NOON)) as platform:
        platform.scan(isbns(4))
        platform.run()
        return platform.settings.home


def lose_an_index_row(platform: Platform) -> None:
    """As after a restore of one table, or a hand in the database."""
    index, versions = t.unified_index, t.metadata_versions
    with platform.database() as database:
        row = database.rows(sa.select(versions.c.item_id, versions.c.source).limit(1))[0]
        deleted = database.execute(
            sa.delete(index).where(index.c.item_id == row.item_id, index.c.source == row.source)
        )
    assert deleted == 1


def lose_a_market_index_row(platform: Platform) -> None:
    index, listings = t.unified_index, t.price_listings
    with platform.database() as database:
        row = database.rows(sa.select(listings.c.item_id, listings.c.source).limit(1))[0]
        deleted = database.execute(
            sa.delete(index).where(index.c.item_id == row.item_id, index.c.source == row.source)
        )
    assert deleted == 1


def lose_the_calls(platform: Platform) -> None:
    with platform.database() as database:
        assert database.execute(sa.delete(t.api_calls)) > 0


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (lose_an_index_row, "metadata answers that the index does not know of"),
        (lose_a_market_index_row, "calls that the index does not know of"),
        (lose_the_calls, "index rows newer than any call"),
    ],
)
def test_it_fails_and_stops_the_paid_steps_where_index_and_store_disagree(
    platform: Platform, asked_home: Path, damage: object, names: str
) -> None:
    assert callable(damage)
    shutil.copytree(asked_home, platform.settings.home, dirs_exist_ok=True)
    damage(platform)
    platform.scan(isbns(4, 10), "new.txt")
    url = platform.settings.sandbox_url or ""
    before, calls = asked(url), platform.count(t.api_calls)
    result = platform.run(fails=True)
    check = evaluation(result)
    assert not check.passed
    assert check.blocking
    assert check.description is not None
    assert names in check.description
    assert "run again" in check.description
    assert int(str(shown(check.metadata)[names])) > 0
    for step in ("enriched_metadata", "sold_comps", "in_training_flags"):
        assert result.asset_materializations_for_node(step) == []
    assert asked(url) - before == Counter()
    assert platform.count(t.api_calls) == calls
    # The scans are stored and wait.
    pending = platform.count(
        t.scans, t.scans.c.status == "accepted", t.scans.c.processed_at.is_(None)
    )
    assert pending == 4
