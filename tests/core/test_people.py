import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.people import (
    PERSON_KINDS,
    authors_of,
    name_key,
    people_of,
    person,
    role_of,
)

WORDS = st.lists(
    st.text("abcdefgäéøñ", min_size=2, max_size=8) | st.sampled_from(["J.", "R.", "K."]),
    min_size=1,
    max_size=5,
)


@given(words=WORDS)
def test_spellings_of_a_name_are_one_person(words: list[str]) -> None:
    name = " ".join(words)
    key = name_key(name)
    for other in (name.upper(), name.replace(". ", "."), f"  {name} ", name.replace(" ", "  ")):
        assert name_key(other) == key
    assert name_key(key) == key


@pytest.mark.parametrize(
    ("spellings", "key"),
    [
        (("J.R.R. Tolkien", "J. R. R. Tolkien", "J R R TOLKIEN"), "jrr tolkien"),
        (("Gabriel García Márquez", "Gabriel Garcia Marquez"), "gabriel garcia marquez"),
        (("Flann O'Brien", "Flann O\u2019Brien"), "flann obrien"),
        (("Ursula K. Le Guin",), "ursula k le guin"),
    ],
)
def test_names_that_are_spelt_differently(spellings: tuple[str, ...], key: str) -> None:
    assert {name_key(name) for name in spellings} == {key}


def test_a_list_of_authors_is_taken_apart_and_what_is_no_name_is_left_out() -> None:
    text = "Emma McLaughlin; Nicola Kraus, Martin Luther King, Jr., Ann Lee (Author), Ann Lee"
    names = [found.name for found in authors_of(text)]
    assert names == ["Emma McLaughlin", "Nicola Kraus", "Martin Luther King, Jr.", "Ann Lee"]
    for nobody in ("", " , ", "Various Authors", "Unknown", "Anonymous", "!!!", "x" * 200):
        assert authors_of(nobody) == []


@pytest.mark.parametrize(
    ("category", "key", "shown", "found"),
    [
        ("card", "base1-4", "Charizard", ("character", "Charizard")),
        ("card", "1986|fleer|57|michael jordan", "Michael Jordan", ("athlete", "Michael Jordan")),
        ("minifigure", "sw0001", "Boba Fett (Bespin), Printed Legs", ("character", "Boba Fett")),
        ("minifigure", "sw0002", "Luke Skywalker - Tatooine", ("character", "Luke Skywalker")),
    ],
)
def test_whom_a_collectible_shows(
    category: str, key: str, shown: str, found: tuple[str, str]
) -> None:
    (named,) = people_of(category, key, authors=None, shown=shown)
    assert (named.kind, named.name) == found
    assert role_of(named.kind) == "shown"
    assert people_of(category, key, authors=None, shown=None) == []


def test_the_same_name_is_another_person_in_another_kind() -> None:
    found = [person(kind, "Charlie Brown") for kind in PERSON_KINDS]
    assert len({one.id for one in found if one}) == len(PERSON_KINDS)
