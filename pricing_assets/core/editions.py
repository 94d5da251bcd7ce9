"""Editions: which books are one work, and which of them look like one edition twice.

A *work* is what an author wrote; its *editions* differ in publisher, binding, language or
text and have an ISBN each. A *likely duplicate* is a pair of ISBNs that look like one
edition: a re-issue under a new ISBN, or one book that was entered twice. It is shown to a
person and never merged by itself.

Here are the fingerprint of a work, in Python and as a DuckDB expression that gives the
same text, and the score of a pair with its reasons, as a DuckDB statement over all books
at once. No reading or writing of tables belongs here, and nothing about which ISBN
spellings are one item: that is `core.codes`.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence

THRESHOLD = 0.5
"""Score from which a pair is a likely duplicate (see `is_likely_duplicate`)."""

SAME_PUBLISHER, RELATED_PUBLISHER, UNKNOWN_PUBLISHER, OTHER_PUBLISHER = 1.0, 0.6, 0.4, 0.1
"""Factor of the publishers: the same, one's name within the other's (Bantam, Bantam Dell),
one of them unknown, different."""

SAME_BINDING, UNKNOWN_BINDING = 1.0, 0.9
"""Factor of the bindings; different ones exclude the pair."""

YEAR_FACTORS = ((1, 1.0), (5, 0.9), (10, 0.7), (20, 0.4))
"""Factor of the years between the editions: up to so many years, this; more, the next."""
FAR_YEARS, UNKNOWN_YEAR = 0.2, 0.8

OTHER_SUBTITLE, ONE_SUBTITLE = 0.4, 0.9
"""Factor of two subtitles that share no more than half of their words; of one and none."""

IMPRINT_WORDS = (
    *("book", "books", "co", "company", "corp", "corporation", "division", "edition"),
    *("editions", "group", "imprint", "inc", "incorporated", "limited", "llc", "ltd", "mm"),
    *("plc", "press", "pub", "publ", "publication", "publications", "publisher", "publishers"),
    *("publishing", "the", "trade", "uk", "us", "usa", "verlag", "and", "of", "a", "pr", "s"),
)
"""Words of a publisher's name that do not tell it from another."""

ARTICLES = (
    *("a", "an", "the", "der", "die", "das", "ein", "eine", "le", "la", "les", "l", "un"),
    *("une", "el", "los", "las", "una", "il", "lo", "gli", "i"),
)
