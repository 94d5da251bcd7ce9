from pricing_assets.store.conflicts import conflicts_of, latest_conflicts
from resources.database import Database
from tests.examples import COMPLETE, book, commit, isbn, reply, scan


def test_sources_that_differ_are_shown(database: Database) -> None:
    scan(database, 1, 2)
    other = {**COMPLETE, "title": "Oliver Twist", "publisher": "Vintage"}
    commit(
        database,
        *(reply(number, "open_library", fields=COMPLETE) for number in (1, 2)),
        reply(1, "google_books", fields=COMPLETE),
        reply(2, "google_books", fields=other),
    )
    (found,) = latest_conflicts(database, 8)
    assert (found.natural_key, found.conflict.field) == (isbn(2), "title")
    assert found.conflict.said == {
        "google_books": "Oliver Twist",
        "open_library": "Great Expectations",
    }
    assert conflicts_of(database, book(1).item_id) == []
    assert conflicts_of(database, book(2).item_id) == [found.conflict]
    assert latest_conflicts(database, 0) == []
