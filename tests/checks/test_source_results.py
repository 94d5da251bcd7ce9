import dagster as dg
import pytest
import sqlalchemy as sa

from pricing_assets.checks.source_results import evaluate
from pricing_assets.core.answers import ListingKind
from pricing_assets.schema import tables as t
from resources.database import Database
from tests.examples import ASKS, DAY, NOON, SOLD, commit, listing, reply, scan
from tests.examples import database as database
from tests.runs import Platform, evaluation, isbns

BOOKS = range(25)


def day(database: Database, number: int, results: int, *, books: range = BOOKS) -> str:
    """Let a source show so many sales of each book on a day; return the run."""
    at, run = NOON + number * DAY, f"run-{number}"
    shown = [listing(str(place), "9.00") for place in range(results)]
    commit(database, *(reply(book, SOLD, at, listings=shown) for book in books), run_id=run)
    return run


@pytest.fixture
def usual(database: Database) -> Database:
    """Three days on which a source showed six sales of each book."""
    scan(database, *BOOKS)
    for number in range(3):
        day(database, number, 6)
    return database


def test_far_fewer_results_than_usual_are_reported_with_numbers(usual: Database) -> None:
    run = day(usual, 3, 1)
    result = evaluate(usual, run, now=NOON + 3 * DAY)
    assert result.passed is False
    assert result.severity is dg.AssetCheckSeverity.WARN
    assert result.description is not None
    assert f"{SOLD} returned 1.00 results a call over 25 calls" in result.description
    assert "6.00 on a median day" in result.description


@pytest.mark.parametrize(
    ("results", "books"),
    [
        pytest.param(3, BOOKS, id="fewer"),
        pytest.param(6, BOOKS, id="as usual"),
        pytest.param(0, range(19), id="too few calls"),
    ],
)
def test_what_is_not_reported(usual: Database, results: int, books: range) -> None:
    run = day(usual, 3, results, books=books)
    assert evaluate(usual, run, now=NOON + 3 * DAY).passed


def test_without_a_history_and_for_errors_nothing_is_reported(database: Database) -> None:
    scan(database, *BOOKS)
    run = day(database, 0, 0)
    assert evaluate(database, run, now=NOON).passed
    failed = [reply(book, SOLD, NOON + DAY, error="answered 500") for book in BOOKS]
    commit(database, *failed, run_id="failed")
    assert evaluate(database, "failed", now=NOON + DAY).passed


def open_asks(database: Database) -> int:
    listings = t.price_listings
    statement = sa.select(sa.func.count()).where(
        listings.c.kind == "ask", listings.c.superseded_at.is_(None)
    )
    return int(database.scalar(statement) or 0)


def asks(database: Database, number: int, shown_of: range, books: range = BOOKS) -> None:
    commit(
        database,
        *(
            reply(
                book,
                ASKS,
                NOON + number * DAY,
                listings=[listing("a", "9.00", "ask")] if book in shown_of else [],
            )
            for book in books
        ),
        run_id=f"asks-{number}",
    )


def test_a_source_that_goes_silent_withdraws_nothing(database: Database) -> None:
    scan(database, *BOOKS)
    asks(database, 0, BOOKS)
    asks(database, 1, range(2))
    assert open_asks(database) == 25
    # One that still shows most of them is believed, and so is a small batch.
    asks(database, 2, range(5, 25))
    assert open_asks(database) == 20
    asks(database, 3, range(0), books=range(5, 9))
    assert open_asks(database) == 16


@pytest.mark.parametrize(
    ("source", "kind"), [(ASKS, "ask"), ("booksrun", "offer")], ids=["asks", "bids"]
)
@pytest.mark.parametrize(
    ("left", "stays"), [(0, True), (1, True), (2, False)], ids=["nothing", "a cut page", "half"]
)
def test_what_a_broken_source_no_longer_shows_is_not_gone(
    database: Database, source: str, kind: ListingKind, left: int, stays: bool
) -> None:
    scan(database, *BOOKS)
    shown = [listing(str(place), "9.00", kind) for place in range(4)]
    commit(database, *(reply(book, source, NOON, listings=shown) for book in BOOKS))
    later = [reply(book, source, NOON + DAY, listings=shown[:left]) for book in BOOKS]
    commit(database, *later, run_id="later")
    listings = t.price_listings
    gone = database.rows(sa.select(listings.c.id).where(listings.c.superseded_at.is_not(None)))
    assert len(gone) == (0 if stays else 2 * len(BOOKS))


def test_the_check_runs_with_the_asset_and_warns_only(platform: Platform) -> None:
    platform.scan(isbns(3))
    found = evaluation(platform.run(), "source_results")
    assert found.passed
    assert not found.blocking
