import pytest

from pricing_assets.core.title_words import Phrases, plain, plain_words


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("  Pokémon\tCard ", "pokemon card"),
        ("O\N{RIGHT SINGLE QUOTATION MARK}Neal", "oneal"),
        ("J.J. Redick", "jj. redick"),
        ("ISTANBUL istanbul İstanbul ıstanbul", "istanbul istanbul istanbul istanbul"),  # noqa: RUF001
        ("9.5", "9.5"),
    ],
)
def test_titles_become_plain(title: str, expected: str) -> None:
    assert plain(title) == expected


def test_the_longest_phrase_counts_and_phrases_do_not_overlap() -> None:
    phrases = Phrases({"signed": "signed", "not signed": "unsigned", "rp": "reprint"})
    words = plain_words("signed, not signed; Harper rp sharp")
    assert phrases.within(words) == [(0, "signed"), (1, "unsigned"), (4, "reprint")]
    assert phrases.at(words, 3) is None
