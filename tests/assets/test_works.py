from typing import Any

import dagster as dg

from pricing_assets.assets.works import works
from pricing_assets.schema import tables as t
from resources.clock import Clock
from resources.database import Database
from tests.assets.conftest import Processed
from tests.examples import NOON, database, learn, rows, scan
from tests.runs import metadata

__all__ = ("database",)


def shown(database: Database) -> dict[str, Any]:
    done = dg.materialize([works], resources={"database": database, "clock": Clock(NOON)})
    (event,) = done.asset_materializations_for_node("works")
    return {name: value.value for name, value in event.metadata.items()}


def test_it_shows_works_editions_and_what_waits_for_a_person(database: Database) -> None:
    scan(database, *range(1, 5))
    emma: dict[str, str | int] = {
        "title": "Emma", "authors": "Jane Austen", "publisher": "Penguin", "binding": "Paperback",
    }  # fmt: skip
    learn(database, 1, {**emma, "work_key": "OL1W"})
    learn(database, 2, emma)
    learn(database, 3, {**emma, "publisher": "Vintage"})
    learn(database, 4, {**emma, "title": "Persuasion"})
    found = shown(database)
    assert (found["dagster/row_count"], found["books_assigned_now"]) == (2, 4)
    assert (found["editions_per_work"], found["works_of_several_editions"]) == (2.0, 1)
    assert found["pairs_waiting"] == len(rows(database, t.edition_reviews)) == 1
    assert found["pairs"].startswith("| isbn13 | other isbn13 | score | title |")
    assert "same publisher: penguin" in found["pairs"]
    assert "data:image/png;base64," in found["editions"]
    again = shown(database)
    assert again["books_assigned_now"] == 0
    assert again["dagster/row_count"] == 2


def test_it_shows_nothing_of_an_empty_platform(database: Database) -> None:
    found = shown(database)
    assert (found["dagster/row_count"], found["editions_per_work"]) == (0, 0.0)
    assert found["pairs"] == "*none*"


def test_every_book_of_a_run_has_its_work(processed: Processed) -> None:
    found = metadata(processed.runs["process_scans"], "works")
    platform = processed.platform
    assert found["dagster/row_count"] == platform.count(t.works)
    fetched = platform.count(t.items, t.items.c.metadata_fetched_at.is_not(None))
    assert found["books_assigned_now"] == fetched > 0
    assert platform.count(t.books, t.books.c.work_key.is_not(None)) == fetched
