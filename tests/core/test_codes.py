import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean, isbn

from pricing_assets.core.codes import (
    MAX_CODE_LENGTH,
    MIN_STRIPPED_LENGTH,
    REASONS,
    SHOWN_LENGTH,
    isbn10_of,
    read_code,
)


def _with_check_digit(body: str) -> str:
    return body + ean.calc_check_digit(body)


def _isbn10(body: str) -> str:
    return next(body + d for d in "0123456789X" if isbn.is_valid(body + d))


digits = st.text("0123456789", min_size=9, max_size=9)
bodies = digits.filter(lambda body: len(set(body)) > 1)
isbn13s = st.tuples(st.sampled_from(["978", "9791", "9798"]), bodies).map(
    lambda parts: _with_check_digit("".join(parts)[:12])
)
isbn13s = isbn13s.filter(lambda code: len(set(code[3:12])) > 1)
isbn10s = bodies.map(_isbn10)
isbns = isbn13s | isbn10s

DRESSES = [
    "{}",
    "  {}\t",
    "{}\r\n",
    "ISBN:{}",
    "isbn {}",
    "ISBN-13: {}",
    "ISBN-10 {}",
    "urn:isbn:{}",
    '"{}"',
    '="{}"',
    "'{}",
    "\ufeff{}",
    "\u200e{}",
    "\u201c{}\u201d",
    "\x02{}\x03",
    "]E0{}",
]
SEPARATORS = ["", "-", " ", "\u2010", "\u2011", "\u2013", "\u2212", "\u00a0", "\u00ad"]


@given(isbns, st.data())
def test_any_dress_of_an_isbn_gives_the_same_key(code: str, data: st.DataObject) -> None:
    separators = data.draw(
        st.lists(st.sampled_from(SEPARATORS), min_size=len(code), max_size=len(code))
    )
    dressed = "".join(f"{char}{sep}" for char, sep in zip(code, separators, strict=True))
    dress = data.draw(st.sampled_from(DRESSES))
    if dress.startswith("ISBN-1"):
        dress = f"ISBN-{len(code)}" + dress.removeprefix("ISBN-13").removeprefix("ISBN-10")
    text = dress.format(data.draw(st.sampled_from([dressed, dressed.lower()])))

    reading = read_code(text)

    assert reading.reason is None, reading.note
    assert reading.category == "book"
    assert reading.natural_key == isbn.to_isbn13(code)
    assert reading.note == ""


@given(bodies)
def test_both_isbns_of_a_book_give_one_key(body: str) -> None:
    isbn10, isbn13 = _isbn10(body), _with_check_digit("978" + body)

    assert read_code(isbn10).natural_key == read_code(isbn13).natural_key == isbn13
    assert isbn10_of(isbn13) == isbn10


def test_a_979_isbn_has_no_isbn10() -> None:
    assert isbn10_of("9791234567896") is None


@given(st.integers(0, 3), st.data())
def test_zeros_stripped_of_an_isbn10_come_back(zeros: int, data: st.DataObject) -> None:
    body = "0" * zeros + data.draw(bodies)[zeros:]
    code = _isbn10(body)
    as_number = code.lstrip("0")
    if not as_number.isdigit() or len(as_number) < MIN_STRIPPED_LENGTH or len(set(body)) == 1:
        return
    for text in (as_number, f"{as_number}.0", f"{as_number},0", f'="{as_number}"'):
        reading = read_code(text)
        assert reading.natural_key == isbn.to_isbn13(code)
        assert (code in reading.note) == (code != as_number)


@given(isbns.filter(str.isdigit))
def test_scientific_notation_counts_only_with_all_its_digits(code: str) -> None:
    exponent = len(code) - 1
    exact = read_code(f"{code[0]}.{code[1:]}e+{exponent}")
    if not code.startswith("0"):
        assert exact.natural_key == isbn.to_isbn13(code)
    for kept in range(exponent):
        cut = f"{code[0]}.{code[1 : 1 + kept]}".rstrip(".")
        for text in (f"{cut}E+{exponent}", f"{cut}e{exponent}".replace(".", ",")):
            assert read_code(text).reason == "lost_digits"


@given(isbns, st.data())
def test_a_wrong_check_digit_is_refused_and_the_right_one_named(
    code: str, data: st.DataObject
) -> None:
    wrong = data.draw(st.sampled_from("0123456789").filter(lambda digit: digit != code[-1]))

    reading = read_code(code[:-1] + wrong)

    assert reading.reason == "check_digit"
    assert f"end in {code[-1]}" in reading.note
    assert code[:-1] + wrong in reading.note


codelike = st.text("0123456789Xx-B. ,eE+=\"':\0\n", max_size=25)


@given(st.text() | codelike | st.text("0123456789", max_size=20))
def test_no_text_breaks_it_and_every_answer_is_complete(text: str) -> None:
    reading = read_code(text)

    if reading.reason is None:
        assert reading.category == "book"
        assert reading.natural_key is not None
        assert len(reading.natural_key) == 13
        assert isbn.is_valid(reading.natural_key)
    else:
        assert reading.category is None
        assert reading.natural_key is None
        assert reading.reason in REASONS
        assert reading.note
        assert reading.note.isprintable()


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        ("", "empty", "Scan the item again"),
        (" \t\r\n", "empty", "delete the row"),
        ('=""', "empty", "delete the row"),
        ("\ufeff", "empty", "delete the row"),
        ("9.78043902348e+12", "lost_digits", "as text"),
        ("9.78E+12", "lost_digits", "export it again"),
        ("9,78E+12", "lost_digits", "export it again"),
        ("0439023484", "check_digit", "end in 3"),
        ("9780439023482", "check_digit", "end in 1"),
        ("439023484", "check_digit", "0439023484"),
        ("012345678905", "upc", "978 or 979"),
        ("12345678905", "upc", "978 or 979"),  # its zero lost
        ("0012345678905", "upc", "978 or 979"),  # as an EAN
        ("5702017470467", "ean_not_book", "another product"),
        ("73513537", "ean_not_book", "another product"),
        ("9790260000438", "ean_not_book", "printed music"),
        ("9771144875007", "ean_not_book", "periodical"),
        ("0028-0836", "issn", "periodical"),
        ("B000JQV1WA", "asin", "ASIN"),
        ("b000jqv1wa", "asin", "ASIN"),
        ("0000000000", "placeholder", "unknown"),
        ("9780000000002", "placeholder", "unknown"),
        ("9999999999", "placeholder", "unknown"),
        ("978043902348", "wrong_length", "12 characters"),
        ("1", "wrong_length", "1 has 1 character;"),
        ("97804390234811", "wrong_length", "14 characters"),
        ("2767052117", "check_digit", "2767052117"),
        ("97804390\x0023481", "control_characters", "plain text"),
        ("9780439023481\n9780439023481", "control_characters", "plain text"),
        ("sw0001", "not_a_code", "known here. Give an ISBN (10 or 13 digits"),
        ("The Hunger Games", "not_a_code", "known here. Give an ISBN (10 or 13 digits"),
        ("97804390234X1", "not_a_code", "known here. Give an ISBN (10 or 13 digits"),
        ("9.7804390234815e+12", "not_a_code", "known here. Give an ISBN (10 or 13 digits"),
        ("9" * 1000, "too_long", "1000 characters"),
        ("é" * 1000, "too_long", "1000 characters"),
    ],
)
def test_a_refusal_says_why_and_what_to_do(text: str, reason: str, words: str) -> None:
    reading = read_code(text)

    assert reading.reason == reason
    assert words in reading.note


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("439023483", "9780439023481", "a leading zero"),
        ("439023483.0", "9780439023481", "a leading zero"),
        ("61120081", "9780061120084", "2 leading zeros"),
        ("7524277", "9780007524273", "3 leading zeros"),
        ("4.39023483E+08", "9780439023481", "a leading zero"),
        ("9.780439023481e+12", "9780439023481", ""),
        ("9.780306400070E+12", "9780306400070", ""),  # the last digit is a zero that was kept
        ("9780439023481.0", "9780439023481", ""),
        ("SBN 439 02348 3", "9780439023481", "SBN"),
        ("80442957X", "9780804429573", "SBN"),
        ("978043902348151299", "9780439023481", "price"),
        ("９７８０４３９０２３４８１", "9780439023481", ""),  # noqa: RUF001
        ("ISBN 1305969359", "9781305969353", ""),  # the 13 is its own, not a label's
    ],
)
def test_a_repair_is_told(text: str, key: str, words: str) -> None:
    reading = read_code(text)

    assert reading.natural_key == key
    assert bool(reading.note) == bool(words)
    assert words in reading.note


@pytest.mark.parametrize(
    "text",
    [
        "100994",  # 0000100994 would be valid, but six digits are anything
        "6112008-1",  # a spreadsheet's number has no hyphen
        "07524277",  # nor a leading zero
        "0",
        "1",
        "19",
    ],
)
def test_zeros_are_put_back_only_where_a_spreadsheet_can_have_removed_them(text: str) -> None:
    assert read_code(text).reason == "wrong_length"


@given(st.text(string.printable, min_size=MAX_CODE_LENGTH + 1, max_size=500))
def test_notes_never_repeat_a_long_input(text: str) -> None:
    reading = read_code("Q" + text.strip() + "Q" * MAX_CODE_LENGTH)

    assert reading.reason == "too_long"
    assert len(reading.note) < len(REASONS["too_long"]) + SHOWN_LENGTH


def test_reasons_start_with_the_most_telling() -> None:
    assert next(iter(REASONS)) == "check_digit"
    assert list(REASONS)[-2:] == ["not_a_code", "empty"]
