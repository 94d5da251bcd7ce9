from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from pricing_assets.core.editions import work_fingerprint
from pricing_assets.core.items import item_id
from pricing_assets.schema import tables as t
from pricing_assets.store import works
from pricing_assets.store.reviews import accept
from pricing_assets.store.training_set import build_month
from pricing_assets.store.works import assign_works
from resources.database import Database
from tests.examples import DAY, NOON, book, commit, isbn, item, learn, reply, row, rows, scan

Fields = dict[str, str | int]

EMMA: Fields = {"title": "Emma", "authors": "Jane Austen"}
PERSUASION: Fields = {"title": "Persuasion", "authors": "Jane Austen"}
PENGUIN: Fields = {"publisher": "Penguin", "binding": "Paperback", "publication_year": 1996}
EMMAS, PERSUASIONS = (
    str(work_fingerprint(title, "Jane Austen")) for title in ("Emma", "Persuasion")
)


GOOGLE, LIBRARY = "google_books", "open_library"


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
    learn(database, 2, {"title": "EMMA: a novel", "authors": "Austen, Jane"}, source=GOOGLE)
    learn(database, 3, PERSUASION, source=GOOGLE)
    learn(database, 4, {"publisher": "Penguin"}, source=GOOGLE)
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
    learn(database, 1, EMMA, source=GOOGLE)
    learn(database, 2, EMMA, source=GOOGLE)
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


def test_an_answer_leaves_the_assigned_key_until_works_are_told_anew(database: Database) -> None:
    commit(database, reply(1, LIBRARY, fields={**EMMA, "work_key": "OL1W"}))
    assert key(database, 1) == "OL1W"
    learn(database, 2, EMMA, source=GOOGLE)
    assign_works(database, now=NOON)
    commit(database, reply(2, GOOGLE, NOON + DAY, fields=EMMA))
    assert key(database, 2) == "OL1W"
    commit(database, reply(2, LIBRARY, NOON + 2 * DAY, fields={**EMMA, "work_key": "OL2W"}))
    assert key(database, 2) == "OL1W"
    assert assign_works(database, now=NOON + 2 * DAY) == 1
    assert key(database, 2) == "OL2W"
    assert counted(database) == {"OL1W": 1, "OL2W": 1}


def test_a_corrected_title_leaves_its_work(database: Database) -> None:
    learn(database, 1, {"work_key": "OL1W", **EMMA})
    learn(database, 2, EMMA, source=GOOGLE)
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
    own: Fields = {"work_key": "OL9W"}
    steps: list[tuple[int, Fields]] = [
        (1, EMMA),
        (2, PERSUASION),
        (3, EMMA | own),
        (4, EMMA),
        (5, PERSUASION | own),
        (1, PERSUASION),
        (6, {"publisher": "Penguin"}),
        (3, {**EMMA, "work_key": "OL3W"}),
        (5, EMMA | own),
        (2, EMMA),
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


def admit(database: Database, *numbers: int) -> None:
    """Give books the sales that a training set asks for."""
    digest = rows(database, t.payloads)[0]["sha256"]
    sold = [(book(number).item_id, str(place)) for number in numbers for place in range(20)]
    fixed = {"source": "searchapi_ebay_sold", "kind": "sold", "title": "copy", "currency": "USD"}
    database.upsert(
        t.price_listings,
        pa.Table.from_pylist(
            [
                {
                    "item_id": own,
                    "source_listing_id": place,
                    "price": Decimal("20.00"),
                    "price_usd": Decimal("20.00"),
                    "observed_at": NOON,
                    "payload_sha256": digest,
                    **fixed,
                }
                for own, place in sold
            ]
        ),
    )


def examples(database: Database, directory: Path, at: datetime) -> dict[str, tuple[str, str]]:
    """Work and split of every example, as of a moment."""
    made = build_month(
        *(database, "2026-10", directory),
        now=NOON + 30 * DAY, policy="v1", sandbox=False, internal=True, run_id="run", at=at,
    )  # fmt: skip
    table = pq.read_table(made.path / "examples.parquet").to_pylist()
    return {found["natural_key"]: (found["work_key"], found["split"]) for found in table}


def test_the_training_set_never_parts_a_work(database: Database, tmp_path: Path) -> None:
    """One edition has Open Library's key, the other one has not."""
    first, second, unseen = range(10, 40), range(40, 70), range(70, 80)
    scan(database, *first, *second, *unseen, origin="more")
    for number in first:
        title: Fields = {"title": f"Tale of {number}", "authors": "Ann Author"}
        learn(database, number, {**title, "work_key": f"OL{number}W"})
        learn(database, number + 30, {**title, "publisher": "Other"}, source=GOOGLE)
    # Editions that are in no training set, with a key that one in it has to take.
    for number in unseen:
        learn(database, number, {"title": f"Saga {number}", "work_key": f"OL{number}W"})
    for number in range(1, 7):
        learn(database, number, {"title": f"Saga {number + 69}"})
    admit(database, *first, *second, *range(1, 7))
    assign_works(database, now=NOON)
    found = examples(database, tmp_path, NOON)
    assert len(found) == 66
    for number in first:
        assert found[isbn(number)] == found[isbn(number + 30)]
        assert found[isbn(number)][0] == f"OL{number}W"
    assert found[isbn(1)][0] == "OL70W"
    # The catalogue says the same.
    assert {code: work for code, (work, _) in found.items()}.items() <= keys(database).items()
    assert len({split for _, split in found.values()}) > 1


def test_the_training_set_knows_the_pairs_accepted_by_then(
    database: Database, tmp_path: Path
) -> None:
    learn(database, 1, {**EMMA, **PENGUIN, "work_key": "OL5W"})
    learn(database, 2, {**EMMA, **PENGUIN, "work_key": "OL7W"})
    learn(database, 3, {"title": "Emma Woodhouse", "work_key": "OL7W"})
    admit(database, 1, 2, 3)
    assign_works(database, now=NOON)
    before = examples(database, tmp_path / "before", NOON)
    accept(database, isbn(1), isbn(2), user_id="ann", now=NOON + DAY)
    assert examples(database, tmp_path / "again", NOON) == before
    assert [before[isbn(n)][0] for n in (1, 2, 3)] == ["OL5W", "OL7W", "OL7W"]
    after = examples(database, tmp_path / "after", NOON + DAY)
    assert {work for work, _ in after.values()} == {"OL5W"}
    assert len({split for _, split in after.values()}) == 1


def test_only_books_have_works(database: Database) -> None:
    figure = item_id("minifigure", "sw0001")
    database.execute(
        sa.insert(t.items).values(
            id=figure,
            category="minifigure",
            natural_key="sw0001",
            created_at=NOON,
            updated_at=NOON,
            metadata_fetched_at=NOON,
        )
    )
    learn(database, 1, EMMA)
    assert assign_works(database, now=NOON) == 1
    assert counted(database) == {EMMAS: 1}
