"""Copies of the observations: what is copied again, and that they never change a build."""

import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.schema.migrate import upgrade
from pricing_assets.store import training_observations as module
from pricing_assets.store.training_observations import copied_observations, usable_sql
from pricing_assets.store.training_places import Build
from pricing_assets.store.training_set import COPIES
from resources.compute import duckdb_connection
from resources.database import Database
from resources.snapshot import snapshot
from tests.examples import (
    ASKS,
    DAY,
    NOON,
    SOLD,
    agree,
    commit,
    database,
    listing,
    register,
    reply,
    rows,
    scan,
)
from tests.store.test_training_set import build, content

__all__ = ("database",)


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RANGE_ROWS", 16)


def fill(database: Database) -> None:
    scan(database, *range(6))
    commit(
        database,
        *(
            reply(
                number, SOLD, listings=[listing(str(n), f"{20 + n}.5{number}") for n in range(10)]
            )
            for number in range(6)
        ),
    )


@pytest.fixture
def filled(database: Database) -> Database:
    fill(database)
    return database


def copies(directory: Path) -> dict[str, str]:
    """The range of every part and the rest of its name."""
    found = sorted(part.name for part in directory.glob("*.parquet"))
    return {name[:25]: name[25:] for name in found}


def read(database: Database, directory: Path, at: Any = NOON) -> list[tuple[Any, ...]]:
    with (
        duckdb_connection() as duck,
        snapshot(database) as known,
        copied_observations(duck, known, directory),
    ):
        return sorted(duck.execute(usable_sql(at)).fetchall())


def test_a_range_is_copied_again_only_when_something_of_it_changed(
    filled: Database, tmp_path: Path
) -> None:
    first = read(filled, tmp_path)
    before = copies(tmp_path)
    assert len(first) == 60
    assert len(before) == 4
    written = {part: part.stat().st_mtime_ns for part in tmp_path.glob("*.parquet")}
    assert read(filled, tmp_path) == first
    assert {part: part.stat().st_mtime_ns for part in tmp_path.glob("*.parquet")} == written
    # One sale is corrected: its range has another fingerprint, and so has the last one.
    commit(filled, reply(0, SOLD, NOON + DAY, listings=[listing("3", "1.00")]))
    after = read(filled, tmp_path, NOON + DAY)
    changed = [name for name, rest in copies(tmp_path).items() if before.get(name) != rest]
    assert changed == [min(before), max(before)]
    assert len(after) == 60
    assert read(filled, tmp_path) == first


CHANGES: tuple[dict[str, Any], ...] = (
    {"price_usd": 1},
    {"price_usd": None},
    {"match_confidence": 0.9},
    {"kind": "ask"},
    {"sold_at": NOON - DAY},
    {"observed_at": NOON - DAY},
    {"superseded_at": NOON - timedelta(hours=1)},
    {"source_listing_id": "another"},
)


def test_what_is_changed_in_place_is_seen(filled: Database, tmp_path: Path) -> None:
    listings = t.price_listings
    ids = [row["id"] for row in rows(filled, listings, "id")]
    before = read(filled, tmp_path / "kept")
    for place, change in enumerate(CHANGES):
        filled.execute(sa.update(listings).where(listings.c.id == ids[place]).values(**change))
        after = read(filled, tmp_path / "kept")
        assert after != before
        assert after == read(filled, tmp_path / str(place))
        before = after


def test_a_damaged_copy_is_made_again_and_what_was_left_is_removed(
    filled: Database, tmp_path: Path
) -> None:
    before = read(filled, tmp_path)
    names = copies(tmp_path)
    for part, harm in zip(sorted(tmp_path.glob("*.parquet")), ("cut", "flip"), strict=False):
        body = part.read_bytes()
        middle = len(body) // 2
        flipped = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
        part.write_bytes(body[:middle] if harm == "cut" else flipped)
    killed, running = tmp_path / ".reading-killed", tmp_path / ".reading-now"
    for left in (killed, running):
        left.mkdir()
        (left / "part").touch()
    os.utime(killed, (0, 0))
    assert read(filled, tmp_path) == before
    assert copies(tmp_path) == names
    assert (killed.exists(), running.exists()) == (False, True)


def rows_of_files(made: Build) -> dict[str, bytes]:
    """The files that follow from the as-of alone: `changes` follows from the build before."""
    return {
        name: body
        for name, body in content(made).items()
        if name.endswith(".parquet") and name != "changes.parquet"
    }


def test_the_same_bytes_with_the_copies_and_without(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'pricing.db'}")
    upgrade(database)
    register(database)
    agree(database)
    fill(database)
    kept = tmp_path / "kept"
    build(database, kept, at=NOON)
    asks = [listing("a", "9.00", "ask")]
    sold = [listing("0", "88.00"), listing("new", "7.00")]
    commit(
        database,
        reply(1, ASKS, NOON + DAY, listings=asks),
        reply(2, SOLD, NOON + DAY, listings=sold),
    )
    made = build(database, kept, at=NOON + DAY)
    anew = build(database, tmp_path / "anew", at=NOON + DAY)
    assert made.manifest["sources"] == {ASKS: 1, SOLD: 61}
    assert rows_of_files(made) == rows_of_files(anew)
    shutil.rmtree(kept / COPIES)
    assert build(database, kept, at=NOON + DAY).path.resolve() == made.path.resolve()


def test_a_build_reads_on_while_another_tidies_up(filled: Database, tmp_path: Path) -> None:
    with (
        duckdb_connection() as duck,
        snapshot(filled) as known,
        copied_observations(duck, known, tmp_path / "copies"),
    ):
        for part in (tmp_path / "copies").glob("*.parquet"):
            part.unlink()
        assert duck.execute("SELECT count(*) FROM observed").fetchall() == [(60,)]
    assert list((tmp_path / "copies").iterdir()) == []


def test_ids_that_are_far_apart_cost_no_copies(filled: Database, tmp_path: Path) -> None:
    listings = t.price_listings
    before = read(filled, tmp_path)
    filled.execute(sa.update(listings).values(id=listings.c.id + 1000))
    assert read(filled, tmp_path) == before
    assert len(copies(tmp_path)) == 5


def test_nothing_observed_is_nothing_copied(database: Database, tmp_path: Path) -> None:
    assert read(database, tmp_path / "copies") == []
    assert list((tmp_path / "copies").iterdir()) == []
