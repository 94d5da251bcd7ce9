import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.categories.card import base_key, natural_key, search_words
from pricing_assets.core.title_words import plain, plain_words

words = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)
several = st.lists(words, max_size=3).map(" ".join)
numbers = st.from_regex(r"[a-z]{0,3}[1-9][0-9]{0,3}", fullmatch=True)
runs = st.integers(1, 999_999).map(str)
said_of_a_card = st.text(max_size=20)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("2023|bowman chrome|bcp50|ethan salas|refractor|499",
         "2023 bowman chrome bcp50 ethan salas refractor /499"),
        ("1986|fleer|57|michael jordan", "1986 fleer 57 michael jordan"),
        ("2018|panini prizm|280|luka doncic||25", "2018 panini prizm 280 luka doncic /25"),
        ("1909|t206||honus wagner", "1909 t206 honus wagner"),
        ("|skyridge|145|", "skyridge 145"),
    ],
)  # fmt: skip
def test_what_stands_between_the_bars_is_searched_for(key: str, expected: str) -> None:
    assert natural_key(key) == key
    assert search_words(key, {}) == expected
    # A source may call it otherwise; the key is what listings are held against.
    assert search_words(key, {"name": "Another", "set_name": "Set", "number": "1"}) == expected


@given(
    st.integers(1860, 2049).map(str),
    several,
    numbers,
    several,
    st.lists(words, max_size=2).map(" ".join),
    runs | st.none(),
)
def test_all_that_a_key_says_is_searched_for_in_its_order(
    year: str, set_name: str, number: str, player: str, parallel: str, run: str | None
) -> None:
    extra = f"|{parallel}|{run}" if run else f"|{parallel}" if parallel else ""
    key = f"{year}|{set_name}|{number}|{player}{extra}"
    found = search_words(key, {})
    assert found.replace("/", "").split() == re.split(r"[| ]+", key.strip("|"))
    assert found.count("/") == bool(run)


@pytest.mark.parametrize(
    ("name", "set_name", "number", "expected"),
    [
        ("Blastoise", "Base", "2", "blastoise base set 2"),
        ("Charizard", "Base Set 2", "4", "charizard base set 2 4"),
        ("Umbreon", "HS—Undaunted", "86", "umbreon hs undaunted 86"),
        ("Farfetch'd", "FireRed & LeafGreen", "23", "farfetchd firered leafgreen 23"),
        ("Flabébé", "Call of Legends", "SL10", "flabebe call of legends sl10"),
    ],
)
def test_a_games_card_is_searched_by_name_set_and_number(
    name: str, set_name: str, number: str, expected: str
) -> None:
    fields = {"name": name, "set_name": set_name, "number": number, "year": 1999, "rarity": None}
    assert search_words("base1-2", fields) == expected


@given(said_of_a_card, said_of_a_card, said_of_a_card)
def test_a_games_card_of_which_too_little_is_known_is_not_searched_for(
    name: str, set_name: str, number: str
) -> None:
    fields = {"name": name, "set_name": set_name, "number": number}
    found = search_words("base1-2", fields)
    assert bool(found) is all(plain_words(plain(part)) for part in fields.values())
    # A search takes these for its own signs: not, or, exactly, anything.
    assert not set(found) & set('-+(),"*@|')
    for missing in fields:
        assert search_words("base1-2", fields | {missing: None}) == ""
    assert search_words("base1-2", {}) == ""


@pytest.mark.parametrize(
    ("key", "base"),
    [
        (
            "2023|bowman chrome|bcp50|ethan salas|refractor|499",
            "2023|bowman chrome|bcp50|ethan salas",
        ),
        ("2023|bowman chrome|bcp50|ethan salas||499", "2023|bowman chrome|bcp50|ethan salas"),
        ("2023|topps|5||gold", "2023|topps|5|"),
        ("2023|bowman chrome|bcp50|ethan salas", None),
        ("base1-4", None),
    ],
)
def test_a_parallel_has_a_base_card(key: str, base: str | None) -> None:
    assert natural_key(key) == key
    assert base_key(key) == base
