"""Reading of trading-card titles: which card a listing's title, or a person, names.

Here: one title, as a seller wrote it, taken apart into a card's year, set, number, player
or character, parallel and print run (these make the card, and its identifier), and into
what only makes a copy of it: grade, autograph. The vocabulary is `core.card_words`; whether
a listing is the card that was asked for is `core.matching`.

A title is read by its words, never by parts of them. What no vocabulary knows is the name
of the player or character, so a name needs no list. Only Latin letters are read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pricing_assets.core import card_words as known
from pricing_assets.core.title_words import MAX_TITLE_LENGTH, Phrases, plain

FIRST_YEAR, LAST_YEAR = 1860, 2049
"""Between these, four digits are a year."""

MAX_NUMBER_LENGTH = 4
"""Digits of a card number at most; longer ones are a grader's certificate or stock code."""

MAX_WORDS_TO_GRADE = 4
"""How many words of a condition (GEM MINT, NM-MT) may stand between a grader and a grade."""


@dataclass(frozen=True, slots=True)
class CardTitle:
    """What a title says of a card; an empty text or None where it does not say.

    Attributes:
        year: As written: ``2023``, or ``2023-24`` for a season.
        set_name: Maker, product line and insert set in one order: ``topps chrome update``.
        number: As on the card, without ``#``: ``bcp-50``, ``4/102``.
        player: Player or character.
        parallel: Colours and finishes, sorted; empty for the base card.
        print_run: How many copies were made, of ``/499`` or ``12/99``.
        grader: Who graded this copy, ``psa``; empty for a raw one.
        grade: ``10``, ``9.5`` or ``authentic``.
        qualifier: A fault the grader noted: ``oc``.
        autograph: Whether a signature is mentioned.
        rookie: Whether it is called a rookie card.
        others: Words that are neither vocabulary nor part of `player`.
    """

    year: str = ""
    set_name: str = ""
    number: str = ""
    player: str = ""
    parallel: str = ""
    print_run: int | None = None
    grader: str = ""
    grade: str = ""
    qualifier: str = ""
    autograph: bool = False
    rookie: bool = False
    others: tuple[str, ...] = ()

    @property
    def identifier(self) -> str:
        """The natural key of the card: ``2023|bowman chrome|bcp50|ethan salas|refractor|499``.

        The same for every copy, so without grade and autograph. A season counts by its
        first year and a number by its letters and digits before a slash, for sellers write
        both ways; fields at the end that are empty are left out. Empty where neither a
        number nor a name is known: then no card is named.
        """
        if not self.number and not self.player:
            return ""
        run = "" if self.print_run is None else str(self.print_run)
        fields = [self.year[:4], self.set_name, plain_number(self.number), self.player]
        extra = [self.parallel, run] if run else [self.parallel] if self.parallel else []
        return "|".join(fields + extra)


def read_card_title(title: str) -> CardTitle:
    """Take a title apart. Never raises, whatever the text; case and spacing do not matter.

    An identifier is read as what it says, so that reading it gives it again.
    """
    text = plain(title)
    return _identified(text) or read_card_words(words_of(text))


def card_identifier(title: str) -> str:
    """Return the identifier of the card that a title names; empty when it names none."""
    return read_card_title(title).identifier


def plain_number(number: str) -> str:
    """Return a card number as it is compared: ``CAE-1`` and ``cae1`` are one, as 4 and 4/102."""
    first = number.lower().partition("/")[0].replace("-", "")
    return first.lstrip("0") or first[:1]


def set_as_sold(set_name: str) -> str:
    """Return the name that sellers give to a set of a collectible card game."""
    return known.SETS_AS_SOLD.get(set_name.lower(), set_name)


_GLUED_GRADE = re.compile(rf"\b({'|'.join(known.GRADERS)})-?(?=[0-9]{{1,2}}\b)")

# In this order: a print run; a number with its sign; a fraction; a decimal; a word.
_WORD = re.compile(
    r"(?:\#d? ?)?/ ?[0-9]+"
    r"|\# ?[a-z0-9]+(?:-[a-z0-9]+)*(?:/[a-z]{0,4}[0-9]+)?"
    r"|[a-z]{0,4}[0-9]+(?:/| / )[a-z]{0,4}[0-9]+"
    r"|[0-9]+\.[0-9]+"
    r"|[a-z0-9]+(?:-[a-z0-9]+)*"
)
_SEASON = re.compile(r"([0-9]{4})-(?:[0-9]{2})?([0-9]{2})").fullmatch
# Of letters and a year it is no code, but a name that a hyphen ties to the year: 'OHTANI-2024'.
_CODE = re.compile(
    r"(?=[a-z-]*[0-9])(?![a-z]+-(?:19|20)[0-9]{2})"
    r"[a-z0-9]{1,6}-(?:[a-z]{0,3}[0-9]{1,4}|[a-z]{1,4})"
).fullmatch
_LETTERS = re.compile(r"[a-z]+").fullmatch


def words_of(text: str) -> list[str]:
    """Return the words of a plain title; numbers keep their ``#`` and their slash."""
    words: list[str] = []
    for found in _WORD.findall(_GLUED_GRADE.sub(r"\1 ", text[:MAX_TITLE_LENGTH])):
        word = found.replace(" ", "")
        whole = "-" not in word or word[0] == "#" or _SEASON(word) or _CODE(word)
        words.extend((word,) if whole else word.split("-"))
    return words


_IDENTIFIER = re.compile(
    r"([0-9]{4})?\|([a-z0-9 ]*)\|([a-z0-9]*)\|([a-z ]*)(?:\|([a-z ]*)(?:\|([0-9]{1,6}))?)?"
).fullmatch

_BAR = re.compile(r" ?\| ?")


def _identified(text: str) -> CardTitle | None:
    """Read an identifier; None when the text is none."""
    found = _IDENTIFIER(_BAR.sub("|", text))
    if found is None:
        return None
    year, set_name, number, player, parallel, run = (part or "" for part in found.groups())
    return CardTitle(
        year=year,
        set_name=set_name.strip(),
        number=number,
        player=player.strip(),
        parallel=parallel.strip(),
        print_run=int(run) if run else None,
    )


_Meaning = tuple[str, str]
"""What a phrase is (``set``, ``parallel``, ``noise`` …) and its canonical words."""


def _meanings() -> Iterator[tuple[str, _Meaning]]:
    yield from ((phrase, ("noise", "")) for phrase in known.NOISE)
    yield from ((phrase, ("team", "")) for phrase in known.TEAMS)
    yield from ((phrase, ("sport", "")) for phrase in known.SPORT_SIGNS)
    yield from ((phrase, ("game", "")) for phrase in known.TCG_SIGNS)
    yield from ((phrase, ("set", phrase)) for phrase in known.TCG_SETS)
    yield from ((phrase, ("set", phrase)) for phrase in known.INSERTS)
    yield from ((phrase, ("parallel", means)) for phrase, means in known.PARALLELS.items())
    yield from ((phrase, ("set", means)) for phrase, means in known.MAKERS.items())
    for products in known.PRODUCTS.values():
        yield from ((phrase, ("set", means)) for phrase, means in products.items())
    yield from ((phrase, ("rookie", "")) for phrase in known.ROOKIE_WORDS)
    yield from ((phrase, ("autograph", "")) for phrase in known.AUTOGRAPH_WORDS)
    yield from ((phrase, ("name", phrase)) for phrase in known.NAMES)
    yield ("base set", ("base set", ""))


_PHRASES = Phrases(dict(_meanings()))
_SET_ORDER = {
    means: place
    for place, means in enumerate(
        dict.fromkeys(
            [
                *known.MAKERS.values(),
                *(means for products in known.PRODUCTS.values() for means in products.values()),
                *known.TCG_SETS,
                "base set",
                *known.INSERTS,
            ]
        )
    )
}
_MAKERS = frozenset(known.MAKERS.values())
_MAKER_OF = {
    means: maker for maker, products in known.PRODUCTS.items() for means in products.values()
}
_GAME_WORDS = frozenset(word for sign in known.TCG_SIGNS for word in sign.split()) | {
    name for name in known.TCG_SETS if " " not in name
}
_SPORT_WORDS = (
    frozenset(known.SPORT_SIGNS)
    | {name for name in (*known.MAKERS, *known.TEAMS) if " " not in name}
    | {name for products in known.PRODUCTS.values() for name in products if " " not in name}
    | {"deck", "rookie", "refractor", "xfractor"}
)
_GAME_SUFFIXES = frozenset(("ex", "gx", "v", "vmax", "vstar"))
_NUMBER_SIGNS = frozenset(("no", "nr", "num", "number"))
_NO_NUMBER_AFTER = frozenset(("pop", "qty", "lot", "size", "of", "x", "grade", "graded", "mint"))
_MAY_BE_NAMES = frozenset(("ace", "tag", "isa", "mnt", "scd", "beckett"))
_GRADE = re.compile(r"(?:[1-9](?:\.[05])?|10(?:\.0)?)").fullmatch


def in_vocabulary(text: str) -> bool:
    """Whether every word of a text is vocabulary, so that in a title none is taken for a name."""
    words = words_of(plain(text))
    place = 0
    while place < len(words):
        if (found := _PHRASES.at(words, place)) is None:
            return False
        place += found[0]
    return True


def read_card_words(words: list[str]) -> CardTitle:
    """Take the words of a title apart, as `words_of` gives them; see `read_card_title`."""
    grader, grade, qualifier, used = _graded(words)
    is_game = not _GAME_WORDS.isdisjoint(words) or _SPORT_WORDS.isdisjoint(words)
    sets: list[str] = []
    parallels: set[str] = set()
    runs: list[list[str]] = [[]]
    numeric: list[tuple[str, str, bool]] = []
    name = ""
    kinds: set[str] = set()
    before, place = "", 0
    while place < len(words):
        word = words[place]
        if place in used:
            runs.append([])
            place += 1
            continue
        length, (kind, means) = _PHRASES.at(words, place) or (1, ("", word))
        if is_game and word in _GAME_SUFFIXES and runs[-1]:
            length, kind, means = 1, "", word
        if kind == "set" and means == "prizm" and before == "parallel":
            kind = "prizm"
        if kind == "base set" and is_game:
            kind, means = "set", "base set"
        kinds.add(kind)
        if kind == "set":
            sets.append(means)
        elif kind == "parallel":
            parallels.update(means.split())
        elif kind == "name":
            name = name or means
        if kind == "" and _LETTERS(word) and (len(word) > 1 or is_game):
            runs[-1].append(word)
        else:
            runs.append([])
            if kind == "":
                numeric.append((words[place - 1] if place else "", word, bool(sets)))
        before, place = kind, place + length
    year, number, print_run = _numbers(numeric, is_game=is_game)
    if "prizm" in kinds and not sets:
        sets.append("prizm")
    named = name.split() or max(runs, key=len)
    return CardTitle(
        year=year,
        set_name=_set_name(sets),
        number=number,
        player=" ".join(named),
        parallel=_parallel(parallels, is_game=is_game),
        print_run=print_run,
        grader=grader,
        grade=grade,
        qualifier=qualifier,
        autograph="autograph" in kinds,
        rookie="rookie" in kinds or "rc" in words,
        others=tuple(word for run in runs if run is not named for word in run),
    )


def _graded(words: list[str]) -> tuple[str, str, str, range]:
    """Return grader, grade, qualifier, and the places of the words that say so."""
    for start, word in enumerate(words):
        if word not in known.GRADERS:
            continue
        place = start + 1
        reach = 1 if word in _MAY_BE_NAMES else MAX_WORDS_TO_GRADE
        while place <= start + reach and words[place : place + 1]:
            if words[place] not in known.CONDITION_WORDS:
                break
            place += 1
        following = words[place] if place < len(words) else ""
        between = words[start + 1 : place]
        if _GRADE(following):
            grade = following.removesuffix(".0")
            place += 1
        elif "authentic" in between and word not in _MAY_BE_NAMES:
            grade = "authentic"
        elif between[:2] in (["gem", "mint"], ["gem", "mt"]):
            grade = "10"
        else:
            continue
        around = {words[start - 1] if start else "", words[place] if place < len(words) else ""}
        if not around.isdisjoint(known.NOT_YET_GRADED):
            return "", "", "", range(start, place)
        qualifier = words[place] if words[place : place + 1] and words[place] in _QUALIFIERS else ""
        return known.GRADERS[word], grade, qualifier, range(start, place + bool(qualifier))
    return "", "", "", range(0)


_QUALIFIERS = frozenset(known.QUALIFIERS)


def _numbers(found: list[tuple[str, str, bool]], *, is_game: bool) -> tuple[str, str, int | None]:
    """Return year, card number and print run of the words with digits in them.

    Args:
        found: Each with the word before it and whether a set was named before, in the
            title's order. Of several numbers the first behind a set counts: sellers number
            their auctions too.
        is_game: Whether ``4/102`` is a number of a set, as in collectible card games.
    """
    year, signed, early, coded, print_run = "", "", "", "", None
    bare: list[str] = []
    fractions: list[str] = []
    for before, word, behind_set in found:
        if word.startswith(("/", "#/", "#d/")):
            print_run = print_run or _run(word.rpartition("/")[2])
        elif word[0] == "#":
            if "/" in word:
                fractions.append(word[1:])
            elif len(re.sub("[^0-9]", "", word)) <= MAX_NUMBER_LENGTH and word != "#d":
                signed = signed or (word[1:] if behind_set else "")
                early = early or word[1:]
        elif season := _SEASON(word):
            if (int(season[1]) + 1) % 100 == int(season[2]):
                year = year or f"{season[1]}-{season[2]}"
        elif "/" in word:
            season = _SEASON(word.replace("/", "-"))
            if season and (int(season[1]) + 1) % 100 == int(season[2]):
                year = year or f"{season[1]}-{season[2]}"
            else:
                fractions.append(word)
        elif word.isdigit():
            if before in _NUMBER_SIGNS and len(word) <= MAX_NUMBER_LENGTH:
                signed = signed or word
            elif len(word) == 4 and not year and FIRST_YEAR <= int(word) <= LAST_YEAR:
                year = word
            elif len(word) <= MAX_NUMBER_LENGTH and before not in _NO_NUMBER_AFTER:
                bare.append(word)
        elif _CODE(word):
            coded = coded or word
    number = signed or early or coded
    for fraction in fractions:
        first, _, second = fraction.partition("/")
        if not (first.isdigit() and second.isdigit()):
            number = number or fraction
        elif len(second) == 4 and FIRST_YEAR <= int(second) <= LAST_YEAR:
            continue  # '8/2025' is a month
        elif not number and (is_game or int(first) > int(second)):
            number = fraction
        else:
            print_run = print_run or _run(second)
    if not number and len(set(bare)) == 1:
        number = bare[0]
    return year, number, print_run


def _run(digits: str) -> int | None:
    return int(digits) or None if len(digits) <= 6 else None


def _set_name(found: list[str]) -> str:
    names = {name for name in found if name}
    if not names.isdisjoint(known.OTHER_PRODUCTS_THAN_PRIZM):
        names.discard("prizm")
    if "bowman" in names:
        names.discard("topps")
    if names.isdisjoint(_MAKERS):
        makers = {_MAKER_OF[name] for name in names if name in _MAKER_OF}
        names |= {min(makers, key=_SET_ORDER.__getitem__)} if makers else set()
    return " ".join(sorted(names, key=_SET_ORDER.__getitem__))


def _parallel(found: set[str], *, is_game: bool) -> str:
    # A colour implies the finish of its line: 'gold' and 'gold refractor' are one card.
    if len(found) > 1:
        found = found - {"refractor"}
    if is_game and "reverse" not in found:
        found = found - {"holo"}
    return " ".join(sorted(found))
