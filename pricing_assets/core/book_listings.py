"""Whether a listing's title names the book that was asked for."""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from pricing_assets.core import listing_words as known
from pricing_assets.core.codes import read_code
from pricing_assets.core.judging import (
    WEIGHTS,
    Judgement,
    Wanted,
    identifier_evidence,
    name_words,
    named_evidence,
)
from pricing_assets.core.lots import small_number
from pricing_assets.core.title_words import Phrases, plain, plain_words


class BookListings:
    """Compares titles with one book."""

    def __init__(self, wanted: Wanted) -> None:
        """Prepare the words of the book.

        Raises:
            ValueError: The binding is none that is known.
        """
        if wanted.binding and wanted.binding not in known.BINDINGS_OF:
            raise ValueError(
                f"no binding is named {wanted.binding!r}; there are {', '.join(known.BINDINGS_OF)}"
            )
        self.wanted = wanted
        self._name = name_words(wanted.title)
        self._authors = frozenset(plain_words(plain(wanted.author))[-1:])
        self._volume = _volume(plain_words(plain(wanted.title)))
        self._bindings = frozenset(
            known.BINDINGS_OF[wanted.binding] if wanted.binding else known.BINDINGS.values()
        )

    @staticmethod
    def wanted_item(key: str, fields: Mapping[str, Any]) -> Wanted:
        """Return the book with this ISBN-13 as a wanted item."""
        binding = str(fields.get("binding") or "").lower()
        return Wanted(
            "book",
            fields.get("title") or "",
            identifier=key,
            author=(fields.get("authors") or "").partition(",")[0],
            binding=binding if binding in known.BINDINGS_OF else "",
        )

    def judge(self, text: str, words: list[str], *, asked_by_identifier: bool) -> Judgement:
        """Judge a title, given as plain text and as its words."""
        wanted, said = self.wanted, set(words)
        isbns = _isbns(text)
        judged = (
            identifier_evidence(wanted)
            if wanted.identifier in isbns
            else named_evidence(
                wanted,
                self._name,
                said,
                WEIGHTS.name_of_book,
                asked_by_identifier=asked_by_identifier,
            )
        )
        if isbns and wanted.identifier and wanted.identifier not in isbns:
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
        # An ISBN is of one volume, whose number its title need not have.
        if volume != self._volume and (not judged.identified or (volume and self._volume)):
            judged.times(
                WEIGHTS.other_volume,
                f"it is volume {volume or 'unknown'}, not {self._volume or 'unknown'}",
            )
        return judged


_BINDINGS: Phrases[str] = Phrases(known.BINDINGS)
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
