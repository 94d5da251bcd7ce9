"""Whether a listing's title names the trading card that was asked for."""

from collections.abc import Mapping
from typing import Any

from pricing_assets.core.card_titles import (
    CardTitle,
    plain_number,
    read_card_title,
    read_card_words,
    set_as_sold,
    words_of,
)
from pricing_assets.core.judging import WEIGHTS, Judgement, Wanted
from pricing_assets.core.title_words import plain, plain_words


class CardListings:
    """Compares titles with one card, field by field."""

    def __init__(self, wanted: Wanted) -> None:
        """Take the card's own title apart."""
        self.wanted = wanted
        self._own = frozenset(plain_words(plain(wanted.title)))
        self._card_title = read_card_title(wanted.title)
        self._player = self._card_title.player.split()
        self._set = _set_words(self._card_title.set_name)
        self._number = plain_number(self._card_title.number)

    @staticmethod
    def wanted_item(key: str, fields: Mapping[str, Any]) -> Wanted:
        """Return the card as a wanted item: a game's code says nothing that titles say."""
        number = fields.get("number")
        said = (
            fields.get("year"),
            set_as_sold(fields.get("set_name") or ""),
            fields.get("name"),
            f"#{number}" if number else None,
        )
        title = key if "|" in key else " ".join(str(word) for word in said if word)
        return Wanted("card", title or key, identifier=key)

    def judge(self, text: str, words: list[str], *, asked_by_identifier: bool) -> Judgement:
        """Judge a title, given as plain text and as its words."""
        card_words = words_of(text)
        listed, wanted = read_card_words(card_words), self._card_title
        evidence = WEIGHTS.asked_by_identifier if asked_by_identifier else 1.0
        judged = Judgement(evidence, f"it is read as {listed.identifier or 'no card'}", listed)
        said = set(card_words)
        self._name_on_card(said, judged)
        same_number = _compare_number(self._number, listed, judged)
        _compare_year(wanted.year[:4], listed.year[:4], judged)
        self._set_of_card(said, listed, judged)
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

    def _name_on_card(self, said: set[str], judged: Judgement) -> None:
        if not self._player or said.issuperset(self._player):
            return
        name = self._card_title.player
        last = self._player[-2] if self._player[-1] in ("jr", "sr") else self._player[-1]
        if last in said:
            judged.times(WEIGHTS.last_name_only, f"of {name} it has only {last}")
        else:
            judged.times(WEIGHTS.other_player, f"it does not name {name}")

    def _set_of_card(self, said: set[str], listed: CardTitle, judged: Judgement) -> None:
        found = frozenset(listed.set_name.split())
        if not self._set or found == self._set:
            return
        if not found:
            # No vocabulary has every set, such as Goudey: its own words name it.
            if not said.issuperset(self._set):
                judged.times(WEIGHTS.no_set, "it names no set")
        else:
            judged.times(
                WEIGHTS.other_set,
                f"its set is {listed.set_name}, not {self._card_title.set_name}",
            )

    def _copy_of_card(self, listed: CardTitle, judged: Judgement, *, same_number: bool) -> None:
        wanted = self._card_title
        if wanted.grade:
            asked = " ".join(filter(None, (wanted.grader, wanted.grade, wanted.qualifier)))
            found = " ".join(filter(None, (listed.grader, listed.grade, listed.qualifier)))
            if found != asked:
                judged.times(WEIGHTS.other_grade, f"its grade is {found or 'none'}, not {asked}")
        wants_signed = wanted.autograph or self.wanted.signed
        if wants_signed and not listed.autograph:
            judged.times(WEIGHTS.no_signature, "it is not signed")
        # A signed copy of the same number is a variant; otherwise it is an insert.
        if listed.autograph and not wants_signed and (wanted.grade or not same_number):
            judged.times(WEIGHTS.signature_not_asked_for, "it is an autograph")


def _set_words(name: str) -> frozenset[str]:
    """Return the words of a set as titles are read, for whoever wrote a code did not know them.

    ``playoff contenders`` is read as ``panini contenders playoff``; an unknown set is its words.
    """
    return frozenset((read_card_words(words_of(name)).set_name or name).split())


def _compare_number(wanted: str, listed: CardTitle, judged: Judgement) -> bool:
    found = plain_number(listed.number)
    if not wanted or found == wanted:
        return bool(wanted)
    if found:
        judged.times(WEIGHTS.other_number, f"its number is {listed.number}, not {wanted}")
    else:
        judged.times(WEIGHTS.no_number, "it has no number")
    return False


def _compare_year(wanted: str, found: str, judged: Judgement) -> None:
    if not wanted or found == wanted:
        return
    if found:
        judged.times(WEIGHTS.other_year, f"its year is {found}, not {wanted}")
    else:
        judged.times(WEIGHTS.no_year, "it names no year")


def _compare_print_run(wanted: CardTitle, listed: CardTitle, judged: Judgement) -> None:
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
