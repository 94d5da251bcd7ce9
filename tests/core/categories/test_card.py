import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.card_titles import read_card_title
from pricing_assets.core.categories.card import (
    base_key,
    key_of_parts,
    key_of_title,
    natural_key,
    search_words,
)
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


@pytest.mark.parametrize(
    ("parts", "title", "key"),
    [
        ("1989|Upper Deck|1|Ken Griffey Jr.||", "1989 Upper Deck Ken Griffey Jr. #1",
         "1989|upper deck|1|ken griffey jr"),
        ("1989|Upper Deck|1|||", "1989 Upper Deck #1", "1989|upper deck|1|"),
        ("2023|Topps|9|Bobby Witt, Jr.||007", "2023 Topps Bobby Witt Jr. #9 /7",
         "2023|topps|9|bobby witt jr||7"),
        ("2023|Topps|11|Ohtani-Judge||", "2023 Topps Ohtani-Judge #11",
         "2023|topps|11|ohtani judge"),
        ("2023|Topps|007|J.T. Realmuto||", "2023 Topps J.T. Realmuto #007",
         "2023|topps|7|jt realmuto"),
        ("2023|Hoops|#CAE-1|Luka Dončić||", "2023-24 Panini Hoops Luka Doncic CAE-1",
         "2023|panini hoops|cae1|luka doncic"),
        ("2023|Topps Series 2|400|Elly De La Cruz||", "2023 Topps Series 2 Elly De La Cruz #400",
         "2023|topps|400|elly de"),
        ("2023|Chrome|12/99|Ohtani|Gold Refractor|50", "2023 Topps Chrome Ohtani #12 Gold /50",
         "2023|topps chrome|12|ohtani|gold|50"),
        ("1999|Base Set|4/102|Charizard|1st Edition|", "1999 Base Set Charizard 4/102 1st Ed",
         "1999|base set|4|charizard|edition first"),
        ("|Topps||Shohei Ohtani||", "Topps Shohei Ohtani", "|topps||shohei ohtani"),
    ],
)  # fmt: skip
def test_the_parts_of_a_card_make_the_key_that_its_title_has(
    parts: str, title: str, key: str
) -> None:
    assert key_of_parts(parts) == key_of_title(title) == key
    assert natural_key(key) == key


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        # A title's reader has not heard of these sets and parallels, or would not take the
        # number for one; what the catalogue says is kept.
        ("1933|Goudey|53|Babe Ruth||", "1933|goudey|53|babe ruth"),
        ("1909|T206||Honus Wagner||", "1909|t206||honus wagner"),
        ("2023|Topps & Co|10|Ohtani||", "2023|topps co|10|ohtani"),
        ("2023|Topps|17|Shohei Ohtani|Independence Day|076",
         "2023|topps|17|shohei ohtani|independence day|76"),
        ("2023|Topps|10123|Ohtani||", "2023|topps|10123|ohtani"),
        ("2023|Topps||Los Angeles Dodgers||", "2023|topps||los angeles dodgers"),
        ("2023|Topps|5|大谷翔平||", "2023|topps|5|"),
        ("2023|Topps||大谷翔平||", None),
        ("2023|Topps||||", None),
        ("2023|Topps|5|Ohtani", None),
        ("2023|Topps|5|Ohtani|a|b|c", None),
        ("2023|" + "Topps " * 30 + "& Co|5|Ohtani||", None),
    ],
)  # fmt: skip
def test_what_a_title_would_not_give_back_is_the_parts_plain_words(
    parts: str, key: str | None
) -> None:
    assert key_of_parts(parts) == key


@given(st.lists(said_of_a_card, min_size=6, max_size=6).map("|".join))
def test_any_parts_make_a_key_or_none(parts: str) -> None:
    key = key_of_parts(parts)
    assert key is None or natural_key(key) == key


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


def test_the_parts_of_real_titles_make_their_keys(reference_data: Path) -> None:
    path = reference_data / "datasets" / "cards" / "ebay_sold_cards_searchapi.csv"
    with path.open(encoding="utf-8", newline="") as file:
        titles = {row["title"] for row in csv.DictReader(file)}
    compared = 0
    for title in titles:
        read = read_card_title(title)
        # Several words are sorted, and in another order they may be another phrase.
        if len(read.parallel.split()) < 2:
            run = read.print_run or ""
            parts = (read.year[:4], read.set_name, read.number, read.player, read.parallel, run)
            assert key_of_parts("|".join(map(str, parts))) == key_of_title(title), title
            compared += 1
    assert compared > 400
