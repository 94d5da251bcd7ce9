import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean, isbn

from resources.sources import bibliographic


@given(st.integers(0, 10**9 - 1))
def test_isbn_10_and_13_are_the_same_book(number: int) -> None:
    body = f"978{number:09d}"
    code = body + ean.calc_check_digit(body)
    short = bibliographic.isbn10(code)
    assert short is not None
    assert isbn.validate(short) == short
    assert bibliographic.isbn13(short) == code
    assert bibliographic.isbn13(f"{code[:3]}-{code[3:]}") == code


def test_what_is_no_isbn_has_no_isbn13() -> None:
    assert bibliographic.isbn13("") is None
    assert bibliographic.isbn13("9780306406158") is None
    assert bibliographic.isbn10("9791090636071") is None


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("March 2009", 2009), ("2016-09-13", 2016), ("1999", 1999), ("c1954.", 1954),
        ("novembre 2000", 2000), ("", None), ("n.d.", None), ("12 May", None), ("20091", None),
    ],
)  # fmt: skip
def test_publication_year(text: str, year: int | None) -> None:
    assert bibliographic.publication_year(text) == year


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Hardcover", "Hardcover"), ("hardback", "Hardcover"), ("Library Binding", "Hardcover"),
        ("Trade Paperback", "Paperback"), ("Softcover", "Paperback"), ("paper back", "Paperback"),
        ("Mass Market Paperback", "Mass Market"), ("mass-market", "Mass Market"),
        ("Audio CD", "Audio CD"), ("", ""),
    ],
)  # fmt: skip
def test_binding(text: str, name: str) -> None:
    assert bibliographic.binding(text) == name


def test_small_rules() -> None:
    assert bibliographic.language("eng") == bibliographic.language("EN") == "en"
    assert bibliographic.language(" English ") == "en"
    assert bibliographic.language("tlh") == "tlh"
    assert bibliographic.page_count(0) is None
    assert bibliographic.page_count(304) == 304
    assert bibliographic.joined(["A", "B", "", "A"]) == "A, B"
