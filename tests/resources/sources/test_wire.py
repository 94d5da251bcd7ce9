from decimal import Decimal
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.sources import wire
from resources.sources.wire import Amount, Count, CurrencyCode, Text, Wire


class Priced(Wire):
    essential: ClassVar[frozenset[str]] = frozenset({"price"})

    price: Amount
    currency: CurrencyCode = "USD"
    pages: Count | None = None
    note: Text = ""


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
