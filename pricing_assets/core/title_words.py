"""Words of listing titles: plain letters, and phrases that are found by whole words.

Here is what every reading of a title shares. What words mean is said where they are read:
`core.card_titles`, `core.matching`.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Generic, TypeVar

MAX_TITLE_LENGTH = 400
"""Longer titles are read up to here. The marketplaces allow 80 to 200 characters."""

_MARKS = re.compile("[\u0300-\u036f'\u2019\u2018`\u00b4\u02bc]+")
_INITIALS = re.compile(r"\b([a-z])\.(?=[a-z]\b)")
_WORD = re.compile(r"[a-z0-9]+")


def plain(title: str) -> str:
    """Return a title in plain lower-case letters, without accents and apostrophes.

    Single spaces; initials lose their full stops, so that J.J. is one word. Upper case
    comes first because some letters, such as the dotless i, have no other way back.
    """
    if title.isascii():  # most titles; spared the undressing
        text = title.lower()
    else:
        text = unicodedata.normalize("NFKD", title.upper()).lower()
    return _INITIALS.sub(r"\1", " ".join(_MARKS.sub("", text).split()))


def plain_words(text: str) -> list[str]:
    """Return the words of a plain text: runs of Latin letters and digits."""
    return _WORD.findall(text[:MAX_TITLE_LENGTH])


Meaning = TypeVar("Meaning")


class Phrases(Generic[Meaning]):
    """Phrases with a meaning each, found in a title's words without looking inside a word."""

    def __init__(self, meanings: Mapping[str, Meaning]) -> None:
        """Sort phrases, in plain letters, by their first word and the longest first."""
        self._by_first: dict[str, list[tuple[list[str], Meaning]]] = {}
        for phrase, meaning in meanings.items():
            words = phrase.split()
            self._by_first.setdefault(words[0], []).append((words, meaning))
        for entries in self._by_first.values():
            entries.sort(key=lambda entry: -len(entry[0]))

    def at(self, words: list[str], place: int) -> tuple[int, Meaning] | None:
        """Return the length in words and the meaning of the longest phrase that starts there."""
        for phrase, meaning in self._by_first.get(words[place], ()):
            length = len(phrase)
            if length == 1 or words[place : place + length] == phrase:
                return length, meaning
        return None

    def within(self, words: list[str]) -> list[tuple[int, Meaning]]:
        """Return the place and the meaning of every phrase in the words.

        The longest counts and phrases do not overlap: 'not signed' holds no 'signed'.
        """
        if self._by_first.keys().isdisjoint(words):  # of most titles
            return []
        phrases = []
        place = 0
        while place < len(words):
            if found := self.at(words, place):
                phrases.append((place, found[1]))
            place += found[0] if found else 1
        return phrases
