from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from pricing_assets.core.editions import work_fingerprint
from pricing_assets.schema import tables as t
from pricing_assets.store import works
from pricing_assets.store.reviews import accept
from pricing_assets.store.works import assign_works
from resources.database import Database
from tests.examples import DAY, NOON, book, isbn, item, learn, row, rows, scan

Fields = dict[str, str | int]

EMMA: Fields = {"title": "Emma", "authors": "Jane Austen"}
PERSUASION: Fields = {"title": "Persuasion", "authors": "Jane Austen"}
PENGUIN: Fields = {"publisher": "Penguin", "binding": "Paperback", "publication_year": 1996}
EMMAS, PERSUASIONS = (
    str(work_fingerprint(title, "Jane Austen")) for title in ("Emma", "Persuasion")
)


@pytest.fixture
def database(database: Database) -> Database:
    scan(database, *range(1, 7))
    return database


def key(database: Database, number: int) -> str | None:
    found = row(database, t.books, t.books.c.item_id == book(number).item_id).work_key
    return None if found is None else str(found)


def counted(database: Database) -> dict[str, int]:
    return {found["key"]: found["editions"] for found in rows(database, t.works)}


def from_scratch(database: Database) -> dict[str, str]:
    """The keys that all books get when nothing is assigned yet."""
    database.execute(sa.update(t.books).values(work_key=None, fingerprint=None))
    database.execute(sa.update(t.items).values(work_as_of=None))
    database.execute(sa.delete(t.works))
    assign_works(database, now=NOON)
    return keys(database)


def keys(database: Database) -> dict[str, str]:
    return {found["isbn13"]: found["work_key"] for found in rows(database, t.books)}


def test_editions_with_and_without_a_key_are_one_work(database: Database) -> None:
    learn(database, 1, {"work_key": "OL1W", **EMMA})
    learn(database, 2, {"title": "EMMA: a novel", "authors": "Austen, Jane"}, source="google_books")
    learn(database, 3, PERSUASION, source="google_books")
    learn(database, 4, {"publisher": "Penguin"}, source="google_books")
    assert assign_works(database, now=NOON) == 4
    assert [key(database, number) for number in (1, 2, 3, 4, 5)] == [
        *("OL1W", "OL1W", PERSUASIONS, book(4).item_id, None)
    ]
    assert counted(database) == {"OL1W": 2, PERSUASIONS: 1, book(4).item_id: 1}
    work: Any = row(database, t.works, t.works.c.key == PERSUASIONS)
    assert (work.fingerprint, work.title, work.authors) == (
        *(PERSUASIONS, "Persuasion", "Jane Austen"),
    )
    assert work.updated_at == NOON


def test_nothing_is_done_where_nothing_changed(database: Database) -> None:
    learn(database, 1, EMMA)
    assert assign_works(database, now=NOON) == 1
    before = rows(database, t.works)
    assert assign_works(database, now=NOON + DAY) == 0
    assert rows(database, t.works) == before


def test_a_look_for_changes_reads_only_what_changed(database: Database) -> None:
    if database.dialect == "postgresql":
        pytest.skip("PostgreSQL reads the whole of so small a table, whatever its indexes")
    with database.connect() as connection:
        plan = connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN " + database.sql(works._pending())
        ).all()
    assert any("ix_items_work_pending" in str(step) for step in plan), plan


def test_a_key_that_is_learnt_later_moves_the_editions_without_one(database: Database) -> None:
    learn(database, 1, EMMA, source="google_books")
    learn(database, 2, EMMA, source="google_books")
    assign_works(database, now=NOON)
    assert counted(database) == {EMMAS: 2}
    learn(database, 3, {"work_key": "OL9W", **EMMA}, NOON + DAY)
    assert assign_works(database, now=NOON + DAY) == 1
    assert [key(database, number) for number in (1, 2, 3)] == ["OL9W"] * 3
    assert counted(database) == {"OL9W": 3}
    learn(database, 4, {"work_key": "OL10W", **EMMA}, NOON + DAY)
    assign_works(database, now=NOON + DAY)
    assert [key(database, number) for number in (1, 2, 3, 4)] == [
        *("OL10W", "OL10W", "OL9W", "OL10W")
    ]
    assert counted(database) == {"OL10W": 3, "OL9W": 1}


def test_a_corrected_title_leaves_its_work(database: Database) -> None:
    learn(database, 1, {"work_key": "OL1W", **EMMA})
    learn(database, 2, EMMA, source="google_books")
    assign_works(database, now=NOON)
    learn(database, 1, {"work_key": "OL2W", **PERSUASION}, NOON + DAY)
    assert assign_works(database, now=NOON + DAY) == 1
    assert (key(database, 1), key(database, 2)) == ("OL2W", EMMAS)
    assert counted(database) == {"OL2W": 1, EMMAS: 1}


def test_an_accepted_pair_makes_both_works_one(database: Database) -> None:
    learn(database, 1, {"work_key": "OL5W", **EMMA, **PENGUIN})
    learn(database, 2, {"work_key": "OL7W", **EMMA, **PENGUIN})
    learn(database, 3, {"work_key": "OL7W", "title": "Emma Woodhouse", "authors": "Jane Austen"})
    assign_works(database, now=NOON)
    accept(database, isbn(1), isbn(2), user_id="ann", now=NOON)
    assert [key(database, number) for number in (1, 2, 3)] == ["OL5W"] * 3
    assert counted(database) == {"OL5W": 3}
    # What comes later to either of them joins too.
    learn(database, 4, {"work_key": "OL7W", "title": "Emma in One Volume"}, NOON + DAY)
    learn(database, 2, {"work_key": "OL7W", **EMMA, **PENGUIN}, NOON + DAY)
    assign_works(database, now=NOON + DAY)
    assert [key(database, number) for number in (1, 2, 3, 4)] == ["OL5W"] * 4
    # And where the pair's own key changes, the rest goes back to its work.
    learn(database, 2, {"work_key": "OL2W", **EMMA, **PENGUIN}, NOON + 2 * DAY)
    assign_works(database, now=NOON + 2 * DAY)
    assert [key(database, number) for number in (1, 2, 3, 4)] == [*("OL2W", "OL2W", "OL7W", "OL7W")]
    assert counted(database) == {"OL2W": 2, "OL7W": 2}


def test_step_by_step_gives_what_all_at_once_gives(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(works, "ITEMS_A_BATCH", 2)
    monkeypatch.setattr(works, "VALUES_A_QUERY", 2)
    steps: list[tuple[int, Fields]] = [
        *((1, EMMA), (2, PERSUASION), (3, {**EMMA, "work_key": "OL9W"}), (4, EMMA)),
        *((5, {**PERSUASION, "work_key": "OL9W"}), (1, PERSUASION), (6, {"publisher": "Penguin"})),
        *((3, {**EMMA, "work_key": "OL3W"}), (5, {**EMMA, "work_key": "OL9W"}), (2, EMMA)),
    ]
    for step, (number, fields) in enumerate(steps):
        moment: datetime = NOON + step * DAY
        learn(database, number, fields, moment)
        if step % 3 == 2:
            assign_works(database, now=moment)
    assign_works(database, now=NOON + 99 * DAY)
    found, works_found = keys(database), counted(database)
    assert found == from_scratch(database)
    assert works_found == counted(database)
    assert sum(works_found.values()) == 6


def test_a_crash_before_the_end_leaves_the_rest(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn(database, 1, EMMA)
    assign_works(database, now=NOON)
    learn(database, 2, EMMA, NOON + DAY)

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("out of power")

    with monkeypatch.context() as patch:
        patch.setattr(works, "file_duplicates", crash)
        with pytest.raises(RuntimeError, match="out of power"):
            assign_works(database, now=NOON + DAY)
    assert key(database, 2) is None
    assert item(database, 2).work_as_of is None
    assert assign_works(database, now=NOON + DAY) == 1
    assert key(database, 2) == key(database, 1)
