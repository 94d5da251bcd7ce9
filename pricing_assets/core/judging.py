"""How a listing is judged: the formula, its weights, and what was asked for.

    confidence = evidence x the product of all factors that apply

`evidence` is what speaks for the item: its identifier in the title, that the source was
asked by identifier, or the square of the share of the item's words that the title has (half
of a name is no evidence), times what a bare name is worth. A card's evidence is whole from
the start, for a card is told by what its title does not contradict. Each factor is what one
disagreement leaves of it. All of them, and the threshold, are in `WEIGHTS`; those of cards
were set on one half of labelled listings, and `benchmarks/listing_matches.py` measures them
on the other. Of books and minifigures there are no labels: their weights are judgement.

What disagrees is said for each category in `core.book_listings`, `core.card_listings` and
`core.minifigure_listings`, for all of them in `core.matching`.
"""

import re
from dataclasses import InitVar, dataclass, field

from pricing_assets.core.card_titles import CardTitle
from pricing_assets.core.listing_words import STOP_WORDS
from pricing_assets.core.title_words import plain, plain_words


@dataclass(frozen=True, slots=True)
class Weights:
    """The evidence, and what each disagreement leaves of it; all from 0 to 1.

    `other_…`: the title says something else; `no_…`: the title does not say it.
    """

    threshold: float = 0.5

    identifier_in_title: float = 1.0
    asked_by_identifier: float = 0.95
    name_of_book: float = 0.85  # it has other editions
    name_of_minifigure: float = 0.65  # many figures share a name

    excluding_word: float = 0.02
    lot: float = 0.6
    lot_of_unknown_size: float = 0.1

    other_number: float = 0.05
    no_number: float = 0.9
    other_year: float = 0.05
    no_year: float = 0.8
    other_set: float = 0.1
    no_set: float = 0.4
    other_player: float = 0.05
    last_name_only: float = 0.8
    other_parallel: float = 0.1
    other_print_run: float = 0.1
    no_print_run: float = 0.95
    print_run_not_asked_for: float = 0.3
    other_grade: float = 0.1
    signature_not_asked_for: float = 0.3
    no_signature: float = 0.2
    unknown_word: float = 0.8

    other_isbn: float = 0.05
    other_binding: float = 0.2
    other_edition: float = 0.2
    no_first_edition: float = 0.3
    other_volume: float = 0.1
    no_author: float = 0.8
    no_author_of_short_title: float = 0.45

    other_figure: float = 0.05
    several_figures: float = 0.4
    no_brand: float = 0.7
    whole_set: float = 0.3


WEIGHTS = Weights()


@dataclass(frozen=True, slots=True)
class Wanted:
    """The item that was asked for.

    Attributes:
        category: ``book``, ``card`` or ``minifigure``.
        title: A book's title, a figure's or set's name, a card's identifier or title. A
            grade in a card's title asks for that grade and for an unsigned copy.
        identifier: The natural key: ISBN-13, ``sw0001``, ``75192``. Not needed for cards.
        author: A book's authors.
        binding: A book's binding: ``hardcover``, ``paperback`` or ``mass market``.
        edition: A book's edition by number: ``2`` for the second; 0 where it is unknown.
        signed: Only signed copies are wanted.
        first_edition: Only first editions are wanted.
        excluding: Further phrases that exclude a listing, as a saved search has them.
    """

    category: str
    title: str
    identifier: str = ""
    author: str = ""
    binding: str = ""
    edition: int = 0
    signed: bool = False
    first_edition: bool = False
    excluding: tuple[str, ...] = ()


@dataclass(slots=True)
class Judgement:
    """A confidence in the making, with the reasons for it."""

    confidence: float
    reason: InitVar[str]
    card: CardTitle | None = None
    identified: bool = False
    reasons: list[str] = field(default_factory=list)

    def __post_init__(self, reason: str) -> None:
        self.reasons.append(reason)

    def times(self, factor: float, reason: str) -> None:
        """Let a disagreement take its part of the confidence."""
        self.confidence *= factor
        self.reasons.append(reason)


def named_evidence(
    wanted: Wanted, name: frozenset[str], said: set[str], worth: float, *, asked_by_identifier: bool
) -> Judgement:
    """Start the judgement of a listing whose title does not have the item's identifier.

    Args:
        wanted: The item.
        name: The words of its name, from `name_words`.
        said: The words of the title.
        worth: What the whole name is worth as evidence.
        asked_by_identifier: The source was asked by identifier, so it stands for the name.
    """
    if asked_by_identifier:
        reason = f"it was found by {wanted.identifier or 'its identifier'}"
        return Judgement(WEIGHTS.asked_by_identifier, reason, identified=True)
    found = len(name & said)
    share = (found / len(name)) ** 2 if name else 0.0
    return Judgement(share * worth, f"it has {found} of the {len(name)} words of the name")


def identifier_evidence(wanted: Wanted) -> Judgement:
    """Start the judgement of a listing whose title has the item's identifier."""
    reason = f"it names {wanted.identifier}"
    return Judgement(WEIGHTS.identifier_in_title, reason, identified=True)


def name_words(title: str) -> frozenset[str]:
    """Return the words of a title that tell it from others: no subtitle, no small words."""
    main = re.split("[:(]", title, maxsplit=1)[0].strip() or title
    words = plain_words(plain(main))
    return frozenset(word for word in words if word not in STOP_WORDS) or frozenset(words)
