"""The older book system's saved SQL, as it is, on a small state of ours."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from pricing_assets.core.gate import V1
from pricing_assets.schema import tables as t
from pricing_assets.store.comps import update_comps
from pricing_assets.store.gate import flag_items, score_items
from resources.database import Database
from tests.conftest import DATABASES, DatabaseUrl, migrated_database
from tests.examples import (
    ASKS,
    COMPLETE,
    DAY,
    SOLD,
    commit,
    isbn,
    listing,
    registered_database,
    reply,
    sales,
    scan,
)

CACHED_BOOKS = [
    "isbn",
    "title",
    "authors",
    "publisher",
    "publication_year",
    "binding",
    "page_count",
    "language",
    "isbn13",
    "isbn10",
    "thumbnail_url",
    "description",
    "source",
    "created_at",
    "updated_at",
    "quality_score",
    "estimated_price",
    "price_reference",
    "rarity",
    "probability_label",
    "probability_score",
    "sell_through",
    "ebay_active_count",
    "ebay_sold_count",
    "ebay_currency",
    "time_to_sell_days",
    "sold_comps_count",
    "sold_comps_min",
    "sold_comps_median",
    "sold_comps_max",
    "sold_comps_is_estimate",
    "sold_comps_source",
    "market_json",
    "booksrun_json",
    "bookscouter_json",
    "cover_type",
    "signed",
    "printing",
    "training_quality_score",
    "in_training",
    "market_fetched_at",
    "metadata_fetched_at",
    "last_enrichment_at",
]

STATUS = """
SELECT
    COUNT(*) as total_books,
    SUM(CASE WHEN in_training = 1 THEN 1 ELSE 0 END) as training_eligible,
    AVG(training_quality_score) as avg_quality
FROM cached_books
"""

TO_ENRICH = """
SELECT isbn, title, market_fetched_at
FROM cached_books
WHERE market_fetched_at < datetime('now', '-30 days')
   OR market_fetched_at IS NULL
ORDER BY quality_score DESC
LIMIT 100
"""

DISTRIBUTION = """
SELECT
    CASE
        WHEN training_quality_score >= 0.8 THEN 'Excellent (0.8-1.0)'
        WHEN training_quality_score >= 0.6 THEN 'Good (0.6-0.8)'
        WHEN training_quality_score >= 0.4 THEN 'Fair (0.4-0.6)'
        ELSE 'Poor (0.0-0.4)'
    END as quality_tier,
    COUNT(*) as count
FROM cached_books
GROUP BY quality_tier
ORDER BY quality_tier DESC
"""

ONE_BOOK = """
SELECT isbn, in_training, training_quality_score, sold_comps_count
FROM cached_books
WHERE isbn = '9780316769174'
"""

ONE_INDEX_ROW = """
SELECT * FROM isbn_index WHERE isbn = '9780316769174'
"""

STALE = """
SELECT COUNT(*)
FROM cached_books
WHERE in_training = 1
  AND market_fetched_at < datetime('now', '-60 days')
"""

LOADER = """
        SELECT
            isbn, title, authors, market_json,
            sold_comps_median as target_price,
            cover_type, signed, printing
        FROM cached_books
        WHERE in_training = 1              -- Quality gate passed
          AND sold_comps_count >= 8        -- Sufficient comps
          AND sold_comps_median >= 5       -- Minimum price
          AND market_json IS NOT NULL      -- Has market data
        ORDER BY training_quality_score DESC
"""

CATCHER = 31676917
"""Number of 9780316769174 among the books of the examples."""

LONG_AGO = datetime(2020, 1, 1, 8, 30, tzinfo=UTC)
"""Far more than 60 days before any clock that runs this."""


@pytest.fixture(scope="module", params=DATABASES)
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A database with five books, which all tests read."""
    with (
        migrated_database(request, tmp_path_factory.mktemp("views")) as url,
        registered_database(url) as database,
    ):
        fill(database)
        yield database


def fill(database: Database) -> None:
    """Add books: excellent and stale, excellent and recent, good, fair, never asked about."""
    now = datetime.now(UTC)
    scan(database, CATCHER, 1, 2, 3, 4, at=LONG_AGO)
    commit(
        database,
        reply(CATCHER, "open_library", LONG_AGO, fields=COMPLETE),
        reply(1, "open_library", now - DAY, fields={"title": "Emma", "authors": "Jane Austen"}),
    )
    sales(database, CATCHER, ["10.00", "20.00"] * 10, LONG_AGO)
    commit(database, reply(CATCHER, ASKS, LONG_AGO, listings=[listing("ask", "30.00", "ask")]))
    sales(database, 1, ["8.00"] * 25, now - DAY)
    sales(database, 2, ["15.50"] * 9, now - DAY)
    sales(database, 3, ["1.25"] * 8, now - DAY)
    update_comps(database, now=now)
    score_items(database, V1, now=now)
    flag_items(database, V1, now=now)


def answer(database: Database, statement: str) -> list[dict[str, Any]]:
    with database.connect() as connection:
        return [dict(row._mapping) for row in connection.exec_driver_sql(statement).all()]


def test_cached_books_has_its_43_columns_in_order(database: Database) -> None:
    with database.connect() as connection:
        columns = [column["name"] for column in sa.inspect(connection).get_columns("cached_books")]
    assert columns == CACHED_BOOKS
    assert len(columns) == 43


def test_isbn_index_has_its_columns(database: Database) -> None:
    with database.connect() as connection:
        columns = [column["name"] for column in sa.inspect(connection).get_columns("isbn_index")]
    assert columns == [
        *("isbn", "in_training", "in_cache", "training_updated", "cache_updated"),
        *("quality_score", "last_checked"),
    ]


def test_check_training_database_status(database: Database) -> None:
    (found,) = answer(database, STATUS)
    assert (found["total_books"], found["training_eligible"]) == (5, 3)
    assert found["avg_quality"] == pytest.approx((1.0 + 0.85 + 0.7 + 0.4 + 0.0) / 5)


def test_find_books_needing_re_enrichment(database: Database) -> None:
    found = {row["isbn"]: row for row in answer(database, TO_ENRICH)}
    assert set(found) == {isbn(CATCHER), isbn(4)}
    assert found["9780316769174"]["title"] == "Great Expectations"
    assert found["9780316769174"]["market_fetched_at"] == "2020-01-01 08:30:00"
    assert found[isbn(4)]["market_fetched_at"] is None


def test_training_quality_distribution(database: Database) -> None:
    assert answer(database, DISTRIBUTION) == [
        {"quality_tier": "Poor (0.0-0.4)", "count": 1},
        {"quality_tier": "Good (0.6-0.8)", "count": 1},
        {"quality_tier": "Fair (0.4-0.6)", "count": 1},
        {"quality_tier": "Excellent (0.8-1.0)", "count": 2},
    ]


def test_books_not_appearing_in_training_database(database: Database) -> None:
    assert answer(database, ONE_BOOK) == [
        {
            "isbn": "9780316769174",
            "in_training": 1,
            "training_quality_score": 1.0,
            "sold_comps_count": 20,
        }
    ]


def test_duplicate_enrichments(database: Database) -> None:
    (found,) = answer(database, ONE_INDEX_ROW)
    assert isinstance(found.pop("last_checked"), str)
    assert found == {
        "isbn": "9780316769174",
        "in_training": 1,
        "in_cache": 1,
        "training_updated": "2020-01-01 08:30:00",
        "cache_updated": "2020-01-01 08:30:00",
        "quality_score": 1.0,
    }


def test_an_index_row_of_a_book_never_asked_about(database: Database) -> None:
    query = ONE_INDEX_ROW.replace("9780316769174", isbn(4))
    (found,) = answer(database, query)
    assert (found["in_training"], found["in_cache"], found["quality_score"]) == (0, 0, 0.0)
    assert found["training_updated"] is found["cache_updated"] is None


def test_stale_training_data(database: Database) -> None:
    (found,) = answer(database, STALE)
    assert list(found.values()) == [1]


def test_the_loader(database: Database) -> None:
    found = answer(database, LOADER)
    assert [row["isbn"] for row in found] == [isbn(CATCHER), isbn(1), isbn(2)]
    assert [Decimal(str(row["target_price"])) for row in found] == [
        *(Decimal("15.00"), Decimal("8.00"), Decimal("15.50"))
    ]
    assert (found[0]["cover_type"], found[0]["signed"], found[0]["printing"]) == (
        *("Paperback", 0, None),
    )
    market = json.loads(found[0]["market_json"])
    assert market == {
        "sold_count": 20,
        "active_count": 1,
        "sold_median": 15.0,
        "sell_through": pytest.approx(20 / 21),
        "currency": "USD",
    }


def test_a_row_has_what_is_known_of_the_book(database: Database) -> None:
    (found,) = answer(database, f"SELECT * FROM cached_books WHERE isbn13 = '{isbn(CATCHER)}'")
    assert {name: found[name] for name in COMPLETE} == dict(COMPLETE)
    assert found["isbn10"] == "0316769177"
    assert found["source"] == "open_library"
    assert found["created_at"] == "2020-01-01 08:30:00"
    assert found["quality_score"] == 1.0
    assert (found["ebay_active_count"], found["ebay_sold_count"]) == (1, 20)
    assert (found["time_to_sell_days"], found["probability_label"]) == (9, "HIGH")
    assert found["rarity"] == pytest.approx(10 / 31)
    assert 0.7 <= found["probability_score"] <= 1
    assert [float(found[f"sold_comps_{name}"]) for name in ("min", "median", "max")] == [
        *(10.0, 15.0, 20.0)
    ]
    assert (found["sold_comps_is_estimate"], found["sold_comps_source"]) == (0, SOLD)


def test_a_parallel_has_its_premium_over_the_base_card(migrated_url: DatabaseUrl) -> None:
    database = Database(migrated_url)
    cards = (("base", "", "50", 10), ("refractor", "Refractor", "50", 25), ("other", "", "51", 1))
    same = {"created_at": LONG_AGO, "updated_at": LONG_AGO, "category": "card"}
    with database.begin() as connection:
        for name, parallel, number, value in cards:
            connection.execute(
                sa.insert(t.items).values(
                    id=name, natural_key=name, market_value=Decimal(value), **same
                )
            )
            connection.execute(
                sa.insert(t.cards).values(
                    item_id=name,
                    player_or_character="A Player",
                    set_name="Chrome",
                    year=2023,
                    number=number,
                    parallel=parallel or None,
                )
            )
    (found,) = answer(database, "SELECT * FROM parallel_premiums")
    assert (found["item_id"], found["base_item_id"], found["parallel"]) == (
        *("refractor", "base"),
        "Refractor",
    )
    assert found["premium"] == pytest.approx(1.5)
    database.close()
