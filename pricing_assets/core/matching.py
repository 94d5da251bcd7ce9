"""Whether a listing is the item that was asked for, how surely, and as which variant.

A search answers with what its words are near to: other editions, other parallels, lots,
empty boxes. Here every title is judged against one wanted item. The result says how far it
is to be trusted, which variant of the item it is (a grade, a signature, a first edition
each have a price of their own), how many pieces are sold together, and why.

    confidence = evidence x the product of all factors that apply

`evidence` is what speaks for the item: its identifier in the title, that the source was
asked by identifier, or the square of the share of the item's words that the title has (half
of a name is no evidence), times what a bare name is worth. Each factor is what one
disagreement leaves of it. All of them, and the threshold, are in `WEIGHTS`; they
were set on one half of labelled listings and `benchmarks/listing_matches.py` measures them
on the other.

Only whole words are compared, never parts of them: a filter for "rp" keeps Harper. The
words of the wanted item never exclude: a book that is called Digital Fortress is no
download. A price for one piece is the caller's: price over `lot_size`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from itertools import pairwise

from pricing_assets.core import listing_words as known
from pricing_assets.core.card_titles import (
    CardTitle,
    plain_number,
    read_card_title,
    read_card_words,
    words_of,
)
from pricing_assets.core.codes import read_code
from pricing_assets.core.lots import lot_size, small_number
from pricing_assets.core.title_words import Phrases, plain, plain_words


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
    def key(self) -> str:
        """A stable text for storing and grouping, ``signed+psa 10``; ``plain`` for none."""
        parts = (
            "signed" if self.signed else "",
            "first edition" if self.first_edition else "",
            " ".join(filter(None, (self.grader, self.grade, self.qualifier))),
            self.condition,
            "incomplete" if self.incomplete else "",
        )
        return "+".join(filter(None, parts)) or "plain"


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
        judges: Mapping[str, Callable[[str, list[str], bool], _Judgement]] = {
            "book": self._book,
            "card": self._card,
            "minifigure": self._minifigure,
        }
        if wanted.category not in judges:
            raise ValueError(
                f"no category is named {wanted.category!r}; there are {', '.join(judges)}"
            )
        if wanted.binding and wanted.binding not in known.BINDINGS_OF:
            raise ValueError(
                f"no binding is named {wanted.binding!r}; there are {', '.join(known.BINDINGS_OF)}"
            )
        self.wanted = wanted
        self._judge = judges[wanted.category]
        self._key = wanted.identifier.lower()
        own = plain_words(plain(f"{wanted.title} {wanted.author}"))
        self._own = frozenset(own)
        self._name = frozenset(_title_words(wanted.title))
        self._authors = frozenset(plain_words(plain(wanted.author))[-1:])
        self._name_worth = (
            WEIGHTS.name_of_book
            if wanted.category == "book"
            else 1.0
            if self._key[:1].isdigit()  # the name of a LEGO set is its own
            else WEIGHTS.name_of_minifigure
        )
        self._volume = _volume(own)
        self._bindings = frozenset(
            known.BINDINGS_OF[wanted.binding] if wanted.binding else known.BINDINGS.values()
        )
        self._excluding = Phrases(_without_own(_excluding(wanted), own))
        self._variants = Phrases(_without_own(_VARIANTS, own))
        self._card_title = read_card_title(wanted.title)
        self._player = self._card_title.player.split()
        self._set = frozenset(self._card_title.set_name.split())
        self._number = plain_number(self._card_title.number)

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
        judged = self._judge(text, words, asked_by_identifier)
        for place, phrase in self._excluding.within(words):
            # 'not a reprint', 'no reprint'
            if known.NEGATIONS.isdisjoint(words[max(0, place - 2) : place]):
                judged.times(WEIGHTS.excluding_word, f"it says “{phrase}”")
        lot_size = self._lot(text, words, judged)
        variant = self._variant(judged.card, words, condition)
        return Match(round(judged.confidence, 4), variant, lot_size, tuple(judged.reasons))

    def _lot(self, text: str, words: list[str], judged: "_Judgement") -> int:
        if not self._own.isdisjoint(("lot", "bundle", "lots")):  # Salem's Lot
            return 1
        size = lot_size(text, words)
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
        first_edition = "first edition" in said
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
            first_edition=first_edition and self.wanted.category == "book",
            condition=next((name for name in known.CONDITION_ORDER if name in said), ""),
            incomplete="incomplete" in said,
        )

    def _card(self, text: str, words: list[str], asked_by_identifier: bool) -> "_Judgement":
        card_words = words_of(text)
        listed, wanted = read_card_words(card_words), self._card_title
        evidence = WEIGHTS.asked_by_identifier if asked_by_identifier else 1.0
        judged = _Judgement(evidence, f"it is read as {listed.identifier or 'no card'}", listed)
        self._name_on_card(set(card_words), judged)
        same_number = _compare_number(self._number, listed, judged)
        _compare_year(wanted.year[:4], listed.year[:4], judged)
        self._set_of_card(listed, judged)
        if listed.parallel != wanted.parallel:
            judged.times(
                WEIGHTS.other_parallel,
                f"it is the {listed.parallel or 'base card'}, not the "
                f"{wanted.parallel or 'base card'}",
            )
        _compare_print_run(wanted, listed, judged)
        self._copy_of_card(listed, judged, same_number=same_number)
        unknown = [
            word
            for word in (*listed.player.split(), *listed.others)
            if word not in self._own and len(word) > 2
        ]
        if unknown:
            judged.times(
                WEIGHTS.unknown_word ** len(unknown), f"words not known: {', '.join(unknown)}"
            )
        return judged

    def _name_on_card(self, said: set[str], judged: "_Judgement") -> None:
        if not self._player or said.issuperset(self._player):
            return
        name = self._card_title.player
        last = self._player[-2] if self._player[-1] in ("jr", "sr") else self._player[-1]
        if last in said:
            judged.times(WEIGHTS.last_name_only, f"of {name} it has only {last}")
        else:
            judged.times(WEIGHTS.other_player, f"it does not name {name}")

    def _set_of_card(self, listed: CardTitle, judged: "_Judgement") -> None:
        found = frozenset(listed.set_name.split())
        if not self._set or found == self._set:
            return
        if not found:
            judged.times(WEIGHTS.no_set, "it names no set")
        else:
            judged.times(
                WEIGHTS.other_set,
                f"its set is {listed.set_name}, not {self._card_title.set_name}",
            )

    def _copy_of_card(self, listed: CardTitle, judged: "_Judgement", *, same_number: bool) -> None:
        wanted = self._card_title
        if wanted.grade:
            asked = " ".join(filter(None, (wanted.grader, wanted.grade, wanted.qualifier)))
            found = " ".join(filter(None, (listed.grader, listed.grade, listed.qualifier)))
            if found != asked:
                judged.times(WEIGHTS.other_grade, f"its grade is {found or 'none'}, not {asked}")
        if (wanted.autograph or self.wanted.signed) and not listed.autograph:
            judged.times(WEIGHTS.no_signature, "it is not signed")
        wants_signed = wanted.autograph or self.wanted.signed
        # A signed copy of the same number is a variant; otherwise it is an insert.
        if listed.autograph and not wants_signed and (wanted.grade or not same_number):
            judged.times(WEIGHTS.signature_not_asked_for, "it is an autograph")

    def _book(self, text: str, words: list[str], asked_by_identifier: bool) -> "_Judgement":
        wanted, said = self.wanted, set(words)
        isbns = _isbns(text)
        judged = self._evidence(said, asked_by_identifier, in_title=self._key in isbns)
        if isbns and self._key and self._key not in isbns:
            judged.times(WEIGHTS.other_isbn, f"its ISBN is {min(isbns)}")
        if not judged.identified and self._authors and said.isdisjoint(self._authors):
            short = len(self._name) < 3
            factor = WEIGHTS.no_author_of_short_title if short else WEIGHTS.no_author
            judged.times(factor, f"it does not name {wanted.author}")
        bindings = {meaning for _, meaning in _BINDINGS.within(words)}
        if bindings and bindings.isdisjoint(self._bindings):
            judged.times(
                WEIGHTS.other_binding, f"its binding is {min(bindings)}, not {wanted.binding}"
            )
        edition = _edition(words)
        if wanted.edition and edition and edition != wanted.edition:
            judged.times(WEIGHTS.other_edition, f"it is edition {edition}, not {wanted.edition}")
        volume = _volume(words)
        if volume != self._volume and (volume or not judged.identified):
            judged.times(
                WEIGHTS.other_volume,
                f"it is volume {volume or 'unknown'}, not {self._volume or 'unknown'}",
            )
        phrases = {meaning for _, meaning in self._variants.within(words)}
        if wanted.signed and "signed" not in phrases:
            judged.times(WEIGHTS.no_signature, "it is not signed")
        if wanted.first_edition and "first edition" not in phrases:
            judged.times(WEIGHTS.no_first_edition, "it is not called a first edition")
        return judged

    def _minifigure(self, text: str, words: list[str], asked_by_identifier: bool) -> "_Judgement":
        said = set(words)
        figures = {word for word in said if _FIGURE(word)}
        sets = _set_numbers(words)
        key = self._key.partition("-")[0] if self._key[:1].isdigit() else self._key
        wants_set = key[:1].isdigit()
        key_words = plain_words(key)
        in_title = bool(key_words) and (
            said.issuperset(key_words) if len(key_words) > 1 else key in said
        )
        judged = self._evidence(said, asked_by_identifier, in_title=in_title)
        named = sets if wants_set else figures
        if not in_title and named:
            judged.times(WEIGHTS.other_figure, f"it is {min(named)}, not {self._key}")
        elif in_title and not wants_set and named - {key}:
            judged.times(WEIGHTS.several_figures, f"it is also {min(named - {key})}")
        if not in_title and "lego" not in said:
            judged.times(WEIGHTS.no_brand, "it does not say LEGO")
        whole = {"set", "sealed"} & said and said.isdisjoint(_FIGURE_WORDS) and sets
        if whole and not wants_set and not in_title:
            judged.times(WEIGHTS.whole_set, f"it is the whole set {min(sets)}")
        return judged

    def _evidence(
        self, said: set[str], asked_by_identifier: bool, *, in_title: bool
    ) -> "_Judgement":
        if in_title:
            return _Judgement(
                WEIGHTS.identifier_in_title, f"it names {self.wanted.identifier}", identified=True
            )
        if asked_by_identifier:
            return _Judgement(
                WEIGHTS.asked_by_identifier,
                f"it was found by {self.wanted.identifier}",
                identified=True,
            )
        found = self._name & said
        share = (len(found) / len(self._name)) ** 2 if self._name else 0.0
        return _Judgement(
            share * self._name_worth,
            f"it has {len(found)} of the {len(self._name)} words of the name",
        )


@dataclass(slots=True)
class _Judgement:
    """A confidence in the making, with the reasons for it."""

    confidence: float
    reason: InitVar[str]
    card: CardTitle | None = None
    identified: bool = False
    reasons: list[str] = field(default_factory=list)

    def __post_init__(self, reason: str) -> None:
        self.reasons.append(reason)

    def times(self, factor: float, reason: str) -> None:
        self.confidence *= factor
        self.reasons.append(reason)


_VARIANTS: Mapping[str, str] = {
    **known.CONDITIONS,
    **dict.fromkeys(known.INCOMPLETE, "incomplete"),
    **dict.fromkeys(known.SIGNED, "signed"),
    **dict.fromkeys(known.FIRST_EDITION, "first edition"),
    **dict.fromkeys(known.SAYS_NOTHING, ""),
}
_BINDINGS: Phrases[str] = Phrases(known.BINDINGS)
_FIGURE = re.compile(r"(?!lego)[a-z]{2,5}[0-9]{3,4}[a-z]?").fullmatch
_SET_NUMBER = re.compile(r"[1-9][0-9]{3,5}").fullmatch
_FIGURE_WORDS = frozenset(("minifig", "minifigs", "minifigure", "minifigures", "figure", "figures"))
_ISBN = re.compile(r"\b[0-9][0-9-]{8,15}[0-9x]\b")
_ORDINALS: Mapping[str, int] = {
    word: number
    for number, word in enumerate(
        ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"), 1
    )
}
_ORDINAL = re.compile(r"([0-9]{1,2})(?:st|nd|rd|th)").fullmatch
_VOLUME_WORDS = frozenset(("volume", "vol", "book", "part", "bd", "tome"))


def _isbns(text: str) -> set[str]:
    """Return the ISBN-13s of all valid ISBNs in a plain title."""
    keys = (read_code(found).natural_key for found in _ISBN.findall(text))
    return {key for key in keys if key}


def _set_numbers(words: list[str]) -> set[str]:
    """Return what may be a LEGO set's number: neither a year nor a count of pieces."""
    return {
        word
        for word, after in pairwise([*words, ""])
        if _SET_NUMBER(word)
        and not (len(word) == 4 and word[:2] in ("19", "20"))
        and after not in ("pieces", "piece", "pcs", "pc", "parts")
    }


def _edition(words: list[str]) -> int:
    """Return the edition by number: 3 for '3rd edition' or 'third ed'; 0 where none is said."""
    for word, after in pairwise(words):
        if after in ("edition", "ed"):
            if word in _ORDINALS:
                return _ORDINALS[word]
            if found := _ORDINAL(word):
                return int(found[1])
    return 0


def _volume(words: list[str]) -> int:
    """Return the volume by number: 2 for 'vol. 2' or 'book two'; 0 where none is said."""
    for word, after in pairwise(words):
        if word in _VOLUME_WORDS:
            if after in ("one", "1"):
                return 1
            if size := small_number(after):
                return size
    return 0


def _title_words(title: str) -> Iterable[str]:
    """Return the words of a title that tell: without subtitle and small words."""
    main = re.split(r"[:(]", title)[0] if re.split(r"[:(]", title)[0].strip() else title
    words = plain_words(plain(main))
    return [word for word in words if word not in known.STOP_WORDS] or words


def _excluding(wanted: Wanted) -> Mapping[str, str]:
    phrases = [*known.EXCLUDING[""], *known.EXCLUDING[wanted.category]]
    if wanted.category == "minifigure" and wanted.identifier[:1].isdigit():
        phrases.extend(known.ONLY_FIGURES)
    phrases.extend(" ".join(plain_words(plain(phrase))) for phrase in wanted.excluding)
    return {phrase: phrase for phrase in phrases if phrase}


def _without_own(meanings: Mapping[str, str], own: list[str]) -> Mapping[str, str]:
    """Return the phrases that are not in the wanted item's own words."""
    text = f" {' '.join(own)} "
    return {phrase: means for phrase, means in meanings.items() if f" {phrase} " not in text}


def _compare_number(wanted: str, listed: CardTitle, judged: _Judgement) -> bool:
    found = plain_number(listed.number)
    if not wanted or found == wanted:
        return bool(wanted)
    if found:
        judged.times(WEIGHTS.other_number, f"its number is {listed.number}, not {wanted}")
    else:
        judged.times(WEIGHTS.no_number, "it has no number")
    return False


def _compare_year(wanted: str, found: str, judged: _Judgement) -> None:
    if not wanted or found == wanted:
        return
    if found:
        judged.times(WEIGHTS.other_year, f"its year is {found}, not {wanted}")
    else:
        judged.times(WEIGHTS.no_year, "it names no year")


def _compare_print_run(wanted: CardTitle, listed: CardTitle, judged: _Judgement) -> None:
    if wanted.print_run == listed.print_run:
        return
    if wanted.print_run is None:
        # A parallel that was asked for without its run is known by its name.
        if not (wanted.parallel and wanted.parallel == listed.parallel):
            judged.times(WEIGHTS.print_run_not_asked_for, f"it is one of {listed.print_run} copies")
    elif listed.print_run is None:
        judged.times(WEIGHTS.no_print_run, "it names no print run")
    else:
        judged.times(
            WEIGHTS.other_print_run,
            f"it is one of {listed.print_run} copies, not of {wanted.print_run}",
        )
