from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_assets.core.answers import Listing
from pricing_assets.core.judging import WEIGHTS
from pricing_assets.core.searches import matched, plain_query


def listing(title: str) -> Listing:
    return Listing("1", "sold", title, Decimal(5), "USD")


@given(st.text("aB \t\n#É", max_size=12))
def test_a_query_is_plain_for_good(text: str) -> None:
    plain = plain_query(text)
    assert plain_query(plain) == plain
    assert plain_query(f"  {text.upper()}\t") == plain_query(text.upper())


@pytest.mark.parametrize(
    ("title", "key"),
    [
        (
            "2023 Bowman Chrome #BCP-50 Ethan Salas Refractor /499 PSA 10",
            "2023|bowman chrome|bcp50|ethan salas|refractor|499",
        ),
        ("1986-87 Fleer Michael Jordan #57 Rookie", "1986|fleer|57|michael jordan"),
        ("Michael Jordan", None),
        ("", None),
    ],
)
def test_a_listing_is_of_the_card_that_its_title_names(title: str, key: str | None) -> None:
    found = matched(listing(title))
    assert found.natural_key == key
    assert (found.confidence >= WEIGHTS.threshold) is (key is not None)


@pytest.mark.parametrize("more", ["reprint", "lot of cards", "digital"])
def test_what_is_hardly_a_copy_has_little_confidence(more: str) -> None:
    found = matched(listing(f"1986-87 Fleer Michael Jordan #57 {more}"))
    assert found.natural_key is not None
    assert found.confidence < WEIGHTS.threshold


@given(st.text(max_size=30))
@settings(max_examples=25)
def test_any_title_is_judged(title: str) -> None:
    found = matched(listing(title))
    assert 0 <= found.confidence <= 1
    assert (found.natural_key is None) <= (found.confidence == 0)
