from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.sources import wire
from resources.sources.wire import Amount, Count, CurrencyCode, Moment, Text, Wire


class Priced(Wire):
    essential: ClassVar[frozenset[str]] = frozenset({"price"})

    price: Amount
    currency: CurrencyCode = "USD"
    pages: Count | None = None
    note: Text = ""
    sold: Moment | None = None


@given(st.decimals(0, 999_999, places=2))
def test_an_amount_is_exact_as_text_and_as_a_number(value: Decimal) -> None:
    document = wire.read_json(f'{{"text": "{value}", "number": {value}}}'.encode())
    assert wire.amount(document["text"]) == value
    assert wire.amount(document["number"]) == value


@pytest.mark.parametrize("bad", ["abc", "", "NaN", "Infinity", "-1", "1e12", True, [], "1,5"])
def test_what_is_no_amount_is_a_problem_with_its_place(bad: object) -> None:
    problems: list[str] = []
    assert Priced.read({"price": bad}, "items[3]", problems) is None
    assert len(problems) == 1
    assert problems[0].startswith("items[3].price: not a")


def test_a_bad_field_that_is_not_essential_loses_only_itself() -> None:
    problems: list[str] = []
    part = Priced.read({"price": "1.50", "pages": "many", "note": "x"}, "", problems)
    assert part is not None
    assert (part.price, part.pages, part.note) == (Decimal("1.50"), None, "x")
    assert problems == [
        "pages: input should be a valid integer, unable to parse string as an integer: 'many'"
    ]


def test_a_moment_is_in_utc() -> None:
    part = Priced.read({"price": 1, "sold": "2026-03-07T02:04:38+05:00"}, "", [])
    assert part is not None
    assert part.sold == datetime(2026, 3, 6, 21, 4, 38, tzinfo=UTC)
    assert part.sold.tzinfo == UTC


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_a_moment_that_utc_has_no_year_for_is_a_problem(text: str) -> None:
    problems: list[str] = []
    part = Priced.read({"price": 1, "sold": text}, "items[3]", problems)
    assert part is not None
    assert part.sold is None
    assert problems == [f"items[3].sold: not within the years 1 to 9999 in UTC: '{text}'"]


def test_null_is_silence() -> None:
    problems: list[str] = []
    assert Priced.read({"price": 1, "note": None, "pages": None}, "", problems) is not None
    assert problems == []


@pytest.mark.parametrize("raw", [None, 3, "text", [], [1]])
def test_a_part_that_is_no_object_is_a_problem(raw: object) -> None:
    problems: list[str] = []
    assert Priced.read(raw, "items[0]", problems) is None
    assert problems[0].startswith("items[0]: ")


def test_a_huge_exponent_costs_nothing() -> None:
    problems: list[str] = []
    document = wire.read_json(b'{"price": 2, "pages": 1e999999}')
    part = Priced.read(document, "", problems)
    assert part is not None
    assert part.pages is None
    assert len(problems) == 1


@given(st.binary(max_size=200))
def test_any_body_is_json_or_a_value_error(body: bytes) -> None:
    try:
        document = wire.read_json(body)
    except ValueError:
        return
    assert document is None or isinstance(document, bool | int | Decimal | str | list | dict)


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"[NaN]", b"\xff{}", b"", b"[1e99999999999999999999]"]
)
def test_hostile_bodies_are_value_errors(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        wire.read_json(body)


def test_text_is_what_a_database_can_hold() -> None:
    document = wire.read_json(b'{"price": 1, "note": " a\\u0000b\\ud800 "}')
    part = Priced.read(document, "", [])
    assert part is not None
    assert part.note == "ab?"
