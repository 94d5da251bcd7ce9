"""How book vendors spell the fields of a book, and how we do (see `core.metadata.FIELDS`).

Shared by the metadata sources of books. No vendor's payload shape belongs here.
"""

import re
from collections.abc import Iterable

from stdnum import isbn

_YEAR = re.compile(r"(?<!\d)(1[4-9]\d\d|20\d\d)(?!\d)")
_PAGES = range(1, 30_000)
_BINDINGS = (
    ("Mass Market", re.compile(r"(?i)mass[\s-]*market")),
    ("Hardcover", re.compile(r"(?i)hard\s*-?\s*(?:cover|back|bound)|library binding|\bcloth\b")),
    ("Paperback", re.compile(r"(?i)paper\s*-?\s*(?:back|bound)|soft\s*-?\s*(?:cover|back|bound)")),
)
# ISO 639-2/B as libraries write it, to the ISO 639-1 that shops write; others stay as given.
_LANGUAGES = {
    "ara": "ar", "bul": "bg", "cat": "ca", "chi": "zh", "cze": "cs", "dan": "da", "dut": "nl",
    "eng": "en", "fin": "fi", "fre": "fr", "ger": "de", "gle": "ga", "gre": "el", "heb": "he",
    "hin": "hi", "hrv": "hr", "hun": "hu", "ice": "is", "ind": "id", "ita": "it", "jpn": "ja",
    "kor": "ko", "lat": "la", "nor": "no", "per": "fa", "pol": "pl", "por": "pt", "rum": "ro",
    "rus": "ru", "slo": "sk", "slv": "sl", "spa": "es", "srp": "sr", "swe": "sv", "tur": "tr",
    "ukr": "uk", "vie": "vi", "wel": "cy", "yid": "yi",
}  # fmt: skip
_LANGUAGE_NAMES = {
    "arabic": "ar", "chinese": "zh", "danish": "da", "dutch": "nl", "english": "en",
    "finnish": "fi", "french": "fr", "german": "de", "greek": "el", "hebrew": "he",
    "hindi": "hi", "italian": "it", "japanese": "ja", "korean": "ko", "latin": "la",
    "norwegian": "no", "polish": "pl", "portuguese": "pt", "russian": "ru", "spanish": "es",
    "swedish": "sv", "turkish": "tr", "ukrainian": "uk",
}  # fmt: skip
_SUBJECTS_KEPT = 20


def isbn13(text: str) -> str | None:
    """Return the ISBN-13 of an ISBN in any spelling; None when it is not a valid one."""
    try:
        return str(isbn.to_isbn13(isbn.validate(text)))
    except isbn.ValidationError:
        return None


def isbn10(isbn13_code: str) -> str | None:
    """Return the ISBN-10 of a valid ISBN-13; None when it has none (979)."""
    return str(isbn.to_isbn10(isbn13_code)) if isbn13_code.startswith("978") else None


def publication_year(text: str) -> int | None:
    """Return the first year from 1400 to 2099 in a date in any spelling."""
    match = _YEAR.search(text)
    return int(match[1]) if match else None


def page_count(number: int) -> int | None:
    """Return the number of pages when a book can have it."""
    return number if number in _PAGES else None


def binding(text: str) -> str:
    """Return ``Hardcover``, ``Paperback`` or ``Mass Market`` when recognised, else the text."""
    return next((name for name, pattern in _BINDINGS if pattern.search(text)), text)


def language(text: str) -> str:
    """Return the ISO 639-1 code of a code or an English name that we know, else the text."""
    text = text.strip().lower()
    return _LANGUAGES.get(text) or _LANGUAGE_NAMES.get(text, text)


def joined(names: Iterable[str], separator: str = ", ") -> str:
    """Return the names without repeats, in their order, as one text."""
    return separator.join(dict.fromkeys(name for name in names if name))


def subjects(names: Iterable[str]) -> str:
    """Return the first subjects without repeats, separated by ``; ``."""
    kept = list(dict.fromkeys(name for name in names if name))[:_SUBJECTS_KEPT]
    return joined(kept, "; ")


def known(
    fields: dict[str, str | int | float | None],
) -> dict[str, str | int | float]:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value not in (None, "")}
