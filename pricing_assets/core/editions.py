"""Editions: which books are one work, and which of them look like one edition twice.

A *work* is what an author wrote; its *editions* differ in publisher, binding, language or
text and have an ISBN each. A *likely duplicate* is a pair of ISBNs that look like one
edition: a re-issue under a new ISBN, or one book that was entered twice. It is shown to a
person and never merged by itself.

Here are the fingerprint of a work, in Python and as a DuckDB expression that gives the
same text, and the score of a pair with its reasons, as a DuckDB statement over all books
at once. No reading or writing of tables belongs here, and nothing about which spellings
of an ISBN are one item: that is `core.codes`.
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence

THRESHOLD = 0.5
"""Score from which a pair is a likely duplicate. The factors below were set on one half of
the labelled pairs, and `benchmarks/duplicate_editions.py` measures them on the other."""

SAME_PUBLISHER, RELATED_PUBLISHER, UNKNOWN_PUBLISHER, OTHER_PUBLISHER = 1.0, 0.55, 0.4, 0.1
"""Factor of the publishers: the same; one's name within the other's (St. Martin's, St.
Martin's Paperbacks), which reaches the threshold only with the same binding and year; one
of them unknown; different."""

SAME_BINDING, UNKNOWN_BINDING = 1.0, 0.9
"""Factor of the bindings: the same; one of them unknown. Different ones exclude a pair."""

YEAR_FACTORS: Mapping[int, float] = {1: 1.0, 5: 0.9, 10: 0.7, 20: 0.4}
"""Factor of the years between two editions: up to so many years, so much."""
FAR_YEARS, UNKNOWN_YEAR = 0.2, 0.8

OTHER_SUBTITLE, ONE_SUBTITLE = 0.4, 0.6
"""Factor of two subtitles that share less than half of their words; of one and none."""

SUBTITLE_STOP_WORDS = ("and", "for", "from", "novel", "roman", "the", "with")
"""Words of a subtitle that say nothing; nor do those of one or two letters."""

OTHER_MARKS = 0.5
"""Factor of a mark such as 'anniversary' or 'illustrated' that only one of the titles has."""

OTHER_NUMBERS = 0.5
"""Factor of a number that only one of the titles has."""

EXCLUDING_MARKS: Mapping[str, str] = {
    "audio": "audio|audiobooks?|cassettes?|cds?|mp3|unabridged|abridged|tapes?|recorded",
    "large print": "large print|large type|thorndike|wheeler",
    "set": "box set|boxed set|box|boxed|slipcase|gift set|omnibus",
    "guide": "cliffs ?notes|spark ?notes|(?:study|pocket|teachers|movie) guide"
    "|workbook|teachers edition|screenplay|companion",
    "language": "(?:spanish|french|german|italian|portuguese|english|bilingual|dutch) edition",
}
"""Words of a title or publisher that make it another product where only one has them."""

MARKS: Mapping[str, str] = {
    "special": "anniversary|deluxe|collectors|special|leather|gift|edition",
    "illustrated": "illustrated|pop up|graphic|manga",
    "annotated": "annotated|critical|bedford|enriched|literary touchstone",
    "revised": "revised|updated|expanded|[0-9]+(?:st|nd|rd|th) ed(?:ition)?",
    "film": "movie|film|tie in|mti",
}
"""Words of a title that tell editions apart less surely."""

BINDINGS: Mapping[str, str] = {
    "mass market": "mass market|mmpb|rack",
    "hardcover": "hardcover|hardback|hardbound|hard cover|library binding|cloth|gebunden",
    "paperback": "paperbacks?|paperbound|softcover|soft cover|taschenbuch|trade paper",
}
"""Words that name a binding, in the binding's own field, the title or the publisher."""

IMPRINT_WORDS = (
    *("a", "and", "book", "books", "co", "company", "corp", "corporation", "division"),
    *("edition", "editions", "group", "house", "imprint", "inc", "incorporated", "limited"),
    *("llc", "ltd", "of", "plc", "pr", "press", "pub", "publ", "publication", "publications"),
    *("publisher", "publishers", "publishing", "the", "verlag"),
)
"""Words of a publisher's name that do not tell it from another."""

_NUMBER_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x")
_NUMBERS = {
    word: str(number) for words in (_NUMBER_WORDS, _ROMAN) for number, word in enumerate(words, 1)
}
# A word has to stand apart from what it numbers: 'vi' is not volume one.
_NUMBER = rf"(?:[0-9]+|\b(?:{'|'.join(_NUMBERS)}))"
_VOLUME = r"(?:volumes?|vols?|v)"
_PART = rf"(?:{_VOLUME}|books?|bks?|parts?|pt|tomes?|tomo|band|bd|teil)"
_PART_NUMBER = rf"\b{_PART}[ #]*({_NUMBER})\b"
_VOLUME_NUMBER = rf"\b{_VOLUME}[ #]*({_NUMBER})\b"
_ARTICLE = "(?:the|an?|der|die|das|eine?|les?|la|une?|el|los|las|il|lo|gli)"
_EDITION = (
    r"(?:(?:(?:[0-9]+(?:st|nd|rd|th)|first|second|third|fourth|fifth|new|revised|updated"
    r"|expanded|special|deluxe|illustrated|annotated|anniversary|collectors|international"
    r"|student|spanish|french|german|bilingual) )+ed(?:ition)?"
    r"|large print|(?:un)?abridged|paperback|hardcover|mass market|audio(?: ?book| cds?)?)"
)

_CODE_POINT = re.compile(r"\\x\{([0-9A-F]+)\}")

# A step is what to replace and with what. Python and DuckDB take the same ones: past the
# first, a text has only letters, digits, the signs named here and plain spaces, so both
# engines read a pattern alike (Python with re.ASCII); no pattern matches nothing.
_Steps = Sequence[tuple[str, str]]
_SIGNS = r"()\[\]:;/#,&-"
_QUOTES: _Steps = ((r"['\x{2018}\x{2019}\x{60}\x{B4}]", ""),)  # 'Sophie's' is 'Sophies'
_PLAIN: _Steps = ((r" *& *(?:amp;)? *", " and "), (r" +", " "))
_ASIDES: _Steps = (
    # '(Vol. 2)' belongs to the title; '(A Series, #2)' and '(Penguin Classics)' do not.
    (rf"[(\[] ?({_PART}[ #]*{_NUMBER}) ?[)\]]", r" \1 "),
    (r"([^ (]) *\([^()]*\([^()]*\)[^()]*\)", r"\1 "),
    (r"([^ (\[]) *(?:\([^()]*\)|\[[^\[\]]*\])", r"\1 "),
    (r"([^ (\[]) *[(\[].*$", r"\1"),
)
_SUBTITLE: _Steps = ((r"([^ ]) *(?:[:;]|,? or,|, or | -+ [^0-9 ]).*$", r"\1"),)
_SHORT: _Steps = (
    (_PART_NUMBER, " "),
    (rf", {_ARTICLE} *$", ""),
    (r"[^0-9a-z\x{80}-\x{10FFFF}]+", " "),
    (rf"([^ ]) {_EDITION} *$", r"\1"),
    (r"([^ ]) (?:a novel|(?:ein )?roman|una novela) *$", r"\1"),
    (rf"^ *{_ARTICLE} ", ""),
)
_IMPRINT: _Steps = (
    (r"([^ ]) *(?:[(\[/;]|,? an? (?:division|imprint) of ).*$", r"\1"),
    (rf"[ {_SIGNS}]+", " "),
    (r"^ ?(?:not avail(?:able)?|unknown|n a) ?$", " "),
)
_FIRST_AUTHOR: _Steps = (
    (r"[(\[][^()\[\]]*[)\]]?", " "),
    (r"([^ ]) *(?:[,;/]| and | with ).*$", r"\1"),
    (r"[^0-9a-z\x{80}-\x{10FFFF}]+", " "),
    (r"\b(?:jr|sr|iii?|ph ?d|m ?d|et al|editors?|eds?|various|anonymous|unknown)\b", " "),
    (r"^.* ([^ ]+ *)$", r"\1"),
)


def work_fingerprint(title: str | None, authors: str | None) -> str | None:
    """Return the key that the editions of a work share; None without a title.

    It is made of the title and the first author. Of the title count neither case,
    accents, punctuation, a leading article, the subtitle, the words of an edition, nor
    what stands in brackets; the number of a volume does. Of the author counts the family
    name, so that 'J. R. R. Tolkien', 'Tolkien, J.R.R.' and 'John Tolkien' are one.

    Args:
        title: As a source gave it.
        authors: As a source gave them, the first one first, separated by any usual sign.
    """
    whole = _taken(_ASIDES, _plain(title or ""))
    base = _taken(_SUBTITLE, whole)
    volume = _number(_PART_NUMBER, base) or _number(_VOLUME_NUMBER, whole)
    short = _taken(_SHORT, base).strip()
    author = _taken(_FIRST_AUTHOR, _plain(authors or "")).strip()
    if not short and not volume:
        return None
    return "work:" + hashlib.sha256(f"{short}#{volume}|{author}".encode()).hexdigest()[:24]


def work_fingerprint_sql(title: str, authors: str) -> str:
    """Return what `work_fingerprint` returns, as a DuckDB expression.

    Args:
        title: Expression of the title.
        authors: Expression of the authors.
    """
    whole = _taken_sql(_ASIDES, _plain_sql(title))
    base = _taken_sql(_SUBTITLE, whole)
    part, number = _number_sql(_PART_NUMBER, base), _number_sql(_VOLUME_NUMBER, whole)
    volume = f"coalesce({part}, {number}, '')"
    short = f"trim({_taken_sql(_SHORT, base)})"
    author = _first_author_sql(authors)
    named = f"nullif({short} || '#' || {volume}, '#')"
    return f"'work:' || substr(sha256({named} || '|' || {author}), 1, 24)"


def edition_pairs_sql(books: str, changed: str | None = None) -> str:
    """Return the DuckDB statement that scores every pair of books of one work.

    Only pairs of one fingerprint are looked at, so the cost grows with the editions of a
    work, not with the square of the books. Books without a title or an author are in no
    pair: an unknown author is not the same author.

    The score is the product of one factor for each of publisher, binding, year,
    subtitle, numbers and marks of the title; 1.0 is "alike in all that is known", 0.0 is
    "not the same edition": another binding, another volume, or audio, large print, a
    set, a study guide or a language on one side only.

    Args:
        books: Relation with item_id, title, authors, publisher, binding (texts, null
            where unknown) and publication_year (integer or null).
        changed: Relation with item_id. With it only pairs with one of these are scored, and
            of them only those whose publishers' names share a word or their letters: no
            other pair reaches the threshold, and most editions of a work are no such pair.

    Returns:
        A statement giving item_a < item_b, fingerprint, score (0.0 to 1.0) and reasons (a
        list of texts for a person), best first.
    """
    publisher = f"string_split(trim({_taken_sql(_IMPRINT, 'publisher')}), ' ')"
    telling = f"list_filter({publisher}, lambda word: word NOT IN {IMPRINT_WORDS})"
    label = "title || ' ' || publisher || ' ' || binding"
    subtitle = f"substr(whole, 1 + length({_taken_sql(_SUBTITLE, 'whole')}))"
    is_changed, candidates = "true", "true"
    if changed is not None:
        is_changed = f"item_id IN (SELECT item_id FROM {changed})"
        candidates = (
            "(a.is_changed OR b.is_changed) AND a.publisher <> [''] "
            "AND (list_has_any(a.publisher, b.publisher) "
            "OR array_to_string(a.publisher, '') = array_to_string(b.publisher, ''))"
        )
    return f"""
    WITH plain AS (
        SELECT item_id, {is_changed} AS is_changed, publication_year AS year,
            {_plain_sql("title")} AS title,
            {_plain_sql("publisher")} AS publisher, {_plain_sql("binding")} AS binding,
            {_taken_sql(_ASIDES, _plain_sql("title"))} AS whole,
            {work_fingerprint_sql("title", "authors")} AS fingerprint
        FROM {books} WHERE {_first_author_sql("authors")} <> ''
    ), edition AS (
        SELECT item_id, is_changed, fingerprint, year,
            if({telling} = [], {publisher}, {telling}) AS publisher,
            coalesce(
                {_first_named_sql(BINDINGS, "binding")}, nullif(trim(binding), ''),
                {_first_named_sql(BINDINGS, "title")}, {_first_named_sql(BINDINGS, "publisher")}
            ) AS binding,
            {_named_sql(EXCLUDING_MARKS, label)} AS products,
            {_named_sql(MARKS, label)} AS marks,
            {_numbers_sql("title")} AS numbers,
            {_numbers_sql("whole")} AS own_numbers,
            list_filter(
                list_distinct(regexp_extract_all({subtitle}, '[^ {_SIGNS}]{{3,}}')),
                lambda word: word NOT IN {SUBTITLE_STOP_WORDS}
            ) AS subtitle
        FROM plain WHERE fingerprint IS NOT NULL
    ), factor AS (
        SELECT a.item_id AS item_a, b.item_id AS item_b, fingerprint,
            CASE WHEN a.publisher = [''] OR b.publisher = [''] THEN {UNKNOWN_PUBLISHER}
                WHEN array_to_string(a.publisher, '') = array_to_string(b.publisher, '')
                THEN {SAME_PUBLISHER}
                WHEN list_has_all(a.publisher, b.publisher)
                    OR list_has_all(b.publisher, a.publisher) THEN {RELATED_PUBLISHER}
                ELSE {OTHER_PUBLISHER} END AS publisher,
            CASE WHEN a.binding = b.binding THEN {SAME_BINDING}
                WHEN a.binding <> b.binding THEN 0.0 ELSE {UNKNOWN_BINDING} END AS binding,
            abs(a.year - b.year) AS years,
            CASE {" ".join(f"WHEN years <= {most} THEN {f}" for most, f in YEAR_FACTORS.items())}
                WHEN years IS NULL THEN {UNKNOWN_YEAR} ELSE {FAR_YEARS} END AS year,
            CASE WHEN (a.subtitle = []) <> (b.subtitle = []) THEN {ONE_SUBTITLE}
                WHEN 2 * length(list_intersect(a.subtitle, b.subtitle))
                    < least(length(a.subtitle), length(b.subtitle)) THEN {OTHER_SUBTITLE}
                ELSE 1.0 END AS subtitle,
            CASE WHEN a.numbers <> [] AND b.numbers <> [] AND NOT list_has_any(a.numbers, b.numbers)
                THEN 0.0 WHEN a.own_numbers <> b.own_numbers THEN {OTHER_NUMBERS}
                ELSE 1.0 END AS numbers,
            if(a.products = b.products, 1.0, 0.0) AS product,
            if(a.marks = b.marks, 1.0, {OTHER_MARKS}) AS marks,
            array_to_string(a.publisher, ' ') AS publisher_a,
            array_to_string(b.publisher, ' ') AS publisher_b,
            a.binding AS binding_a, b.binding AS binding_b
        FROM edition a JOIN edition b USING (fingerprint)
        WHERE a.item_id < b.item_id AND {candidates}
    )
    SELECT item_a, item_b, fingerprint,
        round(publisher * binding * year * subtitle * numbers * product * marks, 4)::DOUBLE
            AS score,
        list_filter([
            'same work',
            CASE publisher WHEN {SAME_PUBLISHER} THEN 'same publisher: ' || publisher_a
                WHEN {UNKNOWN_PUBLISHER} THEN 'a publisher is unknown'
                WHEN {RELATED_PUBLISHER} THEN
                    'related publishers: ' || publisher_a || ', ' || publisher_b
                ELSE 'different publishers: ' || publisher_a || ', ' || publisher_b END,
            CASE binding WHEN {SAME_BINDING} THEN 'same binding: ' || binding_a
                WHEN 0.0 THEN 'different bindings: ' || binding_a || ', ' || binding_b
                ELSE 'a binding is unknown' END,
            CASE years WHEN 0 THEN 'same year' WHEN 1 THEN 'one year apart'
                ELSE coalesce(years || ' years apart', 'a year is unknown') END,
            if(subtitle < 1.0, 'different subtitles, or only one', NULL),
            if(numbers < 1.0, 'different numbers in the titles', NULL),
            if(product < 1.0, 'audio, large print, set, guide or language on one side', NULL),
            if(marks < 1.0, 'marked as another edition on one side', NULL)
        ], lambda reason: reason IS NOT NULL) AS reasons
    FROM factor ORDER BY score DESC, item_a, item_b
    """


def is_likely_duplicate(score: float) -> bool:
    """Say whether a pair of this score (see `edition_pairs_sql`) is shown for review.

    With the factors above that takes the same publisher and nothing known to differ but up
    to ten years or, within a year, a subtitle on one side only. Related publishers, or a
    mark on one side only, need one known binding and no more than a year between them.
    """
    return score >= THRESHOLD


def _plain(text: str) -> str:
    # Letter by letter: a lower-case sigma does not depend on its place, as in DuckDB.
    text = unicodedata.normalize("NFD", "".join(char.lower() for char in text))
    text = "".join(char for char in text if not unicodedata.category(char).startswith("M"))
    text = _taken(_QUOTES, unicodedata.normalize("NFC", text))
    return _taken(_PLAIN, re.sub(rf"(?:[^\w{_SIGNS}]|_)+", " ", text))


def _plain_sql(text: str) -> str:
    # What follows a NUL would be lost to strip_accents.
    text = _taken_sql(_QUOTES, f"strip_accents(lower(replace(coalesce({text}, ''), chr(0), ' ')))")
    return _taken_sql(((rf"[^\p{{L}}\p{{N}}{_SIGNS}]+", " "), *_PLAIN), text)


def _first_author_sql(authors: str) -> str:
    return f"trim({_taken_sql(_FIRST_AUTHOR, _plain_sql(authors))})"


def _first_named_sql(words: Mapping[str, str], text: str) -> str:
    cases = " ".join(
        f"WHEN regexp_matches({text}, '\\b(?:{pattern})\\b') THEN '{name}'"
        for name, pattern in words.items()
    )
    return f"CASE {cases} END"


def _named_sql(words: Mapping[str, str], text: str) -> str:
    cases = ", ".join(
        f"if(regexp_matches({text}, '\\b(?:{pattern})\\b'), '{name}', NULL)"
        for name, pattern in words.items()
    )
    return f"list_filter([{cases}], lambda name: name IS NOT NULL)"


def _numbers_sql(text: str) -> str:
    return f"list_sort(list_distinct(regexp_extract_all({text}, '0*([0-9]+)', 1)))"


def _taken(steps: _Steps, text: str) -> str:
    for pattern, replacement in steps:
        text = re.sub(_python(pattern), replacement, text, flags=re.ASCII)
    return text


def _python(pattern: str) -> str:
    return _CODE_POINT.sub(lambda found: f"\\U{found[1]:0>8}", pattern)


def _taken_sql(steps: _Steps, text: str) -> str:
    for pattern, replacement in steps:
        text = f"regexp_replace({text}, {_quoted(pattern)}, {_quoted(replacement)}, 'g')"
    return text


def _number(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.A)
    return _NUMBERS.get(found[1], found[1].lstrip("0")) if found else ""


def _number_sql(pattern: str, text: str) -> str:
    found = f"regexp_extract({text}, {_quoted(pattern)}, 1)"
    known = ", ".join(f"'{word}': '{number}'" for word, number in _NUMBERS.items())
    return f"nullif(coalesce(map {{{known}}}[{found}], ltrim({found}, '0')), '')"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
