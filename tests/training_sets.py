"""Two months of training sets that many tests read, built once from a real database.

Who changes a file works on a copy (`copied`).
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pricing_assets.store.sources import register_sources
from pricing_assets.store.training_places import Build, shown
from pricing_assets.store.training_set import build_month
from resources.database import Database
from resources.sources import registered_sources
from tests.conftest import sqlite_template
from tests.examples import ASKS, COMPLETE, NOON, SOLD, agree, commit, listing, reply, scan

OCTOBER, NOVEMBER = "2026-10", "2026-11"
LATER = datetime(2026, 12, 3, tzinfo=UTC)
BOOKS = 60


@dataclass(frozen=True)
class BuiltSets:
    database: Database
    directory: Path

    def month(self, month: str) -> Build:
        build = shown(self.directory, month)
        assert build is not None
        return build


def price(number: int, place: int) -> str:
    """A price of its own for every book: from $2 to $120, without any pattern in its number."""
    return f"{2 + (number * 7919 % 97) * 1.2 + place * 0.31:.2f}"


def fill_two_months(database: Database) -> None:
    """Sixty books, two editions a work, 4 to 27 comps each; ten more books in November."""
    scan(database, *range(BOOKS))
    october = datetime(2026, 10, 20, 12, tzinfo=UTC)
    november = october + timedelta(days=30)
    for at, numbers in ((october, range(BOOKS)), (november, range(20, BOOKS + 10))):
        if at == november:
            scan(database, *range(BOOKS, BOOKS + 10), origin="november", at=november)
        prefix = f"{at:%m}"
        commit(
            database,
            *(
                reply(
                    number,
                    "open_library",
                    at,
                    fields={
                        **COMPLETE,
                        "title": f"Book № {number}",
                        "work_key": f"OL{number // 2}W",
                        "page_count": 100 + number * 31 % 400,
                        "binding": ("Paperback", "Hardcover")[number % 2],
                    },
                )
                for number in numbers
                if number % 10 != 9
            ),
            *(
                reply(
                    number,
                    SOLD,
                    at,
                    listings=[
                        listing(
                            f"{prefix}-{place}",
                            price(number, place),
                            sold_at=at - timedelta(days=(number + place * 5) % 80),
                        )
                        for place in range(4 + number * 5 % 24)
                    ],
                )
                for number in numbers
            ),
            *(
                reply(number, ASKS, at, listings=[listing("a", f"{10 + number % 7}.00", "ask")])
                for number in numbers
                if number % 3 == 0
            ),
        )


@pytest.fixture(scope="session")
def built_sets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltSets]:
    """October and November of a SQLite database, built by policy v1."""
    directory = tmp_path_factory.mktemp("sets")
    (directory / "pricing.db").write_bytes(sqlite_template())
    database = Database(f"sqlite:///{directory / 'pricing.db'}")
    register_sources(database, registered_sources(), "")
    agree(database)
    fill_two_months(database)
    for month in (OCTOBER, NOVEMBER):
        build_month(
            database,
            month,
            directory / "training_sets",
            now=LATER,
            policy="v1",
            sandbox=False,
            run_id="run",
            internal=True,
        )
    yield BuiltSets(database, directory / "training_sets")
    database.close()


def copied(build: Build, to: Path) -> Build:
    """A copy of a build that may be changed."""
    shutil.copytree(build.path, to)
    return Build(to, json.loads((to / "manifest.json").read_text("utf-8")))


def altered(build: Build, to: Path, table: str, statement: str) -> Build:
    """A copy of a build with one table changed by a statement over it."""
    copy = copied(build, to)
    files = [str(copy.path / name) for name in build.manifest["tables"][table]["files"]]
    with duckdb.connect() as duck:
        duck.execute("SET TimeZone = 'UTC'")
        duck.execute(
            f"CREATE TABLE {table} AS SELECT * FROM read_parquet({files}, filename = true)"
        )
        duck.execute(statement)
        for file in files:
            rows = f"SELECT * EXCLUDE (filename) FROM {table} WHERE filename = '{file}'"
            duck.execute(f"COPY ({rows}) TO '{file}' (FORMAT parquet)")
    return copy


__all__ = ("NOON", "built_sets")
