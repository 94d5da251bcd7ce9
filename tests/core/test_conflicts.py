from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.metadata import Conflict, MetadataVersion, conflicts, differ

DAWN = datetime(2026, 1, 1, tzinfo=UTC)
TEXTS = st.text(max_size=30)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Hobbit", "Hobbit"),
        ("The Hobbit, or There and Back Again", "the hobbit"),
        ("J. R. R. Tolkien", "Tolkien, J.R.R."),
        ("J. K. Rowling", "Rowling, Joanne"),
        ("Les Misérables", "LES MISERABLES"),
        ("Terry Pratchett", "Terry Pratchett, Neil Gaiman"),
        ("Finnegans Wake", "Finnegan's Wake"),
        ("罪と罰", "罪と罰"),
        ("It", "It: A Novel"),
        ("", "Dune"),
        ("!!!", "Dune"),
    ],
)
def test_what_is_no_material_difference(one: str, other: str) -> None:
    assert not differ(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Great Expectations", "A Tale of Two Cities"),
        ("Charles Dickens", "Stephen King"),
        ("Stephen King", "Owen King"),
        ("1984", "Animal Farm"),
        ("V.", "It"),
        ("罪と罰", "Война и мир"),
    ],
)
def test_what_is_a_material_difference(one: str, other: str) -> None:
    assert differ(one, other)


@given(TEXTS, TEXTS)
def test_the_order_does_not_matter_and_nothing_differs_from_itself(one: str, other: str) -> None:
    assert differ(one, other) == differ(other, one)
    assert not differ(one, one)
    assert not differ(one, one.upper().lower())


def test_only_the_latest_word_of_each_source_counts() -> None:
    def version(source: str, day: int, **fields: str) -> MetadataVersion:
        return MetadataVersion(source, DAWN + timedelta(days=day), fields)

    before = version("a", 0, title="Dune", authors="Frank Herbert", publisher="X")
    said = [before, version("b", 1, title="Emma", publisher="Y")]
    assert conflicts(said) == [Conflict("title", {"a": "Dune", "b": "Emma"})]
    assert conflicts([*said, version("b", 2, title="Dune (Movie Tie-In)")]) == []
    assert conflicts([*said, version("a", -1, title="Emma")]) == conflicts(said)
    assert conflicts([before]) == conflicts([]) == []
