import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.answers import ItemQuery
from resources.sources.base import SourceError, UnparsablePayload
from resources.sources.credentials import Credentials
from resources.sources.open_library import OpenLibrary
from tests.resources.sources.conftest import ISBN, ISBN10, answered, book

SOURCE = OpenLibrary()
DATA = {
    "key": "/books/OL1M",
    "title": "The Lamplighter's Almanac",
    "authors": [{"url": "https://openlibrary.org/authors/OL1A", "name": "Ada Marlowe"},
                {"name": "Tom Birch"}],
    "publishers": [{"name": "Quayside Press"}],
    "publish_date": "May 12, 1987",
    "number_of_pages": 212,
    "cover": {"small": "https://covers/S.jpg", "large": "https://covers/L.jpg"},
    "subjects": [{"name": "Lamps"}, {"name": "Lamps"}, {"name": "Night"}],
    "identifiers": {"isbn_10": [ISBN10]},
}  # fmt: skip
EDITION = {
    "type": {"key": "/type/edition"},
    "title": "The Lamplighter's Almanac",
    "authors": [{"key": "/authors/OL1A"}],
    "publishers": ["Quayside Press"],
    "publish_date": "1987",
    "physical_format": "hardback",
    "languages": [{"key": "/languages/ger"}],
    "description": {"type": "/type/text", "value": "Of lamps."},
    "covers": [-1, 77],
    "works": [{"key": "/works/OL9W"}],
    "isbn_13": [ISBN],
}


def test_the_request_names_the_book_and_who_asks(query: ItemQuery) -> None:
    request = SOURCE.request(query, Credentials({"PRICING_CONTACT": "ops@example.org"}))
    assert str(request.url) == (
        f"https://openlibrary.org/api/books?bibkeys=ISBN%3A{ISBN}&format=json&jscmd=data"
    )
    assert "ops@example.org" in request.headers["User-Agent"]


@pytest.mark.parametrize("key", [f"ISBN:{ISBN}", f"ISBN:{ISBN10}"])
def test_data(query: ItemQuery, key: str) -> None:
    answer = SOURCE.parse(query, answered({key: DATA}))
    assert answer.result == "found"
    assert answer.problems == ()
    assert answer.fields == {
        "title": "The Lamplighter's Almanac",
        "authors": "Ada Marlowe, Tom Birch",
        "publisher": "Quayside Press",
        "publication_year": 1987,
        "page_count": 212,
        "thumbnail_url": "https://covers/L.jpg",
        "subjects": "Lamps; Night",
        "isbn13": ISBN,
        "isbn10": ISBN10,
    }


def test_an_edition_knows_its_work(query: ItemQuery) -> None:
    fields = SOURCE.parse(query, answered(EDITION)).fields
    assert fields["work_key"] == "OL9W"
    assert fields["binding"] == "Hardcover"
    assert fields["language"] == "de"
    assert fields["description"] == "Of lamps."
    assert fields["thumbnail_url"] == "https://covers.openlibrary.org/b/id/77-L.jpg"
    assert "authors" not in fields  # an edition has only their keys


def test_a_list_of_editions_is_searched_for_the_item(query: ItemQuery) -> None:
    other = EDITION | {"isbn_13": ["9780000000002"], "title": "Another"}
    answer = SOURCE.parse(query, answered({"entries": [other, EDITION]}))
    assert answer.fields["title"] == "The Lamplighter's Almanac"
    answer = SOURCE.parse(query, answered({"entries": [other]}))
    assert answer.result == "not_found"
    assert ISBN in answer.problems[0]


def test_a_search_hit_gives_the_work_and_not_one_of_its_editions(query: ItemQuery) -> None:
    hit = {
        "key": "/works/OL9W",
        "title": "Almanac",
        "author_name": ["Ada Marlowe"],
        "isbn": ["bad", ISBN10],
        "first_publish_year": 1901,
        "publisher": ["A", "B"],
    }
    fields = SOURCE.parse(query, answered({"numFound": 1, "docs": [hit]})).fields
    assert fields == {
        "title": "Almanac", "authors": "Ada Marlowe", "work_key": "OL9W", "isbn13": ISBN,
    }  # fmt: skip


@pytest.mark.parametrize(
    "document",
    [{}, {"docs": []}, {"ISBN:9780000000002": DATA}, {"type": {"key": "/type/delete"}}],
)
def test_an_unknown_book_is_not_found(query: ItemQuery, document: object) -> None:
    assert SOURCE.parse(query, answered(document)).result == "not_found"


@pytest.mark.parametrize(
    "document",
    [[], 3, {"surprise": 1}, {"docs": 3}, {"docs": [{"name": "x"}]}, {f"ISBN:{ISBN}": {}}],
)
def test_what_is_no_shape_of_theirs_is_unparsable(query: ItemQuery, document: object) -> None:
    with pytest.raises(UnparsablePayload):
        SOURCE.parse(query, answered(document))


def test_one_bad_field_does_not_lose_the_others(query: ItemQuery) -> None:
    answer = SOURCE.parse(
        query, answered({f"ISBN:{ISBN}": DATA | {"number_of_pages": "xii", "subjects": 4}})
    )
    assert answer.fields["authors"] == "Ada Marlowe, Tom Birch"
    assert "page_count" not in answer.fields
    assert sorted(problem.split(":")[1].split(".")[1] for problem in answer.problems) == [
        "number_of_pages",
        "subjects",
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys((*DATA, *EDITION), JSON)))
def test_any_record_is_read_or_refused(record: dict[str, object]) -> None:
    for document in (record, {f"ISBN:{ISBN}": record}, {"entries": [record]}):
        try:
            answer = SOURCE.parse(book(), answered(json.loads(json.dumps(document))))
        except SourceError:
            continue
        assert all(value not in (None, "") for value in answer.fields.values())
