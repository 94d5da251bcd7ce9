import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.categories import CATEGORIES, _found, book, card, minifigure
from pricing_assets.core.metadata import EXTRA_FIELDS, FIELDS, completeness

everything = st.sampled_from(list(CATEGORIES.values()))
codes = st.text(max_size=40) | st.text("abcdefgh-0123456789 #X", max_size=24)


def test_every_category_is_found() -> None:
    assert list(CATEGORIES) == ["book", "card", "minifigure"]
    assert _found() == CATEGORIES


@pytest.mark.parametrize("category", CATEGORIES.values(), ids=list(CATEGORIES))
def test_the_weights_of_a_category_are_a_whole(category: object) -> None:
    assert isinstance(category, type(CATEGORIES["book"]))
    assert sum(category.weights.values()) == pytest.approx(1.0)
    names = [field.name for field in category.fields]
    assert len(set(names)) == len(names)
    assert [*category.weights, *category.extra] == sorted(
        names, key=lambda name: name in category.extra
    )
    assert all(field.meaning for field in category.fields)
    assert {category.title, category.image} <= set(category.weights)
    known = dict.fromkeys(category.weights, "x")
    assert completeness(known, category.name) == 1.0
    assert completeness({}, category.name) == 0.0
    assert completeness(dict.fromkeys(category.extra, "x"), category.name) == 0.0


def test_a_books_fields_are_those_of_the_metadata() -> None:
    assert CATEGORIES["book"].weights == FIELDS
    assert CATEGORIES["book"].extra == EXTRA_FIELDS


@given(everything, codes)
def test_a_natural_key_is_its_own(category: object, code: str) -> None:
    assert isinstance(category, type(CATEGORIES["book"]))
    key = category.natural_key(code)
    if key is not None:
        assert category.natural_key(key) == key
        assert key == key.lower()
        assert key.isprintable()
        assert key.isascii()


figures = st.from_regex(r"[a-z]{2,4}[0-9]{3,4}[a-d]?|fig-[0-9]{6}", fullmatch=True)
game_cards = st.from_regex(r"[a-z]{2,4}[1-9][0-9]?-[1-9][0-9]{0,2}", fullmatch=True)
words = st.lists(st.from_regex(r"[A-Z][a-z]{1,8}", fullmatch=True), min_size=1, max_size=3)
sport_cards = st.builds(
    lambda year, maker, number, player: f"{year}|{' '.join(maker)}|{number}|{' '.join(player)}",
    st.just("") | st.integers(1900, 2026),
    words,
    st.integers(1, 999),
    words,
)
noise = st.sampled_from(["", " ", "\t", "  "])


@given(st.data(), noise, noise)
def test_no_code_is_of_two_categories(data: st.DataObject, before: str, after: str) -> None:
    for own, strategy in (("minifigure", figures), ("card", game_cards), ("card", sport_cards)):
        code = data.draw(strategy)
        for dressed in (code, before + code.upper() + after):
            found = {c.name: key for c in CATEGORIES.values() if (key := c.natural_key(dressed))}
            assert list(found) == [own], dressed


@given(figures, noise)
def test_a_figures_number_is_read_in_any_case(number: str, space: str) -> None:
    assert minifigure.natural_key(number) == number
    assert minifigure.natural_key(f'{space}"{number.upper()}"{space}') == number


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("SW0001", "sw0001"), ("sw 0001", "sw0001"), ("#sw0001a", "sw0001a"),
        ("Bat011c01", "bat011c01"), ("4555pb118", "4555pb118"), ("FIG-000123", "fig-000123"),
        ("fig000123", "fig-000123"), ("fig_000123", "fig-000123"), ("fig-123", None),
        ("56486", None), ("sw1", None), ("sw00012", None), ("0001", None), ("", None),
        ("sw0001 and sw0002 and more", None), ("s\u0175 0001", None), ("75192-1", None),
    ],
)  # fmt: skip
def test_figures(code: str, key: str | None) -> None:
    assert minifigure.natural_key(code) == key


def test_rebrickables_numbers_are_told_from_bricklinks() -> None:
    assert minifigure.is_rebrickable("fig-000123")
    assert not minifigure.is_rebrickable("sw0001")


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("base1-4", "base1-4"), (" XY7-57", "xy7-57"), ("swsh12pt5gg-GG70", "swsh12pt5gg-gg70"),
        ("cel25c-4_A", "cel25c-4_a"), ("ex10-!", "ex10-!"), ("smp-SM210", "smp-sm210"),
        ("ecard3-50a", "ecard3-50a"),
        ("1986|Fleer|57|Michael Jordan", "1986|fleer|57|michael jordan"),
        ("1989 | Upper  Deck | 1 | Ken Griffey Jr ", "1989|upper deck|1|ken griffey jr"),
        ("2021|Panini Prizm|348|Ja'Marr Chase", "2021|panini prizm|348|jamarr chase"),
        ("2018|topps|698|Ronald Acu\u00f1a|Gold|50", "2018|topps|698|ronald acuna|gold|50"),
        ("1909|t206||Honus Wagner", "1909|t206||honus wagner"), ("|topps|5|", "|topps|5|"),
        ("2024|topps|5||refractor", "2024|topps|5||refractor"),
        ("2024|topps|5|||99", "2024|topps|5|||99"),
        ("2024|topps||", None), ("|||", None), ("2024|topps|5", None), ("a|b|c|d|e|f|g", None),
        ("1986-87 Fleer Michael Jordan #57", None),
        ("lot-12", None), ("page 3", None), ("2019", None), ("2019 Topps", None),
        ("1234-5679", None), ("978-0-439-02348-1", None),
        ("9780439023481", None), ("75192-1", None), ("", None),
        ("1986|" + "x" * 200 + "|1|a", None),
    ],
)  # fmt: skip
def test_cards(code: str, key: str | None) -> None:
    assert card.natural_key(code) == key


@given(sport_cards)
def test_a_cards_identifier_does_not_depend_on_its_dress(text: str) -> None:
    key = card.natural_key(text)
    assert key == text.lower()
    assert card.natural_key(text.upper().replace(" ", "  ").replace("|", " | ")) == key
    assert not card.is_game_card(key)


def test_books() -> None:
    assert book.natural_key("0-439-02348-3") == "9780439023481"
    assert book.natural_key("sw0001") is None


def _column(path: Path, name: str) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        yield from (row[name] for row in csv.DictReader(file))


def test_real_numbers_of_the_reference_data_are_read(reference_data: Path) -> None:
    lego = reference_data / "datasets" / "lego"
    bricklink = set(_column(lego / "bricklink_minifig_price_cache.csv", "minifigure_no"))
    unread = {number for number in bricklink if minifigure.natural_key(number) != number.lower()}
    assert len(bricklink) > 500
    assert all(number.isdigit() for number in unread)  # a bare number is too much like any other
    assert len(unread) < 5
    figures = set(_column(lego / "rebrickable_minifigs.csv", "fig_num"))
    assert {number for number in figures if minifigure.natural_key(number) != number} == set()
    assert not any(card.natural_key(n) or book.natural_key(n) for n in bricklink | figures)
