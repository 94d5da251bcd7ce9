import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.categories import CATEGORIES
from pricing_assets.core.codes import REASONS, read_code
from pricing_assets.core.readings import MAX_KEY_LENGTH, read_item

CARD = "2023|bowman chrome|bcp50|ethan salas|refractor|499"


@pytest.mark.parametrize(
    ("code", "category", "expected"),
    [
        ("0-316-76917-7", None, ("book", "9780316769174")),
        ("0-316-76917-7", "book", ("book", "9780316769174")),
        ("sw0001", None, ("minifigure", "sw0001")),
        ("SW0001a", None, ("minifigure", "sw0001a")),
        ("fig-000123", None, ("minifigure", "fig-000123")),
        ("castle1234", "minifigure", ("minifigure", "castle1234")),
        ("Base1-4", "card", ("card", "base1-4")),
        ("2023 Bowman Chrome Ethan Salas #BCP-50 Refractor /499", "card", ("card", CARD)),
        (CARD, "card", ("card", CARD)),
    ],
)
def test_a_code_names_an_item(code: str, category: str | None, expected: tuple[str, str]) -> None:
    reading = read_item(code, category)
    assert (reading.category, reading.natural_key, reading.reason) == (*expected, None)


@pytest.mark.parametrize(
    ("code", "category", "reason"),
    [
        ("base1-4", None, "not_a_code"),
        ("2023 Bowman Chrome Ethan Salas #BCP-50", None, "not_a_code"),
        ("no barcode", None, "not_a_code"),
        ("shelf12", None, "not_a_code"),
        ("B00ZV9PXP2", None, "asin"),
        ("9780316769174", "card", "not_of_category"),
        ("9780316769174", "minifigure", "not_of_category"),
        ("charizard", "card", "not_of_category"),
        ("sw0001", "book", "not_a_code"),
        (" ", "card", "empty"),
        ("2020 topps #1 " + "x" * 200, "card", "not_of_category"),
    ],
)
def test_what_names_none_is_refused_with_what_to_do(
    code: str, category: str | None, reason: str
) -> None:
    reading = read_item(code, category)
    assert (reading.category, reading.natural_key, reading.reason) == (None, None, reason)
    assert reading.note


@given(st.text(max_size=40), st.sampled_from([None, *CATEGORIES]))
def test_any_text_is_judged(text: str, category: str | None) -> None:
    reading = read_item(text, category)
    if reading.reason is not None:
        assert reading.reason in REASONS
        return
    assert category in (None, reading.category)
    assert reading.natural_key
    assert len(reading.natural_key) <= MAX_KEY_LENGTH
    assert read_item(reading.natural_key, reading.category) == reading or reading.note
    assert CATEGORIES[str(reading.category)].key_fields(reading.natural_key) is not None


@given(st.text("abcdef0123456789-X ", max_size=20))
def test_what_is_a_book_stays_one(text: str) -> None:
    book = read_code(text)
    if book.reason is None or book.reason != "not_a_code":
        assert read_item(text) == book
