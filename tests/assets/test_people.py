import sqlalchemy as sa

from pricing_assets.schema import tables as t
from tests.assets.conftest import Processed
from tests.runs import metadata


def test_whom_the_books_name_is_known_once_with_dates_and_a_picture(processed: Processed) -> None:
    platform = processed.platform
    shown = metadata(processed.runs["process_scans"], "people")
    people, calls = t.people.c, t.api_calls.c
    assert shown["dagster/row_count"] == platform.count(t.people) > 20
    assert shown["people"]["author"] == platform.count(t.people, people.kind == "author")
    known = platform.count(t.people, people.wikidata_id.is_not(None))
    assert 0 < known == sum(shown["people_known_to_a_source"].values()) <= platform.count(t.people)
    assert shown["calls"] == platform.count(t.api_calls, calls.person_id.is_not(None))
    asked = platform.rows(
        sa.select(calls.person_id, calls.source, sa.func.count().label("times"))
        .where(calls.person_id.is_not(None))
        .group_by(calls.person_id, calls.source)
    )
    assert {row.times for row in asked} == {1}
    (author,) = platform.rows(sa.select(t.people).where(people.key == "jk rowling"))
    assert (author.born, author.died) == ("1965-07-31", None)
    books = platform.count(t.item_people, t.item_people.c.person_id == author.id)
    assert books > 1
    pictures = platform.rows(sa.select(t.images).where(t.images.c.person_id.is_not(None)))
    assert len(pictures) > 0
    assert all(row.licence and row.attribution and row.width for row in pictures)
    assert platform.count(t.images, t.images.c.item_id.is_not(None)) > 20
