"""Whether a listing's title names the minifigure, or the LEGO set, that was asked for."""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from pricing_assets.core.judging import (
    WEIGHTS,
    Judgement,
    Wanted,
    identifier_evidence,
    name_words,
    named_evidence,
)
from pricing_assets.core.title_words import plain, plain_words


class MinifigureListings:
    """Compares titles with one minifigure, or one set when its number is a set's."""

    def __init__(self, wanted: Wanted) -> None:
        """Prepare the words of the figure; the variant of a set's number is left out."""
        self.wanted = wanted
        self._name = name_words(wanted.title)
        self._wants_set = wanted.identifier[:1].isdigit()
        key = wanted.identifier.partition("-")[0] if self._wants_set else wanted.identifier
        self._key_words = plain_words(plain(key))

    @staticmethod
    def wanted_item(key: str, fields: Mapping[str, Any]) -> Wanted:
        """Return the figure with this number as a wanted item."""
        return Wanted("minifigure", fields.get("name") or "", identifier=key)

    def judge(self, text: str, words: list[str], *, asked_by_identifier: bool) -> Judgement:
        """Judge a title, given as plain text and as its words."""
        said = set(words)
        figures = {word for word in said if _FIGURE(word)}
        sets = _set_numbers(words)
        in_title = bool(self._key_words) and said.issuperset(self._key_words)
        judged = (
            identifier_evidence(self.wanted)
            if in_title
            else named_evidence(
                self.wanted,
                self._name,
                said,
                1.0 if self._wants_set else WEIGHTS.name_of_minifigure,
                asked_by_identifier=asked_by_identifier,
            )
        )
        named = (sets if self._wants_set else figures) - set(self._key_words)
        if not in_title and named:
            judged.times(WEIGHTS.other_figure, f"it is {min(named)}, not {self.wanted.identifier}")
        elif in_title and named and not self._wants_set:
            judged.times(WEIGHTS.several_figures, f"it is also {min(named)}")
        if not in_title and "lego" not in said:
            judged.times(WEIGHTS.no_brand, "it does not say LEGO")
        whole = {"set", "sealed"} & said and said.isdisjoint(_FIGURE_WORDS) and sets
        if whole and not self._wants_set and not in_title:
            judged.times(WEIGHTS.whole_set, f"it is the whole set {min(sets)}")
        return judged


_FIGURE = re.compile(r"(?!lego)[a-z]{2,5}[0-9]{3,4}[a-z]?").fullmatch
_SET_NUMBER = re.compile(r"[1-9][0-9]{3,5}").fullmatch
_FIGURE_WORDS = frozenset(("minifig", "minifigs", "minifigure", "minifigures", "figure", "figures"))


def _set_numbers(words: list[str]) -> set[str]:
    """Return what may be a LEGO set's number: neither a year nor a count of pieces."""
    return {
        word
        for word, after in pairwise([*words, ""])
        if _SET_NUMBER(word)
        and not (len(word) == 4 and word[:2] in ("19", "20"))
        and after not in ("pieces", "piece", "pcs", "pc", "parts")
    }
