import csv
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pricing_assets.core import card_words
from pricing_assets.core.card_titles import (
    CardTitle,
    card_identifier,
    in_vocabulary,
    plain_number,
    read_card_title,
)

WORDS = st.sampled_from(
    [
        *("2023", "2023-24", "1999/00", "2018-2019", "Topps", "Chrome", "UPPER", "Deck", "Prizm"),
        *("Panini", "Silver", "Refractor", "X-Fractor", "Bowman", "Draft", "#BCP-50", "# 12"),
        *("4/102", "12/99", "/499", "#/25", "#'d", "No. 4", "no", "7", "PSA", "PSA10", "10", "9.5"),
        *("BGS", "GEM", "MT", "Ace", "Bailey", "Tag", "Ohtani", "Ken", "Griffey", "Jr.", "J.J."),
        *("RC", "Auto", "Pokémon", "ex", "Charizard", "Base", "Set", "|", "1st", "Edition", "POP"),
        *("O'Neal", "Smith-Njigba", "lot", "of", "Young", "Guns", "red", "white", "201/198", "-"),
        *("İ", "ı", "ß", "ﬁ", "Å", "²", "1/1", "0", "##", "#psa-10", "psa-", "ace10"),  # noqa: RUF001
    ]
)
TITLES = st.text(max_size=60) | st.lists(WORDS, max_size=14).map(" ".join)


@pytest.mark.parametrize(
    ("title", "expected", "identifier"),
    [
        (
            "2023 Bowman Chrome #BCP-50 Ethan Salas Refractor /499 PSA 10",
            CardTitle(
                year="2023",
                set_name="bowman chrome",
                number="bcp-50",
                player="ethan salas",
                parallel="refractor",
                print_run=499,
                grader="psa",
                grade="10",
            ),
            "2023|bowman chrome|bcp50|ethan salas|refractor|499",
        ),
        (
            "1999 Pokemon Base Set Charizard 4/102 Holo CGC 9.5",
            CardTitle(
                year="1999",
                set_name="base set",
                number="4/102",
                player="charizard",
                grader="cgc",
                grade="9.5",
            ),
            "1999|base set|4|charizard",
        ),
        (
            "2023-24 Prizm LaMelo Ball Gold Prizm 7/10 RC Auto BGS GEM MT 9.5",
            CardTitle(
                year="2023-24",
                set_name="panini prizm",
                player="lamelo ball",
                parallel="gold",
                print_run=10,
                grader="bgs",
                grade="9.5",
                autograph=True,
                rookie=True,
            ),
            "2023|panini prizm||lamelo ball|gold|10",
        ),
        (
            "Nolan Ryan No. 4 1970 Topps Baseball Card SGC 7 OC",
            CardTitle(
                year="1970",
                set_name="topps",
                number="4",
                player="nolan ryan",
                grader="sgc",
                grade="7",
                qualifier="oc",
            ),
            "1970|topps|4|nolan ryan",
        ),
        (
            "2025-26 Topps Chrome Ace Bailey Rookie PSA10",
            CardTitle(
                year="2025-26",
                set_name="topps chrome",
                player="ace bailey",
                grader="psa",
                grade="10",
                rookie=True,
            ),
            "2025|topps chrome||ace bailey",
        ),
    ],
)
def test_a_title_is_taken_apart(title: str, expected: CardTitle, identifier: str) -> None:
    assert read_card_title(title) == expected
    assert card_identifier(title) == identifier


@pytest.mark.parametrize(
    "titles",
    [
        [
            "2018 Prizm Luka Doncic #280 Rookie RC PSA 9",
            "Luka Dončić 2018-19 Panini Prizm # 280 BGS 9.5",
            "PANINI PRIZM 2018-2019 LUKA DONCIC 280 ROOKIE MAVERICKS",
        ],
        [
            "2024 Topps Chrome #CAE-1 All-Etch Aaron Judge",
            "Aaron Judge All Etch 2024 Topps Chrome CAE-1 PSA 10 GEM MINT 🔥",
            "2024 TOPPS CHROME ALL ETCH #CAE1 AARON JUDGE YANKEES",
        ],
        [
            "2024 Topps Chrome Ken Griffey Jr. #12 Gold Refractor 07/50",
            "2024 Topps Chrome Gold Ken Griffey Jr #12 /50",
            "Ken Griffey Jr. 2024 Topps Chrome #12 Gold Refractors #'d /50 SSP",
        ],
        [
            "2020 Bowman Chrome J.J. Wetherholt #BCP-7 X-Fractor",
            "2020 Topps Bowman Chrome JJ Wetherholt XFractor #BCP-7",
        ],
        [
            "SHOHEI OHTANI-2024 Topps Chrome All-Etch #CAE1 Dodgers PSA 10",
            "2024 Topps Chrome All-Etch Shohei Ohtani #CAE-1",
        ],
    ],
)
def test_sellers_ways_of_writing_a_card_are_one_identifier(titles: list[str]) -> None:
    assert len({card_identifier(title) for title in titles}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2024 Topps Chrome #1 Ohtani", "2024 Topps Chrome Update #1 Ohtani"),
        ("2024 Topps Chrome #1 Ohtani", "2024 Topps Chrome #1 Ohtani Refractor"),
        ("2024 Topps Chrome #1 Ohtani Gold /50", "2024 Topps Chrome #1 Ohtani Gold /25"),
        ("2015 Upper Deck Young Guns McDavid", "2015 Upper Deck Young Guns Canvas McDavid"),
        ("1999 Base Set Charizard 4/102", "1999 Base Set 1st Edition Charizard 4/102"),
    ],
)
def test_what_sells_apart_has_an_identifier_each(one: str, other: str) -> None:
    assert card_identifier(one) != card_identifier(other)


@pytest.mark.parametrize(
    ("title", "number", "print_run"),
    [
        ("Topps Chrome #12 Judge 12/99", "12", 99),
        ("Topps Chrome Judge 12/99", "", 99),
        ("Topps Chrome Judge #04/99", "", 99),
        ("Topps Chrome Judge #/99 #US-7", "us-7", 99),
        ("Pikachu 58/102 Pokemon", "58/102", None),
        ("Charizard ex 199/165 151", "199/165", None),
        ("Pokemon Giratina GG69/GG70", "gg69/gg70", None),
        ("2018/19 Panini Prizm #280 Doncic", "280", None),
        ("Auction #3 1983 Topps #482 Tony Gwynn", "482", None),
        ("1983 Topps Tony Gwynn Beckett #14131992", "", None),
        ("1983 Topps Tony Gwynn PSA 8 POP 12", "", None),
        ("Topps Superfractor Judge 1/1", "", 1),
        ("2024 Topps Ohtani US-1", "us-1", None),
        ("2024 Topps Ohtani T91-2000", "t91-2000", None),
        ("Topps Judge-1999", "", None),
    ],
)
def test_card_numbers_and_print_runs_are_told_apart(
    title: str, number: str, print_run: int | None
) -> None:
    read = read_card_title(title)
    assert (read.number, read.print_run) == (number, print_run)


@pytest.mark.parametrize(
    ("title", "grader", "grade"),
    [
        ("Judge PSA 10", "psa", "10"),
        ("Judge PSA-10", "psa", "10"),
        ("Judge psa10", "psa", "10"),
        ("Judge PSA GEM MT 10", "psa", "10"),
        ("Judge PSA NM-MT 8", "psa", "8"),
        ("Judge PSA GEM MINT", "psa", "10"),
        ("Judge BGS 9.5", "bgs", "9.5"),
        ("Judge SGC 10.0", "sgc", "10"),
        ("Judge Beckett 9", "bgs", "9"),
        ("Judge TAG 10", "tag", "10"),
        ("Judge PSA Authentic", "psa", "authentic"),
        ("Judge PSA 9 AUTO DNA 10", "psa", "9"),
        ("Judge PSA 10 READY", "", ""),
        ("Judge potential PSA 10", "", ""),
        ("Judge PSA", "", ""),
        ("Judge Gem Mint 10", "", ""),
        ("Ace Bailey 10", "", ""),
        ("Judge PSA 11", "", ""),
    ],
)
def test_a_grade_needs_a_grader_and_no_hope(title: str, grader: str, grade: str) -> None:
    read = read_card_title(title)
    assert (read.grader, read.grade) == (grader, grade)


def test_a_word_is_never_read_inside_another() -> None:
    read = read_card_title("2012 Topps Bryce Harper #12 Redmond Autopilot Goldschmidt")
    assert (read.parallel, read.autograph, read.rookie) == ("", False, False)


def test_nothing_is_named_without_a_number_or_a_name() -> None:
    assert card_identifier("") == card_identifier("2024 Topps Chrome PSA 10") == ""


@given(TITLES)
@example("|x|1|")
@example("2020|topps||")
@example("2023|bowman chrome|bcp50|ethan salas|refractor|499")
@example("2020 | topps | 0 | judge")
@example("#tag-1-2 judge")
def test_an_identifier_is_read_as_itself(title: str) -> None:
    identifier = card_identifier(title)
    assert card_identifier(identifier) == identifier
    assert identifier == "" or re.fullmatch(
        r"([0-9]{4})?\|[a-z0-9 ]*\|[a-z0-9]*\|[a-z ]*(\|[a-z ]*(\|[0-9]+)?)?", identifier
    )


@given(TITLES, st.sampled_from([str.lower, str.upper, str.swapcase]))
def test_case_does_not_matter(title: str, change: object) -> None:
    assert callable(change)
    assert read_card_title(change(title)) == read_card_title(title)


@given(TITLES, st.sampled_from(["  ", "\t", "\n ", "\u00a0"]))
def test_spacing_does_not_matter(title: str, space: str) -> None:
    spaced = space + space.join(re.split(r"\s", title)) + space
    assert read_card_title(spaced) == read_card_title(title)


@given(st.text(alphabet="aA1#/-| .'", max_size=2000))
def test_long_and_odd_titles_are_read(title: str) -> None:
    assert read_card_title(title * 20).identifier == read_card_title(title * 20).identifier


def test_a_number_is_compared_without_its_total_and_hyphens() -> None:
    assert plain_number("CAE-1") == plain_number("cae1")
    assert plain_number("004/102") == plain_number("4")
    assert plain_number("") == ""
    assert plain_number("0") == "0"


@pytest.mark.parametrize(
    ("text", "known"),
    [
        *(("", True), ("Topps Series 2", True), ("GOLD Refractor", True), ("1st Edition", True)),
        *(("Goudey", False), ("Topps & Co", False), ("Topps T206", False), ("2023 Topps", False)),
    ],
)
def test_a_text_is_in_the_vocabulary_when_all_its_words_are(text: str, known: bool) -> None:
    assert in_vocabulary(text) is known


def test_every_word_has_one_meaning() -> None:
    products = [phrase for line in card_words.PRODUCTS.values() for phrase in line]
    lists = {
        "makers": [*card_words.MAKERS],
        "products": products,
        "inserts": [*card_words.INSERTS],
        "games": [*card_words.TCG_SETS, *card_words.TCG_SIGNS],
        "parallels": [*card_words.PARALLELS],
        "teams": [*card_words.TEAMS],
        "names": [*card_words.NAMES],
        "autograph": [*card_words.AUTOGRAPH_WORDS],
        "noise": [*card_words.NOISE],
    }
    seen: dict[str, str] = {}
    for name, phrases in lists.items():
        for phrase in phrases:
            assert phrase == phrase.lower()
            assert re.fullmatch(r"[a-z0-9]+( [a-z0-9]+)*", phrase)
            assert seen.setdefault(phrase, name) == name, f"{phrase} is in {seen[phrase]}, {name}"


def titles_of(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["title"] for row in csv.DictReader(file)]


def test_real_sold_titles_of_one_card_have_its_identifier(reference_data: Path) -> None:
    titles = titles_of(reference_data / "datasets/cards/ebay_sold_cards_searchapi.csv")
    graded = titles[876:994]  # one page of the card in one grade
    read = [read_card_title(title) for title in graded]
    assert {card.identifier for card in read} == {"1983|topps|482|tony gwynn"}
    assert {(card.grader, card.grade) for card in read} == {("psa", "8")}


def test_real_titles_are_read(reference_data: Path) -> None:
    cards = reference_data / "datasets" / "cards"
    active = titles_of(cards / "ebay_active_graded_cards_daily.csv")
    sold = titles_of(cards / "ebay_sold_cards_searchapi.csv")
    with (cards / "card_comps_130point.csv").open(encoding="utf-8", newline="") as file:
        comps = [
            (row["card_name"], row["player_name"], row["grade"]) for row in csv.DictReader(file)
        ]
    for title in (*active, *sold, *(name for name, _, _ in comps)):
        identifier = card_identifier(title)
        assert card_identifier(identifier) == identifier
    graded = [read_card_title(title) for title in active]
    assert all(card.grader and card.grade for card in graded)
    for name, player, grade in comps:
        read = read_card_title(name)
        assert f"{read.grader} {read.grade}".upper() == grade
        assert read.year
        assert read.set_name
        named = read_card_title(player)
        assert read.player == named.player, name
