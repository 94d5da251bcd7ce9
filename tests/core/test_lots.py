import pytest

from pricing_assets.core.lots import lot_size
from pricing_assets.core.title_words import plain, plain_words


def size_of(title: str, name: str = "") -> int | None:
    text = plain(title)
    return lot_size(text, plain_words(text), plain_words(plain(name)))


@pytest.mark.parametrize(
    ("title", "size"),
    [
        ("Lot of 5 Dune paperbacks", 5),
        ("Dune paperback LOT OF FIVE", 5),
        ("Dune lot (3)", 3),
        ("5 card lot Ken Griffey Jr.", 5),
        ("2024 Topps Judge 25 baseball cards lot", 25),
        ("LEGO stormtrooper set of 3", 3),
        ("Bundle of two LEGO minifigures", 2),
        ("5x LEGO sw0001", 5),
        ("5 x LEGO sw0001", 5),
        ("LEGO sw0001 x4", 4),
        ("LEGO sw0001 (x4)", 4),
        ("(6) 1983 Topps Tony Gwynn", 6),
        ("Dune paperback", 1),
        ("LEGO set 75192", 1),
        ("1983 Topps set break #482", 1),
        ("2024 Topps Chrome 3X MVP Ohtani", 1),
        ("5 X-Fractor", 1),
        ("Ansel Adams hardcover 9 x 12", 1),
        ("2020 Topps Chrome #1 Mike Trout 8 x 10", 1),
        ("2020 Topps Chrome Mike Trout #25 x3", 3),
        ("2 x 4 Bricks", 1),
        ("Lot #5 1983 Topps Tony Gwynn", 1),
        ("Ohtani rookie lot", None),
        ("1983 Topps #482 lot", None),
        ("Charlotte's Web: a slot machine", 1),
        ("", 1),
    ],
)
def test_how_many_pieces_a_title_sells(title: str, size: int | None) -> None:
    assert size_of(title) == size


@pytest.mark.parametrize(
    ("title", "name", "size"),
    [
        ("Triage X 04", "Triage X 04", 1),
        ("Triage X 4", "Triage X 04", 1),
        ("Triage X 04 lot of 3", "Triage X 04", 3),
        ("(300) Frank Miller", "300", 1),
        ("Harry Potter Boxed Set of 7", "Harry Potter Boxed Set", 1),
        ("Salem's Lot 2 books", "Salem's Lot", 1),
        ("Lot of 2 Dune", "Salem's Lot", 1),
    ],
)
def test_a_names_own_words_are_no_sign_of_a_lot(title: str, name: str, size: int) -> None:
    assert size_of(title, name) == size
