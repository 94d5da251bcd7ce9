from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pricing_assets.core.editions import edition_pairs_sql, is_likely_duplicate
from pricing_assets.schema import tables as t
from pricing_assets.store.duplicates import likely_duplicates
from pricing_assets.store.reviews import NotForReview, accept, count_open, list_open, reject
from pricing_assets.store.works import assign_works
from resources.compute import duckdb_connection
from resources.database import Database
from tests.examples import DAY, NOON, book, isbn, learn, row, rows, scan

Fields = dict[str, str | int]

EMMA: Fields = {
    "title": "Emma",
    "authors": "Jane Austen",
    "publisher": "Penguin Books",
    "binding": "Paperback",
    "publication_year": 1996,
}


@pytest.fixture
def database(database: Database) -> Database:
    """Two books that look like one edition, a hardcover of the same work, and another work."""
    scan(database, *range(1, 6))
    learn(database, 1, {**EMMA, "work_key": "OL5W"})
    learn(database, 2, {**EMMA, "publication_year": 1997, "work_key": "OL7W"})
    learn(database, 3, {**EMMA, "binding": "Hardcover"})
    learn(database, 4, {**EMMA, "title": "Persuasion"})
    assign_works(database, now=NOON)
    return database


def pair() -> tuple[str, str]:
    """The ISBNs of books 1 and 2, as the pair is kept."""
    first, second = sorted((1, 2), key=lambda number: book(number).item_id)
    return isbn(first), isbn(second)


def key(database: Database, number: int) -> str:
    return str(row(database, t.books, t.books.c.item_id == book(number).item_id).work_key)


def test_what_looks_like_one_edition_waits_for_a_person(database: Database) -> None:
    (found,) = list_open(database, 10)
    assert (found.isbn13, found.other_isbn13) == pair()
    assert (found.title, found.other_title) == ("Emma", "Emma")
    assert {found.publication_year, found.other_publication_year} == {1996, 1997}
    assert (found.publisher, found.other_binding) == ("Penguin Books", "Paperback")
    assert found.score == 1.0
    assert found.reasons.split("; ") == [
        *("same work", "same publisher: penguin", "same binding: paperback", "one year apart")
    ]
    assert found.found_at == NOON
    assert count_open(database) == 1
    # Not merged by itself.
    assert (key(database, 1), key(database, 2)) == ("OL5W", "OL7W")


def test_a_book_that_comes_later_is_compared_with_those_before(database: Database) -> None:
    learn(database, 5, {**EMMA, "binding": "hardcover"}, NOON + DAY)
    assign_works(database, now=NOON + DAY)
    found = {frozenset((pair.isbn13, pair.other_isbn13)) for pair in list_open(database, 10)}
    assert found == {frozenset(pair()), frozenset((isbn(3), isbn(5)))}
    assert {pair.found_at for pair in list_open(database, 10)} == {NOON, NOON + DAY}


def test_a_pair_that_is_no_longer_alike_is_withdrawn(database: Database) -> None:
    learn(database, 2, {**EMMA, "publication_year": 1999, "work_key": "OL7W"}, NOON + DAY)
    assign_works(database, now=NOON + DAY)
    (found,) = list_open(database, 10)
    assert (found.score, found.found_at) == (0.9, NOON)
    learn(database, 2, {**EMMA, "publisher": "Vintage"}, NOON + 2 * DAY)
    assign_works(database, now=NOON + 2 * DAY)
    assert list_open(database, 10) == []


def test_an_accepted_pair_is_one_work_and_two_items(database: Database) -> None:
    items = rows(database, t.items)
    accept(database, isbn(2), isbn(1), user_id="ann", now=NOON + DAY)
    assert (key(database, 1), key(database, 2), key(database, 3)) == ("OL5W", "OL5W", "OL5W")
    assert len(rows(database, t.items)) == len(items)
    stored = row(database, t.edition_reviews)
    assert (stored.verdict, stored.decided_at, stored.user_id) == ("accepted", NOON + DAY, "ann")
    assert count_open(database) == 0
    # The answer of a later fetch does not part them.
    learn(database, 2, {**EMMA, "work_key": "OL7W"}, NOON + 2 * DAY)
    assign_works(database, now=NOON + 2 * DAY)
    assert (key(database, 1), key(database, 2)) == ("OL5W", "OL5W")
    assert row(database, t.edition_reviews) == stored


def test_a_rejected_pair_is_never_shown_again(database: Database) -> None:
    reject(database, *pair(), user_id="bob", now=NOON + DAY)
    stored = row(database, t.edition_reviews)
    assert (stored.verdict, stored.decided_at, stored.user_id) == ("rejected", NOON + DAY, "bob")
    for day in (2, 3):
        learn(database, 2, {**EMMA, "publication_year": 1995 + day}, NOON + day * DAY)
        assign_works(database, now=NOON + day * DAY)
        assert list_open(database, 10) == []
    assert row(database, t.edition_reviews) == stored
    assert (key(database, 1), key(database, 2)) == ("OL5W", "OL7W")


def test_a_verdict_is_given_once(database: Database) -> None:
    reject(database, *pair(), user_id="bob", now=NOON)
    reject(database, *pair(), user_id="ann", now=NOON + DAY)
    assert row(database, t.edition_reviews).user_id == "bob"
    with pytest.raises(NotForReview, match=rf"{isbn(1)}.*rejected by bob on 2026-10-20"):
        accept(database, isbn(1), isbn(2), user_id="ann", now=NOON + DAY)
    assert row(database, t.edition_reviews).verdict == "rejected"


def test_a_pair_that_cannot_be_decided_is_named(database: Database) -> None:
    with pytest.raises(NotForReview, match=rf"{isbn(9)} was never scanned.*pricing scan"):
        accept(database, isbn(1), isbn(9), user_id="ann", now=NOON)
    with pytest.raises(NotForReview, match=rf"{isbn(1)} and {isbn(4)} do not look like"):
        reject(database, isbn(1), isbn(4), user_id="ann", now=NOON)
    with pytest.raises(ValueError, match="user_id"):
        reject(database, isbn(1), isbn(2), user_id="", now=NOON)


def test_an_acceptance_that_was_cut_short_is_done_by_the_next_run(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("out of power")

    with monkeypatch.context() as patch:
        patch.setattr("pricing_assets.store.reviews.assign_works_of", crash)
        with pytest.raises(RuntimeError, match="out of power"):
            accept(database, isbn(1), isbn(2), user_id="ann", now=NOON)
    assert key(database, 2) == "OL7W"
    assert assign_works(database, now=NOON) == 2
    assert key(database, 2) == "OL5W"


def test_the_keys_of_a_pair_are_in_order(database: Database) -> None:
    stored = row(database, t.edition_reviews)
    assert stored.item_id < stored.other_item_id
    backwards = {
        **stored._asdict(),
        "item_id": stored.other_item_id,
        "other_item_id": stored.item_id,
    }
    with pytest.raises(sa.exc.IntegrityError), database.begin() as connection:
        connection.execute(sa.insert(t.edition_reviews).values(**backwards))


BOOKS = st.lists(
    st.fixed_dictionaries(
        {
            "title": st.sampled_from(["Emma", "Emma: a novel of manners", "Persuasion"]),
            "publisher": st.sampled_from(
                [
                    *(None, "Penguin", "Penguin Classics", "Harper Collins", "HarperCollins"),
                    *("St. Martin's", "St. Martin's Paperbacks"),
                ]
            ),
            "binding": st.sampled_from([None, "Paperback", "Hardcover"]),
            "publication_year": st.sampled_from([None, 1990, 1996, 1997]),
        }
    ),
    min_size=2,
    max_size=8,
)


@settings(deadline=None, max_examples=15)
@given(BOOKS, st.sets(st.integers(0, 7), min_size=1))
@example(
    [
        {"title": "Emma", "publisher": name, "binding": "Paperback", "publication_year": 1996}
        for name in ("Harper Collins", "HarperCollins")
    ],
    {0},
)
def test_the_blocks_lose_no_likely_duplicate(
    books: list[dict[str, Any]], changed: set[int]
) -> None:
    table = pa.Table.from_pylist(
        [{"item_id": str(n), "authors": "Jane Austen", **b} for n, b in enumerate(books)],
        pa.schema(
            [
                *((name, pa.string()) for name in ("item_id", "title", "authors")),
                *((name, pa.string()) for name in ("publisher", "binding")),
                ("publication_year", pa.int64()),
            ]
        ),
    )
    names = {str(number) for number in changed}
    with duckdb_connection() as duck:
        duck.register("books", table)
        duck.register("changed", pa.table({"item_id": sorted(names)}))
        every = duck.sql(f"SELECT item_a, item_b, score FROM ({edition_pairs_sql('books')})")
        expected = {(a, b, score) for a, b, score in every.fetchall() if is_likely_duplicate(score)}
        found = likely_duplicates(duck, "books", "changed").select([0, 1, 2]).to_pylist()
    assert {tuple(pair.values()) for pair in found} == {
        pair for pair in expected if names & set(pair[:2])
    }
