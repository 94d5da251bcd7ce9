"""Whether a listing is the item that was asked for, how surely, and as which variant.

A search answers with what its words are near to: other editions, other parallels, lots,
empty boxes. Here every title is judged against one wanted item. The result says how far it
is to be trusted, which variant of the item it is (a grade, a signature, a first edition
each have a price of their own), how many pieces are sold together, and why. The formula and
its weights are in `core.judging`.

Only whole words are compared, never parts of them: a filter for "rp" keeps Harper. The
words of the wanted item never exclude: a book that is called Digital Fortress is no
download. A price for one piece is the caller's: `core.lots.price_of_piece`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from pricing_assets.core import listing_words as known
from pricing_assets.core.book_listings import BookListings
from pricing_assets.core.card_listings import CardListings
from pricing_assets.core.card_titles import CardTitle
from pricing_assets.core.judging import WEIGHTS, Judgement, Wanted
from pricing_assets.core.lots import lot_size
from pricing_assets.core.minifigure_listings import MinifigureListings
from pricing_assets.core.title_words import Phrases, plain, plain_words

CATEGORIES: Mapping[str, type[BookListings | CardListings | MinifigureListings]] = {
    "book": BookListings,
    "card": CardListings,
    "minifigure": MinifigureListings,
}
PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Variant:
    """What makes copies of one item differ in price.

    Attributes:
        signed: Signed by author or player.
        first_edition: A first edition or first printing.
        grader: Who graded a card: ``psa``; empty for a raw one.
        grade: ``10``, ``9.5``, ``authentic``.
        qualifier: A fault that the grader noted: ``oc``.
        condition: ``sealed``, ``new``, ``used``, ``ex library`` or ``damaged``; empty
            where nothing is said.
        incomplete: Something that belongs to it is missing: accessories, a dust jacket.
    """

    signed: bool = False
    first_edition: bool = False
    grader: str = ""
    grade: str = ""
    qualifier: str = ""
    condition: str = ""
    incomplete: bool = False

    @property
    def own_price(self) -> str | None:
        """What has a price of its own, ``signed+psa 10``; None for a plain copy.

        The condition is not in it: most sellers state one, so that hardly a copy would be
        plain. It is kept beside.
        """
        key = replace(self, condition="").key
        return None if key == PLAIN else key

    @property
    def key(self) -> str:
        """A stable text for storing and grouping, ``signed+psa 10``; ``plain`` for none."""
        parts = (
            "signed" if self.signed else "",
            "first edition" if self.first_edition else "",
            " ".join(filter(None, (self.grader, self.grade, self.qualifier))),
            self.condition,
            "incomplete" if self.incomplete else "",
        )
        return "+".join(filter(None, parts)) or PLAIN


@dataclass(frozen=True, slots=True)
class Match:
    """What was found about one listing.

    Attributes:
        confidence: From 0 to 1 that the listing is the wanted item.
        variant: Which variant of it.
        lot_size: How many pieces are sold together; 1 unless the title says more.
        reasons: Sentences for people, in the order in which they were found: what speaks
            for it and what takes away from it.
    """

    confidence: float
    variant: Variant
    lot_size: int
    reasons: tuple[str, ...]

    @property
    def belongs(self) -> bool:
        """Whether the listing counts as the item."""
        return self.confidence >= WEIGHTS.threshold


class Matcher:
    """Judges listings against one wanted item; made once, used for every title."""

    def __init__(self, wanted: Wanted) -> None:
        """Prepare the words of the item.

        Raises:
            ValueError: The category or the binding is none that is known.
        """
        if wanted.category not in CATEGORIES:
            raise ValueError(
                f"no category is named {wanted.category!r}; there are {', '.join(CATEGORIES)}"
            )
        self.wanted = wanted
        self._listings = CATEGORIES[wanted.category](wanted)
        own = plain_words(plain(f"{wanted.title} {wanted.author}"))
        self._own = frozenset(own)
        self._excluding = _phrases(*_without_own(_excluding(wanted), own))
        self._variants = _phrases(*_without_own(tuple(_VARIANTS.items()), own))

    def match(self, title: str, *, condition: str = "", asked_by_identifier: bool = False) -> Match:
        """Judge one listing. Never raises, whatever the title.

        Args:
            title: As the seller wrote it.
            condition: The marketplace's own field for it, such as ``Pre-Owned``.
            asked_by_identifier: The source was asked for the item by its exact identifier
                (an ISBN or a catalogue number), not by words.
        """
        text = plain(title)
        words = plain_words(text)
        judged = self._listings.judge(text, words, asked_by_identifier=asked_by_identifier)
        for place, phrase in self._excluding.within(words):
            # 'not a reprint', 'no reprint'
            if known.NEGATIONS.isdisjoint(words[max(0, place - 2) : place]):
                judged.times(WEIGHTS.excluding_word, f"it says “{phrase}”")
        lot_size = self._lot(text, words, judged)
        variant = self._variant(judged.card, words, condition)
        if self.wanted.signed and not variant.signed and judged.card is None:
            judged.times(WEIGHTS.no_signature, "it is not signed")
        if self.wanted.first_edition and not variant.first_edition:
            judged.times(WEIGHTS.no_first_edition, "it is not called a first edition")
        return Match(round(judged.confidence, 4), variant, lot_size, tuple(judged.reasons))

    def _lot(self, text: str, words: list[str], judged: Judgement) -> int:
        size = lot_size(text, words, self._own)
        if size is None:
            judged.times(WEIGHTS.lot_of_unknown_size, "it is a lot of unknown size")
            return 1
        if size > 1:
            judged.times(WEIGHTS.lot, f"it is a lot of {size}")
        return size

    def _variant(self, card: CardTitle | None, words: list[str], condition: str) -> Variant:
        said = {meaning for _, meaning in self._variants.within(words)}
        if condition and (card is None or not card.grade):
            said |= {m for _, m in self._variants.within(plain_words(plain(condition)))}
        if card is not None:
            return Variant(
                signed=card.autograph,
                grader=card.grader,
                grade=card.grade,
                qualifier=card.qualifier,
                condition="damaged" if "damaged" in said else "",
            )
        return Variant(
            signed="signed" in said,
            first_edition="first edition" in said,
            condition=next((name for name in known.CONDITION_ORDER if name in said), ""),
            incomplete="incomplete" in said,
        )


_VARIANTS: Mapping[str, str] = {
    **known.CONDITIONS,
    **dict.fromkeys(known.INCOMPLETE, "incomplete"),
    **dict.fromkeys(known.SIGNED, "signed"),
    **dict.fromkeys(known.FIRST_EDITION, "first edition"),
    **dict.fromkeys(known.SAYS_NOTHING, ""),
}


def wanted_item(category: str, key: str, fields: Mapping[str, Any]) -> Wanted:
    """Return what is wanted when an item's market is asked for: any copy of it.

    Args:
        category: One of `CATEGORIES`.
        key: The item's natural key.
        fields: What is known of it, by the names of `core.categories`; None is unknown.
    """
    return CATEGORIES[category].wanted_item(key, fields)


def _excluding(wanted: Wanted) -> tuple[tuple[str, str], ...]:
    phrases = [*known.EXCLUDING[""], *known.EXCLUDING[wanted.category]]
    if wanted.category == "minifigure" and wanted.identifier[:1].isdigit():
        phrases.extend(known.ONLY_FIGURES)
    phrases.extend(" ".join(plain_words(plain(phrase))) for phrase in wanted.excluding)
    return tuple((phrase, phrase) for phrase in phrases if phrase)


@lru_cache(maxsize=256)
def _phrases(*meanings: tuple[str, str]) -> Phrases[str]:
    """Return phrases made for matching; most items have no word of them, and share them."""
    return Phrases(dict(meanings))


def _without_own(
    meanings: tuple[tuple[str, str], ...], own: list[str]
) -> tuple[tuple[str, str], ...]:
    """Return the phrases that are not in the wanted item's own words."""
    text = f" {' '.join(own)} "
    return tuple(entry for entry in meanings if f" {entry[0]} " not in text)
