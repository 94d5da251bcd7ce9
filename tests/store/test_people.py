import json
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from pricing_assets.core.answers import Answer, ItemQuery
from pricing_assets.core.people import ANSWER_EXPECTED_WITHIN, PERSON_SOURCES
from pricing_assets.schema import tables as t
from pricing_assets.store.evidence import SourceFacts
from pricing_assets.store.people import (
    commit_people,
    count_people_to_ask,
    name_people,
    people_of_item,
    take_people,
)
from pricing_assets.store.queue import Ask
from pricing_assets.store.unified_index import disagreements
from resources.database import Database
from resources.sources.client import Reply
from tests.examples import COMPLETE, DAY, NOON, book, learn, row, rows, scan

BOOK = dict(COMPLETE)
FRESH = timedelta(days=180)
FACTS = {
    "wikidata": SourceFacts("people", FRESH),
    "wikimedia_commons": SourceFacts("image", FRESH),
}
DICKENS: dict[str, str | int] = {
    "wikidata_id": "Q1", "label": "Charles Dickens", "born": "1812-02-07", "died": "1870-06-09",
    "awards": 0, "wikis": 150, "image": "Dickens.jpg",
}  # fmt: skip
PICTURE: dict[str, str | int] = {
    "url": "https://x.invalid/d.jpg", "width": 3, "licence": "CC0", "attribution": "Ann",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _active(database: Database) -> None:
    """The two sources of people are asked too."""
    sources = t.data_sources
    asked = sources.c.kind.in_(PERSON_SOURCES)
    database.execute(sa.update(sources).where(asked).values(is_active=True))


def take(
    database: Database, kind: str = "people", at: datetime = NOON, items: int = 9
) -> list[Ask]:
    asks, _ = take_people(database, (kind,), now=at, run_id="run-1", after="", items=items)
    return asks


def answer(
    database: Database, ask: Ask, fields: dict[str, str | int] | None, at: datetime = NOON
) -> None:
    result = "found" if fields else "not_found"
    body = json.dumps([ask.source, ask.natural_key, at.isoformat()]).encode()
    reply = Reply(
        ask.source, ItemQuery(ask.item_id, ask.category, ask.natural_key), at, 200, 1.0, body,
        "application/json", f"{hash(body) & 2**60:064x}"[-64:], 1,
        Answer(result, fields or {}),  # type: ignore[arg-type]
        None, result, Decimal(0),  # type: ignore[arg-type]
    )  # fmt: skip
    commit_people(database, [reply], FACTS, run_id="run-1", now=at)


def test_whom_items_name_is_read_once_and_again_when_their_metadata_changes(
    database: Database,
) -> None:
    scan(database, 1, 2, 3)
    learn(database, 1, COMPLETE)
    learn(database, 2, BOOK | {"authors": "CHARLES DICKENS, Wilkie Collins"})
    assert name_people(database, now=NOON) == 2
    assert name_people(database, now=NOON) == 0
    assert {p["key"] for p in rows(database, t.people)} == {"charles dickens", "wilkie collins"}
    assert len(rows(database, t.item_people)) == 3
    learn(database, 2, BOOK | {"authors": "Wilkie Collins"}, NOON + DAY)
    assert name_people(database, now=NOON + DAY) == 1
    assert len(rows(database, t.item_people)) == 2
    assert len(rows(database, t.people)) == 2


def test_the_picture_of_an_item_is_an_image(database: Database) -> None:
    scan(database, 1)
    learn(database, 1, COMPLETE)
    origin = json.dumps({"thumbnail_url": ["open_library", NOON.isoformat()]})
    database.execute(sa.update(t.items).values(field_origins=origin))
    name_people(database, now=NOON)
    image = row(database, t.images)
    assert (image.item_id, image.url) == (book(1).item_id, COMPLETE["thumbnail_url"])
    assert (image.source, image.observed_at, image.licence) == ("open_library", NOON, None)


def test_a_person_is_asked_once_however_many_books_name_them(database: Database) -> None:
    scan(database, 1, 2, 3)
    for number in (1, 2, 3):
        learn(database, number, COMPLETE)
    name_people(database, now=NOON)
    assert count_people_to_ask(database, ("people",), now=NOON) == 1
    (ask,) = take(database)
    assert (ask.source, ask.category, ask.natural_key) == ("wikidata", "author", "Charles Dickens")
    assert take(database) == []
    # Whoever died on the way has asked nothing: it is due again.
    assert take(database, at=NOON + ANSWER_EXPECTED_WITHIN) == [ask]
    answer(database, ask, DICKENS)
    answer(database, ask, DICKENS)
    assert len(rows(database, t.api_calls)) == 1
    assert take(database, at=NOON + FRESH - DAY) == []
    assert take(database, at=NOON + FRESH) == [ask]
    # What it knows of people is no business of the index of items.
    assert "calls that the index does not know of" not in disagreements(database)


def test_what_was_told_is_kept_with_source_and_time_and_silence_changes_nothing(
    database: Database,
) -> None:
    scan(database, 1)
    learn(database, 1, COMPLETE)
    name_people(database, now=NOON)
    (ask,) = take(database)
    answer(database, ask, DICKENS)
    answer(database, ask, {"wikidata_id": "Q1", "wikis": 151}, NOON + FRESH)
    person = row(database, t.people)
    assert (person.born, person.awards, person.wikis) == ("1812-02-07", 0, 151)
    origins = json.loads(person.field_origins)
    assert origins["born"] == ["wikidata", NOON.isoformat()]
    assert origins["wikis"] == ["wikidata", (NOON + FRESH).isoformat()]
    call = rows(database, t.api_calls)[0]
    assert (call["item_id"], call["person_id"]) == (None, person.id)
    assert row(database, t.people_index).next_due_at == NOON + 2 * FRESH


def test_a_picture_is_asked_for_where_there_is_one(database: Database) -> None:
    scan(database, 1)
    learn(database, 1, BOOK | {"authors": "Charles Dickens, Wilkie Collins"})
    name_people(database, now=NOON)
    assert take(database, "image") == []
    for ask in take(database):
        answer(database, ask, DICKENS if "Dickens" in ask.natural_key else None)
    (ask,) = take(database, "image")
    assert (ask.source, ask.natural_key) == ("wikimedia_commons", "Dickens.jpg")
    answer(database, ask, PICTURE)
    assert take(database, "image") == []
    image = row(database, t.images)
    assert (image.licence, image.attribution, image.width) == ("CC0", "Ann", 3)
    first, second = people_of_item(database, book(1).item_id)
    assert (first.person.name, first.image and first.image.url) == (
        "Charles Dickens",
        PICTURE["url"],
    )
    assert (second.person.name, second.image) == ("Wilkie Collins", None)
    # The one whom nobody knows is asked about again, in growing intervals.
    assert [a.natural_key for a in take(database, at=NOON + DAY)] == ["Wilkie Collins"]


def test_the_budget_of_the_day_holds_for_people(database: Database) -> None:
    scan(database, 1)
    learn(database, 1, BOOK | {"authors": "Ann Lee, Bo Ray, Cy Oak"})
    name_people(database, now=NOON)
    limit = sa.update(t.data_sources).where(t.data_sources.c.name == "wikidata")
    database.execute(limit.values(daily_call_budget=2))
    asks = take(database)
    assert len(asks) == 2
    for ask in asks:
        answer(database, ask, None)
    assert take(database) == []
    assert len(take(database, at=NOON + DAY)) == 2
