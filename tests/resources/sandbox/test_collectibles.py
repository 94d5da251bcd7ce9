import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from pricing_assets.core.categories import card as card_codes
from pricing_assets.core.categories import minifigure as minifigure_codes
from resources.sandbox.collectibles import (
    BUNDLED_CARDS,
    BUNDLED_MINIFIGURES,
    MAX_GENERATED,
    bundled_cards,
    bundled_minifigures,
)

REAL_CARDS = [c for c in bundled_cards() if "imulated" not in c.name]
REAL_FIGURES = [f for f in bundled_minifigures() if "imulated" not in f.name]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_catalogue_has_real_items_first_and_always_the_same() -> None:
    assert len(REAL_CARDS) == len(rows(BUNDLED_CARDS)) >= 60
    assert len(REAL_FIGURES) == len(rows(BUNDLED_MINIFIGURES)) >= 60
    assert bundled_cards(1_500)[:1_000] == bundled_cards(1_000)
    assert bundled_minifigures(1_500)[:1_000] == bundled_minifigures(1_000)
    assert bundled_cards(10) == REAL_CARDS[:10]
    assert bundled_minifigures(10) == REAL_FIGURES[:10]


@pytest.mark.parametrize("size", [0, -1, 20_000])
def test_an_impossible_size_is_refused(size: int) -> None:
    for bundled in (bundled_cards, bundled_minifigures):
        with pytest.raises(ValueError, match=f"not {size}"):
            bundled(size)


def test_every_number_is_a_natural_key_and_unique() -> None:
    cards = bundled_cards(len(REAL_CARDS) + MAX_GENERATED)
    figures = bundled_minifigures(len(REAL_FIGURES) + MAX_GENERATED)
    assert len({c.identifier for c in cards}) == len(cards)
    assert len({f.number for f in figures}) == len(figures)
    for card in cards:
        assert card_codes.natural_key(card.identifier) == card.identifier
    for figure in figures:
        assert minifigure_codes.natural_key(figure.number) == figure.number


def test_what_is_generated_says_so() -> None:
    for card in bundled_cards()[len(REAL_CARDS) :]:
        assert card.name.startswith("Simulated Card")
        assert "(simulated)" in card.set_name
        assert card.identifier.startswith("sbx")
    for figure in bundled_minifigures()[len(REAL_FIGURES) :]:
        assert figure.name.startswith("Simulated Minifigure")
        assert "(simulated)" in figure.theme
        assert figure.number.startswith(("sbx", "fig-9"))


def test_identifiers_of_sports_cards_follow_from_their_facts() -> None:
    sports = [c for c in REAL_CARDS if not card_codes.is_game_card(c.identifier)]
    assert len(sports) >= 20
    for card in sports:
        facts = (card.released, card.set_name.replace("-", " "), card.number, card.name)
        assert card_codes.natural_key("|".join(facts).replace(".", "")) == card.identifier


def _dataset(reference_data: Path, name: str, key: str) -> dict[str, dict[str, Any]]:
    return {row[key]: row for row in rows(reference_data / "datasets" / f"{name}.csv")}


def test_cards_are_as_the_reference_data_has_them(reference_data: Path) -> None:
    real = {
        identifier.lower(): row
        for identifier, row in _dataset(
            reference_data, "cards/pokemon_cards_tcgplayer", "id"
        ).items()
    }
    game = [c for c in REAL_CARDS if card_codes.is_game_card(c.identifier)]
    checked = [c for c in game if c.identifier in real]
    assert len(checked) == len(game) >= 40
    for card in checked:
        row = real[card.identifier]
        assert (card.name, card.set_name, card.rarity) == (
            row["name"],
            row["collection"],
            row["rarity"],
        )
        assert card.released.replace("-", "/") == row["release_date"]
        assert row["id"].partition("-")[2].startswith(card.number)


def test_minifigures_are_as_the_reference_data_has_them(reference_data: Path) -> None:
    figures = _dataset(reference_data, "lego/rebrickable_minifigs", "fig_num")
    sets = _dataset(reference_data, "lego/rebrickable_sets", "set_num")
    inventories = _dataset(reference_data, "lego/rebrickable_inventories", "id")
    years: dict[str, set[int]] = defaultdict(set)
    for row in rows(reference_data / "datasets" / "lego" / "rebrickable_inventory_minifigs.csv"):
        inventory = inventories.get(row["inventory_id"])
        if inventory and inventory["set_num"] in sets:
            years[row["fig_num"]].add(int(sets[inventory["set_num"]]["year"]))
    ours = [f for f in REAL_FIGURES if f.number.startswith("fig-")]
    assert len(ours) >= 40
    for figure in ours:
        row = figures[figure.number]
        assert figure.name.split()[-1].lower() in row["name"].lower()
        assert figure.part_count == int(row["num_parts"])
        assert figure.year == min(years[figure.number])
    numbers = {
        row["minifigure_no"]
        for row in rows(reference_data / "datasets" / "lego" / "bricklink_minifig_price_cache.csv")
    }
    assert {f.number for f in REAL_FIGURES if not f.number.startswith("fig-")} <= numbers
